//! Which endings of a public id are a format. An ending that is not listed belongs to the id (`16_www.example.com`).
//!
//! The lists follow the provider's tables of supported formats and the official Ruby SDK's.

/// Image formats, documents that are delivered as images included.
const IMAGE: &[&str] = &[
    "3ds", "ai", "arw", "avif", "bmp", "bpg", "bw", "cr2", "cr3", "djvu", "dng", "eps", "eps3", "ept", "fbx",
    "flif", "gif", "glb", "gltf", "hdp", "heic", "heif", "hpx", "ico", "indd", "j2k", "jfif", "jp2", "jpc",
    "jpe", "jpeg", "jpg", "jxl", "jxr", "miff", "obj", "pdf", "ply", "png", "ps", "psd", "svg", "tga", "tif",
    "tiff", "u3ma", "usdz", "wbmp", "wdp", "webp", "zip",
];

/// Audio, video and streaming formats.
const VIDEO: &[&str] = &[
    "3g2", "3gp", "aac", "aifc", "aiff", "alac", "amr", "asf", "avi", "flac", "flv", "h264", "m2t", "m2ts",
    "m2v", "m3u8", "m4a", "m4v", "mid", "mka", "mkv", "mov", "mp3", "mp4", "mpd", "mpeg", "mpg", "mts",
    "mxf", "oga", "ogg", "ogv", "opus", "ts", "wav", "webm", "wma", "wmv",
];

/// Formats of answers that are no media: the list of a tag.
const OTHER: &[&str] = &["json"];

/// The longest ending in the lists.
const LONGEST: usize = 5;

/// Splits a known format off the end of `name`. What is left is never empty.
pub(super) fn split_format(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && !stem.ends_with('/') && is_known(ending) => {
            (stem, Some(ending))
        }
        _ => (name, None),
    }
}

/// Whether `ending` is a format that the provider knows, in any case.
fn is_known(ending: &str) -> bool {
    ending.len() <= LONGEST
        && [IMAGE, VIDEO, OTHER]
            .iter()
            .any(|list| list.iter().any(|known| known.eq_ignore_ascii_case(ending)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_known_ending_is_a_format() {
        assert_eq!(split_format("photo.JPG"), ("photo", Some("JPG")));
        assert_eq!(split_format("16_www.Bia2Club.com"), ("16_www.Bia2Club.com", None));
        assert_eq!(split_format(".jpg"), (".jpg", None));
        assert_eq!(split_format("folder/.jpg"), ("folder/.jpg", None));
        assert_eq!(split_format("dog.m3u8"), ("dog", Some("m3u8")));
    }

    #[test]
    fn no_known_ending_is_longer_than_the_bound() {
        assert!(
            [IMAGE, VIDEO, OTHER].iter().flat_map(|list| list.iter()).all(|known| known.len() <= LONGEST)
        );
    }
}
