//! What kind of file arrived, told by its content, never by its name or by what the client says.

use crate::delivery::ResourceType;

use super::super::refusal::Refusal;

/// What was asked for: one resource type, or whatever the content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Auto,
    Only(ResourceType),
}

impl Wanted {
    /// The word in the path of an upload.
    pub(super) fn parse(word: &str) -> Result<Self, Refusal> {
        if word == "auto" {
            return Ok(Self::Auto);
        }
        let resource_type = word.parse().ok().ok_or(Refusal::InvalidUploadUrl)?;
        Ok(Self::Only(resource_type))
    }
}

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::emulator) struct Kind {
    pub resource_type: ResourceType,
    /// The extension of images and videos; raw files have none of their own.
    pub format: Option<&'static str>,
    pub content_type: &'static str,
}

const RAW: Kind =
    Kind { resource_type: ResourceType::Raw, format: None, content_type: "application/octet-stream" };

impl Kind {
    /// Detects what begins with `head`. Audio counts as video, PDF and PostScript as image.
    pub(super) fn detect(head: &[u8]) -> Self {
        if is_svg(head) {
            return Self {
                resource_type: ResourceType::Image,
                format: Some("svg"),
                content_type: "image/svg+xml",
            };
        }
        let Some(found) = infer::get(head) else {
            return RAW;
        };
        let resource_type = match found.matcher_type() {
            infer::MatcherType::Image => ResourceType::Image,
            infer::MatcherType::Video | infer::MatcherType::Audio => ResourceType::Video,
            _ if matches!(found.extension(), "pdf" | "ps") => ResourceType::Image,
            _ => return RAW,
        };
        Self { resource_type, format: Some(found.extension()), content_type: found.mime_type() }
    }

    /// What the file is stored as, or the refusal when it is not what was asked for.
    pub(super) fn fit(self, wanted: Wanted) -> Result<Self, Refusal> {
        match wanted {
            Wanted::Auto => Ok(self),
            Wanted::Only(ResourceType::Raw) => Ok(RAW),
            Wanted::Only(wanted) if wanted == self.resource_type => Ok(self),
            Wanted::Only(ResourceType::Image) => Err(Refusal::InvalidImage),
            Wanted::Only(ResourceType::Video) => Err(Refusal::InvalidVideo),
        }
    }
}

/// Whether a text is an SVG picture: its first element is `svg`, after a prologue and comments.
fn is_svg(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let text = String::from_utf8_lossy(head);
    let mut rest = text.trim_start();
    loop {
        let end = if rest.starts_with("<?") {
            "?>"
        } else if rest.starts_with("<!--") {
            "-->"
        } else if rest.starts_with("<!") {
            ">"
        } else {
            break;
        };
        let Some((_, after)) = rest.split_once(end) else {
            return false;
        };
        rest = after.trim_start();
    }
    rest.strip_prefix("<svg")
        .is_some_and(|after| after.starts_with(|c: char| c.is_whitespace() || c == '>' || c == '/'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn detect(head: &[u8]) -> (ResourceType, Option<&'static str>) {
        let kind = Kind::detect(head);
        (kind.resource_type, kind.format)
    }

    #[test]
    fn content_tells_the_resource_type() {
        use ResourceType::{Image, Raw, Video};
        assert_eq!(detect(b"\x89PNG\r\n\x1a\n"), (Image, Some("png")));
        assert_eq!(detect(b"%PDF-1.4\n"), (Image, Some("pdf")));
        assert_eq!(detect(b"RIFF\0\0\0\0WAVEfmt "), (Video, Some("wav")));
        assert_eq!(detect(b"PK\x03\x04............"), (Raw, None));
        assert_eq!(detect(b"just text"), (Raw, None));
        assert_eq!(detect(b""), (Raw, None));
    }

    #[test]
    fn svg_is_told_by_its_first_element() {
        for svg in [
            "<svg xmlns='http://www.w3.org/2000/svg'/>",
            "\u{feff}<?xml version='1.0'?>\n<!-- a --><!DOCTYPE svg>\n<svg>",
        ] {
            assert_eq!(detect(svg.as_bytes()), (ResourceType::Image, Some("svg")), "{svg}");
        }
        for other in ["<html><svg>", "<svgx>", "<!-- <svg>", "text <svg>"] {
            assert_eq!(Kind::detect(other.as_bytes()), RAW, "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_content_panics(head in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Kind::detect(&head);
        }
    }
}
