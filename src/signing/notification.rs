//! The signature of Cloudinary's notifications, over the raw body and the time in the header beside it.
//!
//! ```text
//! X-Cld-Signature = lower-case hex(HASH(raw body + X-Cld-Timestamp + API secret))      a plain hash, not an HMAC
//! ```
//!
//! Source: <https://cloudinary.com/documentation/notification_signatures>.

use secrecy::SecretString;

use super::{Algorithm, Signature};

/// The value of `X-Cld-Signature` for a body, byte for byte, and the text of `X-Cld-Timestamp`.
pub fn notification_signature(
    body: &[u8],
    timestamp: &str,
    secret: &SecretString,
    algorithm: Algorithm,
) -> Signature {
    algorithm.sign(&[body, timestamp.as_bytes()].concat(), secret)
}

/// Whether `signature` signs the body at that time, by either algorithm, in a time that does not tell where they differ.
pub fn is_notification_signature(
    body: &[u8],
    timestamp: &str,
    secret: &SecretString,
    signature: &str,
) -> bool {
    Algorithm::of_hex_length(signature.len()).is_some_and(|algorithm| {
        notification_signature(body, timestamp, secret, algorithm).matches(signature)
    })
}
