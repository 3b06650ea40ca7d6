//! Opening: before its first use the database is connected to and its tables are brought up to date, once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::database::Database;
use super::{LedgerError, key_subjects};
use crate::config::KeySubjects;

/// How long nobody tries again. Whoever waited for an attempt that failed would else make one after the other, each as
/// long as the last.
const PAUSE: Duration = Duration::from_secs(1);

/// Whether the database is open.
#[derive(Debug)]
pub(super) struct Opening {
    keys: KeySubjects,
    done: OnceCell<()>,
    failed_at: Mutex<Option<Instant>>,
}

impl Opening {
    /// Nothing is open yet; `keys` is what happens to rows of API keys under their bare names.
    pub(super) fn new(keys: KeySubjects) -> Self {
        Self { keys, done: OnceCell::new(), failed_at: Mutex::default() }
    }

    /// Opens the database, unless that was done, or was tried in vain just now.
    pub(super) async fn open(&self, database: &Database) -> Result<(), LedgerError> {
        let open = async || {
            let last = *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
            if last.is_some_and(|at| at.elapsed() < PAUSE) {
                return Err(LedgerError::NotYet);
            }
            let opened = async {
                database.migrate().await?;
                key_subjects::settle(database, &self.keys).await
            };
            let opened = opened.await;
            let failed = opened.is_err().then(Instant::now);
            *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = failed;
            opened
        };
        self.done.get_or_try_init(open).await?;
        Ok(())
    }
}
