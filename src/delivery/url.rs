//! A delivery URL, read the way the provider reads it.
//!
//! ```text
//! url            = [scheme ":"] "//" authority "/" [cloud "/"] asset-part [signature "/"] *(transformation "/")
//!                  [version "/"] public-id ["/" seo-suffix] ["." format] ["?" query] ["#" fragment]
//! asset-part     = ("image" / "video" / "raw") "/" delivery-type "/"
//!                / "iu/"                                                ; image/upload
//!                / ""                                                   ; root path: image/upload
//!                / ("images" / "private_images" / "authenticated_images" / "videos" / "files") "/"   ; SEO forms
//! signature      = "s--" (8 or 32 of A-Z a-z 0-9 "_" "-") "--"
//! transformation = component *("," component)
//! component      = ("$" name / one of the provider's parameters, such as "w" or "c") "_" …
//! version        = "v" 1*digit
//! ```
//!
//! What the grammar leaves open is decided in this order:
//!
//! 1. Fragment and query are cut first; the path is split before anything is percent-decoded.
//! 2. The last segment is never a transformation (`video_id`, `w_100`). After a version nothing is a transformation
//!    (`v1/w_100/logo` is in the folder `w_100`), and `my_folder` never is: `my` is no parameter.
//! 3. Only an SEO form has a suffix; its public id is the rest before it.
//! 4. The id of a remote delivery type is the rest of the path, decoded once, with no format split off.
//! 5. `raw` keeps its ending. Elsewhere the text after the last dot is the format, if it is a known one.
//! 6. The id is percent-decoded exactly once. `+` is a plus.
//!
//! Refused although a lenient reader might accept it: user information, control characters, white space other than spaces
//! inside, backslashes,
//! bad percent-encoding, text that is not UTF-8, `.` and `..` segments in any spelling, empty segments.
//!
//! Source: <https://cloudinary.com/documentation/transformation_reference> and the URL builders of the official SDKs.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::host::CloudPlace;
use super::path::{
    AssetPart, is_transformation, signature_of, split_cloud, split_signature, split_transformations,
    split_version, version_of,
};
use super::{Authority, BadAuthority, DeliveryType, ResourceType};

/// The scheme of a delivery URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `https://`
    Https,
    /// `http://`
    Http,
    /// `//`: whatever the page came over.
    Relative,
}

/// A parsed delivery URL. `Display` prints the address of the original: without signature, transformations and query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryUrl {
    scheme: Scheme,
    authority: Authority,
    cloud: Option<String>,
    resource_type: ResourceType,
    delivery_type: DeliveryType,
    signature: Option<String>,
    transformation: String,
    version: Option<String>,
    source: String,
    public_id: String,
    seo_suffix: Option<String>,
    format: Option<String>,
}

/// Text that is not a delivery URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryUrlError {
    /// Neither `https://`, `http://` nor `//`.
    #[error("must begin with https://")]
    Scheme,
    /// The authority is wrong.
    #[error(transparent)]
    Authority(#[from] BadAuthority),
    /// A character that a URL does not hold as it stands.
    #[error("holds {0:?}, which must be percent-encoded in a URL")]
    Character(char),
    /// A percent sign that is not followed by two hexadecimal digits.
    #[error("has a `%` that is not followed by two hexadecimal digits")]
    PercentEncoding,
    /// Percent-encoded bytes that are no text.
    #[error("has percent-encoding that is not UTF-8")]
    NotUtf8,
    /// A percent-encoded control character.
    #[error("has a percent-encoded control character in its public id")]
    ControlCharacter,
    /// A `.` or `..` segment.
    #[error("has `.` or `..` as a segment of its path")]
    DotSegment,
    /// Two slashes in a row, or one at the end.
    #[error("has an empty segment in its path")]
    EmptySegment,
    /// The segment that should name the cloud cannot be a cloud name.
    #[error("does not name a cloud in the first segment of its path")]
    Cloud,
    /// Nothing is left for the public id.
    #[error("has no public id")]
    NoPublicId,
    /// An SEO form without its suffix.
    #[error("is an SEO form (`{0}/…`) without a suffix after the public id")]
    NoSeoSuffix(&'static str),
}

impl DeliveryUrl {
    /// The scheme.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Host and port.
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The cloud; `None` where neither path nor host names one, so that configuration stands in.
    pub fn cloud(&self) -> Option<&str> {
        self.cloud.as_deref()
    }

    /// What kind of file the asset is.
    pub const fn resource_type(&self) -> ResourceType {
        self.resource_type
    }

    /// How the asset is delivered.
    pub const fn delivery_type(&self) -> DeliveryType {
        self.delivery_type
    }

    /// The text between `s--` and `--`.
    pub fn signature(&self) -> Option<&str> {
        self.signature.as_deref()
    }

    /// The transformations as written, joined with slashes; empty for the original.
    pub fn transformation(&self) -> &str {
        &self.transformation
    }

    /// The digits after `v`.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The public id, decoded.
    pub fn public_id(&self) -> &str {
        &self.public_id
    }

    /// The suffix of an SEO form, decoded.
    pub fn seo_suffix(&self) -> Option<&str> {
        self.seo_suffix.as_deref()
    }

    /// The format as written; raw and remote assets have none.
    pub fn format(&self) -> Option<&str> {
        self.format.as_deref()
    }

    /// What a delivery signature covers: transformations and public id with its format, still percent-encoded.
    pub fn signed_source(&self) -> String {
        match self.transformation.as_str() {
            "" => self.source.clone(),
            transformation => format!("{transformation}/{}", self.source),
        }
    }
}

impl FromStr for DeliveryUrl {
    type Err = DeliveryUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = split_scheme(text)?;
        let rest = rest.split(['#', '?']).next().unwrap_or_default();
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let authority: Authority = authority.parse()?;
        refuse_unencoded(path)?;

        let (cloud, path) = split_cloud(&authority, path)?;
        let (asset, path) = AssetPart::split(path);
        let (signature, path) = split_signature(path);
        let (transformation, path) = split_transformations(path, asset.segments_to_keep());
        let (version, path) = split_version(path, asset.segments_to_keep());
        let name = asset.read_name(path)?;
        Ok(Self {
            scheme,
            cloud,
            resource_type: asset.resource_type,
            delivery_type: asset.delivery_type,
            signature: signature.map(str::to_owned),
            transformation: transformation.to_owned(),
            version: version.map(str::to_owned),
            source: name.source,
            public_id: name.public_id,
            seo_suffix: name.seo_suffix,
            format: name.format,
            authority,
        })
    }
}

fn split_scheme(text: &str) -> Result<(Scheme, &str), DeliveryUrlError> {
    let (scheme, rest) = text.split_once("//").ok_or(DeliveryUrlError::Scheme)?;
    if scheme.is_empty() {
        Ok((Scheme::Relative, rest))
    } else if scheme.eq_ignore_ascii_case("https:") {
        Ok((Scheme::Https, rest))
    } else if scheme.eq_ignore_ascii_case("http:") {
        Ok((Scheme::Http, rest))
    } else {
        Err(DeliveryUrlError::Scheme)
    }
}

/// Refuses what every URL reader treats in its own way. A space inside is plain enough, and the Python SDK leaves those of
/// a transformation as they are; one at the end would be cut off elsewhere.
fn refuse_unencoded(path: &str) -> Result<(), DeliveryUrlError> {
    let strange = |character: char| {
        character.is_control()
            || (character.is_whitespace() && character != ' ')
            || r#"\"<>^`{}"#.contains(character)
    };
    if let Some(found) = path.chars().find(|character| strange(*character)) {
        return Err(DeliveryUrlError::Character(found));
    }
    if path.ends_with(' ') {
        return Err(DeliveryUrlError::Character(' '));
    }
    let mut after_percent = path.split('%');
    after_percent.next();
    let is_encoded =
        |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if after_percent.all(is_encoded) { Ok(()) } else { Err(DeliveryUrlError::PercentEncoding) }
}

/// What the SDKs leave as it is in a public id.
const ENCODED_IN_PATHS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'_')
    .remove(b'.')
    .remove(b'-')
    .remove(b'/')
    .remove(b':')
    .remove(b'(')
    .remove(b')');

/// The same for a text that must stay one segment.
const ENCODED_IN_SEGMENTS: &AsciiSet = &ENCODED_IN_PATHS.add(b'/');

impl fmt::Display for DeliveryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.scheme {
            Scheme::Https => "https:",
            Scheme::Http => "http:",
            Scheme::Relative => "",
        })?;
        write!(f, "//{}", self.authority)?;
        if let (Some(cloud), CloudPlace::FirstSegment | CloudPlace::PathDecides) =
            (&self.cloud, self.authority.cloud_place())
        {
            write!(f, "/{cloud}")?;
        }
        match self.seo_word() {
            Some(word) => write!(f, "/{word}")?,
            None => write!(f, "/{}/{}", self.resource_type, self.delivery_type)?,
        }
        let public_id = utf8_percent_encode(&self.public_id, ENCODED_IN_PATHS).to_string();
        match &self.version {
            Some(version) => write!(f, "/v{version}")?,
            // The provider's own way to end the transformations, where the id would read like one.
            None if reads_like_syntax(&public_id) => f.write_str("/v1")?,
            None => {}
        }
        write!(f, "/{public_id}")?;
        if let Some(suffix) = &self.seo_suffix {
            write!(f, "/{}", utf8_percent_encode(suffix, ENCODED_IN_SEGMENTS))?;
        }
        match &self.format {
            Some(format) => write!(f, ".{format}"),
            None => Ok(()),
        }
    }
}

impl DeliveryUrl {
    fn seo_word(&self) -> Option<&'static str> {
        self.seo_suffix.as_ref()?;
        match (self.resource_type, self.delivery_type) {
            (ResourceType::Image, DeliveryType::Upload) => Some("images"),
            (ResourceType::Image, DeliveryType::Private) => Some("private_images"),
            (ResourceType::Image, DeliveryType::Authenticated) => Some("authenticated_images"),
            (ResourceType::Video, DeliveryType::Upload) => Some("videos"),
            (ResourceType::Raw, DeliveryType::Upload) => Some("files"),
            _ => None,
        }
    }
}

/// Whether the beginning of an id would be read as something else, were it not preceded by a version.
fn reads_like_syntax(public_id: &str) -> bool {
    let (first, _) = public_id.split_once('/').unwrap_or((public_id, ""));
    is_transformation(first)
        || version_of(first).is_some()
        || signature_of(first).is_some()
        || first.parse::<ResourceType>().is_ok()
}

#[cfg(test)]
#[path = "url_tests.rs"]
mod tests;
