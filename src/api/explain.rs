//! `/explain`: the signature debugger for people on this machine, and for callers who are known.
//!
//! It works with the API secret and says whether a signature is right. That is nothing to hand to strangers: callers need
//! the scope `explain`, and anonymous callers must be on this very machine, and not behind a proxy on it.
//!
//! The search keeps a core busy. It is bounded in time and size, two run at once, and one that nobody waits for any more
//! is called off.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;
use validator::Validate;

use super::ApiError;
use super::extract::{ApiBody, ApiJson};
use crate::auth::{Action, Caller};
use crate::signing::explain::{
    Budget, Cause, Finding, Known, MAX_INPUT_BYTES, Unexplained, Unsearched, explain,
};
use crate::state::AppState;

/// How many texts are explained at once.
const SLOTS: usize = 2;
/// How long a request waits for a slot.
const SLOT_TIMEOUT: Duration = Duration::from_millis(250);

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

/// Room for those texts that are explained at once.
#[derive(Debug)]
pub struct ExplainSlots(Arc<Semaphore>);

impl Default for ExplainSlots {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(SLOTS)))
    }
}

impl ExplainSlots {
    /// The next slot that is free, unless that takes too long.
    async fn take(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let slot = tokio::time::timeout(SLOT_TIMEOUT, Arc::clone(&self.0).acquire_owned()).await;
        slot.ok().and_then(Result::ok).ok_or(ApiError::ExplainBusy)
    }
}

/// Set when the request is dropped, which happens when its client goes away.
#[derive(Debug, Default)]
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Somebody who may learn whether a signature is right.
#[derive(Debug)]
pub(super) struct Insider;

impl FromRequestParts<AppState> for Insider {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Self::Rejection> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let is_here = peer.is_some_and(|peer| peer.0.ip().to_canonical().is_loopback())
            && !FORWARDED.iter().any(|name| parts.headers.contains_key(*name));
        match caller {
            Caller::Known(_) => caller.may(Action::Explain).map(|()| Self).map_err(ApiError::from),
            Caller::Anonymous if is_here => Ok(Self),
            Caller::Anonymous => Err(ApiError::InsidersOnly),
        }
    }
}

/// Finds the cause of what was pasted.
pub(super) async fn create(
    State(app): State<AppState>,
    Insider: Insider,
    ApiBody(request): ApiBody<ExplainRequest, MAX_INPUT_BYTES>,
) -> Result<ApiJson<ExplainResponse>, ApiError> {
    let slot = app.explain_slots.take().await?;
    let cancelled = CancelOnDrop::default();
    let is_left = Arc::clone(&cancelled.0);
    // Not on a thread that answers others.
    let searching = tokio::task::spawn_blocking(move || {
        let _slot = slot;
        let is_cancelled = || is_left.load(Ordering::Relaxed) || app.is_draining();
        let budget = Budget::new(&is_cancelled);
        let cloudinary = &app.cloudinary;
        let now = app.clock.now().0;
        let known = Known::of(&cloudinary.signer, &cloudinary.cloud, &cloudinary.api_key, now);
        explain(&request.text, &known, &budget)
    });
    match searching.await.map_err(|error| broken_off(&error))? {
        // The client would not be here to read it, had it called this off itself.
        Err(Unexplained::NotSearched(Unsearched::Cancelled)) => Err(ApiError::ShuttingDown),
        found => Ok(ApiJson(found.into())),
    }
}

/// A search that came to no end: a fault of this program's, or of the runtime's end.
fn broken_off(error: &JoinError) -> ApiError {
    if error.is_panic() {
        tracing::error!("the signature debugger panicked");
        return ApiError::Internal;
    }
    ApiError::ShuttingDown
}

impl From<Result<Finding, Unexplained>> for ExplainResponse {
    fn from(found: Result<Finding, Unexplained>) -> Self {
        match found {
            Ok(Finding { cause, message, fix }) => Self { cause: Some(cause), message, fix: Some(fix) },
            Err(why) => Self { cause: None, message: why.to_string(), fix: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_fault_and_no_shutdown() {
        let panicked = tokio::task::spawn_blocking(|| panic!("on purpose")).await.unwrap_err();
        assert!(matches!(broken_off(&panicked), ApiError::Internal));
    }
}
