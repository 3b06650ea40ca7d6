//! `GET /resources/…` and `GET /tags/…`: lists of assets, picked in every way the Admin API knows, and of tags.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use serde_json::{Value, json};

use super::super::attributes::folder_path;
use super::super::fields::Fields;
use super::folders::folder_of;
use super::{Admin, AdminJson, Asset, Backend, Refusal, page, parse_kind, read};

type Answer = Result<AdminJson<Value>, Refusal>;

/// The resource types there are.
pub(in crate::emulator) async fn resource_types(
    State(backend): State<Arc<Backend>>,
    _: Admin,
) -> AdminJson<Value> {
    AdminJson::new(&backend, json!({ "resource_types": ["image", "raw", "video"] }))
}

/// The assets of one resource type and delivery type, by prefix or by public ids if wanted.
pub(in crate::emulator) async fn list(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, resource_type, delivery_type)): Path<(String, String, String)>,
    request: Request,
) -> Answer {
    let (resource_type, delivery_type) = parse_kind(&resource_type, &delivery_type)?;
    let fields = read(&backend, request).await?;
    let ids = fields.list("public_ids");
    let prefix = fields.get("prefix").unwrap_or_default();
    pick(&backend, &admin, &fields, |asset| {
        let key = &asset.key;
        (key.resource_type, key.delivery_type) == (resource_type, delivery_type)
            && key.public_id.starts_with(prefix)
            && (ids.is_empty() || ids.contains(&key.public_id.as_str()))
    })
}

/// The assets of one resource type with a tag.
pub(in crate::emulator) async fn by_tag(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, resource_type, tag)): Path<(String, String, String)>,
    request: Request,
) -> Answer {
    let (resource_type, _) = parse_kind(&resource_type, "upload")?;
    let fields = read(&backend, request).await?;
    pick(&backend, &admin, &fields, |asset| {
        asset.key.resource_type == resource_type && asset.description.tags.contains(&tag)
    })
}

/// The assets of one resource type with a context key, and with a value of it if one is given.
pub(in crate::emulator) async fn by_context(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, resource_type)): Path<(String, String)>,
    request: Request,
) -> Answer {
    let (resource_type, _) = parse_kind(&resource_type, "upload")?;
    let fields = read(&backend, request).await?;
    let (key, value) = (fields.require("key")?, fields.get("value"));
    pick(&backend, &admin, &fields, |asset| {
        let found = asset.description.context.get(key);
        asset.key.resource_type == resource_type
            && found.is_some_and(|found| value.is_none_or(|value| value == found))
    })
}

/// The assets of one resource type in a state of moderation.
pub(in crate::emulator) async fn by_moderation(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, resource_type, kind, status)): Path<(String, String, String, String)>,
    request: Request,
) -> Answer {
    let (resource_type, _) = parse_kind(&resource_type, "upload")?;
    let fields = read(&backend, request).await?;
    pick(&backend, &admin, &fields, |asset| {
        let mut moderations = asset.description.moderation.iter();
        asset.key.resource_type == resource_type
            && moderations.any(|one| one.kind == kind && one.status == status)
    })
}

/// The assets with these asset ids.
pub(in crate::emulator) async fn by_asset_ids(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    request: Request,
) -> Answer {
    let fields = read(&backend, request).await?;
    let ids = fields.list("asset_ids");
    if ids.is_empty() {
        return Err(Refusal::MissingParameter("asset_ids"));
    }
    pick(&backend, &admin, &fields, |asset| ids.contains(&asset.id.as_str()))
}

/// The assets in a folder, those in folders below it left out.
pub(in crate::emulator) async fn by_asset_folder(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    request: Request,
) -> Answer {
    let fields = read(&backend, request).await?;
    let folder = folder_path(fields.require("asset_folder")?);
    pick(&backend, &admin, &fields, |asset| folder_of(asset) == folder)
}

/// Every tag of one resource type, in order.
pub(in crate::emulator) async fn tags(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, resource_type)): Path<(String, String)>,
    request: Request,
) -> Answer {
    let (resource_type, _) = parse_kind(&resource_type, "upload")?;
    let fields = read(&backend, request).await?;
    let prefix = fields.get("prefix").unwrap_or_default();
    let mut tags = BTreeSet::new();
    for asset in admin.assets(&backend) {
        if asset.key.resource_type == resource_type {
            tags.extend(asset.description.tags.iter().filter(|tag| tag.starts_with(prefix)).cloned());
        }
    }
    let body = page::of_names("tags", tags.into_iter().collect(), &fields)?;
    Ok(AdminJson::new(&backend, body))
}

/// A page of the assets that `is_meant` picks.
pub(super) fn pick(
    backend: &Backend,
    admin: &Admin,
    fields: &Fields,
    is_meant: impl Fn(&Asset) -> bool,
) -> Answer {
    let mut assets = admin.assets(backend);
    assets.retain(|asset| is_meant(asset));
    Ok(AdminJson::new(backend, page::of_assets(backend, admin, assets, fields)?))
}
