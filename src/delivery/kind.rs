//! The two words that every Cloudinary address needs beside the public id: what the asset is, and how it is delivered.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What kind of file an asset is. Images, videos and raw files have separate name spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceType {
    /// Pictures, and PDF documents.
    Image,
    /// Video and audio.
    Video,
    /// Every other file, stored under its name with the extension.
    Raw,
}

impl ResourceType {
    /// The word in URLs and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Raw => "raw",
        }
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is not a resource type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be image, video or raw")]
pub struct NotAResourceType;

impl FromStr for ResourceType {
    type Err = NotAResourceType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "image" => Ok(Self::Image),
            "video" => Ok(Self::Video),
            "raw" => Ok(Self::Raw),
            _ => Err(NotAResourceType),
        }
    }
}

macro_rules! delivery_types {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)+) => {
        /// How an asset reaches a browser. Each delivery type is a name space of its own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DeliveryType {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl DeliveryType {
            /// The word in URLs and answers.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl FromStr for DeliveryType {
            type Err = NotADeliveryType;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(NotADeliveryType),
                }
            }
        }
    };
}

delivery_types! {
    /// Open to everybody who has the URL.
    Upload = "upload",
    /// The original only through a signed link; derived pictures are open.
    Private = "private",
    /// An old spelling of open delivery.
    Public = "public",
    /// Original and derived pictures only through a signed link.
    Authenticated = "authenticated",
    /// Addressed by asset id.
    Asset = "asset",
    /// A remote file, fetched through the provider.
    Fetch = "fetch",
    /// A JSON list of the assets under a tag.
    List = "list",
    /// A sprite made of the assets under a tag.
    Sprite = "sprite",
    /// A picture made of text.
    Text = "text",
    /// An animation made of the assets under a tag.
    Multi = "multi",
    /// A Facebook profile picture.
    Facebook = "facebook",
    /// A Twitter profile picture by id.
    Twitter = "twitter",
    /// A Twitter profile picture by name.
    TwitterName = "twitter_name",
    /// A Gravatar.
    Gravatar = "gravatar",
    /// A YouTube thumbnail.
    Youtube = "youtube",
    /// A Hulu thumbnail.
    Hulu = "hulu",
    /// A Vimeo thumbnail.
    Vimeo = "vimeo",
    /// An Animoto thumbnail.
    Animoto = "animoto",
    /// A Worldstar thumbnail.
    Worldstarhiphop = "worldstarhiphop",
    /// A Dailymotion thumbnail.
    Dailymotion = "dailymotion",
}

impl DeliveryType {
    /// Whether the public id is an address or a name elsewhere, so that it has no format and may hold slashes and dots.
    pub const fn is_remote(self) -> bool {
        matches!(
            self,
            Self::Fetch
                | Self::Facebook
                | Self::Twitter
                | Self::TwitterName
                | Self::Gravatar
                | Self::Youtube
                | Self::Hulu
                | Self::Vimeo
                | Self::Animoto
                | Self::Worldstarhiphop
                | Self::Dailymotion
        )
    }

    /// Whether assets of this type are uploaded by users: upload, private and authenticated.
    pub const fn is_uploaded(self) -> bool {
        matches!(self, Self::Upload | Self::Private | Self::Authenticated)
    }
}

impl fmt::Display for DeliveryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for DeliveryType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for DeliveryType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A word that is not a delivery type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a delivery type such as upload, private or authenticated")]
pub struct NotADeliveryType;
