//! The Uploadcare half of `/download-url`: a CDN URL with a token that expires.

use super::extract::{RequestId, breaks};
use super::{ApiError, ownership};
use crate::auth::Caller;
use crate::clock::UnixSeconds;
use crate::delivery::uploadcare::CdnUrlError;
use crate::state::AppState;

/// The signed URL of the original behind `url`. The token opens the plain file, neither operations nor names behind it.
///
/// Nothing in an Uploadcare URL tells whose a file is: it is the caller's if the ledger says so.
pub(super) async fn sign(
    app: &AppState,
    caller: &Caller,
    url: &str,
    expires_at: UnixSeconds,
    request_id: &RequestId,
) -> Result<String, ApiError> {
    let uploadcare = app.uploadcare.as_ref().ok_or(ApiError::NoUploadcare)?;
    let delivery = uploadcare.secure_delivery.as_ref().ok_or(ApiError::NoSecureDelivery)?;
    let file = uploadcare.cdn.file(url).map_err(|error: CdnUrlError| breaks("url", error))?;
    let (owned, _) = ownership::split_files(app, caller, vec![file.clone()]).await?;
    if owned.is_empty() {
        return Err(ApiError::AssetNotFound);
    }
    ownership::note_file_download(app, caller, &file, request_id);
    let path = format!("/{file}/");
    Ok(format!("{}{path}?token={}", delivery.base, delivery.key.token(&path, expires_at.0)))
}
