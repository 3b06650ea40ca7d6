//! `/download-url`: a link to one stored original that dies after a minute.

use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::extract::{ApiJson, ApiQuery, RequestId, breaks, true_or_false};
use super::{ApiError, download_uploadcare, ownership};
use crate::auth::{Action, Caller};
use crate::clock::UnixSeconds;
use crate::delivery::{AssetAddress, DeliveryType, ResourceType};
use crate::providers::cloudinary::Link;
use crate::state::{AppState, Cloudinary};

/// How long a link lives unless the client asks for another time, in seconds.
const DEFAULT_LIFETIME_SECONDS: i64 = 60;
/// The longest life of a link to a file at Uploadcare, in seconds.
const MAX_FILE_LIFETIME_SECONDS: i64 = 3_600;
/// The most characters of a format; the longest that the provider knows has five.
const MAX_FORMAT_CHARACTERS: usize = 10;

/// What a client asks for, as text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DownloadQuery {
    /// A file on Uploadcare's CDN, instead of everything below but `expires_in`.
    url: Option<String>,
    public_id: Option<String>,
    format: Option<String>,
    resource_type: Option<String>,
    #[serde(rename = "type")]
    delivery_type: Option<String>,
    attachment: Option<String>,
    expires_in: Option<String>,
}

/// The same, checked.
struct Download {
    asset: AssetAddress,
    format: String,
    attachment: bool,
    lifetime_seconds: i64,
}

/// A link, and when it dies.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DownloadResponse {
    download_url: String,
    expires_in: String,
    expires_at: UnixSeconds,
    server_time: UnixSeconds,
}

/// Makes a download link for the caller.
pub(super) async fn create(
    State(app): State<AppState>,
    caller: Caller,
    request_id: RequestId,
    ApiQuery(query): ApiQuery<DownloadQuery>,
) -> Result<ApiJson<DownloadResponse>, ApiError> {
    caller.may(Action::Download)?;
    if let Some(url) = query.file_url()? {
        let lifetime_seconds = parse_lifetime(query.expires_in.as_deref(), MAX_FILE_LIFETIME_SECONDS)?;
        let now = app.clock.now();
        let expires_at = now.plus(lifetime_seconds);
        let url = download_uploadcare::sign(&app, &caller, url, expires_at, &request_id).await?;
        return Ok(ApiJson(DownloadResponse::new(url, lifetime_seconds, now)));
    }
    let download = Download::parse(query, app.cloudinary.links.max_lifetime_seconds())?;
    let now = app.clock.now();
    let expires_at = now.plus(download.lifetime_seconds);
    ownership::permit_link(&app, &caller, &download.asset, expires_at, &request_id).await?;
    ownership::note_download(&app, &caller, &download.asset, &request_id);
    Ok(ApiJson(download.sign(&app.cloudinary, now)))
}

impl DownloadQuery {
    /// The `url`, which stands alone.
    fn file_url(&self) -> Result<Option<&str>, ApiError> {
        let others = [
            ("public_id", &self.public_id),
            ("format", &self.format),
            ("resource_type", &self.resource_type),
            ("type", &self.delivery_type),
            ("attachment", &self.attachment),
        ];
        match others.iter().find(|(_, value)| value.is_some()) {
            Some((name, _)) if self.url.is_some() => Err(breaks(name, "does not go with url: leave it out")),
            _ => Ok(self.url.as_deref()),
        }
    }
}

impl DownloadResponse {
    fn new(download_url: String, lifetime_seconds: i64, now: UnixSeconds) -> Self {
        Self {
            download_url,
            expires_in: in_words(lifetime_seconds),
            expires_at: now.plus(lifetime_seconds),
            server_time: now,
        }
    }
}

impl Download {
    fn parse(query: DownloadQuery, max_lifetime_seconds: i64) -> Result<Self, ApiError> {
        let public_id = query.public_id.ok_or_else(|| breaks("public_id", "is missing"))?;
        let resource_type = match query.resource_type.as_deref() {
            None => ResourceType::Image,
            Some(text) => text.parse().map_err(|error| breaks("resource_type", error))?,
        };
        let public_id = public_id.parse().map_err(|error| breaks("public_id", error))?;
        let format = parse_format(query.format, resource_type)?;
        let delivery_type = parse_delivery_type(query.delivery_type.as_deref())?;
        Ok(Self {
            asset: AssetAddress { resource_type, delivery_type, public_id },
            format,
            attachment: true_or_false("attachment", query.attachment.as_deref())?.unwrap_or_default(),
            lifetime_seconds: parse_lifetime(query.expires_in.as_deref(), max_lifetime_seconds)?,
        })
    }
}

/// Raw assets have no format: their ending is part of the public id.
fn parse_format(format: Option<String>, resource_type: ResourceType) -> Result<String, ApiError> {
    match format {
        None if resource_type != ResourceType::Raw => Err(breaks("format", "is missing, such as jpg")),
        Some(text) if text.is_empty() && resource_type != ResourceType::Raw => {
            Err(breaks("format", "may be empty for resource_type=raw only"))
        }
        Some(text)
            if text.len() > MAX_FORMAT_CHARACTERS
                || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            Err(breaks(
                "format",
                format_args!("must be 1 to {MAX_FORMAT_CHARACTERS} letters and digits, such as jpg"),
            ))
        }
        other => Ok(other.unwrap_or_default()),
    }
}

fn parse_delivery_type(text: Option<&str>) -> Result<DeliveryType, ApiError> {
    match text.map(str::parse) {
        None => Ok(DeliveryType::Private),
        Some(Ok(
            delivery_type @ (DeliveryType::Upload | DeliveryType::Private | DeliveryType::Authenticated),
        )) => Ok(delivery_type),
        Some(_) => Err(breaks("type", "must be upload, private or authenticated")),
    }
}

fn parse_lifetime(text: Option<&str>, max_seconds: i64) -> Result<i64, ApiError> {
    match text.map(str::parse) {
        None => Ok(DEFAULT_LIFETIME_SECONDS),
        Some(Ok(seconds)) if (1..=max_seconds).contains(&seconds) => Ok(seconds),
        Some(_) => Err(breaks(
            "expires_in",
            format_args!("must be a whole number of seconds from 1 to {max_seconds}"),
        )),
    }
}

impl Download {
    fn sign(&self, cloudinary: &Cloudinary, now: UnixSeconds) -> DownloadResponse {
        let link = Link {
            asset: &self.asset,
            format: &self.format,
            attachment: self.attachment,
            expires_at: now.plus(self.lifetime_seconds),
        };
        DownloadResponse::new(cloudinary.links.sign(&link), self.lifetime_seconds, now)
    }
}

/// `1 min`, `5 mins`, `90 secs`: minutes where they come out even.
fn in_words(seconds: i64) -> String {
    match (seconds / 60, seconds % 60) {
        (1, 0) => "1 min".to_owned(),
        (minutes, 0) => format!("{minutes} mins"),
        _ if seconds == 1 => "1 sec".to_owned(),
        _ => format!("{seconds} secs"),
    }
}
