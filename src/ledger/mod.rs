//! The ledger: which grants there are, whose they are, what they take of quotas, and what became of them.
//!
//! ```text
//! issued ──▶ used        the file is there, and is what was granted
//!        ──▶ rejected    the file broke the profile and is deleted, or its owner withdrew the grant
//!        ──▶ expired     nobody used it; what it took of quotas is given back
//! expired ──▶ used | rejected      an upload that had begun in time came late
//! ```
//!
//! A file at Uploadcare has no grant of its own, because a signature there binds nothing but the time: the ledger keeps it
//! from the moment at which the provider tells of it.
//!
//! Every change of one grant is one transaction with what it does to quotas and the audit. SQLite by default; PostgreSQL,
//! or what speaks its protocol, where several replicas share it. Nothing is opened before the first grant needs it.

mod audit;
mod database;
mod deleted;
mod entry;
mod file_verdict;
mod files;
mod held;
mod insert;
mod issue;
mod key_subjects;
mod links;
mod open_grants;
mod opening;
mod prune;
mod quota;
mod read;
mod renew;
mod settle;
mod sweep;
mod writer;

use std::sync::Arc;

use sqlx::error::ErrorKind;
use sqlx::migrate::MigrateError;
use tokio::sync::mpsc;

pub use audit::{AuditLine, Event, Happening};
pub use deleted::{Deleted, target};
pub use entry::{Entry, SettledBy, State};
pub use files::{DeletedFile, FileLabel, RecordedFile, Surplus, UploadedFile, file_target};
pub use issue::Issue;
pub use key_subjects::RenamedKey;
pub use open_grants::TooManyOpen;
pub use prune::Pruned;
pub use quota::{QuotaExceeded, QuotaUse};
pub use read::Page;
pub use renew::Renewed;
pub use settle::{Finding, Settlement};
pub use writer::IssueError;

use crate::config::LedgerConfig;
use database::Database;
use opening::Opening;
use writer::Pending;

/// The ledger. Clones share everything.
#[derive(Clone, Debug)]
pub struct Ledger {
    database: Database,
    opening: Arc<Opening>,
    queue: mpsc::Sender<Pending>,
}

/// What goes wrong with the ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The address is not one.
    #[error("DATABASE_URL is not an address: {0}")]
    Address(#[source] sqlx::Error),
    /// The file cannot be made.
    #[error("the ledger's file `{file}` cannot be made: {source}")]
    File {
        /// Which.
        file: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The database cannot be reached, or does not do what it is asked.
    #[error("the ledger cannot be reached: {0}")]
    Unreachable(#[from] sqlx::Error),
    /// Its tables cannot be brought up to date.
    #[error("the ledger's tables cannot be brought up to date: {0}")]
    Migration(#[from] MigrateError),
    /// The database does not answer.
    #[error("the ledger does not answer")]
    TimedOut,
    /// Somebody has just tried in vain to open the database.
    #[error("the ledger could not be reached a moment ago")]
    NotYet,
    /// It has rows of which nobody can tell whether they are an API key's or a token's.
    #[error(
        "the ledger has rows of {}, which may be those of API keys or of tokens: run `countersign migrate-subjects` to \
         give them to the keys, or give the keys other names",
        .0.join(", ")
    )]
    AmbiguousSubjects(Vec<String>),
    /// What it holds cannot be read.
    #[error("the ledger holds what this version cannot read: {0}")]
    Unreadable(String),
}

impl Ledger {
    /// The ledger at the configured address; the connection comes with the first use.
    ///
    /// Must be called within a runtime: a task of its own writes what is issued.
    pub fn new(config: &LedgerConfig) -> Result<Self, LedgerError> {
        let database = Database::new(config)?;
        let opening = Arc::new(Opening::new(config.keys.clone()));
        let queue = writer::start(&database, &opening);
        Ok(Self { database, opening, queue })
    }

    /// Opens the database and brings its tables up to date, unless that was done.
    pub async fn open(&self) -> Result<(), LedgerError> {
        self.opening.open(&self.database).await
    }

    /// Asks whether the database answers. Changes nothing, but that a file is made where none was.
    pub async fn ping(&self) -> Result<(), LedgerError> {
        self.database.make_file()?;
        database::reading!(&self.database, |pool| {
            sqlx::query("SELECT 1").execute(pool).await?;
        });
        Ok(())
    }

    /// Waits until everything that was queued is written, and closes the connections.
    pub async fn close(self) {
        let Self { database, queue, .. } = self;
        // Other clones may still hold the queue; a closed pool ends what they begin.
        let (flushed, wait) = tokio::sync::oneshot::channel();
        if queue.send(Pending::Flush(flushed)).await.is_ok() {
            let _ = wait.await;
        }
        database.close().await;
    }
}

impl LedgerError {
    /// Whether the database answered that what it was given is wrong, and not that it stops or has no room.
    fn blames_a_row(&self) -> bool {
        let Self::Unreachable(sqlx::Error::Database(error)) = self else { return false };
        // PostgreSQL's classes of data exceptions and broken constraints; SQLite's general error.
        let is_of_data = |code: &str| code == "1" || code.len() == 5 && matches!(&code[..2], "22" | "23");
        error.kind() != ErrorKind::Other || error.code().is_some_and(|code| is_of_data(&code))
    }
}
