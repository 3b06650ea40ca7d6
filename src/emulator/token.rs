//! `__cld_token__`: a delivery token, in the query or in a cookie.
//!
//! ```text
//! token = ["ip=" address "~"] ["st=" start "~"] "exp=" end ["~acl=" escaped ACL *("!" escaped ACL)] "~hmac=" code
//! code  = hex(HMAC-SHA256(token key, everything before "~hmac=", and "~url=" escaped path where there is no ACL))
//! ```
//!
//! An ACL is a path in which `*` stands for anything. The path is without the cloud where the SDK signs a URL of a
//! private host, and with it otherwise; both are taken.
//!
//! Source: <https://cloudinary.com/documentation/control_access_to_media> and the official SDKs.

use std::fmt::Write as _;

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, Uri};
use hmac::Mac as _;
use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret;

use crate::clock::UnixSeconds;

use super::accounts::CloudAccount;
use super::delete_token::new_hmac;

/// The name of the parameter and of the cookie.
const NAME: &str = "__cld_token__=";

/// What the SDKs escape, in lower-case hexadecimal.
const ESCAPED: &str = " \"#%&'/:;<=>?@[\\]^`{|}~";

/// A token as it was sent.
#[derive(Clone, Debug)]
pub(super) struct Token(String);

impl Token {
    /// The token of a request, if it has one.
    pub(super) fn of(uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let in_query = uri.query().into_iter().flat_map(|query| query.split('&'));
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let in_cookies = cookies.flat_map(|cookies| cookies.split(';').map(str::trim));
        let mut all = in_query.chain(in_cookies);
        all.find_map(|one| one.strip_prefix(NAME)).map(|text| Self(text.to_owned()))
    }

    /// Whether the token is one of these accounts', is alive, and is about this path.
    pub(super) fn opens<'a>(
        &self,
        mut accounts: impl Iterator<Item = &'a CloudAccount>,
        path: &str,
        now: UnixSeconds,
    ) -> bool {
        let Some((signed, given)) = self.0.rsplit_once("~hmac=") else {
            return false;
        };
        let part = |name: &str| signed.split('~').find_map(|part| part.strip_prefix(name));
        let moment = |text: &str| text.parse::<i64>().ok();
        let is_alive = part("exp=").and_then(moment).is_some_and(|end| now.0 < end)
            && part("st=").is_none_or(|start| moment(start).is_some_and(|start| start <= now.0));
        let paths = [path, without_cloud(path)];
        let messages = match part("acl=") {
            Some(acl) if paths.iter().any(|path| is_covered(acl, path)) => vec![signed.to_owned()],
            Some(_) => return false,
            None => paths.iter().map(|path| format!("{signed}~url={}", escape(path))).collect(),
        };
        // The emulator sees loopback only, so an address in the token cannot be held against anything.
        is_alive && accounts.any(|account| messages.iter().any(|message| is_signed(account, message, given)))
    }
}

fn is_signed(account: &CloudAccount, message: &str, given: &str) -> bool {
    let key = account.token_key.as_ref().and_then(|key| hex::decode(key.expose_secret()).ok());
    let (Some(key), Ok(given)) = (key, hex::decode(given)) else {
        return false;
    };
    let mut code = new_hmac(&key);
    code.update(message.as_bytes());
    code.verify_slice(&given).is_ok()
}

fn without_cloud(path: &str) -> &str {
    path.get(1..).and_then(|rest| rest.find('/')).map_or(path, |slash| &path[slash + 1..])
}

/// Whether one of the patterns of an ACL is about the path.
fn is_covered(acl: &str, path: &str) -> bool {
    acl.split('!').any(|pattern| {
        let pattern = percent_decode_str(pattern).decode_utf8_lossy();
        matches_pattern(&pattern, path)
    })
}

fn matches_pattern(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = path.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        let Some(start) = rest.find(part) else { return false };
        rest = &rest[start + part.len()..];
        last = Some(part);
    }
    match last {
        None => rest.is_empty(),
        Some(part) => part.is_empty() || path.ends_with(part),
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if ESCAPED.contains(character) {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "%{:02x}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn opens(token: &str, path: &str, now: i64) -> bool {
        let token_key = Some(SecretString::from("00112233FF99"));
        let account = CloudAccount { token_key, ..CloudAccount::default() };
        Token(token.to_owned()).opens([account].iter(), path, UnixSeconds(now))
    }

    #[test]
    fn the_published_tokens_open_what_they_name_while_they_live() {
        let acl = "st=1111111111~exp=1111111411~acl=%2fimage%2f*~hmac=1751370bcc6cfe9e03f30dd1a9722ba0f2cdca283fa3e6df3342a00a7528cc51";
        assert!(opens(acl, "/image/upload/a.jpg", 1_111_111_200));
        assert!(opens(acl, "/demo/image/upload/a.jpg", 1_111_111_200));
        assert!(!opens(acl, "/raw/upload/a", 1_111_111_200));
        assert!(!opens(acl, "/image/upload/a.jpg", 1_111_111_411));
        assert!(!opens(acl, "/image/upload/a.jpg", 1_111_111_110));
        assert!(!opens(&acl.replace("exp=1111111411", "exp=1111111412"), "/image/a", 1_111_111_200));

        let url =
            "st=11111111~exp=11111411~hmac=8db0d753ee7bbb9e2eaf8698ca3797436ba4c20e31f44527e43b6a6e995cfdb3";
        assert!(opens(url, "/image/authenticated/v1486020273/sample.jpg", 11_111_200));
        assert!(!opens(url, "/image/authenticated/v1486020273/other.jpg", 11_111_200));
    }

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, path, expected) in [
            ("/a/*", "/a/b/c", true),
            ("/a/*", "/b/a/", false),
            ("/*/c", "/a/b/c", true),
            ("/*/c", "/a/b/d", false),
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("*", "/x", true),
        ] {
            assert_eq!(matches_pattern(pattern, path), expected, "{pattern} {path}");
        }
    }
}
