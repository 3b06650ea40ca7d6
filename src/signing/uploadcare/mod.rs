//! Uploadcare's signatures: uploads and webhooks here; REST calls, delivery URLs, upload tokens and
//! labels in files of their own.
//!
//! ```text
//! signature      = hex(HMAC-SHA256(secret key as text, expire))       expire: Unix seconds as decimal text
//! X-Uc-Signature = "v1=" hex(HMAC-SHA256(signing secret as text, raw body))
//! ```
//!
//! Source: <https://uploadcare.com/docs/security/secure-uploads/>, <https://uploadcare.com/docs/webhooks/>.

mod delivery;
mod label;
mod rest;
mod token;

pub use delivery::{DeliveryKey, DeliveryRefusal, NotADeliveryKey};
pub use label::{LabelId, LabelKey, LabelledFiles, UploadLabel};
pub use rest::RestRequest;
pub use token::{UploadToken, bearer_token};

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::Signature;

/// How the header `X-Uc-Signature` begins.
const WEBHOOK_SCHEME: &str = "v1=";

/// Signs uploads until `expire`: Unix seconds, as the decimal text that the client sends along.
///
/// Nothing but the time is signed: whoever holds the pair may upload anything, any number of times, until then.
pub fn upload_signature(secret_key: &SecretString, expire: &str) -> Signature {
    Signature::from_digest(hmac_sha256(secret_key.expose_secret().as_bytes(), expire.as_bytes()))
}

/// The value of `X-Uc-Signature` for a webhook's body, byte for byte.
pub fn webhook_signature(signing_secret: &SecretString, body: &[u8]) -> String {
    let signature = Signature::from_digest(hmac_sha256(signing_secret.expose_secret().as_bytes(), body));
    format!("{WEBHOOK_SCHEME}{signature}")
}

/// Whether `header` signs `body`, in a time that does not tell where they differ.
pub fn is_webhook_signature(signing_secret: &SecretString, body: &[u8], header: &str) -> bool {
    let signature = Signature::from_digest(hmac_sha256(signing_secret.expose_secret().as_bytes(), body));
    header.strip_prefix(WEBHOOK_SCHEME).is_some_and(|given| signature.matches(given))
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new(&key_block::<Sha256>(key).into());
    mac.chain_update(message).finalize().into_bytes().into()
}

fn hmac_sha1(key: &[u8], message: &[u8]) -> [u8; 20] {
    let mac = Hmac::<Sha1>::new(&key_block::<Sha1>(key).into());
    mac.chain_update(message).finalize().into_bytes().into()
}

/// The key as RFC 2104 brings it to the hash's block of 64 bytes: hashed if it is longer, then filled up with zeros.
fn key_block<D: Digest>(key: &[u8]) -> [u8; 64] {
    let mut block = [0; 64];
    if key.len() > block.len() {
        let hashed = D::digest(key);
        block[..hashed.len()].copy_from_slice(&hashed);
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_are_signed_as_by_the_official_packages() {
        for (secret, expire, expected) in [
            (
                "YOUR_SECRET_KEY",
                "1678361640",
                "93b69d086a487fbdfc36172b96a5d7f5afa7cb209e43e5f25890bc037e638584",
            ),
            (
                "demosecretkey",
                "1632470819",
                "50af003e37631a54ec45a10ff21a57e8d8b1b73432597592a877a8c5bfee4eec",
            ),
            (
                "project_secret_key",
                "1454903856",
                "d39a461d41f607338abffee5f31da4d4e46535651c87346e76906bf75c064d47",
            ),
            ("demo-secret", "2000000000", "f5b47065746349ad04203d45d468bb8b72bd56dba8308fa47c466ea5b4e914f8"),
            ("sécret-ключ", "4102444800", "cbd9caff291d5e3d31e76e2fcfec67374242a2e684fba010b8e25c0e8c18343f"),
            ("demosecretkey", "60", "7d2e71d1843788a02d0c7fe6f5d71edf657363a369112e78d4f37ace3f884b00"),
        ] {
            assert_eq!(upload_signature(&secret.into(), expire).as_str(), expected, "{secret} {expire}");
        }
    }

    #[test]
    fn neither_the_old_md5_nor_its_examples_pass() {
        let signature = upload_signature(&"project_secret_key".into(), "1454903856");
        assert!(!signature.matches("46f70d2b4fb6196daeb2c16bf44a7f1e"));
        assert!(!signature.matches("04b29480233f4def5c875875b6bdc3b1"));
    }

    #[test]
    fn webhooks_are_signed_over_the_raw_body() {
        let secret = "7kMVZivndx0ErgvhRKAr".into();
        let header = "v1=ad0c2d8488c381928120f68d14f59eaf16961090b4c89c5cd3504d870301680d";
        assert_eq!(webhook_signature(&secret, br#"{"hello":"world"}"#), header);
        assert!(is_webhook_signature(&secret, br#"{"hello":"world"}"#, header));
        for (body, header) in [
            (r#"{"hello": "world"}"#, header),
            (r#"{"hello":"world"}"#, &header[3..]),
            (r#"{"hello":"world"}"#, "v1="),
            (r#"{"hello":"world"}"#, ""),
            (r#"{"hello":"world"}"#, &header[..66]),
        ] {
            assert!(!is_webhook_signature(&secret, body.as_bytes(), header), "{body} {header}");
        }
    }

    #[test]
    fn keys_longer_than_a_block_are_hashed() {
        // RFC 4231, test case 6.
        let signature = Signature::from_digest(hmac_sha256(
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
        ));
        assert_eq!(signature.as_str(), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }
}
