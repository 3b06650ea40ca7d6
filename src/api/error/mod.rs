//! What goes wrong at the edge: one enum, one place that turns it into status, code and public message.
//!
//! A handler's error becomes a response without a body that carries a [`Failure`]; the outermost layer, which knows the
//! request id, writes the envelope and logs the cause. The cause itself is never sent.

mod failure;
mod invalid_item;

pub use failure::Failure;
pub(super) use invalid_item::InvalidItem;

use std::fmt::Display;

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::auth::Forbidden;
use crate::clock::UnixSeconds;
use crate::ledger::{IssueError, LedgerError, QuotaExceeded, TooManyOpen};
use crate::profiles::{ProfileNotFound, Refusal};

/// When to come again after the ledger could not be reached, in seconds.
const LEDGER_RETRY_SECONDS: u64 = 5;

/// When to come again while others' signatures are being explained, in seconds.
const EXPLAIN_RETRY_SECONDS: u64 = 1;

/// What a request can fail with.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// 400: the query breaks a rule.
    #[error("{0}")]
    InvalidQuery(String),
    /// 400: the body breaks a rule.
    #[error("{0}")]
    InvalidBody(String),
    /// 400: no Host, or none that is one.
    #[error("{0}")]
    InvalidHost(&'static str),
    /// 501: a body in a coding other than chunked.
    #[error("the only Transfer-Encoding this server knows is chunked")]
    UnknownTransferEncoding,
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
    /// 404: there is no such grant, or it is not the caller's.
    #[error("there is no such upload")]
    UploadNotFound,
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
    /// 404: nobody could tell whether a webhook is the Uploadcare project's.
    #[error(
        "this server takes in no webhooks of Uploadcare's: set UPLOADCARE_WEBHOOK_SECRET to their signing secret"
    )]
    NoWebhookSecret,
    /// 408: the body did not arrive in time.
    #[error("the body did not arrive within {0} seconds")]
    BodyTimeout(u64),
    /// 409: the grant was used, and is good for one upload.
    #[error("the upload was used; ask for a new signature")]
    GrantUsed,
    /// 409: the grant is over.
    #[error("the upload {0}; ask for a new signature")]
    GrantOver(&'static str),
    /// 413: the body is longer than the route allows.
    #[error("the body is longer than {0} bytes")]
    BodyTooLarge(usize),
    /// 415: the body is not said to be JSON.
    #[error("the body must be JSON, sent with the header Content-Type: application/json")]
    UnsupportedMediaType,
    /// 403 or 422: well-formed, but the profile says no to the caller, or to what they ask for.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// 422: a confirmation that the provider did not sign, or that is of another upload.
    #[error("{0}")]
    ConfirmationRefused(&'static str),
    /// 401: a notification that the provider did not sign, or not lately.
    #[error("the notification is not accepted: {0}")]
    NotificationRefused(&'static str),
    /// 403: nobody in particular, from elsewhere.
    #[error("this route answers callers who are authenticated, or on the server's own machine")]
    InsidersOnly,
    /// 403: a page of another origin, while callers are not authenticated.
    #[error(
        "pages of this origin may not call this server: add the origin to CORS_ALLOWED_ORIGINS, or set PUBLIC_URL if it is this server's own behind a proxy"
    )]
    OriginNotAllowed,
    /// 421: a host name that is not known to be this server's, while callers are not authenticated.
    #[error(
        "this server does not answer to the host name of the request: add it to ALLOWED_HOSTS, or use localhost or an IP address"
    )]
    HostNotAllowed,
    /// 429: too many requests of one caller.
    #[error("too many requests; try again in {retry_after_seconds} s")]
    TooManyRequests {
        /// When the next one will be accepted, in seconds.
        retry_after_seconds: u64,
    },
    /// 429: the caller's quota has no room for another upload.
    #[error("{exceeded}")]
    QuotaExceeded {
        /// Which quota.
        exceeded: QuotaExceeded,
        /// When the next period begins, in seconds.
        retry_after_seconds: u64,
    },
    /// 429: the caller holds as many unused grants as the profile allows.
    #[error("{exceeded}")]
    TooManyOpenGrants {
        /// Which limit.
        exceeded: TooManyOpen,
        /// When the first of them expires, in seconds.
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
    /// 500: a fault of this program's.
    #[error("something went wrong on this server")]
    Internal,
    /// 503: enough signatures are being explained.
    #[error("other signatures are being explained now; try again in {EXPLAIN_RETRY_SECONDS} s")]
    ExplainBusy,
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
    /// 503: the ledger cannot be reached, and without it nothing is signed that it must know of.
    #[error("the ledger cannot be reached; nothing was signed or changed")]
    LedgerUnreachable,
    /// 503: the provider cannot be asked about an asset.
    #[error("the provider cannot be asked about this asset now; try again")]
    ProviderUnreachable,
    /// 503: shutting down.
    #[error("the service is shutting down")]
    ShuttingDown,
}

/// At least one: whoever came at once would be refused again.
fn seconds_until(moment: UnixSeconds, now: UnixSeconds) -> u64 {
    u64::try_from(moment.0.saturating_sub(now.0)).unwrap_or(1).max(1)
}

impl From<LedgerError> for ApiError {
    fn from(error: LedgerError) -> Self {
        tracing::error!(%error, "the ledger failed");
        Self::LedgerUnreachable
    }
}

impl ApiError {
    /// What a grant that was not kept means at `now`.
    pub(super) fn of_issue(error: IssueError, now: UnixSeconds) -> Self {
        match error {
            IssueError::Unreachable => Self::LedgerUnreachable,
            IssueError::QuotaExceeded(exceeded) => {
                let retry_after_seconds = seconds_until(exceeded.resets_at, now);
                Self::QuotaExceeded { exceeded, retry_after_seconds }
            }
            IssueError::TooManyOpen(exceeded) => Self::of_open_grants(exceeded, now),
        }
    }

    /// What it means at `now` that the caller holds too many unused grants.
    pub(super) fn of_open_grants(exceeded: TooManyOpen, now: UnixSeconds) -> Self {
        let retry_after_seconds = seconds_until(exceeded.free_at, now);
        Self::TooManyOpenGrants { exceeded, retry_after_seconds }
    }

    /// The same error, said to be of one item of a list.
    pub(super) fn at(self, place: impl Display) -> Self {
        Self::At { place: place.to_string(), error: Box::new(self) }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::InvalidQuery(_) | Self::InvalidBody(_) | Self::InvalidItems(_) | Self::InvalidHost(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::UnknownTransferEncoding => StatusCode::NOT_IMPLEMENTED,
            Self::Unauthenticated
            | Self::CredentialRefused
            | Self::TokenExpired
            | Self::NotificationRefused(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) | Self::InsidersOnly | Self::OriginNotAllowed => StatusCode::FORBIDDEN,
            Self::HostNotAllowed => StatusCode::MISDIRECTED_REQUEST,
            Self::ProfileNotFound(_)
            | Self::AssetNotFound
            | Self::UploadNotFound
            | Self::NoUploadcare
            | Self::NoSecureDelivery
            | Self::NoWebhookSecret => StatusCode::NOT_FOUND,
            Self::GrantUsed | Self::GrantOver(_) => StatusCode::CONFLICT,
            Self::BodyTimeout(_) => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Refused(refusal) if refusal.concerns_the_caller() => StatusCode::FORBIDDEN,
            Self::Refused(_) | Self::ConfirmationRefused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyRequests { .. } | Self::QuotaExceeded { .. } | Self::TooManyOpenGrants { .. } => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::ProviderFailed { .. } => StatusCode::BAD_GATEWAY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::IssuerUnreachable
            | Self::LedgerUnreachable
            | Self::ProviderUnreachable
            | Self::ExplainBusy
            | Self::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
            Self::At { error, .. } => error.status(),
        }
    }

    /// The failure in one word, for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::InvalidQuery(_) => "invalid_query",
            Self::InvalidBody(_) => "invalid_body",
            Self::InvalidItems(_) => "invalid_urls",
            Self::InvalidHost(_) => "invalid_host",
            Self::UnknownTransferEncoding => "unknown_transfer_encoding",
            Self::Unauthenticated => "unauthenticated",
            Self::CredentialRefused => "credential_refused",
            Self::TokenExpired => "token_expired",
            Self::Forbidden(_) | Self::InsidersOnly => "forbidden",
            Self::AssetNotFound => "not_found",
            Self::UploadNotFound => "upload_not_found",
            Self::ProfileNotFound(_) => "profile_not_found",
            Self::GrantUsed => "grant_used",
            Self::GrantOver(_) => "grant_over",
            Self::ConfirmationRefused(_) => "confirmation_refused",
            Self::NotificationRefused(_) => "notification_refused",
            Self::NoUploadcare | Self::NoSecureDelivery | Self::NoWebhookSecret => {
                "uploadcare_not_configured"
            }
            Self::BodyTimeout(_) => "body_timeout",
            Self::BodyTooLarge(_) => "body_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Refused(refusal) if refusal.concerns_the_caller() => "forbidden",
            Self::Refused(_) => "refused_by_profile",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::HostNotAllowed => "host_not_allowed",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::QuotaExceeded { .. } => "quota_exceeded",
            Self::TooManyOpenGrants { .. } => "too_many_open_grants",
            Self::LedgerUnreachable => "ledger_unreachable",
            Self::ProviderFailed { .. } => "provider_failed",
            Self::IssuerUnreachable => "issuer_unreachable",
            Self::Internal => "internal_error",
            Self::ExplainBusy => "explain_busy",
            Self::ProviderUnreachable => "provider_unreachable",
            Self::ShuttingDown => "shutting_down",
            Self::At { error, .. } => error.code(),
        }
    }
}

impl ApiError {
    /// The error itself, without the item of a list that it is about.
    fn into_cause(self) -> Self {
        match self {
            Self::At { error, .. } => error.into_cause(),
            error => error,
        }
    }

    /// What the answer says beside status, code and message. An error of one item says it like any other.
    fn describe(self, headers: &mut HeaderMap, failure: &mut Failure) {
        match self.into_cause() {
            Self::ProviderFailed { data, .. } => failure.data = Some(data),
            Self::InvalidItems(items) => failure.errors = items,
            Self::TooManyRequests { retry_after_seconds }
            | Self::QuotaExceeded { retry_after_seconds, .. }
            | Self::TooManyOpenGrants { retry_after_seconds, .. } => {
                headers.insert(RETRY_AFTER, HeaderValue::from(retry_after_seconds));
            }
            Self::LedgerUnreachable => {
                headers.insert(RETRY_AFTER, HeaderValue::from(LEDGER_RETRY_SECONDS));
            }
            Self::ExplainBusy => {
                headers.insert(RETRY_AFTER, HeaderValue::from(EXPLAIN_RETRY_SECONDS));
            }
            Self::Unauthenticated | Self::CredentialRefused | Self::TokenExpired => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut failure = Failure::new(self.code(), &self);
        let mut response = self.status().into_response();
        self.describe(response.headers_mut(), &mut failure);
        response.extensions_mut().insert(failure);
        response
    }
}

#[cfg(test)]
mod tests;
