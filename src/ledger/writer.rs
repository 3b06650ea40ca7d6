//! The writer: what concurrent requests want to have written shares a commit, and none is answered before it.
//!
//! While one batch is on its way to the disk the next one gathers, so that the batches are as large as the disk is slow.

use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::database::{Database, writing};
use super::issue::{self, Issuing, Verdicts};
use super::opening::Opening;
use super::{LedgerError, QuotaExceeded, audit, quota};

/// The most grants of one commit.
const MAX_BATCH: usize = 256;
/// How many may wait; more wait in their requests.
const QUEUE: usize = 4_096;

/// What is to be written.
#[derive(Debug)]
pub(super) enum Pending {
    Issue(Issuing),
    /// A row of the audit, which nobody waits for.
    Event(Box<RawValue>),
    /// Answered once everything before it is written.
    Flush(oneshot::Sender<()>),
}

/// Why a grant was not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The caller's quota has no room for it.
    #[error(transparent)]
    QuotaExceeded(#[from] QuotaExceeded),
    /// The ledger cannot be reached; the log has the cause.
    #[error("the ledger cannot be reached")]
    Unreachable,
}

/// One commit's worth.
#[derive(Debug, Default)]
struct Batch {
    issuing: Vec<Issuing>,
    events: Vec<Box<RawValue>>,
}

/// Starts the task that writes; it ends with the last sender.
pub(super) fn start(database: &Database, opening: &Arc<Opening>) -> mpsc::Sender<Pending> {
    let (sender, queue) = mpsc::channel(QUEUE);
    tokio::spawn(run(database.clone(), Arc::clone(opening), queue));
    sender
}

async fn run(database: Database, opening: Arc<Opening>, mut queue: mpsc::Receiver<Pending>) {
    let writers = database.writers();
    let permits = Arc::new(Semaphore::new(writers));
    let mut pending = Vec::with_capacity(MAX_BATCH);
    // Whoever may write takes what has gathered until then.
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await
        && queue.recv_many(&mut pending, MAX_BATCH).await > 0
    {
        let mut batch = Batch::default();
        let mut flushed = Vec::new();
        for pending in pending.drain(..) {
            match pending {
                Pending::Issue(issuing) => batch.issuing.push(issuing),
                Pending::Event(row) => batch.events.push(row),
                Pending::Flush(answer) => flushed.push(answer),
            }
        }
        let (database, opening) = (database.clone(), Arc::clone(&opening));
        let writing = async move {
            batch.write(&database, &opening).await;
            drop(permit);
        };
        let written = tokio::spawn(writing);
        if !flushed.is_empty() {
            let _ = written.await;
            // The other writers' batches began before.
            let _ = permits.acquire_many(u32::try_from(writers).unwrap_or(1)).await;
            for answer in flushed {
                let _ = answer.send(());
            }
        }
    }
}

impl Batch {
    /// Writes everything and answers; what one bad row would spoil for the others is written row by row.
    async fn write(self, database: &Database, opening: &Opening) {
        if self.issuing.is_empty() && self.events.is_empty() {
            return;
        }
        match self.try_write(database, opening).await {
            Ok(verdicts) => self.answer(verdicts),
            Err(error) if error.blames_a_row() && self.len() > 1 => {
                for batch in self.each_alone() {
                    Box::pin(batch.write(database, opening)).await;
                }
            }
            Err(error) => self.fail(&error),
        }
    }

    async fn try_write(&self, database: &Database, opening: &Opening) -> Result<Verdicts, LedgerError> {
        opening.open(database).await?;
        self.transact(database).await
    }

    async fn transact(&self, database: &Database) -> Result<Verdicts, LedgerError> {
        let mut changes = issue::quotas(&self.issuing);
        Ok(writing!(database, |transaction, spelling| {
            let mut used = quota::UsedByKey::new();
            if !changes.is_empty() {
                let locked = sqlx::query_as(spelling(quota::LOCK)).bind(issue::rows(&changes));
                used = quota::by_key(locked.fetch_all(&mut *transaction).await?);
            }
            let verdicts = issue::decide(&self.issuing, &mut used, &mut changes);
            changes.retain(|_, change| change.add != 0);
            if !changes.is_empty() {
                let add = sqlx::query(spelling(quota::ADD)).bind(issue::rows(&changes));
                add.execute(&mut *transaction).await?;
            }
            let granted = self.issuing.iter().zip(&verdicts).filter(|(_, verdict)| verdict.is_ok());
            let grants = array(granted.map(|(issuing, _)| &*issuing.row));
            if let Some(grants) = grants {
                sqlx::query(spelling(issue::INSERT)).bind(grants).execute(&mut *transaction).await?;
            }
            if let Some(events) = array(self.events.iter().map(|row| &**row)) {
                sqlx::query(spelling(audit::INSERT)).bind(events).execute(&mut *transaction).await?;
            }
            verdicts
        }))
    }

    fn len(&self) -> usize {
        self.issuing.len() + self.events.len()
    }

    fn each_alone(self) -> impl Iterator<Item = Self> {
        let issuing =
            self.issuing.into_iter().map(|issuing| Self { issuing: vec![issuing], events: Vec::new() });
        let events = self.events.into_iter().map(|row| Self { issuing: Vec::new(), events: vec![row] });
        issuing.chain(events)
    }

    fn answer(self, verdicts: Verdicts) {
        for (issuing, verdict) in self.issuing.into_iter().zip(verdicts) {
            // A client that has gone away does not take its grant back: it runs out, and its quota is given back.
            drop(issuing.answer.send(verdict.map_err(IssueError::from)));
        }
    }

    fn fail(self, error: &LedgerError) {
        tracing::error!(%error, grants = self.issuing.len(), events = self.events.len(), "nothing was written");
        for issuing in self.issuing {
            drop(issuing.answer.send(Err(IssueError::Unreachable)));
        }
    }
}

/// The rows as one JSON array; `None` without any.
fn array<'a>(rows: impl Iterator<Item = &'a RawValue>) -> Option<String> {
    let mut text = String::new();
    for row in rows {
        text.push(if text.is_empty() { '[' } else { ',' });
        text.push_str(row.get());
    }
    if text.is_empty() {
        return None;
    }
    text.push(']');
    Some(text)
}
