//! The search with the secret: strings that clients sign by mistake, until one gives the signature that was sent.

use std::cell::Cell;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

use super::Known;
use super::case::{Case, join};
use super::cause::{Cause, Finding};
use super::sealing::{Sealing, mistakes};
use super::steps::{self, STEPS};
use crate::signing::Algorithm;

/// The most bytes that one search hashes, which bounds its time to about a second.
const MOST_BYTES: u64 = 128 * 1024 * 1024;

/// One search.
#[derive(Debug)]
pub(super) struct Search<'a> {
    signature: Vec<u8>,
    algorithm: Algorithm,
    /// How the signature is spelled, unless it is spelled right.
    encoding: Option<&'static str>,
    secret: &'a str,
    known: &'a Known<'a>,
    /// The provider's string as it should have been signed: version 1, and version 2 where that is another.
    strings: Vec<String>,
    bytes_left: Cell<u64>,
}

impl<'a> Search<'a> {
    pub(super) fn new(case: &Case<'_>, secret: &'a SecretString, known: &'a Known<'a>) -> Self {
        let (signature, encoding) = decode(case.given);
        let escaped = case.pairs.iter().map(|(name, value)| (*name, value.replace('&', "%26")));
        let escaped: Vec<_> = escaped.collect();
        let version_2 = join(escaped.iter().map(|(name, value)| (*name, value.as_str())));
        let mut strings = vec![case.string.to_owned()];
        strings.extend((version_2 != case.string).then_some(version_2));
        Self {
            algorithm: if signature.len() == 32 { Algorithm::Sha256 } else { Algorithm::Sha1 },
            signature,
            encoding,
            secret: secret.expose_secret(),
            known,
            strings,
            bytes_left: Cell::new(MOST_BYTES),
        }
    }

    /// Whether the signature is what the configured secret gives for the provider's string.
    pub(super) fn is_right(&self) -> bool {
        self.encoding.is_none() && self.gives_any(&Sealing::right(self.secret))
    }

    fn gives_any(&self, sealing: &Sealing<'_>) -> bool {
        self.strings.iter().any(|string| self.gives(sealing, string))
    }

    /// Whether `string`, sealed so, gives the signature that was sent.
    fn gives(&self, sealing: &Sealing<'_>, string: &str) -> bool {
        const OVERHEAD: u64 = 128;
        let Some(left) = self.bytes_left.get().checked_sub(string.len() as u64 + OVERHEAD) else {
            return false;
        };
        self.bytes_left.set(left);
        sealing.seal(string, self.algorithm) == self.signature
    }
}

/// The cause, proven.
pub(super) fn find(case: &Case<'_>, search: &Search<'_>) -> Option<Finding> {
    let right = Sealing::right(search.secret);
    if let Some(encoding) = search.encoding.filter(|_| search.gives_any(&right)) {
        return Some(wrong_encoding(encoding));
    }
    let found = wrong_string(case, search, &right);
    if found.is_some() {
        return found;
    }
    let mistakes = mistakes(search.secret, search.known);
    if let Some((_, finding)) = mistakes.iter().find(|(sealing, _)| search.gives_any(sealing)) {
        return Some(finding.clone());
    }
    let inside = |string: &str| search.gives(&Sealing::right(""), string);
    if let Some(finding) = steps::secret_inside(case, search.secret, &inside) {
        return Some(finding);
    }
    mistakes.iter().find_map(|(sealing, finding)| {
        wrong_string(case, search, sealing).map(|other| finding.clone().and(&other))
    })
}

/// The right secret in the right place over a wrong string.
fn wrong_string(case: &Case<'_>, search: &Search<'_>, sealing: &Sealing<'_>) -> Option<Finding> {
    let gives = |string: &str| search.gives(sealing, string);
    STEPS.iter().find_map(|step| step(case, search.known, &gives))
}

fn wrong_encoding(encoding: &str) -> Finding {
    Finding::new(
        Cause::SignatureEncoding,
        format!("the signature is right, but spelled in {encoding}"),
        "send the hash in lower-case hexadecimal",
    )
}

/// The bytes of a signature, however it is spelled.
fn decode(given: &str) -> (Vec<u8>, Option<&'static str>) {
    if let Ok(bytes) = hex::decode(given) {
        let is_upper = given.bytes().any(|byte| byte.is_ascii_uppercase());
        return (bytes, is_upper.then_some("upper-case hexadecimal"));
    }
    for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
        if let Ok(bytes) = engine.decode(given) {
            return (bytes, Some("Base64"));
        }
    }
    (Vec::new(), None)
}
