//! The upload endpoints a client may be sent to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::delivery::ResourceType;

/// The upload endpoint a client is sent to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UploadResourceType {
    /// Whatever the provider finds in the file.
    #[default]
    Auto,
    /// Images, or a refusal.
    Image,
    /// Video and audio, or a refusal.
    Video,
    /// Any file, stored as it is.
    Raw,
}

impl UploadResourceType {
    /// The word in the upload URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Image => ResourceType::Image.as_str(),
            Self::Video => ResourceType::Video.as_str(),
            Self::Raw => ResourceType::Raw.as_str(),
        }
    }
}

impl fmt::Display for UploadResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is not an upload resource type.
#[derive(Debug, thiserror::Error)]
#[error("must be image, video, raw or auto")]
pub struct NotAnUploadResourceType;

impl FromStr for UploadResourceType {
    type Err = NotAnUploadResourceType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "image" => Ok(Self::Image),
            "video" => Ok(Self::Video),
            "raw" => Ok(Self::Raw),
            _ => Err(NotAnUploadResourceType),
        }
    }
}
