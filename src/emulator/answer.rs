//! What the Upload API says about a stored asset.

use std::collections::BTreeMap;

use axum::http::HeaderName;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;

use crate::delivery::{DeliveryType, ResourceType};
use crate::signing::cloudinary::{DeliverySignatureLength, delivery_signature, upload_response_signature};
use crate::signing::{Algorithm, Signature};

use super::accounts::CloudAccount;
use super::refusal::header_text;
use super::store::{AccessRule, Asset, Derived, Moderation, Outcome, Rectangle};
use super::verify::Access;

/// Names what a request asked for and the emulator does not do.
pub(super) const X_COUNTERSIGN_EMULATOR: HeaderName = HeaderName::from_static("x-countersign-emulator");

/// What the SDKs leave as it stands in a public id.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'/').remove(b':');

/// An answer with a note on what was asked for and left out.
pub(super) fn with_note(answer: impl IntoResponse, verdict: &str, names: &[&str]) -> Response {
    let mut response = answer.into_response();
    if !names.is_empty() {
        let note = header_text(&format!("{verdict}: {}", names.join(", ")));
        response.headers_mut().insert(X_COUNTERSIGN_EMULATOR, note);
    }
    response
}

/// An asset as every answer shows it.
#[derive(Debug, Serialize)]
pub(super) struct AssetAnswer {
    asset_id: String,
    public_id: String,
    version: u64,
    version_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pages: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_audio: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    resource_type: ResourceType,
    created_at: String,
    tags: Vec<String>,
    bytes: u64,
    #[serde(rename = "type")]
    delivery_type: DeliveryType,
    etag: String,
    placeholder: bool,
    url: String,
    secure_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asset_folder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    access_mode: &'static str,
    original_filename: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Context>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    access_control: Vec<AccessRule>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faces: Vec<Rectangle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coordinates: Option<Coordinates>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    moderation: Vec<Moderation>,
}

#[derive(Debug, Serialize)]
struct Coordinates {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faces: Vec<Rectangle>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    custom: Vec<Rectangle>,
}

impl Coordinates {
    fn of(faces: &[Rectangle], custom: Vec<Rectangle>) -> Option<Self> {
        let is_empty = faces.is_empty() && custom.is_empty();
        (!is_empty).then(|| Self { faces: faces.to_vec(), custom })
    }
}

#[derive(Debug, Serialize)]
struct Context {
    custom: BTreeMap<String, String>,
}

impl AssetAnswer {
    /// The asset under `url`, which the caller may have signed.
    pub(super) fn new(asset: &Asset, url: String) -> Self {
        let description = asset.description.clone();
        let custom = description.context;
        let is_video = asset.key.resource_type == ResourceType::Video;
        Self {
            asset_id: asset.id.clone(),
            public_id: asset.key.public_id.clone(),
            version: asset.version(),
            version_id: asset.version_id.clone(),
            width: description.dimensions.map(|(width, _)| width),
            height: description.dimensions.map(|(_, height)| height),
            pages: description.pages,
            duration: description.duration,
            is_audio: is_video.then(|| description.content_type.starts_with("audio/")),
            format: description.format,
            resource_type: asset.key.resource_type,
            created_at: Timestamp::from_second(description.created_at.0).unwrap_or_default().to_string(),
            tags: description.tags,
            bytes: asset.bytes,
            delivery_type: asset.key.delivery_type,
            etag: asset.etag.clone(),
            placeholder: false,
            secure_url: url.clone(),
            url,
            folder: description.folder,
            asset_folder: description.asset_folder,
            display_name: description.display_name,
            access_mode: "public",
            original_filename: description.original_filename,
            context: (!custom.is_empty()).then_some(Context { custom }),
            metadata: description.metadata,
            access_control: description.access_control,
            coordinates: Coordinates::of(&description.face_coordinates, description.custom_coordinates),
            faces: description.face_coordinates,
            moderation: description.moderation,
        }
    }
}

/// The answer to an upload.
#[derive(Debug, Serialize)]
pub(super) struct UploadAnswer<'a> {
    #[serde(flatten)]
    asset: AssetAnswer,
    /// Over public id and version, so that a client can pass the answer on and the receiver can trust it.
    signature: Signature,
    api_key: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    existing: bool,
    #[serde(skip_serializing_if = "is_false")]
    overwritten: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    eager: Vec<DerivedAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_token: Option<String>,
}

/// A transformation that was asked for. Its size and bytes are the original's, for nothing was made.
#[derive(Debug, Serialize)]
pub(super) struct DerivedAnswer {
    transformation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    url: String,
    secure_url: String,
    /// Only in answers of the Admin API.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Says that this is the original.
    emulated: &'static str,
}

impl DerivedAnswer {
    pub(super) fn new(asset: &Asset, derived: &Derived, origin: &str, access: Access<'_>) -> Self {
        let format = derived.format.clone().or_else(|| asset.description.format.clone());
        let name = match &format {
            Some(format) => format!("{}.{format}", asset.key.public_id),
            None => asset.key.public_id.clone(),
        };
        let source = format!("{}/{}", derived.transformation, utf8_percent_encode(&name, PATH));
        let url = delivery_url_of(asset, &source, origin, Some((access.account, access.algorithm)));
        Self {
            transformation: derived.transformation.clone(),
            width: asset.description.dimensions.map(|(width, _)| width),
            height: asset.description.dimensions.map(|(_, height)| height),
            bytes: asset.bytes,
            format,
            secure_url: url.clone(),
            url,
            id: None,
            emulated: "original",
        }
    }

    /// The same with the id under which it can be deleted.
    pub(super) fn with_id(self, id: &str) -> Self {
        Self { id: Some(id.to_owned()), ..self }
    }
}

impl<'a> UploadAnswer<'a> {
    pub(super) fn new(outcome: &Outcome, access: Access<'a>, origin: &str, done: Option<bool>) -> Self {
        let (Outcome::Created(asset) | Outcome::Replaced(asset) | Outcome::Existing(asset)) = outcome;
        let Access { account, algorithm } = access;
        let url = delivery_url(asset, origin, Some((account, algorithm)));
        Self {
            signature: upload_response_signature(
                &asset.key.public_id,
                asset.version(),
                &account.api_secret,
                algorithm,
            ),
            asset: AssetAnswer::new(asset, url),
            api_key: &account.api_key,
            existing: matches!(outcome, Outcome::Existing(_)),
            overwritten: matches!(outcome, Outcome::Replaced(_)),
            done,
            eager: Vec::new(),
            delete_token: None,
        }
    }

    /// The same with the transformations that were asked for.
    pub(super) fn with_eager(self, eager: Vec<DerivedAnswer>) -> Self {
        Self { eager, ..self }
    }

    /// The same with a token that deletes the asset.
    pub(super) fn with_delete_token(self, delete_token: Option<String>) -> Self {
        Self { delete_token, ..self }
    }
}

/// Where an asset is delivered; signed for authenticated assets, if there is somebody to sign for.
///
/// The URL of a private asset stays plain: such a signature never expires, so an answer that carried it would open the
/// original for ever to whoever it is passed on to.
pub(super) fn delivery_url(
    asset: &Asset,
    origin: &str,
    signer: Option<(&CloudAccount, Algorithm)>,
) -> String {
    let source = utf8_percent_encode(&asset.file_name(), PATH).to_string();
    delivery_url_of(asset, &source, origin, signer)
}

/// The address of `source`, which is the end of the path: transformations, public id and format.
fn delivery_url_of(
    asset: &Asset,
    source: &str,
    origin: &str,
    signer: Option<(&CloudAccount, Algorithm)>,
) -> String {
    let key = &asset.key;
    let signature =
        signer.filter(|_| key.delivery_type == DeliveryType::Authenticated).map(|(account, algorithm)| {
            let length = DeliverySignatureLength::Short;
            delivery_signature(source, &account.api_secret, algorithm, length)
        });
    let signature = signature.map_or_else(String::new, |text| format!("/s--{text}--"));
    let (transformation, name) = split_name(source, asset);
    format!(
        "{origin}/{}/{}/{}{signature}/{transformation}v{}/{name}",
        key.cloud,
        key.resource_type,
        key.delivery_type,
        asset.version(),
    )
}

/// The transformations with a slash behind them, and the rest: the version goes between.
fn split_name<'a>(source: &'a str, asset: &Asset) -> (&'a str, &'a str) {
    let id = utf8_percent_encode(&asset.key.public_id, PATH).to_string();
    source.rfind(&id).map_or(("", source), |start| source.split_at(start))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands the field over by reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
