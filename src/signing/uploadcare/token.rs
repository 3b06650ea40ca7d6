//! Upload tokens: the newer way to authorize uploads, a JWT in `Authorization: Bearer`.
//!
//! ```text
//! token  = base64url(header) "." base64url(claims) "." base64url(HMAC-SHA256(SHA-256(secret key as text), all before))
//! claims = {"iat":…,"exp":…,"sub":…,"uc":{"restrictions":{"scope":["/base/",…],"limits":{"operations":…}}}}
//! ```
//!
//! Not verified against the live service: the scheme is younger than the clients that could be tried.
//!
//! Source: <https://uploadcare.com/docs/api/upload/authentication/>.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::hmac_sha256;

/// `{"alg":"HS256","typ":"JWT"}`
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// What a token permits.
#[derive(Clone, Debug, Default)]
pub struct UploadToken<'a> {
    /// When it was made, in Unix seconds.
    pub issued_at: i64,
    /// When it ends, in Unix seconds; at most 24 hours later.
    pub expires_at: i64,
    /// Whom it was made for.
    pub subject: Option<&'a str>,
    /// How many files it lets in; unlimited if absent.
    pub operations: Option<u32>,
    /// The paths it opens, such as `/base/` or `/multipart/*`; all if empty.
    pub scope: &'a [&'a str],
}

#[derive(Serialize)]
struct Claims<'a> {
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uc: Option<Uploadcare<'a>>,
}

#[derive(Serialize)]
struct Uploadcare<'a> {
    restrictions: Restrictions<'a>,
}

#[derive(Serialize)]
struct Restrictions<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    scope: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<Limits>,
}

#[derive(Serialize)]
struct Limits {
    operations: u32,
}

/// The token as clients send it after `Bearer `.
pub fn bearer_token(secret_key: &SecretString, token: &UploadToken<'_>) -> String {
    // Writing plain fields to text cannot fail.
    let claims = serde_json::to_vec(&Claims::of(token)).unwrap_or_default();
    let signed = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(claims));
    let key = Sha256::digest(secret_key.expose_secret().as_bytes());
    let signature = hmac_sha256(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

impl<'a> Claims<'a> {
    /// `uc` is left out where nothing is restricted, as the provider wants it.
    fn of(token: &UploadToken<'a>) -> Self {
        let limits = token.operations.map(|operations| Limits { operations });
        let restrictions = Restrictions { scope: token.scope, limits };
        let is_restricted = !token.scope.is_empty() || token.operations.is_some();
        Self {
            iat: token.issued_at,
            exp: token.expires_at,
            sub: token.subject,
            uc: is_restricted.then_some(Uploadcare { restrictions }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_signed_with_the_digest_of_the_secret() {
        let token =
            UploadToken { issued_at: 2_000_000_000, expires_at: 2_000_003_600, ..UploadToken::default() };
        assert_eq!(
            bearer_token(&"demo-secret".into(), &token),
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjIwMDAwMDAwMDAsImV4cCI6MjAwMDAwMzYwMH0.IukmxK8rvGTWlkdtWGwI10ur0omANopPn9RsQwxsHgA"
        );
    }

    #[test]
    fn restrictions_stand_under_uc() {
        let token = UploadToken {
            issued_at: 1,
            expires_at: 2,
            subject: Some("alice"),
            operations: Some(1),
            scope: &["/base/", "/multipart/*"],
        };
        let claims = serde_json::to_string(&Claims::of(&token)).unwrap();
        assert_eq!(
            claims,
            r#"{"iat":1,"exp":2,"sub":"alice","uc":{"restrictions":{"scope":["/base/","/multipart/*"],"limits":{"operations":1}}}}"#
        );
    }
}
