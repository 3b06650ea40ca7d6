//! A hexadecimal signature, the two hashes that make one, and the comparison that leaks nothing.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The hash behind a signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// 40 hexadecimal digits; what the provider and its SDKs use unless told otherwise.
    #[default]
    Sha1,
    /// 64 hexadecimal digits.
    Sha256,
}

impl Algorithm {
    /// The name as configuration and SDKs spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    /// The algorithm that makes signatures of this many hexadecimal digits. The wire does not name it.
    pub const fn of_hex_length(length: usize) -> Option<Self> {
        match length {
            40 => Some(Self::Sha1),
            64 => Some(Self::Sha256),
            _ => None,
        }
    }

    /// The plain hash (not an HMAC) of `message` followed by `secret`, which is how Cloudinary signs everything.
    pub fn sign(self, message: &[u8], secret: &SecretString) -> Signature {
        let secret = secret.expose_secret().as_bytes();
        match self {
            Self::Sha1 => Signature::from_digest::<20>(
                Sha1::new().chain_update(message).chain_update(secret).finalize().into(),
            ),
            Self::Sha256 => Signature::from_digest::<32>(
                Sha256::new().chain_update(message).chain_update(secret).finalize().into(),
            ),
        }
    }
}

/// An algorithm that is neither `sha1` nor `sha256`.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a signature algorithm: use sha1 or sha256")]
pub struct UnknownAlgorithm(String);

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "sha1" => Ok(Self::Sha1),
            "sha256" => Ok(Self::Sha256),
            other => Err(UnknownAlgorithm(other.to_owned())),
        }
    }
}

/// A signature in lower-case hexadecimal. It opens a door until it expires, so `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    hex: [u8; 64],
    length: usize,
}

impl Signature {
    /// The hexadecimal text of a digest: 20 or 32 bytes.
    pub(super) fn from_digest<const BYTES: usize>(digest: [u8; BYTES]) -> Self {
        const { assert!(BYTES <= 32, "a digest of at most 32 bytes") };
        let mut hex = [b'0'; 64];
        let length = BYTES * 2;
        let encoded = hex::encode_to_slice(digest, &mut hex[..length]);
        debug_assert!(encoded.is_ok(), "the slice is twice as long as the digest");
        Self { hex, length }
    }

    /// The hexadecimal text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.hex[..self.length]).unwrap_or_default()
    }

    /// Whether `other` is this signature, in a time that does not tell where they differ.
    pub fn matches(&self, other: &str) -> bool {
        self.as_str().as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(…)")
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
