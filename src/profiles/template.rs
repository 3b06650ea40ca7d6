//! Text of a profile in which `{sub}` stands for the caller, encoded so that two callers never share a folder.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::auth::{Caller, folder_name};

/// What stands for the caller.
pub(super) const PLACEHOLDER: &str = "{sub}";

/// The most characters of an encoded subject; longer ones are hashed, since a public id has at most 255.
const MAX_ENCODED: usize = 100;

/// Text in which `{sub}` stands for the caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Template(String);

/// Text with braces that are not `{sub}`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` has braces that are not {{sub}}, the only placeholder there is")]
pub(super) struct UnknownPlaceholder(String);

impl Template {
    /// Reads a template.
    pub(super) fn parse(text: &str) -> Result<Self, UnknownPlaceholder> {
        if text.replace(PLACEHOLDER, "").contains(['{', '}']) {
            return Err(UnknownPlaceholder(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text as the profile spells it.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it takes a known caller to fill it.
    pub(super) fn names_the_caller(&self) -> bool {
        self.0.contains(PLACEHOLDER)
    }

    /// Whether `path` lies below this folder as it is for some caller. An encoded subject is one segment or part of one.
    pub(super) fn may_hold(&self, path: &str) -> bool {
        let (mut folders, mut segments) = (self.0.split('/'), path.split('/'));
        let begins_so = folders.all(|folder| segments.next().is_some_and(|segment| may_be(folder, segment)));
        begins_so && segments.next().is_some()
    }

    /// The text for `caller`; `None` if it names the caller and nobody is known.
    pub(super) fn fill(&self, caller: &Caller) -> Option<String> {
        if !self.names_the_caller() {
            return Some(self.0.clone());
        }
        caller.subject().map(|subject| self.fill_for(subject))
    }

    /// Whether `text` may be this template filled for some caller, in whatever case. `{sub}` alone has no form to tell.
    pub(super) fn is_form_of(&self, text: &str) -> bool {
        let form = self.0.to_lowercase();
        let (Some((before, _)), Some((_, after))) =
            (form.split_once(PLACEHOLDER), form.rsplit_once(PLACEHOLDER))
        else {
            return false;
        };
        let text = text.to_lowercase();
        let has_form = text.strip_prefix(before).is_some_and(|rest| rest.ends_with(after));
        has_form && !(before.is_empty() && after.is_empty())
    }

    /// The text for the caller with this name.
    pub(super) fn fill_for(&self, subject: &str) -> String {
        self.0.replace(PLACEHOLDER, &encode_subject(folder_name(subject)))
    }
}

/// Whether a segment of a template can be filled so that it reads `segment`.
fn may_be(template: &str, segment: &str) -> bool {
    let Some((before, after)) = template.split_once(PLACEHOLDER) else { return template == segment };
    // A subject is never empty, and neither is its encoding.
    segment.strip_prefix(before).is_some_and(|rest| {
        (1..=rest.len()).any(|end| rest.is_char_boundary(end) && may_be(after, &rest[end..]))
    })
}

/// Writes a subject with lower-case letters and digits only, everything else as `-` and two hexadecimal digits a byte.
///
/// Injective: `-` itself is written `-2d`. The result is one path segment, is never read as a transformation (it has no
/// underscore) or as a version (`v1` is written `-761`), and stays apart from others even where case is ignored. A long
/// one becomes `-h` and its SHA-256, which no short one can look like.
fn encode_subject(subject: &str) -> String {
    let reads_as_version =
        subject.strip_prefix('v').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    let mut encoded = String::with_capacity(subject.len() + 8);
    for (index, byte) in subject.bytes().enumerate() {
        let is_plain = byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if is_plain && !(reads_as_version && index == 0) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "-{byte:02x}");
        }
    }
    if encoded.len() > MAX_ENCODED { format!("-h{}", hex::encode(Sha256::digest(subject))) } else { encoded }
}

/// The subject that is encoded as `text`, or the text itself if it is the hash of a long one; `None` if no subject is.
pub(super) fn decode_subject(text: &str) -> Option<String> {
    if let Some(hash) = text.strip_prefix("-h") {
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        return is_hash.then(|| text.to_owned());
    }
    let mut pieces = text.split('-');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(piece.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(piece.get(2..)?.as_bytes());
    }
    // Whatever is encoded otherwise is no encoding: each subject has one.
    String::from_utf8(bytes).ok().filter(|subject| !subject.is_empty() && encode_subject(subject) == text)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn subjects_that_look_alike_never_share_a_folder() {
        let long = "x".repeat(300);
        let longer = "x".repeat(301);
        let subjects = [
            "a|b",
            "a/b",
            "a%2Fb",
            "a-b",
            "a-2fb",
            "..",
            ".",
            "A",
            "a",
            "v1",
            "-761",
            "é",
            "e\u{301}",
            "а",
            " a",
            "a ",
            "w_100",
            "-h",
            &long,
            &longer,
            &hex::encode(Sha256::digest(&long)),
        ];
        let mut seen = HashMap::new();
        for subject in subjects {
            let encoded = encode_subject(subject);
            assert!(
                encoded
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            );
            assert_eq!(seen.insert(encoded.clone(), subject), None, "{subject} {encoded}");
        }
    }

    #[test]
    fn an_api_keys_folder_is_called_by_its_bare_name() {
        let template = Template::parse("kyc/{sub}").unwrap();
        assert_eq!(template.fill_for("key:web-shop"), "kyc/web-2dshop");
        assert_eq!(template.fill_for("web-shop"), "kyc/web-2dshop");
    }

    #[test]
    fn an_ordinary_subject_stays_readable() {
        assert_eq!(encode_subject("user42"), "user42");
        assert_eq!(encode_subject("auth0|65a"), "auth0-7c65a");
    }

    proptest! {
        #[test]
        fn an_encoded_subject_is_read_back(subject in "\\PC{1,30}") {
            let encoded = encode_subject(&subject);
            let expected = if encoded.starts_with("-h") { &encoded } else { &subject };
            prop_assert_eq!(decode_subject(&encoded), Some(expected.clone()));
        }

        #[test]
        fn what_is_no_encoding_is_nobodys(text in "[a-cv0-9A_-]{0,8}") {
            if let Some(subject) = decode_subject(&text) {
                prop_assert_eq!(encode_subject(&subject), text);
            }
        }

        #[test]
        fn two_subjects_never_share_a_folder(a in "\\PC{1,40}", b in "\\PC{1,40}") {
            prop_assert_eq!(a == b, encode_subject(&a) == encode_subject(&b));
        }
    }
}
