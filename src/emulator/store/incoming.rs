//! A content that is being received: written and hashed as it comes, and deleted again unless it becomes an asset.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Bytes;
use md5::{Digest as _, Md5};
use tempfile::TempPath;
use tokio::task::{JoinHandle, spawn_blocking};

use super::content::{ContentFile, ContentReader};
use super::contents::Contents;
use super::error::{StoreError, failed};
use super::parts_hash::PartsHash;
use super::{off_thread, random_id};

/// How much of the beginning is kept in memory, to detect the type of the file.
const HEAD_BYTES: usize = 4_096;

/// How much is buffered before it is written.
const BUFFER_BYTES: usize = 256 * 1024;

/// The most pieces that are buffered: each may occupy more memory than it has bytes.
const BUFFER_PIECES: usize = 256;

/// A content that is complete but belongs to no asset yet; its files are deleted when it is dropped.
#[derive(Debug)]
pub(in crate::emulator) struct Incoming {
    pub(super) files: Vec<WrittenFile>,
    /// How many bytes arrived, which is more than were kept if they were too many.
    pub bytes: u64,
    /// The first bytes.
    pub head: Vec<u8>,
    /// Unknown for a part.
    md5: Option<Md5>,
}

/// A file with everything in it; deleted when it is dropped.
#[derive(Debug)]
pub(super) struct WrittenFile {
    pub(super) content: ContentFile,
    pub(super) path: TempPath,
    syncing: Option<JoinHandle<io::Result<()>>>,
}

impl Incoming {
    /// Reads it from the start.
    pub(in crate::emulator) fn reader(&self) -> ContentReader {
        ContentReader::new(self.files.iter().map(WrittenFile::location).collect())
    }

    /// MD5 of the content, in hexadecimal.
    pub(in crate::emulator) async fn md5(&self) -> Result<String, StoreError> {
        let md5 = if let Some(md5) = &self.md5 {
            md5.clone()
        } else {
            let mut reader = self.reader();
            off_thread(move || reader.hash(Md5::new()).map_err(unreadable)).await?
        };
        Ok(hex::encode(md5.finalize()))
    }

    /// Waits until the bytes are on disk. Their names are not yet.
    pub(super) async fn synced(&mut self) -> Result<(), StoreError> {
        for file in &mut self.files {
            if let Some(syncing) = file.syncing.take() {
                let outcome = syncing.await.map_err(|_runtime_is_gone| StoreError::ShuttingDown)?;
                outcome.map_err(failed("sync", &file.path))?;
            }
        }
        Ok(())
    }

    /// Makes one content of parts, without moving a byte. What `hash` does not cover is read again.
    pub(in crate::emulator) async fn join(parts: Vec<Self>, mut hash: PartsHash) -> Result<Self, StoreError> {
        hash.cover(parts.iter());
        let md5 = Some(hash.finish().await.map_err(unreadable)?);
        let bytes = parts.iter().map(|part| part.bytes).sum();
        let head = parts.iter().flat_map(|part| &part.head).take(HEAD_BYTES).copied().collect();
        Ok(Self { files: parts.into_iter().flat_map(|part| part.files).collect(), bytes, head, md5 })
    }
}

impl WrittenFile {
    /// Where it is, and how long.
    pub(super) fn location(&self) -> (PathBuf, u64) {
        (self.path.to_path_buf(), self.content.bytes)
    }
}

fn unreadable(cause: io::Error) -> StoreError {
    StoreError::File { doing: "read", path: "an upload".into(), cause }
}

/// A content that is being written.
#[derive(Debug)]
pub(in crate::emulator) struct IncomingFile {
    contents: Arc<Contents>,
    keep_bytes: u64,
    bytes: u64,
    head: Vec<u8>,
    /// What has not been written yet.
    buffer: Vec<Bytes>,
    buffered_bytes: usize,
    /// Returns the file. It continues while the next buffer fills up.
    writing: Option<JoinHandle<Result<NewFile, StoreError>>>,
    is_part: bool,
}

/// A file and the MD5 of what is in it.
#[derive(Debug)]
struct NewFile {
    name: String,
    file: File,
    path: TempPath,
    bytes: u64,
    md5: Option<Md5>,
}

impl IncomingFile {
    /// An empty one; only the first `keep_bytes` are kept, but all are counted.
    pub(super) fn new(contents: &Arc<Contents>, keep_bytes: u64, is_part: bool) -> Self {
        Self {
            contents: Arc::clone(contents),
            keep_bytes,
            bytes: 0,
            head: Vec::new(),
            buffer: Vec::new(),
            buffered_bytes: 0,
            writing: None,
            is_part,
        }
    }

    /// Appends `piece`, unless the content is too large already: then it is only counted.
    pub(in crate::emulator) async fn write(&mut self, piece: Bytes) -> Result<(), StoreError> {
        let missing = HEAD_BYTES.saturating_sub(self.head.len());
        self.head.extend_from_slice(&piece[..missing.min(piece.len())]);
        self.bytes += piece.len() as u64;
        if self.bytes > self.keep_bytes {
            return Ok(());
        }
        self.buffered_bytes += piece.len();
        self.buffer.push(piece);
        if self.buffered_bytes > BUFFER_BYTES || self.buffer.len() > BUFFER_PIECES {
            self.write_buffer().await?;
        }
        Ok(())
    }

    /// Begins to write the buffer, after the one before has been written.
    async fn write_buffer(&mut self) -> Result<(), StoreError> {
        let file = self.written().await?;
        let (contents, is_part, buffer) =
            (Arc::clone(&self.contents), self.is_part, std::mem::take(&mut self.buffer));
        self.buffered_bytes = 0;
        self.writing = Some(spawn_blocking(move || {
            let mut file = file.map_or_else(|| NewFile::create(&contents, is_part), Ok)?;
            file.append(&buffer)?;
            Ok(file)
        }));
        Ok(())
    }

    /// The file with everything written so far, if there is one.
    async fn written(&mut self) -> Result<Option<NewFile>, StoreError> {
        let Some(writing) = self.writing.take() else { return Ok(None) };
        writing.await.map_err(|_runtime_is_gone| StoreError::ShuttingDown)?.map(Some)
    }

    /// Ends the content.
    pub(in crate::emulator) async fn finish(mut self) -> Result<Incoming, StoreError> {
        if !self.buffer.is_empty() {
            self.write_buffer().await?;
        }
        let (files, md5) = match self.written().await? {
            None => (Vec::new(), Some(Md5::new())),
            Some(NewFile { name, file, path, bytes, md5 }) => {
                // Begins at once, so that it continues while other parts arrive.
                let syncing = self.contents.is_durable().then(|| spawn_blocking(move || file.sync_data()));
                (vec![WrittenFile { content: ContentFile { name, bytes }, path, syncing }], md5)
            }
        };
        Ok(Incoming { files, bytes: self.bytes, head: self.head, md5 })
    }
}

impl NewFile {
    fn create(contents: &Contents, is_part: bool) -> Result<Self, StoreError> {
        let name = random_id();
        let (file, path) = contents.create(&name)?;
        Ok(Self { name, file, path, bytes: 0, md5: (!is_part).then(Md5::new) })
    }

    fn append(&mut self, pieces: &[Bytes]) -> Result<(), StoreError> {
        for piece in pieces {
            self.bytes += piece.len() as u64;
            self.file.write_all(piece).map_err(failed("write", &self.path))?;
            if let Some(md5) = &mut self.md5 {
                md5.update(piece);
            }
        }
        Ok(())
    }
}
