//! A failure on its way out: what the envelope says.

use std::fmt::Display;

use axum::Json;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use super::InvalidItem;

/// A failure on its way out; the outermost layer adds the request id.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    status: &'static str,
    message: String,
    /// The failure in one word, for programs and logs.
    pub code: &'static str,
    #[serde(rename = "requestId")]
    request_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) errors: Vec<InvalidItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<Value>,
}

impl Failure {
    /// A failure with a public message.
    pub(super) fn new(code: &'static str, message: impl Display) -> Self {
        let message = message.to_string();
        Self { status: "failed", message, code, request_id: String::new(), errors: Vec::new(), data: None }
    }

    /// What a bare error status means, for answers that no handler wrote.
    pub fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::new("not_found", "there is nothing at this path"),
            StatusCode::METHOD_NOT_ALLOWED => Self::new(
                "method_not_allowed",
                "this path does not know the method; the Allow header lists those it knows",
            ),
            StatusCode::GATEWAY_TIMEOUT => Self::new("timeout", "the request took too long"),
            status if status.is_server_error() => {
                Self::new("internal_error", "something went wrong on this server")
            }
            _ => Self::new("bad_request", "the request cannot be read"),
        }
    }

    /// The answer in the envelope of failures, with the headers that were set before, such as Allow.
    pub fn respond(mut self, status: StatusCode, mut headers: HeaderMap, request_id: &str) -> Response {
        request_id.clone_into(&mut self.request_id);
        headers.remove(CONTENT_LENGTH);
        headers.remove(CONTENT_TYPE);
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().extend(headers);
        response
    }
}
