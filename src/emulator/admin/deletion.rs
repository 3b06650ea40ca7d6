//! `DELETE /resources/…` and `/derived_resources`: by public ids, prefix, all, tag and asset ids.
//!
//! Prefix, tag and all reach a thousand assets a call; then the answer says `partial` and names where to go on.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::super::attributes::words;
use super::super::fields::Fields;
use super::super::store::{Asset, AssetKey, Description};
use super::{Admin, AdminJson, Backend, Occasion, Refusal, parse_kind, read};

/// How many ids one deletion may name.
const MAX_IDS: usize = 100;

/// How many assets one deletion may reach without naming them.
const MAX_ASSETS: usize = 1_000;

type Answer = Result<AdminJson<DeletionAnswer>, Refusal>;

/// Deletes assets of one resource type and delivery type.
pub(in crate::emulator) async fn delete_resources(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, resource_type, delivery_type)): Path<(String, String, String)>,
    request: Request,
) -> Answer {
    let (resource_type, delivery_type) = parse_kind(&resource_type, &delivery_type)?;
    let fields = read(&backend, request).await?;
    let is_kind =
        |asset: &Asset| (asset.key.resource_type, asset.key.delivery_type) == (resource_type, delivery_type);
    if let Some(prefix) = fields.get("prefix") {
        let is_meant = |asset: &Asset| is_kind(asset) && asset.key.public_id.starts_with(prefix);
        return delete_matching(&backend, &admin, &fields, is_meant).await;
    }
    if fields.flag("all") == Some(true) {
        return delete_matching(&backend, &admin, &fields, is_kind).await;
    }
    let ids = selected(&fields, "public_ids")?;
    let targets = ids.into_iter().map(|id| (admin.key(resource_type, delivery_type, &id), id)).collect();
    delete(&backend, &admin, &fields, targets, None).await
}

/// Deletes the assets of one resource type that have a tag.
pub(in crate::emulator) async fn delete_by_tag(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, resource_type, tag)): Path<(String, String, String)>,
    request: Request,
) -> Answer {
    let (resource_type, _) = parse_kind(&resource_type, "upload")?;
    let fields = read(&backend, request).await?;
    let is_meant =
        |asset: &Asset| asset.key.resource_type == resource_type && asset.description.tags.contains(&tag);
    delete_matching(&backend, &admin, &fields, is_meant).await
}

/// Deletes assets of any kind by their asset ids.
pub(in crate::emulator) async fn delete_by_asset_ids(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    request: Request,
) -> Answer {
    let fields = read(&backend, request).await?;
    let assets = admin.assets(&backend);
    let nothing =
        || admin.key(crate::delivery::ResourceType::Image, crate::delivery::DeliveryType::Upload, "");
    let key_of = |id: &str| assets.iter().find(|asset| asset.id == id).map(|asset| asset.key.clone());
    let ids = selected(&fields, "asset_ids")?;
    let targets = ids.into_iter().map(|id| (key_of(&id).unwrap_or_else(nothing), id)).collect();
    delete(&backend, &admin, &fields, targets, None).await
}

/// Forgets transformations that were noted.
pub(in crate::emulator) async fn delete_derived(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    request: Request,
) -> Result<AdminJson<Value>, Refusal> {
    let fields = read(&backend, request).await?;
    let mut outcomes = Vec::new();
    for id in selected(&fields, "derived_resource_ids")? {
        let has_it = |asset: &&Arc<Asset>| asset.description.derived.iter().any(|one| one.id == id);
        let assets = admin.assets(&backend);
        let owner = assets.iter().find(has_it);
        if let Some(asset) = owner {
            let id = id.clone();
            let forget = move |one: &mut Description| one.derived.retain(|derived| derived.id != id);
            backend.store.change(asset.key.clone(), forget).await?;
        }
        outcomes.push((id, word(owner.is_some())));
    }
    Ok(AdminJson::new(&backend, json!({ "deleted": InOrder(outcomes) })))
}

/// The ids under `name`, each once.
fn selected(fields: &Fields, name: &'static str) -> Result<Vec<String>, Refusal> {
    let ids = words(&fields.list(name));
    match ids.len() {
        0 => Err(Refusal::MissingParameter(name)),
        count if count > MAX_IDS => Err(Refusal::TooManyIds(MAX_IDS)),
        _ => Ok(ids),
    }
}

async fn delete_matching(
    backend: &Backend,
    admin: &Admin,
    fields: &Fields,
    is_meant: impl Fn(&Asset) -> bool,
) -> Answer {
    let mut assets = admin.assets(backend);
    assets.retain(|asset| is_meant(asset));
    let rest = assets.split_off(assets.len().min(MAX_ASSETS));
    let targets = assets.iter().map(|asset| (asset.key.clone(), asset.key.public_id.clone())).collect();
    let next_cursor = rest.first().map(|asset| asset.id.clone());
    delete(backend, admin, fields, targets, next_cursor).await
}

async fn delete(
    backend: &Backend,
    admin: &Admin,
    fields: &Fields,
    targets: Vec<(AssetKey, String)>,
    next_cursor: Option<String>,
) -> Answer {
    let keeps_original = fields.flag("keep_original") == Some(true);
    let only: Option<Vec<String>> =
        fields.get("transformations").map(|text| text.split('|').map(str::to_owned).collect());
    let (mut outcomes, mut removed) = (Vec::new(), Vec::new());
    for (key, id) in targets {
        let asset = if keeps_original {
            forget_derived(backend, key, only.clone()).await?
        } else {
            backend.store.remove(key).await?
        };
        let derived = asset.as_ref().map_or(0, |asset| asset.description.derived.len());
        let counts = Counts { original: u8::from(asset.is_some() && !keeps_original), derived };
        outcomes.push((id, asset.is_some(), counts));
        removed.extend(asset.filter(|_| !keeps_original).map(|asset| Asset::clone(&asset)));
    }
    admin.announce(backend, Occasion::Delete(&removed), fields);
    Ok(AdminJson::new(backend, DeletionAnswer::of(outcomes, next_cursor)))
}

/// Forgets the transformations of an asset, or those named; the asset as it was before.
async fn forget_derived(
    backend: &Backend,
    key: AssetKey,
    only: Option<Vec<String>>,
) -> Result<Option<Arc<Asset>>, Refusal> {
    let before = backend.store.get(&key);
    let is_meant =
        move |transformation: &String| only.as_ref().is_none_or(|only| only.contains(transformation));
    let forget =
        move |one: &mut Description| one.derived.retain(|derived| !is_meant(&derived.transformation));
    backend.store.change(key, forget).await?;
    Ok(before)
}

const fn word(was_there: bool) -> &'static str {
    if was_there { "deleted" } else { "not_found" }
}

/// What became of each id.
#[derive(Debug, Serialize)]
pub(in crate::emulator) struct DeletionAnswer {
    deleted: InOrder<&'static str>,
    deleted_counts: InOrder<Counts>,
    partial: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize)]
struct Counts {
    original: u8,
    derived: usize,
}

impl DeletionAnswer {
    fn of(outcomes: Vec<(String, bool, Counts)>, next_cursor: Option<String>) -> Self {
        let words = outcomes.iter().map(|(id, was_there, _)| (id.clone(), word(*was_there)));
        let deleted = InOrder(words.collect());
        let counts = outcomes.into_iter().map(|(id, _, counts)| (id, counts));
        let deleted_counts = InOrder(counts.collect());
        Self { deleted, deleted_counts, partial: next_cursor.is_some(), next_cursor }
    }
}

/// A JSON object whose members keep their order.
#[derive(Debug)]
struct InOrder<T>(Vec<(String, T)>);

impl<T: Serialize> Serialize for InOrder<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
