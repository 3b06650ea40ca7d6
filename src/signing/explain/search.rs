//! The search with the secret: strings that clients sign by mistake, until one gives the signature that was sent.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

use super::budget::Spent;
use super::case::{Case, join};
use super::cause::{Cause, Finding};
use super::sealing::{How, Sealing, mistakes};
use super::steps::{self, STEPS};
use super::{Budget, Known, Unsearched};
use crate::signing::Algorithm;

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
    budget: &'a Budget<'a>,
}

/// Tries strings with one way of making a signature of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial<'a> {
    search: &'a Search<'a>,
    sealing: &'a Sealing<'a>,
}

impl Trial<'_> {
    /// Whether the string that `build` makes gives the signature that was sent. Once the budget is spent nothing is
    /// built any more, and the answer is no.
    pub(super) fn matches<S: AsRef<str>>(&self, build: impl FnOnce() -> S) -> bool {
        if self.is_over() {
            return false;
        }
        let string = build();
        let string = string.as_ref();
        self.search.budget.charge(string.len());
        self.sealing.seal(string, self.search.algorithm) == self.search.signature
    }

    /// Whether the signature is made as it should be, and only the string may be wrong.
    pub(super) fn is_the_right_way(&self) -> bool {
        self.sealing.how == How::Appended && self.sealing.secret == self.search.secret
    }

    /// Whether there is no point in trying anything more.
    pub(super) fn is_over(&self) -> bool {
        self.search.budget.spent().is_some()
    }
}

impl<'a> Search<'a> {
    pub(super) fn new(
        case: &Case<'_>,
        secret: &'a SecretString,
        known: &'a Known<'a>,
        budget: &'a Budget<'a>,
    ) -> Self {
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
            budget,
        }
    }

    /// Whether the signature is what the configured secret gives for the provider's string.
    pub(super) fn is_right(&self) -> bool {
        self.encoding.is_none() && self.gives_any(&Sealing::right(self.secret))
    }

    /// Why not everything was tried, if that is so.
    pub(super) fn unfinished(&self) -> Option<Unsearched> {
        self.budget.spent().map(|spent| match spent {
            Spent::Limit => Unsearched::OutOfTime,
            Spent::Cancelled => Unsearched::Cancelled,
        })
    }

    fn gives_any(&self, sealing: &Sealing<'_>) -> bool {
        let trial = Trial { search: self, sealing };
        self.strings.iter().any(|string| trial.matches(|| string))
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
    let inside = Trial { search, sealing: &Sealing::right("") };
    if let Some(finding) = steps::secret_inside(case, search.secret, inside) {
        return Some(finding);
    }
    mistakes.iter().find_map(|(sealing, finding)| {
        wrong_string(case, search, sealing).map(|other| finding.clone().and(&other))
    })
}

/// The right secret in the right place over a wrong string.
fn wrong_string(case: &Case<'_>, search: &Search<'_>, sealing: &Sealing<'_>) -> Option<Finding> {
    let trial = Trial { search, sealing };
    STEPS.iter().find_map(|step| step(case, search.known, trial))
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
