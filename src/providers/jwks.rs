//! The keys that a token issuer publishes (JWKS, RFC 7517), fetched when a token names one that is not known.
//!
//! Nobody can make this service hammer the issuer: at most one fetch is under way, and the next one is not before a
//! cooldown that starts when a fetch begins, whether it succeeds or not. Known keys keep working while the issuer fails.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{NoClient, client, read_bounded};
use crate::auth::{KeySet, PinnedKey};

/// The shortest time from the beginning of one fetch to the beginning of the next.
const COOLDOWN: Duration = Duration::from_secs(30);
/// How long a key set is used before it is fetched again.
const MAX_AGE: Duration = Duration::from_mins(10);
/// The most bytes of a key set.
const MAX_BYTES: usize = 512 * 1024;

/// The published keys of one issuer. Clones share them.
#[derive(Clone, Debug)]
pub struct Jwks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: reqwest::Client,
    url: String,
    keys: RwLock<Arc<KeySet>>,
    /// When the last fetch began; held while one is under way.
    last_fetch: Mutex<Option<Instant>>,
}

/// There is no key set to look into: the issuer could not be reached yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token issuer's keys could not be fetched")]
pub struct NoKeys;

impl Jwks {
    /// The keys at `url`, fetched at the first token.
    pub fn new(url: String) -> Result<Self, NoClient> {
        let inner = Inner { client: client()?, url, keys: RwLock::default(), last_fetch: Mutex::new(None) };
        Ok(Self(Arc::new(inner)))
    }

    /// The key under `kid`; `None` if the issuer publishes none.
    pub async fn key(&self, kid: &str) -> Result<Option<PinnedKey>, NoKeys> {
        let known = self.known();
        if let Some(key) = known.get(kid) {
            self.refresh_if_old();
            return Ok(Some(key.clone()));
        }
        self.fetch_unless_cooling().await;
        let known = self.known();
        if known.is_empty() { Err(NoKeys) } else { Ok(known.get(kid).cloned()) }
    }

    fn known(&self) -> Arc<KeySet> {
        Arc::clone(&self.0.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fetches in the background once the set is old, so that a key that was withdrawn stops to work.
    fn refresh_if_old(&self) {
        let is_old = match self.0.last_fetch.try_lock() {
            Ok(last_fetch) => last_fetch.is_none_or(|began| began.elapsed() >= MAX_AGE),
            Err(_) => false,
        };
        if is_old {
            let jwks = self.clone();
            tokio::spawn(async move { jwks.fetch_unless_cooling().await });
        }
    }

    /// One fetch at a time: whoever waits for it finds its result, and the cooldown running.
    async fn fetch_unless_cooling(&self) {
        let mut last_fetch = self.0.last_fetch.lock().await;
        if last_fetch.is_some_and(|began| began.elapsed() < COOLDOWN) {
            return;
        }
        *last_fetch = Some(Instant::now());
        let Some(keys) = self.fetch().await else {
            tracing::warn!("the token issuer's keys could not be fetched; known keys stay in use");
            return;
        };
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    async fn fetch(&self) -> Option<KeySet> {
        let response = self.0.client.get(&self.0.url).send().await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        let keys = KeySet::parse(&read_bounded(response, MAX_BYTES).await?)?;
        // An empty set would lock everybody out: more likely a fault of the issuer's than its will.
        (!keys.is_empty()).then_some(keys)
    }
}
