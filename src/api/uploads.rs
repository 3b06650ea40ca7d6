//! `/uploads`: the grants of the caller that the ledger keeps, what became of them, and their end.

use std::num::NonZeroU64;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::ApiError;
use super::extract::{ApiBody, ApiJson, ApiPath, ApiQuery, Meter, RequestId, breaks};
use crate::auth::{Action, Caller};
use crate::clock::UnixSeconds;
use crate::delivery::{DeliveryType, ResourceType};
use crate::ledger::{Entry, Page, SettledBy, State as GrantState};
use crate::profiles::{NotAnUploadId, UploadId};
use crate::providers::cloudinary::AdminApi;
use crate::settling::By;
use crate::state::AppState;

/// The most bytes of a confirmation: the provider's whole answer fits.
const MAX_BODY_BYTES: usize = 256 * 1024;
/// How many grants a page has unless the client asks for another number.
const DEFAULT_LIMIT: u32 = 20;
/// The most grants of a page.
const MAX_LIMIT: u32 = 100;

/// Which grants a client asks for, as text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UploadsQuery {
    limit: Option<String>,
    cursor: Option<String>,
    state: Option<String>,
    subject: Option<String>,
}

/// The provider's answer to an upload. More may be in it, and is not looked at: the signature covers these alone.
#[derive(Debug, Deserialize, Validate)]
pub(super) struct ConfirmRequest {
    public_id: String,
    version: NonZeroU64,
    signature: String,
    /// Where to look first.
    resource_type: Option<ResourceType>,
}

/// A page of grants, the latest first.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UploadsResponse {
    uploads: Vec<UploadResponse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<UploadId>,
}

/// One grant, and what became of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UploadResponse {
    upload_id: UploadId,
    profile: String,
    state: GrantState,
    public_id: String,
    #[serde(rename = "type")]
    delivery_type: DeliveryType,
    issued_at: UnixSeconds,
    expires_at: UnixSeconds,
    resource_type: Option<ResourceType>,
    format: Option<String>,
    bytes: Option<u64>,
    version: Option<u64>,
    settled_at: Option<UnixSeconds>,
    settled_by: Option<SettledBy>,
    reason: Option<String>,
    deleted_at: Option<UnixSeconds>,
    /// When another file was found in its place; there are no links to it any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced_at: Option<UnixSeconds>,
}

/// Lists the caller's grants.
pub(super) async fn list(
    State(app): State<AppState>,
    caller: Caller,
    ApiQuery(query): ApiQuery<UploadsQuery>,
) -> Result<ApiJson<UploadsResponse>, ApiError> {
    let limit = query.limit()?;
    let page =
        Page { subject: query.subject(&caller)?, state: query.state()?, before: query.cursor()?, limit };
    let entries = app.ledger.list(page).await?;
    let is_full = u32::try_from(entries.len()).is_ok_and(|found| found == limit);
    let next_cursor = entries.last().map(|last| last.id).filter(|_| is_full);
    Ok(ApiJson(UploadsResponse {
        uploads: entries.into_iter().map(UploadResponse::from).collect(),
        next_cursor,
    }))
}

/// Says what became of one grant.
pub(super) async fn show(
    State(app): State<AppState>,
    caller: Caller,
    ApiPath(id): ApiPath<String>,
) -> Result<ApiJson<UploadResponse>, ApiError> {
    Ok(ApiJson(find(&app, &caller, &id).await?.into()))
}

/// Takes in the provider's signed answer: the grant is used.
pub(super) async fn confirm(
    State(app): State<AppState>,
    caller: Caller,
    ApiPath(id): ApiPath<String>,
    request_id: RequestId,
    ApiBody(shown): ApiBody<ConfirmRequest, MAX_BODY_BYTES>,
) -> Result<ApiJson<UploadResponse>, ApiError> {
    let entry = find(&app, &caller, &id).await?;
    if shown.public_id != entry.public_id {
        return Err(ApiError::ConfirmationRefused("public_id: is not what this upload was granted"));
    }
    let signer = &app.cloudinary.signer;
    if !signer.verifies_upload_response(&shown.public_id, shown.version.get(), &shown.signature) {
        return Err(ApiError::ConfirmationRefused(
            "signature: is not the provider's for this public_id and version; send its answer as it came",
        ));
    }
    let by = by(SettledBy::Confirmation, &caller, &request_id);
    let entry = app.settling().confirm(entry, shown.resource_type, by).await?;
    Ok(ApiJson(entry.into()))
}

/// Deletes what was uploaded with a grant, or takes an unused grant back.
pub(super) async fn delete(
    State(app): State<AppState>,
    caller: Caller,
    meter: Meter,
    ApiPath(id): ApiPath<String>,
    request_id: RequestId,
) -> Result<ApiJson<UploadResponse>, ApiError> {
    caller.may(Action::Delete)?;
    let mut entry = find(&app, &caller, &id).await?;
    meter.charge(&app, AdminApi::calls_to_delete(&entry.addresses()))?;
    let settling = app.settling();
    let by = by(SettledBy::Owner, &caller, &request_id);
    if entry.state == GrantState::Issued {
        entry = settling.withdraw(entry, by).await?;
    }
    let all_gone = settling.remove(&entry, &entry.addresses(), by).await?;
    let entry = app.ledger.find(entry.id).await?.unwrap_or(entry);
    let response = UploadResponse::from(entry);
    if all_gone {
        return Ok(ApiJson(response));
    }
    let message = "the asset may still be there; the request can be repeated".to_owned();
    Err(ApiError::ProviderFailed { message, data: serde_json::to_value(response).unwrap_or_default() })
}

/// The grant with this id, if it is the caller's; what is not is answered as if it were not there.
pub(super) async fn find(app: &AppState, caller: &Caller, id: &str) -> Result<Entry, ApiError> {
    let id: UploadId = id.parse().map_err(|_not_an_id: NotAnUploadId| ApiError::UploadNotFound)?;
    let entry = app.ledger.find(id).await?;
    let is_theirs = |entry: &Entry| caller.reaches_everything() || caller.subject() == Some(&entry.subject);
    entry.filter(is_theirs).ok_or(ApiError::UploadNotFound)
}

/// The caller, as one who settles.
pub(super) fn by<'a>(source: SettledBy, caller: &'a Caller, request_id: &'a RequestId) -> By<'a> {
    By { source, subject: caller.subject().unwrap_or_default(), request_id: request_id.as_str() }
}

impl UploadsQuery {
    fn limit(&self) -> Result<u32, ApiError> {
        match self.limit.as_deref().map(str::parse) {
            None => Ok(DEFAULT_LIMIT),
            Some(Ok(limit @ 1..=MAX_LIMIT)) => Ok(limit),
            Some(_) => Err(breaks("limit", format_args!("must be 1 to {MAX_LIMIT}"))),
        }
    }

    fn cursor(&self) -> Result<Option<UploadId>, ApiError> {
        let cursor = self.cursor.as_deref().map(str::parse).transpose();
        cursor.map_err(|_not_an_id: NotAnUploadId| breaks("cursor", "must be the nextCursor of a page"))
    }

    fn state(&self) -> Result<Option<GrantState>, ApiError> {
        match self.state.as_deref() {
            None => Ok(None),
            Some(word) => GrantState::parse(word)
                .map(Some)
                .ok_or_else(|| breaks("state", "must be issued, used, expired or rejected")),
        }
    }

    /// One's own; an administrator may name another.
    fn subject<'a>(&'a self, caller: &'a Caller) -> Result<&'a str, ApiError> {
        let own = caller.subject().unwrap_or_default();
        match self.subject.as_deref() {
            Some(other) if other != own && !caller.is_admin() => {
                Err(breaks("subject", "may be another's for administrators only"))
            }
            Some(subject) => Ok(subject),
            None => Ok(own),
        }
    }
}

impl From<Entry> for UploadResponse {
    fn from(entry: Entry) -> Self {
        Self {
            upload_id: entry.id,
            profile: entry.profile,
            state: entry.state,
            public_id: entry.public_id,
            delivery_type: entry.delivery_type,
            issued_at: entry.issued_at,
            expires_at: entry.expires_at,
            resource_type: entry.resource_type,
            format: entry.format,
            bytes: entry.bytes,
            version: entry.version,
            settled_at: entry.settled_at,
            settled_by: entry.settled_by,
            reason: entry.reason,
            deleted_at: entry.deleted_at,
            replaced_at: entry.replaced_at,
        }
    }
}
