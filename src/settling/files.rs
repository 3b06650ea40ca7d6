//! Files at Uploadcare: what the provider tells of is written down as somebody's, and what is too large or over a quota is
//! deleted.

use std::time::Duration;

use super::{By, Heard, Settling, TIME_LIMIT};
use crate::delivery::uploadcare::FileId;
use crate::ledger::{DeletedFile, LedgerError, UploadedFile};
use crate::profiles::FileTerms;
use crate::providers::uploadcare::{FileBatch, FileOutcome};

/// The metadata key of a file's label.
pub const LABEL_KEY: &str = "countersign";

impl Settling {
    /// Records a file that the provider reports under a label of ours, deletes what is rejected, and removes the label
    /// from the file, so that nobody can read and reuse it. A repeated report repeats what failed.
    pub async fn announced_file(
        &self,
        file: &UploadedFile,
        terms: &FileTerms,
        by: By<'_>,
    ) -> Result<Heard, LedgerError> {
        let recorded = self.ledger.record(file, terms).await?;
        if recorded.is_new
            && let Some(reason) = &recorded.reason
        {
            tracing::warn!(file = %file.id, profile = file.profile, reason, "a file is rejected and deleted");
        }
        let batches = self.remove_files(&recorded.rejected, TIME_LIMIT, by).await?;
        let outcomes = batches.iter().flat_map(|batch| &batch.outcomes);
        let failed: Vec<_> = outcomes
            .filter(|(_, outcome)| matches!(outcome, FileOutcome::Failed(_)))
            .map(|(id, _)| id)
            .collect();
        let is_gone =
            recorded.is_deleted || recorded.rejected.contains(&file.id) && !failed.contains(&&file.id);
        if !is_gone && !self.remove_label(&file.id).await {
            return Ok(Heard::StillLabelled);
        }
        Ok(match (failed.is_empty(), recorded.is_new || !recorded.rejected.is_empty()) {
            (false, _) => Heard::Undeleted,
            (true, true) => Heard::Settled,
            (true, false) => Heard::Known,
        })
    }

    /// Removes the label from a file's metadata; says whether it is gone.
    async fn remove_label(&self, file: &FileId) -> bool {
        let Some(rest) = &self.files else { return true };
        let removed = rest.remove_metadata(file, LABEL_KEY, TIME_LIMIT).await;
        if let Err(error) = &removed {
            tracing::warn!(%file, %error, "the label is still in the file's metadata, where others can read it");
        }
        removed.is_ok()
    }

    /// Takes in that the provider announces that a file is gone.
    pub async fn announced_file_deletion(&self, file: FileId, by: By<'_>) -> Result<Heard, LedgerError> {
        match self.ledger.is_file_deleted(&file).await? {
            None => return Ok(Heard::Unknown),
            // Whoever deleted it through us has noted it.
            Some(true) => return Ok(Heard::Known),
            Some(false) => {}
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
