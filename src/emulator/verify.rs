//! Who is asking: the signature, or HTTP Basic, judged in the order and in the words of the provider.
//!
//! ```text
//! 1. Authorization: Basic key:secret       instead of a signature; then neither signature nor timestamp is looked at
//! 2. no signature                          unsigned: needs an upload preset
//! 3. cloud, api_key, timestamp given       Invalid cloud_name · Missing required parameter · Unknown API key
//! 4. signature                             SHA-1 or SHA-256 by its length, version 1 or 2
//! 5. timestamp                             at most one hour old; the future passes, as no rule against it is known
//! 6. role of the key                       a key that may only read is refused everything else
//! ```

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::clock::UnixSeconds;
use crate::signing::Algorithm;
use crate::signing::cloudinary::{SignatureVersion, string_to_sign};

use super::accounts::{Accounts, CloudAccount, Operation, Stranger};
use super::fields::Fields;
use super::refusal::Refusal;

/// How long a timestamp is good for.
const LIFETIME_SECONDS: i64 = 3_600;

/// One call to the Upload API or the download endpoint, as far as its authentication goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub cloud: &'a str,
    pub headers: &'a HeaderMap,
    pub fields: &'a Fields,
    pub now: UnixSeconds,
    pub lifetime: Lifetime,
    /// What it does, which the key's role has to include.
    pub operation: Operation,
}

/// How long a signature is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifetime {
    /// One hour from its timestamp.
    Hour,
    /// Until the signed `expires_at`; one hour where there is none. Downloads only.
    ExpiresAt,
}

/// A caller that proved to be an account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access<'a> {
    pub account: &'a CloudAccount,
    /// The hash the caller signs with; answers are signed with the same.
    pub algorithm: Algorithm,
}

/// How an upload was authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// A signature, or key and secret.
    Signed,
    /// Nothing: an upload preset has to allow it.
    Unsigned,
}

/// Judges an upload, which may also come unsigned; then it counts for the cloud's first key.
pub(super) fn authenticate_upload<'a>(
    accounts: &'a Accounts,
    call: Call<'_>,
) -> Result<(Access<'a>, Proof), Refusal> {
    let unsigned = credentials(call.headers).is_none() && call.fields.get("signature").is_none();
    if !unsigned {
        return authenticate(accounts, call).map(|access| (access, Proof::Signed));
    }
    let account = accounts.main_of(call.cloud);
    let account = account.ok_or_else(|| Refusal::InvalidCloudName(call.cloud.to_owned()))?;
    call.fields.get("upload_preset").ok_or(Refusal::PresetMissing)?;
    Ok((Access { account, algorithm: Algorithm::default() }, Proof::Unsigned))
}

/// Judges a call that must be signed, or carry HTTP Basic.
pub(super) fn authenticate<'a>(accounts: &'a Accounts, call: Call<'_>) -> Result<Access<'a>, Refusal> {
    let find = |key: &str| {
        accounts.find(call.cloud, key).map_err(|stranger| match stranger {
            Stranger::Cloud => Refusal::InvalidCloudName(call.cloud.to_owned()),
            Stranger::Key => Refusal::UnknownApiKey(key.to_owned()),
            Stranger::Pair => Refusal::CloudMismatch,
        })
    };
    if let Some(credentials) = credentials(call.headers) {
        let credentials = credentials?;
        let account = find(&credentials.key)?;
        if !account.has_secret(credentials.secret.expose_secret()) {
            return Err(Refusal::SecretMismatch);
        }
        account.authorize(call.operation)?;
        let algorithm = Algorithm::default();
        return Ok(Access { account, algorithm });
    }
    if !accounts.has_cloud(call.cloud) {
        return Err(Refusal::InvalidCloudName(call.cloud.to_owned()));
    }
    let signature = call.fields.require("signature")?;
    let account = find(call.fields.require("api_key")?)?;
    let timestamp = call.fields.require("timestamp")?;
    let algorithm = check_signature(account, signature, call.fields)?;
    match call.fields.get("expires_at") {
        Some(end) if call.lifetime == Lifetime::ExpiresAt => check_expiry(end, call.now)?,
        _ => check_age(timestamp, call.now)?,
    }
    account.authorize(call.operation)?;
    Ok(Access { account, algorithm })
}

/// Key and secret of an `Authorization: Basic` header; `None` without one.
pub(super) fn credentials(headers: &HeaderMap) -> Option<Result<Credentials, Refusal>> {
    let header = headers.get(AUTHORIZATION)?;
    Some(
        Credentials::parse(header.as_bytes()).ok_or_else(|| {
            Refusal::NotEmulated("authorization other than Basic api_key:api_secret".to_owned())
        }),
    )
}

/// What an `Authorization: Basic` header holds.
#[derive(Debug)]
pub(super) struct Credentials {
    pub key: String,
    pub secret: SecretString,
}

impl Credentials {
    fn parse(header: &[u8]) -> Option<Self> {
        let header = std::str::from_utf8(header).ok()?;
        let (scheme, encoded) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        // The Ruby SDK encodes with the URL-safe alphabet, the others with the standard one.
        let encoded = encoded.trim().replace('-', "+").replace('_', "/");
        let decoded = LENIENT_BASE64.decode(encoded).ok()?;
        let text = String::from_utf8(decoded).ok()?;
        let (key, secret) = text.split_once(':')?;
        Some(Self { key: key.to_owned(), secret: SecretString::from(secret) })
    }
}

/// Standard alphabet, with or without padding.
const LENIENT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Checks `given` against both versions of the string; its length names the hash.
fn check_signature(account: &CloudAccount, given: &str, fields: &Fields) -> Result<Algorithm, Refusal> {
    let params = fields.signed();
    let string = string_to_sign(&params, SignatureVersion::V1);
    let escaped = string_to_sign(&params, SignatureVersion::V2);
    let is_of = |algorithm: &Algorithm| {
        let matches = |text: &str| algorithm.sign(text.as_bytes(), &account.api_secret).matches(given);
        matches(&string) | matches(&escaped)
    };
    Algorithm::of_hex_length(given.len())
        .filter(is_of)
        .ok_or_else(|| Refusal::InvalidSignature { given: given.to_owned(), string })
}

fn check_age(timestamp: &str, now: UnixSeconds) -> Result<(), Refusal> {
    let reported = parse_seconds("timestamp", timestamp)?;
    if reported.plus(LIFETIME_SECONDS) < now {
        let reported = spell_out(reported);
        return Err(Refusal::Stale { reported });
    }
    Ok(())
}

/// A link is dead from the very second that it names.
fn check_expiry(expires_at: &str, now: UnixSeconds) -> Result<(), Refusal> {
    let end = parse_seconds("expires_at", expires_at)?;
    if end <= now {
        let expired = spell_out(end);
        return Err(Refusal::Expired { expired });
    }
    Ok(())
}

fn parse_seconds(name: &'static str, text: &str) -> Result<UnixSeconds, Refusal> {
    let refusal = || Refusal::InvalidValue { name, value: text.to_owned() };
    text.parse().ok().map(UnixSeconds).ok_or_else(refusal)
}

/// `2016-12-15 04:02:46 +0000`, or the bare number where no calendar reaches.
fn spell_out(moment: UnixSeconds) -> String {
    Timestamp::from_second(moment.0).map_or_else(
        |_| moment.to_string(),
        |timestamp| timestamp.strftime("%Y-%m-%d %H:%M:%S +0000").to_string(),
    )
}
