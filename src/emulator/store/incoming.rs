//! A content on its way in: counted, hashed and written piece by piece, and gone again unless it becomes an asset.
//!
//! One that is small stays in memory, until the store's writer puts it into a file that many share. A larger one gets a
//! file of its own.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;

use axum::body::Bytes;
use tempfile::TempPath;
use tokio::task::{JoinHandle, spawn_blocking};

use super::StoreError;
use super::content::{ContentReader, Span};
use super::disk::{self, Disk};
use super::hash::{Block, Hash, Hasher};

/// How much of the beginning is kept at hand, to tell what kind of file it is.
const HEAD_BYTES: usize = 4_096;

/// How much is gathered before it is written; what is not larger than that stays in memory.
const BLOCK_BYTES: usize = 256 * 1024;

/// The most pieces that are gathered: each may hold on to more memory than it has bytes.
const BLOCK_PIECES: usize = 256;

/// A content that is complete but belongs to nothing yet; its files are removed when it is dropped.
#[derive(Debug)]
pub(in crate::emulator) struct Incoming {
    pieces: Vec<Piece>,
    /// How many bytes arrived, which is more than were kept when they were too many.
    pub bytes: u64,
    /// The first bytes.
    pub head: Vec<u8>,
    mark: Mark,
    /// The part that the hash goes on after.
    after: Option<PartId>,
}

/// Tells contents in memory apart.
type PartId = u64;

/// What the part that follows a content has to know, so that both are hashed as one.
#[derive(Clone, Debug)]
pub(in crate::emulator) struct Mark {
    id: PartId,
    hash: Hash,
}

/// A stretch of a content.
#[derive(Debug)]
pub(super) enum Piece {
    Memory(Block),
    File(WrittenFile),
}

/// A file with everything in it; removed when it is dropped.
#[derive(Debug)]
pub(super) struct WrittenFile {
    pub(super) name: String,
    pub(super) path: TempPath,
    pub(super) bytes: u64,
    syncing: Option<JoinHandle<io::Result<()>>>,
}

impl Incoming {
    /// MD5 of the content, in hexadecimal.
    pub(in crate::emulator) async fn md5(&self) -> Result<String, StoreError> {
        self.mark.hash.hex().await
    }

    /// For the part that follows.
    pub(in crate::emulator) fn mark(&self) -> Mark {
        self.mark.clone()
    }

    /// Reads it from the start.
    pub(in crate::emulator) fn reader(&self) -> ContentReader {
        ContentReader::new(self.spans().collect())
    }

    fn spans(&self) -> impl Iterator<Item = Span> {
        self.pieces.iter().flat_map(|piece| match piece {
            Piece::Memory(block) => block.iter().cloned().map(Span::Memory).collect(),
            Piece::File(file) => {
                vec![Span::File { path: file.path.to_path_buf(), start: 0, bytes: file.bytes }]
            }
        })
    }

    /// Waits until everything that is in files is on the disk.
    pub(super) async fn synced(&mut self) -> Result<(), StoreError> {
        for piece in &mut self.pieces {
            let Piece::File(file) = piece else { continue };
            if let Some(syncing) = file.syncing.take() {
                let outcome = syncing.await.map_err(|_runtime_is_gone| StoreError::ShuttingDown)?;
                outcome.map_err(disk::failed("sync", &file.path))?;
            }
        }
        Ok(())
    }

    /// Moves what is in memory to a file.
    pub(super) fn set_aside(mut self, disk: &Disk) -> Result<Self, StoreError> {
        for piece in &mut self.pieces {
            if let Piece::Memory(content) = piece {
                let mut file = disk.create()?;
                file.append(content)?;
                *piece = Piece::File(file.finish(disk.is_durable()));
            }
        }
        Ok(self)
    }

    pub(super) fn into_pieces(self) -> Vec<Piece> {
        self.pieces
    }

    /// Makes one content of several without moving a byte. Parts that came in order are hashed already; from the first
    /// that did not, they are read again.
    pub(in crate::emulator) async fn join(parts: Vec<Self>) -> Result<Self, StoreError> {
        let (mut in_order, mut last) = (0, None::<&Mark>);
        for part in &parts {
            if part.after != last.map(|mark| mark.id) {
                break;
            }
            (in_order, last) = (in_order + 1, Some(&part.mark));
        }
        let mark = match last {
            Some(mark) if in_order == parts.len() => mark.clone(),
            _ => {
                let hasher = Hasher::new(last.map(|mark| mark.hash.clone()));
                let rest = parts[in_order..].iter().flat_map(Self::spans).collect();
                Mark::new(hash_again(hasher, ContentReader::new(rest)).await?)
            }
        };
        let bytes = parts.iter().map(|part| part.bytes).sum();
        let head = parts.iter().flat_map(|part| &part.head).take(HEAD_BYTES).copied().collect();
        let pieces = parts.into_iter().flat_map(|part| part.pieces).collect();
        Ok(Self { pieces, bytes, head, mark, after: None })
    }
}

impl Mark {
    fn new(hash: Hash) -> Self {
        Self { id: rand::random(), hash }
    }
}

async fn hash_again(mut hasher: Hasher, mut content: ContentReader) -> Result<Hash, StoreError> {
    loop {
        let (block, rest) =
            content.next_piece(BLOCK_BYTES as u64).await.map_err(disk::failed("read", "a part".as_ref()))?;
        if block.is_empty() {
            return hasher.finish(Vec::new()).await;
        }
        hasher.add_piece(&block);
        hasher.add_block(vec![block]).await?;
        content = rest;
    }
}

/// A content that is being written.
#[derive(Debug)]
pub(in crate::emulator) struct IncomingFile {
    disk: Arc<Disk>,
    keep_bytes: u64,
    bytes: u64,
    head: Vec<u8>,
    /// What is not written yet.
    block: Block,
    block_bytes: usize,
    /// Gives the file back. It goes on while the next block is gathered.
    writing: Option<JoinHandle<Result<NewFile, StoreError>>>,
    hasher: Hasher,
    after: Option<PartId>,
}

impl IncomingFile {
    /// An empty one; if it is a part, it may go on after another.
    pub(super) fn new(disk: &Arc<Disk>, keep_bytes: u64, before: Option<Mark>) -> Self {
        Self {
            disk: Arc::clone(disk),
            keep_bytes,
            bytes: 0,
            head: Vec::new(),
            block: Vec::new(),
            block_bytes: 0,
            writing: None,
            after: before.as_ref().map(|mark| mark.id),
            hasher: Hasher::new(before.map(|mark| mark.hash)),
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
        self.hasher.add_piece(&piece);
        self.block_bytes += piece.len();
        self.block.push(piece);
        let is_full = self.block_bytes > BLOCK_BYTES || self.block.len() > BLOCK_PIECES;
        if is_full { self.write_block().await } else { Ok(()) }
    }

    async fn write_block(&mut self) -> Result<(), StoreError> {
        self.block_bytes = 0;
        let block = std::mem::take(&mut self.block);
        self.hasher.add_block(block.clone()).await?;
        self.append(block).await
    }

    async fn append(&mut self, block: Block) -> Result<(), StoreError> {
        let (disk, file) = (Arc::clone(&self.disk), self.written().await?);
        let write = move || {
            let mut file = file.map_or_else(|| disk.create(), Ok)?;
            file.append(&block)?;
            Ok(file)
        };
        self.writing = Some(spawn_blocking(write));
        Ok(())
    }

    /// The file with everything so far; none where it all fits in memory.
    async fn written(&mut self) -> Result<Option<NewFile>, StoreError> {
        let Some(writing) = self.writing.take() else { return Ok(None) };
        writing.await.map_err(|_runtime_is_gone| StoreError::ShuttingDown)?.map(Some)
    }

    /// Ends the content.
    pub(in crate::emulator) async fn finish(mut self) -> Result<Incoming, StoreError> {
        let rest = std::mem::take(&mut self.block);
        if self.writing.is_some() {
            self.append(rest.clone()).await?;
        }
        let piece = match self.written().await? {
            None => Piece::Memory(rest.clone()),
            Some(file) => Piece::File(file.finish(self.disk.is_durable())),
        };
        let mark = Mark::new(self.hasher.finish(rest).await?);
        Ok(Incoming { pieces: vec![piece], bytes: self.bytes, head: self.head, mark, after: self.after })
    }
}

/// A file on its way in; removed when it is dropped.
#[derive(Debug)]
pub(super) struct NewFile {
    name: String,
    path: TempPath,
    file: File,
    bytes: u64,
}

impl NewFile {
    pub(super) const fn new(name: String, path: TempPath, file: File) -> Self {
        Self { name, path, file, bytes: 0 }
    }

    fn append(&mut self, block: &[Bytes]) -> Result<(), StoreError> {
        for piece in block {
            self.bytes += piece.len() as u64;
            self.file.write_all(piece).map_err(disk::failed("write", &self.path))?;
        }
        Ok(())
    }

    /// Ends the file. Syncing begins at once, so that it goes on while other parts arrive.
    fn finish(self, is_durable: bool) -> WrittenFile {
        let Self { name, path, file, bytes } = self;
        let syncing = is_durable.then(|| spawn_blocking(move || file.sync_data()));
        WrittenFile { name, path, bytes, syncing }
    }
}

#[cfg(test)]
mod tests {
    use md5::{Digest as _, Md5};

    use super::*;

    async fn part(disk: &Arc<Disk>, bytes: &[u8], before: Option<Mark>) -> Incoming {
        let mut file = IncomingFile::new(disk, u64::MAX, before);
        for piece in bytes.chunks(10_000) {
            file.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        file.finish().await.unwrap()
    }

    fn remove_files(part: &Incoming) {
        for span in part.spans() {
            let Span::File { path, .. } = span else { continue };
            std::fs::remove_file(path).unwrap();
        }
    }

    #[tokio::test]
    async fn parts_that_came_in_order_are_not_read_again() {
        let disk = Arc::new(Disk::open(None).unwrap());
        let (first, second) = (vec![b'a'; 700_000], vec![b'b'; 300_000]);
        for end in [&b""[..], b"end"] {
            let one = part(&disk, &first, None).await;
            let two = part(&disk, &second, Some(one.mark())).await;
            let three = part(&disk, end, Some(two.mark())).await;
            [&one, &two].into_iter().for_each(remove_files);
            let whole = Incoming::join(vec![one, two, three]).await.unwrap();
            let md5 = Md5::new().chain_update(&first).chain_update(&second).chain_update(end).finalize();
            assert_eq!(whole.md5().await.unwrap(), hex::encode(md5));
        }
    }

    #[tokio::test]
    async fn parts_that_did_not_are() {
        let disk = Arc::new(Disk::open(None).unwrap());
        let (first, second) = (vec![b'a'; 700_000], vec![b'b'; 300_000]);
        let two = part(&disk, &second, None).await;
        let one = part(&disk, &first, None).await;
        let whole = Incoming::join(vec![one, two]).await.unwrap();
        let md5 = Md5::new().chain_update(&first).chain_update(&second).finalize();
        assert_eq!(whole.md5().await.unwrap(), hex::encode(md5));
        let one = part(&disk, &first, None).await;
        remove_files(&one);
        let whole = Incoming::join(vec![part(&disk, &second, None).await, one]).await;
        assert!(whole.is_err(), "read what is not there");
    }
}
