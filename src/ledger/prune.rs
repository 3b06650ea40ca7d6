//! Retention: what is old and of no file that is still there is forgotten, in small batches. The owner of an existing file
//! stays known as long as the file.

use super::database::{Sql, writing};
use super::{Ledger, LedgerError};
use crate::clock::UnixSeconds;

/// Grants whose file is gone, or never came: the same words as the index `grants_gone`.
macro_rules! gone {
    () => {
        "SELECT id FROM grants WHERE due_at IS NULL \
         AND (deleted_at IS NOT NULL OR state = 'expired' OR (state = 'rejected' AND bytes IS NULL)) \
         AND COALESCE(deleted_at, settled_at) < $1 ORDER BY COALESCE(deleted_at, settled_at) LIMIT $2"
    };
}

macro_rules! gone_files {
    () => {
        "SELECT uuid FROM uploadcare_files WHERE deleted_at IS NOT NULL AND deleted_at < $1 ORDER BY deleted_at LIMIT $2"
    };
}

/// Events are numbered as they come: the old ones are at the beginning, and nothing else is looked at.
macro_rules! old_events {
    () => {
        "SELECT number FROM events WHERE number < (SELECT min(number) FROM events) + $2 AND at < $1"
    };
}

/// Deletes the rows of a table that a query picks; those that another replica deletes are passed over.
macro_rules! delete {
    ($table:literal, $key:literal, $picked:expr) => {
        Sql {
            sqlite: concat!("DELETE FROM ", $table, " WHERE ", $key, " IN (", $picked, ")"),
            postgres: concat!(
                "DELETE FROM ",
                $table,
                " WHERE ",
                $key,
                " IN (",
                $picked,
                " FOR UPDATE SKIP LOCKED)"
            ),
        }
    };
}

const GRANTS: Sql = delete!("grants", "id", gone!());
const FILES: Sql = delete!("uploadcare_files", "uuid", gone_files!());
const EVENTS: Sql = delete!("events", "number", old_events!());

/// Lets the rest of the transaction delete events from before a moment. Nobody else sees this row.
const ALLOW: &str = "INSERT INTO maintenance (task, events_before) VALUES ('prune', $1)";
const FORBID: &str = "DELETE FROM maintenance WHERE task = 'prune'";

/// How many rows were forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Grants whose file is gone, or never came.
    pub grants: u64,
    /// Files at Uploadcare that are gone.
    pub files: u64,
    /// Lines of the audit.
    pub events: u64,
}

impl Pruned {
    /// All of them together.
    pub const fn rows(self) -> u64 {
        self.grants + self.files + self.events
    }
}

impl Ledger {
    /// Forgets at most `limit` rows of each kind from before a moment.
    pub async fn prune(&self, before: UnixSeconds, limit: u32) -> Result<Pruned, LedgerError> {
        self.open().await?;
        Ok(writing!(&self.database, |transaction, spelling| {
            let delete = |sql| sqlx::query(spelling(sql)).bind(before.0).bind(i64::from(limit));
            let grants = delete(GRANTS).execute(&mut *transaction).await?.rows_affected();
            let files = delete(FILES).execute(&mut *transaction).await?.rows_affected();
            sqlx::query(ALLOW).bind(before.0).execute(&mut *transaction).await?;
            let events = delete(EVENTS).execute(&mut *transaction).await?.rows_affected();
            sqlx::query(FORBID).execute(&mut *transaction).await?;
            Pruned { grants, files, events }
        }))
    }
}
