//! What handlers take and give: callers, queries, bodies and answers, with errors in our own shape.

use std::convert::Infallible;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use http_body_util::BodyExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use validator::Validate;

use super::rate_limit::network_of;
use super::{ApiError, StandingCell};
use crate::auth::Caller;
use crate::outermost::X_REQUEST_ID;
use crate::state::AppState;

/// How long a client may take to send a body, in seconds.
const BODY_TIMEOUT_SECONDS: u64 = 10;
/// How much of a body that is too long is read before the connection is given up.
const MAX_DRAINED_BYTES: usize = 64 * 1024 * 1024;

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let caller = app.authentication.identify(&parts.headers, app.clock.now()).await;
        // Guessing credentials counts too, against the address it comes from.
        let cell = parts.extensions.get::<StandingCell>().cloned().unwrap_or_default();
        app.rate_limit.admit(caller.as_ref().ok(), &parts.headers, peer, &cell)?;
        caller
    }
}

/// What the caller is charged for work beyond what every request may ask for.
#[derive(Debug)]
pub(super) struct Meter(StandingCell);

impl Meter {
    /// Charges a request that costs `price` in all, before any of its work is done.
    pub(super) fn charge(&self, app: &AppState, price: usize) -> Result<(), ApiError> {
        app.rate_limit.charge(&self.0, price)
    }
}

impl FromRequestParts<AppState> for Meter {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _app: &AppState) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.extensions.get::<StandingCell>().cloned().unwrap_or_default()))
    }
}

/// What a request for a signature comes with beside its caller: its id, what it is charged, and the address of a caller who
/// has no name.
#[derive(Debug)]
pub(super) struct Origin {
    /// The request.
    pub(super) request_id: RequestId,
    /// What it is charged.
    pub(super) meter: Meter,
    address: Option<IpAddr>,
}

impl Origin {
    /// What an anonymous caller is counted by; empty for a known one.
    pub(super) fn address_of(&self, caller: &Caller) -> String {
        match caller {
            Caller::Known(_) => String::new(),
            Caller::Anonymous => self.address.map_or_else(|| "unknown".to_owned(), network_of),
        }
    }
}

impl FromRequestParts<AppState> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let address = app.rate_limit.address(&parts.headers, peer);
        let meter = Meter::from_request_parts(parts, app).await?;
        let request_id = RequestId::from_request_parts(parts, app).await?;
        Ok(Self { request_id, meter, address })
    }
}

/// The query, read into `T`; unknown, repeated and nested parameters are refused by name.
#[derive(Debug)]
pub(super) struct ApiQuery<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for ApiQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &AppState) -> Result<Self, Self::Rejection> {
        let query = parts.uri.query().unwrap_or_default();
        let text = percent_encoding::percent_decode_str(query).decode_utf8();
        if text.is_err() {
            return Err(ApiError::InvalidQuery("the query is not UTF-8".to_owned()));
        }
        let pairs = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(query.as_bytes()));
        T::deserialize(pairs).map(Self).map_err(|error| {
            ApiError::InvalidQuery(format!("the query has {}", with_article(&error.to_string())))
        })
    }
}

/// `unknown field …` and `duplicate field …`, as serde says it, in a sentence.
fn with_article(error: &str) -> String {
    let article = if error.starts_with('u') { "an" } else { "a" };
    format!("{article} {}", error.replacen("field", "parameter", 1))
}

/// The refusal of a query whose parameter `name` breaks a rule.
pub(super) fn breaks(name: &str, rule: impl Display) -> ApiError {
    ApiError::InvalidQuery(format!("{name} {rule}"))
}

/// `true` or `false`, spelled exactly so: a guess would leave an asset open that was meant to be private.
pub(super) fn true_or_false(name: &str, text: Option<&str>) -> Result<Option<bool>, ApiError> {
    match text {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(breaks(name, "must be true or false")),
    }
}

/// A JSON body of at most `MAX_BYTES`, read into `T` and held against its rules.
#[derive(Debug)]
pub(super) struct ApiBody<T, const MAX_BYTES: usize>(pub(super) T);

impl<T, const MAX_BYTES: usize> FromRequest<AppState> for ApiBody<T, MAX_BYTES>
where
    T: DeserializeOwned + Validate,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &AppState) -> Result<Self, Self::Rejection> {
        if !is_json(request.headers()) {
            return Err(ApiError::UnsupportedMediaType);
        }
        let bytes = read_body(request, MAX_BYTES).await?;
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(ApiError::InvalidBody("the body must be a JSON object".to_owned()));
        }
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let body: T = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            ApiError::InvalidBody(match error.path().to_string().as_str() {
                "." | "?" => format!("the body is not what this route takes: {}", error.inner()),
                path => format!("{path}: {}", error.inner()),
            })
        })?;
        json.end()
            .map_err(|error| ApiError::InvalidBody(format!("the body goes on after its JSON: {error}")))?;
        body.validate().map_err(|errors| ApiError::InvalidBody(first_rule_broken(&errors)))?;
        Ok(Self(body))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// The whole body, as it came.
pub(super) async fn read_body(request: Request, max_bytes: usize) -> Result<Bytes, ApiError> {
    // A client that waits for `100 Continue` learns of its mistake before it sends anything.
    if request.headers().contains_key(EXPECT) && declared_length(request.headers()) > max_bytes as u64 {
        return Err(ApiError::BodyTooLarge(max_bytes));
    }
    let reading = collect(request.into_body(), max_bytes);
    match tokio::time::timeout(Duration::from_secs(BODY_TIMEOUT_SECONDS), reading).await {
        Ok(result) => result,
        Err(_) => Err(ApiError::BodyTimeout(BODY_TIMEOUT_SECONDS)),
    }
}

fn declared_length(headers: &HeaderMap) -> u64 {
    headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// Keeps at most `max_bytes`. What goes on after that is read and dropped for a while: a client that is still sending
/// when the connection closes would see a broken pipe instead of the answer.
async fn collect(mut body: Body, max_bytes: usize) -> Result<Bytes, ApiError> {
    let mut kept = BytesMut::new();
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_source| ApiError::InvalidBody("the body broke off".to_owned()))?;
        let Some(data) = frame.data_ref() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= max_bytes {
            kept.extend_from_slice(data);
        } else if seen > MAX_DRAINED_BYTES {
            break;
        }
    }
    if seen > max_bytes { Err(ApiError::BodyTooLarge(max_bytes)) } else { Ok(kept.freeze()) }
}

/// The first rule that a body breaks, as a sentence that begins with the field.
fn first_rule_broken(errors: &validator::ValidationErrors) -> String {
    let rules = errors.field_errors();
    let first = rules.iter().min_by(|(a, _), (b, _)| a.cmp(b));
    match first.and_then(|(field, rules)| Some((field, rules.first()?))) {
        Some((field, rule)) => format!("{field} {}", rule.message.as_deref().unwrap_or("breaks a rule")),
        None => "the body breaks a rule".to_owned(),
    }
}

/// A successful answer in the envelope, never to be cached.
#[derive(Debug)]
pub(super) struct ApiJson<T>(pub(super) T);

#[derive(Serialize)]
struct Envelope<T> {
    status: &'static str,
    data: T,
}

impl<T: Serialize> IntoResponse for ApiJson<T> {
    fn into_response(self) -> Response {
        NoStoreJson(Envelope { status: "success", data: self.0 }).into_response()
    }
}

/// A successful answer of a shape of its own, never to be cached.
#[derive(Debug)]
pub(super) struct NoStoreJson<T>(pub(super) T);

impl<T: Serialize> IntoResponse for NoStoreJson<T> {
    fn into_response(self) -> Response {
        let mut response = axum::Json(self.0).into_response();
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// The id that the answer will carry, for what is kept beyond it.
#[derive(Clone, Debug)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    /// The id as text.
    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

impl FromRequestParts<AppState> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &AppState) -> Result<Self, Self::Rejection> {
        // The outermost layer has put it there: ours, with the client's behind it if it sent one.
        Ok(Self(parts.headers.get(X_REQUEST_ID).cloned().unwrap_or(HeaderValue::from_static("-"))))
    }
}

/// A part of the path, read into `T`; what cannot be one leads nowhere.
#[derive(Debug)]
pub(super) struct ApiPath<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<AppState> for ApiPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(value)| Self(value)).map_err(|_malformed| ApiError::UploadNotFound)
    }
}
