//! Files at Uploadcare that are somebody's: written down when the provider tells of them, counted against quotas in the
//! same transaction, and marked when they are gone.

use std::collections::BTreeSet;

use serde_json::json;
use sqlx::FromRow;

use super::audit::{self, Event, Happening};
use super::database::{Sql, lock_rows, over_rows, reading, writing};
use super::file_verdict::{LastFile, Placement, decide};
use super::quota::{self, Key, QuotaRow, UsedByKey, used_of};
use super::{IssueError, Ledger, LedgerError, QuotaExceeded, QuotaUse};
use crate::clock::UnixSeconds;
use crate::delivery::uploadcare::FileId;
use crate::profiles::{FileTerms, Reservation};

macro_rules! last_file {
    ($uuid:literal) => {
        concat!(
            "SELECT uuid, uploaded_micros, taken, COUNT(*) OVER () AS places FROM uploadcare_files \
             WHERE label_id = $1 AND counted = 1 AND uuid <> $2 ORDER BY uploaded_micros DESC, ",
            $uuid,
            " DESC LIMIT 1"
        )
    };
}

/// Locks a label, so that replicas count its files one after the other.
const LOCK_LABEL: &str = "INSERT INTO uploadcare_labels (id, ends_at) VALUES ($1, $2) \
     ON CONFLICT (id) DO UPDATE SET ends_at = excluded.ends_at";
const INSERT: &str = "INSERT INTO uploadcare_files (uuid, subject, profile, bytes, mime_type, uploaded_at, label_id, uploaded_micros) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (uuid) DO NOTHING";
const SELECT: &str = "SELECT reason, deleted_at FROM uploadcare_files WHERE uuid = $1";
/// Ids are compared byte by byte, as the verdict does.
const LAST: Sql = Sql { sqlite: last_file!("uuid"), postgres: last_file!("uuid COLLATE \"C\"") };
/// Files that the provider should no longer have: the label's, and the named one.
const REJECTED: &str = "SELECT uuid FROM uploadcare_files \
     WHERE (label_id = $1 OR uuid = $2) AND reason IS NOT NULL AND deleted_at IS NULL ORDER BY uuid";

/// A file that the provider reports, and whose it is.
#[derive(Clone, Debug)]
pub struct UploadedFile {
    /// Names it.
    pub id: FileId,
    /// The owner of its label; empty where callers are anonymous.
    pub subject: String,
    /// Under which profile it was uploaded.
    pub profile: String,
    /// Its size.
    pub bytes: u64,
    /// Its content type.
    pub mime_type: Option<String>,
    /// When it was uploaded, in Unix microseconds.
    pub uploaded_micros: i64,
    /// The label that it came with.
    pub label: FileLabel,
    /// The HTTP request that reports it.
    pub request_id: String,
}

/// The label that a file came with.
#[derive(Clone, Debug)]
pub struct FileLabel {
    /// Identifies it.
    pub id: String,
    /// How many files it covers.
    pub limit: u32,
    /// What becomes of further files.
    pub surplus: Surplus,
    /// When it expires.
    pub ends_at: UnixSeconds,
}

/// What becomes of a file that its label does not cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surplus {
    /// It is rejected, and to be deleted.
    Rejected,
    /// It stays, and belongs to nobody.
    Unowned,
}

/// What the ledger holds of a file once it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedFile {
    /// Whether the ledger did not know it before.
    pub is_new: bool,
    /// Why it was rejected, if it was.
    pub reason: Option<String>,
    /// Whether it is gone.
    pub is_deleted: bool,
    /// Rejected files that may still be there: this one, or others with the same label.
    pub rejected: Vec<FileId>,
}

/// A file that is gone.
#[derive(Clone, Debug)]
pub struct DeletedFile {
    /// Which.
    pub id: FileId,
    /// Whether it was there before; the audit keeps what happened.
    pub was_there: bool,
}

#[derive(FromRow)]
struct FileRow {
    reason: Option<String>,
    deleted_at: Option<i64>,
}

impl Ledger {
    /// What is used of a caller's quotas, as long as each has room for what is reserved. Nothing is set aside: a signature
    /// is good for any number of files, and each is counted when it is there.
    pub async fn room(
        &self,
        subject: &str,
        profile: &str,
        reservations: &[Reservation],
    ) -> Result<Vec<QuotaUse>, IssueError> {
        let used = self.used(subject, profile).await.map_err(|error| {
            tracing::error!(%error, "the ledger failed");
            IssueError::Unreachable
        })?;
        let look = |reservation: &Reservation| {
            let used = used_of(&used, &Key::of(subject, profile, reservation));
            // Only looked at: what is used stays what it is.
            QuotaUse::with(profile, reservation, used).map(|room| QuotaUse { used, ..room })
        };
        Ok(reservations.iter().map(look).collect::<Result<_, QuotaExceeded>>()?)
    }

    async fn used(&self, subject: &str, profile: &str) -> Result<UsedByKey, LedgerError> {
        const SELECT: &str = "SELECT subject, profile, measure, period, used FROM quota_use \
             WHERE subject = $1 AND profile = $2";
        self.open().await?;
        let rows: Vec<QuotaRow> = reading!(&self.database, |pool| {
            sqlx::query_as(SELECT).bind(subject).bind(profile).fetch_all(pool).await?
        });
        Ok(quota::by_key(rows))
    }

    /// Records a file and counts it, unless it is known. A file that its label does not cover, that breaks its terms or
    /// that goes over a quota is rejected, or nobody's.
    pub async fn record(&self, file: &UploadedFile, terms: &FileTerms) -> Result<RecordedFile, LedgerError> {
        let label = &file.label;
        self.open().await?;
        Ok(writing!(&self.database, |transaction, spelling| {
            let lock = sqlx::query(LOCK_LABEL).bind(&label.id).bind(label.ends_at.0);
            lock.execute(&mut *transaction).await?;
            let inserted = sqlx::query(INSERT)
                .bind(file.id.as_str())
                .bind(&file.subject)
                .bind(&file.profile)
                .bind(file.bytes.cast_signed())
                .bind(&file.mime_type)
                .bind(file.uploaded_at().0)
                .bind(&label.id)
                .bind(file.uploaded_micros)
                .execute(&mut *transaction)
                .await?;
            let is_new = inserted.rows_affected() > 0;
            if is_new {
                let last: Option<LastFile> = sqlx::query_as(spelling(LAST))
                    .bind(&label.id)
                    .bind(file.id.as_str())
                    .fetch_optional(&mut *transaction)
                    .await?;
                let placement = Placement::of(file, last);
                let touched = placement.touched(file, terms)?;
                let mut used = UsedByKey::new();
                if !touched.is_empty() {
                    let lock = sqlx::query_as(spelling(quota::LOCK)).bind(quota::as_rows(touched.iter()));
                    used = quota::by_key(lock.fetch_all(&mut *transaction).await?);
                }
                let verdict = decide(file, terms, &placement, touched, used);
                for (statement, rows) in verdict.writes() {
                    sqlx::query(spelling(statement)).bind(rows).execute(&mut *transaction).await?;
                }
            }
            let row: FileRow =
                sqlx::query_as(SELECT).bind(file.id.as_str()).fetch_one(&mut *transaction).await?;
            let rejected: Vec<String> = sqlx::query_scalar(REJECTED)
                .bind(&label.id)
                .bind(file.id.as_str())
                .fetch_all(&mut *transaction)
                .await?;
            RecordedFile {
                is_new,
                reason: row.reason,
                is_deleted: row.deleted_at.is_some(),
                rejected: rejected.iter().filter_map(|id| id.parse().ok()).collect(),
            }
        }))
    }

    /// Whether a file is known, and if so whether it is deleted.
    pub async fn is_file_deleted(&self, file: &FileId) -> Result<Option<bool>, LedgerError> {
        self.open().await?;
        let row: Option<FileRow> = reading!(&self.database, |pool| {
            sqlx::query_as(SELECT).bind(file.as_str()).fetch_optional(pool).await?
        });
        Ok(row.map(|row| row.deleted_at.is_some()))
    }

    /// Notes that files are gone. What the provider says was there goes into the audit, known or not.
    pub async fn files_deleted(
        &self,
        files: &[DeletedFile],
        at: UnixSeconds,
        subject: &str,
        request_id: &str,
    ) -> Result<(), LedgerError> {
        const LOCK: Sql = lock_rows!("uploadcare_files", "uuid");
        const MARK: Sql = over_rows!(
            "UPDATE uploadcare_files SET deleted_at = $2 FROM",
            "WHERE uploadcare_files.uuid = value ->> 'uuid' AND uploadcare_files.deleted_at IS NULL"
        );
        let gone: Vec<_> =
            files.iter().filter(|file| file.was_there).map(|file| file_target(&file.id)).collect();
        let events = Happening::Deleted.rows(gone.iter().map(|target| Event {
            at,
            subject,
            upload_id: None,
            target,
            detail: None,
            request_id,
        }));
        let marks = rows(files.iter().map(|file| &file.id));
        self.open().await?;
        writing!(&self.database, |transaction, spelling| {
            sqlx::query(spelling(LOCK)).bind(&marks).execute(&mut *transaction).await?;
            sqlx::query(spelling(MARK)).bind(marks).bind(at.0).execute(&mut *transaction).await?;
            sqlx::query(spelling(audit::INSERT)).bind(events).execute(&mut *transaction).await?;
        });
        Ok(())
    }

    /// Those of `files` that are `subject`'s, and there as far as is known.
    pub async fn owned_files(
        &self,
        subject: &str,
        files: impl Iterator<Item = &FileId>,
    ) -> Result<BTreeSet<FileId>, LedgerError> {
        const SELECT: Sql = over_rows!(
            "SELECT uuid FROM uploadcare_files WHERE subject = $2 AND deleted_at IS NULL \
             AND uuid IN (SELECT value ->> 'uuid' FROM",
            ")"
        );
        self.open().await?;
        let found: Vec<String> = reading!(&self.database, |pool| {
            sqlx::query_scalar(SELECT.of(&self.database))
                .bind(rows(files))
                .bind(subject)
                .fetch_all(pool)
                .await?
        });
        Ok(found.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// Every file of a caller that may still be there.
    pub async fn undeleted_files(&self, subject: &str) -> Result<Vec<FileId>, LedgerError> {
        const SELECT: &str =
            "SELECT uuid FROM uploadcare_files WHERE subject = $1 AND deleted_at IS NULL ORDER BY uuid";
        self.open().await?;
        let found: Vec<String> = reading!(&self.database, |pool| {
            sqlx::query_scalar(SELECT).bind(subject).fetch_all(pool).await?
        });
        Ok(found.iter().filter_map(|id| id.parse().ok()).collect())
    }
}

impl UploadedFile {
    /// When it was uploaded.
    pub fn uploaded_at(&self) -> UnixSeconds {
        UnixSeconds(self.uploaded_micros.div_euclid(1_000_000))
    }
}

/// A file as the audit names it.
pub fn file_target(file: impl std::fmt::Display) -> String {
    format!("uploadcare/{file}")
}

/// The files as the statements above take them.
fn rows<'a>(files: impl Iterator<Item = &'a FileId>) -> String {
    let rows: Vec<_> = files.map(|file| json!({ "uuid": file.as_str() })).collect();
    serde_json::Value::from(rows).to_string()
}
