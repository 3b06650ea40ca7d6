//! How a string becomes a signature: the right way, and the ways that clients take by mistake.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha1::Sha1;
use sha2::Sha256;
use sha2::digest::Digest;

use super::Known;
use super::cause::{Cause, Finding};
use crate::signing::Algorithm;

/// One way to make a signature of a string.
#[derive(Debug)]
pub(super) struct Sealing<'a> {
    pub(super) secret: Cow<'a, str>,
    pub(super) how: How,
}

/// Where the secret goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Right after the string, as it should be.
    Appended,
    /// After the string and a text of the client's own.
    AppendedAfter(&'static str),
    /// Before the string.
    Prepended,
    /// As the key of an HMAC.
    Hmac,
    /// As it should be, but SHA-256 cut to the length of SHA-1.
    CutShort,
}

impl<'a> Sealing<'a> {
    pub(super) const fn right(secret: &'a str) -> Self {
        Self { secret: Cow::Borrowed(secret), how: How::Appended }
    }

    /// The bytes of the signature over `string`.
    pub(super) fn seal(&self, string: &str, algorithm: Algorithm) -> Vec<u8> {
        let secret = self.secret.as_bytes();
        let string = string.as_bytes();
        match self.how {
            How::Appended => hash(algorithm, &[string, secret]),
            How::AppendedAfter(text) => hash(algorithm, &[string, text.as_bytes(), secret]),
            How::Prepended => hash(algorithm, &[secret, string]),
            How::Hmac => hmac(algorithm, secret, string),
            How::CutShort => {
                let mut bytes = hash(Algorithm::Sha256, &[string, secret]);
                bytes.truncate(20);
                bytes
            }
        }
    }
}

fn hash(algorithm: Algorithm, pieces: &[&[u8]]) -> Vec<u8> {
    fn of<D: Digest>(pieces: &[&[u8]]) -> Vec<u8> {
        pieces.iter().fold(D::new(), Digest::chain_update).finalize().to_vec()
    }
    match algorithm {
        Algorithm::Sha1 => of::<Sha1>(pieces),
        Algorithm::Sha256 => of::<Sha256>(pieces),
    }
}

/// HMAC as RFC 2104 defines it; both hashes work on blocks of 64 bytes.
fn hmac(algorithm: Algorithm, key: &[u8], message: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 64;
    let mut block = if key.len() > BLOCK { hash(algorithm, &[key]) } else { key.to_vec() };
    block.resize(BLOCK, 0);
    let padded = |pad: u8| block.iter().map(|byte| byte ^ pad).collect::<Vec<_>>();
    let inner = hash(algorithm, &[&padded(0x36), message]);
    hash(algorithm, &[&padded(0x5c), &inner])
}

/// Every mistaken way, and what to say about it.
pub(super) fn mistakes<'a>(secret: &'a str, known: &Known<'a>) -> Vec<(Sealing<'a>, Finding)> {
    let mut ways = Vec::new();
    let mut add = |secret: Cow<'a, str>, how, finding| ways.push((Sealing { secret, how }, finding));
    for (how, finding) in placements() {
        add(Cow::Borrowed(secret), how, finding);
    }
    if let Some(api_key) = known.api_key {
        add(Cow::Borrowed(api_key), How::Appended, key_as_secret());
    }
    for wrong in wrapped(secret) {
        add(Cow::Owned(wrong), How::Appended, quoted());
    }
    for wrong in changed(secret) {
        add(Cow::Owned(wrong), How::Appended, changed_secret());
    }
    for (wrong, shown) in PLACEHOLDERS {
        add(Cow::Borrowed(wrong), How::Appended, missing(shown));
    }
    ways
}

fn placements() -> Vec<(How, Finding)> {
    let misplaced = |message: &str| {
        Finding::new(
            Cause::SecretMisplaced,
            message,
            "append the secret directly to the end of the string to sign, without a name or a separator",
        )
    };
    vec![
        (How::Prepended, misplaced("the secret stands before the string to sign")),
        (How::AppendedAfter("&"), misplaced("there is an `&` between the string to sign and the secret")),
        (How::AppendedAfter("&api_secret="), misplaced("the secret was joined as a parameter of its own")),
        (How::AppendedAfter("&secret="), misplaced("the secret was joined as a parameter of its own")),
        (How::AppendedAfter(":"), misplaced("there is a `:` between the string to sign and the secret")),
        (How::AppendedAfter(","), misplaced("there is a `,` between the string to sign and the secret")),
        (
            How::AppendedAfter("\n"),
            misplaced("there is a line break between the string to sign and the secret"),
        ),
        (
            How::Hmac,
            Finding::new(
                Cause::HmacInsteadOfHash,
                "the signature is an HMAC with the secret as key",
                "append the secret to the string to sign and hash the whole with plain SHA-1 or SHA-256",
            ),
        ),
        (
            How::CutShort,
            Finding::new(
                Cause::WrongAlgorithm,
                "the signature is a SHA-256 hash cut to the length of SHA-1",
                "send all 64 digits of SHA-256, or hash with SHA-1",
            ),
        ),
    ]
}

fn key_as_secret() -> Finding {
    Finding::new(
        Cause::KeyUsedAsSecret,
        "the signature was made with the API key in the place of the API secret",
        "sign with the API secret; the key is what is sent along as api_key",
    )
}

fn quoted() -> Finding {
    Finding::new(
        Cause::SecretQuoted,
        "the secret that signed has quotes, white space or a line break around it, or the configured one has",
        "write the secret without quotes into the environment, trim what is read from a file, and restart the process",
    )
}

fn changed_secret() -> Finding {
    Finding::new(
        Cause::SecretChanged,
        "the secret that signed lacks characters at one end, or was percent-encoded, decoded, or put into other letters on the way",
        "copy the secret again as a whole from the console, and do not URL-encode it",
    )
}

fn missing(shown: &str) -> Finding {
    Finding::new(
        Cause::SecretMissing,
        format!("the signature was made with {shown} in the place of the secret"),
        "set the variable that the signing code reads, in the process that signs, and restart it",
    )
}

const PLACEHOLDERS: [(&str, &str); 10] = [
    ("", "nothing"),
    ("undefined", "`undefined`"),
    ("null", "`null`"),
    ("None", "`None`"),
    ("nil", "`nil`"),
    ("your_api_secret", "the placeholder of the documentation"),
    ("<your_api_secret>", "the placeholder of the documentation"),
    ("YOUR_API_SECRET", "the placeholder of the documentation"),
    ("CLOUDINARY_API_SECRET", "the name of the variable"),
    ("API_SECRET", "the name of the variable"),
];

/// The secret with quotes or white space around it, and without those that it has.
fn wrapped(secret: &str) -> Vec<String> {
    let mut found: Vec<String> = [
        ("\"", "\""),
        ("'", "'"),
        ("`", "`"),
        ("", "\n"),
        ("", "\r\n"),
        ("", "\r"),
        ("", " "),
        (" ", ""),
        (" ", " "),
        ("\t", ""),
        ("", "\t"),
        ("", ";"),
        ("", "\""),
        ("\"", ""),
        ("<", ">"),
        ("\u{feff}", ""),
    ]
    .iter()
    .map(|(before, after)| format!("{before}{secret}{after}"))
    .collect();
    let bare = secret.trim().trim_matches(['"', '\'', '`']).trim();
    if bare != secret && !bare.is_empty() {
        found.push(bare.to_owned());
    }
    found
}

/// The secret with something lost or changed.
fn changed(secret: &str) -> Vec<String> {
    const MOST_LOST: usize = 4;
    let characters: Vec<char> = secret.chars().collect();
    let mut found = Vec::new();
    for lost in 1..=MOST_LOST.min(characters.len().saturating_sub(1)) {
        found.push(characters[..characters.len() - lost].iter().collect());
        found.push(characters[lost..].iter().collect());
    }
    found.push(utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string());
    found.push(percent_decode_str(secret).decode_utf8_lossy().into_owned());
    found.push(secret.to_lowercase());
    found.push(secret.to_uppercase());
    found.push(STANDARD.encode(secret));
    found.retain(|other| other != secret);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hmac_is_that_of_the_rfc() {
        let found = hmac(Algorithm::Sha256, b"key", b"The quick brown fox jumps over the lazy dog");
        assert_eq!(hex::encode(found), "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
    }
}
