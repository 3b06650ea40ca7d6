//! Changes that are not kept yet. Each sees those before it; the others see them once all of them are on disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use tempfile::TempPath;

use super::content::Extent;
use super::incoming::Piece;
use super::log::Change;
use super::packs::Packs;
use super::shelves::Shelves;
use super::{Asset, AssetKey, Description, Incoming, Outcome, Overwrite, Renamed, Settings, random_id};

/// What a batch of changes makes of the shelves.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    shelves: &'a Shelves,
    packs: &'a mut Packs,
    /// The assets that are not as on the shelves; without one where it is gone.
    assets: BTreeMap<AssetKey, Option<Arc<Asset>>>,
    settings: Option<Settings>,
    batch: Batch,
}

/// What has to be done on disk for it.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) changes: Vec<Change>,
    /// Files of their own for large contents.
    pub(super) files: Vec<TempPath>,
    /// Where new contents are.
    pub(super) placed: Vec<Extent>,
    /// Assets whose contents nobody wants afterwards.
    pub(super) released: Vec<Arc<Asset>>,
}

/// A new version of an asset.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) description: Description,
    pub(super) etag: String,
    pub(super) content: Incoming,
}

impl<'a> Draft<'a> {
    pub(super) fn new(shelves: &'a Shelves, packs: &'a mut Packs) -> Self {
        Self { shelves, packs, assets: BTreeMap::new(), settings: None, batch: Batch::default() }
    }

    pub(super) fn into_batch(self) -> Batch {
        self.batch
    }

    pub(super) fn put(&mut self, key: AssetKey, version: Version, overwrite: Overwrite) -> Outcome {
        let old = self.find(&key);
        if let (Some(old), Overwrite::No) = (&old, overwrite) {
            return Outcome::Existing(Arc::clone(old));
        }
        let Version { description, etag, content } = version;
        let asset = Asset {
            id: old.as_ref().map_or_else(random_id, |old| old.id.clone()),
            version_id: random_id(),
            key,
            bytes: content.bytes,
            etag,
            description,
            content: self.place(content),
        };
        let asset = self.keep(asset);
        match old {
            None => Outcome::Created(asset),
            Some(old) => {
                self.batch.released.push(old);
                Outcome::Replaced(asset)
            }
        }
    }

    pub(super) fn remove(&mut self, key: &AssetKey) -> Option<Arc<Asset>> {
        let asset = self.find(key)?;
        self.batch.changes.push(Change::Remove(key.clone()));
        self.batch.released.push(Arc::clone(&asset));
        self.assets.insert(key.clone(), None);
        Some(asset)
    }

    pub(super) fn change(
        &mut self,
        key: &AssetKey,
        change: impl FnOnce(&mut Description),
    ) -> Option<Arc<Asset>> {
        let mut asset = Asset::clone(&*self.find(key)?);
        change(&mut asset.description);
        Some(self.keep(asset))
    }

    pub(super) fn rename(&mut self, from: &AssetKey, to: AssetKey, overwrite: Overwrite) -> Renamed {
        let Some(old) = self.find(from) else {
            return Renamed::NotFound;
        };
        let taken_by = self.find(&to).filter(|other| other.id != old.id);
        if taken_by.is_some() && overwrite == Overwrite::No {
            return Renamed::Taken;
        }
        self.batch.changes.push(Change::Remove(from.clone()));
        self.assets.insert(from.clone(), None);
        self.batch.released.extend(taken_by.clone());
        let asset = self.keep(Asset { key: to, ..Asset::clone(&old) });
        Renamed::Done { asset, replaced: taken_by }
    }

    pub(super) fn change_settings<T, E>(
        &mut self,
        change: impl FnOnce(&mut Settings) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut settings = self.settings.clone().unwrap_or_else(|| self.shelves.settings().clone());
        let outcome = change(&mut settings)?;
        self.batch.changes.push(Change::Settings(settings.clone()));
        self.settings = Some(settings);
        Ok(outcome)
    }

    /// Removes everything; says how many assets there were.
    pub(super) fn clear(&mut self) -> usize {
        for (key, asset) in &*self.shelves.index() {
            self.assets.entry(key.clone()).or_insert_with(|| Some(Arc::clone(asset)));
        }
        let before = self.batch.released.len();
        self.batch.released.extend(self.assets.values_mut().filter_map(Option::take));
        self.batch.changes.push(Change::Clear);
        self.settings = Some(Settings::default());
        self.batch.released.len() - before
    }

    fn find(&self, key: &AssetKey) -> Option<Arc<Asset>> {
        match self.assets.get(key) {
            Some(asset) => asset.clone(),
            None => self.shelves.index().get(key).map(Arc::clone),
        }
    }

    fn keep(&mut self, asset: Asset) -> Arc<Asset> {
        let asset = Arc::new(asset);
        self.batch.changes.push(Change::Put(Arc::clone(&asset)));
        self.assets.insert(asset.key.clone(), Some(Arc::clone(&asset)));
        asset
    }

    /// Finds a place for everything that is still in memory.
    fn place(&mut self, content: Incoming) -> Vec<Extent> {
        let pieces = content.into_pieces().into_iter();
        let extents: Vec<_> = pieces
            .map(|piece| match piece {
                Piece::Memory(content) => self.packs.place(content),
                Piece::File(file) => {
                    self.batch.files.push(file.path);
                    Extent { file: file.name, start: 0, bytes: file.bytes }
                }
            })
            .collect();
        self.batch.placed.extend_from_slice(&extents);
        extents
    }
}
