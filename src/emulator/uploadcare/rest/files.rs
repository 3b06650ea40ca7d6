//! `/files/…`: description and deletion.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::delivery::uploadcare::FileId;

use super::super::super::Backend;
use super::super::file::{File, key};
use super::super::webhooks;
use super::{Authorized, RestRefusal, answer};

/// The most ids of one call.
const MAX_IDS: usize = 100;

/// Describes a file.
pub(in crate::emulator::uploadcare) async fn show(
    State(backend): State<Arc<Backend>>,
    Path(id): Path<String>,
    _: Authorized,
) -> Result<Response, RestRefusal> {
    let id = id.parse().ok().ok_or(RestRefusal::NotFound)?;
    let file = File::find(&backend, &id).ok_or(RestRefusal::NotFound)?;
    Ok(answer(StatusCode::OK, &file.object(&backend, None)))
}

/// Deletes a file; the answer describes it as it was.
pub(in crate::emulator::uploadcare) async fn delete(
    State(backend): State<Arc<Backend>>,
    Path(id): Path<String>,
    _: Authorized,
) -> Result<Response, RestRefusal> {
    let id = id.parse().ok().ok_or(RestRefusal::NotFound)?;
    let object = remove(&backend, &id).await?.ok_or(RestRefusal::NotFound)?;
    Ok(answer(StatusCode::OK, &object))
}

/// Deletes up to a hundred files; those that are not there are problems, not failures.
pub(in crate::emulator::uploadcare) async fn delete_many(
    State(backend): State<Arc<Backend>>,
    Authorized(body): Authorized,
) -> Result<Response, RestRefusal> {
    let ids: Vec<String> = serde_json::from_slice(&body).map_err(|_source| RestRefusal::NotAList)?;
    match ids.len() {
        0 => return Err(RestRefusal::EmptyList),
        1..=MAX_IDS => {}
        _ => return Err(RestRefusal::TooMany(MAX_IDS)),
    }
    let mut result = Vec::new();
    let mut problems = Map::new();
    for id in ids.into_iter().collect::<BTreeSet<_>>() {
        match id.parse() {
            Err(_) => drop(problems.insert(id, "Invalid".into())),
            Ok(file) => match remove(&backend, &file).await? {
                Some(object) => result.push(object),
                None => drop(problems.insert(id, "Missing in the project".into())),
            },
        }
    }
    Ok(answer(StatusCode::OK, &json!({ "status": "ok", "result": result, "problems": problems })))
}

async fn remove(backend: &Arc<Backend>, id: &FileId) -> Result<Option<Value>, RestRefusal> {
    let uploadcare = &backend.uploadcare;
    let removed = uploadcare.store.remove(key(&uploadcare.project.public_key, id.as_str())).await?;
    Ok(removed.map(|asset| {
        let file = File(asset);
        webhooks::tell(backend, webhooks::DELETED, &file);
        file.object(backend, Some(backend.clock.now()))
    }))
}
