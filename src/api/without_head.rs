//! Routes that sign do not answer HEAD: it would make a grant and use up quota, and nobody would see the signature.

use std::future::ready;

use axum::http::header::ALLOW;
use axum::http::{HeaderValue, StatusCode};
use axum::routing::MethodRouter;

use crate::state::AppState;

/// `route`, which takes the methods `allow` and no other.
pub(super) fn without_head(route: MethodRouter<AppState>, allow: &'static str) -> MethodRouter<AppState> {
    let refuse = move || ready((StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, HeaderValue::from_static(allow))]));
    route.head(refuse).fallback(refuse)
}
