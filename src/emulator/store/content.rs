//! One content: a file, or several in order if it was uploaded in parts.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use axum::body::Bytes;
use md5::{Digest as _, Md5};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use tokio::task::spawn_blocking;

use super::contents::is_id;

/// How much is read at a time to be hashed.
const BUFFER_BYTES: usize = 256 * 1024;

/// A file in the folder of the contents. An asset has one, or one for each part it was uploaded in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::emulator) struct ContentFile {
    /// 32 hexadecimal digits.
    #[serde(deserialize_with = "name")]
    pub name: String,
    pub bytes: u64,
}

/// Accepts only names that this program makes, so that none leads out of the folder.
fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if is_id(&name) { Ok(name) } else { Err(D::Error::custom("not the name of a content file")) }
}

/// Reads a content as if it were one file. Its files are opened one at a time: there may be hundreds.
#[derive(Debug)]
pub(in crate::emulator) struct ContentReader {
    /// Each file with its length.
    files: Vec<(PathBuf, u64)>,
    position: u64,
    /// The file that is open, and its index.
    open: Option<(usize, File)>,
}

impl ContentReader {
    pub(super) const fn new(files: Vec<(PathBuf, u64)>) -> Self {
        Self { files, position: 0, open: None }
    }

    /// Opens the first file, so that a content of one file stays readable after it is deleted.
    pub(super) fn open_first(&mut self) -> io::Result<()> {
        self.open = self.files.first().map(|(path, _)| File::open(path)).transpose()?.map(|file| (0, file));
        Ok(())
    }

    /// The file at the position, and the offset in it.
    fn here(&self) -> Option<(usize, u64)> {
        let mut offset = self.position;
        for (index, (_, bytes)) in self.files.iter().enumerate() {
            if offset < *bytes {
                return Some((index, offset));
            }
            offset -= bytes;
        }
        None
    }

    /// The next `limit` bytes, or fewer at the end.
    pub(in crate::emulator) async fn next_piece(mut self, limit: u64) -> io::Result<(Bytes, Self)> {
        let read = move || {
            let mut piece = Vec::with_capacity(usize::try_from(limit).unwrap_or_default());
            Read::by_ref(&mut self).take(limit).read_to_end(&mut piece)?;
            Ok((Bytes::from(piece), self))
        };
        spawn_blocking(read).await.map_err(io::Error::other)?
    }

    /// Adds everything from the position on to an MD5.
    pub(super) fn hash(&mut self, mut md5: Md5) -> io::Result<Md5> {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match self.read(&mut buffer)? {
                0 => return Ok(md5),
                length => md5.update(&buffer[..length]),
            }
        }
    }
}

impl Read for ContentReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((index, offset)) = self.here() else { return Ok(0) };
        let (path, bytes) = &self.files[index];
        let file = match &self.open {
            Some((open, file)) if *open == index => file,
            _ => &self.open.insert((index, File::open(path)?)).1,
        };
        let rest = usize::try_from(bytes - offset).unwrap_or(usize::MAX).min(buffer.len());
        let length = file.read_at(&mut buffer[..rest], offset)?;
        if length == 0 && rest > 0 {
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
            SeekFrom::End(by) => {
                self.files.iter().map(|(_, bytes)| bytes).sum::<u64>().checked_add_signed(by)
            }
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// `0123456789` in three files, the second of which has more than belongs to the content.
    fn digits() -> (tempfile::TempDir, ContentReader) {
        let dir = tempfile::tempdir().unwrap();
        let files = [("a", "012", 3), ("b", "3456xx", 4), ("c", "789", 3)].map(|(name, text, bytes)| {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            (path, bytes)
        });
        (dir, ContentReader::new(files.into()))
    }

    #[test]
    fn files_are_read_as_one_from_any_position() {
        let (_dir, mut reader) = digits();
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
    fn a_file_that_is_too_short_is_an_error_and_not_the_end() {
        let (dir, mut reader) = digits();
        fs::write(dir.path().join("b"), "345").unwrap();
        assert!(reader.read_to_end(&mut Vec::new()).is_err());
    }

    #[tokio::test]
    async fn pieces_are_as_long_as_they_may_be() {
        let (_dir, reader) = digits();
        let (piece, reader) = reader.next_piece(5).await.unwrap();
        assert_eq!(&piece[..], b"01234");
        let (piece, _) = reader.next_piece(100).await.unwrap();
        assert_eq!(&piece[..], b"56789");
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let parse = |name: &str| {
            serde_json::from_value::<ContentFile>(serde_json::json!({ "name": name, "bytes": 1 }))
        };
        assert!(parse(&"0a".repeat(16)).is_ok());
        for name in ["", "../../../../etc/passwd", "/etc/passwd", &"0a/".repeat(11)[..32], &"0".repeat(33)] {
            assert!(parse(name).is_err(), "{name}");
        }
    }
}
