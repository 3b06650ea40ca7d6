//! Cloudinary's signatures: the string to sign, the hash over it, and what else the provider signs with the same secret.
//!
//! ```text
//! string to sign = join("&", sort by name(name "=" value))      nothing is percent-encoded
//! signature      = lower-case hex(HASH(string to sign + API secret))      a plain hash, not an HMAC
//! ```
//!
//! - Empty values are left out; a list is joined with commas, in the order given.
//! - Version 2 writes `&` inside a name or a value as `%26`, so that no value can pass for further parameters
//!   (CVE-2025-12613); version 1 leaves it. The provider accepts both.
//! - [`NOT_SIGNED`] names what a request carries beside its signed parameters.
//!
//! Source: <https://cloudinary.com/documentation/authentication_signatures>.

use std::fmt::Write as _;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use super::{Algorithm, ParamValue, Params, Signature, is_notification_signature};

/// Fields of an Upload API request that are not part of its string to sign.
pub const NOT_SIGNED: [&str; 5] = ["file", "cloud_name", "resource_type", "api_key", "signature"];

/// How `&` inside a parameter is written in the string to sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignatureVersion {
    /// As it stands: a value that contains `&` reads like further parameters.
    V1,
    /// As `%26`: the SDKs' default since 2025.
    #[default]
    V2,
}

impl SignatureVersion {
    /// The number as configuration and SDKs spell it.
    pub const fn number(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }
}

/// A version that is neither `1` nor `2`.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a signature version: use 1 or 2")]
pub struct UnknownVersion(String);

impl FromStr for SignatureVersion {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "1" => Ok(Self::V1),
            "2" => Ok(Self::V2),
            other => Err(UnknownVersion(other.to_owned())),
        }
    }
}

/// Signs for one product environment: its secret, and the algorithm and version chosen for it.
#[derive(Clone, Debug)]
pub struct Signer {
    secret: SecretString,
    algorithm: Algorithm,
    version: SignatureVersion,
}

impl Signer {
    /// A signer with this API secret.
    pub const fn new(secret: SecretString, algorithm: Algorithm, version: SignatureVersion) -> Self {
        Self { secret, algorithm, version }
    }

    /// The hash behind this signer's signatures.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The version of this signer's strings to sign.
    pub const fn version(&self) -> SignatureVersion {
        self.version
    }

    /// The secret, for the debugger that tries it in wrong places.
    pub(in crate::signing) const fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// Signs every parameter given: leave out [`NOT_SIGNED`] before.
    pub fn sign(&self, params: &Params) -> Signature {
        self.sign_string(&string_to_sign(params, self.version))
    }

    /// Signs a string to sign that was made before.
    pub fn sign_string(&self, string: &str) -> Signature {
        self.algorithm.sign(string.as_bytes(), &self.secret)
    }

    /// The signature as configured, and beside it the one of the recipe that tutorials teach: sort, join, append the
    /// secret, SHA-1. There is none where SHA-1 is not the account's algorithm: it would be the weaker credential. In the
    /// recipe's string `&` inside a parameter is escaped whatever is configured, or a value could smuggle others in.
    pub fn sign_with_manual(&self, params: &Params) -> (Signature, Option<Signature>) {
        let signature = self.sign(params);
        let manual = match (self.algorithm, self.version) {
            (Algorithm::Sha256, _) => None,
            (Algorithm::Sha1, SignatureVersion::V2) => Some(signature),
            (Algorithm::Sha1, SignatureVersion::V1) => {
                Some(self.sign_string(&string_to_sign(params, SignatureVersion::V2)))
            }
        };
        (signature, manual)
    }

    /// Signs a download of a stored original; see [`DownloadRequest`].
    pub fn sign_download(&self, request: &DownloadRequest<'_>) -> (Params, Signature) {
        let params = request.params();
        let signature = self.sign(&params);
        (params, signature)
    }

    /// The query of a download link: what is signed, the signature, and the key that tells whose it is.
    pub fn download_query(&self, request: &DownloadRequest<'_>, api_key: &str) -> String {
        let (params, signature) = self.sign_download(request);
        let mut query = form_urlencoded::Serializer::new(String::with_capacity(256));
        for (name, value) in params.iter() {
            query.append_pair(name, &value.to_string());
        }
        query.append_pair("signature", signature.as_str()).append_pair("api_key", api_key);
        query.finish()
    }

    /// Whether `signature` is the provider's own, over a notification's raw body and the text of its timestamp.
    pub fn verifies_notification(&self, body: &[u8], timestamp: &str, signature: &str) -> bool {
        is_notification_signature(body, timestamp, &self.secret, signature)
    }

    /// Whether `signature` is the provider's own, over an upload response with this public id and version.
    pub fn verifies_upload_response(&self, public_id: &str, version: u64, signature: &str) -> bool {
        Algorithm::of_hex_length(signature.len()).is_some_and(|algorithm| {
            upload_response_signature(public_id, version, &self.secret, algorithm).matches(signature)
        })
    }
}

/// The string to sign for `params`, in one allocation when it fits a typical upload.
pub fn string_to_sign(params: &Params, version: SignatureVersion) -> String {
    let mut text = String::with_capacity(160);
    write_string_to_sign(&mut text, params.iter(), version);
    text
}

/// Appends the string to sign for the parameters to `text`.
pub fn write_string_to_sign<'a>(
    text: &mut String,
    params: impl Iterator<Item = (&'a str, &'a ParamValue)>,
    version: SignatureVersion,
) {
    let mut sorted: Vec<_> = params.filter(|(_, value)| !value.is_empty()).collect();
    sorted.sort_by_key(|(name, _)| *name);
    for (index, (name, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            text.push('&');
        }
        let start = text.len();
        text.push_str(name);
        text.push('=');
        // Writing to a String cannot fail.
        let _ = write!(text, "{value}");
        if version == SignatureVersion::V2 && text[start..].contains('&') {
            let escaped = text[start..].replace('&', "%26");
            text.truncate(start);
            text.push_str(&escaped);
        }
    }
}

/// The provider's signature in an upload response: always over the version-1 string of public id and version.
pub fn upload_response_signature(
    public_id: &str,
    version: u64,
    secret: &SecretString,
    algorithm: Algorithm,
) -> Signature {
    algorithm.sign(format!("public_id={public_id}&version={version}").as_bytes(), secret)
}

/// How long the provider accepts a signature after its timestamp, in seconds.
///
/// Source: <https://cloudinary.com/documentation/authentication_signatures>.
pub const TIMESTAMP_WINDOW_SECONDS: i64 = 3_600;

/// A download of one stored original through the `download` endpoint.
#[derive(Clone, Debug)]
pub struct DownloadRequest<'a> {
    /// Without the format, except for raw assets.
    pub public_id: &'a str,
    /// The stored format; empty for raw assets.
    pub format: &'a str,
    /// The delivery type; without it the provider looks among public uploads.
    pub delivery_type: &'static str,
    /// Whether the answer asks the browser to save the file.
    pub attachment: bool,
    /// When the link expires, in Unix seconds.
    pub expires_at: i64,
}

impl DownloadRequest<'_> {
    /// The signed parameters, in the order in which they go into the query.
    ///
    /// A signature names no endpoint: that of a link is accepted wherever these parameters are, `upload` and `destroy`
    /// included, for [`TIMESTAMP_WINDOW_SECONDS`] after `timestamp`. Hence the timestamp is set back, so that the
    /// signature is stale everywhere once the link has expired.
    fn params(&self) -> Params {
        let mut params = Params::with_capacity(6);
        params.push("timestamp", self.expires_at - TIMESTAMP_WINDOW_SECONDS);
        params.push("public_id", self.public_id.to_owned());
        if !self.format.is_empty() {
            params.push("format", self.format.to_owned());
        }
        params.push("type", self.delivery_type);
        if self.attachment {
            params.push("attachment", true);
        }
        params.push("expires_at", self.expires_at);
        params
    }
}

/// How many characters of a delivery URL's signature are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliverySignatureLength {
    /// Eight characters, of the configured algorithm.
    Short,
    /// Thirty-two characters, always of SHA-256.
    Long,
}

/// The text between `s--` and `--` of a signed delivery URL.
///
/// `source` is the still percent-encoded rest of the path: transformations and public id with its format, joined with
/// slashes, without version and SEO suffix. Neither resource type, delivery type, version nor host is signed.
pub fn delivery_signature(
    source: &str,
    secret: &SecretString,
    algorithm: Algorithm,
    length: DeliverySignatureLength,
) -> String {
    let (algorithm, characters) = match length {
        DeliverySignatureLength::Short => (algorithm, 8),
        DeliverySignatureLength::Long => (Algorithm::Sha256, 32),
    };
    let secret = secret.expose_secret();
    let mut text = match algorithm {
        Algorithm::Sha1 => {
            URL_SAFE_NO_PAD.encode(Sha1::new().chain_update(source).chain_update(secret).finalize())
        }
        Algorithm::Sha256 => {
            URL_SAFE_NO_PAD.encode(Sha256::new().chain_update(source).chain_update(secret).finalize())
        }
    };
    // The SDKs swap `/` for `_` and `+` for `-`, which is the URL-safe alphabet.
    text.truncate(characters);
    text
}

#[cfg(test)]
#[path = "cloudinary_tests.rs"]
mod tests;
