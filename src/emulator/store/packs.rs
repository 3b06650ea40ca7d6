//! Small contents: many share a file, so that they are synced together.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::sync::Arc;

use super::content::Extent;
use super::disk::{Disk, failed};
use super::hash::Block;
use super::{StoreError, random_id};

/// A file that is longer gets no more contents: it can go as soon as none of those in it is wanted any more.
const MAX_PACK_BYTES: u64 = 16 * 1024 * 1024;

/// Where small contents go.
#[derive(Debug)]
pub(super) struct Packs {
    disk: Arc<Disk>,
    current: Option<Pack>,
}

#[derive(Debug)]
struct Pack {
    name: String,
    /// Created with the first write.
    file: Option<File>,
    /// With what is not written yet.
    bytes: u64,
    unwritten: Block,
}

impl Packs {
    pub(super) const fn new(disk: Arc<Disk>) -> Self {
        Self { disk, current: None }
    }

    /// Says where a content will be once everything is written.
    pub(super) fn place(&mut self, content: Block) -> Extent {
        let pack = self.current.get_or_insert_with(|| Pack {
            name: random_id(),
            file: None,
            bytes: 0,
            unwritten: Vec::new(),
        });
        let bytes = content.iter().map(|piece| piece.len() as u64).sum();
        let extent = Extent { file: pack.name.clone(), start: pack.bytes, bytes };
        pack.bytes += extent.bytes;
        pack.unwritten.extend(content);
        extent
    }

    /// Writes what was placed and waits until the disk has it, under its name. After a failure nothing that was placed
    /// counts, and a new file takes what comes.
    pub(super) fn write(&mut self) -> Result<(), StoreError> {
        let Some(mut pack) = self.current.take_if(|pack| !pack.unwritten.is_empty()) else {
            return Ok(());
        };
        let is_new = pack.file.is_none();
        let path = self.disk.file(&pack.name);
        let mut file = match pack.file.take() {
            Some(file) => file,
            None => OpenOptions::new()
                .append(true)
                .create_new(true)
                .open(&path)
                .map_err(failed("create", &path))?,
        };
        for piece in pack.unwritten.drain(..) {
            file.write_all(&piece).map_err(failed("write", &path))?;
        }
        self.disk.sync(&file, &path)?;
        if is_new {
            self.disk.sync_files()?;
        }
        pack.file = Some(file);
        self.current = Some(pack).filter(|pack| pack.bytes < MAX_PACK_BYTES);
        Ok(())
    }

    /// Forgets the file with this name, which is about to be removed.
    pub(super) fn let_go(&mut self, name: &str) {
        self.current.take_if(|pack| pack.name == name);
    }
}
