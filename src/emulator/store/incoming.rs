//! A file on its way in: written, counted and hashed piece by piece, and gone again unless it becomes an asset.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use md5::{Digest, Md5};
use tempfile::{NamedTempFile, TempPath};
use tokio::io::AsyncWriteExt as _;

use super::{StoreError, disk};

/// How much of the beginning is kept in memory, to tell what kind of file it is.
const HEAD_BYTES: usize = 4_096;

/// A file that is complete but belongs to nothing yet; removed when dropped.
#[derive(Debug)]
pub(in crate::emulator) struct Incoming {
    path: TempPath,
    /// How many bytes arrived, which is more than the file has when they were too many.
    pub bytes: u64,
    /// MD5 of the content, in hexadecimal.
    pub md5: String,
    /// The first bytes.
    pub head: Vec<u8>,
}

impl Incoming {
    /// Where the file is.
    pub(in crate::emulator) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn into_path(self) -> TempPath {
        self.path
    }
}

/// A file that is being written.
#[derive(Debug)]
pub(in crate::emulator) struct IncomingFile {
    file: tokio::fs::File,
    path: TempPath,
    keep_bytes: u64,
    summary: Summary,
}

impl IncomingFile {
    pub(super) fn new(file: NamedTempFile, keep_bytes: u64) -> Self {
        let (file, path) = file.into_parts();
        Self { file: tokio::fs::File::from_std(file), path, keep_bytes, summary: Summary::default() }
    }

    /// Appends `piece`, unless the file is too large already: then it is only counted.
    pub(in crate::emulator) async fn write(&mut self, piece: &[u8]) -> Result<(), StoreError> {
        self.summary.add(piece);
        if self.summary.bytes > self.keep_bytes {
            return Ok(());
        }
        self.file.write_all(piece).await.map_err(disk::failed("write", &self.path))
    }

    /// Ends the file.
    pub(in crate::emulator) async fn finish(mut self) -> Result<Incoming, StoreError> {
        self.file.flush().await.map_err(disk::failed("write", &self.path))?;
        Ok(self.summary.finish(self.path))
    }
}

/// Appends `parts` to each other in `file`.
pub(super) fn join(mut file: NamedTempFile, parts: &[Incoming]) -> Result<Incoming, StoreError> {
    let mut summary = Summary::default();
    let mut buffer = vec![0; 64 * 1024];
    for part in parts {
        let failed = disk::failed("join", part.path());
        append(&mut file, part.path(), &mut buffer, &mut summary).map_err(failed)?;
    }
    Ok(summary.finish(file.into_temp_path()))
}

fn append(file: &mut NamedTempFile, part: &Path, buffer: &mut [u8], summary: &mut Summary) -> io::Result<()> {
    let mut part = File::open(part)?;
    loop {
        let length = part.read(buffer)?;
        if length == 0 {
            return Ok(());
        }
        summary.add(&buffer[..length]);
        file.write_all(&buffer[..length])?;
    }
}

/// What is learnt about a file while it passes.
#[derive(Debug, Default)]
struct Summary {
    md5: Md5,
    bytes: u64,
    head: Vec<u8>,
}

impl Summary {
    fn add(&mut self, piece: &[u8]) {
        let missing = HEAD_BYTES.saturating_sub(self.head.len());
        self.head.extend(piece.iter().take(missing));
        self.md5.update(piece);
        self.bytes += piece.len() as u64;
    }

    fn finish(self, path: TempPath) -> Incoming {
        Incoming { path, bytes: self.bytes, md5: hex::encode(self.md5.finalize()), head: self.head }
    }
}
