//! A content where it lies: in one file, in several because it came in parts, or in memory because it is on its way in.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

use axum::body::Bytes;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use tokio::task::spawn_blocking;

use super::StoreError;
use super::disk::{self, is_id};

/// A stretch of a file in the store's directory. The content of an asset is one of them, or several in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::emulator) struct Extent {
    /// 32 hexadecimal digits.
    #[serde(deserialize_with = "file_name")]
    pub file: String,
    pub start: u64,
    pub bytes: u64,
}

/// Names of files are believed only where they are what this program writes.
fn file_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if is_id(&name) { Ok(name) } else { Err(D::Error::custom("not the name of a content")) }
}

/// A stretch of bytes.
#[derive(Clone, Debug)]
pub(super) enum Span {
    Memory(Bytes),
    File { path: PathBuf, start: u64, bytes: u64 },
}

impl Span {
    fn bytes(&self) -> u64 {
        match self {
            Self::Memory(content) => content.len() as u64,
            Self::File { bytes, .. } => *bytes,
        }
    }
}

/// Reads a content from its beginning, or from anywhere else. Files are opened one at a time: a content may have
/// hundreds.
#[derive(Debug)]
pub(in crate::emulator) struct ContentReader {
    spans: Vec<Span>,
    position: u64,
    /// The file of the span with this index.
    open: Option<(usize, File)>,
}

impl ContentReader {
    pub(super) const fn new(spans: Vec<Span>) -> Self {
        Self { spans, position: 0, open: None }
    }

    /// Opens the first file, so that a content of one file stays readable when it is removed.
    pub(super) fn open(spans: Vec<Span>) -> Result<Self, StoreError> {
        let mut reader = Self::new(spans);
        if let Some(Span::File { path, .. }) = reader.spans.first() {
            let file = File::open(path).map_err(disk::failed("open", path))?;
            reader.open = Some((0, file));
        }
        Ok(reader)
    }

    fn len(&self) -> u64 {
        self.spans.iter().map(Span::bytes).sum()
    }

    /// The span at the position, and how far into it that is.
    fn here(&self) -> Option<(usize, u64)> {
        let mut offset = self.position;
        for (index, span) in self.spans.iter().enumerate() {
            if offset < span.bytes() {
                return Some((index, offset));
            }
            offset -= span.bytes();
        }
        None
    }

    /// The next bytes, as many as `limit` unless the content ends; on a thread that may block.
    pub(in crate::emulator) async fn next_piece(mut self, limit: u64) -> io::Result<(Bytes, Self)> {
        let read = move || {
            let mut piece = Vec::with_capacity(usize::try_from(limit).unwrap_or_default());
            Read::by_ref(&mut self).take(limit).read_to_end(&mut piece)?;
            Ok((Bytes::from(piece), self))
        };
        spawn_blocking(read).await.map_err(io::Error::other)?
    }
}

impl Read for ContentReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((index, offset)) = self.here() else { return Ok(0) };
        let length = match &self.spans[index] {
            Span::Memory(content) => {
                let rest = content.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
                let length = rest.len().min(buffer.len());
                buffer[..length].copy_from_slice(&rest[..length]);
                length
            }
            Span::File { path, start, bytes } => {
                if self.open.as_ref().is_none_or(|(open, _)| *open != index) {
                    self.open = Some((index, File::open(path)?));
                }
                let Some((_, file)) = &mut self.open else { return Ok(0) };
                file.seek(SeekFrom::Start(start + offset))?;
                file.take(bytes - offset).read(buffer)?
            }
        };
        if length == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += length as u64;
        Ok(length)
    }
}

impl Seek for ContentReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.len().checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// `0123456789`, of which the middle is inside a file.
    fn digits() -> (tempfile::NamedTempFile, ContentReader) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"xx3456xx").unwrap();
        let middle = Span::File { path: file.path().to_owned(), start: 2, bytes: 4 };
        let (first, last) = (Bytes::from_static(b"012"), Bytes::from_static(b"789"));
        (file, ContentReader::new(vec![Span::Memory(first), middle, Span::Memory(last)]))
    }

    #[test]
    fn spans_are_read_as_one_from_anywhere() {
        let (_file, mut reader) = digits();
        for from in 0..=10 {
            let mut text = String::new();
            reader.seek(SeekFrom::Start(from)).unwrap();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!(text, "0123456789"[usize::try_from(from).unwrap()..]);
        }
        assert_eq!(reader.seek(SeekFrom::End(-3)).unwrap(), 7);
        assert!(reader.seek(SeekFrom::Current(-8)).is_err());
    }

    #[test]
    fn a_file_that_is_too_short_is_an_error_and_no_end() {
        let (file, mut reader) = digits();
        file.as_file().set_len(4).unwrap();
        assert!(reader.read_to_end(&mut Vec::new()).is_err());
    }

    #[tokio::test]
    async fn pieces_are_as_long_as_they_may_be() {
        let (_file, reader) = digits();
        let (piece, reader) = reader.next_piece(5).await.unwrap();
        assert_eq!(&piece[..], b"01234");
        let (piece, _) = reader.next_piece(100).await.unwrap();
        assert_eq!(&piece[..], b"56789");
    }
}
