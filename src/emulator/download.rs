//! `GET /v1_1/{cloud}/{resource_type}/download`: an original through a signed link that dies.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::delivery::ResourceType;

use super::Backend;
use super::answer::X_COUNTERSIGN_EMULATOR;
use super::fields::Fields;
use super::form::Form;
use super::original::Original;
use super::refusal::Refusal;
use super::store::{Asset, AssetKey};
use super::upload::parse_type;
use super::verify::{Call, Lifetime, authenticate};

/// Formats that a picture or a video can be asked for in; the original is served whichever it is.
const FORMATS: &[&str] = &[
    "ai", "avif", "bmp", "eps", "gif", "heic", "heif", "ico", "jp2", "jpe", "jpeg", "jpg", "jxl", "jxr",
    "pdf", "png", "ps", "psd", "svg", "tif", "tiff", "webp", "aac", "aiff", "flac", "m4a", "mp3", "ogg",
    "opus", "wav", "3gp", "avi", "flv", "m3u8", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "ogv", "ts",
    "webm", "wmv",
];

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
    let disposition = disposition(original.asset(), fields);
    let mut response = original.respond(&headers).await?;
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
    let is_known = FORMATS.contains(&format.to_ascii_lowercase().as_str());
    if key.resource_type == ResourceType::Raw || !(is_stored || is_known) {
        return Err(Refusal::InvalidExtension(format.to_owned()));
    }
    Ok(!is_stored)
}

/// `attachment` or `inline`, with the file's name: plain for old clients, percent-encoded for the others (RFC 6266).
fn disposition(asset: &Asset, fields: &Fields) -> HeaderValue {
    let kind = match fields.get("attachment") {
        None | Some("false" | "0") => "inline",
        Some(_) => "attachment",
    };
    let own_name = asset.file_name();
    let name = fields.get("target_filename").unwrap_or(&own_name);
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_. ()".contains(c);
    let plain = name.replace(|c| !is_plain(c), "_");
    let encoded = utf8_percent_encode(name, NON_ALPHANUMERIC);
    HeaderValue::try_from(format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}"))
        .unwrap_or_else(|_| HeaderValue::from_static("attachment"))
}
