//! What an upload must be like, held against what the provider stored.

use serde::{Deserialize, Serialize};

use super::UploadResourceType;
use crate::delivery::ResourceType;

/// What the file of a grant must be like. A signature cannot say any of it but the formats, so that it is checked
/// once the file is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// The most bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// Formats as the provider names them; empty for any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub formats: Vec<String>,
    /// Upload endpoints; empty for any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_types: Vec<UploadResourceType>,
    /// What happens when another file takes its place.
    #[serde(skip_serializing_if = "OnReplacement::is_block")]
    pub on_replacement: OnReplacement,
}

/// What happens when the asset of a used grant was replaced by another file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnReplacement {
    /// The audit says so, and there are no further links to it.
    #[default]
    Block,
    /// It is deleted as well.
    Delete,
}

impl OnReplacement {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_block(&self) -> bool {
        *self == Self::Block
    }
}

/// A file as the provider describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// What the provider took it for.
    pub resource_type: ResourceType,
    /// What is in it; raw files have none.
    pub format: Option<String>,
    /// Its size.
    pub bytes: u64,
    /// The version in its URLs.
    pub version: u64,
    /// A hash of its contents, where the provider names one.
    pub etag: Option<String>,
}

impl Terms {
    /// Whether they ask for anything.
    pub fn are_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Why `file` is not what was granted, as a sentence about the file.
    pub fn broken_by(&self, file: &StoredFile) -> Option<String> {
        if !self.allows_resource_type(file.resource_type) {
            let allowed: Vec<_> = self.resource_types.iter().map(|allowed| allowed.as_str()).collect();
            return Some(format!("is {}, and the profile takes {}", file.resource_type, allowed.join(", ")));
        }
        match (self.max_bytes, file.format.as_deref()) {
            (Some(most), _) if file.bytes > most => {
                Some(format!("has {} bytes, and the profile takes {most} at most", file.bytes))
            }
            // What is stored raw has no format of its own; the provider held its file name against the list.
            (_, Some(format)) if file.resource_type != ResourceType::Raw && !self.allows_format(format) => {
                Some(format!("is {format}, and the profile takes {}", self.formats.join(", ")))
            }
            _ => None,
        }
    }

    fn allows_resource_type(&self, found: ResourceType) -> bool {
        let any = [UploadResourceType::Auto.as_str(), found.as_str()];
        self.resource_types.is_empty()
            || self.resource_types.iter().any(|allowed| any.contains(&allowed.as_str()))
    }

    fn allows_format(&self, found: &str) -> bool {
        self.formats.is_empty() || self.formats.iter().any(|allowed| canonical(allowed) == canonical(found))
    }
}

/// One name for formats that go under several; the provider answers with the short one.
fn canonical(format: &str) -> String {
    let format = format.to_ascii_lowercase();
    match format.as_str() {
        "jpeg" | "jpe" => "jpg".to_owned(),
        "tiff" => "tif".to_owned(),
        _ => format,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(resource_type: ResourceType, format: Option<&str>, bytes: u64) -> StoredFile {
        StoredFile { resource_type, format: format.map(str::to_owned), bytes, version: 1, etag: None }
    }

    #[test]
    fn each_term_is_held_against_the_file() {
        let terms = Terms {
            max_bytes: Some(10),
            formats: vec!["jpeg".to_owned(), "pdf".to_owned()],
            resource_types: vec![UploadResourceType::Image],
            ..Terms::default()
        };
        for (file, expected) in [
            (file(ResourceType::Image, Some("jpg"), 10), None),
            (file(ResourceType::Image, Some("PDF"), 1), None),
            (
                file(ResourceType::Image, Some("jpg"), 11),
                Some("has 11 bytes, and the profile takes 10 at most"),
            ),
            (file(ResourceType::Image, Some("png"), 1), Some("is png, and the profile takes jpeg, pdf")),
            (file(ResourceType::Raw, None, 1), Some("is raw, and the profile takes image")),
        ] {
            assert_eq!(terms.broken_by(&file).as_deref(), expected, "{file:?}");
        }
    }

    #[test]
    fn without_terms_every_file_is_right() {
        assert_eq!(Terms::default().broken_by(&file(ResourceType::Video, Some("mp4"), u64::MAX)), None);
        let auto = Terms { resource_types: vec![UploadResourceType::Auto], ..Terms::default() };
        assert_eq!(auto.broken_by(&file(ResourceType::Raw, None, 1)), None);
    }
}
