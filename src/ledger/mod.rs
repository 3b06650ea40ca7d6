//! The ledger: which grants there are, whose they are, what they take of quotas, and what became of them.
//!
//! ```text
//! issued ──▶ used        the file is there, and is what was granted
//!        ──▶ rejected    the file broke the profile and is deleted, or its owner withdrew the grant
//!        ──▶ expired     nobody used it; what it took of quotas is given back
//! expired ──▶ used | rejected      an upload that had begun in time came late
//! ```
//!
//! Every change of one grant is one transaction with what it does to quotas and the audit. SQLite by default; PostgreSQL,
//! or what speaks its protocol, where several replicas share it. Nothing is opened before the first grant needs it.

mod audit;
mod database;
mod entry;
mod issue;
mod quota;
mod read;
mod settle;
mod sweep;
mod writer;

use std::sync::Arc;

use sqlx::migrate::MigrateError;
use tokio::sync::{OnceCell, mpsc};

pub use audit::{AuditLine, Event, Happening};
pub use entry::{Entry, SettledBy, State};
pub use issue::Issue;
pub use quota::{QuotaExceeded, QuotaUse};
pub use read::Page;
pub use settle::{Deleted, Finding, Settlement, target};
pub use writer::IssueError;

use crate::config::LedgerConfig;
use database::Database;
use writer::Pending;

/// The ledger. Clones share everything.
#[derive(Clone, Debug)]
pub struct Ledger {
    database: Database,
    migrated: Arc<OnceCell<()>>,
    queue: mpsc::Sender<Pending>,
}

/// What goes wrong with the ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The address is not one.
    #[error("DATABASE_URL is not an address: {0}")]
    Address(#[source] sqlx::Error),
    /// The database cannot be reached, or does not do what it is asked.
    #[error("the ledger cannot be reached: {0}")]
    Unreachable(#[from] sqlx::Error),
    /// Its tables cannot be brought up to date.
    #[error("the ledger's tables cannot be brought up to date: {0}")]
    Migration(#[from] MigrateError),
    /// The database does not answer.
    #[error("the ledger does not answer")]
    TimedOut,
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
        let migrated = Arc::default();
        let queue = writer::start(&database, &migrated);
        Ok(Self { database, migrated, queue })
    }

    /// Opens the database and brings its tables up to date, unless that was done.
    pub async fn open(&self) -> Result<(), LedgerError> {
        open(&self.database, &self.migrated).await
    }

    /// Asks whether the database answers. Changes nothing, but that a file is made where none was.
    pub async fn ping(&self) -> Result<(), LedgerError> {
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
    /// Whether the database answered, and did not take what it was given.
    fn blames_a_row(&self) -> bool {
        matches!(self, Self::Unreachable(sqlx::Error::Database(_)))
    }
}

async fn open(database: &Database, migrated: &OnceCell<()>) -> Result<(), LedgerError> {
    migrated.get_or_try_init(|| async { database.migrate().await.map_err(LedgerError::from) }).await?;
    Ok(())
}
