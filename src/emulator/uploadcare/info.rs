//! `GET /info/`, and uploads from URLs, which are refused.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, Request, State};
use serde_json::Value;

use super::super::Backend;
use super::super::fields::Fields;
use super::file::File;
use super::form::UploadForm;
use super::refusal::UploadRefusal;

/// The values of a query.
pub(super) fn fields_of(query: Option<String>) -> Result<Fields, UploadRefusal> {
    let mut fields = Fields::default();
    fields.add_urlencoded(query.unwrap_or_default().as_bytes())?;
    Ok(fields)
}

/// Describes a file; unsigned, as at the provider.
pub(super) async fn show(
    State(backend): State<Arc<Backend>>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, UploadRefusal> {
    let fields = fields_of(query)?;
    backend.uploadcare.project.check_public_key(&fields, "pub_key")?;
    let id = fields.get("file_id").ok_or(UploadRefusal::FileIdRequired)?;
    let id = id.parse().ok().ok_or(UploadRefusal::FileIdInvalid)?;
    let file = File::find(&backend, &id).ok_or(UploadRefusal::FileNotFound)?;
    Ok(Json(file.info()))
}

/// Checks an upload from a URL as the provider does, and then refuses it: the emulator fetches nothing.
pub(super) async fn refuse_url(
    State(backend): State<Arc<Backend>>,
    request: Request,
) -> Result<Json<Value>, UploadRefusal> {
    let form = UploadForm::read(&backend, request).await?;
    let project = &backend.uploadcare.project;
    project.check_public_key(&form.fields, "pub_key")?;
    project.check_signature(&form.fields, backend.clock.now())?;
    form.fields.get("source_url").ok_or(UploadRefusal::SourceUrlRequired)?;
    Err(UploadRefusal::NotEmulated("uploads from URLs"))
}

/// There is no upload from a URL to ask about.
pub(super) async fn refuse_url_status(RawQuery(query): RawQuery) -> Result<Json<Value>, UploadRefusal> {
    fields_of(query)?.get("token").ok_or(UploadRefusal::TokenRequired)?;
    Err(UploadRefusal::NotEmulated("uploads from URLs"))
}
