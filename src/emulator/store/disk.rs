//! The directory: what is renamed, synced and removed in which order, so that a crash leaves nothing half done.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::{NamedTempFile, TempDir};

use super::{Asset, AssetKey, Incoming, Settings, StoreError};

/// What the names of incoming files begin with.
const INCOMING_PREFIX: &str = "upload-";

/// The file that holds upload presets and folders.
const SETTINGS: &str = "settings.json";

/// The directory of a store.
#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    /// Whether acknowledged assets must outlive the machine's power: not in a temporary folder.
    durable: bool,
    /// Held as long as the store is open.
    _lock: File,
    /// Removed when the store goes away, after the lock.
    _temporary: Option<TempDir>,
}

impl Disk {
    /// Opens `dir`, or a temporary folder, for this process alone.
    pub(super) fn open(dir: Option<PathBuf>) -> Result<Self, StoreError> {
        let temporary = match dir {
            Some(_) => None,
            None => Some(temporary_dir()?),
        };
        let durable = dir.is_some();
        let root = dir.or_else(|| temporary.as_ref().map(|dir| dir.path().to_owned())).unwrap_or_default();
        fs::create_dir_all(&root).map_err(failed("create", &root))?;
        let lock = lock(&root)?;
        let disk = Self { root, durable, _lock: lock, _temporary: temporary };
        for part in [disk.incoming(), disk.files(), disk.assets()] {
            fs::create_dir_all(&part).map_err(failed("create", &part))?;
        }
        disk.sync_dir(&disk.root)?;
        Ok(disk)
    }

    /// Every asset that has both its metadata and its content. Metadata that cannot be read stops the start, because
    /// to go on would be to remove the content that it describes.
    pub(super) fn read_assets(&self) -> Result<Vec<Asset>, StoreError> {
        let mut assets = Vec::new();
        for path in list(&self.assets())? {
            let Some(id) = metadata_id(&path) else {
                continue;
            };
            let asset = read_asset(&path, id)?;
            if self.content_path(&asset).is_file() {
                assets.push(asset);
            } else {
                tracing::warn!(path = %path.display(), "the content of an asset is missing");
            }
        }
        // What a renaming took the place of is gone, even if the process died before its file was.
        let replaced: HashSet<(String, String)> =
            assets.iter().filter_map(|asset| Some((asset.replaces.clone()?, asset.id.clone()))).collect();
        let keys: HashMap<String, AssetKey> =
            assets.iter().map(|asset| (asset.id.clone(), asset.key.clone())).collect();
        let is_gone = |asset: &Asset| {
            replaced.iter().any(|(old, new)| *old == asset.id && keys.get(new) == Some(&asset.key))
        };
        let (gone, assets): (Vec<_>, Vec<_>) = assets.into_iter().partition(is_gone);
        for asset in &gone {
            self.remove(asset)?;
        }
        Ok(assets)
    }

    /// Removes what uploads and deletions left behind when they were cut off. Only files with names that are made here
    /// go: the directory may hold others that are dear to somebody.
    pub(super) fn remove_strays<'a>(
        &self,
        assets: impl Iterator<Item = &'a Asset>,
    ) -> Result<(), StoreError> {
        let known: HashSet<OsString> = assets.map(|asset| content_name(asset).into()).collect();
        let is_ours = |path: &PathBuf| is_named(path, |name| name.starts_with(INCOMING_PREFIX));
        let incoming = list(&self.incoming())?.into_iter().filter(is_ours);
        let is_content = |path: &PathBuf| is_named(path, is_content_name);
        let contents = list(&self.files())?.into_iter().filter(is_content);
        let unknown = contents.filter(|path| path.file_name().is_none_or(|name| !known.contains(name)));
        for path in incoming.chain(unknown) {
            fs::remove_file(&path).map_err(failed("remove", &path))?;
        }
        Ok(())
    }

    /// An empty file among the incoming ones; removed unless it is kept.
    pub(super) fn create_incoming(&self) -> Result<NamedTempFile, StoreError> {
        let dir = self.incoming();
        tempfile::Builder::new()
            .prefix(INCOMING_PREFIX)
            .tempfile_in(&dir)
            .map_err(failed("create a file in", &dir))
    }

    /// Waits until an incoming file is on the disk.
    pub(super) fn sync_incoming(&self, content: &Incoming) -> Result<(), StoreError> {
        if !self.durable {
            return Ok(());
        }
        File::open(content.path()).and_then(|file| file.sync_all()).map_err(failed("sync", content.path()))
    }

    /// Content first, then metadata: an asset exists once its metadata does.
    pub(super) fn write(&self, asset: &Asset, content: Incoming) -> Result<(), StoreError> {
        let path = self.content_path(asset);
        content.into_path().persist(&path).map_err(|failure| failed("keep", &path)(failure.error))?;
        self.sync_dir(&self.files())?;
        if let Err(failure) = self.write_metadata(asset) {
            // Without metadata nothing points at the content; what stays is removed at the next start.
            let _ = fs::remove_file(&path);
            return Err(failure);
        }
        self.sync_dir(&self.assets())
    }

    /// Puts new metadata in the place of the old; the content stays.
    pub(super) fn rewrite(&self, asset: &Asset) -> Result<(), StoreError> {
        self.write_metadata(asset)?;
        self.sync_dir(&self.assets())
    }

    fn write_metadata(&self, asset: &Asset) -> Result<(), StoreError> {
        self.write_json(asset, &self.metadata_path(asset))
    }

    /// Presets and folders; none before the first is made.
    pub(super) fn read_settings(&self) -> Result<Settings, StoreError> {
        let path = self.root.join(SETTINGS);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).ok().ok_or(StoreError::NotSettings(path)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Settings::default()),
            Err(cause) => Err(failed("read", &path)(cause)),
        }
    }

    /// Puts presets and folders in the place of those before.
    pub(super) fn write_settings(&self, settings: &Settings) -> Result<(), StoreError> {
        self.write_json(settings, &self.root.join(SETTINGS))?;
        self.sync_dir(&self.root)
    }

    /// Written beside, synced and renamed, so that the file is the old one or the new one.
    fn write_json(&self, value: &impl Serialize, path: &Path) -> Result<(), StoreError> {
        let mut file = self.create_incoming()?;
        serde_json::to_vec(value)
            .map_err(io::Error::from)
            .and_then(|text| file.write_all(&text))
            .map_err(failed("write", path))?;
        if self.durable {
            file.as_file().sync_all().map_err(failed("sync", path))?;
        }
        file.persist(path).map_err(|failure| failed("keep", path)(failure.error))?;
        Ok(())
    }

    /// Metadata first, then content: from the first step on the asset is gone.
    pub(super) fn remove(&self, asset: &Asset) -> Result<(), StoreError> {
        let path = self.metadata_path(asset);
        fs::remove_file(&path).map_err(failed("remove", &path))?;
        self.sync_dir(&self.assets())?;
        self.remove_content(asset);
        Ok(())
    }

    /// Removes a content that nothing points at any more; if that fails, the next start does it.
    pub(super) fn remove_content(&self, asset: &Asset) {
        let path = self.content_path(asset);
        if let Err(cause) = fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %cause, "an old content stays until the next start");
        }
    }

    /// Where the content of an asset is.
    pub(super) fn content_path(&self, asset: &Asset) -> PathBuf {
        self.files().join(content_name(asset))
    }

    fn metadata_path(&self, asset: &Asset) -> PathBuf {
        self.assets().join(format!("{}.json", asset.id))
    }

    fn incoming(&self) -> PathBuf {
        self.root.join("incoming")
    }

    fn files(&self) -> PathBuf {
        self.root.join("files")
    }

    fn assets(&self) -> PathBuf {
        self.root.join("assets")
    }

    /// A rename is only safe once the directory that holds the name is.
    fn sync_dir(&self, dir: &Path) -> Result<(), StoreError> {
        if !self.durable {
            return Ok(());
        }
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed("sync", dir))
    }
}

fn temporary_dir() -> Result<TempDir, StoreError> {
    tempfile::Builder::new()
        .prefix("countersign-emulator-")
        .tempdir()
        .map_err(failed("create a folder in", &tempfile::env::temp_dir()))
}

fn lock(root: &Path) -> Result<File, StoreError> {
    let path = root.join("lock");
    let file = File::create(&path).map_err(failed("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(root.to_owned())),
        Err(TryLockError::Error(cause)) => Err(failed("lock", &path)(cause)),
    }
}

/// The asset that the name of a metadata file tells of.
fn metadata_id(path: &Path) -> Option<&str> {
    let id = path.file_name()?.to_str()?.strip_suffix(".json")?;
    is_hex(id).then_some(id)
}

/// Ids become file names, so they are believed only where they are what this program writes.
fn read_asset(path: &Path, id: &str) -> Result<Asset, StoreError> {
    let text = fs::read(path).map_err(failed("read", path))?;
    serde_json::from_slice(&text)
        .ok()
        .filter(|asset: &Asset| asset.id == id && is_hex(&asset.version_id))
        .ok_or_else(|| StoreError::NotAnAsset(path.to_owned()))
}

fn content_name(asset: &Asset) -> String {
    format!("{}-{}", asset.id, asset.version_id)
}

/// Whether `id` is of the kind that every asset and every version gets.
fn is_hex(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a name is of the kind that [`content_name`] makes.
fn is_content_name(name: &str) -> bool {
    name.split_once('-').is_some_and(|(asset, version)| is_hex(asset) && is_hex(version))
}

fn is_named(path: &Path, is_right: impl Fn(&str) -> bool) -> bool {
    path.file_name().and_then(OsStr::to_str).is_some_and(is_right)
}

/// The regular files in `dir`.
fn list(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = fs::read_dir(dir).map_err(failed("list", dir))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let files = paths.filter(|path| path.as_ref().map_or(true, |path| path.is_file()));
    files.collect::<io::Result<_>>().map_err(failed("list", dir))
}

/// Says what was tried on which file when the file system says no.
pub(super) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |cause| StoreError::File { doing, path, cause }
}
