//! `/webhooks/…`: who is told of uploads.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded;

use super::super::super::Backend;
use super::super::webhooks::{EVENTS, MAX_SECRET_CHARACTERS, NewWebhook};
use super::{Authorized, RestRefusal, answer};

/// A webhook as it is asked for; one official client sends a form instead of JSON.
#[derive(Debug, Default, Deserialize)]
struct WebhookRequest {
    target_url: Option<String>,
    event: Option<String>,
    signing_secret: Option<String>,
}

impl WebhookRequest {
    fn read(body: &[u8]) -> Self {
        if let Ok(request) = serde_json::from_slice(body) {
            return request;
        }
        let mut request = Self::default();
        for (name, value) in form_urlencoded::parse(body) {
            match &*name {
                "target_url" => request.target_url = Some(value.into_owned()),
                "event" => request.event = Some(value.into_owned()),
                "signing_secret" => request.signing_secret = Some(value.into_owned()),
                _ => {}
            }
        }
        request
    }
}

/// Every webhook.
pub(in crate::emulator::uploadcare) async fn list(
    State(backend): State<Arc<Backend>>,
    _: Authorized,
) -> Response {
    answer(StatusCode::OK, &Value::Array(backend.uploadcare.webhooks.list()))
}

/// Subscribes an address on this machine.
pub(in crate::emulator::uploadcare) async fn create(
    State(backend): State<Arc<Backend>>,
    Authorized(body): Authorized,
) -> Result<Response, RestRefusal> {
    let request = WebhookRequest::read(&body);
    let target_url = request.target_url.ok_or(RestRefusal::Field("`target_url` is missing."))?;
    let event = request.event.ok_or(RestRefusal::Field("`event` is missing."))?;
    if !EVENTS.contains(&event.as_str()) {
        return Err(RestRefusal::Field("Not emulated: events other than file.uploaded and file.deleted."));
    }
    let is_too_long = |secret: &String| secret.chars().count() > MAX_SECRET_CHARACTERS;
    if request.signing_secret.as_ref().is_some_and(is_too_long) {
        return Err(RestRefusal::Field("`signing_secret` length should be less than 32 characters."));
    }
    let webhook = NewWebhook { target_url, event, signing_secret: request.signing_secret, is_kept: false };
    let created = backend.uploadcare.webhooks.add(webhook, &backend.outgoing, backend.clock.now());
    let created = created.ok_or(RestRefusal::Field(
        "Not emulated: more than 100 webhooks, or one that is not at http://127.0.0.1:PORT/… and named with --allow.",
    ))?;
    Ok(answer(StatusCode::CREATED, &created))
}

/// Ends the subscriptions of an address.
pub(in crate::emulator::uploadcare) async fn delete(
    State(backend): State<Arc<Backend>>,
    Authorized(body): Authorized,
) -> Result<Response, RestRefusal> {
    let request = WebhookRequest::read(&body);
    let target_url = request.target_url.ok_or(RestRefusal::Field("`target_url` is missing."))?;
    backend.uploadcare.webhooks.remove(&target_url);
    Ok(StatusCode::NO_CONTENT.into_response())
}
