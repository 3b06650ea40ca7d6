//! Which characters a name may have: those that people can tell apart from nothing. Two names that look the same in a log or
//! on a screen, and differ in what cannot be seen, would be two callers that nobody can tell apart.

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};

/// Whether `character` is assigned and leaves a mark: neither control nor format (zero width, direction), nor a separator of
/// lines, nor private, nor one that is drawn as nothing.
pub(super) fn can_be_seen(character: char) -> bool {
    // Most names are ASCII.
    if character.is_ascii() {
        return !character.is_ascii_control();
    }
    let is_drawn = !matches!(
        CodePointMapData::<GeneralCategory>::new().get(character),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse
            | GeneralCategory::Surrogate
            | GeneralCategory::Unassigned
    );
    is_drawn && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_can_be_seen() {
        for text in [
            "ann",
            "auth0|65a",
            "Zoë Müller",
            "Ωμέγα",
            "山田太郎",
            "مريم",
            "किरण",
            "👩",
            "e\u{301}",
            "a b",
            "~",
        ] {
            assert!(text.chars().all(can_be_seen), "{text}");
        }
    }

    #[test]
    fn what_deceives_the_eye_cannot() {
        for character in [
            '\0',
            '\n',
            '\u{7f}',
            '\u{85}',
            // Soft hyphen, zero width space, non-joiner, joiner, word joiner, byte order mark.
            '\u{ad}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{2060}',
            '\u{feff}',
            // Directions.
            '\u{61c}',
            '\u{200e}',
            '\u{200f}',
            '\u{202a}',
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            // Lines and paragraphs, variation selectors, fillers, tags.
            '\u{2028}',
            '\u{2029}',
            '\u{fe0f}',
            '\u{e0100}',
            '\u{34f}',
            '\u{115f}',
            '\u{3164}',
            '\u{e0041}',
            // Private use, unassigned, no character.
            '\u{e000}',
            '\u{378}',
            '\u{ffff}',
            '\u{10ffff}',
        ] {
            assert!(!can_be_seen(character), "{:x}", u32::from(character));
        }
    }
}
