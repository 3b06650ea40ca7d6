//! Changes that are written together. Each sees those before it; nobody else sees any before they are on disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::incoming::WrittenFile;
use super::{Asset, AssetKey, Description, Incoming, Outcome, Overwrite, Renamed, Settings, random_id};

/// Everything that is stored, except the contents.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) assets: BTreeMap<AssetKey, Arc<Asset>>,
    pub(super) settings: Settings,
}

/// What differs from the state.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// New and changed assets; `None` where there is none any more.
    pub(super) assets: BTreeMap<AssetKey, Option<Arc<Asset>>>,
    pub(super) settings: Option<Settings>,
    /// Ids of the assets that were stored under these keys.
    pub(super) replaced_ids: Vec<String>,
    /// Contents that get an asset.
    pub(super) new_files: Vec<WrittenFile>,
    /// Names of content files that lose theirs.
    pub(super) removed_files: Vec<String>,
}

impl State {
    /// Makes changes visible.
    pub(super) fn apply(&mut self, changes: Changes) {
        for (key, asset) in changes.assets {
            match asset {
                Some(asset) => self.assets.insert(key, asset),
                None => self.assets.remove(&key),
            };
        }
        self.settings = changes.settings.unwrap_or_else(|| std::mem::take(&mut self.settings));
    }
}

impl Changes {
    /// Whether everything stays as it is.
    pub(super) fn is_empty(&self) -> bool {
        self.assets.is_empty() && self.settings.is_none()
    }
}

/// The state and the changes so far.
#[derive(Debug)]
pub(super) struct Transaction<'a> {
    state: &'a State,
    changes: Changes,
}

impl<'a> Transaction<'a> {
    pub(super) fn new(state: &'a State) -> Self {
        Self { state, changes: Changes::default() }
    }

    /// Ends it.
    pub(super) fn into_changes(mut self) -> Changes {
        let replaced = self.changes.assets.keys().filter_map(|key| self.state.assets.get(key));
        self.changes.replaced_ids = replaced.map(|asset| asset.id.clone()).collect();
        self.changes
    }

    fn get(&self, key: &AssetKey) -> Option<Arc<Asset>> {
        match self.changes.assets.get(key) {
            Some(asset) => asset.clone(),
            None => self.state.assets.get(key).map(Arc::clone),
        }
    }

    fn insert(&mut self, asset: Asset) -> Arc<Asset> {
        let asset = Arc::new(asset);
        self.changes.assets.insert(asset.key.clone(), Some(Arc::clone(&asset)));
        asset
    }

    fn remove_files(&mut self, asset: &Asset) {
        self.changes.removed_files.extend(asset.content.iter().map(|file| file.name.clone()));
    }

    /// Stores an upload.
    pub(super) fn put(
        &mut self,
        key: AssetKey,
        (description, etag): (Description, String),
        content: Incoming,
        overwrite: Overwrite,
    ) -> Outcome {
        let old = self.get(&key);
        if let (Some(old), Overwrite::No) = (&old, overwrite) {
            return Outcome::Existing(Arc::clone(old));
        }
        let asset = self.insert(Asset {
            id: old.as_ref().map_or_else(random_id, |old| old.id.clone()),
            version_id: random_id(),
            key,
            bytes: content.bytes,
            etag,
            description,
            content: content.files.iter().map(|file| file.content.clone()).collect(),
        });
        self.changes.new_files.extend(content.files);
        match old {
            None => Outcome::Created(asset),
            Some(old) => {
                self.remove_files(&old);
                Outcome::Replaced(asset)
            }
        }
    }

    /// Removes an asset; returns it.
    pub(super) fn remove(&mut self, key: &AssetKey) -> Option<Arc<Asset>> {
        let asset = self.get(key)?;
        self.remove_files(&asset);
        self.changes.assets.insert(key.clone(), None);
        Some(asset)
    }

    /// Changes what is known about an asset.
    pub(super) fn change(
        &mut self,
        key: &AssetKey,
        change: impl FnOnce(&mut Description),
    ) -> Option<Arc<Asset>> {
        let mut asset = Asset::clone(&*self.get(key)?);
        change(&mut asset.description);
        Some(self.insert(asset))
    }

    /// Gives an asset another key.
    pub(super) fn rename(&mut self, from: &AssetKey, to: AssetKey, overwrite: Overwrite) -> Renamed {
        let Some(old) = self.get(from) else {
            return Renamed::NotFound;
        };
        let replaced = self.get(&to).filter(|other| other.id != old.id);
        if let Some(other) = &replaced {
            if overwrite == Overwrite::No {
                return Renamed::Taken;
            }
            self.remove_files(other);
        }
        self.changes.assets.insert(from.clone(), None);
        let asset = self.insert(Asset { key: to, ..Asset::clone(&old) });
        Renamed::Done { asset, replaced }
    }

    /// Changes presets and folders, unless `change` fails.
    pub(super) fn change_settings<T, E>(
        &mut self,
        change: impl FnOnce(&mut Settings) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut settings = self.changes.settings.as_ref().unwrap_or(&self.state.settings).clone();
        let outcome = change(&mut settings)?;
        self.changes.settings = Some(settings);
        Ok(outcome)
    }

    /// Removes everything; returns how many assets there were.
    pub(super) fn clear(&mut self) -> usize {
        let keys: Vec<_> = self.state.assets.keys().chain(self.changes.assets.keys()).cloned().collect();
        self.changes.settings = Some(Settings::default());
        keys.iter().filter_map(|key| self.remove(key)).count()
    }
}
