//! What becomes of every parameter of an upload. The table in docs/emulator.md is held against this one.

use super::super::fields::Fields;
use super::super::refusal::Refusal;

/// What the emulator does about a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Support {
    /// Does what the provider documents.
    Emulated,
    /// Checked, kept and returned; the file stays as it came.
    Recorded,
    /// Passed over; the answer's header names it.
    NotApplied,
    /// Refused: an answer as if it had worked would be false.
    Refused,
}

use Support::{Emulated, NotApplied, Recorded, Refused};

/// Every parameter of the official SDKs.
pub(super) const PARAMETERS: &[(&str, Support)] = &[
    ("access_control", Emulated),
    ("access_mode", NotApplied),
    ("accessibility_analysis", NotApplied),
    ("allowed_formats", Emulated),
    ("asset_folder", Emulated),
    ("async", Emulated),
    ("auto_chaptering", Refused),
    ("auto_tagging", Refused),
    ("auto_transcription", Refused),
    ("background_removal", Refused),
    ("backup", NotApplied),
    ("callback", Refused),
    ("categorization", Refused),
    ("cinemagraph_analysis", NotApplied),
    ("clear_invalid", NotApplied),
    ("colors", NotApplied),
    ("context", Emulated),
    ("custom_coordinates", Emulated),
    ("detection", Refused),
    ("discard_original_filename", Emulated),
    ("display_name", Emulated),
    ("eager", Recorded),
    ("eager_async", Recorded),
    ("eager_notification_url", Emulated),
    ("eval", Refused),
    ("exif", NotApplied),
    ("face_coordinates", Emulated),
    ("faces", Recorded),
    ("filename_override", Emulated),
    ("folder", Emulated),
    ("format", NotApplied),
    ("headers", NotApplied),
    ("image_metadata", NotApplied),
    ("invalidate", NotApplied),
    ("media_metadata", NotApplied),
    ("metadata", Emulated),
    ("moderation", Emulated),
    ("notification_url", Emulated),
    ("ocr", Refused),
    ("on_success", Refused),
    ("overwrite", Emulated),
    ("phash", NotApplied),
    ("proxy", Refused),
    ("public_id", Emulated),
    ("public_id_prefix", Emulated),
    ("quality_analysis", NotApplied),
    ("quality_override", NotApplied),
    ("raw_convert", Refused),
    ("regions", NotApplied),
    ("responsive_breakpoints", NotApplied),
    ("return_delete_token", Emulated),
    ("similarity_search", NotApplied),
    ("source", Emulated),
    ("tags", Emulated),
    ("template", Refused),
    ("transformation", NotApplied),
    ("type", Emulated),
    ("unique_filename", Emulated),
    ("upload_preset", Emulated),
    ("use_asset_folder_as_public_id_prefix", Emulated),
    ("use_filename", Emulated),
    ("use_filename_as_display_name", Emulated),
    ("visual_search", NotApplied),
];

/// Values of add-on parameters that the provider knows: they would need a subscription. Others are no values at all.
const ADD_ONS: &[(&str, &str, &[&str])] = &[
    ("background_removal", "Background removal", &["cloudinary_ai", "pixelz"]),
    (
        "categorization",
        "Categorization",
        &["aws_rek_tagging", "google_tagging", "imagga_tagging", "azure_video_indexer"],
    ),
    ("ocr", "Ocr", &["adv_ocr"]),
    ("raw_convert", "Raw convert", &["aspose", "google_speech", "azure_video_indexer", "extract_text"]),
];

/// Models that the parameter `detection` knows.
const MODELS: &[&str] = &[
    "adv_face",
    "aws_rek_face",
    "captioning",
    "cld-fashion",
    "cld-text",
    "coco",
    "lvis",
    "openimages",
    "unidet",
];

/// Refuses parameters that the emulator does not do anything like.
pub(in crate::emulator) fn refuse_unsupported(fields: &Fields) -> Result<(), Refusal> {
    for (name, text, known) in ADD_ONS {
        let Some(value) = fields.get(name) else { continue };
        return Err(if known.contains(&value.split(':').next().unwrap_or_default()) {
            Refusal::NotSubscribed(value.to_owned())
        } else if *name == "categorization" {
            Refusal::IsNotValid { name: text, value: value.to_owned() }
        } else {
            Refusal::IsInvalid((*text).to_owned())
        });
    }
    if let Some(model) = fields.get("detection") {
        let name = model.split([':', '_']).next().unwrap_or_default();
        return Err(if MODELS.contains(&model) || MODELS.contains(&name) {
            Refusal::NotSubscribed(model.to_owned())
        } else {
            Refusal::InvalidModel(model.to_owned())
        });
    }
    let is_given = |name: &&&str| fields.get(name).is_some_and(|text| text != "0" && text != "false");
    match with(Refused).iter().find(is_given) {
        Some(name) => Err(Refusal::NotEmulated(format!("the parameter {name}"))),
        None => Ok(()),
    }
}

/// The parameters given that change nothing about the stored bytes although the provider's would.
pub(in crate::emulator) fn passed_over(fields: &Fields) -> Vec<&'static str> {
    let names: Vec<_> = [with(NotApplied), with(Recorded)].concat();
    let mut given = fields.given(&names);
    // A CDN that is not there has nothing to invalidate.
    given.retain(|name| {
        *name != "invalidate" && fields.get(name).is_some_and(|text| text != "0" && text != "false")
    });
    given.sort_unstable();
    given
}

fn with(support: Support) -> Vec<&'static str> {
    PARAMETERS.iter().filter(|(_, one)| *one == support).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCS: &str = include_str!("../../../docs/emulator.md");

    #[test]
    fn the_docs_say_what_becomes_of_every_parameter() {
        for (name, support) in PARAMETERS {
            let word = match support {
                Emulated => "emulated",
                Recorded => "recorded only",
                NotApplied => "not applied",
                Refused => "refused",
            };
            assert!(DOCS.contains(&format!("| `{name}` | {word} |")), "{name} is {word}");
        }
    }
}
