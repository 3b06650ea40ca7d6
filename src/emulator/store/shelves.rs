//! What there is, in memory: the index of assets, presets and folders, as the log tells of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::Disk;
use super::log::{self, Change};
use super::{Asset, AssetKey, Settings, StoreError};

/// Everything that is kept, and nothing that is not.
#[derive(Debug, Default)]
pub(super) struct Shelves {
    index: Mutex<BTreeMap<AssetKey, Arc<Asset>>>,
    settings: Mutex<Settings>,
}

impl Shelves {
    /// Reads the log.
    pub(super) fn read(disk: &Disk) -> Result<Self, StoreError> {
        let shelves = Self::default();
        log::read(&disk.log(), |changes| shelves.apply(changes))?;
        let mut lengths = HashMap::new();
        shelves.index().retain(|key, asset| {
            let is_there = asset.content.iter().all(|extent| {
                let length = lengths.entry(extent.file.clone());
                let length = length.or_insert_with_key(|name| disk.length(name).unwrap_or_default());
                extent.start.checked_add(extent.bytes).is_some_and(|end| end <= *length)
            });
            if !is_there {
                tracing::warn!(public_id = key.public_id, "the content of an asset is missing");
            }
            is_there
        });
        Ok(shelves)
    }

    /// Shows what the log has, all of it at once.
    pub(super) fn apply(&self, changes: Vec<Change>) {
        let (mut index, mut settings) = (self.index(), self.settings());
        for change in changes {
            match change {
                Change::Put(asset) => drop(index.insert(asset.key.clone(), asset)),
                Change::Remove(key) => drop(index.remove(&key)),
                Change::Settings(new) => *settings = new,
                Change::Clear => {
                    index.clear();
                    *settings = Settings::default();
                }
            }
        }
    }

    /// The shortest log that says the same.
    pub(super) fn changes(&self) -> Vec<Change> {
        let settings = Change::Settings(self.settings().clone());
        let assets = self.index().values().map(Arc::clone).map(Change::Put).collect::<Vec<_>>();
        [settings].into_iter().chain(assets).collect()
    }

    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index is whole after every statement, so a poisoned lock still guards a good one.
    pub(super) fn index(&self) -> MutexGuard<'_, BTreeMap<AssetKey, Arc<Asset>>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
