//! Items of a list that break rules, each named by its index.

use std::fmt::{self, Display};

use serde::Serialize;

/// One item of a list that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InvalidItem {
    /// Its place in the list, from 0.
    pub index: usize,
    /// Which field of it, unless the whole item is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
    /// The rule it breaks.
    pub message: String,
}

impl InvalidItem {
    /// The most items that the message spells out; all of them are in `errors`.
    const MOST_SPELLED_OUT: usize = 10;

    pub(super) fn sentence(items: &[Self]) -> String {
        let spelled = items.iter().take(Self::MOST_SPELLED_OUT);
        let mut parts: Vec<_> = spelled.map(ToString::to_string).collect();
        if items.len() > Self::MOST_SPELLED_OUT {
            let rest: Vec<_> =
                items[Self::MOST_SPELLED_OUT..].iter().map(|item| item.index.to_string()).collect();
            parts.push(format!("and the items {}", rest.join(", ")));
        }
        parts.join("; ")
    }
}

impl Display for InvalidItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            Some(field) => write!(f, "urls[{}].{field} {}", self.index, self.message),
            None => write!(f, "urls[{}] {}", self.index, self.message),
        }
    }
}
