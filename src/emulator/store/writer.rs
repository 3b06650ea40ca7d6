//! The thread that changes what is stored. It commits all the changes that wait in one transaction.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::mpsc::{self as std_mpsc, SyncSender};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use tokio::runtime::{self, Runtime};
use tokio::sync::{mpsc, oneshot};

use super::contents::Contents;
use super::error::{StoreError, failed};
use super::folder::Folder;
use super::index::{Index, Saved};
use super::transaction::{Changes, State, Transaction};

/// Makes a change, and returns what reports whether it was committed.
type Job = Box<dyn FnOnce(&mut Transaction<'_>) -> Reply + Send>;
type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// How many changes are committed together at most.
const MAX_CHANGES: usize = 256;

/// Accepts changes. Dropping it waits for those in progress.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<mpsc::UnboundedSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread works on.
struct OpenStore {
    index: Index,
    contents: Arc<Contents>,
    state: Arc<RwLock<State>>,
}

impl Writer {
    /// Opens the index, finishes what a crash interrupted, and waits for changes.
    pub(super) fn start(
        folder: &Folder,
        contents: &Arc<Contents>,
    ) -> Result<(Arc<RwLock<State>>, Self), StoreError> {
        let (path, is_durable, contents) = (folder.index(), folder.is_durable(), Arc::clone(contents));
        let runtime =
            runtime::Builder::new_current_thread().build().map_err(failed("start a thread for", &path))?;
        let (sender, jobs) = mpsc::unbounded_channel();
        let (opened, opening) = std_mpsc::sync_channel(1);
        let not_started = failed("start a thread for", &path);
        let work = move || run(&runtime, OpenStore::open(path, is_durable, contents), &opened, jobs);
        let thread =
            thread::Builder::new().name("emulator-store".to_owned()).spawn(work).map_err(not_started)?;
        let state = opening.recv().unwrap_or(Err(StoreError::ShuttingDown))?;
        Ok((state, Self { jobs: Some(sender), thread: Some(thread) }))
    }

    /// Makes a change and waits until it is on disk. It is made even if the caller stops waiting.
    pub(super) async fn perform<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Transaction<'_>) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, outcome) = oneshot::channel();
        let job: Job = Box::new(move |transaction| {
            let outcome = change(transaction);
            // The caller may have stopped waiting.
            Box::new(move |committed| drop(sender.send(committed.map(|()| outcome))))
        });
        let sent = self.jobs.as_ref().and_then(|jobs| jobs.send(job).ok());
        sent.ok_or(StoreError::ShuttingDown)?;
        outcome.await.map_err(|_thread_is_gone| StoreError::ShuttingDown)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        // A panic of the thread has been reported by the thread.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The thread, from opening the store to closing it.
fn run(
    runtime: &Runtime,
    store: impl Future<Output = Result<OpenStore, StoreError>>,
    opened: &SyncSender<Result<Arc<RwLock<State>>, StoreError>>,
    jobs: mpsc::UnboundedReceiver<Job>,
) {
    runtime.block_on(async {
        // The caller of `start` waits for what is sent.
        match store.await {
            Err(failure) => drop(opened.send(Err(failure))),
            Ok(store) => {
                let _ = opened.send(Ok(Arc::clone(&store.state)));
                store.work(jobs).await;
            }
        }
    });
}

impl OpenStore {
    async fn open(path: PathBuf, is_durable: bool, contents: Arc<Contents>) -> Result<Self, StoreError> {
        let mut index = Index::open(path, is_durable, contents.has_files()?).await?;
        let Saved { assets, settings, removed_files } = index.load().await?;
        let listed = assets.iter().flat_map(|asset| &asset.content).map(|file| file.name.as_str());
        contents.tidy(&listed.collect::<HashSet<_>>(), &removed_files)?;
        let assets = assets.into_iter().map(|asset| (asset.key.clone(), Arc::new(asset))).collect();
        let state = Arc::new(RwLock::new(State { assets, settings }));
        Ok(Self { index, contents, state })
    }

    /// Commits changes until no more can come.
    async fn work(mut self, mut jobs: mpsc::UnboundedReceiver<Job>) {
        let mut waiting = Vec::new();
        while jobs.recv_many(&mut waiting, MAX_CHANGES).await > 0 {
            let (changes, replies) = self.prepare(waiting.drain(..));
            let problem = self.commit(changes).await.err().map(|failure| failure.to_string());
            for reply in replies {
                reply(problem.clone().map_or(Ok(()), |problem| Err(StoreError::NotStored(problem))));
            }
        }
        self.index.close().await;
    }

    fn prepare(&self, jobs: impl Iterator<Item = Job>) -> (Changes, Vec<Reply>) {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let mut transaction = Transaction::new(&state);
        let replies = jobs.map(|job| job(&mut transaction)).collect();
        (transaction.into_changes(), replies)
    }

    /// First the names of the contents, then the rows that list them: from then on the assets exist.
    async fn commit(&mut self, mut changes: Changes) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        if !changes.new_files.is_empty() {
            self.contents.sync()?;
        }
        self.index.commit(&changes).await?;
        for file in changes.new_files.drain(..) {
            self.contents.keep(&file.content.name, file.path);
        }
        let removed = std::mem::take(&mut changes.removed_files);
        self.state.write().unwrap_or_else(PoisonError::into_inner).apply(changes);
        for name in &removed {
            self.contents.remove(name);
        }
        Ok(())
    }
}
