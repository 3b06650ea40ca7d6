//! `/delete-files`: deletes assets by their delivery URLs and says what became of each.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::ApiError;
use super::error::InvalidItem;
use super::extract::{ApiBody, ApiJson};
use crate::auth::Caller;
use crate::delivery::{AssetAddress, DeliveryType, DeliveryUrl, OurDelivery, ResourceType};
use crate::providers::cloudinary::{BatchReport, DeleteResponse, Outcome};
use crate::state::AppState;

/// The most bytes of a body: 1,000 URLs of 1,000 characters.
pub(super) const MAX_BODY_BYTES: usize = 1024 * 1024;
/// How long the provider may take, retries included.
const TIME_LIMIT: Duration = Duration::from_secs(25);

/// What to delete.
#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct DeleteRequest {
    #[validate(length(min = 1, max = 1000, message = "must hold 1 to 1,000 items"))]
    urls: Vec<DeleteItem>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct DeleteItem {
    #[serde(rename = "type")]
    resource_type: String,
    url: String,
}

/// What became of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeleteFilesResponse {
    delete_response: Vec<BatchResponse>,
    results: Vec<UrlResult>,
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
    ApiBody(request): ApiBody<DeleteRequest, MAX_BODY_BYTES>,
) -> Result<ApiJson<DeleteFilesResponse>, ApiError> {
    let Caller::Anonymous = caller;
    let assets = addresses(&request.urls, &app.cloudinary.delivery)?;
    let reports = app.cloudinary.admin.delete(&assets, TIME_LIMIT).await;
    let failed = reports.iter().any(|report| report.error.is_some());
    let response = DeleteFilesResponse::new(request.urls, &assets, reports);
    let left = response.results.iter().filter(|result| result.outcome == "failed").count();
    if failed || left > 0 {
        let message =
            format!("{left} of {} files may still be there; the request can be repeated", assets.len());
        let data = serde_json::to_value(response).unwrap_or_default();
        return Err(ApiError::ProviderFailed { message, data });
    }
    Ok(ApiJson(response))
}

/// The asset behind every item, or every item that breaks a rule.
fn addresses(items: &[DeleteItem], ours: &OurDelivery) -> Result<Vec<AssetAddress>, ApiError> {
    let mut assets = Vec::with_capacity(items.len());
    let mut invalid = Vec::new();
    for (index, item) in items.iter().enumerate() {
        match item.address(ours) {
            Ok(asset) => assets.push(asset),
            Err((field, message)) => invalid.push(InvalidItem { index, field, message }),
        }
    }
    if invalid.is_empty() { Ok(assets) } else { Err(ApiError::InvalidItems(invalid)) }
}

impl DeleteItem {
    /// The asset behind the URL, or the field that breaks a rule and the rule.
    fn address(&self, ours: &OurDelivery) -> Result<AssetAddress, (&'static str, String)> {
        let in_url = |error: &dyn std::fmt::Display| ("url", error.to_string());
        let resource_type: ResourceType =
            self.resource_type.parse().map_err(|error| ("type", format!("{error}")))?;
        let url: DeliveryUrl = self.url.parse().map_err(|error| in_url(&error))?;
        ours.check(&url).map_err(|error| in_url(&error))?;
        if url.resource_type() != resource_type {
            let message = format!("is {resource_type}, but the URL addresses {}", url.resource_type());
            return Err(("type", message));
        }
        AssetAddress::try_from(&url).map_err(|error| in_url(&error))
    }
}

impl DeleteFilesResponse {
    fn new(items: Vec<DeleteItem>, assets: &[AssetAddress], reports: Vec<BatchReport>) -> Self {
        let outcomes: BTreeMap<_, _> = reports
            .iter()
            .flat_map(|report| &report.outcomes)
            .map(|(asset, outcome)| (asset, outcome))
            .collect();
        let results = items
            .into_iter()
            .zip(assets)
            .map(|(item, asset)| UrlResult::new(item.url, asset, outcomes.get(asset).copied()))
            .collect();
        Self { results, delete_response: reports.into_iter().map(BatchResponse::from).collect() }
    }
}

impl UrlResult {
    fn new(url: String, asset: &AssetAddress, outcome: Option<&Outcome>) -> Self {
        let (outcome, message) = match outcome {
            Some(Outcome::Deleted) => ("deleted", None),
            Some(Outcome::NotFound) => ("not_found", None),
            Some(Outcome::Failed(why)) => ("failed", Some(why.clone())),
            None => ("failed", Some("no call was made for this file".to_owned())),
        };
        Self { url, public_id: asset.public_id.to_string(), outcome, message }
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
