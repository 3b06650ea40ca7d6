//! A file of the project: how it is kept as an asset, and how both APIs describe it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::clock::UnixSeconds;
use crate::delivery::uploadcare::FileId;
use crate::delivery::{DeliveryType, ResourceType};

use super::super::Backend;
use super::super::fields::Fields;
use super::super::store::{Asset, AssetKey, Description, Incoming, Outcome, Overwrite, StoreError};
use super::{random_file_id, webhooks};

/// Where the context of an asset says when its file was stored for good. No metadata of a client has a space.
const STORED_AT: &str = "stored at";
/// The most characters of a metadata key.
const MAX_METADATA_KEY: usize = 64;

/// What a client says about a file that it uploads.
#[derive(Clone, Debug)]
pub(super) struct NewFile {
    pub(super) id: Option<FileId>,
    name: String,
    content_type: Option<String>,
    is_stored: bool,
    metadata: BTreeMap<String, String>,
    tags: Vec<String>,
}

/// A file that is kept.
#[derive(Clone, Debug)]
pub(super) struct File(pub(super) Arc<Asset>);

/// What addresses a file, or a group by its own id.
pub(super) fn key(public_key: &str, id: &str) -> AssetKey {
    AssetKey {
        cloud: public_key.to_owned(),
        resource_type: ResourceType::Raw,
        delivery_type: DeliveryType::Upload,
        public_id: id.to_owned(),
    }
}

impl NewFile {
    /// The file that the fields of a request describe. `auto`, like most projects, stores.
    pub(super) fn of(fields: &Fields, name: String, content_type: Option<String>) -> Self {
        let metadata = fields.texts().filter_map(|(name, value)| {
            let key = name.strip_prefix("metadata[")?.strip_suffix(']')?;
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
            let is_key = (1..=MAX_METADATA_KEY).contains(&key.len()) && key.bytes().all(is_plain);
            is_key.then(|| (key.to_owned(), value))
        });
        let tags = fields.get("tags").unwrap_or_default().split(',').map(str::trim);
        Self {
            id: random_file_id(),
            name: if name.is_empty() { "unnamed".to_owned() } else { name },
            content_type,
            is_stored: !matches!(fields.get("UPLOADCARE_STORE"), Some("0" | "false")),
            metadata: metadata.collect(),
            tags: tags.filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
        }
    }

    /// Puts the content on the shelf, and tells webhooks.
    pub(super) async fn keep(self, backend: &Arc<Backend>, content: Incoming) -> Result<File, StoreError> {
        let uploadcare = &backend.uploadcare;
        let id = self.id.as_ref().map(ToString::to_string).unwrap_or_default();
        let key = key(&uploadcare.project.public_key, &id);
        let description = self.describe(&content, backend.clock.now());
        let outcome = uploadcare.store.put(key, description, content, Overwrite::No).await?;
        let (Outcome::Created(asset) | Outcome::Replaced(asset) | Outcome::Existing(asset)) = outcome;
        let file = File(asset);
        webhooks::tell(backend, webhooks::UPLOADED, &file);
        Ok(file)
    }

    pub(super) fn describe(self, content: &Incoming, now: UnixSeconds) -> Description {
        let detected = infer::get(&content.head).map(|kind| kind.mime_type().to_owned());
        let content_type = detected.or(self.content_type.filter(|text| is_media_type(text)));
        let is_image = content_type.as_deref().is_some_and(|text| text.starts_with("image/"));
        let dimensions = imagesize::blob_size(&content.head).ok().filter(|_| is_image);
        let pixels = |length: usize| u32::try_from(length).ok();
        let mut described = self.metadata;
        if self.is_stored {
            described.insert(STORED_AT.to_owned(), now.to_string());
        }
        Description {
            created_at: now,
            content_type: content_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
            dimensions: dimensions.and_then(|size| pixels(size.width).zip(pixels(size.height))),
            original_filename: self.name,
            tags: self.tags,
            context: described,
            ..Description::default()
        }
    }
}

/// `type/subtype` in plain characters, so that it can go into a header.
fn is_media_type(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/+-.".contains(&byte);
    text.len() <= 100 && text.contains('/') && text.bytes().all(is_plain)
}

impl File {
    /// The file with this id, if there is one.
    pub(super) fn find(backend: &Backend, id: &FileId) -> Option<Self> {
        let uploadcare = &backend.uploadcare;
        uploadcare.store.get(&key(&uploadcare.project.public_key, id.as_str())).map(Self)
    }

    /// The file's id.
    pub(super) fn id(&self) -> &str {
        &self.0.key.public_id
    }

    /// Whether it was stored for good.
    fn stored_at(&self) -> Option<UnixSeconds> {
        self.0.description.context.get(STORED_AT)?.parse().ok().map(UnixSeconds)
    }

    /// What the client said about it, and what was changed since.
    pub(super) fn metadata(&self) -> BTreeMap<&str, &str> {
        let context = self.0.description.context.iter();
        context
            .filter(|(key, _)| *key != STORED_AT)
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect()
    }

    /// The address on the CDN, with the name at the end.
    pub(super) fn url(&self, origin: &str) -> String {
        let name = utf8_percent_encode(&self.plain_name(), NON_ALPHANUMERIC).to_string();
        format!("{origin}/{}/{}", self.id(), name.replace("%2E", ".").replace("%5F", "_").replace("%2D", "-"))
    }

    /// The name without what has a meaning in paths.
    fn plain_name(&self) -> String {
        let name = self.0.description.original_filename.chars();
        name.map(|c| if c.is_alphanumeric() || ".-_".contains(c) { c } else { '_' }).collect()
    }

    fn is_image(&self) -> bool {
        self.0.description.dimensions.is_some()
    }

    fn image_info(&self) -> Value {
        let Some((width, height)) = self.0.description.dimensions else { return Value::Null };
        let format = self.0.description.content_type.rsplit('/').next().unwrap_or_default();
        json!({
            "dpi": null, "width": width, "height": height, "format": format.to_ascii_uppercase(),
            "sequence": false, "color_mode": "RGB", "orientation": null, "geo_location": null,
            "datetime_original": null,
        })
    }

    fn content_info(&self) -> Value {
        let mime = self.0.description.content_type.as_str();
        let (kind, subtype) = mime.split_once('/').unwrap_or((mime, ""));
        let mut info = json!({ "mime": { "mime": mime, "type": kind, "subtype": subtype } });
        if self.is_image() {
            info["image"] = self.image_info();
        }
        info
    }

    /// As the Upload API describes it.
    pub(super) fn info(&self) -> Value {
        let Asset { bytes, description, .. } = &*self.0;
        json!({
            "uuid": self.id(), "file_id": self.id(), "size": bytes, "total": bytes, "done": bytes,
            "original_filename": description.original_filename, "filename": self.plain_name(),
            "mime_type": description.content_type, "image_info": self.image_info(), "video_info": null,
            "content_info": self.content_info(), "metadata": self.metadata(), "is_image": self.is_image(),
            "is_stored": self.stored_at().is_some(), "is_ready": true,
        })
    }

    /// As the REST API describes it; `removed_at` once it was deleted.
    pub(super) fn object(&self, backend: &Backend, removed_at: Option<UnixSeconds>) -> Value {
        let Asset { bytes, description, .. } = &*self.0;
        let is_there = removed_at.is_none();
        json!({
            "uuid": self.id(), "size": bytes, "mime_type": description.content_type,
            "original_filename": description.original_filename, "is_image": self.is_image(), "is_ready": true,
            "datetime_uploaded": in_iso(description.created_at), "datetime_removed": removed_at.map(in_iso),
            "datetime_stored": self.stored_at().filter(|_| is_there).map(in_iso),
            "original_file_url": is_there.then(|| self.url(&backend.origin())),
            "url": format!("{}/uploadcare/files/{}/", backend.origin(), self.id()),
            "content_info": self.content_info(), "metadata": self.metadata(), "tags": description.tags,
            "variations": null, "source": null,
        })
    }
}

/// As the provider writes moments.
pub(super) fn in_iso(at: UnixSeconds) -> String {
    Timestamp::from_second(at.0).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}
