//! The writer: what concurrent requests want to have written shares a commit, and none is answered before it.
//!
//! While one batch is on its way to the disk the next one gathers, so that the batches are as large as the disk is slow.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;
use sqlx::Connection as _;
use tokio::sync::{Mutex, RwLock, mpsc, oneshot};

use super::database::{BEGIN, BatchConnection, Database, batching};
use super::insert::InsertGrants as _;
use super::issue::{self, Issuing, Verdicts};
use super::open_grants::{self, Counted, Places, TooManyOpen};
use super::opening::Opening;
use super::quota::{self, Change, Key};
use super::{LedgerError, QuotaExceeded, audit};

/// The most grants of one commit.
pub(super) const MAX_BATCH: usize = 256;
/// How many grants are worth gathering before one writes; what waits already is taken in any case.
const GATHERED: usize = 128;
/// How many may wait; more wait in their requests.
const QUEUE: usize = 4_096;

/// What is to be written.
#[derive(Debug)]
pub(super) enum Pending {
    Issue(Box<Issuing>),
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
    /// The caller holds as many open grants as the profile allows.
    #[error(transparent)]
    TooManyOpen(#[from] TooManyOpen),
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

/// Starts the tasks that write; they end with the last sender.
pub(super) fn start(database: &Database, opening: &Arc<Opening>) -> mpsc::Sender<Pending> {
    let (sender, queue) = mpsc::channel(QUEUE);
    let queue = Arc::new(Mutex::new(queue));
    let at_work = Arc::new(RwLock::new(()));
    for connection in database.batch_connections() {
        let writer = Writer {
            connection,
            database: database.clone(),
            opening: Arc::clone(opening),
            queue: Arc::clone(&queue),
            at_work: Arc::clone(&at_work),
        };
        let writer = Arc::new(writer);
        tokio::spawn(keep_running(move || Arc::clone(&writer).run()));
    }
    sender
}

/// Runs `work` to its end. Should it panic, whoever waits for its batch is told that nothing was written, and it begins
/// anew: requests that come later have a writer still.
async fn keep_running<F: Future<Output = ()> + Send + 'static>(work: impl Fn() -> F) {
    while let Err(failure) = tokio::spawn(work()).await
        && failure.is_panic()
    {
        tracing::error!("the ledger's writer broke off and begins anew");
    }
}

/// Writes one batch after the other: what is answered and what comes next are one step, so that the database is not kept
/// waiting while requests are served.
struct Writer {
    connection: BatchConnection,
    database: Database,
    opening: Arc<Opening>,
    queue: Arc<Mutex<mpsc::Receiver<Pending>>>,
    /// Read by every writer that has a batch in hand.
    at_work: Arc<RwLock<()>>,
}

impl Writer {
    async fn run(self: Arc<Self>) {
        let mut pending = Vec::with_capacity(MAX_BATCH);
        loop {
            let mut queue = self.queue.lock().await;
            if queue.recv_many(&mut pending, MAX_BATCH).await == 0 {
                return;
            }
            if let BatchConnection::Sqlite(_) = self.connection {
                gather(&mut queue, &mut pending).await;
            }
            let working = self.at_work.read().await;
            drop(queue);
            let (batch, flushed) = Batch::of(pending.drain(..));
            self.write(batch).await;
            drop(working);
            if !flushed.is_empty() {
                // The other writers' batches began before.
                drop(self.at_work.write().await);
                for answer in flushed {
                    let _ = answer.send(());
                }
            }
        }
    }

    /// Writes everything and answers; what one bad row would spoil for the others is written row by row.
    async fn write(&self, batch: Batch) {
        if batch.len() == 0 {
            return;
        }
        match self.try_write(&batch).await {
            Ok(verdicts) => batch.answer(verdicts),
            Err(error) if error.blames_a_row() && batch.len() > 1 => {
                for batch in batch.each_alone() {
                    Box::pin(self.write(batch)).await;
                }
            }
            Err(error) => batch.fail(&error),
        }
    }

    async fn try_write(&self, batch: &Batch) -> Result<Verdicts, LedgerError> {
        self.opening.open(&self.database).await?;
        let places = open_grants::places(&batch.issuing);
        if issue::have_quotas(&batch.issuing) || !batch.events.is_empty() {
            return self.weigh_and_write(batch, &places).await;
        }
        let grants: Vec<_> = batch.issuing.iter().map(|issuing| &issuing.row).collect();
        let is_written = batching!(&self.connection, |connection, _spelling| {
            if places.is_empty() {
                // Nothing to weigh: one statement, which is a transaction of its own.
                connection.insert_grants(&grants).await?;
                true
            } else {
                connection.insert_within(&grants, &places).await?
            }
        });
        if is_written {
            return Ok(batch.issuing.iter().map(|_| Ok(Vec::new())).collect());
        }
        self.weigh_and_write(batch, &places).await
    }

    /// Writes what there is room for. The rows that count are locked first, in one order for everybody.
    async fn weigh_and_write(
        &self,
        batch: &Batch,
        places: &BTreeMap<Key, Places>,
    ) -> Result<Verdicts, LedgerError> {
        let mut changes = issue::counters(&batch.issuing, places);
        Ok(batching!(&self.connection, |connection, spelling| {
            let mut transaction = connection.begin_with(spelling(BEGIN)).await?;
            let mut used = quota::UsedByKey::new();
            if !changes.is_empty() {
                let locked = sqlx::query_as(spelling(quota::LOCK)).bind(issue::rows(&changes));
                used = quota::by_key(locked.fetch_all(&mut *transaction).await?);
            }
            let mut counted = Counted::new();
            for Places { change: Change { key, .. }, now, .. } in open_grants::short(places, &used) {
                let count = sqlx::query_as(open_grants::COUNT)
                    .bind(&key.subject)
                    .bind(&key.profile)
                    .bind(&key.period)
                    .bind(now);
                counted.insert(key.clone(), count.fetch_one(&mut *transaction).await?);
            }
            open_grants::correct(&counted, &mut used, &mut changes);
            let verdicts = issue::decide(&batch.issuing, &counted, &mut used, &mut changes);
            changes.retain(|_, change| change.add != 0);
            if !changes.is_empty() {
                let add = sqlx::query(spelling(quota::ADD)).bind(issue::rows(&changes));
                add.execute(&mut *transaction).await?;
            }
            let granted = batch.issuing.iter().zip(&verdicts).filter(|(_, verdict)| verdict.is_ok());
            let grants: Vec<_> = granted.map(|(issuing, _)| &issuing.row).collect();
            if !grants.is_empty() {
                transaction.insert_grants(&grants).await?;
            }
            if let Some(events) = array(batch.events.iter().map(|row| &**row)) {
                sqlx::query(spelling(audit::INSERT)).bind(events).execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
            verdicts
        }))
    }
}

/// Lets requests that are ready to run come along, until a round of them brings nothing more. That takes no time where
/// nothing is ready. A file takes one batch at a time, and small ones cost it as much as large ones; to a server a second
/// batch is sent while it works on the first, so that there waiting gains nothing.
async fn gather(queue: &mut mpsc::Receiver<Pending>, pending: &mut Vec<Pending>) {
    while pending.len() < GATHERED {
        tokio::task::yield_now().await;
        let gathered = pending.len();
        let more = std::iter::from_fn(|| queue.try_recv().ok());
        pending.extend(more.take(GATHERED - gathered));
        if pending.len() == gathered {
            return;
        }
    }
}

impl Batch {
    /// The rows among `pending`, and who waits for them to be written.
    fn of(pending: impl Iterator<Item = Pending>) -> (Self, Vec<oneshot::Sender<()>>) {
        let mut batch = Self::default();
        let mut flushed = Vec::new();
        for pending in pending {
            match pending {
                Pending::Issue(issuing) => batch.issuing.push(*issuing),
                Pending::Event(row) => batch.events.push(row),
                Pending::Flush(answer) => flushed.push(answer),
            }
        }
        (batch, flushed)
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
            drop(issuing.answer.send(verdict));
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_writer_that_panics_begins_anew() {
        let turns = AtomicUsize::new(0);
        let turn = || {
            let turn = turns.fetch_add(1, Ordering::Relaxed);
            async move { assert!(turn >= 2, "the first two turns break off") }
        };
        keep_running(turn).await;
        assert_eq!(turns.load(Ordering::Relaxed), 3);
    }
}
