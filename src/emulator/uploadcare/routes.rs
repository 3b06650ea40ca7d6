//! Every path of this part, and its own rules for browsers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, WARNING};
use axum::http::{HeaderName, Method};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post, put};
use tower_http::cors::{Any, CorsLayer};

use super::super::{Backend, observe, unread};
use super::{base, group, info, multipart, refusal, rest};

/// Upload API and REST API. Delivery hangs on the emulator's own catch-all route.
pub(in crate::emulator) fn routes(backend: &Arc<Backend>) -> Router<Arc<Backend>> {
    let observe = from_fn_with_state(Arc::clone(backend), observe::observe);
    let strike = from_fn_with_state(Arc::clone(backend), observe::strike);
    let with_faults = |routes: Router<_>| routes.layer(strike.clone()).layer(from_fn(unread::read_to_end));
    let rest_api = with_faults(rest_api());
    let under_prefix = with_faults(upload_api()).layer(cors()).merge(rest_api.clone());
    Router::new()
        .nest("/uploadcare", under_prefix)
        .merge(rest_api)
        // Bodies are streamed and bounded where they are read.
        .layer(DefaultBodyLimit::disable())
        .layer(observe)
}

fn upload_api() -> Router<Arc<Backend>> {
    Router::new()
        .route("/base/", post(base::create))
        .route("/info/", get(info::show))
        .route("/multipart/start/", post(multipart::start))
        .route("/multipart/complete/", post(multipart::complete))
        .route("/group/", post(group::create))
        .route("/group/info/", get(group::show))
        .route("/from_url/", post(info::refuse_url))
        .route("/from_url/status/", get(info::refuse_url_status))
        .layer(from_fn(refusal::as_asked))
        // The parts go to another service, whose errors look otherwise.
        .route("/multipart/{uuid}/{part}", put(multipart::receive_part))
}

fn rest_api() -> Router<Arc<Backend>> {
    Router::new()
        .route("/files/{uuid}/", get(rest::files::show))
        .route("/files/{uuid}/storage/", delete(rest::files::delete))
        .route("/files/{uuid}/metadata/", get(rest::metadata::list))
        .route("/files/{uuid}/metadata/{key}/", get(rest::metadata::show).delete(rest::metadata::delete))
        .route("/files/storage/", delete(rest::files::delete_many))
        .route("/webhooks/", get(rest::webhooks::list).post(rest::webhooks::create))
        .route("/webhooks/unsubscribe/", delete(rest::webhooks::delete))
}

/// As the provider: any page may upload and read the answers. The REST API answers none.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::HEAD])
        .allow_headers([
            HeaderName::from_static("dnt"),
            HeaderName::from_static("x-pingother"),
            HeaderName::from_static("x-uc-user-agent"),
            ACCEPT,
            CONTENT_TYPE,
        ])
        .expose_headers([WARNING, RETRY_AFTER])
        .max_age(Duration::from_secs(1))
}
