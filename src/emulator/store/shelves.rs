//! Disk and index, changed together: every change is on disk before the index shows it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::Disk;
use super::{Asset, AssetKey, Description, Incoming, Outcome, Overwrite, Renamed, Settings, StoreError};

/// Assets, presets and folders of an open directory.
#[derive(Debug)]
pub(super) struct Shelves {
    pub(super) disk: Disk,
    /// Held while disk and index change together.
    changing: Mutex<()>,
    index: Mutex<BTreeMap<AssetKey, Arc<Asset>>>,
    settings: Mutex<Settings>,
}

impl Shelves {
    /// Opens `dir`, or a temporary folder, and reads what is in it.
    pub(super) fn open(dir: Option<PathBuf>) -> Result<Self, StoreError> {
        let disk = Disk::open(dir)?;
        let mut index = BTreeMap::new();
        for asset in disk.read_assets()? {
            index.insert(asset.key.clone(), Arc::new(asset));
        }
        disk.remove_strays(index.values().map(Arc::as_ref))?;
        let settings = Mutex::new(disk.read_settings()?);
        Ok(Self { disk, changing: Mutex::new(()), index: Mutex::new(index), settings })
    }

    pub(super) fn put(
        &self,
        key: AssetKey,
        description: Description,
        content: Incoming,
        overwrite: Overwrite,
    ) -> Result<Outcome, StoreError> {
        self.disk.sync_incoming(&content)?;
        let _changing = self.changing();
        let old = self.index().get(&key).map(Arc::clone);
        if let (Some(old), Overwrite::No) = (&old, overwrite) {
            return Ok(Outcome::Existing(Arc::clone(old)));
        }
        let asset_id = old.as_ref().map(|old| old.id.as_str());
        let asset = Arc::new(Asset::new(key.clone(), description, &content, asset_id));
        self.disk.write(&asset, content)?;
        self.index().insert(key, Arc::clone(&asset));
        Ok(match old {
            None => Outcome::Created(asset),
            Some(old) => {
                self.disk.remove_content(&old);
                Outcome::Replaced(asset)
            }
        })
    }

    pub(super) fn remove(&self, key: &AssetKey) -> Result<Option<Arc<Asset>>, StoreError> {
        let _changing = self.changing();
        let Some(asset) = self.index().get(key).map(Arc::clone) else {
            return Ok(None);
        };
        self.disk.remove(&asset)?;
        self.index().remove(key);
        Ok(Some(asset))
    }

    pub(super) fn change(
        &self,
        key: &AssetKey,
        change: impl FnOnce(&mut Description),
    ) -> Result<Option<Arc<Asset>>, StoreError> {
        let _changing = self.changing();
        let Some(old) = self.index().get(key).map(Arc::clone) else {
            return Ok(None);
        };
        let mut asset = Asset::clone(&old);
        change(&mut asset.description);
        self.disk.rewrite(&asset)?;
        let asset = Arc::new(asset);
        self.index().insert(key.clone(), Arc::clone(&asset));
        Ok(Some(asset))
    }

    /// One write moves the asset and takes the place of another: it names what it replaces, so that a crash before the
    /// other is removed changes nothing.
    pub(super) fn rename(
        &self,
        from: &AssetKey,
        to: AssetKey,
        overwrite: Overwrite,
    ) -> Result<Renamed, StoreError> {
        let _changing = self.changing();
        let find = |key: &AssetKey| self.index().get(key).map(Arc::clone);
        let Some(old) = find(from) else {
            return Ok(Renamed::NotFound);
        };
        let taken_by = find(&to).filter(|other| other.id != old.id);
        if taken_by.is_some() && overwrite == Overwrite::No {
            return Ok(Renamed::Taken);
        }
        let mut asset = Asset::clone(&old);
        asset.key = to;
        asset.replaces = taken_by.as_ref().map(|other| other.id.clone());
        self.disk.rewrite(&asset)?;
        let asset = Arc::new(asset);
        {
            let mut index = self.index();
            index.remove(from);
            index.insert(asset.key.clone(), Arc::clone(&asset));
        }
        if let Some(replaced) = &taken_by {
            self.disk.remove(replaced)?;
        }
        Ok(Renamed::Done { asset, replaced: taken_by })
    }

    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index is whole after every statement, so a poisoned lock still guards a good one.
    pub(super) fn index(&self) -> MutexGuard<'_, BTreeMap<AssetKey, Arc<Asset>>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
