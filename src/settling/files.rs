//! Files at Uploadcare: what the provider tells of is written down as somebody's, and what is too large or over a quota is
//! deleted.

use std::time::Duration;

use super::{By, Heard, Settling, TIME_LIMIT};
use crate::delivery::uploadcare::FileId;
use crate::ledger::{DeletedFile, LedgerError, UploadedFile};
use crate::profiles::FileTerms;
use crate::providers::uploadcare::{FileBatch, FileOutcome};

impl Settling {
    /// Takes in that the provider announces a file under a label of ours. Told again, it tries again to delete what is
    /// rejected and still there.
    pub async fn announced_file(
        &self,
        file: &UploadedFile,
        terms: &FileTerms,
        by: By<'_>,
    ) -> Result<Heard, LedgerError> {
        let recorded = self.ledger.record(file, terms, by.request_id).await?;
        if let Some(reason) = recorded.reason.filter(|_| !recorded.is_deleted) {
            tracing::warn!(file = %file.id, profile = file.profile, reason, "a file is rejected and deleted");
            let batches = self.remove_files(std::slice::from_ref(&file.id), TIME_LIMIT, by).await?;
            let failed = batches.iter().flat_map(|batch| batch.outcomes.values());
            if failed.into_iter().any(|outcome| matches!(outcome, FileOutcome::Failed(_))) {
                return Ok(Heard::Undeleted);
            }
            return Ok(Heard::Settled);
        }
        Ok(if recorded.is_new { Heard::Settled } else { Heard::Known })
    }

    /// Takes in that the provider announces that a file is gone.
    pub async fn announced_file_deletion(&self, file: FileId, by: By<'_>) -> Result<Heard, LedgerError> {
        match self.ledger.find_file(&file).await? {
            None => return Ok(Heard::Unknown),
            // Whoever deleted it through us has noted it.
            Some(recorded) if recorded.is_deleted => return Ok(Heard::Known),
            Some(_) => {}
        }
        let gone = [DeletedFile { id: file, was_there: true }];
        self.ledger.files_deleted(&gone, self.clock.now(), by.subject, by.request_id).await?;
        Ok(Heard::Settled)
    }

    /// Deletes files at the provider and notes what is gone. Without a project there is nobody to ask, and nothing there.
    pub async fn remove_files(
        &self,
        files: &[FileId],
        limit: Duration,
        by: By<'_>,
    ) -> Result<Vec<FileBatch>, LedgerError> {
        let Some(rest) = self.files.as_ref().filter(|_| !files.is_empty()) else { return Ok(Vec::new()) };
        let batches = rest.delete(files, limit).await;
        let gone = gone(&batches);
        if !gone.is_empty() {
            self.ledger.files_deleted(&gone, self.clock.now(), by.subject, by.request_id).await?;
        }
        Ok(batches)
    }
}

/// What the ledger notes of files, by what the provider said of them.
pub fn gone(batches: &[FileBatch]) -> Vec<DeletedFile> {
    let outcomes = batches.iter().flat_map(|batch| &batch.outcomes);
    let gone = outcomes.filter(|(_, outcome)| !matches!(outcome, FileOutcome::Failed(_)));
    let note = |(id, outcome): (&FileId, &FileOutcome)| DeletedFile {
        id: id.clone(),
        was_there: *outcome == FileOutcome::Deleted,
    };
    gone.map(note).collect()
}
