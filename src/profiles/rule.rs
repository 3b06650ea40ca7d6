//! What a client may put into a parameter that a profile opens.

use regex::Regex;
use serde::Deserialize;

/// The longest value of any parameter that a client chooses, in characters.
const MAX_CHARACTERS: usize = 2_000;

/// One opened parameter's rule. Without any key it takes any value that is no attempt at smuggling.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleText {
    max_length: Option<usize>,
    pattern: Option<String>,
    one_of: Option<Vec<String>>,
}

/// The same, ready to use.
#[derive(Clone, Debug)]
pub struct ParamRule {
    max_characters: usize,
    pattern: Option<Regex>,
    one_of: Option<Vec<String>>,
}

impl ParamRule {
    /// Compiles the rule; the error is the pattern's.
    pub(super) fn compile(text: RuleText) -> Result<Self, regex::Error> {
        Ok(Self {
            max_characters: text.max_length.unwrap_or(MAX_CHARACTERS).min(MAX_CHARACTERS),
            pattern: text.pattern.as_deref().map(Regex::new).transpose()?,
            one_of: text.one_of,
        })
    }

    /// Why `value` is not allowed, as the end of a sentence that begins with the parameter's name.
    pub(super) fn broken_by(&self, value: &str) -> Option<String> {
        if value.chars().any(char::is_control) {
            return Some("must not contain control characters".to_owned());
        }
        // Signature version 1 signs `&` as it stands and version 2 signs it like `%26`: neither tells the two apart.
        if value.contains('&') || value.contains("%26") {
            return Some("must not contain `&` or `%26`".to_owned());
        }
        let characters = value.chars().count();
        if characters > self.max_characters {
            return Some(format!("must have at most {} characters, not {characters}", self.max_characters));
        }
        if self.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(value)) {
            return Some("does not match the profile's pattern".to_owned());
        }
        match &self.one_of {
            Some(values) if !values.iter().any(|allowed| allowed == value) => {
                Some(format!("must be one of {}", values.join(", ")))
            }
            _ => None,
        }
    }
}
