//! `/explain`: the signature debugger for people on this machine, and for callers who are known.
//!
//! It works with the API secret and says whether a signature is right. That is nothing to hand to strangers, so nobody in
//! particular is answered only from this very machine, and not through a proxy on it.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::ApiError;
use super::extract::{ApiBody, ApiJson};
use crate::auth::Caller;
use crate::signing::explain::{Cause, Finding, Known, Unexplained, explain};
use crate::state::AppState;

/// The most bytes of a body: an error and the parameters of a large request.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Headers that a proxy adds.
const FORWARDED: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

/// What was pasted.
#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplainRequest {
    #[validate(length(min = 1, message = "must hold the provider's error, parameters, or both"))]
    text: String,
}

/// The cause; null where there is none, and the message then says why.
#[derive(Debug, Serialize)]
pub(super) struct ExplainResponse {
    cause: Option<Cause>,
    message: String,
    fix: Option<String>,
}

/// Somebody who may learn whether a signature is right.
#[derive(Debug)]
pub(super) struct Insider;

impl FromRequestParts<AppState> for Insider {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Self::Rejection> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let is_here = peer.is_some_and(|peer| peer.0.ip().is_loopback())
            && !FORWARDED.iter().any(|name| parts.headers.contains_key(*name));
        match caller {
            Caller::Known(_) => Ok(Self),
            Caller::Anonymous if is_here => Ok(Self),
            Caller::Anonymous => Err(ApiError::InsidersOnly),
        }
    }
}

/// Finds the cause of what was pasted.
pub(super) async fn create(
    State(app): State<AppState>,
    Insider: Insider,
    ApiBody(request): ApiBody<ExplainRequest, MAX_BODY_BYTES>,
) -> Result<ApiJson<ExplainResponse>, ApiError> {
    // The search may hash for a good part of a second: not on a thread that answers others.
    let searching = tokio::task::spawn_blocking(move || {
        let cloudinary = &app.cloudinary;
        let now = app.clock.now().0;
        explain(&request.text, &Known::of(&cloudinary.signer, &cloudinary.cloud, &cloudinary.api_key, now))
    });
    let found = searching.await.map_err(|_cancelled| ApiError::ShuttingDown)?;
    Ok(ApiJson(found.into()))
}

impl From<Result<Finding, Unexplained>> for ExplainResponse {
    fn from(found: Result<Finding, Unexplained>) -> Self {
        match found {
            Ok(Finding { cause, message, fix }) => Self { cause: Some(cause), message, fix: Some(fix) },
            Err(why) => Self { cause: None, message: why.to_string(), fix: None },
        }
    }
}
