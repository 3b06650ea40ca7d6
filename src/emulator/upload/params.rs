//! What an upload asks for beside its name: delivery type, overwriting, the formats it allows, and what it says about
//! the asset.

use crate::clock::UnixSeconds;
use crate::delivery::{DeliveryType, ResourceType};

use super::super::attributes::{Attributes, words};
use super::super::fields::Fields;
use super::super::metadata::MetadataFields;
use super::super::refusal::Refusal;
use super::super::store::{Description, Overwrite};
use super::super::transformation;
use super::content::Kind;
use super::measure::Measures;
use super::naming::FileName;
use super::support;

/// The parameters of an upload, checked.
#[derive(Debug, Default)]
pub(in crate::emulator) struct UploadParams {
    pub(super) delivery_type: Option<DeliveryType>,
    pub(super) overwrite: Overwrite,
    pub(super) attributes: Attributes,
    allowed_formats: Vec<String>,
    folder: Option<String>,
    filename_as_display_name: bool,
    discards_filename: bool,
}

impl UploadParams {
    pub(super) fn parse(fields: &Fields) -> Result<Self, Refusal> {
        support::refuse_unsupported(fields)?;
        if let Some(chain) = fields.get("transformation") {
            transformation::check(chain)?;
        }
        let is_set = |name| fields.flag(name) == Some(true);
        Ok(Self {
            delivery_type: Some(parse_type(fields)?),
            overwrite: match fields.flag("overwrite") {
                Some(false) => Overwrite::No,
                Some(true) | None => Overwrite::Yes,
            },
            attributes: Attributes::parse(fields)?,
            allowed_formats: words(&fields.list("allowed_formats")),
            folder: fields.get("folder").map(str::to_owned),
            filename_as_display_name: is_set("use_filename_as_display_name"),
            discards_filename: is_set("discard_original_filename"),
        })
    }

    /// The same with the metadata that an asset of this cloud gets.
    pub(super) fn with_metadata(self, fields: &MetadataFields) -> Result<Self, Refusal> {
        let attributes = self.attributes.held_against(fields)?.with_defaults(fields);
        Ok(Self { attributes, ..self })
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
    pub(in crate::emulator) fn describe(
        self,
        kind: &Kind,
        measures: Measures,
        file: FileName,
        created_at: UnixSeconds,
    ) -> Description {
        let mut attributes = self.attributes.with_faces_within(measures.dimensions);
        if self.filename_as_display_name && attributes.display_name.is_none() {
            attributes.display_name = Some(file.stem.clone());
        }
        let mut description = Description {
            created_at,
            content_type: kind.content_type.to_owned(),
            format: kind.format.map(str::to_owned),
            dimensions: measures.dimensions,
            pages: measures.pages,
            duration: measures.duration,
            original_filename: if self.discards_filename { String::new() } else { file.stem },
            folder: self.folder,
            ..Description::default()
        };
        attributes.apply(&mut description);
        description
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
