//! `context`: the pairs that a profile fixes, and those that a client adds.
//!
//! ```text
//! context = pair *( "|" pair )      pair = name "=" value      `\` escapes the character that follows it
//! ```
//!
//! The provider trims names, and the last pair of a name wins. A client's pairs therefore never repeat a name that the
//! profile fixes, and never hold a backslash: it could hide such a name, or escape the separator between two pairs.

use super::{Profile, Refusal};
use crate::auth::Caller;

/// The parameter.
pub(super) const NAME: &str = "context";

/// Escapes a value so that the provider reads exactly this value; no two values are written alike.
fn escape(value: &str) -> String {
    value.replace('\\', r"\\").replace('=', r"\=").replace('|', r"\|")
}

/// The pairs of a context, as they are written.
fn split_pairs(context: &str) -> Vec<&str> {
    let mut is_escaped = false;
    let is_separator = |character| {
        let separates = character == '|' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        separates
    };
    context.split(is_separator).collect()
}

/// The pairs of `context` that are not among the `fixed` ones, which must all be there; `None` if one is missing.
pub(super) fn added_to(fixed: &[String], context: &str) -> Option<String> {
    let pairs = split_pairs(context);
    let is_fixed = |pair: &str| fixed.iter().any(|one| one == pair);
    let all_are_there = fixed.iter().all(|one| pairs.contains(&one.as_str()));
    let added: Vec<_> = pairs.into_iter().filter(|pair| !pair.is_empty() && !is_fixed(pair)).collect();
    all_are_there.then(|| added.join("|"))
}

/// Why the profiles file must not use this name, as the end of a sentence about it.
pub(super) fn wrong_with_name(name: &str) -> Option<&'static str> {
    const RESERVED: [char; 5] = ['=', '|', '&', ',', '\\'];
    if name.contains(RESERVED) || name.contains("%26") || name.chars().any(char::is_control) {
        return Some(r"must not contain `=`, `|`, `&`, `,`, `\`, `%26` or control characters");
    }
    (name.is_empty() || name != name.trim()).then_some("must not be empty, or begin or end with a space")
}

impl Profile {
    /// The pairs that the profile fixes, in the order of their names.
    pub(super) fn fixed_context(&self, caller: &Caller) -> Result<Vec<String>, Refusal> {
        let pairs = self.context.iter().map(|(name, value)| {
            let value = value.fill(caller).ok_or_else(|| self.needs_caller())?;
            Ok(format!("{name}={}", escape(&value)))
        });
        pairs.collect()
    }

    /// Refuses pairs of a client's that could change what the profile fixes.
    pub(super) fn check_added_context(&self, added: &str) -> Result<(), Refusal> {
        let refused = |rule| Err(Refusal::BreaksRule { name: NAME.to_owned(), rule });
        if added.contains('\\') {
            return refused(r"must not contain a backslash (`\`)".to_owned());
        }
        // A signature does not tell a text from a list of texts joined with commas: a pair may begin after one.
        let names = added.split(['|', ',']).filter_map(|pair| pair.split('=').next());
        match names.map(str::trim).find(|name| self.context.contains_key(*name)) {
            Some(name) => refused(format!("must not hold the key `{name}`, which the profile fixes")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_escaped_separator_does_not_split() {
        assert_eq!(split_pairs(r"a=1\|b|c=\\|d="), [r"a=1\|b", r"c=\\", "d="]);
    }

    #[test]
    fn what_is_added_stands_beside_all_that_is_fixed() {
        let fixed = ["a=1".to_owned(), r"b=x\|y".to_owned()];
        for (context, added) in [
            (r"a=1|b=x\|y", Some("")),
            (r"c=3|b=x\|y|a=1|d=4", Some("c=3|d=4")),
            (r"b=x\|y| a=1", None),
            (r"a=1|b=x|y", None),
            (r"c=\|a=1|b=x\|y", None),
            ("", None),
        ] {
            assert_eq!(added_to(&fixed, context).as_deref(), added, "{context}");
        }
    }

    proptest! {
        #[test]
        fn no_two_values_are_written_alike_or_end_a_pair(a in r"[a=|\\]{0,6}", b in r"[a=|\\]{0,6}") {
            prop_assert_eq!(a == b, escape(&a) == escape(&b));
            let (escaped, followed) = (escape(&a), format!("{}|x", escape(&a)));
            prop_assert_eq!(split_pairs(&followed), [escaped.as_str(), "x"]);
        }
    }
}
