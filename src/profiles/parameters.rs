//! Upload parameters by name: which a profile may open to clients, which it may only fix, and which are out of reach.
//!
//! Source: <https://cloudinary.com/documentation/image_upload_api_reference#upload_optional_parameters>.

/// Who may choose a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The client, if the profile opens it; it describes the file and reaches no other.
    Client,
    /// The profile alone: it costs money, changes who can see the asset, names or replaces it, or calls somewhere.
    Profile,
    /// Nobody: countersign sets it itself, or it would turn a signature against other assets.
    Nobody,
}

/// Parameters that describe the one file that is uploaded.
const CLIENT: &[&str] = &[
    "accessibility_analysis",
    "cinemagraph_analysis",
    "colors",
    "context",
    "custom_coordinates",
    "display_name",
    "face_coordinates",
    "faces",
    "image_metadata",
    "media_metadata",
    "metadata",
    "phash",
    "quality_analysis",
    "regions",
    "source",
    "tags",
    "use_filename_as_display_name",
];

/// Parameters that only the operator may choose.
const PROFILE: &[&str] = &[
    "access_control",
    "allowed_formats",
    "asset_folder",
    "async",
    "auto_chaptering",
    "auto_tagging",
    "auto_transcription",
    "background_removal",
    "backup",
    "categorization",
    "detection",
    "discard_original_filename",
    "eager",
    "eager_async",
    "eager_notification_url",
    "filename_override",
    "folder",
    "format",
    "headers",
    "invalidate",
    "moderation",
    "notification_url",
    "ocr",
    "overwrite",
    "public_id_prefix",
    "raw_convert",
    "responsive_breakpoints",
    "similarity_search",
    "transformation",
    "type",
    "unique_filename",
    "upload_preset",
    "use_asset_folder_as_public_id_prefix",
    "use_filename",
    "visual_search",
];

/// Parameters that no signature of countersign carries.
const NOBODY: &[&str] = &[
    "access_mode",
    "api_key",
    "callback",
    "cloud_name",
    "eval",
    "file",
    "on_success",
    "proxy",
    "public_id",
    "resource_type",
    "return_delete_token",
    "signature",
    "timestamp",
];

/// Who may choose the parameter `name`; `None` if the Upload API has no such parameter.
pub(super) fn standing(name: &str) -> Option<Standing> {
    [(CLIENT, Standing::Client), (PROFILE, Standing::Profile), (NOBODY, Standing::Nobody)]
        .into_iter()
        .find_map(|(names, standing)| names.contains(&name).then_some(standing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_parameter_stands_in_two_lists() {
        let all = [CLIENT, PROFILE, NOBODY].concat();
        for name in &all {
            assert_eq!(all.iter().filter(|other| *other == name).count(), 1, "{name}");
        }
    }

    #[test]
    fn what_must_never_be_the_clients_is_not() {
        for name in [
            "public_id",
            "overwrite",
            "type",
            "notification_url",
            "eval",
            "on_success",
            "proxy",
            "access_mode",
            "access_control",
            "return_delete_token",
            "invalidate",
            "upload_preset",
            "headers",
            "callback",
            "async",
            "unique_filename",
            "use_filename",
            "filename_override",
        ] {
            assert!(matches!(standing(name), Some(Standing::Profile | Standing::Nobody)), "{name}");
        }
    }
}
