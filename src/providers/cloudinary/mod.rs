//! Cloudinary's Admin API, as far as countersign calls it: looking up and deleting by public ids and folders, and ping.
//!
//! Source: <https://cloudinary.com/documentation/admin_api>.

mod call;
mod delete;
mod find;
mod links;

pub use super::call::CallError;
pub use delete::{BatchReport, DeleteResponse, Outcome};
pub use find::{FolderReport, Found};
pub use links::{Link, LinkSigner};

use std::time::Duration;

use reqwest::Method;
use secrecy::SecretString;

use tokio::time::Instant;

use super::{CallBudget, NoClient, client};
use crate::clock::Clock;
use crate::config::CloudinaryAccount;
use crate::delivery::AssetAddress;

/// How long the provider may take to answer a ping, retries included.
const PING_TIME_LIMIT: Duration = Duration::from_secs(20);

/// The Admin API of one cloud. Clones share connections.
#[derive(Clone, Debug)]
pub struct AdminApi {
    client: reqwest::Client,
    clock: Clock,
    /// `<upload_prefix>/v1_1/<cloud>`
    base: String,
    api_key: String,
    api_secret: SecretString,
    budget: Option<CallBudget>,
}

impl AdminApi {
    /// The Admin API of `account`; `clock` tells how far off a rate limit's end is.
    pub fn new(account: &CloudinaryAccount, clock: Clock) -> Result<Self, NoClient> {
        Ok(Self {
            client: client()?,
            clock,
            base: format!("{}/v1_1/{}", account.upload_prefix, account.cloud),
            api_key: account.api_key.clone(),
            api_secret: account.api_secret.clone(),
            budget: None,
        })
    }

    /// The same, making no more calls than `budget` has.
    #[must_use]
    pub fn within(self, budget: Option<CallBudget>) -> Self {
        Self { budget, ..self }
    }

    /// Whether so many calls may be made now.
    pub fn affords(&self, calls: usize) -> Result<(), CallError> {
        self.budget.as_ref().map_or(Ok(()), |budget| budget.check(calls, self.clock.now()))
    }

    /// How many calls the look-up of so many ids of one delivery type takes, retries apart.
    pub const fn calls_to_find(ids: usize) -> usize {
        ids.div_ceil(find::MAX_IDS_A_CALL) * find::RESOURCE_TYPES.len()
    }

    /// Deletes `assets`, in calls of at most 100 ids of one resource type and delivery type, eight at a time.
    ///
    /// Never fails as a whole: every batch reports for itself what became of each of its ids. No call begins, and no
    /// retry waits, beyond `time_limit`.
    pub async fn delete(&self, assets: &[AssetAddress], time_limit: Duration) -> Vec<BatchReport> {
        delete::delete(self, assets, time_limit).await
    }

    /// How many calls the deletion of `assets` takes, retries and further pages apart.
    pub fn calls_to_delete(assets: &[AssetAddress]) -> usize {
        delete::count_batches(assets)
    }

    /// Asks whether cloud, key and secret belong together. Changes nothing.
    pub async fn ping(&self) -> Result<(), CallError> {
        let deadline = Instant::now() + PING_TIME_LIMIT;
        let _: serde::de::IgnoredAny = self.call(Method::GET, "/ping", &[], deadline).await?;
        Ok(())
    }
}
