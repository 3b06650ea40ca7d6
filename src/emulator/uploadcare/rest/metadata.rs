//! `/files/<uuid>/metadata/…`: reading a file's metadata, and deleting a key of it.
//!
//! Where the documentation does not say what a key that is not there is answered, it is 404, as for a file.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::super::super::Backend;
use super::super::file::{self, File};
use super::{Authorized, RestRefusal, answer};

/// All metadata of a file.
pub(in crate::emulator::uploadcare) async fn list(
    State(backend): State<Arc<Backend>>,
    Path(id): Path<String>,
    _: Authorized,
) -> Result<Response, RestRefusal> {
    Ok(answer(StatusCode::OK, &json!(find(&backend, &id)?.metadata())))
}

/// The value of one key.
pub(in crate::emulator::uploadcare) async fn show(
    State(backend): State<Arc<Backend>>,
    Path((id, key)): Path<(String, String)>,
    _: Authorized,
) -> Result<Response, RestRefusal> {
    let file = find(&backend, &id)?;
    let value = file.metadata().get(key.as_str()).copied().ok_or(RestRefusal::NotFound)?;
    Ok(answer(StatusCode::OK, &json!(value)))
}

/// Deletes a key.
pub(in crate::emulator::uploadcare) async fn delete(
    State(backend): State<Arc<Backend>>,
    Path((id, key)): Path<(String, String)>,
    _: Authorized,
) -> Result<Response, RestRefusal> {
    let file = find(&backend, &id)?;
    if !file.metadata().contains_key(key.as_str()) {
        return Err(RestRefusal::NotFound);
    }
    let uploadcare = &backend.uploadcare;
    let address = file::key(&uploadcare.project.public_key, file.id());
    uploadcare.store.change(address, move |description| drop(description.context.remove(&key))).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn find(backend: &Backend, id: &str) -> Result<File, RestRefusal> {
    let id = id.parse().ok().ok_or(RestRefusal::NotFound)?;
    File::find(backend, &id).ok_or(RestRefusal::NotFound)
}
