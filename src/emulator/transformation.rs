//! Transformations: read, checked and refused in the provider's words, never applied.
//!
//! ```text
//! transformation = component *("/" component)
//! component      = parameter *("," parameter)
//! parameter      = key "_" value | "$" name "_" value | "if_" condition | "t_" named
//! ```
//!
//! Checked are the values that have a closed form: sizes, crop modes, angles, quality, named transformations. Texts,
//! effects, layers and expressions pass as they are.
//!
//! Source: <https://cloudinary.com/documentation/transformation_reference>.

use super::refusal::Refusal;

/// Formats that a picture or a video can be asked for in; the original is served whichever it is.
const FORMATS: &[&str] = &[
    "ai", "avif", "bmp", "eps", "gif", "heic", "heif", "ico", "jp2", "jpe", "jpeg", "jpg", "jxl", "jxr",
    "pdf", "png", "ps", "psd", "svg", "tif", "tiff", "webp", "aac", "aiff", "flac", "m4a", "mp3", "ogg",
    "opus", "wav", "3gp", "avi", "flv", "m3u8", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "ogv", "ts",
    "webm", "wmv",
];

/// The ways to crop.
const CROPS: &[&str] = &[
    "auto",
    "auto_pad",
    "crop",
    "fill",
    "fill_pad",
    "fit",
    "imagga_crop",
    "imagga_scale",
    "lfill",
    "limit",
    "lpad",
    "mfit",
    "mpad",
    "pad",
    "scale",
    "thumb",
];

/// Where a picture is cut when it is cut.
const COMPASS: &[&str] =
    &["center", "east", "north", "north_east", "north_west", "south", "south_east", "south_west", "west"];

/// Short names, long names, and what the values must look like.
const PARAMETERS: &[(&str, &str, Form)] = &[
    ("a", "angle", Form::Angle),
    ("ac", "audio_codec", Form::Any),
    ("af", "audio_frequency", Form::Any),
    ("ar", "aspect_ratio", Form::Ratio),
    ("b", "background", Form::Any),
    ("bo", "border", Form::Any),
    ("br", "bit_rate", Form::Any),
    ("c", "crop", Form::Crop),
    ("co", "color", Form::Any),
    ("cs", "color_space", Form::Any),
    ("d", "default_image", Form::Any),
    ("dl", "delay", Form::Size),
    ("dn", "density", Form::Size),
    ("dpr", "dpr", Form::Dpr),
    ("du", "duration", Form::Any),
    ("e", "effect", Form::Any),
    ("eo", "end_offset", Form::Any),
    ("f", "fetch_format", Form::Format),
    ("fl", "flags", Form::Any),
    ("fn", "custom_function", Form::Any),
    ("fps", "fps", Form::Any),
    ("g", "gravity", Form::Gravity),
    ("h", "height", Form::Size),
    ("if", "if", Form::Any),
    ("ki", "keyframe_interval", Form::Any),
    ("l", "overlay", Form::Any),
    ("o", "opacity", Form::Size),
    ("p", "prefix", Form::Any),
    ("pg", "page", Form::Any),
    ("q", "quality", Form::Quality),
    ("r", "radius", Form::Any),
    ("so", "start_offset", Form::Any),
    ("sp", "streaming_profile", Form::Any),
    ("t", "transformation", Form::Named),
    ("u", "underlay", Form::Any),
    ("vc", "video_codec", Form::Any),
    ("vs", "video_sampling", Form::Any),
    ("w", "width", Form::Size),
    ("x", "x", Form::Number),
    ("y", "y", Form::Number),
    ("z", "zoom", Form::Number),
];

/// What a value must look like.
#[derive(Clone, Copy, Debug)]
enum Form {
    Any,
    Angle,
    Crop,
    Dpr,
    Format,
    Gravity,
    /// A named transformation; whether it exists is another question.
    Named,
    Number,
    Quality,
    Ratio,
    Size,
}

impl Form {
    fn takes(self, value: &str) -> bool {
        let is_number = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
        let is_expression = value.starts_with('$')
            || value.contains("_mul_")
            || value.contains("_div_")
            || value.contains("_add_")
            || value.contains("_sub_")
            || value.starts_with('i');
        match self {
            Self::Any | Self::Named => !value.is_empty(),
            Self::Angle => {
                let modes = ["auto_left", "auto_right", "hflip", "ignore", "vflip", "exif"];
                value.split('.').all(|part| is_number(part) || modes.contains(&part)) || is_number(value)
            }
            Self::Crop => CROPS.contains(&value),
            Self::Dpr => value == "auto" || is_number(value),
            Self::Format => value == "auto" || value.starts_with("auto:") || is_format(value),
            Self::Gravity => {
                let first = value.split(':').next().unwrap_or_default();
                let special = [
                    "auto",
                    "face",
                    "faces",
                    "body",
                    "liquid",
                    "ocr_text",
                    "adv_face",
                    "adv_faces",
                    "adv_eyes",
                    "custom",
                    "xy_center",
                    "track_person",
                ];
                COMPASS.contains(&first) || special.contains(&first)
            }
            Self::Number => is_number(value) || is_expression,
            Self::Quality => {
                let first = value.split(':').next().unwrap_or_default();
                first == "auto" || first == "jpegmini" || is_number(first)
            }
            Self::Ratio => {
                let mut parts = value.splitn(2, ':');
                parts.all(is_number) || is_expression
            }
            Self::Size => {
                value == "auto"
                    || value.starts_with("auto:")
                    || is_expression
                    || is_number(value) && !value.starts_with(['-', '+'])
            }
        }
    }
}

/// Whether a picture or a video can be asked for in this format.
pub(super) fn is_format(text: &str) -> bool {
    FORMATS.contains(&text.to_ascii_lowercase().as_str())
}

/// Refuses what the provider would refuse.
pub(super) fn check(chain: &str) -> Result<(), Refusal> {
    for component in chain.split('/').filter(|component| !component.is_empty()) {
        for parameter in component.split(',') {
            check_parameter(parameter, component)?;
        }
    }
    Ok(())
}

fn check_parameter(parameter: &str, component: &str) -> Result<(), Refusal> {
    if parameter.starts_with('$') {
        return Ok(());
    }
    let unknown = || Refusal::InvalidTransformation { name: "transformation", value: component.to_owned() };
    let (key, value) = parameter.split_once('_').ok_or_else(unknown)?;
    let (_, name, form) = PARAMETERS.iter().find(|(short, ..)| *short == key).ok_or_else(unknown)?;
    match form {
        form if form.takes(value) => Ok(()),
        _ => Err(Refusal::InvalidTransformation { name, value: value.to_owned() }),
    }
}

/// The named transformations in a chain.
pub(super) fn names_in(chain: &str) -> impl Iterator<Item = &str> {
    let parameters = chain.split(['/', ',']).filter_map(|parameter| parameter.strip_prefix("t_"));
    parameters.flat_map(|names| names.split('.'))
}

/// The chain without the format, or the empty one, behind its last slash.
pub(super) fn without_format(text: &str) -> &str {
    match text.rsplit_once('/') {
        Some((chain, end)) if end.is_empty() || is_format(end) => chain,
        _ => text,
    }
}

/// The components as the Admin API shows them, with the format in the last one; an empty format is none.
pub(super) fn with_extension(text: &str) -> serde_json::Value {
    let chain = without_format(text);
    let mut components = spelled_out(chain);
    let last = components.as_array_mut().and_then(|components| components.last_mut());
    if let (Some(last), Some(format)) = (last, text[chain.len()..].strip_prefix('/')) {
        last["extension"] = if format.is_empty() { "none" } else { format }.into();
    }
    components
}

/// What follows the colon of this flag, if the chain has it; empty without a colon.
pub(super) fn flag<'a>(chain: &'a str, flag: &str) -> Option<&'a str> {
    let parameters = chain.split(['/', ',']).filter_map(|parameter| parameter.strip_prefix("fl_"));
    let mut flags = parameters.flat_map(|flags| flags.split('.'));
    flags.find_map(|one| match one.split_once(':') {
        Some((name, value)) if name == flag => Some(value),
        None if one == flag => Some(""),
        _ => None,
    })
}

/// The components with the long names that the Admin API shows; what is no known parameter stays raw.
pub(super) fn spelled_out(chain: &str) -> serde_json::Value {
    use serde_json::{Map, Value};
    let components = chain.split('/').filter(|component| !component.is_empty());
    let spelled = components.map(|component| {
        let mut members = Map::new();
        for parameter in component.split(',') {
            let (key, value) = parameter.split_once('_').unwrap_or(("", parameter));
            let long = PARAMETERS.iter().find(|(short, ..)| *short == key).map(|(_, long, _)| *long);
            let value = value.parse::<i64>().map_or_else(|_| Value::from(value), Value::from);
            members.insert(long.unwrap_or("raw_transformation").to_owned(), value);
        }
        Value::Object(members)
    });
    Value::Array(spelled.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_the_sdks_write_passes() {
        for chain in [
            "c_fill,h_120,w_80/e_brightness:50/co_red,e_shadow",
            "if_w_lt_200/c_fill,w_80/if_end",
            "$size_200/w_$size,h_iw_mul_2",
            "w_auto:breakpoints,dpr_auto,q_auto:good,f_auto",
            "a_10.hflip,ar_16:9,g_auto:face,x_-10,w_0.5",
            "l_text:Times_70_bold:Cool%25F0,co_red/fl_layer_apply",
        ] {
            assert!(check(chain).is_ok(), "{chain}");
        }
    }

    #[test]
    fn what_the_provider_refuses_is_refused_in_its_words() {
        let told = |chain: &str| check(chain).unwrap_err().to_string();
        insta::assert_snapshot!(told("w_abc"), @"Invalid width in transformation: abc");
        insta::assert_snapshot!(told("w_10,c_illegal"), @"Invalid crop in transformation: illegal");
        insta::assert_snapshot!(told("w_10/zz_1"), @"Invalid transformation in transformation: zz_1");
        insta::assert_snapshot!(told("f_nothing"), @"Invalid fetch_format in transformation: nothing");
    }

    #[test]
    fn names_and_formats_are_told_apart_from_the_rest() {
        assert_eq!(names_in("w_10/t_a.b,c_fill/t_c").collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(with_extension("c_scale,w_2"), serde_json::json!([{"crop": "scale", "width": 2}]));
        assert_eq!(with_extension("w_2/"), serde_json::json!([{"width": 2, "extension": "none"}]));
        assert_eq!(
            with_extension("h_1/w_2/jpg"),
            serde_json::json!([{"height": 1}, {"width": 2, "extension": "jpg"}])
        );
    }

    #[test]
    fn a_flag_may_have_a_value() {
        assert_eq!(flag("w_1,fl_attachment:my_file", "attachment"), Some("my_file"));
        assert_eq!(flag("fl_lossy.attachment/w_1", "attachment"), Some(""));
        assert_eq!(flag("fl_attachments", "attachment"), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = check(&text);
            let _ = flag(&text, "attachment");
            let _ = spelled_out(&text);
        }
    }
}
