//! Looking assets up by their public ids, and deleting all that lies in a folder.

use std::time::Duration;

use futures_util::future::try_join_all;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{AdminApi, CallError};
use crate::delivery::{AssetAddress, DeliveryType, PublicId, ResourceType};
use crate::profiles::StoredFile;

/// The most ids the provider takes in one call.
pub(super) const MAX_IDS_A_CALL: usize = 100;

/// Every name space that an upload can land in.
pub(super) const RESOURCE_TYPES: [ResourceType; 3] =
    [ResourceType::Image, ResourceType::Video, ResourceType::Raw];
const DELIVERY_TYPES: [DeliveryType; 3] =
    [DeliveryType::Upload, DeliveryType::Private, DeliveryType::Authenticated];

/// A stored asset, as a listing describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub address: AssetAddress,
    /// What it is.
    pub file: StoredFile,
}

#[derive(Deserialize)]
struct Listing {
    resources: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    public_id: String,
    #[serde(default)]
    format: Option<String>,
    bytes: u64,
    version: u64,
    #[serde(default)]
    etag: Option<String>,
}

/// What became of one name space of a folder.
#[derive(Clone, Debug, Serialize)]
pub struct FolderReport {
    /// The folder.
    pub folder: String,
    /// The resource type of what was deleted.
    pub resource_type: ResourceType,
    /// Its delivery type.
    #[serde(rename = "type")]
    pub delivery_type: DeliveryType,
    /// How many assets are gone.
    pub deleted: usize,
    /// Why more may be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Deserialize)]
struct FolderPage {
    deleted: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    partial: bool,
    #[serde(default)]
    next_cursor: Option<String>,
}

impl AdminApi {
    /// How many calls it takes to empty a folder, retries and further pages apart.
    pub const CALLS_TO_EMPTY_A_FOLDER: usize = RESOURCE_TYPES.len() * DELIVERY_TYPES.len();

    /// Looks for assets of one delivery type by their public ids, among images, videos and raw files: an upload
    /// signature does not say which. Takes any number of ids, three calls for each hundred.
    pub async fn find(
        &self,
        delivery_type: DeliveryType,
        public_ids: &[&str],
        time_limit: Duration,
    ) -> Result<Vec<Found>, CallError> {
        let deadline = Instant::now() + time_limit;
        let mut found = Vec::new();
        for ids in public_ids.chunks(MAX_IDS_A_CALL) {
            let lists = RESOURCE_TYPES.map(|kind| self.list(kind, delivery_type, ids, deadline));
            found.extend(try_join_all(lists).await?.into_iter().flatten());
        }
        Ok(found)
    }

    async fn list(
        &self,
        resource_type: ResourceType,
        delivery_type: DeliveryType,
        ids: &[&str],
        deadline: Instant,
    ) -> Result<Vec<Found>, CallError> {
        let path = format!("/resources/{resource_type}/{delivery_type}");
        let mut query: Vec<_> = ids.iter().map(|id| ("public_ids[]", *id)).collect();
        query.push(("max_results", "100"));
        let listing: Listing = self.get(&path, &query, deadline).await?;
        let found = |listed: Listed| {
            let public_id: PublicId = listed.public_id.parse().ok()?;
            let Listed { format, bytes, version, etag, .. } = listed;
            Some(Found {
                address: AssetAddress { resource_type, delivery_type, public_id },
                file: StoredFile { resource_type, format, bytes, version, etag },
            })
        };
        // What was not asked for is none of our business.
        let asked = |found: &Found| ids.contains(&found.address.public_id.as_str());
        Ok(listing.resources.into_iter().filter_map(found).filter(asked).collect())
    }

    /// Deletes everything in `folder` and below: whole segments, so that `kyc/1` does not reach `kyc/10`. Each name space
    /// reports for itself.
    pub async fn delete_folder(&self, folder: &str, time_limit: Duration) -> Vec<FolderReport> {
        let deadline = Instant::now() + time_limit;
        let mut reports = Vec::new();
        for delivery_type in DELIVERY_TYPES {
            let kinds = RESOURCE_TYPES.map(|kind| self.empty(folder, kind, delivery_type, deadline));
            reports.extend(futures_util::future::join_all(kinds).await);
        }
        reports
    }

    async fn empty(
        &self,
        folder: &str,
        resource_type: ResourceType,
        delivery_type: DeliveryType,
        deadline: Instant,
    ) -> FolderReport {
        let path = format!("/resources/{resource_type}/{delivery_type}");
        let prefix = format!("{folder}/");
        let (mut deleted, mut error, mut cursor) = (0, None, None::<String>);
        loop {
            let mut form = vec![("prefix", prefix.as_str())];
            form.extend(cursor.as_deref().map(|cursor| ("next_cursor", cursor)));
            match self.call::<FolderPage>(Method::DELETE, &path, &form, deadline).await {
                Ok(page) => {
                    deleted += page.deleted.values().filter(|outcome| *outcome == "deleted").count();
                    let next = page.next_cursor.filter(|next| page.partial && cursor.as_ref() != Some(next));
                    match next {
                        Some(next) => cursor = Some(next),
                        None => break,
                    }
                }
                Err(cause) => {
                    error = Some(cause.to_string());
                    break;
                }
            }
        }
        FolderReport { folder: folder.to_owned(), resource_type, delivery_type, deleted, error }
    }
}
