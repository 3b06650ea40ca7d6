//! The service, wired: routes, layers, and the listener they stand on.

use std::future::Future;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::header::{
    ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, DATE, REFERRER_POLICY,
    RETRY_AFTER, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::timeout::TimeoutLayer;

use crate::api::{self, Failure};
use crate::connections::{self, ConnectionLimits};
use crate::demo;
use crate::state::AppState;
use crate::telemetry::RequestLine;

/// How long any request may take; deletion, the longest, gives the provider 25 seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(40);
/// The header that names a request in answers and logs.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Every route of the service under its layers.
pub fn router(state: AppState, cors_allowed_origins: Vec<HeaderValue>) -> Router {
    let layers = ServiceBuilder::new()
        .layer(middleware::from_fn(name_and_log))
        .option_layer(cors(cors_allowed_origins))
        .layer(CatchPanicLayer::custom(|_cause| StatusCode::INTERNAL_SERVER_ERROR.into_response()))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, REQUEST_TIMEOUT));
    Router::new().merge(demo::routes()).merge(api::routes()).layer(layers).with_state(state)
}

/// Serves until `shutdown` resolves: readiness turns off at once, requests under way are finished.
pub async fn serve(
    listener: TcpListener,
    state: AppState,
    cors_allowed_origins: Vec<HeaderValue>,
    shutdown: impl Future<Output = ()>,
) {
    let router = router(state.clone(), cors_allowed_origins);
    let shutdown = async {
        shutdown.await;
        state.start_draining();
    };
    connections::serve(listener, router, ConnectionLimits::default(), shutdown).await;
}

/// Pages of these origins may call; without any, browsers keep all other pages out.
fn cors(allowed_origins: Vec<HeaderValue>) -> Option<CorsLayer> {
    if allowed_origins.is_empty() {
        return None;
    }
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(allowed_origins))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE, X_REQUEST_ID])
        .expose_headers([DATE, RETRY_AFTER, X_REQUEST_ID])
        .max_age(Duration::from_mins(10));
    Some(layer)
}

/// The outermost layer: gives the request its id, the answer its headers and, if it failed, its envelope; logs one line.
async fn name_and_log(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let request_id = request_id(request.headers());

    let mut response = next.run(request).await;
    let mut code = None;
    if response.status().is_client_error() || response.status().is_server_error() {
        let (parts, _) = response.into_parts();
        let failure = parts.extensions.get::<Failure>().cloned();
        let failure = failure.unwrap_or_else(|| Failure::of_status(parts.status));
        code = Some(failure.code);
        response = failure.respond(parts.status, parts.headers, request_id.to_str().unwrap_or_default());
    }
    let line = RequestLine {
        method: &method,
        route: route.as_ref().map_or("-", MatchedPath::as_str),
        status: response.status(),
        code,
        duration: began.elapsed(),
        request_id: request_id.to_str().unwrap_or_default(),
    };
    line.log();
    set_common_headers(response.headers_mut(), request_id);
    response
}

/// The client's own id if it is a plain word, so that logs on both sides agree; a random one otherwise.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    const MAX_LENGTH: usize = 64;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match headers.get(X_REQUEST_ID) {
        Some(id) if (1..=MAX_LENGTH).contains(&id.len()) && id.as_bytes().iter().all(plain) => id.clone(),
        _ => {
            let mut text = [0; 16];
            // The slice is twice as long as the number, so this cannot fail.
            let _ = hex::encode_to_slice(rand::random::<u64>().to_be_bytes(), &mut text);
            HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("0"))
        }
    }
}

/// Nothing here may be sniffed, framed or leak an address; a page that needs more says so itself.
fn set_common_headers(headers: &mut HeaderMap, request_id: HeaderValue) {
    headers.insert(X_REQUEST_ID, request_id);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
}
