//! The fields of an asset that a search may ask for.

use serde_json::Value;

use super::super::store::Asset;
use super::{Found, Kind};

/// What a field of assets holds, if it is one.
pub(in crate::emulator) fn kind_of(field: &str) -> Option<Kind> {
    Some(match field {
        "public_id" | "filename" | "display_name" | "tags" => Kind::Text,
        "asset_id" | "asset_folder" | "etag" | "folder" | "format" | "moderation_kind"
        | "moderation_status" | "resource_type" | "type" => Kind::Word,
        "duration" | "height" | "pages" | "pixels" | "width" => Kind::Number,
        "bytes" => Kind::Size,
        "aspect_ratio" => Kind::Ratio,
        "created_at" | "last_updated" | "uploaded_at" => Kind::Moment,
        field => match field.split_once('.')? {
            ("context" | "metadata", name) if !name.is_empty() => Kind::Text,
            _ => return None,
        },
    })
}

/// What an asset, which is in `folder`, has in a field.
pub(in crate::emulator) fn find_in(asset: &Asset, folder: &str, field: &str) -> Found {
    let (key, description) = (&asset.key, &asset.description);
    let text = |text: &str| Found::Texts(vec![text.to_owned()]);
    let dimensions = description.dimensions.map(|(width, height)| (f64::from(width), f64::from(height)));
    let number = |number: Option<f64>| Found::Numbers(number.into_iter().collect());
    match field {
        "public_id" => text(&key.public_id),
        "filename" => text(key.public_id.rsplit('/').next().unwrap_or_default()),
        "display_name" => texts(description.display_name.iter()),
        "tags" => texts(description.tags.iter()),
        "asset_id" => text(&asset.id),
        "folder" | "asset_folder" => text(folder),
        "etag" => text(&asset.etag),
        "format" => texts(description.format.iter()),
        "moderation_kind" => texts(description.moderation.iter().map(|one| &one.kind)),
        "moderation_status" => texts(description.moderation.iter().map(|one| &one.status)),
        "resource_type" => text(key.resource_type.as_str()),
        "type" => text(key.delivery_type.as_str()),
        "duration" => number(description.duration),
        "pages" => number(description.pages.map(f64::from)),
        "height" => number(dimensions.map(|(_, height)| height)),
        "width" => number(dimensions.map(|(width, _)| width)),
        "pixels" => number(dimensions.map(|(width, height)| width * height)),
        "aspect_ratio" => number(dimensions.map(|(width, height)| width / height.max(1.0))),
        "bytes" => number(Some(as_number(i64::try_from(asset.bytes).unwrap_or(i64::MAX)))),
        "created_at" | "uploaded_at" => number(Some(as_number(description.created_at.0))),
        "last_updated" => number(Some(as_number(description.updated_at.unwrap_or(description.created_at).0))),
        field => match field.split_once('.') {
            Some(("context", name)) => texts(description.context.get(name).into_iter()),
            Some((_, name)) => {
                Found::Texts(description.metadata.get(name).map(plain_texts).unwrap_or_default())
            }
            None => Found::Texts(Vec::new()),
        },
    }
}

fn texts<'a>(texts: impl Iterator<Item = &'a String>) -> Found {
    Found::Texts(texts.cloned().collect())
}

/// A value of structured metadata; of a set each.
fn plain_texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(plain_texts).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

#[expect(clippy::cast_precision_loss, reason = "no file and no year is that large")]
const fn as_number(number: i64) -> f64 {
    number as f64
}
