//! `/delete-files`: deletes assets by their delivery URLs and says what became of each.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tower_http::timeout::TimeoutLayer;
use validator::Validate;

use super::delete_uploadcare::{self, FilesResponse};
use super::error::InvalidItem;
use super::extract::{ApiBody, ApiJson, Meter, RequestId};
use super::{ApiError, ownership};
use crate::auth::{Action, Caller};
use crate::delivery::uploadcare::FileId;
use crate::delivery::{
    AssetAddress, DeliveryType, DeliveryUrl, DeliveryUrlError, NotAResourceType, OurDelivery, ResourceType,
};
use crate::providers::cloudinary::{AdminApi, BatchReport, DeleteResponse, Outcome};
use crate::providers::uploadcare::{FileBatch, FileOutcome, RestApi};
use crate::state::AppState;

/// The most bytes of a body: 1,000 URLs of 1,000 characters.
pub(super) const MAX_BODY_BYTES: usize = 1024 * 1024;
/// How long the provider may take, retries included.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(25);

/// How long the whole request may take: the only one that waits for others.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(40);

/// The layer that ends a request that takes too long.
pub(super) fn time_limit() -> TimeoutLayer {
    TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, REQUEST_TIMEOUT)
}

/// What to delete.
#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct DeleteRequest {
    #[validate(length(min = 1, max = 1000, message = "must hold 1 to 1,000 items"))]
    /// Read one by one, so that every bad item can be named and not the first alone.
    urls: Vec<Value>,
}

/// What became of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeleteFilesResponse {
    delete_response: Vec<ProviderResponse>,
    results: Vec<UrlResult>,
}

/// One call's answer, of either provider.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ProviderResponse {
    Cloudinary(BatchResponse),
    Uploadcare(FilesResponse),
}

/// One call's answer, as the provider gave it.
#[derive(Debug, Serialize)]
struct BatchResponse {
    resource_type: ResourceType,
    #[serde(rename = "type")]
    delivery_type: DeliveryType,
    response: DeleteResponse,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// One URL's outcome.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UrlResult {
    url: String,
    public_id: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// Deletes the assets behind the URLs. Nothing is deleted unless every item is in order.
pub(super) async fn delete(
    State(app): State<AppState>,
    caller: Caller,
    meter: Meter,
    request_id: RequestId,
    ApiBody(request): ApiBody<DeleteRequest, MAX_BODY_BYTES>,
) -> Result<ApiJson<DeleteFilesResponse>, ApiError> {
    caller.may(Action::Delete)?;
    let items = parse_items(request.urls, &app)?;
    let assets: Vec<_> = items.iter().filter_map(|item| item.target.asset().cloned()).collect();
    let files: Vec<_> = items.iter().filter_map(|item| item.target.file().cloned()).collect();
    meter.charge(&app, AdminApi::calls_to_delete(&assets) + RestApi::calls_to_delete(&files))?;
    let (owned, others) = ownership::split(&app, &caller, assets.into_iter()).await?;
    let (own_files, other_files) = ownership::split_files(&app, &caller, files).await?;
    let (mut reports, mut batches) = tokio::join!(
        app.cloudinary.admin.delete(&owned, TIME_LIMIT),
        delete_uploadcare::delete(&app, &own_files),
    );
    ownership::note_deletions(&app, &caller, &reports, &request_id).await;
    ownership::note_file_deletions(&app, &caller, &batches, &request_id).await;
    // What is not the caller's is answered as if it were not there, and the provider is not asked.
    reports.extend(BatchReport::all_not_found(&others));
    batches.extend(delete_uploadcare::not_there(other_files));
    let failed = reports.iter().any(|report| report.error.is_some());
    let items_asked = items.len();
    let response = DeleteFilesResponse::new(items, reports, batches);
    let left = response.results.iter().filter(|result| result.outcome == "failed").count();
    if failed || left > 0 {
        let message =
            format!("{left} of {items_asked} files may still be there; the request can be repeated");
        let data = serde_json::to_value(response).unwrap_or_default();
        return Err(ApiError::ProviderFailed { message, data });
    }
    Ok(ApiJson(response))
}

/// One item in order: the URL as it was given, and what is behind it.
struct DeleteItem {
    url: String,
    target: Target,
}

/// What a URL addresses, at either provider.
enum Target {
    Asset(AssetAddress),
    File(FileId),
}

impl Target {
    const fn asset(&self) -> Option<&AssetAddress> {
        match self {
            Self::Asset(asset) => Some(asset),
            Self::File(_) => None,
        }
    }

    const fn file(&self) -> Option<&FileId> {
        match self {
            Self::File(file) => Some(file),
            Self::Asset(_) => None,
        }
    }
}

/// Every item, or every item that breaks a rule.
fn parse_items(items: Vec<Value>, app: &AppState) -> Result<Vec<DeleteItem>, ApiError> {
    let mut parsed = Vec::with_capacity(items.len());
    let mut invalid = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        match DeleteItem::parse(item, app) {
            Ok(item) => parsed.push(item),
            Err((field, message)) => invalid.push(InvalidItem { index, field, message }),
        }
    }
    if invalid.is_empty() { Ok(parsed) } else { Err(ApiError::InvalidItems(invalid)) }
}

/// The field of an item that breaks a rule, and the rule.
type BrokenRule = (Option<&'static str>, String);

impl DeleteItem {
    fn parse(item: Value, app: &AppState) -> Result<Self, BrokenRule> {
        let uploadcare = delete_uploadcare::is_meant(app, &item);
        let Value::Object(mut item) = item else {
            return Err((None, "must be an object with `type` and `url`".to_owned()));
        };
        if let Some(uploadcare) = uploadcare {
            let (url, file) = delete_uploadcare::parse(&item, uploadcare)?;
            return Ok(Self { url, target: Target::File(file) });
        }
        let resource_type = take_text(&mut item, "type")?;
        let url = take_text(&mut item, "url")?;
        if let Some(unknown) = item.keys().next() {
            return Err((None, format!("has the unknown field `{unknown}`; it takes `type` and `url`")));
        }
        let resource_type =
            resource_type.parse().map_err(|error: NotAResourceType| (Some("type"), error.to_string()))?;
        let asset = address(&url, resource_type, &app.cloudinary.delivery)?;
        Ok(Self { url, target: Target::Asset(asset) })
    }
}

fn take_text(item: &mut Map<String, Value>, field: &'static str) -> Result<String, BrokenRule> {
    match item.remove(field) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err((Some(field), "must be a text".to_owned())),
        None => Err((Some(field), "is missing".to_owned())),
    }
}

/// The asset behind a URL that says what the item says.
fn address(url: &str, resource_type: ResourceType, ours: &OurDelivery) -> Result<AssetAddress, BrokenRule> {
    let broken = |error: &dyn Display| (Some("url"), error.to_string());
    let url: DeliveryUrl = url.parse().map_err(|error: DeliveryUrlError| broken(&error))?;
    ours.check(&url).map_err(|error| broken(&error))?;
    if url.resource_type() != resource_type {
        let message = format!("is {resource_type}, but the URL addresses {}", url.resource_type());
        return Err((Some("type"), message));
    }
    AssetAddress::try_from(&url).map_err(|error| broken(&error))
}

impl DeleteFilesResponse {
    fn new(items: Vec<DeleteItem>, reports: Vec<BatchReport>, batches: Vec<FileBatch>) -> Self {
        let assets: BTreeMap<_, _> = reports
            .iter()
            .flat_map(|report| &report.outcomes)
            .map(|(asset, outcome)| (asset, UrlOutcome::from(outcome)))
            .collect();
        let files: BTreeMap<_, _> = batches
            .iter()
            .flat_map(|batch| &batch.outcomes)
            .map(|(file, outcome)| (file, UrlOutcome::from(outcome)))
            .collect();
        let results = items
            .into_iter()
            .map(|item| match &item.target {
                Target::Asset(asset) => UrlResult::new(item.url, &asset.public_id, assets.get(asset)),
                Target::File(file) => UrlResult::new(item.url, file, files.get(file)),
            })
            .collect();
        let cloudinary = reports.into_iter().map(|report| ProviderResponse::Cloudinary(report.into()));
        let uploadcare = batches.into_iter().map(|batch| ProviderResponse::Uploadcare(batch.into()));
        Self { results, delete_response: cloudinary.chain(uploadcare).collect() }
    }
}

/// The word for what became of a URL, and why it failed if it did.
#[derive(Clone)]
struct UrlOutcome(&'static str, Option<String>);

impl From<&Outcome> for UrlOutcome {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Deleted => Self("deleted", None),
            Outcome::NotFound => Self("not_found", None),
            Outcome::Failed(why) => Self("failed", Some(why.clone())),
        }
    }
}

impl From<&FileOutcome> for UrlOutcome {
    fn from(outcome: &FileOutcome) -> Self {
        match outcome {
            FileOutcome::Deleted => Self("deleted", None),
            FileOutcome::NotFound => Self("not_found", None),
            FileOutcome::Failed(why) => Self("failed", Some(why.clone())),
        }
    }
}

impl UrlResult {
    fn new(url: String, public_id: &impl Display, outcome: Option<&UrlOutcome>) -> Self {
        let none = || UrlOutcome("failed", Some("no call was made for this file".to_owned()));
        let UrlOutcome(outcome, message) = outcome.cloned().unwrap_or_else(none);
        Self { url, public_id: public_id.to_string(), outcome, message }
    }
}

impl From<BatchReport> for BatchResponse {
    fn from(report: BatchReport) -> Self {
        Self {
            resource_type: report.resource_type,
            delivery_type: report.delivery_type,
            response: report.response,
            error: report.error.map(|error| error.to_string()),
        }
    }
}
