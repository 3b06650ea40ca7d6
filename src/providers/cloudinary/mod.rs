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

use super::{NoClient, client};
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
        })
    }

    /// Deletes `assets`, in calls of at most 100 ids of one resource type and delivery type, eight at a time.
    ///
    /// Never fails as a whole: every batch reports for itself what became of each of its ids. No call begins, and no
    /// retry waits, beyond `time_limit`.
    pub async fn delete(&self, assets: &[AssetAddress], time_limit: Duration) -> Vec<BatchReport> {
        delete::delete(self, assets, time_limit).await
    }

    /// Asks whether cloud, key and secret belong together. Changes nothing.
    pub async fn ping(&self) -> Result<(), CallError> {
        let deadline = Instant::now() + PING_TIME_LIMIT;
        let _: serde::de::IgnoredAny = self.call(Method::GET, "/ping", &[], deadline).await?;
        Ok(())
    }
}
