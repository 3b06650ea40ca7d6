//! What goes wrong at the edge: one enum, one place that turns it into status, code and public message.
//!
//! A handler's error becomes a response without a body that carries a [`Failure`]; the outermost layer, which knows the
//! request id, writes the envelope and logs the cause. The cause itself is never sent.

use std::fmt::{self, Display};

use axum::Json;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use crate::auth::Forbidden;
use crate::profiles::{ProfileNotFound, Refusal};

/// What a request can fail with.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// 400: the query breaks a rule.
    #[error("{0}")]
    InvalidQuery(String),
    /// 400: the body breaks a rule.
    #[error("{0}")]
    InvalidBody(String),
    /// 400: items of the body break rules, each named by its index.
    #[error("{}", InvalidItem::sentence(.0))]
    InvalidItems(Vec<InvalidItem>),
    /// 401: no credential.
    #[error("this takes a known caller: send `Authorization: Bearer` with an API key or a token")]
    Unauthenticated,
    /// 401: a credential that does not hold.
    #[error("the API key or token is not accepted")]
    CredentialRefused,
    /// 401: a token that held once.
    #[error("the token has expired")]
    TokenExpired,
    /// 403: a known caller who may not do this.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// 404: there is no such asset, or it is not the caller's.
    #[error("there is no such asset")]
    AssetNotFound,
    /// 404: no such profile.
    #[error(transparent)]
    ProfileNotFound(#[from] ProfileNotFound),
    /// 404: no Uploadcare project is configured.
    #[error(
        "this server signs for no Uploadcare project: set UPLOADCARE_PUBLIC_KEY and UPLOADCARE_SECRET_KEY"
    )]
    NoUploadcare,
    /// 404: the Uploadcare project has no signed delivery.
    #[error(
        "this server has no key for signed delivery: set UPLOADCARE_DELIVERY_HOST and UPLOADCARE_DELIVERY_KEY"
    )]
    NoSecureDelivery,
    /// 408: the body did not arrive in time.
    #[error("the body did not arrive within {0} seconds")]
    BodyTimeout(u64),
    /// 413: the body is longer than the route allows.
    #[error("the body is longer than {0} bytes")]
    BodyTooLarge(usize),
    /// 415: the body is not said to be JSON.
    #[error("the body must be JSON, sent with the header Content-Type: application/json")]
    UnsupportedMediaType,
    /// 403 or 422: well-formed, but the profile says no to the caller, or to what they ask for.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// 403: nobody in particular, from elsewhere.
    #[error("this route answers callers who are authenticated, or on the server's own machine")]
    InsidersOnly,
    /// 429: too many requests of one caller.
    #[error("too many requests; try again in {retry_after_seconds} s")]
    TooManyRequests {
        /// When the next one will be accepted, in seconds.
        retry_after_seconds: u64,
    },
    /// The error of one item of a list.
    #[error("{place}: {error}")]
    At {
        /// Which item.
        place: String,
        /// What is wrong with it.
        error: Box<Self>,
    },
    /// 502: the provider failed; what was done is in the data.
    #[error("{message}")]
    ProviderFailed {
        /// What did not succeed.
        message: String,
        /// What did.
        data: Value,
    },
    /// 503: no token can be verified.
    #[error("tokens cannot be verified now: their issuer's keys could not be fetched")]
    IssuerUnreachable,
    /// 503: shutting down.
    #[error("the service is shutting down")]
    ShuttingDown,
}

/// One item of a list that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InvalidItem {
    /// Its place in the list, from 0.
    pub index: usize,
    /// Which field of it, unless the whole item is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
    /// The rule it breaks.
    pub message: String,
}

impl InvalidItem {
    /// The most items that the message spells out; all of them are in `errors`.
    const MOST_SPELLED_OUT: usize = 10;

    fn sentence(items: &[Self]) -> String {
        let spelled = items.iter().take(Self::MOST_SPELLED_OUT);
        let mut parts: Vec<_> = spelled.map(ToString::to_string).collect();
        if items.len() > Self::MOST_SPELLED_OUT {
            let rest: Vec<_> =
                items[Self::MOST_SPELLED_OUT..].iter().map(|item| item.index.to_string()).collect();
            parts.push(format!("and the items {}", rest.join(", ")));
        }
        parts.join("; ")
    }
}

impl Display for InvalidItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            Some(field) => write!(f, "urls[{}].{field} {}", self.index, self.message),
            None => write!(f, "urls[{}] {}", self.index, self.message),
        }
    }
}

impl ApiError {
    /// The same error, said to be of one item of a list.
    pub(super) fn at(self, place: impl Display) -> Self {
        Self::At { place: place.to_string(), error: Box::new(self) }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::InvalidQuery(_) | Self::InvalidBody(_) | Self::InvalidItems(_) => StatusCode::BAD_REQUEST,
            Self::Unauthenticated | Self::CredentialRefused | Self::TokenExpired => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) | Self::InsidersOnly => StatusCode::FORBIDDEN,
            Self::ProfileNotFound(_) | Self::AssetNotFound | Self::NoUploadcare | Self::NoSecureDelivery => {
                StatusCode::NOT_FOUND
            }
            Self::BodyTimeout(_) => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Refused(refusal) if refusal.concerns_the_caller() => StatusCode::FORBIDDEN,
            Self::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::ProviderFailed { .. } => StatusCode::BAD_GATEWAY,
            Self::IssuerUnreachable | Self::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
            Self::At { error, .. } => error.status(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::InvalidQuery(_) => "invalid_query",
            Self::InvalidBody(_) => "invalid_body",
            Self::InvalidItems(_) => "invalid_urls",
            Self::Unauthenticated => "unauthenticated",
            Self::CredentialRefused => "credential_refused",
            Self::TokenExpired => "token_expired",
            Self::Forbidden(_) | Self::InsidersOnly => "forbidden",
            Self::AssetNotFound => "not_found",
            Self::ProfileNotFound(_) => "profile_not_found",
            Self::NoUploadcare | Self::NoSecureDelivery => "uploadcare_not_configured",
            Self::BodyTimeout(_) => "body_timeout",
            Self::BodyTooLarge(_) => "body_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Refused(refusal) if refusal.concerns_the_caller() => "forbidden",
            Self::Refused(_) => "refused_by_profile",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::ProviderFailed { .. } => "provider_failed",
            Self::IssuerUnreachable => "issuer_unreachable",
            Self::ShuttingDown => "shutting_down",
            Self::At { error, .. } => error.code(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut failure = Failure::new(self.code(), &self);
        let mut response = self.status().into_response();
        match self {
            Self::ProviderFailed { data, .. } => failure.data = Some(data),
            Self::InvalidItems(items) => failure.errors = items,
            Self::TooManyRequests { retry_after_seconds } => {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after_seconds));
            }
            Self::Unauthenticated | Self::CredentialRefused | Self::TokenExpired => {
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response.extensions_mut().insert(failure);
        response
    }
}

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
    errors: Vec<InvalidItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
}

impl Failure {
    /// A failure with a public message.
    fn new(code: &'static str, message: impl Display) -> Self {
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
