//! The REST API: who may call, and how it says no.

pub(super) mod files;
pub(super) mod metadata;
pub(super) mod webhooks;

use std::sync::Arc;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, OriginalUri, Request};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use crate::clock::UnixSeconds;
use crate::signing::uploadcare::RestRequest;

use super::super::Backend;
use super::super::pages::is_from_page;
use super::super::store::StoreError;
use super::UploadcareProject;

/// The media type of every answer, and what callers must accept.
const MEDIA_TYPE: &str = "application/vnd.uploadcare-v0.7+json";
/// How far the date of a signed call may be off, in seconds.
const MAX_SKEW_SECONDS: i64 = 15 * 60;
/// The most bytes of a body.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// A call that passed: its body.
pub(super) struct Authorized(pub(super) Bytes);

/// A reason to say no, in the provider's words.
#[derive(Debug, thiserror::Error)]
pub(super) enum RestRefusal {
    #[error(
        "Incorrect Accept header provided. Make sure to specify API version. Refer to REST API docs for details."
    )]
    Accept,
    #[error("Authentication credentials were not provided.")]
    NoCredentials,
    #[error("Incorrect authentication credentials.")]
    Credentials,
    #[error("Public key {0} not found.")]
    PublicKey(String),
    #[error("Secret key not found.")]
    SecretKey,
    #[error("Invalid signature. Please check your Secret key.")]
    Signature,
    #[error("Not found.")]
    NotFound,
    #[error("Expected list of UUIDs")]
    NotAList,
    #[error("List of UUIDs can not be empty")]
    EmptyList,
    #[error("Maximum UUIDs per request is exceeded. The limit is {0}")]
    TooMany(usize),
    #[error("{0}")]
    Field(&'static str),
    #[error("Request entity too large.")]
    BodyTooLarge,
    #[error("The REST API answers no page in a browser.")]
    Page,
    #[error("Internal error.")]
    Store(#[from] StoreError),
}

impl IntoResponse for RestRefusal {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Accept => StatusCode::NOT_ACCEPTABLE,
            Self::NoCredentials
            | Self::Credentials
            | Self::PublicKey(_)
            | Self::SecretKey
            | Self::Signature => StatusCode::UNAUTHORIZED,
            Self::Page => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotAList | Self::EmptyList | Self::TooMany(_) | Self::Field(_) => StatusCode::BAD_REQUEST,
        };
        match &self {
            Self::Store(cause) => tracing::error!(%cause, "the emulator's store failed"),
            Self::Signature => tracing::warn!("a signature was refused"),
            _ => {}
        }
        answer(status, &json!({ "detail": self.to_string() }))
    }
}

/// An answer in the API's own media type.
pub(super) fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(CONTENT_TYPE, MEDIA_TYPE)], body.to_string()).into_response()
}

impl FromRequest<Arc<Backend>> for Authorized {
    type Rejection = RestRefusal;

    async fn from_request(request: Request, backend: &Arc<Backend>) -> Result<Self, Self::Rejection> {
        let path_and_query = path_and_query(&request);
        if is_from_page(request.headers()) {
            return Err(RestRefusal::Page);
        }
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_source| RestRefusal::BodyTooLarge)?;
        if text(&parts.headers, ACCEPT.as_str()) != MEDIA_TYPE {
            return Err(RestRefusal::Accept);
        }
        let call = RestRequest {
            method: parts.method.as_str(),
            body: &body,
            content_type: text(&parts.headers, CONTENT_TYPE.as_str()),
            date: date_of(&parts.headers),
            path_and_query: &path_and_query,
        };
        let authorization = text(&parts.headers, AUTHORIZATION.as_str());
        backend.uploadcare.project.authorize(authorization, &call, backend.clock.now())?;
        Ok(Self(body))
    }
}

/// As the client sent it: nesting takes the prefix away.
fn path_and_query(request: &Request) -> String {
    let original = request.extensions().get::<OriginalUri>().map_or(request.uri(), |uri| &uri.0);
    original.path_and_query().map_or_else(String::new, ToString::to_string)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Browsers own `Date`, so that pages send another header.
fn date_of(headers: &HeaderMap) -> &str {
    match text(headers, "x-uploadcare-date") {
        "" => text(headers, DATE.as_str()),
        date => date,
    }
}

impl UploadcareProject {
    /// Whether an `Authorization` header permits a call at `now`.
    fn authorize(
        &self,
        authorization: &str,
        call: &RestRequest<'_>,
        now: UnixSeconds,
    ) -> Result<(), RestRefusal> {
        let (scheme, credentials) = authorization.split_once(' ').ok_or(RestRefusal::NoCredentials)?;
        let (public_key, proof) = credentials.split_once(':').ok_or(RestRefusal::Credentials)?;
        if public_key != self.public_key {
            return Err(RestRefusal::PublicKey(public_key.to_owned()));
        }
        match scheme {
            "Uploadcare.Simple" if is_secret(&self.secret_key, proof) => Ok(()),
            "Uploadcare.Simple" => Err(RestRefusal::SecretKey),
            "Uploadcare" if !is_fresh(call.date, now) => Err(RestRefusal::Credentials),
            "Uploadcare" if call.sign(&self.secret_key).matches(proof) => Ok(()),
            "Uploadcare" => Err(RestRefusal::Signature),
            _ => Err(RestRefusal::Credentials),
        }
    }
}

fn is_secret(secret_key: &SecretString, given: &str) -> bool {
    secret_key.expose_secret().as_bytes().ct_eq(given.as_bytes()).into()
}

/// One official client puts a second comma behind the year, and the provider takes it.
fn is_fresh(date: &str, now: UnixSeconds) -> bool {
    let date = match date.match_indices(',').nth(1) {
        Some((at, _)) => format!("{}{}", &date[..at], &date[at + 1..]),
        None => date.to_owned(),
    };
    let Ok(at) = httpdate::parse_http_date(&date) else { return false };
    let at = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(at).is_ok_and(|at| (at - now.0).abs() <= MAX_SKEW_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: RestRequest<'_> = RestRequest {
        method: "DELETE",
        body: b"",
        content_type: "application/json",
        date: "Mon, 05 Nov 2018 13:14:41 GMT",
        path_and_query: "/files/21975c81-7f57-4c7a-aef9-acfe28779f78/storage/",
    };
    const NOW: UnixSeconds = UnixSeconds(1_541_423_681);

    fn authorize(authorization: &str, call: &RestRequest<'_>, now: UnixSeconds) -> String {
        let project = UploadcareProject {
            public_key: "demopublickey".to_owned(),
            secret_key: "demosecretkey".into(),
            delivery_key: None,
        };
        let outcome = project.authorize(authorization, call, now);
        outcome.map_or_else(|refusal| refusal.to_string(), |()| "passes".to_owned())
    }

    #[test]
    fn both_schemes_pass_and_every_mistake_is_named() {
        let signed = "Uploadcare demopublickey:9e2676d081b78cbe5302fd2a53278c3fb1889329";
        for (authorization, expected) in [
            (signed, "passes"),
            ("Uploadcare.Simple demopublickey:demosecretkey", "passes"),
            ("", "Authentication credentials were not provided."),
            ("Bearer x", "Incorrect authentication credentials."),
            ("Basic a:b", "Public key a not found."),
            ("Uploadcare.Simple demopublickey:other", "Secret key not found."),
            ("Uploadcare demopublickey:00", "Invalid signature. Please check your Secret key."),
        ] {
            assert_eq!(authorize(authorization, &CALL, NOW), expected, "{authorization}");
        }
        assert_eq!(authorize(signed, &CALL, NOW.plus(900)), "passes");
        assert_eq!(authorize(signed, &CALL, NOW.plus(901)), "Incorrect authentication credentials.");
    }

    #[test]
    fn a_date_with_two_commas_is_a_date() {
        assert!(is_fresh("Mon, 05 Nov 2018, 13:14:41 GMT", NOW));
        assert!(!is_fresh("yesterday", NOW) && !is_fresh("", NOW));
    }
}
