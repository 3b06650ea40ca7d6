//! One wrong signature: what was sent, the string that the provider made of it, and what the client says it signed.

use std::ops::Range;

use super::cause::{Cause, Finding, shown};
use super::report::{Report, is_name};
use super::search::Search;
use super::{Known, Unexplained, compare, search};

/// One wrong signature.
#[derive(Debug)]
pub(super) struct Case<'a> {
    /// The signature that the client sent.
    pub(super) given: &'a str,
    /// The provider's string to sign, as version 1 spells it.
    pub(super) string: &'a str,
    /// The same as names and values.
    pub(super) pairs: Vec<(&'a str, &'a str)>,
    /// What else was pasted.
    pub(super) report: &'a Report,
    /// Whether the parameters in the report are what the client says it signed, beside what the provider received.
    pub(super) has_claim: bool,
}

impl<'a> Case<'a> {
    /// The provider refused and said what it received.
    pub(super) fn refused(given: &'a str, string: &'a str, report: &'a Report) -> Self {
        Self { given, string, pairs: split(string), report, has_claim: !report.is_empty() }
    }

    /// Only the client's side is known; `string` is what the provider would make of it.
    pub(super) fn sent(given: &'a str, string: &'a str, report: &'a Report) -> Self {
        Self { given, string, pairs: split(string), report, has_claim: false }
    }

    /// The cause: proven with the secret where there is one, by comparison otherwise.
    pub(super) fn explain(&self, known: &Known<'_>) -> Result<Finding, Unexplained> {
        if let Some(finding) = self.not_a_hash() {
            return Ok(finding);
        }
        let search = known.secret.map(|secret| Search::new(self, secret, known));
        if let Some(search) = &search {
            if search.is_right() {
                return self.right_signature();
            }
            if let Some(finding) = search::find(self, search) {
                return Ok(finding);
            }
        }
        let found = match &search {
            // What merely looks wrong was tried and does not give the signature.
            Some(_) => compare::difference(self),
            None => compare::difference(self).or_else(|| compare::looks(self)),
        };
        found.map_or_else(|| self.agreeing(search.is_some()), Ok)
    }

    /// The signature is right, whatever was said about it.
    fn right_signature(&self) -> Result<Finding, Unexplained> {
        let was_refused = self.report.refusal.is_some();
        if !was_refused {
            return Err(Unexplained::NothingWrong);
        }
        Ok(if self.given.len() == 40 {
            Finding::new(
                Cause::AlgorithmLocked,
                "the signature is right, but made with SHA-1, and this account takes SHA-256 only",
                "sign with SHA-256: signature_algorithm=sha256 in CLOUDINARY_URL or in the SDK's configuration",
            )
        } else {
            Finding::new(
                Cause::WrongSecret,
                "the signature is right for the configured secret, so the provider knows this API key with another secret",
                "copy key and secret together from one row of the console's API keys",
            )
        })
    }

    /// Both sides name the same parameters, or there is only one side.
    fn agreeing(&self, has_secret: bool) -> Result<Finding, Unexplained> {
        if has_secret {
            return Ok(Finding::new(
                Cause::WrongSecret,
                "the signature was made with another secret than the configured one: no known mistake of signing gives it",
                "compare the secret where the client signs with the console's, and restart the process that read it",
            ));
        }
        if self.has_claim {
            return Ok(Finding::new(
                Cause::WrongSecret,
                "the parameters agree in names, values and order, so the secret behind the signature is wrong, or the hash",
                "configure the API secret here as well and run this again: quotes, white space, the API key in its place and the hash are then tried",
            ));
        }
        Err(Unexplained::NothingToCompare)
    }

    /// What is sent as a signature and cannot be one.
    fn not_a_hash(&self) -> Option<Finding> {
        let is_hex = !self.given.is_empty() && self.given.bytes().all(|byte| byte.is_ascii_hexdigit());
        let hash = match self.given.len() {
            32 => "MD5",
            56 => "SHA-224",
            96 => "SHA-384",
            128 => "SHA-512",
            _ => "",
        };
        if is_hex && !hash.is_empty() {
            return Some(Finding::new(
                Cause::WrongAlgorithm,
                format!("the signature has {} digits, which is {hash}", self.given.len()),
                "hash with SHA-1 (40 digits) or SHA-256 (64)",
            ));
        }
        let placeholders =
            ["undefined", "null", "None", "nil", "NaN", "[object Object]", "[object Promise]", "signature"];
        (self.given.is_empty() || placeholders.contains(&self.given)).then(|| {
            Finding::new(
                Cause::SignatureNotComputed,
                format!("the client sent {} as signature", shown(self.given)),
                "wait for the answer of the signing route and send its `signature` as it stands",
            )
        })
    }
}

/// A string to sign as names and values. It is sorted, so what looks like a name and is out of order belongs to the
/// value before it, as in `notification_url=https://x?a=1&b=2`.
pub(super) fn split(string: &str) -> Vec<(&str, &str)> {
    let mut spans: Vec<(&str, Range<usize>)> = Vec::new();
    let mut start = 0;
    for piece in string.split('&') {
        let end = start + piece.len();
        let name = piece.split_once('=').map(|(name, _)| name).filter(|name| is_name(name));
        let belongs_to_last = |name: &str| {
            spans
                .last()
                .is_some_and(|(last, value)| name <= *last && looks_like_a_url(&string[value.clone()]))
        };
        match (name.filter(|name| !belongs_to_last(name)), spans.last_mut()) {
            (Some(name), _) => spans.push((name, start + name.len() + 1..end)),
            (None, Some((_, value))) => value.end = end,
            (None, None) => spans.push((piece, end..end)),
        }
        start = end + 1;
    }
    spans.into_iter().map(|(name, value)| (name, &string[value])).collect()
}

/// Only an address holds an `&` of its own, in all likelihood.
fn looks_like_a_url(value: &str) -> bool {
    value.contains("://") && value.contains('?')
}

/// The string to sign of these pairs, in their order.
pub(super) fn join<'b>(pairs: impl IntoIterator<Item = (&'b str, &'b str)>) -> String {
    let mut string = String::new();
    for (name, value) in pairs {
        if !string.is_empty() {
            string.push('&');
        }
        string.push_str(name);
        string.push('=');
        string.push_str(value);
    }
    string
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ampersand_inside_an_address_belongs_to_it() {
        let string = "notification_url=https://x?a=1&b=2&timestamp=3";
        assert_eq!(split(string), [("notification_url", "https://x?a=1&b=2"), ("timestamp", "3")]);
        assert_eq!(join(split(string)), string);
        assert_eq!(split("timestamp=1&folder=a"), [("timestamp", "1"), ("folder", "a")]);
        assert_eq!(split("caption=a & b&timestamp=1"), [("caption", "a & b"), ("timestamp", "1")]);
    }
}
