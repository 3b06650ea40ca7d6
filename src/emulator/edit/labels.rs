//! `POST /v1_1/{cloud}/{resource_type}/tags`, `/context` and `/metadata`: labels of up to a thousand assets at once.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use serde_json::{Value, json};

use super::super::attributes::{parse_metadata, parse_pairs, words};
use super::super::metadata::merge;
use super::super::notify::{Announcement, Occasion};
use super::super::store::{Asset, Description};
use super::{Backend, Edit, Refusal};

/// How many assets one call may name.
const MAX_IDS: usize = 1_000;

/// Adds, removes and replaces tags.
pub(in crate::emulator) async fn tags(
    State(backend): State<Arc<Backend>>,
    Path(path): Path<(String, String)>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let edit = Edit::read(&backend, path, request).await?;
    let command = edit.fields.require("command")?;
    let tags = words(&edit.fields.list("tag"));
    if tags.is_empty() && command != "remove_all" {
        return Err(Refusal::MissingParameter("tag"));
    }
    let change: Change = match command {
        "add" => Box::new(move |one| add_tags(&mut one.tags, &tags)),
        "remove" => Box::new(move |one| one.tags.retain(|tag| !tags.contains(tag))),
        "replace" => Box::new(move |one| one.tags.clone_from(&tags)),
        "remove_all" => Box::new(|one| one.tags.clear()),
        "set_exclusive" => {
            let ids = selected_ids(&edit)?;
            take_from_others(&edit, &tags, &ids).await?;
            Box::new(move |one| add_tags(&mut one.tags, &tags))
        }
        other => return Err(illegal_command(other)),
    };
    let assets = change_all(&edit, change).await?;
    Ok(answer(&edit, Occasion::Tags(&assets), &assets))
}

/// Adds context, or removes all of it.
pub(in crate::emulator) async fn context(
    State(backend): State<Arc<Backend>>,
    Path(path): Path<(String, String)>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let edit = Edit::read(&backend, path, request).await?;
    let change: Change = match edit.fields.require("command")? {
        "add" => {
            let pairs = parse_pairs(edit.fields.require("context")?);
            Box::new(move |one| one.context.extend(pairs.clone()))
        }
        "remove_all" => Box::new(|one| one.context.clear()),
        other => return Err(illegal_command(other)),
    };
    let assets = change_all(&edit, change).await?;
    Ok(answer(&edit, Occasion::Context(&assets), &assets))
}

/// Sets fields of structured metadata.
pub(in crate::emulator) async fn metadata(
    State(backend): State<Arc<Backend>>,
    Path(path): Path<(String, String)>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let edit = Edit::read(&backend, path, request).await?;
    let fields = backend.store.settings(|all| all.metadata_of(&edit.cloud));
    let values = fields.check(parse_metadata(edit.fields.require("metadata")?))?;
    let change: Change = Box::new(move |one| merge(&mut one.metadata, &values));
    let assets = change_all(&edit, change).await?;
    Ok(answer(&edit, Occasion::Metadata(&assets), &assets))
}

/// What happens to each asset.
type Change = Box<dyn Fn(&mut Description) + Send + Sync>;

fn add_tags(tags: &mut Vec<String>, new: &[String]) {
    for tag in new {
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
}

fn illegal_command(command: &str) -> Refusal {
    Refusal::IllegalValue { name: "command", value: command.to_owned() }
}

fn selected_ids(edit: &Edit<'_>) -> Result<Vec<String>, Refusal> {
    let ids = words(&edit.fields.list("public_ids"));
    match ids.len() {
        0 => Err(Refusal::MissingParameter("public_ids")),
        count if count > MAX_IDS => Err(Refusal::TooManyIds(MAX_IDS)),
        _ => Ok(ids),
    }
}

/// Changes every asset that is there; those that are not are left out of the answer.
async fn change_all(edit: &Edit<'_>, change: Change) -> Result<Vec<Asset>, Refusal> {
    let (change, now) = (Arc::new(change), edit.backend.clock.now());
    let mut changed = Vec::new();
    for id in selected_ids(edit)? {
        let change = Arc::clone(&change);
        let change = move |description: &mut Description| {
            change(description);
            description.updated_at = Some(now);
        };
        let asset = edit.backend.store.change(edit.key(&id), change).await?;
        changed.extend(asset.map(|asset| Asset::clone(&asset)));
    }
    Ok(changed)
}

/// Takes the tags from every other asset that has one of them.
async fn take_from_others(edit: &Edit<'_>, tags: &[String], ids: &[String]) -> Result<(), Refusal> {
    for asset in edit.backend.store.list() {
        let is_same_kind = asset.key == edit.key(&asset.key.public_id);
        let has_one = asset.description.tags.iter().any(|tag| tags.contains(tag));
        if is_same_kind && has_one && !ids.contains(&asset.key.public_id) {
            let tags = tags.to_vec();
            let change = move |one: &mut Description| one.tags.retain(|tag| !tags.contains(tag));
            edit.backend.store.change(asset.key.clone(), change).await?;
        }
    }
    Ok(())
}

fn answer(edit: &Edit<'_>, occasion: Occasion<'_>, assets: &[Asset]) -> Json<Value> {
    let url = edit.fields.get("notification_url");
    edit.backend.notifier.announce(&Announcement { access: edit.access, occasion, url });
    let ids: Vec<_> = assets.iter().map(|asset| &asset.key.public_id).collect();
    Json(json!({ "public_ids": ids }))
}
