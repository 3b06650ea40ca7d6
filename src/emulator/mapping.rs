//! Upload mappings: an asset that is asked for, and not there, is fetched from the address that its folder stands for,
//! and stays.

use crate::delivery::DeliveryType;

use super::Backend;
use super::refusal::Refusal;
use super::store::{AssetKey, Overwrite};
use super::upload::{UploadParams, checked_public_id, detect_as, name_of};

/// Fetches the asset, if its folder is mapped; says whether it did.
pub(super) async fn fetch(backend: &Backend, key: &AssetKey, format: Option<&str>) -> Result<bool, Refusal> {
    let Some(address) = address(backend, key, format) else {
        return Ok(false);
    };
    let max_bytes = backend.limits.request_file_bytes;
    let (content, name) = match backend.outgoing.fetch(&address, &backend.store, max_bytes).await {
        Err(Refusal::RemoteNotFound { .. }) => return Ok(false),
        fetched => fetched?,
    };
    if content.bytes > max_bytes {
        return Err(Refusal::FileTooLarge { got: content.bytes, maximum: max_bytes });
    }
    let (kind, measures) = detect_as(&content, key.resource_type).await?;
    let description = UploadParams::default().describe(&kind, measures, name_of(&name), backend.clock.now());
    backend.store.put(key.clone(), description, content, Overwrite::No).await?;
    Ok(true)
}

/// Where the asset is to be had: the template of the longest mapped folder, and what comes behind the folder.
fn address(backend: &Backend, key: &AssetKey, format: Option<&str>) -> Option<String> {
    if key.delivery_type != DeliveryType::Upload || checked_public_id(&key.public_id).ok()? != key.public_id {
        return None;
    }
    let behind = |folder: &str| key.public_id.strip_prefix(folder)?.strip_prefix('/');
    let (template, rest) = backend.store.settings(|all| {
        let mappings = all.of(&key.cloud)?.mappings.iter();
        let fitting =
            mappings.filter_map(|(folder, template)| Some((folder.len(), template, behind(folder)?)));
        let (_, template, rest) = fitting.max_by_key(|(length, ..)| *length)?;
        Some((template.clone(), rest.to_owned()))
    })?;
    let extension = format.map_or_else(String::new, |format| format!(".{format}"));
    Some(format!("{}/{rest}{extension}", template.trim_end_matches('/')))
}
