//! The log: every change of assets and settings, in order. What it says, read from the beginning, is what there is.
//!
//! ```text
//! log     = *line
//! line    = sum " " changes LF          what was kept at once; it counts as a whole or not at all
//! sum     = 16 hex                      the first half of SHA-256 of changes
//! changes = a JSON list of changes
//! ```
//!
//! A line is on the disk before the next is begun. So only the last can be torn, and nobody was told of what it says.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::disk::{Disk, failed};
use super::{Asset, AssetKey, Settings, StoreError};

/// How long a log may get before it is written anew, and how many times as long as it was then.
const MIN_BYTES_TO_REWRITE: u64 = 4 * 1024 * 1024;
const GROWTH_TO_REWRITE: u64 = 4;

/// One change.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    /// The asset is what its key stands for from here on.
    Put(Arc<Asset>),
    Remove(AssetKey),
    /// All presets and folders.
    Settings(Settings),
    /// Nothing that was said so far counts.
    Clear,
}

/// A log that is open at its end.
#[derive(Debug)]
pub(super) struct Log {
    disk: Arc<Disk>,
    file: File,
    bytes: u64,
    rewrite_at: u64,
    /// Whether the disk may hold something else than what was said: nothing may follow it.
    is_broken: bool,
}

/// Reads every change that counts, in order. There is none where there is no log.
pub(super) fn read(path: &Path, mut apply: impl FnMut(Vec<Change>)) -> Result<(), StoreError> {
    let file = match File::open(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file.map_err(failed("open", path))?,
    };
    let damaged = |line| StoreError::Damaged { path: path.to_owned(), line };
    let (mut file, mut text, mut torn) = (BufReader::new(file), Vec::new(), None);
    for number in 1.. {
        text.clear();
        if file.read_until(b'\n', &mut text).map_err(failed("read", path))? == 0 {
            break;
        }
        if let Some(line) = torn {
            return Err(damaged(line));
        }
        match whole(&text) {
            None => torn = Some(number),
            Some(changes) => {
                apply(serde_json::from_slice(changes).ok().ok_or_else(|| damaged(number))?);
            }
        }
    }
    if let Some(line) = torn {
        tracing::warn!(path = %path.display(), line, "the last change was cut off and does not count");
    }
    Ok(())
}

/// The changes of a line that is as it was written.
fn whole(line: &[u8]) -> Option<&[u8]> {
    let (sum, changes) = line.strip_suffix(b"\n")?.split_at_checked(16)?;
    let changes = changes.strip_prefix(b" ")?;
    (sum == checksum(changes).as_bytes()).then_some(changes)
}

fn checksum(changes: &[u8]) -> String {
    hex::encode(&Sha256::digest(changes)[..8])
}

fn line(changes: &[Change]) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(changes)?;
    let mut line = checksum(&json).into_bytes();
    line.push(b' ');
    line.extend(json);
    line.push(b'\n');
    Ok(line)
}

impl Log {
    /// Puts a log that says no more than `state` in the place of the one before.
    pub(super) fn rewrite(disk: &Arc<Disk>, state: Vec<Change>) -> Result<Self, StoreError> {
        let path = disk.log();
        let new = path.with_extension("new");
        let file = File::create(&new).map_err(failed("create", &new))?;
        let mut writer = BufWriter::new(file);
        for change in state {
            line(&[change]).and_then(|line| writer.write_all(&line)).map_err(failed("write", &new))?;
        }
        let mut file = writer.into_inner().map_err(|failure| failed("write", &new)(failure.into_error()))?;
        let bytes = file.stream_position().map_err(failed("write", &new))?;
        disk.sync(&file, &new)?;
        fs::rename(&new, &path).map_err(failed("keep", &path))?;
        // From here on the old log is gone, or it may come back: then nothing that follows would be safe.
        let is_broken = disk.sync_root().is_err();
        let rewrite_at = MIN_BYTES_TO_REWRITE.max(bytes * GROWTH_TO_REWRITE);
        Ok(Self { disk: Arc::clone(disk), file, bytes, rewrite_at, is_broken })
    }

    /// Whether most of it does not count any more.
    pub(super) const fn is_long(&self) -> bool {
        self.bytes > self.rewrite_at
    }

    /// Puts off writing it anew, after that has failed.
    pub(super) const fn stay_long(&mut self) {
        self.rewrite_at = self.bytes * GROWTH_TO_REWRITE;
    }

    /// Adds changes; they are on the disk when this returns. If it fails, none of them ever will be.
    pub(super) fn append(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let path = self.disk.log();
        if self.is_broken {
            return Err(failed("append to", &path)(io::Error::other("an earlier write failed")));
        }
        let line = line(changes).map_err(failed("write", &path))?;
        let written = self.file.write_all(&line).map_err(failed("write", &path));
        match written.and_then(|()| self.disk.sync(&self.file, &path)) {
            Ok(()) => self.bytes += line.len() as u64,
            Err(failure) => {
                self.is_broken = self.take_back().is_err();
                return Err(failure);
            }
        }
        Ok(())
    }

    /// Cuts off what was written of a line that does not count.
    fn take_back(&mut self) -> io::Result<()> {
        self.file.set_len(self.bytes)?;
        self.file.seek(SeekFrom::Start(self.bytes))?;
        self.file.sync_data()
    }
}
