//! `POST /v1_1/{cloud}/{resource_type}/destroy`: a signed call removes one asset.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use serde_json::{Value, json};

use super::Backend;
use super::form::Form;
use super::refusal::Refusal;
use super::store::AssetKey;
use super::upload::parse_type;
use super::verify::{Call, Lifetime, authenticate};

/// Removes the asset; one that is not there is no error.
pub(super) async fn destroy(
    State(backend): State<Arc<Backend>>,
    Path((cloud, word)): Path<(String, String)>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let resource_type = word.parse().ok().ok_or(Refusal::InvalidUploadUrl)?;
    let headers = request.headers().clone();
    let form = Form::read(&backend, request).await?;
    let call = Call {
        cloud: &cloud,
        headers: &headers,
        fields: &form.fields,
        now: backend.clock.now(),
        lifetime: Lifetime::Hour,
    };
    authenticate(&backend.accounts, call)?;
    let key = AssetKey {
        resource_type,
        delivery_type: parse_type(&form.fields)?,
        public_id: form.fields.require("public_id")?.to_owned(),
        cloud,
    };
    let result = match backend.store.remove(key).await? {
        Some(_) => "ok",
        None => "not found",
    };
    Ok(Json(json!({ "result": result })))
}
