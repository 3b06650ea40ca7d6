//! Deletion by public ids: batches, retries, and an outcome for every id whatever happens.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::find::MAX_IDS_A_CALL;
use super::{AdminApi, CallError};
use crate::delivery::{AssetAddress, DeliveryType, ResourceType};

/// How many calls are under way at once.
const MAX_CALLS_IN_FLIGHT: usize = 8;

/// The provider's answer to a deletion, pages of one deletion merged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeleteResponse {
    /// What became of each id: `deleted` or `not_found`.
    pub deleted: BTreeMap<String, String>,
    /// How many originals and derived files went with each id.
    #[serde(default)]
    pub deleted_counts: serde_json::Map<String, serde_json::Value>,
    /// Whether more remains to be deleted.
    #[serde(default)]
    pub partial: bool,
    #[serde(default, skip_serializing)]
    next_cursor: Option<String>,
}

impl DeleteResponse {
    /// Adds a later page. An id that one page deleted stays deleted, though a later one no longer finds it.
    fn merge(&mut self, page: Self) {
        for (id, outcome) in page.deleted {
            if outcome == DELETED || !self.deleted.contains_key(&id) {
                self.deleted.insert(id, outcome);
            }
        }
        for (id, counts) in page.deleted_counts {
            self.deleted_counts.entry(id).or_insert(counts);
        }
        self.partial = page.partial;
    }
}

/// What became of one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was there and is gone.
    Deleted,
    /// There was no such asset.
    NotFound,
    /// It may still be there.
    Failed(String),
}

/// What became of one batch.
#[derive(Clone, Debug)]
pub struct BatchReport {
    /// The resource type of every asset in it.
    pub resource_type: ResourceType,
    /// The delivery type of every asset in it.
    pub delivery_type: DeliveryType,
    /// The provider's answer; what it confirmed before it failed, if it failed.
    pub response: DeleteResponse,
    /// Why the batch could not be finished.
    pub error: Option<CallError>,
    /// Each asset's own outcome.
    pub outcomes: Vec<(AssetAddress, Outcome)>,
}

impl BatchReport {
    /// The reports that the provider would give if it had none of `assets`.
    pub fn all_not_found(assets: &[AssetAddress]) -> Vec<Self> {
        batches(assets).into_iter().map(Self::not_found).collect()
    }

    fn not_found(batch: Vec<AssetAddress>) -> Self {
        let mut response = DeleteResponse::default();
        for asset in &batch {
            response.deleted.insert(asset.public_id.to_string(), NOT_FOUND.to_owned());
            let counts = serde_json::json!({"original": 0, "derived": 0});
            response.deleted_counts.insert(asset.public_id.to_string(), counts);
        }
        Self {
            resource_type: batch[0].resource_type,
            delivery_type: batch[0].delivery_type,
            response,
            error: None,
            outcomes: batch.into_iter().map(|asset| (asset, Outcome::NotFound)).collect(),
        }
    }
}

/// The provider's words for what became of an id.
const DELETED: &str = "deleted";
const NOT_FOUND: &str = "not_found";

pub(super) async fn delete(
    api: &AdminApi,
    assets: &[AssetAddress],
    time_limit: Duration,
) -> Vec<BatchReport> {
    let deadline = Instant::now() + time_limit;
    let calls = batches(assets).into_iter().map(|batch| delete_batch(api, batch, deadline));
    stream::iter(calls).buffered(MAX_CALLS_IN_FLIGHT).collect().await
}

/// Each asset once, grouped by both types, at most 100 in a batch.
fn batches(assets: &[AssetAddress]) -> Vec<Vec<AssetAddress>> {
    let mut groups = BTreeMap::<_, Vec<_>>::new();
    for asset in assets.iter().collect::<BTreeSet<_>>() {
        groups.entry((asset.resource_type, asset.delivery_type)).or_default().push(asset.clone());
    }
    groups
        .into_values()
        .flat_map(|group| group.chunks(MAX_IDS_A_CALL).map(<[_]>::to_vec).collect::<Vec<_>>())
        .collect()
}

/// How many batches these assets make.
pub(super) fn count_batches(assets: &[AssetAddress]) -> usize {
    let mut sizes = BTreeMap::<_, usize>::new();
    for asset in assets.iter().collect::<BTreeSet<_>>() {
        *sizes.entry((asset.resource_type, asset.delivery_type)).or_default() += 1;
    }
    sizes.into_values().map(|size| size.div_ceil(MAX_IDS_A_CALL)).sum()
}

async fn delete_batch(api: &AdminApi, batch: Vec<AssetAddress>, deadline: Instant) -> BatchReport {
    let (resource_type, delivery_type) = (batch[0].resource_type, batch[0].delivery_type);
    let mut response = DeleteResponse::default();
    let error = delete_pages(api, &batch, deadline, &mut response).await.err();
    let outcomes = batch
        .into_iter()
        .map(|asset| {
            let outcome = outcome(&asset, &response, error.as_ref());
            (asset, outcome)
        })
        .collect();
    BatchReport { resource_type, delivery_type, response, error, outcomes }
}

/// Follows `next_cursor` until the provider has named every id, merging its answers into `whole`.
async fn delete_pages(
    api: &AdminApi,
    batch: &[AssetAddress],
    deadline: Instant,
    whole: &mut DeleteResponse,
) -> Result<(), CallError> {
    let path = format!("/resources/{}/{}", batch[0].resource_type, batch[0].delivery_type);
    let mut cursor: Option<String> = None;
    loop {
        let mut form: Vec<_> = batch.iter().map(|asset| ("public_ids[]", asset.public_id.as_str())).collect();
        form.extend(cursor.as_deref().map(|cursor| ("next_cursor", cursor)));
        let page: DeleteResponse = api.call(Method::DELETE, &path, &form, deadline).await?;
        let next = page.next_cursor.clone().filter(|next| page.partial && cursor.as_ref() != Some(next));
        whole.merge(page);
        match next {
            Some(next) => cursor = Some(next),
            None => return Ok(()),
        }
    }
}

/// An id that no answer named has failed, whether or not a call did.
fn outcome(asset: &AssetAddress, response: &DeleteResponse, error: Option<&CallError>) -> Outcome {
    match response.deleted.get(asset.public_id.as_str()).map(String::as_str) {
        Some(DELETED) => Outcome::Deleted,
        Some(NOT_FOUND) => Outcome::NotFound,
        Some(_) => Outcome::Failed("the provider gave an outcome that it does not document".to_owned()),
        None => Outcome::Failed(match error {
            Some(error) => error.to_string(),
            None => "the provider's answer does not name this asset".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asset(resource_type: ResourceType, delivery_type: DeliveryType, public_id: &str) -> AssetAddress {
        AssetAddress { resource_type, delivery_type, public_id: public_id.parse().unwrap() }
    }

    #[test]
    fn batches_hold_one_kind_and_at_most_a_hundred_ids_each_once() {
        let mut assets: Vec<_> = (0..250)
            .map(|index| asset(ResourceType::Image, DeliveryType::Upload, &format!("a/{index}")))
            .collect();
        assets.push(asset(ResourceType::Image, DeliveryType::Private, "a/1"));
        assets.push(asset(ResourceType::Raw, DeliveryType::Upload, "a/1"));
        assets.push(asset(ResourceType::Raw, DeliveryType::Upload, "a/1"));
        let sizes: Vec<_> = batches(&assets).iter().map(Vec::len).collect();
        assert_eq!(sizes, [100, 100, 50, 1, 1]);
        assert_eq!(count_batches(&assets), sizes.len());
    }

    #[test]
    fn an_asset_that_no_answer_names_has_failed() {
        let asset = asset(ResourceType::Image, DeliveryType::Upload, "a");
        let silent = DeleteResponse::default();
        assert!(matches!(outcome(&asset, &silent, None), Outcome::Failed(_)));
        let named = DeleteResponse { deleted: [("a".to_owned(), "deleted".to_owned())].into(), ..silent };
        assert_eq!(outcome(&asset, &named, Some(&CallError::Unreachable)), Outcome::Deleted);
    }
}
