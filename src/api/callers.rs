//! `/callers/{sub}/assets`: erases everything of one person, for administrators.

use std::sync::Arc;

use axum::extract::State;

use super::ApiError;
use super::extract::{ApiJson, ApiPath, Meter, RequestId};
use super::uploads::by;
use crate::auth::{Action, Caller};
use crate::ledger::SettledBy;
use crate::settling::Erasure;
use crate::state::AppState;

/// Erases what the ledger and the folders hold of one caller.
pub(super) async fn erase(
    State(app): State<AppState>,
    caller: Caller,
    meter: Meter,
    ApiPath(subject): ApiPath<String>,
    request_id: RequestId,
) -> Result<ApiJson<Erasure>, ApiError> {
    caller.may(Action::Administer)?;
    let profiles = Arc::clone(&app.profiles());
    meter.charge(&app, app.settling().calls_to_erase(&subject, &profiles).await?)?;
    let by = by(SettledBy::Owner, &caller, &request_id);
    let erasure = app.settling().erase(&subject, &profiles, by).await?;
    match erasure.left() {
        0 => Ok(ApiJson(erasure)),
        left => Err(ApiError::ProviderFailed {
            message: format!("{left} items may still be there; the request can be repeated"),
            data: serde_json::to_value(erasure).unwrap_or_default(),
        }),
    }
}
