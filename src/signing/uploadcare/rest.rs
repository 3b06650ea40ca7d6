//! Signed calls of the REST API.
//!
//! ```text
//! Authorization: Uploadcare <public key>:<signature>
//! signature = hex(HMAC-SHA1(secret key as text,
//!             METHOD "\n" hex(MD5(body)) "\n" Content-Type "\n" Date "\n" path-with-query))
//! ```
//!
//! Every part is the literal text of the request; `Date` may travel as `X-Uploadcare-Date` where a browser owns `Date`.
//!
//! Source: <https://uploadcare.com/docs/api/rest/authentication/>.

use md5::{Digest, Md5};
use secrecy::{ExposeSecret, SecretString};

use super::hmac_sha1;
use crate::signing::Signature;

/// What is signed of a request.
#[derive(Clone, Copy, Debug)]
pub struct RestRequest<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The body; empty if there is none.
    pub body: &'a [u8],
    /// The header `Content-Type`, signed even without a body.
    pub content_type: &'a str,
    /// The header `Date` or `X-Uploadcare-Date`, exactly as it is sent.
    pub date: &'a str,
    /// The path with the query.
    pub path_and_query: &'a str,
}

impl RestRequest<'_> {
    /// The text under the signature.
    pub fn string_to_sign(&self) -> String {
        let body = hex::encode(Md5::digest(self.body));
        let Self { method, content_type, date, path_and_query, .. } = self;
        format!("{method}\n{body}\n{content_type}\n{date}\n{path_and_query}")
    }

    /// The signature of the request.
    pub fn sign(&self, secret_key: &SecretString) -> Signature {
        let secret_key = secret_key.expose_secret().as_bytes();
        Signature::from_digest(hmac_sha1(secret_key, self.string_to_sign().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: RestRequest<'_> = RestRequest {
        method: "GET",
        body: b"",
        content_type: "application/json",
        date: "Mon, 05 Nov 2018 13:14:41 GMT",
        path_and_query: "/files/?limit=1&stored=true",
    };

    #[test]
    fn a_get_is_signed_as_the_documentation_does() {
        assert_eq!(
            GET.string_to_sign(),
            "GET\nd41d8cd98f00b204e9800998ecf8427e\napplication/json\nMon, 05 Nov 2018 13:14:41 GMT\n/files/?limit=1&stored=true"
        );
        let signature = GET.sign(&"demoprivatekey".into());
        assert_eq!(signature.as_str(), "3cbc4d2cf91f80c1ba162b926f8a975e8bec7995");
    }

    #[test]
    fn deletions_are_signed_with_and_without_a_body() {
        let many = RestRequest {
            method: "DELETE",
            body: br#"["21975c81-7f57-4c7a-aef9-acfe28779f78","cbaf2d73-5169-4b2b-a543-496cf2813dff"]"#,
            path_and_query: "/files/storage/",
            ..GET
        };
        assert!(many.string_to_sign().contains("5cee2e963a785d322a1d113821b27c18"));
        let one = RestRequest {
            method: "DELETE",
            path_and_query: "/files/21975c81-7f57-4c7a-aef9-acfe28779f78/storage/",
            ..GET
        };
        let secret = "demosecretkey".into();
        assert_eq!(many.sign(&secret).as_str(), "f1eb83ab94a019dd8d77b2f34bfe9416da6b6a6a");
        assert_eq!(one.sign(&secret).as_str(), "9e2676d081b78cbe5302fd2a53278c3fb1889329");
    }
}
