//! The labels in the answer of `/uploadcare-signature`: one that all files share, or one for each file.
//!
//! A shared label can be copied from a file that carries it, until a webhook has removed it there. A label of its own is
//! used up by the file that carries it.

use std::collections::BTreeMap;

use rand::random;
use serde::Serialize;

use crate::clock::UnixSeconds;
use crate::ledger::QuotaUse;
use crate::profiles::{FileOwner, Measure};
use crate::settling::LABEL_KEY;
use crate::signing::uploadcare::{LabelId, LabelKey, LabelledFiles, UploadLabel};

/// The most labels in one answer.
const MAX_LABELS: u32 = 100;

/// What clients send along as a file's metadata.
type Metadata = BTreeMap<&'static str, String>;

/// The labels of one signature.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Labels {
    /// For how many files the caller needs no other signature.
    files_left: u32,
    /// For every file.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
    /// One for each file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    file_metadata: Vec<Metadata>,
}

impl Labels {
    /// Labels for the files of `owner`, as far as `quotas` have room.
    pub(super) fn seal(
        owner: &FileOwner<'_>,
        expires_at: UnixSeconds,
        quotas: &[QuotaUse],
        per_file: bool,
        key: &LabelKey,
    ) -> Self {
        let seal = |files| {
            let label = UploadLabel {
                subject: owner.subject.clone(),
                profile: owner.profile.to_owned(),
                expires_at: expires_at.0,
                files,
            };
            Metadata::from([(LABEL_KEY, key.seal(LabelId::new(random()), &label))])
        };
        let left = owner.files.min(room(quotas));
        if per_file {
            let files_left = left.min(MAX_LABELS);
            let file_metadata = (0..files_left).map(|_| seal(LabelledFiles::One)).collect();
            return Self { files_left, metadata: None, file_metadata };
        }
        // The label covers them all: a quota's next period may begin before it ends.
        let metadata = Some(seal(LabelledFiles::UpTo(owner.files)));
        Self { files_left: left, metadata, file_metadata: Vec::new() }
    }
}

/// How many more files quotas allow now.
fn room(quotas: &[QuotaUse]) -> u32 {
    let uploads = quotas.iter().filter(|quota| quota.measure == Measure::Uploads);
    let left = uploads.map(|quota| quota.limit.saturating_sub(quota.used)).min().unwrap_or(u64::MAX);
    u32::try_from(left).unwrap_or(u32::MAX)
}
