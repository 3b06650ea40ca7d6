//! What the emulator stores: contents in plain files, everything else in one SQLite file.
//!
//! ```text
//! <dir>/lock                 held while the folder is in use
//! <dir>/index.sqlite         assets, presets, folders, and what else a cloud has
//! <dir>/contents/<32 hex>    contents; `.incoming` at the end until the index lists them
//! ```
//!
//! An upload is written to files and synced; then it becomes an asset when a row is committed, and only then it is
//! acknowledged. One thread commits, all the changes that wait in one transaction. Whatever moment the process dies at,
//! an asset is either there as a whole or not at all, and one that was acknowledged is there. Reading goes to memory,
//! which has all the rows, and to the files, which are compared with the etag first. Damage is reported, and nothing that
//! is damaged or missing is deleted. No name of a file is made from anything a client sent.

mod asset;
mod content;
mod contents;
mod error;
mod folder;
mod incoming;
mod index;
mod parts_hash;
mod settings;
mod transaction;
mod writer;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tokio::task::spawn_blocking;

pub(super) use asset::{
    AccessRule, AccessType, Asset, AssetKey, Derived, Description, Moderation, Rectangle, random_id,
};
pub(super) use content::ContentReader;
use contents::Contents;
pub use error::StoreError;
use folder::Folder;
pub(super) use incoming::{Incoming, IncomingFile};
pub(super) use parts_hash::PartsHash;
pub(super) use settings::{Preset, Settings};
use transaction::{State, Transaction};
use writer::Writer;

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

/// An open store. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Store(Arc<Inner>);

/// Dropped in this order: the writer ends before the folder is unlocked.
#[derive(Debug)]
struct Inner {
    writer: Writer,
    state: Arc<RwLock<State>>,
    contents: Arc<Contents>,
    _folder: Folder,
}

impl Store {
    /// Opens `dir`, or a temporary folder that is deleted with the store.
    pub(super) fn open(dir: Option<PathBuf>) -> Result<Self, StoreError> {
        let folder = Folder::open(dir)?;
        let contents = Arc::new(Contents::open(folder.contents(), folder.is_durable())?);
        let (state, writer) = Writer::start(&folder, &contents)?;
        Ok(Self(Arc::new(Inner { writer, state, contents, _folder: folder })))
    }

    /// The state is whole after every statement, so a poisoned lock still guards a good one.
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.0.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The asset under `key`.
    pub(super) fn get(&self, key: &AssetKey) -> Option<Arc<Asset>> {
        self.state().assets.get(key).map(Arc::clone)
    }

    /// Every asset, ordered by its key.
    pub(super) fn list(&self) -> Vec<Arc<Asset>> {
        self.state().assets.values().map(Arc::clone).collect()
    }

    /// Looks at presets and folders.
    pub(super) fn settings<T>(&self, look: impl FnOnce(&Settings) -> T) -> T {
        look(&self.state().settings)
    }

    /// A file to write an upload to; only the first `keep_bytes` are kept, but all are counted. The MD5 of a part is left
    /// to [`PartsHash`].
    pub(super) fn incoming(&self, keep_bytes: u64, is_part: bool) -> IncomingFile {
        IncomingFile::new(&self.0.contents, keep_bytes, is_part)
    }

    /// Stores an upload.
    pub(super) async fn put(
        &self,
        key: AssetKey,
        description: Description,
        mut content: Incoming,
        overwrite: Overwrite,
    ) -> Result<Outcome, StoreError> {
        content.synced().await?;
        let etag = content.md5().await?;
        let put = move |transaction: &mut Transaction<'_>| {
            transaction.put(key, (description, etag), content, overwrite)
        };
        self.0.writer.perform(put).await
    }

    /// Removes the asset under `key`; returns it.
    pub(super) async fn remove(&self, key: AssetKey) -> Result<Option<Arc<Asset>>, StoreError> {
        self.0.writer.perform(move |transaction| transaction.remove(&key)).await
    }

    /// Changes what is known about the asset under `key`; `None` if there is none.
    pub(super) async fn change(
        &self,
        key: AssetKey,
        change: impl FnOnce(&mut Description) + Send + 'static,
    ) -> Result<Option<Arc<Asset>>, StoreError> {
        self.0.writer.perform(move |transaction| transaction.change(&key, change)).await
    }

    /// Gives an asset another key of the same cloud and resource type.
    pub(super) async fn rename(
        &self,
        from: AssetKey,
        to: AssetKey,
        overwrite: Overwrite,
    ) -> Result<Renamed, StoreError> {
        self.0.writer.perform(move |transaction| transaction.rename(&from, to, overwrite)).await
    }

    /// Changes presets and folders. If `change` fails, everything stays as it was.
    pub(super) async fn change_settings<T: Send + 'static, E: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Settings) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, StoreError> {
        self.0.writer.perform(move |transaction| transaction.change_settings(change)).await
    }

    /// Removes everything; returns how many assets there were.
    pub(super) async fn clear(&self) -> Result<usize, StoreError> {
        self.0.writer.perform(|transaction: &mut Transaction<'_>| transaction.clear()).await
    }

    /// The asset under `key` and its open content, which is what was uploaded; `None` if there is no such asset.
    pub(super) async fn open_content(
        &self,
        key: &AssetKey,
    ) -> Result<Option<(Arc<Asset>, ContentReader)>, StoreError> {
        let mut last_tried = None;
        while let Some(asset) = self.get(key) {
            let (contents, opened) = (Arc::clone(&self.0.contents), Arc::clone(&asset));
            match off_thread(move || contents.open_content(&opened)).await {
                Ok(content) => return Ok(Some((asset, content))),
                // If it has been replaced in the meantime, its file is gone: try the new one.
                Err(_) if last_tried.as_ref() != Some(&asset.version_id) => {
                    last_tried = Some(asset.version_id.clone());
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(None)
    }
}

/// Runs file work on a thread that may block. It runs to its end even if the request is dropped.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::ShuttingDown),
    }
}
