//! One stored asset, as it is described on disk.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::UnixSeconds;
use crate::delivery::{DeliveryType, ResourceType};

use super::content::ContentFile;

/// What addresses an asset: the public id is unique within cloud, resource type and delivery type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::emulator) struct AssetKey {
    pub cloud: String,
    pub resource_type: ResourceType,
    #[serde(rename = "type")]
    pub delivery_type: DeliveryType,
    pub public_id: String,
}

/// A stored asset.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::emulator) struct Asset {
    /// 32 hexadecimal digits, the same for every version.
    #[serde(rename = "asset_id")]
    pub id: String,
    /// 32 hexadecimal digits, other ones for every version.
    pub version_id: String,
    #[serde(flatten)]
    pub key: AssetKey,
    pub bytes: u64,
    /// MD5 of the content, in hexadecimal.
    pub etag: String,
    #[serde(flatten)]
    pub description: Description,
    /// Its files, in order.
    pub content: Vec<ContentFile>,
}

/// What an upload says about its file, and what the file says about itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::emulator) struct Description {
    pub created_at: UnixSeconds,
    pub content_type: String,
    /// As detected; raw files have none.
    pub format: Option<String>,
    pub dimensions: Option<(u32, u32)>,
    /// Of a document.
    #[serde(default)]
    pub pages: Option<u32>,
    /// Of a film or a sound, in seconds.
    #[serde(default)]
    pub duration: Option<f64>,
    pub original_filename: String,
    pub folder: Option<String>,
    pub asset_folder: Option<String>,
    pub display_name: Option<String>,
    pub tags: Vec<String>,
    pub context: BTreeMap<String, String>,
    pub moderation: Vec<Moderation>,
    #[serde(default)]
    pub metadata: BTreeMap<String, Value>,
    #[serde(default)]
    pub access_control: Vec<AccessRule>,
    #[serde(default)]
    pub face_coordinates: Vec<Rectangle>,
    #[serde(default)]
    pub custom_coordinates: Vec<Rectangle>,
    #[serde(default)]
    pub derived: Vec<Derived>,
    /// The asset ids of those it is related to; some may be gone.
    #[serde(default)]
    pub related: BTreeSet<String>,
    /// When anything about it changed last; without it, never since the upload.
    #[serde(default)]
    pub updated_at: Option<UnixSeconds>,
}

/// Left, top, width and height in pixels.
pub(in crate::emulator) type Rectangle = [u32; 4];

/// Who may have an asset delivered, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::emulator) struct AccessRule {
    pub access_type: AccessType,
    /// From this moment on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// Before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
}

/// What opens an asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::emulator) enum AccessType {
    /// Nothing but the rule's time.
    Anonymous,
    /// A delivery token.
    Token,
}

/// A transformation that was asked for and noted. Nothing was made: its bytes are those of the original.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::emulator) struct Derived {
    /// 32 hexadecimal digits.
    pub id: String,
    pub transformation: String,
    /// Another format than the original's.
    pub format: Option<String>,
}

impl Derived {
    pub(in crate::emulator) fn new(transformation: String, format: Option<String>) -> Self {
        Self { id: random_id(), transformation, format }
    }
}

/// One moderation of an asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::emulator) struct Moderation {
    pub status: String,
    pub kind: String,
}

impl Asset {
    /// The version in URLs: the second of the upload.
    pub(in crate::emulator) fn version(&self) -> u64 {
        u64::try_from(self.description.created_at.0).unwrap_or(0)
    }

    /// The public id with the format, as it stands at the end of URLs.
    pub(in crate::emulator) fn file_name(&self) -> String {
        match &self.description.format {
            Some(format) => format!("{}.{format}", self.key.public_id),
            None => self.key.public_id.clone(),
        }
    }
}

/// 32 random hexadecimal digits.
pub(in crate::emulator) fn random_id() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}
