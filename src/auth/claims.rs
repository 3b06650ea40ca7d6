//! What a token claims, and whether that is enough.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

use super::visible::can_be_seen;
use super::{KEY_SUBJECT_PREFIX, Scope, Subject, TokenError, TokenRules, VerifiedToken};
use crate::clock::UnixSeconds;

/// How far the issuer's clock may differ from ours, in seconds.
pub(super) const LEEWAY_SECONDS: i64 = 30;
/// The longest subject, in bytes.
const MAX_SUBJECT_BYTES: usize = 255;
/// The most scopes that are read from a token.
const MAX_SCOPES: usize = 100;

/// The claims that we know; further ones are for others.
#[derive(serde::Deserialize)]
pub(super) struct Claims<'a> {
    sub: Option<String>,
    iss: Option<String>,
    #[serde(borrow, default)]
    aud: Texts<'a>,
    exp: Option<f64>,
    nbf: Option<f64>,
    #[serde(borrow, default)]
    scope: Texts<'a>,
    #[serde(borrow, default)]
    scopes: Texts<'a>,
    #[serde(borrow, default)]
    scp: Texts<'a>,
}

/// One text or a list of them, as `aud` may be (RFC 7519 §4.1.3) and issuers write scopes.
enum Texts<'a> {
    One(Cow<'a, str>),
    Many(Vec<String>),
}

impl Claims<'_> {
    /// Holds the claims against the rules and the time.
    pub(super) fn check(self, rules: &TokenRules, now: UnixSeconds) -> Result<VerifiedToken, TokenError> {
        let expires_at = seconds(self.exp).map(|exp| exp.plus(LEEWAY_SECONDS)).ok_or(TokenError::Expired)?;
        if now >= expires_at {
            return Err(TokenError::Expired);
        }
        if self.nbf.is_some() && seconds(self.nbf).is_none_or(|nbf| now < nbf.plus(-LEEWAY_SECONDS)) {
            return Err(TokenError::NotYet);
        }
        if rules.issuer.is_some() && self.iss != rules.issuer {
            return Err(TokenError::Issuer);
        }
        if let Some(ours) = &rules.audience
            && !self.aud.contains(ours)
        {
            return Err(TokenError::Audience);
        }
        let scopes = self.scopes();
        let name = self.sub.filter(|name| (1..=MAX_SUBJECT_BYTES).contains(&name.len()));
        let name = name.filter(|name| name.chars().all(can_be_seen)).ok_or(TokenError::Subject)?;
        if name.starts_with(KEY_SUBJECT_PREFIX) {
            return Err(TokenError::ReservedSubject);
        }
        Ok(VerifiedToken { subject: Arc::new(Subject { name, scopes }), expires_at })
    }

    /// Scopes under any of their three usual names, as a list or separated by spaces.
    fn scopes(&self) -> BTreeSet<Scope> {
        let claims = [&self.scope, &self.scopes, &self.scp];
        claims
            .into_iter()
            .flat_map(Texts::words)
            .filter_map(|word| word.parse().ok())
            .take(MAX_SCOPES)
            .collect()
    }
}

impl Texts<'_> {
    fn contains(&self, wanted: &str) -> bool {
        match self {
            Self::One(text) => text == wanted,
            Self::Many(texts) => texts.iter().any(|text| text == wanted),
        }
    }

    /// The words of a text (RFC 8693 §4.2), or the members of a list as they are.
    fn words(&self) -> impl Iterator<Item = &str> {
        let (text, list) = match self {
            Self::One(text) => (Some(text), &[][..]),
            Self::Many(texts) => (None, &texts[..]),
        };
        let words = text.into_iter().flat_map(|text| text.split(' '));
        words.chain(list.iter().map(String::as_str))
    }
}

impl Default for Texts<'_> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

/// Whole seconds; `None` for what is no moment.
fn seconds(claim: Option<f64>) -> Option<UnixSeconds> {
    /// The year 33658: far beyond any token and far below where floats skip seconds.
    const LATEST: f64 = 1e12;
    let claim = claim.filter(|claim| (0.0..=LATEST).contains(claim))?;
    #[expect(clippy::cast_possible_truncation, reason = "held within range above")]
    Some(UnixSeconds(claim as i64))
}

impl<'de: 'a, 'a> Deserialize<'de> for Texts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextsVisitor;

        impl<'de> Visitor<'de> for TextsVisitor {
            type Value = Texts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Texts::default())
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Texts::One(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Texts::One(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(Texts::Many(texts))
            }
        }

        deserializer.deserialize_any(TextsVisitor)
    }
}
