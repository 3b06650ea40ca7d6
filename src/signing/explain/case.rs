//! One wrong signature: what was sent, the string that the provider made of it, and what the client says it signed.

use std::ops::Range;

use super::cause::{Cause, Finding, shown};
use super::report::{Report, is_name};
use super::search::Search;
use super::{Budget, Known, Unexplained, Unsearched, compare, search};

/// The most parameters that a search takes in.
pub(super) const MAX_SEARCHED_PARAMS: usize = 60;
/// The most bytes of a string that a search takes in.
pub(super) const MAX_SEARCHED_BYTES: usize = 16 * 1024;

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
    pub(super) fn explain(&self, known: &Known<'_>, budget: &Budget<'_>) -> Result<Finding, Unexplained> {
        if let Some(finding) = self.not_a_hash() {
            return Ok(finding);
        }
        let Some(secret) = known.secret else {
            let found = compare::difference(self).or_else(|| compare::looks(self));
            return found.map_or_else(|| self.agreeing(false), Ok);
        };
        let search = Search::new(self, secret, known, budget);
        if search.is_right() {
            return self.right_signature();
        }
        match self.search(&search) {
            Ok(Some(finding)) => Ok(finding),
            // What merely looks wrong was tried and does not give the signature.
            Ok(None) => compare::difference(self).map_or_else(|| self.agreeing(true), Ok),
            Err(unsearched) => {
                let found = compare::difference(self).or_else(|| compare::looks(self));
                found.map(|finding| finding.noting(unsearched)).ok_or(Unexplained::NotSearched(unsearched))
            }
        }
    }

    /// What the search finds, or why not everything was tried.
    fn search(&self, search: &Search<'_>) -> Result<Option<Finding>, Unsearched> {
        if self.is_too_large() {
            return Err(Unsearched::TooLarge);
        }
        match search::find(self, search) {
            Some(finding) => Ok(Some(finding)),
            None => search.unfinished().map_or(Ok(None), Err),
        }
    }

    /// Whether there is more on either side than a search takes in.
    fn is_too_large(&self) -> bool {
        let claimed = self.report.string.as_ref().map_or(0, String::len);
        !fits(self.pairs.iter().map(|(name, value)| name.len() + value.len()))
            || claimed > MAX_SEARCHED_BYTES
            || !fits(self.report.signed_params().map(|(name, value)| name.len() + value.to_string().len()))
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

/// Whether parameters of these sizes are few and short enough for a search.
pub(super) fn fits(sizes: impl IntoIterator<Item = usize>) -> bool {
    let (count, bytes) = sizes.into_iter().fold((0, 0), |(count, bytes), size| (count + 1, bytes + size + 2));
    count <= MAX_SEARCHED_PARAMS && bytes <= MAX_SEARCHED_BYTES + 2
}

/// A string to sign as names and values. It is sorted, so what looks like a name and is out of order belongs to the
/// value before it, as in `notification_url=https://x?a=1&b=2`.
pub(super) fn split(string: &str) -> Vec<(&str, &str)> {
    let mut spans: Vec<(&str, Range<usize>)> = Vec::new();
    let mut last_value = LooksLikeAUrl::default();
    let mut start = 0;
    for piece in string.split('&') {
        let end = start + piece.len();
        let name = piece.split_once('=').map(|(name, _)| name).filter(|name| is_name(name));
        let belongs_to_last =
            |name: &str| last_value.so_far() && spans.last().is_some_and(|(last, _)| name <= *last);
        match (name.filter(|name| !belongs_to_last(name)), spans.last_mut()) {
            (Some(name), _) => {
                spans.push((name, start + name.len() + 1..end));
                last_value = LooksLikeAUrl::default();
            }
            (None, Some((_, value))) => value.end = end,
            (None, None) => spans.push((piece, end..end)),
        }
        last_value.read(piece);
        start = end + 1;
    }
    spans.into_iter().map(|(name, value)| (name, &string[value])).collect()
}

/// Only an address holds an `&` of its own, in all likelihood. Read piece by piece, so that no byte is read twice.
#[derive(Debug, Default)]
struct LooksLikeAUrl {
    has_scheme: bool,
    has_query: bool,
}

impl LooksLikeAUrl {
    fn read(&mut self, piece: &str) {
        self.has_scheme |= piece.contains("://");
        self.has_query |= piece.contains('?');
    }

    const fn so_far(&self) -> bool {
        self.has_scheme && self.has_query
    }
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
