//! Where assets are kept: files in a directory, and an index in memory that is read from it at the start.
//!
//! ```text
//! <dir>/lock                              held while the directory is in use
//! <dir>/incoming/<random>                 uploads and parts on their way in; emptied at the start
//! <dir>/files/<asset id>-<version id>     contents
//! <dir>/assets/<asset id>.json            what is known about each; an asset exists when this file does
//! <dir>/settings.json                     upload presets and folders, rewritten whole
//! ```
//!
//! A content is written, synced and renamed before its metadata is, and metadata goes before content when an asset is
//! deleted: whatever moment the process dies at, an asset is either wholly there or not at all, and one that was
//! acknowledged is there. No name on disk is made from anything a client sent.

mod asset;
mod disk;
mod incoming;
mod settings;
mod shelves;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::spawn_blocking;

pub(super) use asset::{
    AccessRule, AccessType, Asset, AssetKey, Derived, Description, Moderation, Rectangle, random_id,
};
pub(super) use incoming::{Incoming, IncomingFile};
pub(super) use settings::{Preset, Settings};
use shelves::Shelves;

/// Why the store cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the directory open.
    #[error("the directory {} is in use by another emulator", .0.display())]
    InUse(PathBuf),
    /// A metadata file is damaged, or of another release.
    #[error("{} does not describe an asset; remove it, or use another directory", .0.display())]
    NotAnAsset(PathBuf),
    /// The file of presets and folders is damaged, or of another release.
    #[error("{} does not hold presets and folders; remove it, or use another directory", .0.display())]
    NotSettings(PathBuf),
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
pub(super) struct Store(Arc<Shelves>);

impl Store {
    /// Opens `dir`, or a temporary folder that goes away with the store.
    pub(super) fn open(dir: Option<PathBuf>) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(Shelves::open(dir)?)))
    }

    /// The asset under `key`.
    pub(super) fn get(&self, key: &AssetKey) -> Option<Arc<Asset>> {
        self.0.index().get(key).map(Arc::clone)
    }

    /// Every asset, ordered by its key.
    pub(super) fn list(&self) -> Vec<Arc<Asset>> {
        self.0.index().values().map(Arc::clone).collect()
    }

    /// A place to write an upload to; only the first `keep_bytes` are kept, but all are counted.
    pub(super) async fn incoming(&self, keep_bytes: u64) -> Result<IncomingFile, StoreError> {
        let shelves = Arc::clone(&self.0);
        let file = off_thread(move || shelves.disk.create_incoming()).await?;
        Ok(IncomingFile::new(file, keep_bytes))
    }

    /// Makes one incoming file of several, in order.
    pub(super) async fn join(&self, parts: Vec<Incoming>) -> Result<Incoming, StoreError> {
        let shelves = Arc::clone(&self.0);
        off_thread(move || incoming::join(shelves.disk.create_incoming()?, &parts)).await
    }

    /// Puts an upload on the shelf.
    pub(super) async fn put(
        &self,
        key: AssetKey,
        description: Description,
        content: Incoming,
        overwrite: Overwrite,
    ) -> Result<Outcome, StoreError> {
        let shelves = Arc::clone(&self.0);
        off_thread(move || shelves.put(key, description, content, overwrite)).await
    }

    /// Removes the asset under `key`; says which it was.
    pub(super) async fn remove(&self, key: AssetKey) -> Result<Option<Arc<Asset>>, StoreError> {
        let shelves = Arc::clone(&self.0);
        off_thread(move || shelves.remove(&key)).await
    }

    /// Changes what is known about the asset under `key`; `None` when there is no such asset.
    pub(super) async fn change(
        &self,
        key: AssetKey,
        change: impl FnOnce(&mut Description) + Send + 'static,
    ) -> Result<Option<Arc<Asset>>, StoreError> {
        let shelves = Arc::clone(&self.0);
        off_thread(move || shelves.change(&key, change)).await
    }

    /// Gives an asset another key of the same cloud and resource type.
    pub(super) async fn rename(
        &self,
        from: AssetKey,
        to: AssetKey,
        overwrite: Overwrite,
    ) -> Result<Renamed, StoreError> {
        let shelves = Arc::clone(&self.0);
        off_thread(move || shelves.rename(&from, to, overwrite)).await
    }

    /// Looks at presets and folders.
    pub(super) fn settings<T>(&self, look: impl FnOnce(&Settings) -> T) -> T {
        look(&self.0.settings())
    }

    /// Changes presets and folders. A change that says no leaves everything as it was.
    pub(super) async fn change_settings<T: Send + 'static, E: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Settings) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, StoreError> {
        let shelves = Arc::clone(&self.0);
        off_thread(move || {
            let _changing = shelves.changing();
            let mut settings = shelves.settings().clone();
            let outcome = change(&mut settings);
            if outcome.is_ok() {
                shelves.disk.write_settings(&settings)?;
                *shelves.settings() = settings;
            }
            Ok(outcome)
        })
        .await
    }

    /// Removes everything; says how many assets there were.
    pub(super) async fn clear(&self) -> Result<usize, StoreError> {
        let shelves = Arc::clone(&self.0);
        off_thread(move || {
            let keys: Vec<_> = shelves.index().keys().cloned().collect();
            for key in &keys {
                shelves.remove(key)?;
            }
            let _changing = shelves.changing();
            shelves.disk.write_settings(&Settings::default())?;
            *shelves.settings() = Settings::default();
            Ok(keys.len())
        })
        .await
    }

    /// The asset under `key` and its open content, or `None` when there is no such asset.
    pub(super) async fn open_content(
        &self,
        key: &AssetKey,
    ) -> Result<Option<(Arc<Asset>, tokio::fs::File)>, StoreError> {
        let mut last_tried = None;
        while let Some(asset) = self.get(key) {
            let path = self.0.disk.content_path(&asset);
            match tokio::fs::File::open(&path).await {
                Ok(file) => return Ok(Some((asset, file))),
                // Replaced between the look at the index and this: look again.
                Err(_) if last_tried.as_ref() != Some(&path) => last_tried = Some(path),
                Err(cause) => return Err(disk::failed("open", &path)(cause)),
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
