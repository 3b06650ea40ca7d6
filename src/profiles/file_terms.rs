//! What a profile for Uploadcare asks of the ledger: whose each file is, how large it may be, how many there may be.
//!
//! Nothing can be set aside beforehand, because one signature is good for any number of files: each is held to this once
//! the provider tells of it.

use super::quota::{Limit, parse_size};
use super::uploadcare::{UploadcareProfileError, UploadcareText};
use super::{Measure, Reservation};
use crate::clock::UnixSeconds;

/// What a file must be like, and what it is counted against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileTerms {
    /// The most bytes.
    pub max_bytes: Option<u64>,
    uploads: Option<Limit>,
    bytes: Option<Limit>,
}

impl FileTerms {
    /// What `owned`, `max_bytes` and `quota` say; `None` if the profile asks nothing of the ledger.
    pub(super) fn read(text: &UploadcareText) -> Result<Option<Self>, UploadcareProfileError> {
        let quota = text.quota.clone().unwrap_or_default();
        let uploads = quota.uploads.as_deref().map(Limit::of_uploads).transpose();
        let bytes = quota.bytes.as_deref().map(Limit::of_bytes).transpose();
        let terms = Self {
            max_bytes: text.max_bytes.as_deref().map(parse_size).transpose()?,
            uploads: uploads.map_err(|error| UploadcareProfileError::Limit("quota.uploads", error))?,
            bytes: bytes.map_err(|error| UploadcareProfileError::Limit("quota.bytes", error))?,
        };
        let needs_it = text.max_bytes.is_some() || text.quota.is_some();
        match text.owned {
            Some(false) if needs_it => Err(UploadcareProfileError::Unowned),
            Some(false) => Ok(None),
            None if !needs_it => Ok(None),
            Some(true) | None => Ok(Some(terms)),
        }
    }

    /// What one file of `bytes` that was uploaded at `at` takes of quotas.
    pub fn reservations(&self, bytes: u64, at: UnixSeconds) -> Vec<Reservation> {
        let reserve = |measure, limit: Option<Limit>, amount| {
            limit.map(|limit| Reservation {
                measure,
                amount,
                limit: limit.most,
                window: limit.period.window(at),
            })
        };
        let reserved =
            [reserve(Measure::Uploads, self.uploads, 1), reserve(Measure::Bytes, self.bytes, bytes)];
        reserved.into_iter().flatten().collect()
    }

    /// Why a file of `bytes` is not what was granted, as a sentence about the file.
    pub fn broken_by(&self, bytes: u64) -> Option<String> {
        let most = self.max_bytes.filter(|most| bytes > *most)?;
        Some(format!("has {bytes} bytes, and the profile takes {most} at most"))
    }
}
