//! `/webhooks/cloudinary`: what the provider tells us of its own accord.
//!
//! Nothing in a body is believed before the signature over its raw bytes is. What is signed is believed about grants that
//! exist and match alone: whoever can make the provider upload can make it sign a notification.

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ApiError;
use super::extract::{ApiJson, RequestId, read_body};
use crate::clock::UnixSeconds;
use crate::delivery::{AssetAddress, DeliveryType, DeliveryUrl, PublicId, ResourceType};
use crate::ledger::SettledBy;
use crate::profiles::StoredFile;
use crate::settling::{Announced, By, Heard};
use crate::signing::Algorithm;
use crate::state::AppState;

/// The most bytes of a notification. Strangers may send one, so it is little; an upload's takes some 3 kB.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// How old a notification may be: what the provider's own SDKs take.
const MAX_AGE_SECONDS: i64 = 7_200;
/// How far ahead of our clock it may be; the SDKs set no bound.
const MAX_AHEAD_SECONDS: i64 = 300;
/// How many notifications are remembered, so that one that comes again is answered without a look at the ledger.
const REMEMBERED: usize = 10_000;

/// Notifications that were taken in, by a hash of what makes each one: signature and time, or a file's id.
#[derive(Debug)]
pub struct SeenNotifications(pub(super) Cache<[u8; 32], ()>);

impl Default for SeenNotifications {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

/// What came of a notification.
#[derive(Debug, Serialize)]
pub(super) struct HeardResponse {
    outcome: &'static str,
}

/// The fields that matter here; there are many more.
#[derive(Debug, Deserialize)]
#[serde(tag = "notification_type", rename_all = "snake_case")]
enum Notification {
    Upload(UploadedAsset),
    Delete(Deletion),
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct NamedAsset {
    public_id: String,
    resource_type: ResourceType,
    #[serde(rename = "type")]
    delivery_type: String,
}

#[derive(Debug, Deserialize)]
struct Deletion {
    resources: Vec<NamedAsset>,
    api_key: Option<String>,
    cloud_name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct UploadedAsset {
    #[serde(flatten)]
    named: NamedAsset,
    bytes: u64,
    version: u64,
    format: Option<String>,
    etag: Option<String>,
    api_key: Option<String>,
    cloud_name: Option<String>,
    secure_url: Option<String>,
}

/// Takes in a notification of Cloudinary's.
pub(super) async fn cloudinary(
    State(app): State<AppState>,
    request_id: RequestId,
    request: Request,
) -> Result<ApiJson<HeardResponse>, ApiError> {
    let headers = request.headers().clone();
    // Before anything of the body is read: a stranger's is not worth the memory.
    let proof = Proof::read(&headers, app.clock.now())?;
    let body = read_body(request, MAX_BODY_BYTES).await?;
    let seen = proof.verify(&app, &body)?;
    if app.seen_notifications.0.get(&seen).is_some() {
        return Ok(answer("duplicate"));
    }
    let outcome = take_in(&app, &body, request_id.as_str()).await?;
    // Only now: a notification that could not be taken in comes again, and must not be taken for a repetition.
    app.seen_notifications.0.insert(seen, ());
    Ok(answer(outcome))
}

pub(super) const fn answer(outcome: &'static str) -> ApiJson<HeardResponse> {
    ApiJson(HeardResponse { outcome })
}

/// What a notification says of itself in its headers.
struct Proof<'a> {
    timestamp: &'a str,
    signature: &'a str,
}

impl<'a> Proof<'a> {
    /// Reads the headers, and refuses what no body could make good.
    fn read(headers: &'a HeaderMap, now: UnixSeconds) -> Result<Self, ApiError> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(timestamp), Some(signature)) = (text("x-cld-timestamp"), text("x-cld-signature")) else {
            return Err(ApiError::NotificationRefused("X-Cld-Timestamp or X-Cld-Signature is missing"));
        };
        if Algorithm::of_hex_length(signature.len()).is_none() {
            return Err(ApiError::NotificationRefused("the signature is not the provider's over this body"));
        }
        let age = timestamp.parse().map(|at: i64| now.0.saturating_sub(at));
        if !age.is_ok_and(|age| (-MAX_AHEAD_SECONDS..=MAX_AGE_SECONDS).contains(&age)) {
            return Err(ApiError::NotificationRefused("it is too old, or ahead of this server's clock"));
        }
        Ok(Self { timestamp, signature })
    }

    /// Whether the provider signed the body; answers what the notification is remembered by.
    fn verify(&self, app: &AppState, body: &Bytes) -> Result<[u8; 32], ApiError> {
        if !app.cloudinary.signer.verifies_notification(body, self.timestamp, self.signature) {
            return Err(ApiError::NotificationRefused("the signature is not the provider's over this body"));
        }
        Ok(Sha256::new().chain_update(self.timestamp).chain_update(self.signature).finalize().into())
    }
}

async fn take_in(app: &AppState, body: &[u8], request_id: &str) -> Result<&'static str, ApiError> {
    let by = By { source: SettledBy::Notification, subject: "", request_id };
    if !app.profiles().need_the_ledger() {
        return Ok("ignored");
    }
    // What cannot be read was signed all the same: to refuse it would only make the provider send it again.
    let heard = match serde_json::from_slice(body) {
        Ok(Notification::Upload(upload)) if upload.is_of(app) => match upload.announced() {
            Some(announced) => app.settling().announced(announced, by).await?,
            None => Heard::Unknown,
        },
        Ok(Notification::Delete(deletion)) if deletion.is_of(app) => {
            let assets: Vec<_> = deletion.resources.into_iter().filter_map(NamedAsset::address).collect();
            match app.settling().announced_deletion(&assets, by).await? {
                Heard::Undeleted => return Err(ApiError::ProviderUnreachable),
                heard => heard,
            }
        }
        Ok(Notification::Upload(_) | Notification::Delete(_) | Notification::Other) | Err(_) => {
            Heard::Unknown
        }
    };
    Ok(match heard {
        // The sweep tries again to delete what is left.
        Heard::Settled | Heard::Undeleted | Heard::StillLabelled => "settled",
        Heard::Known => "known",
        Heard::Unknown => "ignored",
    })
}

/// Whether key and cloud, where a notification names them, are ours.
fn names_us(app: &AppState, api_key: Option<&str>, cloud_name: Option<&str>) -> bool {
    let ours = &app.cloudinary;
    api_key.is_none_or(|key| key == ours.api_key) && cloud_name.is_none_or(|cloud| cloud == ours.cloud)
}

impl Deletion {
    fn is_of(&self, app: &AppState) -> bool {
        names_us(app, self.api_key.as_deref(), self.cloud_name.as_deref())
    }
}

impl UploadedAsset {
    /// Whether it is about our cloud: two clouds of one account may share a secret.
    fn is_of(&self, app: &AppState) -> bool {
        let ours = &app.cloudinary;
        let url = self.secure_url.as_deref().map(str::parse::<DeliveryUrl>);
        names_us(app, self.api_key.as_deref(), self.cloud_name.as_deref())
            && url.is_none_or(|url| url.is_ok_and(|url| ours.delivery.check(&url).is_ok()))
    }

    fn announced(self) -> Option<Announced> {
        let resource_type = self.named.resource_type;
        let file = StoredFile {
            resource_type,
            format: self.format.filter(|format| !format.is_empty()),
            bytes: self.bytes,
            version: self.version,
            etag: self.etag,
        };
        Some(Announced { address: self.named.address()?, file })
    }
}

impl NamedAsset {
    fn address(self) -> Option<AssetAddress> {
        let delivery_type: DeliveryType = self.delivery_type.parse().ok()?;
        let public_id: PublicId = self.public_id.parse().ok()?;
        Some(AssetAddress { resource_type: self.resource_type, delivery_type, public_id })
    }
}
