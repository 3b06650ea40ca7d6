//! What a page in a browser may do: upload and look at pictures, as at the provider, and nothing else.
//!
//! The published secret of an emulator guards nothing, so a page that a developer visits could call everything that the
//! browser lets it call. Uploads, `delete_by_token` and delivery answer every page; the Admin API and the control API
//! answer none, and refuse what a page sends without waiting for an answer.

use axum::extract::{MatchedPath, Request};
use axum::http::header::{CONTENT_RANGE, CONTENT_TYPE, ORIGIN, RANGE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use tower::{Layer as _, ServiceExt as _};
use tower_http::cors::{Any, CorsLayer};

use std::time::Duration;

use super::answer::X_COUNTERSIGN_EMULATOR;
use super::refusal::X_CLD_ERROR;

/// The routes that every page may read the answers of.
const OPEN_ROUTES: [&str; 6] = [
    "/v1_1/{cloud}/upload",
    "/v1_1/{cloud}/{resource_type}/upload",
    "/v1_1/{cloud}/{resource_type}/upload_chunked",
    "/v1_1/{cloud}/delete_by_token",
    DELIVERY_ROOT,
    DELIVERY,
];

pub(super) const DELIVERY_ROOT: &str = "/{cloud}/";
pub(super) const DELIVERY: &str = "/{cloud}/{*path}";

/// Lets pages read the answers of the open routes, and of no other.
pub(super) async fn share(request: Request, next: Next) -> Response {
    if !is_open(&request) {
        return next.run(request).await;
    }
    match cors().layer(next).oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn is_open(request: &Request) -> bool {
    let route = request.extensions().get::<MatchedPath>();
    let is_open = route.is_some_and(|route| OPEN_ROUTES.contains(&route.as_str()));
    // Calls of the APIs that no route takes end up at delivery's.
    let first = request.uri().path().split('/').nth(1);
    let is_api = matches!(first, Some("v1_1" | "v2"));
    is_open && (!is_api || route.is_some_and(|route| route.as_str().starts_with("/v1_1/")))
}

/// Credentials are never allowed: a page that could send them could use the published secret.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::HEAD])
        .allow_headers([
            CONTENT_RANGE,
            CONTENT_TYPE,
            RANGE,
            HeaderName::from_static("x-requested-with"),
            HeaderName::from_static("x-unique-upload-id"),
            HeaderName::from_static("x-upload-part-number"),
            HeaderName::from_static("x-upload-total-parts"),
        ])
        .expose_headers([X_CLD_ERROR, X_COUNTERSIGN_EMULATOR, HeaderName::from_static("x-request-id")])
        .max_age(Duration::from_mins(10))
}

/// Whether a page sent the request, as far as its browser says so. The emulator has no pages of its own.
pub(super) fn is_from_page(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    headers.contains_key(ORIGIN) || matches!(site, Some(b"cross-site" | b"same-site"))
}
