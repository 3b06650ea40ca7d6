//! `POST /base/`: files in one request.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde_json::{Map, Value};

use super::super::Backend;
use super::file::NewFile;
use super::form::UploadForm;
use super::refusal::UploadRefusal;

/// Keeps every file of the request; the answer names each by its form field.
pub(super) async fn create(
    State(backend): State<Arc<Backend>>,
    request: Request,
) -> Result<Json<Map<String, Value>>, UploadRefusal> {
    let form = UploadForm::read(&backend, request).await?;
    let project = &backend.uploadcare.project;
    project.check_public_key(&form.fields, "UPLOADCARE_PUB_KEY")?;
    project.check_signature(&form.fields, backend.clock.now())?;
    if form.files.is_empty() {
        return Err(UploadRefusal::FilesRequired);
    }
    let mut answer = Map::new();
    for file in form.files {
        let kept =
            NewFile::of(&form.fields, file.name, file.content_type).keep(&backend, file.content).await?;
        answer.insert(file.field, Value::String(kept.id().to_owned()));
    }
    Ok(Json(answer))
}
