//! `tags`: those that a profile fixes, and those that a client adds.
//!
//! A tag that names the caller, such as `user:{sub}`, must not be forged: a client adds no other tag of that form.

use super::{Profile, Refusal};
use crate::auth::Caller;

/// The parameter.
pub(super) const NAME: &str = "tags";

/// The tags of `tags` that are not among the `fixed` ones, which must all be there; `None` if one is missing.
pub(super) fn added_to(fixed: &[String], tags: &str) -> Option<String> {
    let tags: Vec<_> = tags.split(',').filter(|tag| !tag.is_empty()).collect();
    let is_fixed = |tag: &str| fixed.iter().any(|one| one == tag.trim());
    let all_are_there = fixed.iter().all(|one| tags.iter().any(|tag| tag.trim() == one));
    let added: Vec<_> = tags.into_iter().filter(|tag| !is_fixed(tag)).collect();
    all_are_there.then(|| added.join(","))
}

impl Profile {
    /// The tags that the profile fixes.
    pub(super) fn fixed_tags(&self, caller: &Caller) -> Result<Vec<String>, Refusal> {
        self.tags.iter().map(|tag| tag.fill(caller).ok_or_else(|| self.needs_caller())).collect()
    }

    /// Refuses tags of a client's that the profile would give another caller.
    pub(super) fn check_added_tags(&self, fixed: &[String], added: &str) -> Result<(), Refusal> {
        let is_forged = |tag: &&str| {
            !fixed.iter().any(|one| one == tag) && self.tags.iter().any(|form| form.is_form_of(tag))
        };
        match added.split(',').map(str::trim).find(is_forged) {
            Some(tag) => Err(Refusal::BreaksRule {
                name: NAME.to_owned(),
                rule: format!("must not hold `{tag}`: the profile gives each caller a tag of this form"),
            }),
            None => Ok(()),
        }
    }
}
