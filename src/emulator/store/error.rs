//! What can go wrong in the store, in sentences for whoever runs the emulator.

use std::io;
use std::path::{Path, PathBuf};

/// Why the store cannot open, or cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the folder open.
    #[error("the folder {} is in use by another emulator", .0.display())]
    InUse(PathBuf),
    /// The folder was written before the index was a SQLite file.
    #[error("the folder {} was written by an older version: delete it, or choose another with --emulator-dir", .0.display())]
    OldFormat(PathBuf),
    /// The index is not what was written to it.
    #[error("the index {} is damaged or of another version ({problem}): restore the folder from a backup, delete it, or choose another with --emulator-dir", .path.display())]
    DamagedIndex {
        /// The SQLite file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// There are contents, but the index that listed them is missing or empty.
    #[error("the index {} is missing or empty, but there are contents beside it: restore it, delete the folder, or choose another with --emulator-dir", .0.display())]
    MissingIndex(PathBuf),
    /// The index lists contents, and not one of them is there.
    #[error("none of the {count} files that the index lists is in {}: mount or restore that folder, or choose another with --emulator-dir", .contents.display())]
    MissingContents {
        /// The folder that should have them.
        contents: PathBuf,
        /// How many the index lists.
        count: usize,
    },
    /// The content of an asset is missing, or its MD5 is not the asset's.
    #[error("the content of `{public_id}` is missing or damaged: restore {}, or upload or delete the asset", .path.display())]
    DamagedContent {
        /// The asset.
        public_id: String,
        /// Its file, or the first of its files.
        path: PathBuf,
    },
    /// SQLite cannot read or write the index; the disk may be full.
    #[error("cannot use the index {}: {problem}", .path.display())]
    Index {
        /// The SQLite file.
        path: PathBuf,
        /// What SQLite reported.
        problem: String,
    },
    /// A file or folder cannot be read or written.
    #[error("cannot {doing} {}: {cause}", .path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system reported.
        #[source]
        cause: io::Error,
    },
    /// A change could not be written along with others.
    #[error("the change was not stored: {0}")]
    NotStored(String),
    /// The process is ending.
    #[error("the emulator is shutting down")]
    ShuttingDown,
}

/// Adds what was tried, and on which file.
pub(super) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |cause| StoreError::File { doing, path, cause }
}
