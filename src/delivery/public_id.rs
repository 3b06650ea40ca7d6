//! A public id as the provider allows it. Parsed once at the edge; what follows can rely on it.
//!
//! Source: <https://support.cloudinary.com/hc/en-us/articles/115000756771>, "permitted naming conventions".

use std::fmt;
use std::str::FromStr;

/// The name of an asset within its resource type and delivery type, folders included.
///
/// 1 to 255 characters, none of `? & # \ % < > +` and no control character; no empty, `.` or `..` segment; no white
/// space at either end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicId(String);

/// Characters that the provider forbids in a public id.
const FORBIDDEN: [char; 8] = ['?', '&', '#', '\\', '%', '<', '>', '+'];

/// The most characters a public id may have.
pub(super) const MAX_CHARACTERS: usize = 255;

/// Text that cannot be a public id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPublicId {
    /// Nothing there.
    #[error("must not be empty")]
    Empty,
    /// More than 255 characters.
    #[error("must have at most {MAX_CHARACTERS} characters, not {0}")]
    TooLong(usize),
    /// A character that the provider forbids.
    #[error("must not contain `{0}`")]
    ForbiddenCharacter(char),
    /// A control character, NUL and line breaks included.
    #[error("must not contain control characters")]
    ControlCharacter,
    /// A leading, trailing or double slash.
    #[error("must not begin or end with a slash, or have two in a row")]
    EmptySegment,
    /// A `.` or `..` segment.
    #[error("must not have `.` or `..` as a segment")]
    DotSegment,
    /// White space at the beginning or the end.
    #[error("must not begin or end with white space")]
    OuterWhiteSpace,
}

impl PublicId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PublicId {
    type Err = BadPublicId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(BadPublicId::Empty);
        }
        let characters = text.chars().count();
        if characters > MAX_CHARACTERS {
            return Err(BadPublicId::TooLong(characters));
        }
        if text.chars().any(char::is_control) {
            return Err(BadPublicId::ControlCharacter);
        }
        if let Some(found) = text.chars().find(|character| FORBIDDEN.contains(character)) {
            return Err(BadPublicId::ForbiddenCharacter(found));
        }
        if text.trim() != text {
            return Err(BadPublicId::OuterWhiteSpace);
        }
        for segment in text.split('/') {
            match segment {
                "" => return Err(BadPublicId::EmptySegment),
                "." | ".." => return Err(BadPublicId::DotSegment),
                _ => {}
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_own_refusal() {
        for (text, expected) in [
            ("", BadPublicId::Empty),
            (&"ä".repeat(256), BadPublicId::TooLong(256)),
            ("a\0b", BadPublicId::ControlCharacter),
            ("a\nb", BadPublicId::ControlCharacter),
            ("a&overwrite=true", BadPublicId::ForbiddenCharacter('&')),
            ("a%2e", BadPublicId::ForbiddenCharacter('%')),
            ("/a", BadPublicId::EmptySegment),
            ("a//b", BadPublicId::EmptySegment),
            ("a/", BadPublicId::EmptySegment),
            ("a/../b", BadPublicId::DotSegment),
            (".", BadPublicId::DotSegment),
            (" a", BadPublicId::OuterWhiteSpace),
        ] {
            assert_eq!(text.parse::<PublicId>(), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn ordinary_ids_pass() {
        for text in [
            "a",
            "kyc/1/passport_x7k2p1",
            "abcαβγאבג",
            "reports/final.v2.pdf",
            "with space",
            &"ä".repeat(255),
        ] {
            assert_eq!(text.parse::<PublicId>().unwrap().as_str(), text);
        }
    }
}
