//! JSON Web Tokens: whose, for whom, until when, and what they allow.
//!
//! Rules (RFC 8725): a key is used with the one algorithm it is pinned to, whatever the token's header says; `crit` and `b64`,
//! whatever their values, and foreign `typ` are refused; `exp` must be there; `nbf`, `iss` and `aud` are compared with the configuration. Time comes
//! in as an argument.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use secrecy::{ExposeSecret, SecretString};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use sha2::Sha256;

use super::Subject;
use super::claims::Claims;
use crate::clock::UnixSeconds;

/// The longest token that is read at all, in bytes.
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// The most keys of a key set.
const MAX_KEYS: usize = 100;

/// A key and the one algorithm it verifies. Clones share the key.
#[derive(Clone)]
pub struct PinnedKey {
    algorithm: Algorithm,
    key: Arc<Key>,
}

enum Key {
    /// A shared secret, hashed into the state that every HMAC with it begins in.
    Secret(Hmac<Sha256>),
    /// The public half of a pair.
    Public(DecodingKey),
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
    pub subject: Arc<Subject>,
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
    /// `crit`, `b64`, or a `typ` of something else.
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
    /// No `sub`, or one that cannot be a name: too long, or with characters that are not to be seen.
    #[error(
        "the token's `sub` is missing, longer than 255 bytes, or has control, invisible or unassigned characters"
    )]
    Subject,
    /// A `sub` that names an API key.
    #[error(
        "the token's `sub` is reserved for API keys: it begins with `key:`, or is the name of a configured key"
    )]
    ReservedSubject,
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

impl PinnedKey {
    /// A shared secret, for HS256.
    pub fn from_secret(secret: &SecretString) -> Result<Self, KeyError> {
        let secret = secret.expose_secret().as_bytes();
        if secret.len() < 32 {
            return Err(KeyError::ShortSecret);
        }
        let keyed = Hmac::new_from_slice(secret).map_err(|_any_length_will_do| KeyError::ShortSecret)?;
        Ok(Self { algorithm: Algorithm::HS256, key: Arc::new(Key::Secret(keyed)) })
    }

    /// A public key in PEM, for one asymmetric algorithm.
    pub fn from_pem(pem: &[u8], algorithm: Algorithm) -> Result<Self, KeyError> {
        let (key, name) = match algorithm {
            Algorithm::ES256 | Algorithm::ES384 => (DecodingKey::from_ec_pem(pem), "ES256 or ES384"),
            Algorithm::EdDSA => (DecodingKey::from_ed_pem(pem), "EdDSA"),
            _ => (DecodingKey::from_rsa_pem(pem), "RS256 or PS256"),
        };
        key.map(|key| Self::public(algorithm, key)).map_err(|_source| KeyError::Pem(name))
    }

    fn public(algorithm: Algorithm, key: DecodingKey) -> Self {
        Self { algorithm, key: Arc::new(Key::Public(key)) }
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
        Some((kid, Self::public(algorithm, key)))
    }

    /// The algorithm it is pinned to.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Verifies `token` with this key and no other algorithm than its own.
    pub fn verify(
        &self,
        token: &UnverifiedToken<'_>,
        rules: &TokenRules,
        now: UnixSeconds,
    ) -> Result<VerifiedToken, TokenError> {
        if token.algorithm != self.algorithm {
            return Err(TokenError::Algorithm);
        }
        if !self.has_signed(token) {
            return Err(TokenError::Signature);
        }
        // Time is compared with our own clock, and issuer and audience beside it, so that one place decides.
        let claims = decoded(token.claims)?;
        let claims: Claims<'_> = serde_json::from_slice(&claims).map_err(unreadable)?;
        claims.check(rules, now)
    }

    fn has_signed(&self, token: &UnverifiedToken<'_>) -> bool {
        let message = token.message.as_bytes();
        match &*self.key {
            Key::Secret(keyed) => decoded(token.signature)
                .is_ok_and(|signature| keyed.clone().chain_update(message).verify_slice(&signature).is_ok()),
            Key::Public(key) => {
                crypto::verify(token.signature, message, key, self.algorithm).unwrap_or(false)
            }
        }
    }
}

impl fmt::Debug for PinnedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PinnedKey({:?})", self.algorithm)
    }
}

/// A token whose header was read, and of which nothing was verified.
#[derive(Debug)]
pub struct UnverifiedToken<'a> {
    /// What is signed: header and claims as they were sent.
    message: &'a str,
    claims: &'a str,
    signature: &'a str,
    /// The algorithm that it says it is signed with.
    algorithm: Algorithm,
    /// The key that it says it is signed with.
    pub kid: Option<String>,
}

/// What stands in a token's header; further members are for others.
#[derive(Deserialize)]
struct Header<'a> {
    alg: Algorithm,
    #[serde(borrow)]
    typ: Option<Cow<'a, str>>,
    kid: Option<String>,
    /// Extensions that must be understood (RFC 7515 §4.1.11): we know none, so that even an empty or null one is refused.
    #[serde(default, deserialize_with = "is_present")]
    crit: bool,
    /// Whether the payload is encoded (RFC 7797): a token is signed as we read it, or not read at all.
    #[serde(default, deserialize_with = "is_present")]
    b64: bool,
}

/// True for a member that is there, whatever its value: `null` is one.
fn is_present<'de, D: Deserializer<'de>>(member: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(member).map(|_| true)
}

impl<'a> UnverifiedToken<'a> {
    /// Takes a token apart and reads its header, refusing what no token of ours has.
    pub fn read(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Unreadable);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Unreadable)?;
        let (header, claims) = message.split_once('.').ok_or(TokenError::Unreadable)?;
        let header = decoded(header)?;
        let Header { alg: algorithm, typ, kid, crit, b64 } =
            serde_json::from_slice(&header).map_err(unreadable)?;
        let is_a_token = typ.is_none_or(|typ| {
            ["jwt", "at+jwt", "application/at+jwt"].iter().any(|known| typ.eq_ignore_ascii_case(known))
        });
        if !is_a_token || crit || b64 {
            return Err(TokenError::Header);
        }
        Ok(Self { message, claims, signature, algorithm, kid })
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_source| TokenError::Unreadable)
}

fn unreadable(_source: serde_json::Error) -> TokenError {
    TokenError::Unreadable
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
