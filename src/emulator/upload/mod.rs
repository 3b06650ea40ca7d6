//! `POST /v1_1/{cloud}/{resource_type}/upload`: one file, or one part of it, becomes an asset.

mod chunks;
mod content;
mod content_range;
mod naming;
mod params;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::delivery::ResourceType;

use super::Backend;
use super::answer::{UploadAnswer, with_note};
use super::fields::Fields;
use super::form::{FilePart, Form};
use super::refusal::Refusal;
use super::store::AssetKey;
use super::verify::{Access, Call, Lifetime, authenticate_upload};
pub(super) use chunks::Chunks;
use chunks::{Progress, UploadKey};
use content::{Kind, Wanted};
use content_range::Position;
use naming::{FileName, NameWishes};
pub(super) use params::parse_type;
use params::{NOT_APPLIED, UploadParams};

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
    let mut form = Form::read(backend, request).await?;
    let call = Call {
        cloud,
        headers: &headers,
        fields: &form.fields,
        now: backend.clock.now(),
        lifetime: Lifetime::Hour,
    };
    let access = authenticate_upload(&backend.accounts, call)?;
    let params = UploadParams::parse(&form.fields)?;
    let file = form.file.take().ok_or(Refusal::MissingParameter("file"))??;
    let upload = Upload { backend, access, wanted, fields: &form.fields };
    upload.check_size(&file)?;
    let position = Position::of(&headers)?;
    position.map_or(Ok(()), |position| position.check(file.content.bytes))?;
    match position.filter(|position| !position.is_whole()) {
        None => upload.store(params, file, None).await,
        Some(position) => upload.add_part(params, file, position, &headers).await,
    }
}

/// An upload whose caller is known.
#[derive(Clone, Copy)]
struct Upload<'a> {
    backend: &'a Backend,
    access: Access<'a>,
    wanted: Wanted,
    fields: &'a Fields,
}

/// The answer to a part that is not the last to come. It names no public id: the PHP SDK would send that back with the
/// next part, unsigned.
#[derive(Debug, Serialize)]
struct UnfinishedAnswer {
    done: bool,
    bytes: u64,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_type: Option<ResourceType>,
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
        let progress = chunks.add(&key, position, file.content, clock.now())?;
        match progress {
            Progress::Unfinished { bytes } => Ok(self.unfinished(bytes)),
            Progress::Complete(parts) => {
                let content = self.backend.store.join(parts).await?;
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
        Json(UnfinishedAnswer { done: false, bytes, kind: "upload", resource_type }).into_response()
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
        let dimensions = kind.dimensions(&file.content).await?;
        let is_raw = kind.resource_type == ResourceType::Raw;
        let key = AssetKey {
            cloud: self.access.account.cloud.clone(),
            resource_type: kind.resource_type,
            delivery_type: params.delivery_type,
            public_id: NameWishes::of(self.fields).public_id(&name, is_raw)?,
        };
        let overwrite = params.overwrite;
        let description = params.describe(&kind, dimensions, name, self.backend.clock.now());
        let outcome = self.backend.store.put(key, description, file.content, overwrite).await?;
        let answer = UploadAnswer::new(&outcome, self.access, &self.backend.origin, done);
        Ok(with_note(Json(answer), "not applied", &self.fields.given(&NOT_APPLIED)))
    }
}
