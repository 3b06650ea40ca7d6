//! Every path.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use tower::ServiceExt as _;

use super::refusal::Refusal;
use super::{
    Backend, admin, archive, control, delete_token, delivery, download, edit, host, observe, pages,
    unperformed, unread, upload, uploadcare,
};

/// Everything an emulator serves.
pub(super) fn router(backend: Arc<Backend>) -> Router {
    let observe = from_fn_with_state(Arc::clone(&backend), observe::observe);
    let strike = from_fn_with_state(Arc::clone(&backend), observe::strike);
    let provider = Router::new()
        .route("/", get(about))
        .route("/v1_1/{cloud}/upload", post(upload::create_auto))
        .route("/v1_1/{cloud}/{resource_type}/upload", post(upload::create))
        .route("/v1_1/{cloud}/{resource_type}/upload_chunked", post(upload::create))
        .route("/v1_1/{cloud}/{resource_type}/destroy", post(edit::destroy))
        .route("/v1_1/{cloud}/asset/destroy", post(edit::destroy_by_asset_id))
        .route("/v1_1/{cloud}/{resource_type}/rename", post(edit::rename))
        .route("/v1_1/{cloud}/{resource_type}/explicit", post(edit::explicit))
        .route("/v1_1/{cloud}/{resource_type}/tags", post(edit::tags))
        .route("/v1_1/{cloud}/{resource_type}/context", post(edit::context))
        .route("/v1_1/{cloud}/{resource_type}/metadata", post(edit::metadata))
        .route("/v1_1/{cloud}/delete_by_token", post(delete_token::delete))
        .route("/v1_1/{cloud}/{resource_type}/download", get(download::download))
        .route(
            "/v1_1/{cloud}/{resource_type}/generate_archive",
            get(archive::generate).post(archive::generate),
        )
        .merge(admin_routes())
        .route(pages::DELIVERY_ROOT, get(deliver))
        .route(pages::DELIVERY, get(deliver))
        .method_not_allowed_fallback(unperformed::refuse)
        .fallback(unperformed::refuse)
        // Bodies are streamed and bounded where they are read.
        .layer(DefaultBodyLimit::disable())
        .layer(strike)
        .layer(from_fn(unread::read_to_end))
        .layer(from_fn(pages::share))
        .layer(observe);
    let uploadcare = uploadcare::routes(&backend);
    let check_host = from_fn_with_state(Arc::clone(&backend), host::check);
    let control = control_routes(&backend);
    let inner = provider.nest("/_emulator", control).merge(uploadcare).with_state(backend);
    Router::new().fallback_service(inner.map_request(split_joined_path)).layer(check_host)
}

/// The Node SDK writes some paths of the Admin API as one segment: `/v1_1/<cloud>/resources%2Fsearch`. The slashes
/// of that segment count as such; those of later segments belong to public ids.
fn split_joined_path(mut request: Request) -> Request {
    let path = request.uri().path();
    let mut segments = path.splitn(5, '/').map(str::to_owned).collect::<Vec<_>>();
    if let [_, version, _, joined, ..] = segments.as_mut_slice()
        && version == "v1_1"
        && joined.to_ascii_lowercase().contains("%2f")
    {
        *joined = joined.replace("%2F", "/").replace("%2f", "/");
        let query = request.uri().query().map_or_else(String::new, |query| format!("?{query}"));
        if let Ok(uri) = format!("{}{query}", segments.join("/")).parse() {
            *request.uri_mut() = uri;
        }
    }
    request
}

/// The Admin API. Words in the place of a parameter win over it.
fn admin_routes() -> Router<Arc<Backend>> {
    Router::new()
        .route("/v1_1/{cloud}/ping", get(admin::ping))
        .route("/v1_1/{cloud}/config", get(admin::config))
        .route("/v1_1/{cloud}/usage", get(admin::usage))
        .route("/v1_1/{cloud}/usage/{date}", get(admin::usage_on))
        .route("/v1_1/{cloud}/resources", get(admin::resource_types).delete(admin::delete_by_asset_ids))
        .route("/v1_1/{cloud}/resources/{word}", get(admin::by_asset_id_or_list))
        .route("/v1_1/{cloud}/resources/search", post(admin::search))
        .route("/v1_1/{cloud}/resources/by_asset_ids", get(admin::by_asset_ids))
        .route("/v1_1/{cloud}/resources/by_asset_folder", get(admin::by_asset_folder))
        .route(
            "/v1_1/{cloud}/resources/related_assets/{asset_id}",
            post(admin::relate_by_asset_id).delete(admin::unrelate_by_asset_id),
        )
        .route(
            "/v1_1/{cloud}/resources/related_assets/{resource_type}/{type}/{*public_id}",
            post(admin::relate).delete(admin::unrelate),
        )
        .route("/v1_1/{cloud}/resources/{word}/{type}", get(admin::list).delete(admin::delete_resources))
        .route("/v1_1/{cloud}/resources/{word}/context", get(admin::by_context))
        .route("/v1_1/{cloud}/resources/{word}/tags/{tag}", get(admin::by_tag).delete(admin::delete_by_tag))
        .route("/v1_1/{cloud}/resources/{word}/moderations/{kind}/{status}", get(admin::by_moderation))
        .route("/v1_1/{cloud}/resources/{word}/{type}/{*public_id}", get(admin::show).post(admin::update))
        .route("/v1_1/{cloud}/derived_resources", delete(admin::delete_derived))
        .route("/v1_1/{cloud}/tags/{resource_type}", get(admin::tags))
        .route("/v1_1/{cloud}/upload_presets", get(admin::list_presets).post(admin::create_preset))
        .route(
            "/v1_1/{cloud}/upload_presets/{name}",
            get(admin::show_preset).put(admin::update_preset).delete(admin::delete_preset),
        )
        .merge(metadata_routes())
        .route(
            "/v1_1/{cloud}/upload_mappings",
            get(admin::show_mappings)
                .post(admin::create_mapping)
                .put(admin::update_mapping)
                .delete(admin::delete_mapping),
        )
        .route(
            "/v1_1/{cloud}/transformations",
            get(admin::show_transformations)
                .post(admin::create_transformation)
                .put(admin::update_transformation)
                .delete(admin::delete_transformation),
        )
        .route("/v1_1/{cloud}/folders", get(admin::root_folders))
        .route("/v1_1/{cloud}/folders/search", post(admin::search_folders))
        .route(
            "/v1_1/{cloud}/folders/{*path}",
            get(admin::sub_folders)
                .post(admin::create_folder)
                .put(admin::rename_folder)
                .delete(admin::delete_folder),
        )
}

fn metadata_routes() -> Router<Arc<Backend>> {
    Router::new()
        .route("/v1_1/{cloud}/metadata_fields", get(admin::list_fields).post(admin::create_field))
        .route("/v1_1/{cloud}/metadata_fields/order", put(admin::order_fields))
        .route(
            "/v1_1/{cloud}/metadata_fields/{external_id}",
            get(admin::show_field).put(admin::update_field).delete(admin::delete_field),
        )
        .route(
            "/v1_1/{cloud}/metadata_fields/{external_id}/datasource",
            put(admin::update_entries).delete(admin::delete_entries),
        )
        .route("/v1_1/{cloud}/metadata_fields/{external_id}/datasource_restore", post(admin::restore_entries))
        .route("/v1_1/{cloud}/metadata_fields/{external_id}/datasource/order", post(admin::order_entries))
}

fn control_routes(backend: &Arc<Backend>) -> Router<Arc<Backend>> {
    let guard = from_fn_with_state(Arc::clone(backend), control::guard);
    Router::new()
        .route("/clock", get(control::show_clock).post(control::move_clock))
        .route("/faults", get(control::show_faults).post(control::set_faults))
        .route("/requests", get(control::show_requests).delete(control::clear_requests))
        .route("/notifications", get(control::show_notifications).delete(control::clear_notifications))
        .route("/seed", post(control::seed))
        .route("/assets", get(control::show_assets).delete(control::clear_assets))
        .fallback(control::unknown)
        .layer(guard)
}

/// What a browser sees that was pointed here.
async fn about() -> &'static str {
    "This is the countersign emulator: Cloudinary's APIs for development and tests.\n\n\
     Upload API, Admin API and download   /v1_1/<cloud>/...\n\
     Delivery                             /<cloud>/<resource type>/<type>/...\n\
     Uploadcare's Upload API and REST API /uploadcare/...\n\
     Uploadcare's CDN                     /<uuid>/...\n\
     Control, from this machine only      /_emulator/clock, faults, requests, notifications, seed, assets\n"
}

/// Delivery; but calls that no API path above takes end up here, too.
async fn deliver(backend: State<Arc<Backend>>, request: Request) -> Result<Response, Refusal> {
    let (uri, headers) = (request.uri().clone(), request.headers().clone());
    if uploadcare::is_addressed(&uri) {
        return Ok(uploadcare::serve(&backend, &uri, &headers).await);
    }
    let mut segments = uri.path().split('/').skip(1);
    if matches!(segments.next(), Some("v1_1" | "v2")) {
        return Err(unperformed::refuse(backend, request).await);
    }
    delivery::serve(backend, uri, headers).await
}
