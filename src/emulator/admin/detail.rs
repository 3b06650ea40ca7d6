//! `GET` and `POST /resources/{resource_type}/{type}/{public_id}`, and `GET /resources/{asset_id}`: one asset.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::answer::{DerivedAnswer, with_note};
use super::super::attributes::Attributes;
use super::super::fields::Fields;
use super::super::metadata::MetadataFields;
use super::super::store::{Asset, Description};
use super::listing::pick;
use super::{
    Access, Admin, AdminJson, Algorithm, Backend, Occasion, Refusal, page, parse_kind, read, related,
};

/// States that a person can give a moderated asset.
const MODERATION_STATUSES: [&str; 3] = ["approved", "pending", "rejected"];

/// Parameters of an update that need an add-on; the emulator takes no value of theirs.
const ADD_ONS: [&str; 7] = [
    "auto_tagging",
    "background_removal",
    "categorization",
    "detection",
    "ocr",
    "raw_convert",
    "similarity_search",
];

/// Details that may be asked for, and that the emulator does not have.
const NOT_SHOWN: [&str; 9] = [
    "accessibility_analysis",
    "cinemagraph_analysis",
    "colors",
    "exif",
    "image_metadata",
    "media_metadata",
    "phash",
    "quality_analysis",
    "versions",
];

/// The details of the asset with this asset id; or, for a resource type, the assets of it.
pub(in crate::emulator) async fn by_asset_id_or_list(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, word)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let fields = read(&backend, request).await?;
    if let Ok((resource_type, _)) = parse_kind(&word, "upload") {
        if fields.get("prefix").is_some() {
            return Err(Refusal::MissingParameter("type"));
        }
        let list = pick(&backend, &admin, &fields, |asset| asset.key.resource_type == resource_type);
        return list.map(IntoResponse::into_response);
    }
    let mut assets = admin.assets(&backend).into_iter();
    let asset = assets.find(|asset| asset.id == word).ok_or(Refusal::NotFound(word))?;
    Ok(with_what_is_missing(AdminJson::new(&backend, details(&backend, &admin, &asset, &fields)), &fields))
}

/// The details of one asset.
pub(in crate::emulator) async fn show(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, resource_type, delivery_type, public_id)): Path<(String, String, String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let (resource_type, delivery_type) = parse_kind(&resource_type, &delivery_type)?;
    let fields = read(&backend, request).await?;
    let key = admin.key(resource_type, delivery_type, &public_id);
    let asset = backend.store.get(&key).ok_or(Refusal::NotFound(public_id))?;
    Ok(with_what_is_missing(AdminJson::new(&backend, details(&backend, &admin, &asset, &fields)), &fields))
}

/// The answer with a note on what was asked for and is not in it.
fn with_what_is_missing(answer: AdminJson<Value>, fields: &Fields) -> Response {
    let mut asked_for = fields.given(&NOT_SHOWN);
    asked_for.retain(|name| fields.flag(name) == Some(true));
    with_note(answer, "not shown", &asked_for)
}

/// Changes what is known about one asset.
pub(in crate::emulator) async fn update(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, resource_type, delivery_type, public_id)): Path<(String, String, String, String)>,
    request: Request,
) -> Result<AdminJson<Value>, Refusal> {
    if matches!(public_id.as_str(), "restore" | "update_access_mode") {
        return Err(Refusal::NotEmulated(format!(
            "POST resources/{resource_type}/{delivery_type}/{public_id}"
        )));
    }
    let (resource_type, delivery_type) = parse_kind(&resource_type, &delivery_type)?;
    let fields = read(&backend, request).await?;
    let key = admin.key(resource_type, delivery_type, &public_id);
    let before = backend.store.get(&key).ok_or_else(|| Refusal::NotFound(public_id.clone()))?;
    let metadata = backend.store.settings(|all| all.metadata_of(&admin.cloud));
    let changes = Changes::parse(&fields, &before, &metadata)?;
    let told = changes.clone();
    let now = backend.clock.now();
    let change = move |description: &mut Description| {
        changes.apply(description);
        description.updated_at = Some(now);
    };
    let after = backend.store.change(key, change).await?.ok_or(Refusal::NotFound(public_id))?;
    tell(&backend, &admin, &fields, &told, &after);
    Ok(AdminJson::new(&backend, details(&backend, &admin, &after, &fields)))
}

/// What an update changes.
#[derive(Clone)]
struct Changes {
    attributes: Attributes,
    moderation_status: Option<String>,
}

impl Changes {
    fn parse(fields: &Fields, asset: &Asset, metadata: &MetadataFields) -> Result<Self, Refusal> {
        if let Some(name) = fields.given(&ADD_ONS).into_iter().find(|name| fields.get(name).is_some()) {
            let value = fields.get(name).unwrap_or_default().to_owned();
            return Err(Refusal::IllegalValue { name, value });
        }
        let status = fields.get("moderation_status").map(str::to_owned);
        if let Some(value) = &status {
            let is_moderated = !asset.description.moderation.is_empty();
            if !MODERATION_STATUSES.contains(&value.as_str()) || !is_moderated {
                return Err(Refusal::IllegalValue { name: "moderation_status", value: value.clone() });
            }
        }
        let attributes = Attributes::parse(fields)?.held_against(metadata)?;
        Ok(Self { attributes, moderation_status: status })
    }

    fn apply(self, description: &mut Description) {
        self.attributes.apply(description);
        if let Some(status) = self.moderation_status {
            for moderation in &mut description.moderation {
                moderation.status.clone_from(&status);
            }
        }
    }
}

fn tell(backend: &Backend, admin: &Admin, fields: &Fields, changes: &Changes, asset: &Asset) {
    let assets = std::slice::from_ref(asset);
    let occasions = [
        changes.moderation_status.is_some().then_some(Occasion::Moderation(asset)),
        changes.attributes.tags.is_some().then_some(Occasion::Tags(assets)),
        changes.attributes.context.is_some().then_some(Occasion::Context(assets)),
        changes.attributes.metadata.is_some().then_some(Occasion::Metadata(assets)),
    ];
    for occasion in occasions.into_iter().flatten() {
        admin.announce(backend, occasion, fields);
    }
}

/// Everything about an asset; coordinates and faces only if they are asked for.
fn details(backend: &Backend, admin: &Admin, asset: &Asset, fields: &Fields) -> Value {
    let mut members: Map<String, Value> = page::members(backend, admin, asset);
    for name in ["coordinates", "faces"] {
        if fields.flag(name) != Some(true) {
            members.remove(name);
        }
    }
    if fields.flag("related") == Some(true) {
        members.insert("related_assets".to_owned(), related::shown(admin, backend, asset));
    }
    if asset.description.tags.is_empty() {
        members.remove("tags");
    }
    let changed_at = asset.description.updated_at.unwrap_or(asset.description.created_at);
    let changed_at = Timestamp::from_second(changed_at.0).unwrap_or_default().to_string();
    members.insert("last_updated".to_owned(), json!({ "updated_at": changed_at }));
    let access = Access { account: &admin.account, algorithm: Algorithm::default() };
    let derived =
        asset.description.derived.iter().map(|derived| {
            DerivedAnswer::new(asset, derived, &backend.origin(), access).with_id(&derived.id)
        });
    members.insert("derived".to_owned(), json!(derived.collect::<Vec<_>>()));
    Value::Object(members)
}
