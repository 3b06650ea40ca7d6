//! Every path.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use axum::http::{HeaderMap, HeaderName, Method, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{delete, get, post};
use tower_http::cors::{Any, CorsLayer};

use super::answer::X_COUNTERSIGN_EMULATOR;
use super::refusal::{Refusal, X_CLD_ERROR};
use super::{Backend, admin, control, delivery, destroy, download, observe, unread, upload, uploadcare};

/// Everything an emulator serves.
pub(super) fn router(backend: Arc<Backend>) -> Router {
    let observe = from_fn_with_state(Arc::clone(&backend), observe::observe);
    let strike = from_fn_with_state(Arc::clone(&backend), observe::strike);
    let provider = Router::new()
        .route("/", get(about))
        .route("/v1_1/{cloud}/upload", post(upload::create_auto))
        .route("/v1_1/{cloud}/{resource_type}/upload", post(upload::create))
        .route("/v1_1/{cloud}/{resource_type}/upload_chunked", post(upload::create))
        .route("/v1_1/{cloud}/{resource_type}/destroy", post(destroy::destroy))
        .route("/v1_1/{cloud}/{resource_type}/download", get(download::download))
        .route("/v1_1/{cloud}/ping", get(admin::ping))
        .route("/v1_1/{cloud}/resources/{resource_type}/{type}", delete(admin::delete_resources))
        .route("/{cloud}/", get(deliver))
        .route("/{cloud}/{*path}", get(deliver))
        .method_not_allowed_fallback(not_emulated)
        .fallback(not_emulated)
        // Bodies are streamed and bounded where they are read.
        .layer(DefaultBodyLimit::disable())
        .layer(strike)
        .layer(from_fn(unread::read_to_end))
        .layer(cors())
        .layer(observe);
    let uploadcare = uploadcare::routes(&backend);
    provider.nest("/_emulator", control_routes()).merge(uploadcare).with_state(backend)
}

fn control_routes() -> Router<Arc<Backend>> {
    Router::new()
        .route("/clock", get(control::show_clock).post(control::move_clock))
        .route("/faults", get(control::show_faults).post(control::set_faults))
        .route("/requests", get(control::show_requests).delete(control::clear_requests))
        .route("/assets", get(control::show_assets).delete(control::clear_assets))
        .fallback(control::unknown)
        .layer(from_fn(control::guard))
}

/// As the provider: any page may upload and read the answers.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::HEAD])
        .allow_headers([
            AUTHORIZATION,
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

/// What a browser sees that was pointed here.
async fn about() -> &'static str {
    "This is the countersign emulator: Cloudinary's APIs for development and tests.\n\n\
     Upload API, Admin API and download   /v1_1/<cloud>/...\n\
     Delivery                             /<cloud>/<resource type>/<type>/...\n\
     Uploadcare's Upload API and REST API /uploadcare/...\n\
     Uploadcare's CDN                     /<uuid>/...\n\
     Control, from this machine only      /_emulator/clock, faults, requests, assets\n"
}

/// Delivery; but calls that no API path above takes end up here, too.
async fn deliver(
    backend: State<Arc<Backend>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    if uploadcare::is_addressed(&uri) {
        return Ok(uploadcare::serve(&backend, &uri, &headers).await);
    }
    let mut segments = uri.path().split('/').skip(1);
    if matches!(segments.next(), Some("v1_1" | "v2")) {
        return Err(not_emulated(method, uri).await);
    }
    delivery::serve(backend, uri, headers).await
}

async fn not_emulated(method: Method, uri: Uri) -> Refusal {
    Refusal::NotEmulated(format!("{method} {}", uri.path()))
}
