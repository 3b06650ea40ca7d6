//! The folder of the contents: plain files with random names.
//!
//! A file is called `<id>.incoming` until the index lists it; then it is renamed to `<id>`. So a file that is still
//! called `.incoming` at the start, and is not listed, belongs to no upload that was acknowledged and can be deleted. A
//! file called `<id>` that is not listed means that the index has lost an entry: it stays.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use md5::{Digest as _, Md5};
use tempfile::TempPath;

use super::Asset;
use super::content::{ContentFile, ContentReader};
use super::error::{StoreError, failed};
use super::folder::create_private;

/// At the end of the name of a file that the index does not list yet.
const INCOMING: &str = "incoming";

/// The folder, and which of its files are known to be sound.
#[derive(Debug)]
pub(super) struct Contents {
    folder: PathBuf,
    is_durable: bool,
    /// Files whose bytes were compared with an etag in this process, as they were then.
    verified: Mutex<HashMap<String, Stamp>>,
}

/// What changes when somebody writes to a file.
type Stamp = (u64, SystemTime);

impl Contents {
    /// Opens the folder, or creates it.
    pub(super) fn open(folder: PathBuf, is_durable: bool) -> Result<Self, StoreError> {
        create_private(&folder)?;
        Ok(Self { folder, is_durable, verified: Mutex::default() })
    }

    pub(super) const fn is_durable(&self) -> bool {
        self.is_durable
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Creates a file; it is deleted again unless [`keep`](Self::keep) gets its path.
    pub(super) fn create(&self, name: &str) -> Result<(File, TempPath), StoreError> {
        let path = self.path(name).with_extension(INCOMING);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(failed("create", &path))?;
        let path = TempPath::try_from_path(&path).map_err(failed("create", &path))?;
        Ok((file, path))
    }

    /// Waits until the names of new files are on disk.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        if !self.is_durable {
            return Ok(());
        }
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(failed("sync", &self.folder))
    }

    /// Gives a file that the index lists its final name. If that fails, the next start does it.
    pub(super) fn keep(&self, name: &str, mut incoming: TempPath) {
        incoming.disable_cleanup(true);
        let path = self.path(name);
        if let Err(cause) = fs::rename(&incoming, &path) {
            tracing::error!(path = %path.display(), %cause, "a content can be read only after the next start");
        } else if let Ok(stamp) = stamp(&path) {
            self.verified().insert(name.to_owned(), stamp);
        }
    }

    /// Deletes a file that the index no longer lists.
    pub(super) fn remove(&self, name: &str) {
        self.verified().remove(name);
        remove(&self.path(name));
    }

    /// Opens the content of an asset after comparing it with its etag. That is done once in each process, and again if
    /// length or modification time of a file change.
    pub(super) fn open_content(&self, asset: &Asset) -> Result<ContentReader, StoreError> {
        let files: Vec<_> = asset.content.iter().map(|file| (self.path(&file.name), file.bytes)).collect();
        self.open_verified(asset, &files).map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
                let is_short = |path: &Path, bytes| !fs::metadata(path).is_ok_and(|file| file.len() >= bytes);
                let first_short = files.iter().find(|(path, bytes)| is_short(path, *bytes));
                let path = first_short.or(files.first()).map_or(&self.folder, |(path, _)| path).clone();
                StoreError::DamagedContent { public_id: asset.key.public_id.clone(), path }
            }
            _ => failed("read", &self.folder)(cause),
        })
    }

    fn open_verified(&self, asset: &Asset, files: &[(PathBuf, u64)]) -> io::Result<ContentReader> {
        let mut reader = ContentReader::new(files.to_vec());
        reader.open_first()?;
        let stamps = files.iter().map(|(path, _)| stamp(path)).collect::<io::Result<Vec<_>>>()?;
        if !self.are_verified(&asset.content, &stamps) {
            let md5 = ContentReader::new(files.to_vec()).hash(Md5::new())?;
            if hex::encode(md5.finalize()) != asset.etag {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let names = asset.content.iter().map(|file| file.name.clone());
            self.verified().extend(names.zip(stamps));
        }
        Ok(reader)
    }

    fn are_verified(&self, files: &[ContentFile], stamps: &[Stamp]) -> bool {
        let verified = self.verified();
        files.iter().zip(stamps).all(|(file, stamp)| verified.get(&file.name) == Some(stamp))
    }

    fn verified(&self) -> MutexGuard<'_, HashMap<String, Stamp>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is any content that an index lists or has listed.
    pub(super) fn has_files(&self) -> Result<bool, StoreError> {
        Ok(self.names()?.iter().any(|name| is_id(name)))
    }

    /// Finishes what a crash interrupted: `listed` files get their final names; those in `removed`, and those of uploads
    /// that never ended, are deleted. Files with other names are somebody else's.
    pub(super) fn tidy(&self, listed: &HashSet<&str>, removed: &HashSet<String>) -> Result<(), StoreError> {
        let (mut found, mut unlisted) = (0, 0);
        for name in self.names()? {
            let (id, is_incoming) = match name.strip_suffix(INCOMING).and_then(|name| name.strip_suffix('.'))
            {
                Some(id) => (id, true),
                None => (name.as_str(), false),
            };
            let path = self.path(&name);
            match (is_id(id), listed.contains(id)) {
                (false, _) => {}
                (true, true) if is_incoming => {
                    fs::rename(&path, self.path(id)).map_err(failed("rename", &path))?;
                    found += 1;
                }
                (true, true) => found += 1,
                (true, false) if is_incoming || removed.contains(id) => remove(&path),
                (true, false) => unlisted += 1,
            }
        }
        self.report(listed.len(), listed.len() - found, unlisted)
    }

    fn report(&self, listed: usize, missing: usize, unlisted: usize) -> Result<(), StoreError> {
        let folder = self.folder.display();
        if missing > 0 && missing == listed {
            return Err(StoreError::MissingContents { contents: self.folder.clone(), count: listed });
        }
        if missing > 0 {
            tracing::error!(%folder, missing, "contents are missing: restore them, or upload or delete their assets");
        }
        if unlisted > 0 {
            tracing::warn!(%folder, unlisted, "the index does not list all files: delete them, or restore a newer index");
        }
        Ok(())
    }

    /// The names in the folder, as far as they are text.
    fn names(&self) -> Result<Vec<String>, StoreError> {
        let entries = fs::read_dir(&self.folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = entries.map_err(failed("list", &self.folder))?;
        Ok(entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
    }
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.len(), metadata.modified()?))
}

fn remove(path: &Path) {
    if let Err(cause) = fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %cause, "a file that is not needed any more cannot be deleted");
    }
}

/// Whether `name` is 32 hexadecimal digits, as every content file is called.
pub(super) fn is_id(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}
