//! Delivery URLs that expire: a token in the query, made with a key that only the project and the CDN know.
//!
//! ```text
//! url   = "https://" secure-host path "?token=" token
//! token = "exp=" unix "~acl=" acl "~hmac=" hex(HMAC-SHA256(key, "exp=" unix "~acl=" acl))     acl: a path, or a path and "*"
//!       | "exp=" unix "~hmac=" hex(HMAC-SHA256(key, "exp=" unix "~url=" path))                path: percent-encoded
//! ```
//!
//! Unlike the secret of uploads, the key is the bytes behind its hexadecimal text.
//!
//! Source: <https://uploadcare.com/docs/security/secure-delivery/>.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::hmac_sha256;
use crate::signing::Signature;

/// What a URL token leaves as it stands in the path; `/` is encoded, too.
const URL_TOKEN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b',');

/// The key behind delivery tokens. `Debug` does not show it.
#[derive(Clone)]
pub struct DeliveryKey(Vec<u8>);

/// Text that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a delivery key: it must be an even number of hexadecimal digits, at least 32")]
pub struct NotADeliveryKey;

/// Why a token does not open a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryRefusal {
    /// Not `exp=…~acl=…~hmac=…` or `exp=…~hmac=…`.
    #[error("the token cannot be read")]
    Unreadable,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// It opens other paths.
    #[error("the token is for another path")]
    OtherPath,
    /// Made with another key, or changed afterwards.
    #[error("the token's signature is wrong")]
    Signature,
}

impl DeliveryKey {
    /// A token that opens `acl` until `expires_at`, in Unix seconds.
    pub fn token(&self, acl: &str, expires_at: i64) -> String {
        let opened = format!("exp={expires_at}~acl={}", acl.replace('~', "%7e"));
        let signature = self.sign(&opened);
        format!("{opened}~hmac={signature}")
    }

    /// A token that opens `path` and nothing else until `expires_at`, without naming it.
    pub fn url_token(&self, path: &str, expires_at: i64) -> String {
        let signature = self.sign(&url_message(path, &expires_at.to_string()));
        format!("exp={expires_at}~hmac={signature}")
    }

    /// Whether `token` opens `path` at `now`, or why not.
    pub fn check(&self, token: &str, path: &str, now: i64) -> Result<(), DeliveryRefusal> {
        let (opened, given) = token.rsplit_once("~hmac=").ok_or(DeliveryRefusal::Unreadable)?;
        let (expires_at, acl) = match opened.split_once("~acl=") {
            Some((expires_at, acl)) => (expires_at, Some(acl)),
            None => (opened, None),
        };
        let expires_at = expires_at.strip_prefix("exp=").ok_or(DeliveryRefusal::Unreadable)?;
        let signature = match acl {
            Some(_) => self.sign(opened),
            None => self.sign(&url_message(path, expires_at)),
        };
        if !signature.matches(given) {
            return Err(DeliveryRefusal::Signature);
        }
        if acl.is_some_and(|acl| !covers(acl, path)) {
            return Err(DeliveryRefusal::OtherPath);
        }
        match expires_at.parse::<i64>() {
            Ok(expires_at) if expires_at >= now => Ok(()),
            Ok(_) => Err(DeliveryRefusal::Expired),
            Err(_) => Err(DeliveryRefusal::Unreadable),
        }
    }

    fn sign(&self, message: &str) -> Signature {
        Signature::from_digest(hmac_sha256(&self.0, message.as_bytes()))
    }
}

fn url_message(path: &str, expires_at: &str) -> String {
    let path = utf8_percent_encode(path, URL_TOKEN).to_string().to_ascii_lowercase();
    format!("exp={expires_at}~url={path}")
}

fn covers(acl: &str, path: &str) -> bool {
    let path = path.replace('~', "%7e");
    match acl.strip_suffix('*') {
        Some(beginning) => path.starts_with(beginning),
        None => acl == path,
    }
}

impl FromStr for DeliveryKey {
    type Err = NotADeliveryKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let key = hex::decode(text).map_err(|_source| NotADeliveryKey)?;
        if key.len() < 16 { Err(NotADeliveryKey) } else { Ok(Self(key)) }
    }
}

impl fmt::Debug for DeliveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeliveryKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPIRES_AT: i64 = 1_633_997_100;
    const PATH: &str = "/52da3bfc-7cd8-4861-8b05-126fef7a6994/";

    fn key() -> DeliveryKey {
        "73636b61519adede42191efe1e73f02a67c7b692e3765f90c250c230be095211".parse().unwrap()
    }

    #[test]
    fn tokens_are_those_of_the_official_package() {
        for (acl, expected) in [
            (PATH.to_owned(), "81852547d9dbd9eefd24bee2cada6eab02244b9013533bc8511511923098df72"),
            (format!("{PATH}*"), "b2c7526a29d0588b121aa78bc2b2c9399bfb6e1cad3d95397efed722fdbc5a78"),
        ] {
            assert_eq!(key().token(&acl, EXPIRES_AT), format!("exp=1633997100~acl={acl}~hmac={expected}"));
        }
        assert_eq!(
            url_message(PATH, "1633997100"),
            "exp=1633997100~url=%2f52da3bfc-7cd8-4861-8b05-126fef7a6994%2f"
        );
        assert_eq!(
            key().url_token(PATH, EXPIRES_AT),
            "exp=1633997100~hmac=25c485fd7f85c19704013673c80d2a86df1b4241fb44cdfa7b7762cb27ef3f57"
        );
    }

    #[test]
    fn a_token_opens_its_path_until_its_time_is_over() {
        let (exact, below) = (key().token(PATH, EXPIRES_AT), key().token(&format!("{PATH}*"), EXPIRES_AT));
        let resized = format!("{PATH}-/resize/640x/");
        assert_eq!(key().check(&exact, PATH, EXPIRES_AT), Ok(()));
        assert_eq!(key().check(&exact, PATH, EXPIRES_AT + 1), Err(DeliveryRefusal::Expired));
        assert_eq!(key().check(&exact, &resized, EXPIRES_AT), Err(DeliveryRefusal::OtherPath));
        assert_eq!(key().check(&below, &resized, EXPIRES_AT), Ok(()));
        let plain = key().url_token(PATH, EXPIRES_AT);
        assert_eq!(key().check(&plain, PATH, EXPIRES_AT), Ok(()));
        assert_eq!(key().check(&plain, &resized, EXPIRES_AT), Err(DeliveryRefusal::Signature));
    }

    #[test]
    fn a_changed_token_opens_nothing() {
        let token = key().token(PATH, EXPIRES_AT);
        for changed in [
            token.replace("1633997100", "9633997100"),
            token.replace(PATH, "/*"),
            token.replace("~hmac=8", "~hmac=9"),
        ] {
            assert_eq!(key().check(&changed, PATH, EXPIRES_AT), Err(DeliveryRefusal::Signature), "{changed}");
        }
        for unreadable in ["", "exp=1~acl=/*", "~hmac=", "acl=/*~hmac=00"] {
            assert!(key().check(unreadable, PATH, EXPIRES_AT).is_err(), "{unreadable}");
        }
    }

    #[test]
    fn group_paths_escape_their_tilde() {
        let token = key().token("/52da3bfc-7cd8-4861-8b05-126fef7a6994~2/", EXPIRES_AT);
        assert!(token.contains("acl=/52da3bfc-7cd8-4861-8b05-126fef7a6994%7e2/~hmac="), "{token}");
        assert_eq!(key().check(&token, "/52da3bfc-7cd8-4861-8b05-126fef7a6994~2/", EXPIRES_AT), Ok(()));
    }

    #[test]
    fn short_or_odd_keys_are_refused() {
        for text in ["", "secret", "abc", &"0".repeat(30)] {
            assert_eq!(text.parse::<DeliveryKey>().unwrap_err(), NotADeliveryKey, "{text}");
        }
    }
}
