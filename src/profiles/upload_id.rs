//! The id of a grant that the ledger keeps, which is also the last segment of its public id.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::clock::UnixMilliseconds;

/// Names one grant: 32 hexadecimal digits, the first twelve of them the millisecond of its making, as in UUIDs of version
/// 7: later ids sort after earlier ones, so that a database adds a batch of them at one end of its tables. The other
/// twenty are random: nobody guesses an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId([u8; 16]);

/// Text that is no id of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 32 lower-case hexadecimal digits, as the signature's answer gave them")]
pub struct NotAnUploadId;

impl UploadId {
    /// A fresh id; `random` must come from a generator that nobody predicts.
    pub fn new(now: UnixMilliseconds, random: [u8; 10]) -> Self {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&now.0.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&random);
        Self(bytes)
    }

    /// The id at the end of a public id, if there is one.
    pub fn of_public_id(public_id: &str) -> Option<Self> {
        public_id.rsplit('/').next()?.parse().ok()
    }
}

impl FromStr for UploadId {
    type Err = NotAnUploadId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_upper = |byte: u8| byte.is_ascii_uppercase();
        let mut bytes = [0; 16];
        match hex::decode_to_slice(text, &mut bytes) {
            // One spelling for each id: others would not be found as keys.
            Ok(()) if !text.bytes().any(is_upper) => Ok(Self(bytes)),
            _ => Err(NotAnUploadId),
        }
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 32];
        hex::encode_to_slice(self.0, &mut text).map_err(|_too_short| fmt::Error)?;
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl Serialize for UploadId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_the_time_of_their_making() {
        let earlier = UploadId::new(UnixMilliseconds(1_720_000_000_000), [255; 10]);
        let later = UploadId::new(UnixMilliseconds(1_720_000_000_001), [0; 10]);
        assert!(earlier.to_string() < later.to_string());
        assert_eq!(earlier.to_string(), "019077fd3000 ffffffffffffffffffff".replace(' ', ""));
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id = UploadId::new(UnixMilliseconds(1_720_000_000_000), [0xab; 10]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(UploadId::of_public_id(&format!("kyc/1/{id}")), Some(id));
        for text in ["", "kyc/1/a", &id.to_string().to_uppercase(), &format!("{id}0")] {
            assert_eq!(text.parse::<UploadId>(), Err(NotAnUploadId), "{text}");
        }
    }
}
