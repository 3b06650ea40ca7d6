//! `POST /multipart/start/`, `PUT` of each part, `POST /multipart/complete/`: one large file in parts.
//!
//! Starting is signed, the rest is not: an upload may outlive its signature. An address of a part cannot be guessed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::clock::UnixSeconds;
use crate::delivery::uploadcare::FileId;

use super::super::Backend;
use super::super::fields::Fields;
use super::super::store::{Incoming, PartsHash, StoreError};
use super::file::{File, NewFile};
use super::form::UploadForm;
use super::refusal::UploadRefusal;

/// Smaller files must come in one request.
const MIN_FILE_BYTES: u64 = 10_485_760;
/// The size of a part unless the client says otherwise, and the smallest there is.
const MIN_PART_BYTES: u64 = 5_242_880;
const MAX_PART_BYTES: u64 = 5_368_709_120;
/// How long an unfinished upload is kept, in seconds.
const KEPT_SECONDS: i64 = 24 * 3_600;
/// How many unfinished uploads are kept.
const MAX_OPEN: usize = 1_000;

/// Uploads that are not complete.
#[derive(Debug, Default)]
pub(super) struct Multiparts(Mutex<BTreeMap<FileId, Multipart>>);

#[derive(Debug)]
struct Multipart {
    file: NewFile,
    size: u64,
    part_size: u64,
    parts: Vec<Option<Incoming>>,
    started_at: UnixSeconds,
}

impl Multiparts {
    /// Forgets every upload, and its parts with it.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// Adds an upload; old ones make room.
    fn add(&self, id: FileId, multipart: Multipart) {
        let mut open = self.lock();
        let oldest_kept = multipart.started_at.plus(-KEPT_SECONDS);
        open.retain(|_, other| other.started_at >= oldest_kept);
        if open.len() >= MAX_OPEN {
            let oldest = open.iter().min_by_key(|(_, other)| other.started_at).map(|(id, _)| id.clone());
            oldest.and_then(|id| open.remove(&id));
        }
        open.insert(id, multipart);
    }

    /// How large the part with this index may be; `None` if there is no such part.
    fn part_size(&self, id: &FileId, index: usize) -> Option<u64> {
        self.lock().get(id).filter(|upload| index < upload.parts.len()).map(|upload| upload.part_size)
    }

    /// Puts a part in its place; the last of several counts.
    fn put(&self, id: &FileId, index: usize, part: Incoming) -> bool {
        let mut open = self.lock();
        let slot = open.get_mut(id).and_then(|upload| upload.parts.get_mut(index));
        slot.is_some_and(|slot| {
            *slot = Some(part);
            true
        })
    }

    /// Takes an upload out whose parts make up the whole file.
    fn take(&self, id: &FileId) -> Result<(NewFile, Vec<Incoming>), UploadRefusal> {
        let mut open = self.lock();
        let upload = open.get(id).ok_or(UploadRefusal::MultipartNotFound)?;
        let sizes = upload.parts.iter().map(|part| part.as_ref().map(|part| part.bytes));
        // A missing part makes the sum none at all.
        if sizes.sum::<Option<u64>>() != Some(upload.size) {
            return Err(UploadRefusal::MultipartSizeMismatch);
        }
        let upload = open.remove(id).ok_or(UploadRefusal::MultipartNotFound)?;
        Ok((upload.file, upload.parts.into_iter().flatten().collect()))
    }

    /// The map is whole after every statement, so a poisoned lock still guards a good one.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<FileId, Multipart>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens an upload; the answer has an address for each part.
pub(super) async fn start(
    State(backend): State<Arc<Backend>>,
    request: Request,
) -> Result<Json<Value>, UploadRefusal> {
    let form = UploadForm::read(&backend, request).await?;
    let project = &backend.uploadcare.project;
    project.check_public_key(&form.fields, "UPLOADCARE_PUB_KEY")?;
    project.check_signature(&form.fields, backend.clock.now())?;
    let (size, part_size) = sizes(&form.fields, backend.limits.chunked_file_bytes)?;
    let required = |name| form.fields.get(name).ok_or(UploadRefusal::MultipartFieldRequired(name));
    let name = required("filename")?.to_owned();
    let content_type = required("content_type")?.to_owned();

    let file = NewFile::of(&form.fields, name, Some(content_type));
    let id = file.id.clone().ok_or(UploadRefusal::MultipartIdInvalid)?;
    let count = usize::try_from(size.div_ceil(part_size)).unwrap_or(usize::MAX);
    let address = |index| format!("{}/uploadcare/multipart/{id}/{index}", backend.origin());
    let answer = json!({ "uuid": id.as_str(), "parts": (0..count).map(address).collect::<Vec<_>>() });
    let parts = std::iter::repeat_with(|| None).take(count).collect();
    let started_at = backend.clock.now();
    backend.uploadcare.multiparts.add(id, Multipart { file, size, part_size, parts, started_at });
    Ok(Json(answer))
}

/// The sizes of the file and of its parts.
fn sizes(fields: &Fields, largest: u64) -> Result<(u64, u64), UploadRefusal> {
    let number = |name: &'static str| {
        let text = fields.get(name);
        text.map(|text| text.parse::<u64>().ok().ok_or(UploadRefusal::MultipartFieldInvalid(name)))
            .transpose()
    };
    let size = number("size")?.ok_or(UploadRefusal::MultipartFieldRequired("size"))?;
    let part_size = number("part_size")?.unwrap_or(MIN_PART_BYTES);
    match (size, part_size) {
        (size, _) if size < MIN_FILE_BYTES => Err(UploadRefusal::MultipartFileTooSmall(MIN_FILE_BYTES)),
        (size, _) if size > largest => Err(UploadRefusal::MultipartFileTooLarge),
        (_, part) if part < MIN_PART_BYTES => Err(UploadRefusal::MultipartPartTooSmall(MIN_PART_BYTES)),
        (_, part) if part > MAX_PART_BYTES => Err(UploadRefusal::MultipartPartTooBig(MAX_PART_BYTES)),
        sizes => Ok(sizes),
    }
}

/// Why a part is refused, in the words of the storage that takes the parts at the provider.
#[derive(Debug, thiserror::Error)]
pub(super) enum PartRefusal {
    #[error("NoSuchUpload")]
    NoSuchUpload,
    #[error("EntityTooLarge")]
    TooLarge,
    #[error("IncompleteBody")]
    BrokeOff,
    #[error("InternalError")]
    Store(#[from] StoreError),
}

impl IntoResponse for PartRefusal {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NoSuchUpload => StatusCode::NOT_FOUND,
            Self::TooLarge | Self::BrokeOff => StatusCode::BAD_REQUEST,
            Self::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{self}</Code></Error>");
        (status, [(CONTENT_TYPE, "application/xml")], body).into_response()
    }
}

/// Streams one part to disk.
pub(super) async fn receive_part(
    State(backend): State<Arc<Backend>>,
    Path((id, index)): Path<(String, usize)>,
    request: Request,
) -> Result<Response, PartRefusal> {
    let uploadcare = &backend.uploadcare;
    let id = id.parse::<FileId>().ok().ok_or(PartRefusal::NoSuchUpload)?;
    let limit = uploadcare.multiparts.part_size(&id, index).ok_or(PartRefusal::NoSuchUpload)?;
    let mut file = uploadcare.store.incoming(limit, false);
    let mut body = request.into_body().into_data_stream();
    while let Some(piece) = body.next().await {
        file.write(piece.map_err(|_source| PartRefusal::BrokeOff)?).await?;
    }
    let part = file.finish().await?;
    if part.bytes > limit {
        return Err(PartRefusal::TooLarge);
    }
    let tag = format!("\"{}\"", part.md5().await?);
    if uploadcare.multiparts.put(&id, index, part) {
        Ok((StatusCode::OK, [(ETAG, tag)]).into_response())
    } else {
        Err(PartRefusal::NoSuchUpload)
    }
}

/// Makes one file of the parts.
pub(super) async fn complete(
    State(backend): State<Arc<Backend>>,
    request: Request,
) -> Result<Json<Value>, UploadRefusal> {
    let form = UploadForm::read(&backend, request).await?;
    let uploadcare = &backend.uploadcare;
    uploadcare.project.check_public_key(&form.fields, "UPLOADCARE_PUB_KEY")?;
    let id = form.fields.get("uuid").ok_or(UploadRefusal::MultipartIdRequired)?;
    let id: FileId = id.parse().ok().ok_or(UploadRefusal::MultipartIdInvalid)?;
    if File::find(&backend, &id).is_some() {
        return Err(UploadRefusal::MultipartAlreadyUploaded);
    }
    let (file, parts) = uploadcare.multiparts.take(&id)?;
    let content = Incoming::join(parts, PartsHash::default()).await?;
    Ok(Json(file.keep(&backend, content).await?.info()))
}
