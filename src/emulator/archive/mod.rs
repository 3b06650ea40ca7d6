//! `/v1_1/{cloud}/{resource_type}/generate_archive`: many assets as one ZIP file, stored as a raw asset (`mode=create`) or
//! sent (`mode=download`).
//!
//! The archive is written while the assets are read, so that no more than a few pieces of it are in memory. Nothing is
//! compressed: pictures and films are already. The parameters and their limits are those of
//! <https://cloudinary.com/documentation/generate_archives>.

mod entries;
mod selection;
mod zip_stream;

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::delivery::{DeliveryType, ResourceType};

use super::Backend;
use super::accounts::Operation;
use super::answer::{UploadAnswer, with_note};
use super::attributes::words;
use super::fields::Fields;
use super::form::Form;
use super::notify::{Announcement, Occasion};
use super::original::disposition;
use super::refusal::Refusal;
use super::store::{Asset, AssetKey, Incoming, Outcome, Overwrite, StoreError, random_id};
use super::upload::{UploadParams, checked_public_id, detect_as, name_of};
use super::verify::{Access, Call, Lifetime, authenticate};
use entries::Entry;
use selection::Selection;

/// Parameters that change nothing here: no derived assets are made.
const NOT_APPLIED: [&str; 3] = ["transformations", "flatten_transformations", "keep_derived"];

/// What becomes of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Create,
    Download,
}

impl Mode {
    /// Anything but a download needs a key that may write.
    fn of(fields: &Fields) -> Self {
        if fields.get("mode") == Some("download") { Self::Download } else { Self::Create }
    }

    /// Only the signature of a download says itself when it expires.
    const fn lifetime(self) -> Lifetime {
        match self {
            Self::Create => Lifetime::Hour,
            Self::Download => Lifetime::ExpiresAt,
        }
    }

    const fn operation(self) -> Operation {
        match self {
            Self::Create => Operation::Write,
            Self::Download => Operation::Read,
        }
    }
}

/// Makes the archive that the parameters describe.
pub(super) async fn generate(
    State(backend): State<Arc<Backend>>,
    Path((cloud, word)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let headers = request.headers().clone();
    let fields = Form::read(&backend, request).await?.fields;
    let mode = Mode::of(&fields);
    let call = Call {
        cloud: &cloud,
        headers: &headers,
        fields: &fields,
        now: backend.clock.now(),
        lifetime: mode.lifetime(),
        operation: mode.operation(),
    };
    let access = authenticate(&backend.accounts, call)?;
    refuse_unsupported(&fields)?;
    let assets = Selection::parse(&word, &fields)?.find(&backend.store, &cloud)?;
    let entries = entries::list(&assets, &fields)?;
    check_size(&entries, backend.limits.request_file_bytes)?;
    let archive = Archive { resource_count: assets.len(), entries };
    match mode {
        Mode::Download => archive.send(&backend, &fields),
        Mode::Create => archive.store(&backend, access, &fields).await,
    }
}

fn refuse_unsupported(fields: &Fields) -> Result<(), Refusal> {
    match fields.get("mode") {
        None | Some("create" | "download") => {}
        Some(mode @ "create_and_download") => return Err(Refusal::NotEmulated(format!("mode {mode}"))),
        Some(other) => return Err(Refusal::InvalidValue { name: "mode", value: other.to_owned() }),
    }
    match fields.get("target_format") {
        None | Some("zip") => Ok(()),
        Some(format @ "tgz") => Err(Refusal::NotEmulated(format!("target_format {format}"))),
        Some(other) => Err(Refusal::InvalidValue { name: "target_format", value: other.to_owned() }),
    }
}

fn check_size(entries: &[Entry], maximum: u64) -> Result<(), Refusal> {
    let got = entries.iter().map(|entry| entry.asset.bytes).sum();
    if got > maximum { Err(Refusal::FileTooLarge { got, maximum }) } else { Ok(()) }
}

/// What goes into an archive.
#[derive(Debug)]
struct Archive {
    resource_count: usize,
    entries: Vec<Entry>,
}

impl Archive {
    fn send(self, backend: &Backend, fields: &Fields) -> Result<Response, Refusal> {
        let pieces = zip_stream::write(backend.store.clone(), self.entries);
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("application/zip")),
            (CONTENT_DISPOSITION, disposition("attachment", &target_name(fields)?)),
            (CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
        ];
        let response = (headers, Body::from_stream(pieces)).into_response();
        Ok(with_note(response, "not applied", &fields.given(&NOT_APPLIED)))
    }

    async fn store(
        self,
        backend: &Backend,
        access: Access<'_>,
        fields: &Fields,
    ) -> Result<Response, Refusal> {
        let (resource_count, file_count) = (self.resource_count, self.entries.len());
        let name = target_name(fields)?;
        let content = collect(backend, self.entries).await?;
        let (kind, measures) = detect_as(&content, ResourceType::Raw).await?;
        let mut description =
            UploadParams::default().describe(&kind, measures, name_of(&name), backend.clock.now());
        description.tags = words(&fields.list("target_tags"));
        description.asset_folder = fields.get("target_asset_folder").map(str::to_owned);
        let key = AssetKey {
            cloud: access.account.cloud.clone(),
            resource_type: ResourceType::Raw,
            delivery_type: DeliveryType::Upload,
            public_id: name,
        };
        let outcome = backend.store.put(key, description, content, Overwrite::Yes).await?;
        let answer = UploadAnswer::new(&outcome, access, &backend.origin(), None);
        let mut answer = serde_json::to_value(answer).map_err(Refusal::Json)?;
        answer["resource_count"] = resource_count.into();
        answer["file_count"] = file_count.into();
        let occasion = Occasion::Archive(answer.clone());
        let url = fields.get("notification_url");
        backend.notifier.announce(&Announcement { access, occasion, url });
        let answer = if fields.flag("async") == Some(true) { pending(&outcome) } else { answer };
        Ok(with_note(Json(answer), "not applied", &fields.given(&NOT_APPLIED)))
    }
}

/// The public id of a stored archive, and the name of the file of one that is sent.
fn target_name(fields: &Fields) -> Result<String, Refusal> {
    let random = random_id();
    let name = fields.get("target_public_id").unwrap_or(&random[..20]);
    checked_public_id(&format!("{}.zip", name.strip_suffix(".zip").unwrap_or(name)))
}

/// Writes the archive to the disk.
async fn collect(backend: &Backend, entries: Vec<Entry>) -> Result<Incoming, Refusal> {
    let mut pieces = zip_stream::write(backend.store.clone(), entries);
    let mut file = backend.store.incoming(u64::MAX, false);
    while let Some(piece) = pieces.next().await {
        let piece =
            piece.map_err(|cause| StoreError::File { doing: "write", path: "the archive".into(), cause })?;
        file.write(piece).await?;
    }
    Ok(file.finish().await?)
}

/// What is said at once about an archive whose outcome comes later. Here it has come already.
fn pending(outcome: &Outcome) -> Value {
    let (Outcome::Created(asset) | Outcome::Replaced(asset) | Outcome::Existing(asset)) = outcome;
    let Asset { key, .. } = &**asset;
    json!({
        "status": "pending", "resource_type": key.resource_type, "type": key.delivery_type,
        "public_id": key.public_id, "batch_id": random_id(),
    })
}
