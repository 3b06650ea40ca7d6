//! `__cld_token__`: token authentication of delivery URLs.
//!
//! ```text
//! token = "__cld_token__=exp=" end "~hmac=" hex(HMAC-SHA256(key, "exp=" end "~url=" escaped path))
//! ```
//!
//! The key is hexadecimal text from the account's settings. A token opens one path for delivery until its end, and
//! nothing else: no endpoint of the Upload or Admin API takes it.
//!
//! Source: <https://cloudinary.com/documentation/control_access_to_media#token_based_authentication_premium_feature> and
//! the official SDKs.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;

/// What the SDKs escape, in lower-case hexadecimal.
const ESCAPED: &str = " \"#%&'/:;<=>?@[\\]^`{|}~";

/// The key that signs tokens.
#[derive(Clone, Debug)]
pub struct AuthTokenKey(SecretSlice<u8>);

/// Text that is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the key from the account's settings: an even number of hexadecimal digits, 32 or more")]
pub struct InvalidAuthTokenKey;

impl AuthTokenKey {
    /// Reads a key. The error repeats nothing of it.
    pub fn parse(text: &str) -> Result<Self, InvalidAuthTokenKey> {
        match hex::decode(text) {
            Ok(bytes) if bytes.len() >= 16 => Ok(Self(bytes.into())),
            _ => Err(InvalidAuthTokenKey),
        }
    }

    /// The key in hexadecimal, as the account's settings show it.
    pub fn to_hex(&self) -> SecretString {
        SecretString::from(hex::encode(self.0.expose_secret()))
    }

    /// The query parameter that opens the URL with this `path` (percent-encoded, cloud included) until `expires_at`.
    pub fn token(&self, path: &str, expires_at: i64) -> String {
        let mut code =
            Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).expect("HMAC takes a key of any length");
        code.update(format!("exp={expires_at}~url={}", escape(path)).as_bytes());
        let code = hex::encode(code.finalize().into_bytes());
        format!("__cld_token__=exp={expires_at}~hmac={code}")
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if ESCAPED.contains(character) {
            write!(escaped, "%{:02x}", u32::from(character)).expect("writing to a string cannot fail");
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_the_ones_that_the_sdk_makes() {
        // cloudinary.utils.generate_auth_token({key, expiration, url}) of the Node SDK, 2.11.
        let key = AuthTokenKey::parse("00112233445566778899aabbccddeeff").unwrap();
        for (path, code) in [
            (
                "/demo/image/authenticated/v1/a%20b/%C3%BC.jpg",
                "b7211cb4bcf1f946e6c946bd03dadff7d72cfed22d344e1d492e9ec13699bdd2",
            ),
            (
                "/image/authenticated/v1/kyc/a%20b.jpg",
                "0810e4f34a7cfc861743db2322466dd9f0860f59ff30866b6cfe7b44b893397a",
            ),
        ] {
            let expected = format!("__cld_token__=exp=11111411~hmac={code}");
            assert_eq!(key.token(path, 11_111_411), expected, "{path}");
        }
    }

    #[test]
    fn a_key_is_hexadecimal_and_never_shown() {
        for text in ["", "abc", "zz112233445566778899aabbccddeeff", "00112233"] {
            let error = AuthTokenKey::parse(text).unwrap_err();
            assert!(text.is_empty() || !error.to_string().contains(text), "{error}");
        }
        let key = AuthTokenKey::parse("00112233445566778899AABBCCDDEEFF").unwrap();
        assert!(!format!("{key:?}").contains("17"), "{key:?}");
    }
}
