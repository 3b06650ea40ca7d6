//! `POST /v1_1/{cloud}/{resource_type}/upload`: one file, or one part of it, becomes an asset.

mod chunks;
mod content;
mod content_range;
mod measure;
mod naming;
mod params;
mod support;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

use crate::delivery::{DeliveryType, ResourceType};

use super::Backend;
use super::accounts::Operation;
use super::answer::{DerivedAnswer, UploadAnswer, with_note};
use super::delete_token;
use super::fields::Fields;
use super::form::{FilePart, Form};
use super::named::refuse_unknown;
use super::notify::{Announcement, Occasion};
use super::presets;
use super::refusal::Refusal;
use super::store::{Asset, AssetKey, Derived, Incoming, Outcome, random_id};
use super::verify::{Access, Call, Lifetime, authenticate_upload};
pub(super) use chunks::Chunks;
use chunks::{Progress, UploadKey};
use content::{Kind, Wanted};
use content_range::Position;
use measure::Measures;
pub(super) use naming::checked_public_id;
use naming::{FileName, NameWishes};
pub(super) use params::{UploadParams, parse_type};
pub(super) use support::{passed_over, refuse_unsupported};

/// Uploads to the resource type in the path.
pub(super) async fn create(
    State(backend): State<Arc<Backend>>,
    Path((cloud, word)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    receive(&backend, &cloud, Wanted::parse(&word)?, request).await
}

/// Uploads without a resource type in the path, which means whatever the file is.
pub(super) async fn create_auto(
    State(backend): State<Arc<Backend>>,
    Path(cloud): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    receive(&backend, &cloud, Wanted::Auto, request).await
}

/// The file is on disk before its caller is known, because fields may follow it in the body; it is removed again
/// wherever this returns early.
async fn receive(
    backend: &Backend,
    cloud: &str,
    wanted: Wanted,
    request: Request,
) -> Result<Response, Refusal> {
    let headers = request.headers().clone();
    let is_part = Position::of(&headers).is_ok_and(|position| position.is_some());
    let mut form = Form::read_part(backend, request, is_part).await?;
    let call = Call {
        cloud,
        headers: &headers,
        fields: &form.fields,
        now: backend.clock.now(),
        lifetime: Lifetime::Hour,
        operation: Operation::Write,
    };
    let (access, proof) = authenticate_upload(&backend.accounts, call)?;
    presets::apply(&backend.store, cloud, proof, &mut form.fields)?;
    refuse_unknown(&backend.store, cloud, chains_in(&form.fields))?;
    let metadata = backend.store.settings(|all| all.metadata_of(cloud));
    let params = UploadParams::parse(&form.fields)?.with_metadata(&metadata)?;
    let file = match form.file.take().ok_or(Refusal::MissingParameter("file"))? {
        Err(Refusal::RemoteFile(address)) => fetch(backend, &address).await?,
        file => file?,
    };
    let upload = Upload { backend, access, wanted, fields: &form.fields };
    upload.check_size(&file)?;
    let position = Position::of(&headers)?;
    position.map_or(Ok(()), |position| position.check(file.content.bytes))?;
    match position.filter(|position| !position.is_whole()) {
        None => upload.store(params, file, None).await,
        Some(position) => upload.add_part(params, file, position, &headers).await,
    }
}

/// What kind of file this is, and what it says about itself.
pub(super) async fn detect(content: &Incoming) -> Result<(Kind, Measures), Refusal> {
    let kind = Kind::detect(&content.head);
    let measures = kind.measure(content).await?;
    Ok((kind, measures))
}

/// The same for a file that has to be of one resource type.
pub(super) async fn detect_as(
    content: &Incoming,
    resource_type: ResourceType,
) -> Result<(Kind, Measures), Refusal> {
    let kind = Kind::detect(&content.head).fit(Wanted::Only(resource_type))?;
    let measures = kind.measure(content).await?;
    Ok((kind, measures))
}

/// The name of a file, told apart from its extension.
pub(super) fn name_of(path: &str) -> FileName {
    FileName::parse(Some(path))
}

/// Every transformation that a call names.
pub(super) fn chains_in(fields: &Fields) -> impl Iterator<Item = &str> {
    let texts = ["transformation", "eager"].into_iter().filter_map(|name| fields.get(name));
    texts.flat_map(|text| text.split('|'))
}

async fn fetch(backend: &Backend, address: &str) -> Result<FilePart, Refusal> {
    let max_bytes = backend.limits.request_file_bytes;
    let (content, name) = backend.outgoing.fetch(address, &backend.store, max_bytes).await?;
    Ok(FilePart { content, name: Some(name) })
}

/// An upload whose caller is known.
#[derive(Clone, Copy)]
struct Upload<'a> {
    backend: &'a Backend,
    access: Access<'a>,
    wanted: Wanted,
    fields: &'a Fields,
}

/// The answer to a part that is not the last to come. It names the public id only where the client did: the Python SDK
/// goes on with the id of the answer, and the PHP SDK would send back a made-up one unsigned.
#[derive(Debug, Serialize)]
struct UnfinishedAnswer<'a> {
    done: bool,
    bytes: u64,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_type: Option<ResourceType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_id: Option<&'a str>,
}

impl Upload<'_> {
    fn check_size(&self, file: &FilePart) -> Result<(), Refusal> {
        let maximum = self.backend.limits.request_file_bytes;
        match file.content.bytes {
            0 => Err(Refusal::EmptyFile),
            got if got > maximum => Err(Refusal::FileTooLarge { got, maximum }),
            _ => Ok(()),
        }
    }

    /// Keeps one part, and stores the file when it was the last that was missing. The provider refuses only the second
    /// part without `X-Unique-Upload-Id`; here the first one is, as it could never become a file.
    async fn add_part(
        self,
        params: UploadParams,
        file: FilePart,
        position: Position,
        headers: &HeaderMap,
    ) -> Result<Response, Refusal> {
        let id = headers
            .get("x-unique-upload-id")
            .filter(|id| !id.is_empty())
            .ok_or(Refusal::MissingParameter("public_id"))?;
        let account = self.access.account;
        let key = UploadKey {
            cloud: account.cloud.clone(),
            api_key: account.api_key.clone(),
            id: String::from_utf8_lossy(id.as_bytes()).into_owned(),
        };
        let Backend { chunks, clock, .. } = self.backend;
        match chunks.add(&key, position, file.content, clock.now())? {
            Progress::Unfinished { bytes } => Ok(self.unfinished(bytes)),
            Progress::Complete { parts, hash } => {
                let content = Incoming::join(parts, hash).await?;
                let name = file.name;
                self.store(params, FilePart { content, name }, Some(true)).await
            }
        }
    }

    fn unfinished(self, bytes: u64) -> Response {
        let resource_type = match self.wanted {
            Wanted::Auto => None,
            Wanted::Only(resource_type) => Some(resource_type),
        };
        let public_id = self.fields.get("public_id");
        Json(UnfinishedAnswer { done: false, bytes, kind: "upload", resource_type, public_id })
            .into_response()
    }

    async fn store(
        self,
        params: UploadParams,
        file: FilePart,
        done: Option<bool>,
    ) -> Result<Response, Refusal> {
        let kind = Kind::detect(&file.content.head).fit(self.wanted)?;
        let name = self.fields.get("filename_override").or(file.name.as_deref());
        let name = FileName::parse(name);
        params.check_format(&kind, &name)?;
        let measures = kind.measure(&file.content).await?;
        let is_raw = kind.resource_type == ResourceType::Raw;
        let key = AssetKey {
            cloud: self.access.account.cloud.clone(),
            resource_type: kind.resource_type,
            delivery_type: params.delivery_type.unwrap_or(DeliveryType::Upload),
            public_id: NameWishes::of(self.fields).public_id(&name, is_raw)?,
        };
        let asked = Asked {
            eager: params.attributes.eager.clone(),
            is_async: self.fields.flag("async") == Some(true),
            delete_token: self.fields.flag("return_delete_token") == Some(true),
            done,
        };
        let overwrite = params.overwrite;
        let description = params.describe(&kind, measures, name, self.backend.clock.now());
        let outcome = self.backend.store.put(key, description, file.content, overwrite).await?;
        Ok(self.answer(&outcome, &asked))
    }

    /// Answers, and tells those who want to know. What was there already is no event.
    fn answer(self, outcome: &Outcome, asked: &Asked) -> Response {
        let (Outcome::Created(asset) | Outcome::Replaced(asset) | Outcome::Existing(asset)) = outcome;
        let origin = &self.backend.origin();
        let token = delete_token::make(asset, self.access.account, self.backend.clock.now());
        let answer = UploadAnswer::new(outcome, self.access, origin, asked.done)
            .with_eager(eager_answers(asset, &asked.eager, origin, self.access))
            .with_delete_token(asked.delete_token.then_some(token));
        let answer = serde_json::to_value(answer).unwrap_or_default();
        if !matches!(outcome, Outcome::Existing(_)) {
            announce(self.backend, self.access, self.fields, &answer);
        }
        let answer = if asked.is_async { pending(asset) } else { answer };
        with_note(Json(answer), "not applied", &passed_over(self.fields))
    }
}

/// What an answer needs to know of the parameters.
struct Asked {
    eager: Vec<Derived>,
    is_async: bool,
    delete_token: bool,
    done: Option<bool>,
}

/// The transformations that a call asked for.
pub(super) fn eager_answers(
    asset: &Asset,
    eager: &[Derived],
    origin: &str,
    access: Access<'_>,
) -> Vec<DerivedAnswer> {
    eager.iter().map(|derived| DerivedAnswer::new(asset, derived, origin, access)).collect()
}

/// Tells of an upload, and of its transformations where somebody wants to hear of them.
fn announce(backend: &Backend, access: Access<'_>, fields: &Fields, answer: &Value) {
    let url = fields.get("notification_url");
    backend.notifier.announce(&Announcement { access, occasion: Occasion::Upload(answer.clone()), url });
    announce_eager(backend, access, fields, answer);
}

/// Tells of transformations that were asked for.
pub(super) fn announce_eager(backend: &Backend, access: Access<'_>, fields: &Fields, answer: &Value) {
    let is_async = fields.flag("eager_async") == Some(true);
    let url =
        fields.get("eager_notification_url").or_else(|| fields.get("notification_url").filter(|_| is_async));
    if answer.get("eager").is_some() && (is_async || url.is_some()) {
        backend.notifier.announce(&Announcement { access, occasion: Occasion::Eager(answer.clone()), url });
    }
}

/// What is said at once about an upload whose outcome comes later. Here it has come already.
fn pending(asset: &Asset) -> Value {
    json!({
        "status": "pending", "resource_type": asset.key.resource_type, "type": asset.key.delivery_type,
        "public_id": asset.key.public_id, "batch_id": random_id(),
    })
}
