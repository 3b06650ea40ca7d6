//! Where assets are kept: their contents in files, everything else in a log, and an index in memory that is read from it.
//!
//! ```text
//! <dir>/lock               held while the directory is in use
//! <dir>/log                every change of assets, presets and folders; those that were kept together are one line
//! <dir>/files/<32 hex>     contents, and uploads on their way in; small contents share a file
//! ```
//!
//! A task that changes something hands its change to one writer, which takes all that wait, writes the contents that are
//! still in memory, syncs, appends a line to the log, syncs, and answers them all: so many uploads share two syncs. An
//! asset exists when the log says so, and the log names only what is on disk: whatever moment the process dies at, an
//! asset is either wholly there or not at all, and one that was acknowledged is there. No name on disk is made from
//! anything a client sent.

mod asset;
mod content;
mod disk;
mod draft;
mod hash;
mod incoming;
mod log;
mod md5;
mod packs;
mod settings;
mod shelves;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::spawn_blocking;

pub(super) use asset::{
    AccessRule, AccessType, Asset, AssetKey, Derived, Description, Moderation, Rectangle, random_id,
};
pub(super) use content::ContentReader;
use disk::Disk;
use draft::{Draft, Version};
pub(super) use incoming::{Incoming, IncomingFile, Mark};
pub(super) use settings::{Preset, Settings};
use shelves::Shelves;
use writer::Writer;

/// Why the store cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the directory open.
    #[error("the directory {} is in use by another emulator", .0.display())]
    InUse(PathBuf),
    /// The directory was written by a release that kept a file for each asset.
    #[error("the directory {} is of an older release; use another directory", .0.display())]
    OldLayout(PathBuf),
    /// The log is damaged, or of another release.
    #[error("line {line} of {} is damaged or of another release; use another directory", .path.display())]
    Damaged {
        /// The log.
        path: PathBuf,
        /// Counted from one.
        line: usize,
    },
    /// The file system says no.
    #[error("cannot {doing} {}: {cause}", .path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the file system said.
        #[source]
        cause: io::Error,
    },
    /// A task that works on files was cut off: the runtime is going down.
    #[error("the runtime is shutting down")]
    ShuttingDown,
}

impl StoreError {
    /// The same failure for another that it happened to.
    fn again(&self) -> Self {
        match self {
            Self::File { doing, path, cause } => {
                let cause = io::Error::new(cause.kind(), cause.to_string());
                Self::File { doing, path: path.clone(), cause }
            }
            _ => Self::ShuttingDown,
        }
    }
}

/// What became of a new upload.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Its public id was free.
    Created(Arc<Asset>),
    /// It took the place of an older version.
    Replaced(Arc<Asset>),
    /// The public id was taken and stays as it was.
    Existing(Arc<Asset>),
}

/// What became of a renaming.
#[derive(Debug)]
pub(super) enum Renamed {
    /// The asset under its new key, and the one that it replaced.
    Done { asset: Arc<Asset>, replaced: Option<Arc<Asset>> },
    /// There is nothing to rename.
    NotFound,
    /// The new name is taken and was not to be overwritten.
    Taken,
}

/// What happens to an asset that already has the public id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Overwrite {
    #[default]
    Yes,
    No,
}

/// Assets on disk, indexed in memory. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Store(Arc<Inner>);

/// Ends in this order: the writer is done before the directory is free.
#[derive(Debug)]
struct Inner {
    writer: Writer,
    shelves: Arc<Shelves>,
    disk: Arc<Disk>,
}

impl Store {
    /// Opens `dir`, or a temporary folder that goes away with the store.
    pub(super) fn open(dir: Option<PathBuf>) -> Result<Self, StoreError> {
        let disk = Arc::new(Disk::open(dir)?);
        let (shelves, writer) = Writer::start(&disk)?;
        Ok(Self(Arc::new(Inner { writer, shelves, disk })))
    }

    /// The asset under `key`.
    pub(super) fn get(&self, key: &AssetKey) -> Option<Arc<Asset>> {
        self.0.shelves.index().get(key).map(Arc::clone)
    }

    /// Every asset, ordered by its key.
    pub(super) fn list(&self) -> Vec<Arc<Asset>> {
        self.0.shelves.index().values().map(Arc::clone).collect()
    }

    /// A place to write an upload to; only the first `keep_bytes` are kept, but all are counted. A part goes on with
    /// the hash of the one before it, if that is known.
    pub(super) fn incoming(&self, keep_bytes: u64, before: Option<Mark>) -> IncomingFile {
        IncomingFile::new(&self.0.disk, keep_bytes, before)
    }

    /// Makes ready for a long wait what may never become an asset: nothing of it stays in memory.
    pub(super) async fn set_aside(&self, content: Incoming) -> Result<Incoming, StoreError> {
        let disk = Arc::clone(&self.0.disk);
        off_thread(move || content.set_aside(&disk)).await
    }

    /// Puts an upload on the shelf.
    pub(super) async fn put(
        &self,
        key: AssetKey,
        description: Description,
        mut content: Incoming,
        overwrite: Overwrite,
    ) -> Result<Outcome, StoreError> {
        content.synced().await?;
        let etag = content.md5().await?;
        let version = Version { description, etag, content };
        self.0.writer.perform(move |draft: &mut Draft<'_>| draft.put(key, version, overwrite)).await
    }

    /// Removes the asset under `key`; says which it was.
    pub(super) async fn remove(&self, key: AssetKey) -> Result<Option<Arc<Asset>>, StoreError> {
        self.0.writer.perform(move |draft| draft.remove(&key)).await
    }

    /// Changes what is known about the asset under `key`; `None` when there is no such asset.
    pub(super) async fn change(
        &self,
        key: AssetKey,
        change: impl FnOnce(&mut Description) + Send + 'static,
    ) -> Result<Option<Arc<Asset>>, StoreError> {
        self.0.writer.perform(move |draft| draft.change(&key, change)).await
    }

    /// Gives an asset another key of the same cloud and resource type.
    pub(super) async fn rename(
        &self,
        from: AssetKey,
        to: AssetKey,
        overwrite: Overwrite,
    ) -> Result<Renamed, StoreError> {
        self.0.writer.perform(move |draft| draft.rename(&from, to, overwrite)).await
    }

    /// Looks at presets and folders.
    pub(super) fn settings<T>(&self, look: impl FnOnce(&Settings) -> T) -> T {
        look(&self.0.shelves.settings())
    }

    /// Changes presets and folders. A change that says no leaves everything as it was.
    pub(super) async fn change_settings<T: Send + 'static, E: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Settings) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, StoreError> {
        self.0.writer.perform(move |draft| draft.change_settings(change)).await
    }

    /// Removes everything; says how many assets there were.
    pub(super) async fn clear(&self) -> Result<usize, StoreError> {
        self.0.writer.perform(|draft: &mut Draft<'_>| draft.clear()).await
    }

    /// The asset under `key` and its open content, or `None` when there is no such asset.
    pub(super) async fn open_content(
        &self,
        key: &AssetKey,
    ) -> Result<Option<(Arc<Asset>, ContentReader)>, StoreError> {
        let mut last_tried = None;
        while let Some(asset) = self.get(key) {
            let spans = asset.content.iter().map(|extent| self.0.disk.span(extent)).collect();
            match off_thread(move || ContentReader::open(spans)).await {
                Ok(content) => return Ok(Some((asset, content))),
                // Replaced between the look at the index and this: look again.
                Err(_) if last_tried.as_ref() != Some(&asset.version_id) => {
                    last_tried = Some(asset.version_id.clone());
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(None)
    }
}

/// Runs file work on a thread that may block. It goes on to its end even if the request is dropped.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::ShuttingDown),
    }
}
