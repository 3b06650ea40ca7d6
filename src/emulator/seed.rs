//! First assets, from a folder: every file below it becomes an asset whose public id is its path.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use axum::body::Bytes;
use tokio::io::AsyncReadExt as _;

use crate::delivery::{DeliveryType, ResourceType};

use super::Backend;
use super::refusal::Refusal;
use super::store::{AssetKey, Incoming, Overwrite};
use super::upload::{UploadParams, checked_public_id, detect, name_of};

/// Why a folder cannot be taken in.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {cause}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the file system said.
        #[source]
        cause: io::Error,
    },
    /// A file cannot become an asset.
    #[error("cannot store {}: {reason}", .path.display())]
    Refused {
        /// Which.
        path: PathBuf,
        /// In the words of an upload's refusal.
        reason: String,
    },
}

/// Stores every file below `folder` in `cloud`, or in the first one. Says how many there were.
pub(super) async fn from_folder(
    backend: &Backend,
    folder: &Path,
    cloud: Option<&str>,
) -> Result<usize, SeedError> {
    let files = files_below(folder)?;
    let cloud = cloud.unwrap_or_else(|| backend.accounts.first_cloud());
    for path in &files {
        let relative = path.strip_prefix(folder).unwrap_or(path);
        let stored = store(backend, cloud, path, relative).await;
        stored.map_err(|refusal| SeedError::Refused { path: path.clone(), reason: refusal.to_string() })?;
    }
    Ok(files.len())
}

/// Every regular file, by name; hidden ones are left out.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>, SeedError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |cause| SeedError::Unreadable { path, cause }
    };
    let (mut files, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(unreadable(&folder))? {
            let path = entry.map_err(unreadable(&folder))?.path();
            let is_hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
            match is_hidden {
                true => {}
                false if path.is_dir() => open.push(path),
                false => files.push(path),
            }
        }
    }
    files.sort();
    Ok(files)
}

async fn store(backend: &Backend, cloud: &str, path: &Path, relative: &Path) -> Result<(), Refusal> {
    let content = read(backend, path).await?;
    let (kind, measures) = detect(&content).await?;
    let name = relative.to_string_lossy().replace('\\', "/");
    let public_id = match (kind.resource_type, name.rsplit_once('.')) {
        (ResourceType::Raw, _) | (_, None) => name.clone(),
        (_, Some((stem, _))) => stem.to_owned(),
    };
    let key = AssetKey {
        cloud: cloud.to_owned(),
        resource_type: kind.resource_type,
        delivery_type: DeliveryType::Upload,
        public_id: checked_public_id(&public_id)?,
    };
    let params = UploadParams::default();
    let description = params.describe(&kind, measures, name_of(&name), backend.clock.now());
    backend.store.put(key, description, content, Overwrite::Yes).await?;
    Ok(())
}

/// Copies the file among the incoming ones.
async fn read(backend: &Backend, path: &Path) -> Result<Incoming, Refusal> {
    let unreadable = |cause| super::store::StoreError::File { doing: "read", path: path.to_owned(), cause };
    let mut source = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let mut file = backend.store.incoming(backend.limits.chunked_file_bytes, false);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = source.read(&mut buffer).await.map_err(unreadable)?;
        if length == 0 {
            return Ok(file.finish().await?);
        }
        file.write(Bytes::copy_from_slice(&buffer[..length])).await?;
    }
}
