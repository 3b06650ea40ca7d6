//! Where assets are kept: files in a directory, and an index in memory that is read from it at the start.
//!
//! ```text
//! <dir>/lock                              held while the directory is in use
//! <dir>/incoming/<random>                 uploads and parts on their way in; emptied at the start
//! <dir>/files/<asset id>-<version id>     contents
//! <dir>/assets/<asset id>.json            what is known about each; an asset exists when this file does
//! ```
//!
//! A content is written, synced and renamed before its metadata is, and metadata goes before content when an asset is
//! deleted: whatever moment the process dies at, an asset is either wholly there or not at all, and one that was
//! acknowledged is there. No name on disk is made from anything a client sent.

mod asset;
mod disk;
mod incoming;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::spawn_blocking;

pub(super) use asset::{Asset, AssetKey, Description, Moderation};
use disk::Disk;
pub(super) use incoming::{Incoming, IncomingFile};

/// Why the store cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the directory open.
    #[error("the directory {} is in use by another emulator", .0.display())]
    InUse(PathBuf),
    /// A metadata file is damaged, or of another release.
    #[error("{} does not describe an asset; remove it, or use another directory", .0.display())]
    NotAnAsset(PathBuf),
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

/// What happens to an asset that already has the public id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overwrite {
    Yes,
    No,
}

/// Assets on disk, indexed in memory. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Store(Arc<Shelves>);

#[derive(Debug)]
struct Shelves {
    disk: Disk,
    /// Held while disk and index change together.
    changing: Mutex<()>,
    index: Mutex<BTreeMap<AssetKey, Arc<Asset>>>,
}

impl Store {
    /// Opens `dir`, or a temporary folder that goes away with the store.
    pub(super) fn open(dir: Option<PathBuf>) -> Result<Self, StoreError> {
        let disk = Disk::open(dir)?;
        let mut index = BTreeMap::new();
        for asset in disk.read_assets()? {
            index.insert(asset.key.clone(), Arc::new(asset));
        }
        disk.remove_strays(index.values().map(Arc::as_ref))?;
        Ok(Self(Arc::new(Shelves { disk, changing: Mutex::new(()), index: Mutex::new(index) })))
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

    /// Removes everything; says how many assets there were.
    pub(super) async fn clear(&self) -> Result<usize, StoreError> {
        let shelves = Arc::clone(&self.0);
        off_thread(move || {
            let keys: Vec<_> = shelves.index().keys().cloned().collect();
            for key in &keys {
                shelves.remove(key)?;
            }
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

impl Shelves {
    fn put(
        &self,
        key: AssetKey,
        description: Description,
        content: Incoming,
        overwrite: Overwrite,
    ) -> Result<Outcome, StoreError> {
        self.disk.sync_incoming(&content)?;
        let _changing = self.changing();
        let old = self.index().get(&key).map(Arc::clone);
        if let (Some(old), Overwrite::No) = (&old, overwrite) {
            return Ok(Outcome::Existing(Arc::clone(old)));
        }
        let asset_id = old.as_ref().map(|old| old.id.as_str());
        let asset = Arc::new(Asset::new(key.clone(), description, &content, asset_id));
        self.disk.write(&asset, content)?;
        self.index().insert(key, Arc::clone(&asset));
        Ok(match old {
            None => Outcome::Created(asset),
            Some(old) => {
                self.disk.remove_content(&old);
                Outcome::Replaced(asset)
            }
        })
    }

    fn remove(&self, key: &AssetKey) -> Result<Option<Arc<Asset>>, StoreError> {
        let _changing = self.changing();
        let Some(asset) = self.index().get(key).map(Arc::clone) else {
            return Ok(None);
        };
        self.disk.remove(&asset)?;
        self.index().remove(key);
        Ok(Some(asset))
    }

    /// The index is whole after every statement, so a poisoned lock still guards a good one.
    fn index(&self) -> MutexGuard<'_, BTreeMap<AssetKey, Arc<Asset>>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
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
