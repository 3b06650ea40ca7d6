//! `GET /<uuid>/…` and `GET /<uuid>~<n>/nth/<i>/…`: stored originals under every form of CDN URL.
//!
//! Operations are not applied: the original is served, and a header says so. With a delivery key every URL needs a token.

use std::sync::Arc;

use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use url::form_urlencoded;

use crate::delivery::uploadcare::FileId;

use super::super::Backend;
use super::super::answer::X_COUNTERSIGN_EMULATOR;
use super::super::original::Original;
use super::super::refusal::Refusal;
use super::file::key;
use super::group::Group;

/// Whether a path addresses a file or a group of this part, and no cloud.
pub(in crate::emulator) fn is_addressed(uri: &Uri) -> bool {
    let first = uri.path().split('/').nth(1).unwrap_or_default();
    let id = first.split_once('~').map_or(first, |(id, _)| id);
    id.parse::<FileId>().is_ok()
}

/// Serves the file that the path names.
pub(in crate::emulator) async fn serve(backend: &Arc<Backend>, uri: &Uri, headers: &HeaderMap) -> Response {
    if !is_open(backend, uri) {
        return (StatusCode::FORBIDDEN, "Access Denied\n").into_response();
    }
    match open(backend, uri, headers).await {
        Ok(response) => response,
        Err(Refusal::NotFound(_)) => (StatusCode::NOT_FOUND, "File not found\n").into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn open(backend: &Backend, uri: &Uri, headers: &HeaderMap) -> Result<Response, Refusal> {
    let not_found = || Refusal::NotFound(uri.path().to_owned());
    let (id, rest) = find(backend, uri.path()).await?.ok_or_else(not_found)?;
    let uploadcare = &backend.uploadcare;
    let key = key(&uploadcare.project.public_key, id.as_str());
    let original = Original::open(&uploadcare.store, &key).await?;
    let mut response = original.respond(headers)?;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, no-cache"));
    if rest.starts_with("-/") {
        headers.insert(X_COUNTERSIGN_EMULATOR, HeaderValue::from_static("operations not applied"));
    }
    Ok(response)
}

/// The file that a path names, and what stands behind it.
async fn find<'a>(backend: &Backend, path: &'a str) -> Result<Option<(FileId, &'a str)>, Refusal> {
    let path = path.trim_start_matches('/');
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    if let Ok(id) = first.parse() {
        return Ok(Some((id, rest)));
    }
    let Some((index, rest)) = rest.strip_prefix("nth/").map(|nth| nth.split_once('/').unwrap_or((nth, "")))
    else {
        return Ok(None);
    };
    let group = Group::find(backend, first).await?;
    let member = group.as_ref().zip(index.parse().ok()).and_then(|(group, index)| group.member(index));
    Ok(member.map(|member| (member.id.clone(), rest)))
}

/// With a delivery key every URL needs a token that opens it.
fn is_open(backend: &Backend, uri: &Uri) -> bool {
    let Some(delivery_key) = &backend.uploadcare.project.delivery_key else { return true };
    let mut query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let token = query.find(|(name, _)| name == "token").map(|(_, token)| token);
    let now = backend.clock.now().0;
    token.is_some_and(|token| delivery_key.check(&token, uri.path(), now).is_ok())
}
