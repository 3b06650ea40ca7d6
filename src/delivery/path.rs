//! The path of a delivery URL, piece by piece, in the order of the grammar in [`super::url`].

use percent_encoding::percent_decode_str;

use super::format::split_format;
use super::host::CloudPlace;
use super::{Authority, DeliveryType, DeliveryUrlError, ResourceType};

pub(super) fn split_cloud<'a>(
    authority: &Authority,
    path: &'a str,
) -> Result<(Option<String>, &'a str), DeliveryUrlError> {
    match authority.cloud_place() {
        CloudPlace::Host(cloud) => return Ok((Some(cloud.to_owned()), path)),
        CloudPlace::PathDecides if names_no_cloud(path) => return Ok((None, path)),
        CloudPlace::PathDecides | CloudPlace::FirstSegment => {}
    }
    let (cloud, rest) = path.split_once('/').ok_or(DeliveryUrlError::NoPublicId)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if cloud.is_empty() || !cloud.bytes().all(allowed) {
        return Err(DeliveryUrlError::Cloud);
    }
    Ok((Some(cloud.to_owned()), rest))
}

/// Whether a path on a host of one's own begins with the asset part, or is a bare public id.
fn names_no_cloud(path: &str) -> bool {
    let Some((first, rest)) = path.split_once('/') else {
        return true;
    };
    starts_with_both_types(path) || (one_word_form(first).is_some() && !starts_with_both_types(rest))
}

/// Whether the path begins with `image/upload/` or another such pair.
fn starts_with_both_types(path: &str) -> bool {
    let mut segments = path.splitn(3, '/');
    let (first, second) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
    first.parse::<ResourceType>().is_ok()
        && second.parse::<DeliveryType>().is_ok()
        && segments.next().is_some()
}

/// The asset parts of one word: what they stand for.
fn one_word_form(word: &str) -> Option<AssetPart> {
    let (resource_type, delivery_type, seo_word) = match word {
        "iu" => (ResourceType::Image, DeliveryType::Upload, None),
        "images" => (ResourceType::Image, DeliveryType::Upload, Some("images")),
        "private_images" => (ResourceType::Image, DeliveryType::Private, Some("private_images")),
        "authenticated_images" => {
            (ResourceType::Image, DeliveryType::Authenticated, Some("authenticated_images"))
        }
        "videos" => (ResourceType::Video, DeliveryType::Upload, Some("videos")),
        "files" => (ResourceType::Raw, DeliveryType::Upload, Some("files")),
        _ => return None,
    };
    Some(AssetPart { resource_type, delivery_type, seo_word })
}

/// The parameters that a transformation component can begin with.
///
/// A list and not "any three letters": `my_folder/x.png` is a file in a folder, and a reader that takes the folder for a
/// transformation addresses another file. Source: <https://cloudinary.com/documentation/transformation_reference>.
const TRANSFORMATION_KEYS: [&str; 41] = [
    "a", "ac", "af", "ar", "b", "bo", "br", "c", "co", "cs", "d", "dl", "dn", "dpr", "du", "e", "eo", "f",
    "fl", "fn", "fps", "g", "h", "if", "ki", "l", "o", "p", "pg", "q", "r", "so", "sp", "t", "u", "vc", "vs",
    "w", "x", "y", "z",
];

/// What the path says about the asset before its name.
pub(super) struct AssetPart {
    pub(super) resource_type: ResourceType,
    pub(super) delivery_type: DeliveryType,
    seo_word: Option<&'static str>,
}

/// What the end of the path says.
pub(super) struct Name {
    pub(super) source: String,
    pub(super) public_id: String,
    pub(super) seo_suffix: Option<String>,
    pub(super) format: Option<String>,
}

impl AssetPart {
    pub(super) fn split(path: &str) -> (Self, &str) {
        let mut segments = path.splitn(3, '/');
        let first = segments.next().unwrap_or_default();
        let second = segments.next().unwrap_or_default();
        if let (Ok(resource_type), Ok(delivery_type), Some(rest)) =
            (first.parse(), second.parse(), segments.next())
        {
            return (Self { resource_type, delivery_type, seo_word: None }, rest);
        }
        if let (Some(part), Some((_, rest))) = (one_word_form(first), path.split_once('/')) {
            return (part, rest);
        }
        let root =
            Self { resource_type: ResourceType::Image, delivery_type: DeliveryType::Upload, seo_word: None };
        (root, path)
    }

    /// How many segments at the end belong to the name whatever they look like.
    pub(super) const fn segments_to_keep(&self) -> usize {
        if self.seo_word.is_some() { 2 } else { 1 }
    }

    pub(super) fn read_name(&self, path: &str) -> Result<Name, DeliveryUrlError> {
        if path.is_empty() {
            return Err(DeliveryUrlError::NoPublicId);
        }
        if self.delivery_type.is_remote() {
            let public_id = decode(path)?;
            refuse_dot_segments(&public_id)?;
            return Ok(Name { source: path.to_owned(), public_id, seo_suffix: None, format: None });
        }
        if path.split('/').any(str::is_empty) {
            return Err(DeliveryUrlError::EmptySegment);
        }
        match self.seo_word {
            Some(word) => self.read_seo_name(path, word),
            None => self.read_plain_name(path),
        }
    }

    fn read_plain_name(&self, path: &str) -> Result<Name, DeliveryUrlError> {
        let decoded = decode_segments(path)?;
        let (public_id, format) = self.split_format(&decoded);
        Ok(Name {
            source: path.to_owned(),
            public_id: public_id.to_owned(),
            seo_suffix: None,
            format: format.map(str::to_owned),
        })
    }

    /// The format hangs on the suffix, but is signed behind the id.
    fn read_seo_name(&self, path: &str, word: &'static str) -> Result<Name, DeliveryUrlError> {
        let (id, suffix) = path.rsplit_once('/').ok_or(DeliveryUrlError::NoSeoSuffix(word))?;
        let decoded_suffix = decode_segments(suffix)?;
        let (bare_suffix, format) = self.split_format(&decoded_suffix);
        let source = match suffix.rsplit_once('.') {
            Some((_, ending)) if format.is_some() => format!("{id}.{ending}"),
            _ => id.to_owned(),
        };
        Ok(Name {
            source,
            public_id: decode_segments(id)?,
            seo_suffix: Some(bare_suffix.to_owned()),
            format: format.map(str::to_owned),
        })
    }

    fn split_format<'a>(&self, name: &'a str) -> (&'a str, Option<&'a str>) {
        match self.resource_type {
            ResourceType::Raw => (name, None),
            ResourceType::Image | ResourceType::Video => split_format(name),
        }
    }
}

/// Decodes a path of the provider's own, in which no segment may point elsewhere.
fn decode_segments(path: &str) -> Result<String, DeliveryUrlError> {
    let decoded = decode(path)?;
    refuse_dot_segments(&decoded)?;
    if decoded.split('/').any(str::is_empty) {
        return Err(DeliveryUrlError::EmptySegment);
    }
    Ok(decoded)
}

fn refuse_dot_segments(decoded: &str) -> Result<(), DeliveryUrlError> {
    if decoded.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(DeliveryUrlError::DotSegment);
    }
    Ok(())
}

fn decode(text: &str) -> Result<String, DeliveryUrlError> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_source| DeliveryUrlError::NotUtf8)?;
    if decoded.chars().any(char::is_control) {
        return Err(DeliveryUrlError::ControlCharacter);
    }
    Ok(decoded.into_owned())
}

pub(super) fn split_signature(path: &str) -> (Option<&str>, &str) {
    path.split_once('/')
        .and_then(|(first, rest)| Some((Some(signature_of(first)?), rest)))
        .unwrap_or((None, path))
}

pub(super) fn signature_of(segment: &str) -> Option<&str> {
    let text = segment.strip_prefix("s--")?.strip_suffix("--")?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (matches!(text.len(), 8 | 32) && text.bytes().all(allowed)).then_some(text)
}

pub(super) fn split_transformations(path: &str, keep: usize) -> (&str, &str) {
    let mut rest = path;
    while let Some((first, after)) = rest.split_once('/') {
        if after.split('/').count() < keep || !is_transformation(first) {
            break;
        }
        rest = after;
    }
    let transformation = path[..path.len() - rest.len()].trim_end_matches('/');
    (transformation, rest)
}

pub(super) fn is_transformation(segment: &str) -> bool {
    segment.split(',').all(is_component)
}

fn is_component(text: &str) -> bool {
    let Some((key, _)) = text.split_once('_') else { return false };
    match key.strip_prefix('$') {
        Some(name) => {
            name.starts_with(|first: char| first.is_ascii_alphabetic())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }
        None => TRANSFORMATION_KEYS.contains(&key),
    }
}

pub(super) fn split_version(path: &str, keep: usize) -> (Option<&str>, &str) {
    match path.split_once('/') {
        Some((first, rest)) if rest.split('/').count() >= keep => match version_of(first) {
            Some(version) => (Some(version), rest),
            None => (None, path),
        },
        _ => (None, path),
    }
}

pub(super) fn version_of(segment: &str) -> Option<&str> {
    let digits = segment.strip_prefix('v')?;
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}
