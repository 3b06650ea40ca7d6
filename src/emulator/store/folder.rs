//! The folder of a store: created, locked for one process, and not of an older version.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::contents::is_id;
use super::error::{StoreError, failed};

/// An open folder.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    /// Held as long as the store is open.
    _lock: File,
    /// Removed when the store is dropped, after the lock.
    temporary: Option<TempDir>,
}

impl Folder {
    /// Opens `dir`, or a temporary folder, for this process alone.
    pub(super) fn open(dir: Option<PathBuf>) -> Result<Self, StoreError> {
        let (root, temporary) = match dir {
            Some(dir) => (dir, None),
            None => temporary_dir().map(|dir| (dir.path().to_owned(), Some(dir)))?,
        };
        create_private(&root)?;
        let lock = lock(&root)?;
        if is_old_format(&root) {
            return Err(StoreError::OldFormat(root));
        }
        Ok(Self { root, _lock: lock, temporary })
    }

    /// Whether what is acknowledged must survive a power failure: not in a temporary folder.
    pub(super) const fn is_durable(&self) -> bool {
        self.temporary.is_none()
    }

    /// The SQLite file.
    pub(super) fn index(&self) -> PathBuf {
        self.root.join("index.sqlite")
    }

    /// The folder of the contents.
    pub(super) fn contents(&self) -> PathBuf {
        self.root.join("contents")
    }
}

/// Creates a folder that only its owner can read, unless it is there.
pub(super) fn create_private(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("create", path))
}

fn temporary_dir() -> Result<TempDir, StoreError> {
    tempfile::Builder::new()
        .prefix("countersign-emulator-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .map_err(failed("create a folder in", &tempfile::env::temp_dir()))
}

fn lock(root: &Path) -> Result<File, StoreError> {
    let path = root.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
    let file = file.map_err(failed("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(root.to_owned())),
        Err(TryLockError::Error(cause)) => Err(failed("lock", &path)(cause)),
    }
}

/// Older versions kept a log beside `files`, and before that a JSON file for each asset.
fn is_old_format(root: &Path) -> bool {
    let is_metadata = |name: &str| name.strip_suffix(".json").is_some_and(is_id);
    let has_metadata = fs::read_dir(root.join("assets")).is_ok_and(|mut files| {
        files.any(|file| file.is_ok_and(|file| file.file_name().to_str().is_some_and(is_metadata)))
    });
    has_metadata || (root.join("log").is_file() && root.join("files").is_dir())
}
