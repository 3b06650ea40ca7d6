//! Erasing a person: everything of one caller, from the ledger and from the folders that are theirs alone.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use serde::Serialize;

use super::{By, Settling, deleted};
use crate::delivery::uploadcare::FileId;
use crate::ledger::{Entry, LedgerError, State};
use crate::profiles::{Profile, Profiles, UploadId};
use crate::providers::cloudinary::{AdminApi, FolderReport, Outcome};
use crate::providers::uploadcare::{FileOutcome, RestApi};

/// How long the provider may take for all of it.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// What was erased.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Erasure {
    /// Whose.
    pub subject: String,
    /// Grants of theirs, and what became of the asset of each.
    pub uploads: Vec<ErasedUpload>,
    /// Folders of theirs, by name space.
    pub folders: Vec<FolderReport>,
    /// Files of theirs at Uploadcare.
    pub files: Vec<ErasedFile>,
}

/// One file at Uploadcare.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErasedFile {
    uuid: FileId,
    /// `deleted`, `not_found`, or `failed`.
    outcome: &'static str,
}

/// One grant of the person.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErasedUpload {
    upload_id: UploadId,
    public_id: String,
    /// `withdrawn`: it was not used, and what comes with it is deleted. `deleted`, `not_found`, or `failed`.
    outcome: &'static str,
}

impl Erasure {
    /// How many grants, name spaces and files may still hold something.
    pub fn left(&self) -> usize {
        self.uploads.iter().filter(|upload| upload.outcome == "failed").count()
            + self.folders.iter().filter(|folder| folder.error.is_some()).count()
            + self.files.iter().filter(|file| file.outcome == "failed").count()
    }
}

impl Settling {
    /// Deletes everything of `subject`. Can be repeated; what failed is in the report.
    pub async fn erase(
        &self,
        subject: &str,
        profiles: &Profiles,
        by: By<'_>,
    ) -> Result<Erasure, LedgerError> {
        let mut erasure = Erasure { subject: subject.to_owned(), ..Erasure::default() };
        if profiles.need_the_ledger() {
            self.erase_uploads(&mut erasure, by).await?;
            self.erase_files(&mut erasure, by).await?;
        }
        let folders: BTreeSet<_> =
            profiles.iter().filter_map(|profile: &Profile| profile.folder_of(subject)).collect();
        for folder in folders {
            erasure.folders.extend(self.admin.delete_folder(&folder, TIME_LIMIT).await);
        }
        Ok(erasure)
    }

    /// How many calls of the providers [`Settling::erase`] takes, retries and further pages apart.
    pub async fn calls_to_erase(&self, subject: &str, profiles: &Profiles) -> Result<usize, LedgerError> {
        let folders: BTreeSet<_> = profiles.iter().filter_map(|profile| profile.folder_of(subject)).collect();
        let in_folders = folders.len() * AdminApi::CALLS_TO_EMPTY_A_FOLDER;
        if !profiles.need_the_ledger() {
            return Ok(in_folders);
        }
        let entries = self.ledger.undeleted(subject).await?;
        let assets: Vec<_> = entries.iter().flat_map(Entry::addresses).collect();
        let files = self.ledger.undeleted_files(subject).await?;
        Ok(in_folders + AdminApi::calls_to_delete(&assets) + RestApi::calls_to_delete(&files))
    }

    async fn erase_uploads(&self, erasure: &mut Erasure, by: By<'_>) -> Result<(), LedgerError> {
        let entries = self.ledger.undeleted(&erasure.subject).await?;
        let mut assets = Vec::new();
        for entry in &entries {
            // Whoever holds its signature may still use it.
            if entry.state == State::Issued {
                self.withdraw(entry.clone(), by).await?;
            }
            assets.extend(entry.addresses());
        }
        let reports = self.admin.delete(&assets, TIME_LIMIT).await;
        let mut outcomes = HashMap::<_, Vec<_>>::new();
        for (asset, outcome) in reports.into_iter().flat_map(|report| report.outcomes) {
            outcomes.entry(asset.public_id.to_string()).or_default().push((asset, outcome));
        }
        let mut gone = Vec::new();
        for entry in entries {
            let own = outcomes.remove(&entry.public_id).unwrap_or_default();
            let any = |wanted: fn(&Outcome) -> bool| own.iter().any(|(_, outcome)| wanted(outcome));
            let outcome = if any(|outcome| matches!(outcome, Outcome::Failed(_))) {
                "failed"
            } else if any(|outcome| *outcome == Outcome::Deleted) {
                "deleted"
            } else if entry.state == State::Issued {
                "withdrawn"
            } else {
                "not_found"
            };
            if outcome != "failed" {
                let asset = own.iter().find(|(_, outcome)| *outcome == Outcome::Deleted).or(own.first());
                gone.extend(asset.map(|(asset, outcome)| deleted(entry.id, asset, outcome)));
            }
            erasure.uploads.push(ErasedUpload { upload_id: entry.id, public_id: entry.public_id, outcome });
        }
        if !gone.is_empty() {
            self.ledger.deleted(&gone, self.clock.now(), by.subject, by.request_id).await?;
        }
        Ok(())
    }

    async fn erase_files(&self, erasure: &mut Erasure, by: By<'_>) -> Result<(), LedgerError> {
        let files = self.ledger.undeleted_files(&erasure.subject).await?;
        for batch in self.remove_files(&files, TIME_LIMIT, by).await? {
            let outcomes = batch.outcomes.into_iter();
            erasure.files.extend(outcomes.map(|(uuid, outcome)| ErasedFile::new(uuid, &outcome)));
        }
        Ok(())
    }
}

impl ErasedFile {
    const fn new(uuid: FileId, outcome: &FileOutcome) -> Self {
        let outcome = match outcome {
            FileOutcome::Deleted => "deleted",
            FileOutcome::NotFound => "not_found",
            FileOutcome::Failed(_) => "failed",
        };
        Self { uuid, outcome }
    }
}
