//! Files at Uploadcare that are somebody's: written down when the provider tells of them, counted against quotas in the
//! same transaction, and marked when they are gone.

use std::collections::BTreeSet;

use serde_json::json;
use sqlx::FromRow;

use super::audit::{self, Event, Happening};
use super::database::{Sql, lock_rows, over_rows, reading, writing};
use super::quota::{self, Change, Key, QuotaRow, UsedByKey, used_of};
use super::{IssueError, Ledger, LedgerError, QuotaExceeded, QuotaUse};
use crate::clock::UnixSeconds;
use crate::delivery::uploadcare::FileId;
use crate::profiles::{FileTerms, Measure, Reservation};

const INSERT: &str = "INSERT INTO uploadcare_files (uuid, subject, profile, bytes, mime_type, uploaded_at) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (uuid) DO NOTHING";
const SELECT: &str = "SELECT reason, deleted_at FROM uploadcare_files WHERE uuid = $1";
const REJECT: &str = "UPDATE uploadcare_files SET reason = $2 WHERE uuid = $1";

/// A file that the provider tells of, and whose it is.
#[derive(Clone, Debug)]
pub struct UploadedFile {
    /// Names it.
    pub id: FileId,
    /// Whose it is; empty where callers are not told apart.
    pub subject: String,
    /// Under which profile it was uploaded.
    pub profile: String,
    /// Its size.
    pub bytes: u64,
    /// What is in it.
    pub mime_type: Option<String>,
    /// When it was uploaded.
    pub uploaded_at: UnixSeconds,
}

/// What the ledger holds of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedFile {
    /// Whether the ledger did not know it before.
    pub is_new: bool,
    /// Why it was rejected, if it was.
    pub reason: Option<String>,
    /// Whether it is gone.
    pub is_deleted: bool,
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

/// What a file takes of quotas, or why it is rejected.
struct Verdict {
    changes: Vec<Change>,
    reason: Option<String>,
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

    /// Writes a file down and counts it, unless it is known. One that breaks its terms, or goes over a quota, is marked as
    /// rejected: it was an upload, and takes no room.
    pub async fn record(
        &self,
        file: &UploadedFile,
        terms: &FileTerms,
        request_id: &str,
    ) -> Result<RecordedFile, LedgerError> {
        let reservations = terms.reservations(file.bytes, file.uploaded_at);
        let changes: Vec<_> = reservations.iter().map(|one| file.change(one)).collect();
        self.open().await?;
        Ok(writing!(&self.database, |transaction, spelling| 'recorded: {
            let inserted = sqlx::query(INSERT)
                .bind(file.id.as_str())
                .bind(&file.subject)
                .bind(&file.profile)
                .bind(file.bytes.cast_signed())
                .bind(&file.mime_type)
                .bind(file.uploaded_at.0)
                .execute(&mut *transaction)
                .await?;
            if inserted.rows_affected() == 0 {
                let row = sqlx::query_as(SELECT).bind(file.id.as_str()).fetch_one(&mut *transaction);
                break 'recorded RecordedFile::of(row.await?);
            }
            let mut used = UsedByKey::new();
            if !changes.is_empty() {
                let lock = sqlx::query_as(spelling(quota::LOCK)).bind(quota::as_rows(changes.iter()));
                used = quota::by_key(lock.fetch_all(&mut *transaction).await?);
            }
            let verdict = file.judge(terms, &reservations, &used, changes);
            if !verdict.changes.is_empty() {
                let rows = quota::as_rows(verdict.changes.iter());
                sqlx::query(spelling(quota::ADD)).bind(rows).execute(&mut *transaction).await?;
            }
            if let Some(reason) = &verdict.reason {
                sqlx::query(REJECT).bind(file.id.as_str()).bind(reason).execute(&mut *transaction).await?;
            }
            let event = file.event(verdict.reason.as_deref(), request_id);
            sqlx::query(spelling(audit::INSERT)).bind(event).execute(&mut *transaction).await?;
            RecordedFile { is_new: true, reason: verdict.reason, is_deleted: false }
        }))
    }

    /// What is known of a file.
    pub async fn find_file(&self, file: &FileId) -> Result<Option<RecordedFile>, LedgerError> {
        self.open().await?;
        let row: Option<FileRow> = reading!(&self.database, |pool| {
            sqlx::query_as(SELECT).bind(file.as_str()).fetch_optional(pool).await?
        });
        Ok(row.map(RecordedFile::of))
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
    fn change(&self, reservation: &Reservation) -> Change {
        let key = Key::of(&self.subject, &self.profile, reservation);
        let add = i64::try_from(reservation.amount).unwrap_or(i64::MAX);
        Change { key, ends_at: reservation.window.ends_at, add }
    }

    /// Holds the file against its terms and what is used; `changes` is what it takes if it may stay.
    fn judge(
        &self,
        terms: &FileTerms,
        reservations: &[Reservation],
        used: &UsedByKey,
        mut changes: Vec<Change>,
    ) -> Verdict {
        let is_over = |one: &&Reservation| {
            let used = used_of(used, &Key::of(&self.subject, &self.profile, one));
            QuotaUse::with(&self.profile, one, used).is_err()
        };
        let over = reservations.iter().find(is_over).map(|one| {
            format!("goes over the quota of {} {} for its period", one.limit, one.measure.as_str())
        });
        let reason = terms.broken_by(self.bytes).or(over);
        if reason.is_some() {
            changes.retain(|change| change.key.measure == Measure::Uploads.as_str());
        }
        Verdict { changes, reason }
    }

    fn event(&self, reason: Option<&str>, request_id: &str) -> String {
        let happening = if reason.is_some() { Happening::Rejected } else { Happening::Used };
        let event = Event {
            at: self.uploaded_at,
            subject: &self.subject,
            upload_id: None,
            target: &file_target(&self.id),
            detail: Some(reason.unwrap_or(&self.profile)),
            request_id,
        };
        happening.rows([event].into_iter())
    }
}

impl RecordedFile {
    fn of(row: FileRow) -> Self {
        Self { is_new: false, reason: row.reason, is_deleted: row.deleted_at.is_some() }
    }
}

/// A file as the audit names it.
pub fn file_target(file: &FileId) -> String {
    format!("uploadcare/{file}")
}

/// The files as the statements above take them.
fn rows<'a>(files: impl Iterator<Item = &'a FileId>) -> String {
    let rows: Vec<_> = files.map(|file| json!({ "uuid": file.as_str() })).collect();
    serde_json::Value::from(rows).to_string()
}
