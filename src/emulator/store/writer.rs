//! The one task that changes what is on disk. It takes all the changes that wait and keeps them together.

use std::collections::{HashMap, HashSet};
use std::io::Read as _;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use axum::body::Bytes;
use tokio::sync::oneshot;

use super::content::{ContentReader, Extent};
use super::disk::{Disk, failed};
use super::draft::{Batch, Draft};
use super::log::Log;
use super::packs::Packs;
use super::shelves::Shelves;
use super::{Asset, StoreError};

/// Makes a change, and gives what is to be called once it is known whether it was kept.
type Job = Box<dyn FnOnce(&mut Draft<'_>) -> Reply + Send>;
type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// How many changes are kept together at most.
const MAX_BATCH: usize = 256;

/// Takes changes. Dropped, it waits for those under way.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Reads what is in the directory, tidies it up, and waits for changes.
    pub(super) fn start(disk: &Arc<Disk>) -> Result<(Arc<Shelves>, Self), StoreError> {
        let (shelves, mut bench) = Workbench::open(disk)?;
        let (sender, jobs) = mpsc::channel();
        let work = move || bench.work(&jobs);
        let thread = thread::Builder::new().name("emulator-store".to_owned()).spawn(work);
        let thread = thread.map_err(failed("start a thread for", &disk.log()))?;
        Ok((shelves, Self { jobs: Some(sender), thread: Some(thread) }))
    }

    /// Makes a change and waits until it is on disk, where that is asked for. It is made even if nobody waits any more.
    pub(super) async fn perform<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Draft<'_>) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, outcome) = oneshot::channel();
        let job: Job = Box::new(move |draft| {
            let outcome = change(draft);
            // Whoever asked may be gone.
            Box::new(move |kept| drop(sender.send(kept.map(|()| outcome))))
        });
        let sent = self.jobs.as_ref().and_then(|jobs| jobs.send(job).ok());
        sent.ok_or(StoreError::ShuttingDown)?;
        outcome.await.map_err(|_writer_is_gone| StoreError::ShuttingDown)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        // If it panicked, it has said so.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// What the writer works with.
struct Workbench {
    disk: Arc<Disk>,
    shelves: Arc<Shelves>,
    log: Log,
    packs: Packs,
    usage: Usage,
}

impl Workbench {
    fn open(disk: &Arc<Disk>) -> Result<(Arc<Shelves>, Self), StoreError> {
        let shelves = Arc::new(Shelves::read(disk)?);
        let mut packs = Packs::new(Arc::clone(disk));
        repack(disk, &shelves, &mut packs)?;
        let log = Log::rewrite(disk, shelves.changes())?;
        let mut usage = Usage::default();
        shelves.index().values().for_each(|asset| usage.add(&asset.content));
        disk.remove_strays(&usage.names())?;
        let bench = Self { disk: Arc::clone(disk), shelves: Arc::clone(&shelves), log, packs, usage };
        Ok((shelves, bench))
    }

    /// Until nobody can send a change any more.
    fn work(&mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut draft = Draft::new(&self.shelves, &mut self.packs);
            let jobs = [first].into_iter().chain(jobs.try_iter().take(MAX_BATCH - 1));
            let replies: Vec<Reply> = jobs.map(|job| job(&mut draft)).collect();
            let batch = draft.into_batch();
            let kept = self.keep(batch);
            for reply in replies {
                reply(kept.as_ref().copied().map_err(StoreError::again));
            }
        }
    }

    /// Contents first, then their names, then the log: from then on it is so.
    fn keep(&mut self, batch: Batch) -> Result<(), StoreError> {
        self.packs.write()?;
        if !batch.files.is_empty() {
            self.disk.sync_files()?;
        }
        if !batch.changes.is_empty() {
            self.log.append(&batch.changes)?;
        }
        batch.files.into_iter().for_each(|mut file| file.disable_cleanup(true));
        self.usage.add(&batch.placed);
        self.shelves.apply(batch.changes);
        for asset in batch.released {
            self.release(&asset);
        }
        if self.log.is_long() {
            self.shorten_log();
        }
        Ok(())
    }

    /// Removes the files of a content that nobody else uses.
    fn release(&mut self, asset: &Asset) {
        for name in self.usage.subtract(&asset.content) {
            self.packs.let_go(&name);
            self.disk.remove(&name);
        }
    }

    fn shorten_log(&mut self) {
        match Log::rewrite(&self.disk, self.shelves.changes()) {
            Ok(log) => self.log = log,
            Err(failure) => {
                tracing::warn!(%failure, "the log stays long");
                self.log.stay_long();
            }
        }
    }
}

/// How many contents are in each file.
#[derive(Debug, Default)]
struct Usage(HashMap<String, u64>);

impl Usage {
    fn add(&mut self, content: &[Extent]) {
        for extent in content {
            *self.0.entry(extent.file.clone()).or_default() += 1;
        }
    }

    /// The files that have no content afterwards.
    fn subtract(&mut self, content: &[Extent]) -> Vec<String> {
        let mut unused = Vec::new();
        for extent in content {
            let Some(count) = self.0.get_mut(&extent.file) else { continue };
            *count -= 1;
            if *count == 0 {
                self.0.remove(&extent.file);
                unused.push(extent.file.clone());
            }
        }
        unused
    }

    fn names(&self) -> HashSet<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

/// Moves what is left in files of which less than half is wanted, so that they can go.
fn repack(disk: &Disk, shelves: &Shelves, packs: &mut Packs) -> Result<(), StoreError> {
    let mut wanted = HashMap::<String, u64>::new();
    for extent in shelves.index().values().flat_map(|asset| &asset.content) {
        *wanted.entry(extent.file.clone()).or_default() += extent.bytes;
    }
    wanted.retain(|name, bytes| disk.length(name).is_some_and(|length| *bytes * 2 < length));
    let mut index = shelves.index();
    for asset in index.values_mut() {
        if !asset.content.iter().any(|extent| wanted.contains_key(&extent.file)) {
            continue;
        }
        let asset = Arc::make_mut(asset);
        for extent in asset.content.iter_mut().filter(|extent| wanted.contains_key(&extent.file)) {
            *extent = packs.place(vec![read(disk, extent)?]);
            packs.write()?;
        }
    }
    Ok(())
}

fn read(disk: &Disk, extent: &Extent) -> Result<Bytes, StoreError> {
    let mut content = Vec::new();
    let outcome = ContentReader::new(vec![disk.span(extent)]).read_to_end(&mut content);
    outcome.map_err(failed("read", &disk.file(&extent.file)))?;
    Ok(content.into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::mpsc;

    use super::super::{Settings, Store};

    fn lines(dir: &Path) -> usize {
        fs::read_to_string(dir.join("log")).unwrap().lines().count()
    }

    async fn add_preset(store: &Store, name: String, value: String) {
        let add = move |settings: &mut Settings| {
            let preset = settings.of_mut("c").presets.entry(name).or_default();
            preset.settings.insert("folder".to_owned(), value);
            Ok::<_, ()>(())
        };
        store.change_settings(add).await.unwrap().unwrap();
    }

    fn presets(store: &Store) -> usize {
        store.settings(|settings| settings.of("c").map_or(0, |cloud| cloud.presets.len()))
    }

    #[tokio::test]
    async fn changes_that_wait_are_kept_in_one_line_and_each_sees_those_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Some(dir.path().to_owned())).unwrap();
        let before = lines(dir.path());
        let (begun, begins) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let first = store.0.writer.perform(move |_| {
            begun.send(()).unwrap();
            wait.recv().unwrap();
        });
        let rest = async {
            begins.recv().unwrap();
            let changes = (0..20).map(|number| add_preset(&store, number.to_string(), String::new()));
            let release = async { go.send(()).unwrap() };
            tokio::join!(futures_util::future::join_all(changes), release);
        };
        // The first does nothing, so what is in the log came of the others.
        tokio::join!(async { first.await.unwrap() }, rest);
        assert_eq!(presets(&store), 20);
        assert_eq!(lines(dir.path()), before + 1);
        drop(store);
        assert_eq!(presets(&Store::open(Some(dir.path().to_owned())).unwrap()), 20);
    }

    #[tokio::test]
    async fn a_log_of_which_most_does_not_count_is_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Some(dir.path().to_owned())).unwrap();
        for number in 0..12 {
            add_preset(&store, "large".to_owned(), "x".repeat(1_000_000)).await;
            add_preset(&store, number.to_string(), String::new()).await;
            let bytes = fs::metadata(dir.path().join("log")).unwrap().len();
            assert!(bytes < 7_000_000, "{bytes}");
        }
        drop(store);
        assert_eq!(presets(&Store::open(Some(dir.path().to_owned())).unwrap()), 13);
    }
}
