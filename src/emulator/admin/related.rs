//! `/resources/related_assets/…`: assets that belong together. A relation goes both ways.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use serde_json::{Value, json};

use super::super::attributes::words;
use super::super::fields::Fields;
use super::super::store::{Asset, AssetKey, Description};
use super::{Admin, AdminJson, Backend, Refusal, parse_kind, read};

type Answer = Result<AdminJson<Value>, Refusal>;

/// How many assets one call may name.
const MAX_IDS: usize = 10;

/// An asset as a call names it, if it is there.
type Named = (String, Option<Arc<Asset>>);

/// What a call does to relations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Relate,
    Unrelate,
}

impl Deed {
    /// The parameter that names the other assets.
    const fn parameter(self) -> &'static str {
        match self {
            Self::Relate => "assets_to_relate",
            Self::Unrelate => "assets_to_unrelate",
        }
    }
}

/// Relates an asset to others, each named as `resource_type/type/public_id`.
pub(in crate::emulator) async fn relate(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, resource_type, delivery_type, public_id)): Path<(String, String, String, String)>,
    request: Request,
) -> Answer {
    let key = key_of(&admin, &format!("{resource_type}/{delivery_type}/{public_id}"));
    by_public_ids(&backend, &admin, Deed::Relate, key, request).await
}

/// Takes such relations away.
pub(in crate::emulator) async fn unrelate(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, resource_type, delivery_type, public_id)): Path<(String, String, String, String)>,
    request: Request,
) -> Answer {
    let key = key_of(&admin, &format!("{resource_type}/{delivery_type}/{public_id}"));
    by_public_ids(&backend, &admin, Deed::Unrelate, key, request).await
}

/// Relates an asset to others, all named by their asset ids.
pub(in crate::emulator) async fn relate_by_asset_id(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, id)): Path<(String, String)>,
    request: Request,
) -> Answer {
    by_asset_ids(&backend, &admin, Deed::Relate, id, request).await
}

/// Takes such relations away.
pub(in crate::emulator) async fn unrelate_by_asset_id(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, id)): Path<(String, String)>,
    request: Request,
) -> Answer {
    by_asset_ids(&backend, &admin, Deed::Unrelate, id, request).await
}

/// The assets that are related to one, as its details show them.
pub(super) fn shown(admin: &Admin, backend: &Backend, asset: &Asset) -> Value {
    let others = admin.assets(backend).into_iter();
    let others = others.filter(|other| asset.description.related.contains(&other.id)).map(|other| {
        json!({
            "asset_id": other.id, "public_id": other.key.public_id, "resource_type": other.key.resource_type,
            "type": other.key.delivery_type,
        })
    });
    others.collect()
}

async fn by_public_ids(
    backend: &Backend,
    admin: &Admin,
    deed: Deed,
    key: Option<AssetKey>,
    request: Request,
) -> Answer {
    let fields = read(backend, request).await?;
    let asset = key.as_ref().and_then(|key| backend.store.get(key));
    let public_id = key.map_or_else(String::new, |key| key.public_id);
    let asset = asset.ok_or(Refusal::NotFound(public_id))?;
    let find = |name: &str| backend.store.get(&key_of(admin, name)?);
    change(backend, deed, &asset, named(&fields, deed, find)?).await
}

async fn by_asset_ids(backend: &Backend, admin: &Admin, deed: Deed, id: String, request: Request) -> Answer {
    let fields = read(backend, request).await?;
    let assets = admin.assets(backend);
    let find = |id: &str| assets.iter().find(|asset| asset.id == id).map(Arc::clone);
    let asset = find(&id).ok_or(Refusal::NotFound(id))?;
    change(backend, deed, &asset, named(&fields, deed, find)?).await
}

/// The other assets by the names that the call gives them; `None` for one that is not there.
fn named(
    fields: &Fields,
    deed: Deed,
    find: impl Fn(&str) -> Option<Arc<Asset>>,
) -> Result<Vec<Named>, Refusal> {
    let names = words(&fields.list(deed.parameter()));
    match names.len() {
        0 => Err(Refusal::MissingParameter(deed.parameter())),
        count if count > MAX_IDS => Err(Refusal::TooManyIds(MAX_IDS)),
        _ => Ok(names.into_iter().map(|name| (name.clone(), find(&name))).collect()),
    }
}

async fn change(backend: &Backend, deed: Deed, asset: &Asset, others: Vec<Named>) -> Answer {
    let (mut success, mut failed) = (Vec::new(), Vec::new());
    for (name, other) in others {
        match other.filter(|other| other.id != asset.id) {
            None => failed.push(json!({
                "asset": name, "status": 404, "code": "non_existing_ids", "message": "resource does not exist",
            })),
            Some(other) => {
                set(backend, deed, asset, &other).await?;
                set(backend, deed, &other, asset).await?;
                success.push(json!({
                    "asset": name, "status": 200, "code": "success_ids", "message": "success",
                }));
            }
        }
    }
    Ok(AdminJson::new(backend, json!({ "success": success, "failed": failed })))
}

async fn set(backend: &Backend, deed: Deed, asset: &Asset, other: &Asset) -> Result<(), Refusal> {
    let id = other.id.clone();
    let change = move |one: &mut Description| match deed {
        Deed::Relate => drop(one.related.insert(id)),
        Deed::Unrelate => drop(one.related.remove(&id)),
    };
    backend.store.change(asset.key.clone(), change).await?;
    Ok(())
}

/// What `resource_type/type/public_id` addresses, if it reads so.
fn key_of(admin: &Admin, name: &str) -> Option<AssetKey> {
    let (resource_type, rest) = name.split_once('/')?;
    let (delivery_type, public_id) = rest.split_once('/')?;
    let (resource_type, delivery_type) = parse_kind(resource_type, delivery_type).ok()?;
    Some(admin.key(resource_type, delivery_type, public_id))
}
