//! The service, wired: routes, layers, and the listener they stand on.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER};
use axum::http::{HeaderValue, Method};
use axum::response::Response;
use tokio::net::TcpListener;
use tower::{Service, ServiceBuilder};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::api::{self, RATELIMIT, RATELIMIT_POLICY};
use crate::connections::{self, ConnectionLimits};
use crate::demo;
use crate::descriptors;
use crate::host::HostCheck;
use crate::outermost::{Outermost, X_REQUEST_ID, panicked};
use crate::panics::CatchPanics;
use crate::state::AppState;
use crate::strict_http::StrictHttp;

/// The longest head of a request.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// Every route of the service under its layers. They wrap the router as a whole, and not each of its routes: a layer
/// inside the router costs every request a box.
pub fn service(
    state: AppState,
    cors_allowed_origins: Vec<HeaderValue>,
) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static
{
    let rules = state.host_rules(&cors_allowed_origins).map(Arc::new);
    let router = Router::new().merge(demo::routes()).merge(api::routes()).with_state(state);
    let layers = ServiceBuilder::new()
        .layer_fn(|inner| CatchPanics::new(inner, panicked))
        .layer_fn(Outermost::new)
        .layer_fn(StrictHttp)
        .layer_fn(|inner| HostCheck::new(inner, rules.clone()))
        .option_layer(cors(cors_allowed_origins))
        // Inside as well, so that a handler's panic leaves its line in the log and is readable for pages.
        .layer_fn(|inner| CatchPanics::new(inner, panicked));
    layers.service(router)
}

/// Serves until `shutdown` resolves: readiness turns off at once, requests under way are finished.
pub async fn serve(
    listener: TcpListener,
    state: AppState,
    cors_allowed_origins: Vec<HeaderValue>,
    shutdown: impl Future<Output = ()>,
) {
    let service = service(state.clone(), cors_allowed_origins);
    let shutdown = async {
        shutdown.await;
        state.start_draining();
    };
    let limits = ConnectionLimits {
        connections: descriptors::connections_allowed(),
        buffer_bytes: Some(MAX_HEAD_BYTES),
        ..ConnectionLimits::default()
    };
    connections::serve(listener, service, limits, shutdown).await;
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
        .expose_headers([DATE, RATELIMIT, RATELIMIT_POLICY, RETRY_AFTER, X_REQUEST_ID])
        .max_age(Duration::from_mins(10));
    Some(layer)
}
