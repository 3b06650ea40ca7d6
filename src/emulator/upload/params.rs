//! What an upload asks for beside its name: delivery type, tags, context, moderation and the formats it allows.

use std::collections::BTreeMap;

use crate::clock::UnixSeconds;
use crate::delivery::{DeliveryType, ResourceType};

use super::super::fields::Fields;
use super::super::refusal::Refusal;
use super::super::store::{Description, Moderation, Overwrite};
use super::content::Kind;
use super::naming::FileName;

/// Parameters that would change the stored file or add to the answer, and that the emulator passes over. The answer
/// names those that were given.
pub(super) const NOT_APPLIED: [&str; 14] = [
    "async",
    "auto_tagging",
    "background_removal",
    "callback",
    "categorization",
    "detection",
    "eager",
    "eager_async",
    "format",
    "notification_url",
    "ocr",
    "raw_convert",
    "return_delete_token",
    "transformation",
];

/// The parameters of an upload, checked.
#[derive(Debug)]
pub(super) struct UploadParams {
    pub delivery_type: DeliveryType,
    pub overwrite: Overwrite,
    allowed_formats: Vec<String>,
    folder: Option<String>,
    asset_folder: Option<String>,
    display_name: Option<String>,
    filename_as_display_name: bool,
    tags: Vec<String>,
    context: BTreeMap<String, String>,
    moderation: Vec<Moderation>,
}

impl UploadParams {
    pub(super) fn parse(fields: &Fields) -> Result<Self, Refusal> {
        let text = |name| fields.get(name).map(str::to_owned);
        let moderation = fields.get("moderation").map(parse_moderation).transpose()?;
        Ok(Self {
            delivery_type: parse_type(fields)?,
            overwrite: match fields.flag("overwrite") {
                Some(false) => Overwrite::No,
                Some(true) | None => Overwrite::Yes,
            },
            allowed_formats: words(&fields.list("allowed_formats")),
            folder: text("folder"),
            asset_folder: text("asset_folder"),
            display_name: text("display_name"),
            filename_as_display_name: fields.flag("use_filename_as_display_name") == Some(true),
            tags: words(&fields.list("tags")),
            context: fields.get("context").map(parse_pairs).unwrap_or_default(),
            moderation: moderation.unwrap_or_default(),
        })
    }

    /// Refuses a file of a format that is not among the allowed ones.
    pub(super) fn check_format(&self, kind: &Kind, file: &FileName) -> Result<(), Refusal> {
        let format = match kind.resource_type {
            ResourceType::Raw => file.extension.as_deref(),
            ResourceType::Image | ResourceType::Video => kind.format,
        };
        let is_allowed = |format: &str| {
            let allowed = self.allowed_formats.iter();
            allowed.map(|text| canonical(text)).any(|one| one == canonical(format))
        };
        match format {
            _ if self.allowed_formats.is_empty() => Ok(()),
            None => Err(Refusal::UnknownFormatNotAllowed),
            Some(format) if is_allowed(format) => Ok(()),
            Some(format) => Err(Refusal::FormatNotAllowed {
                kind: match kind.resource_type {
                    ResourceType::Image => "Image",
                    ResourceType::Video => "Video",
                    ResourceType::Raw => "Raw",
                },
                format: format.to_owned(),
            }),
        }
    }

    /// What is stored with the file.
    pub(super) fn describe(
        self,
        kind: &Kind,
        dimensions: Option<(u32, u32)>,
        file: FileName,
        created_at: UnixSeconds,
    ) -> Description {
        let from_name = self.filename_as_display_name.then(|| file.stem.clone());
        Description {
            created_at,
            content_type: kind.content_type.to_owned(),
            format: kind.format.map(str::to_owned),
            dimensions,
            original_filename: file.stem,
            folder: self.folder,
            asset_folder: self.asset_folder,
            display_name: self.display_name.or(from_name),
            tags: self.tags,
            context: self.context,
            moderation: self.moderation,
        }
    }
}

/// The delivery type under `type`, which must be one that users upload to.
pub(in crate::emulator) fn parse_type(fields: &Fields) -> Result<DeliveryType, Refusal> {
    let Some(text) = fields.get("type") else {
        return Ok(DeliveryType::Upload);
    };
    text.parse()
        .ok()
        .filter(|delivery_type: &DeliveryType| delivery_type.is_uploaded())
        .ok_or_else(|| Refusal::InvalidValue { name: "type", value: text.to_owned() })
}

/// Formats with two names are compared under one.
fn canonical(format: &str) -> String {
    match format.to_ascii_lowercase().as_str() {
        "jpeg" | "jpe" => "jpg".to_owned(),
        "tiff" => "tif".to_owned(),
        other => other.to_owned(),
    }
}

fn words(list: &[&str]) -> Vec<String> {
    let trimmed = list.iter().map(|word| word.trim());
    let mut words: Vec<String> = Vec::new();
    for word in trimmed.filter(|word| !word.is_empty()) {
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    words
}

/// `a=1|b=2`, where `\=` and `\|` stand for the characters themselves.
fn parse_pairs(text: &str) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    let mut name: Option<String> = None;
    let mut current = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => current.extend(characters.next()),
            '=' if name.is_none() => name = Some(std::mem::take(&mut current)),
            '|' => {
                let value = std::mem::take(&mut current);
                pairs.extend(name.take().map(|name| (name, value)));
            }
            other => current.push(other),
        }
    }
    pairs.extend(name.map(|name| (name, current)));
    pairs
}

/// Only moderation by hand exists here; the others are paid add-ons of the provider.
fn parse_moderation(text: &str) -> Result<Vec<Moderation>, Refusal> {
    match text {
        "manual" => Ok(vec![Moderation { status: "pending".to_owned(), kind: "manual".to_owned() }]),
        other => Err(Refusal::InvalidModeration(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn context_pairs_may_hold_escaped_signs() {
        let pairs = parse_pairs(r"a=1|b=x\=y\|z=2|c=|lonely");
        let expected = [("a", "1"), ("b", "x=y|z=2"), ("c", "")];
        assert!(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected));
    }

    #[test]
    fn tags_are_trimmed_and_kept_once() {
        assert_eq!(words(&["a ", "", "b", "a"]), ["a", "b"]);
    }

    proptest! {
        #[test]
        fn no_context_panics(text in any::<String>()) {
            let _ = parse_pairs(&text);
        }

        #[test]
        fn escaped_pairs_come_back(name in "[a-z=|\\\\]{1,8}", value in "[a-z=|\\\\]{0,8}") {
            let escape = |text: &str| text.replace('\\', r"\\").replace('=', r"\=").replace('|', r"\|");
            let pairs = parse_pairs(&format!("{}={}", escape(&name), escape(&value)));
            prop_assert_eq!(pairs.get(&name), Some(&value));
        }
    }
}
