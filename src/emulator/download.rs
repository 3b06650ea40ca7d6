//! `GET /v1_1/{cloud}/{resource_type}/download`: an original through a signed link that dies.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;

use crate::delivery::ResourceType;

use super::Backend;
use super::accounts::Operation;
use super::answer::X_COUNTERSIGN_EMULATOR;
use super::fields::Fields;
use super::form::Form;
use super::original::{Original, disposition};
use super::refusal::Refusal;
use super::store::{Asset, AssetKey};
use super::transformation;
use super::upload::parse_type;
use super::verify::{Call, Lifetime, authenticate};

/// Serves the original if the link is signed and alive.
pub(super) async fn download(
    State(backend): State<Arc<Backend>>,
    Path((cloud, word)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let resource_type =
        word.parse().ok().ok_or_else(|| Refusal::NotEmulated(format!("download of {word}")))?;
    let headers = request.headers().clone();
    let form = Form::read(&backend, request).await?;
    let fields = &form.fields;
    let call = Call {
        cloud: &cloud,
        headers: &headers,
        fields,
        now: backend.clock.now(),
        lifetime: Lifetime::ExpiresAt,
        operation: Operation::Read,
    };
    authenticate(&backend.accounts, call)?;
    let key = AssetKey {
        resource_type,
        delivery_type: parse_type(fields)?,
        public_id: fields.require("public_id")?.to_owned(),
        cloud,
    };
    let is_converted = check_format(&backend, &key, fields.get("format"))?;
    let original = Original::open(&backend.store, &key).await?;
    let disposition = disposition_of(original.asset(), fields);
    let mut response = original.respond(&headers)?;
    let mut insert = |name: HeaderName, value| response.headers_mut().insert(name, value);
    insert(CONTENT_DISPOSITION, disposition);
    insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    if is_converted {
        let note = HeaderValue::from_static("format not converted");
        insert(X_COUNTERSIGN_EMULATOR, note);
    }
    Ok(response)
}

/// Whether another format than the stored one is asked for; one that does not exist is refused, and so is any for a
/// raw file, whose extension is part of its public id.
fn check_format(backend: &Backend, key: &AssetKey, format: Option<&str>) -> Result<bool, Refusal> {
    let Some(format) = format else {
        return Ok(false);
    };
    let stored = backend.store.get(key);
    let is_stored = stored.is_some_and(|asset| asset.description.format.as_deref() == Some(format));
    let is_known = transformation::is_format(format);
    if key.resource_type == ResourceType::Raw || !(is_stored || is_known) {
        return Err(Refusal::InvalidExtension(format.to_owned()));
    }
    Ok(!is_stored)
}

/// The header that says whether a browser shows or saves the file, and under which name.
fn disposition_of(asset: &Asset, fields: &Fields) -> HeaderValue {
    let kind = match fields.get("attachment") {
        None | Some("false" | "0") => "inline",
        Some(_) => "attachment",
    };
    let own_name = asset.file_name();
    disposition(kind, fields.get("target_filename").unwrap_or(&own_name))
}
