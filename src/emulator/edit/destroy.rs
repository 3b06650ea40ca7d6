//! `POST /v1_1/{cloud}/{resource_type}/destroy`, and by asset id: a signed call removes one asset.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use serde_json::{Value, json};

use super::super::notify::{Announcement, Occasion};
use super::{AssetKey, Backend, Edit, Refusal};

/// Removes the asset; one that is not there is no error.
pub(in crate::emulator) async fn destroy(
    State(backend): State<Arc<Backend>>,
    Path(path): Path<(String, String)>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let edit = Edit::read(&backend, path, request).await?;
    let key = edit.key(edit.fields.require("public_id")?);
    remove(&edit, Some(key)).await
}

/// The same for an asset named by its asset id.
pub(in crate::emulator) async fn destroy_by_asset_id(
    State(backend): State<Arc<Backend>>,
    Path(cloud): Path<String>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    // The path names no resource type; the asset has its own.
    let edit = Edit::read(&backend, (cloud, "image".to_owned()), request).await?;
    let id = edit.fields.require("asset_id")?;
    let mut assets = backend.store.list().into_iter();
    let asset = assets.find(|asset| asset.id == id && asset.key.cloud == edit.cloud);
    remove(&edit, asset.map(|asset| asset.key.clone())).await
}

async fn remove(edit: &Edit<'_>, key: Option<AssetKey>) -> Result<Json<Value>, Refusal> {
    let removed = match key {
        Some(key) => edit.backend.store.remove(key).await?,
        None => None,
    };
    let Some(asset) = removed else {
        return Ok(Json(json!({ "result": "not found" })));
    };
    edit.backend.notifier.announce(&Announcement {
        access: edit.access,
        occasion: Occasion::Delete(std::slice::from_ref(&*asset)),
        url: edit.fields.get("notification_url"),
    });
    Ok(Json(json!({ "result": "ok" })))
}
