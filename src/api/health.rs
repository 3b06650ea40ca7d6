//! Whether the process lives, and whether it wants requests.

use axum::extract::State;
use serde::Serialize;

use super::ApiError;
use super::extract::ApiJson;
use crate::state::AppState;

/// What a probe is told.
#[derive(Debug, Serialize)]
pub(super) struct HealthResponse {
    version: &'static str,
    /// `cloudinary`, or `emulator`: a reminder where it does not belong.
    provider: &'static str,
}

impl HealthResponse {
    fn of(app: &AppState) -> Self {
        let provider = if app.cloudinary.emulated { "emulator" } else { "cloudinary" };
        Self { version: env!("CARGO_PKG_VERSION"), provider }
    }
}

/// 200 as long as the process answers at all.
pub(super) async fn live(State(app): State<AppState>) -> ApiJson<HealthResponse> {
    ApiJson(HealthResponse::of(&app))
}

/// 200 while new requests are welcome; 503 from the moment the service is told to stop.
pub(super) async fn ready(State(app): State<AppState>) -> Result<ApiJson<HealthResponse>, ApiError> {
    if app.is_draining() {
        return Err(ApiError::ShuttingDown);
    }
    Ok(ApiJson(HealthResponse::of(&app)))
}
