//! Transformations that are kept under a name, and whether those without one may be used where only known ones may.
//!
//! Nothing is transformed: a name stands for what an answer shows, and one that is not known is refused.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use super::store::{Derived, Store};
use super::transformation;

/// Longest name, in characters.
const MAX_NAME: usize = 255;

/// The transformations of one cloud, beside those that its assets were uploaded with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Transformations {
    named: BTreeMap<String, Named>,
    /// Those without a name that are allowed.
    allowed: BTreeSet<String>,
}

/// What a name stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Named {
    /// Components and, behind the last slash, a format.
    pub chain: String,
    pub is_allowed: bool,
}

impl Transformations {
    /// What `name` stands for, with or without `t_` before it.
    pub(super) fn named(&self, name: &str) -> Option<&Named> {
        self.named.get(plain(name))
    }

    /// Every name, as it is written in URLs.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.named.keys().map(|name| format!("t_{name}"))
    }

    /// Transformations without a name that were allowed.
    pub(super) fn allowed(&self) -> impl Iterator<Item = &String> {
        self.allowed.iter()
    }

    pub(super) fn create(&mut self, name: &str, chain: String) -> Result<(), Refusal> {
        if name == chain {
            self.allowed.insert(chain);
            return Ok(());
        }
        let name = plain(name);
        let is_good = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
        if name.is_empty() || name.chars().count() > MAX_NAME || !name.chars().all(is_good) {
            return Err(Refusal::IllegalValue { name: "name", value: name.to_owned() });
        }
        if self.named.contains_key(name) {
            return Err(Refusal::TransformationExists(name.to_owned()));
        }
        self.named.insert(name.to_owned(), Named { chain, is_allowed: true });
        Ok(())
    }

    /// Gives a name another meaning.
    pub(super) fn redefine(&mut self, name: &str, chain: String) -> Result<(), Refusal> {
        let refusal = || Refusal::IllegalValue { name: "unsafe_update", value: chain.clone() };
        let named = self.named.get_mut(plain(name)).ok_or_else(refusal)?;
        named.chain = chain;
        Ok(())
    }

    pub(super) fn allow(&mut self, name: &str, is_allowed: bool) {
        if let Some(named) = self.named.get_mut(plain(name)) {
            named.is_allowed = is_allowed;
        } else if is_allowed {
            self.allowed.insert(name.to_owned());
        } else {
            self.allowed.remove(name);
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.named.remove(plain(name));
        self.allowed.remove(name);
    }
}

fn plain(name: &str) -> &str {
    name.strip_prefix("t_").unwrap_or(name)
}

/// A derived asset's transformation and format as one text.
pub(super) fn text_of(derived: &Derived) -> String {
    match &derived.format {
        Some(format) => format!("{}/{format}", derived.transformation),
        None => derived.transformation.clone(),
    }
}

/// Whether a derived asset was asked for by this transformation, or by one with this name in it.
pub(super) fn is_made_by(derived: &Derived, name: &str) -> bool {
    text_of(derived) == name
        || transformation::names_in(&derived.transformation).any(|one| one == plain(name))
}

/// Refuses transformations that name what the cloud does not have.
pub(super) fn refuse_unknown<'a>(
    store: &Store,
    cloud: &str,
    mut chains: impl Iterator<Item = &'a str>,
) -> Result<(), Refusal> {
    let unknown = chains.find_map(|chain| {
        transformation::names_in(chain).find(|name| {
            let named = |all: &super::Settings| {
                all.of(cloud).is_some_and(|cloud| cloud.transformations.named(name).is_some())
            };
            !store.settings(named)
        })
    });
    match unknown {
        Some(name) => Err(Refusal::UnknownTransformation(name.to_owned())),
        None => Ok(()),
    }
}
