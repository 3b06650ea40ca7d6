//! The directory: who may use it, what is in it, and when its names are safe.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::{TempDir, TempPath};

use super::content::{Extent, Span};
use super::incoming::NewFile;
use super::{StoreError, random_id};

/// The directory of a store.
#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    /// Whether acknowledged assets must outlive the machine's power: not in a temporary folder.
    durable: bool,
    /// Held as long as the store is open.
    _lock: File,
    /// Removed when the store goes away, after the lock.
    _temporary: Option<TempDir>,
}

impl Disk {
    /// Opens `dir`, or a temporary folder, for this process alone.
    pub(super) fn open(dir: Option<PathBuf>) -> Result<Self, StoreError> {
        let temporary = match dir {
            Some(_) => None,
            None => Some(temporary_dir()?),
        };
        let durable = dir.is_some();
        let root = dir.or_else(|| temporary.as_ref().map(|dir| dir.path().to_owned())).unwrap_or_default();
        fs::create_dir_all(&root).map_err(failed("create", &root))?;
        let lock = lock(&root)?;
        refuse_old_layout(&root)?;
        let disk = Self { root, durable, _lock: lock, _temporary: temporary };
        let files = disk.files();
        fs::create_dir_all(&files).map_err(failed("create", &files))?;
        disk.sync_root()?;
        Ok(disk)
    }

    pub(super) const fn is_durable(&self) -> bool {
        self.durable
    }

    /// Where every change is written down.
    pub(super) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    fn files(&self) -> PathBuf {
        self.root.join("files")
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.files().join(name)
    }

    /// Where a part of a content is.
    pub(super) fn span(&self, extent: &Extent) -> Span {
        Span::File { path: self.file(&extent.file), start: extent.start, bytes: extent.bytes }
    }

    /// An empty file for a content; removed unless it is kept.
    pub(super) fn create(&self) -> Result<NewFile, StoreError> {
        let name = random_id();
        let path = self.file(&name);
        let file =
            OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed("create", &path))?;
        let path = TempPath::try_from_path(&path).map_err(failed("create", &path))?;
        Ok(NewFile::new(name, path, file))
    }

    /// Waits until what was written to `file` is on the disk.
    pub(super) fn sync(&self, file: &File, path: &Path) -> Result<(), StoreError> {
        if self.durable { file.sync_data().map_err(failed("sync", path)) } else { Ok(()) }
    }

    /// Waits until the names of contents are on the disk: a new file is only safe once they are.
    pub(super) fn sync_files(&self) -> Result<(), StoreError> {
        self.sync_dir(&self.files())
    }

    /// The same for the name of the log.
    pub(super) fn sync_root(&self) -> Result<(), StoreError> {
        self.sync_dir(&self.root)
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), StoreError> {
        if !self.durable {
            return Ok(());
        }
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed("sync", dir))
    }

    /// How long a file of contents is; none when it is not there.
    pub(super) fn length(&self, name: &str) -> Option<u64> {
        fs::metadata(self.file(name)).ok().map(|metadata| metadata.len())
    }

    /// Removes a file that nothing points at any more; if that fails, the next start does it.
    pub(super) fn remove(&self, name: &str) {
        let path = self.file(name);
        if let Err(cause) = fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %cause, "an old content stays until the next start");
        }
    }

    /// Removes what uploads and deletions left behind when they were cut off. Only files with names that are made here
    /// go: the directory may hold others that are dear to somebody.
    pub(super) fn remove_strays(&self, known: &HashSet<&str>) -> Result<(), StoreError> {
        for name in names(&self.files())?.iter().filter(|name| is_id(name) && !known.contains(name.as_str()))
        {
            self.remove(name);
        }
        Ok(())
    }
}

fn temporary_dir() -> Result<TempDir, StoreError> {
    tempfile::Builder::new()
        .prefix("countersign-emulator-")
        .tempdir()
        .map_err(failed("create a folder in", &tempfile::env::temp_dir()))
}

fn lock(root: &Path) -> Result<File, StoreError> {
    let path = root.join("lock");
    let file = File::create(&path).map_err(failed("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(root.to_owned())),
        Err(TryLockError::Error(cause)) => Err(failed("lock", &path)(cause)),
    }
}

/// Assets used to have a file each. To go on would be to remove their contents, which no log names.
fn refuse_old_layout(root: &Path) -> Result<(), StoreError> {
    let assets = root.join("assets");
    let is_metadata = |name: &String| name.strip_suffix(".json").is_some_and(is_id);
    if assets.is_dir() && names(&assets)?.iter().any(is_metadata) {
        return Err(StoreError::OldLayout(root.to_owned()));
    }
    Ok(())
}

/// Whether `name` is of the kind that every asset, every version and every file gets.
pub(super) fn is_id(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The names of the regular files in `dir`, as far as they are text.
fn names(dir: &Path) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed("list", dir))? {
        let path = entry.map_err(failed("list", dir))?.path();
        if path.is_file() {
            names.extend(path.file_name().and_then(OsStr::to_str).map(str::to_owned));
        }
    }
    Ok(names)
}

/// Says what was tried on which file when the file system says no.
pub(super) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |cause| StoreError::File { doing, path, cause }
}
