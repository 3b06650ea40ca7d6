//! JSON Web Tokens: whose, for whom, until when, and what they allow.
//!
//! Rules (RFC 8725): a key is used with the one algorithm it is pinned to, whatever the token's header says; `crit` and
//! foreign `typ` are refused; `exp` must be there; `nbf`, `iss` and `aud` are held against the configuration. Time comes
//! in as an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{Scope, Subject};
use crate::clock::UnixSeconds;

/// How far the issuer's clock may differ from ours, in seconds.
const LEEWAY_SECONDS: i64 = 30;
/// The longest token that is read at all, in bytes.
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// The longest subject, in bytes.
const MAX_SUBJECT_BYTES: usize = 255;
/// The most scopes that are read from a token.
const MAX_SCOPES: usize = 100;
/// The most keys of a key set.
const MAX_KEYS: usize = 100;

/// A key and the one algorithm it verifies.
#[derive(Clone)]
pub struct PinnedKey {
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Keys by their `kid`, as an issuer publishes them.
#[derive(Clone, Debug, Default)]
pub struct KeySet(BTreeMap<String, PinnedKey>);

/// Who may have issued a token, and for whom.
#[derive(Clone, Debug, Default)]
pub struct TokenRules {
    /// What `iss` must be.
    pub issuer: Option<String>,
    /// What `aud` must name.
    pub audience: Option<String>,
}

/// A token that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedToken {
    /// Whose it is.
    pub subject: Subject,
    /// When it stops to hold, leeway included.
    pub expires_at: UnixSeconds,
}

/// Why a token does not hold. The variants are for logs and tests; callers are told no more than that it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token at all, or too long.
    #[error("the token cannot be read")]
    Unreadable,
    /// Another algorithm than the key is pinned to.
    #[error("the token names an algorithm that its key is not for")]
    Algorithm,
    /// `crit`, or a `typ` of something else.
    #[error("the token's header asks for what is not supported")]
    Header,
    /// A key that is not there.
    #[error("the token names a key that is not known")]
    UnknownKey,
    /// A wrong signature.
    #[error("the token's signature is wrong")]
    Signature,
    /// Past `exp`, or without it.
    #[error("the token has expired")]
    Expired,
    /// Before `nbf`.
    #[error("the token does not hold yet")]
    NotYet,
    /// Another issuer.
    #[error("the token is of another issuer")]
    Issuer,
    /// Another audience.
    #[error("the token is for another audience")]
    Audience,
    /// No `sub`, or one that cannot be a name.
    #[error("the token names no subject")]
    Subject,
}

/// A key that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A secret that can be guessed.
    #[error("must have at least 32 bytes for HS256: RFC 7518 §3.2")]
    ShortSecret,
    /// PEM that is no public key of the algorithm.
    #[error("is not a public key in PEM for {0}")]
    Pem(&'static str),
}

/// What a token claims, read leniently: a claim of another shape counts as absent.
#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    iss: Option<String>,
    aud: Option<OneOrMany>,
    exp: Option<f64>,
    nbf: Option<f64>,
    scope: Option<OneOrMany>,
    scopes: Option<OneOrMany>,
    scp: Option<OneOrMany>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl PinnedKey {
    /// A shared secret, for HS256.
    pub fn from_secret(secret: &SecretString) -> Result<Self, KeyError> {
        let secret = secret.expose_secret().as_bytes();
        if secret.len() < 32 {
            return Err(KeyError::ShortSecret);
        }
        Ok(Self { algorithm: Algorithm::HS256, key: DecodingKey::from_secret(secret) })
    }

    /// A public key in PEM, for one asymmetric algorithm.
    pub fn from_pem(pem: &[u8], algorithm: Algorithm) -> Result<Self, KeyError> {
        let (key, name) = match algorithm {
            Algorithm::ES256 | Algorithm::ES384 => (DecodingKey::from_ec_pem(pem), "ES256 or ES384"),
            Algorithm::EdDSA => (DecodingKey::from_ed_pem(pem), "EdDSA"),
            _ => (DecodingKey::from_rsa_pem(pem), "RS256 or PS256"),
        };
        key.map(|key| Self { algorithm, key }).map_err(|_source| KeyError::Pem(name))
    }

    /// A published key, with the algorithm it says it is for, or the only one its kind allows.
    fn from_jwk(jwk: &Jwk) -> Option<(String, Self)> {
        let kid = jwk.common.key_id.clone()?;
        if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return None;
        }
        let algorithm = match (&jwk.algorithm, jwk.common.key_algorithm) {
            (AlgorithmParameters::RSA(_), None | Some(KeyAlgorithm::RS256)) => Algorithm::RS256,
            (AlgorithmParameters::RSA(_), Some(KeyAlgorithm::PS256)) => Algorithm::PS256,
            (AlgorithmParameters::EllipticCurve(curve), None | Some(KeyAlgorithm::ES256))
                if curve.curve == EllipticCurve::P256 =>
            {
                Algorithm::ES256
            }
            (AlgorithmParameters::EllipticCurve(curve), None | Some(KeyAlgorithm::ES384))
                if curve.curve == EllipticCurve::P384 =>
            {
                Algorithm::ES384
            }
            (AlgorithmParameters::OctetKeyPair(_), None | Some(KeyAlgorithm::EdDSA)) => Algorithm::EdDSA,
            // A symmetric key in a published set is no secret.
            _ => return None,
        };
        let key = DecodingKey::from_jwk(jwk).ok()?;
        Some((kid, Self { algorithm, key }))
    }

    /// The algorithm it is pinned to.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Verifies `token` with this key and no other algorithm than its own.
    pub fn verify(
        &self,
        token: &str,
        rules: &TokenRules,
        now: UnixSeconds,
    ) -> Result<VerifiedToken, TokenError> {
        let header = read_header(token)?;
        if header.algorithm != self.algorithm {
            return Err(TokenError::Algorithm);
        }
        let mut validation = Validation::new(self.algorithm);
        // Time is compared below, with our own clock; issuer and audience with it, so that one place decides.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims =
            decode::<Claims>(token, &self.key, &validation).map_err(|_source| TokenError::Signature)?.claims;
        claims.check(rules, now)
    }
}

impl fmt::Debug for PinnedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PinnedKey({:?})", self.algorithm)
    }
}

/// What a token's header says before anything is verified.
#[derive(Debug)]
pub struct TokenHeader {
    /// The algorithm it claims.
    algorithm: Algorithm,
    /// The key it names.
    pub kid: Option<String>,
}

/// Reads a token's header, refusing what no token of ours has.
pub fn read_header(token: &str) -> Result<TokenHeader, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::Unreadable);
    }
    let header = decode_header(token).map_err(|_source| TokenError::Unreadable)?;
    let is_a_token = header.typ.as_deref().is_none_or(|typ| {
        ["jwt", "at+jwt", "application/at+jwt"].iter().any(|known| typ.eq_ignore_ascii_case(known))
    });
    if !is_a_token || header.crit.is_some() {
        return Err(TokenError::Header);
    }
    Ok(TokenHeader { algorithm: header.alg, kid: header.kid })
}

impl Claims {
    fn check(self, rules: &TokenRules, now: UnixSeconds) -> Result<VerifiedToken, TokenError> {
        let expires_at = seconds(self.exp).map(|exp| exp.plus(LEEWAY_SECONDS)).ok_or(TokenError::Expired)?;
        if now >= expires_at {
            return Err(TokenError::Expired);
        }
        if self.nbf.is_some() && seconds(self.nbf).is_none_or(|nbf| now < nbf.plus(-LEEWAY_SECONDS)) {
            return Err(TokenError::NotYet);
        }
        if rules.issuer.is_some() && self.iss != rules.issuer {
            return Err(TokenError::Issuer);
        }
        if let Some(ours) = &rules.audience
            && !items(self.aud.as_ref(), false).contains(&ours.as_str())
        {
            return Err(TokenError::Audience);
        }
        let name = self.sub.as_ref().filter(|name| (1..=MAX_SUBJECT_BYTES).contains(&name.len()));
        let name = name.filter(|name| !name.chars().any(char::is_control)).ok_or(TokenError::Subject)?;
        Ok(VerifiedToken { subject: Subject { name: name.clone(), scopes: self.scopes() }, expires_at })
    }

    /// Scopes under any of their three usual names, as a list or separated by spaces.
    fn scopes(&self) -> BTreeSet<Scope> {
        let claims = [&self.scope, &self.scopes, &self.scp];
        let words = claims.into_iter().flat_map(|claim| items(claim.as_ref(), true));
        words.filter_map(|word| word.parse().ok()).take(MAX_SCOPES).collect()
    }
}

fn items(claim: Option<&OneOrMany>, split_at_spaces: bool) -> Vec<&str> {
    match claim {
        None => Vec::new(),
        Some(OneOrMany::One(text)) if split_at_spaces => text.split(' ').collect(),
        Some(OneOrMany::One(text)) => vec![text],
        Some(OneOrMany::Many(texts)) => texts.iter().map(String::as_str).collect(),
    }
}

/// Whole seconds; `None` for what is no moment.
fn seconds(claim: Option<f64>) -> Option<UnixSeconds> {
    /// The year 33658: far beyond any token and far below where floats skip seconds.
    const LATEST: f64 = 1e12;
    let claim = claim.filter(|claim| (0.0..=LATEST).contains(claim))?;
    #[expect(clippy::cast_possible_truncation, reason = "held within range above")]
    Some(UnixSeconds(claim as i64))
}

impl KeySet {
    /// Reads a published set; keys that cannot verify tokens are left out. `None` if it is no set at all.
    pub fn parse(json: &[u8]) -> Option<Self> {
        let set: JwkSet = serde_json::from_slice(json).ok()?;
        Some(Self(set.keys.iter().take(MAX_KEYS).filter_map(PinnedKey::from_jwk).collect()))
    }

    /// The key under `kid`.
    pub fn get(&self, kid: &str) -> Option<&PinnedKey> {
        self.0.get(kid)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
