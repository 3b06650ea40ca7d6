//! Labels: what an upload carries along in its metadata, so that it can be told whose it is. A signature binds nothing but
//! the time.
//!
//! ```text
//! label  = base64url(tag text')                                 the provider takes 512 characters
//! text   = expiry, 8 bytes  length of profile, 2 bytes  profile  subject
//! tag    = the first 16 bytes of HMAC-SHA256(tag key, text)
//! text'  = text XOR HMAC-SHA256(stream key, tag 0) HMAC-SHA256(stream key, tag 1) …          counters of 4 bytes
//! keys   = HMAC-SHA256(secret key as text, "countersign upload label 1 tag" | "countersign upload label 1 stream")
//! ```
//!
//! Whoever knows a file's id can read its metadata without a secret, so that the text is hidden and not only vouched for.
//! This is the SIV construction, whose tag is also its nonce: equal labels tell that they are equal, and nothing else.
//!
//! Sources: RFC 5297 for the construction, <https://uploadcare.com/docs/file-metadata/> for the limits.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::hmac_sha256;

const TAG_KEY: &[u8] = b"countersign upload label 1 tag";
const STREAM_KEY: &[u8] = b"countersign upload label 1 stream";
const TAG_BYTES: usize = 16;
/// The longest value of metadata that the provider takes, in characters.
const MAX_CHARACTERS: usize = 512;

/// Whose an upload is, under which profile, and until when that may be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadLabel {
    /// The caller; empty where callers are not told apart.
    pub subject: String,
    /// The profile.
    pub profile: String,
    /// When the signature ends that it was given with, in Unix seconds.
    pub expires_at: i64,
}

impl UploadLabel {
    /// The text that a client sends along. It fits as long as subject and profile have no more than 358 bytes together.
    pub fn seal(&self, secret_key: &SecretString) -> String {
        // A longer name would not be read again, which is as good as no label.
        let length = u16::try_from(self.profile.len()).unwrap_or(u16::MAX).to_be_bytes();
        let expiry = self.expires_at.to_be_bytes();
        let mut text = [&expiry[..], &length, self.profile.as_bytes(), self.subject.as_bytes()].concat();
        let tag = tag(secret_key, &text);
        apply_stream(secret_key, &tag, &mut text);
        URL_SAFE_NO_PAD.encode([&tag[..], &text].concat())
    }

    /// Reads a label; `None` for what this secret key did not seal.
    pub fn open(label: &str, secret_key: &SecretString) -> Option<Self> {
        let sealed = Some(label).filter(|label| label.len() <= MAX_CHARACTERS)?;
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (given, text) = sealed.split_first_chunk::<TAG_BYTES>()?;
        let mut text = text.to_vec();
        apply_stream(secret_key, given, &mut text);
        if !bool::from(tag(secret_key, &text).ct_eq(given)) {
            return None;
        }
        let (expiry, names) = text.split_first_chunk::<8>()?;
        let (length, names) = names.split_first_chunk::<2>()?;
        let (profile, subject) = names.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        Some(Self {
            subject: String::from_utf8(subject.to_vec()).ok()?,
            profile: String::from_utf8(profile.to_vec()).ok()?,
            expires_at: i64::from_be_bytes(*expiry),
        })
    }
}

fn tag(secret_key: &SecretString, text: &[u8]) -> [u8; TAG_BYTES] {
    let key = hmac_sha256(secret_key.expose_secret().as_bytes(), TAG_KEY);
    let mac = hmac_sha256(&key, text);
    std::array::from_fn(|index| mac[index])
}

/// Hides the text, or shows it again.
fn apply_stream(secret_key: &SecretString, tag: &[u8; TAG_BYTES], text: &mut [u8]) {
    let key = hmac_sha256(secret_key.expose_secret().as_bytes(), STREAM_KEY);
    for (counter, block) in (0_u32..).zip(text.chunks_mut(32)) {
        let stream = hmac_sha256(&key, &[&tag[..], &counter.to_be_bytes()].concat());
        block.iter_mut().zip(stream).for_each(|(byte, mask)| *byte ^= mask);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(subject: &str, profile: &str, expires_at: i64) -> UploadLabel {
        UploadLabel { subject: subject.to_owned(), profile: profile.to_owned(), expires_at }
    }

    fn secret() -> SecretString {
        "demosecretkey".into()
    }

    #[test]
    fn what_is_sealed_is_read_again_and_says_nothing_to_others() {
        for one in [
            label("ann@example.com", "papers", 1_720_001_800),
            label("", "uploadcare", 0),
            label("ünïcode \u{0}\"", "p", -1),
        ] {
            let sealed = one.seal(&secret());
            assert!(!sealed.contains("ann") && !sealed.contains("papers"), "{sealed}");
            let bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
            assert!(!bytes.windows(6).any(|window| window == b"papers"));
            assert_eq!(UploadLabel::open(&sealed, &secret()), Some(one));
            assert_eq!(UploadLabel::open(&sealed, &"another".into()), None);
        }
    }

    #[test]
    fn names_that_run_together_have_labels_of_their_own() {
        let labels = [label("b", "a", 1), label("", "ab", 1), label("ab", "", 1), label("b", "a", 2)];
        let sealed: std::collections::BTreeSet<_> = labels.iter().map(|one| one.seal(&secret())).collect();
        assert_eq!(sealed.len(), labels.len());
    }

    #[test]
    fn no_changed_bit_passes() {
        let sealed = label("ann", "papers", 1_720_001_800).seal(&secret());
        let bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(UploadLabel::open(&URL_SAFE_NO_PAD.encode(changed), &secret()), None, "bit {bit}");
        }
        for text in ["", "a", "====", &sealed[1..], &sealed[..sealed.len() - 1], &format!("{sealed}A")] {
            assert_eq!(UploadLabel::open(text, &secret()), None, "{text}");
        }
    }

    #[test]
    fn the_longest_names_that_there_are_fit_the_providers_limit() {
        let longest = label(&"s".repeat(255), &"p".repeat(93), i64::MAX);
        let sealed = longest.seal(&secret());
        assert_eq!(sealed.len(), 499);
        assert_eq!(UploadLabel::open(&sealed, &secret()), Some(longest));
    }

    #[test]
    fn a_label_stays_readable_from_version_to_version() {
        // Made by Python's hmac module.
        let sealed = label("ann", "papers", 1_720_001_800).seal(&secret());
        insta::assert_snapshot!(sealed, @"eOq7Abwc2ZfFVd5Dm0xVbAwY5zMCksyVySwtYdIZ8bc7tfU");
    }
}
