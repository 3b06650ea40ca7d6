//! Labels: what an upload carries in its metadata, so that the file can be attributed to a caller. A signature binds
//! nothing but the time.
//!
//! ```text
//! label  = base64url(id || AES-256-GCM-SIV(key, nonce = id, text))          the provider takes 512 characters
//! id     = 12 random bytes
//! text   = expiry, 4 bytes  files, 3 bytes (0: one, on its own)  length of profile, 1 byte  profile  subject
//! key    = HKDF-SHA256(salt = none, secret key as text, info = "countersign upload label 2" 00 public key)
//! ```
//!
//! Anyone who knows a file's id can read its metadata without a credential, so the text is encrypted as well as
//! authenticated. The key differs for each project, even where two share a secret.
//!
//! Sources: RFC 8452 for the cipher, RFC 5869 for the key, <https://uploadcare.com/docs/file-metadata/> for the limits.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

const INFO: &[u8] = b"countersign upload label 2\0";
/// The longest metadata value that the provider takes, in characters.
const MAX_CHARACTERS: usize = 512;

/// Identifies a label. Must be random: it is also the cipher's nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelId([u8; NONCE_LEN]);

/// Who a file belongs to, under which profile, and how far the label reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadLabel {
    /// The caller; empty where callers are anonymous.
    pub subject: String,
    /// The profile.
    pub profile: String,
    /// When the signature expires that it was issued with, in Unix seconds.
    pub expires_at: i64,
    /// How many files it covers.
    pub files: LabelledFiles,
}

/// How many files a label covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelledFiles {
    /// One, and any other file with the same label is a stranger's: for clients that send each file with its own label.
    One,
    /// At most so many, which share the label. At most [`LabelledFiles::MAX`].
    UpTo(u32),
}

impl LabelledFiles {
    /// The most files that one label can cover.
    pub const MAX: u32 = 0xff_ffff;
}

/// Encrypts and decrypts the labels of one project.
#[derive(Debug)]
pub struct LabelKey(LessSafeKey);

impl LabelKey {
    /// The key of the project with these keys.
    #[expect(clippy::expect_used, reason = "HKDF-SHA256 yields up to 8,160 bytes, and a key has 32")]
    pub fn derive(secret_key: &SecretString, public_key: &str) -> Self {
        let extracted = Salt::new(HKDF_SHA256, &[]).extract(secret_key.expose_secret().as_bytes());
        let info = [INFO, public_key.as_bytes()];
        let key = extracted.expand(&info, &AES_256_GCM_SIV).expect("HKDF yields more than a key's length");
        Self(LessSafeKey::new(UnboundKey::from(key)))
    }

    /// The text that a client sends along. It fits the provider's limit as long as subject and profile have at most 348
    /// bytes together, which the limits of both see to.
    #[expect(clippy::expect_used, reason = "AES-GCM-SIV takes texts of up to 64 GB")]
    pub fn seal(&self, id: LabelId, label: &UploadLabel) -> String {
        let mut text = label.to_bytes();
        let nonce = Nonce::assume_unique_for_key(id.0);
        self.0.seal_in_place_append_tag(nonce, Aad::empty(), &mut text).expect("the text is short");
        URL_SAFE_NO_PAD.encode([&id.0[..], &text].concat())
    }

    /// Reads a label; `None` unless this key sealed it.
    pub fn open(&self, label: &str) -> Option<(LabelId, UploadLabel)> {
        let sealed = Some(label).filter(|label| label.len() <= MAX_CHARACTERS)?;
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (id, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let text = self.0.open_in_place(Nonce::assume_unique_for_key(*id), Aad::empty(), &mut sealed).ok()?;
        Some((LabelId(*id), UploadLabel::from_bytes(text)?))
    }
}

impl UploadLabel {
    #[expect(
        clippy::expect_used,
        reason = "a profile's name is part of a scope, which has at most 100 bytes"
    )]
    fn to_bytes(&self) -> Vec<u8> {
        // Seconds fit until 2106.
        let expiry = u32::try_from(self.expires_at.max(0)).unwrap_or(u32::MAX).to_be_bytes();
        let [_, files @ ..] = self.files.to_number().to_be_bytes();
        let length = u8::try_from(self.profile.len()).expect("a profile's name has at most 93 bytes");
        [&expiry[..], &files, &[length], self.profile.as_bytes(), self.subject.as_bytes()].concat()
    }

    fn from_bytes(text: &[u8]) -> Option<Self> {
        let (expiry, text) = text.split_first_chunk::<4>()?;
        let (&[high, middle, low], text) = text.split_first_chunk::<3>()?;
        let (length, names) = text.split_first()?;
        let (profile, subject) = names.split_at_checked(usize::from(*length))?;
        Some(Self {
            subject: String::from_utf8(subject.to_vec()).ok()?,
            profile: String::from_utf8(profile.to_vec()).ok()?,
            expires_at: i64::from(u32::from_be_bytes(*expiry)),
            files: LabelledFiles::of_number(u32::from_be_bytes([0, high, middle, low])),
        })
    }
}

impl LabelledFiles {
    /// The number that stands for it in the text.
    fn to_number(self) -> u32 {
        match self {
            Self::One => 0,
            Self::UpTo(files) => files.clamp(1, Self::MAX),
        }
    }

    const fn of_number(number: u32) -> Self {
        match number {
            0 => Self::One,
            files => Self::UpTo(files),
        }
    }
}

impl LabelId {
    /// The id of 12 random bytes.
    pub const fn new(random: [u8; NONCE_LEN]) -> Self {
        Self(random)
    }
}

impl std::fmt::Display for LabelId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
#[path = "label_tests.rs"]
mod tests;
