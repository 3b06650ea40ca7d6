//! How uploads get their names: the flags that decide it, and `overwrite` where two uploads may get one name.

use toml::Value;

use super::{ProfileText, Reading};
use crate::profiles::Fixed;

/// Parameters in `params` that are either true or false, and decide whether an upload can replace another.
const FLAGS: [&str; 3] = ["overwrite", "unique_filename", "use_filename"];

impl Reading<'_> {
    /// The value of `params.NAME` as a flag; `None` if it is not one of those read here.
    pub(super) fn naming_flag(&mut self, name: &str, value: &Value) -> Option<Fixed> {
        if !FLAGS.contains(&name) {
            return None;
        }
        let flag = as_flag(value);
        if flag.is_none() {
            self.wrong(&format!("params.{name}"), "must be true or false");
        }
        Some(Fixed::Flag(flag.unwrap_or_default()))
    }
}

/// `overwrite=false` where names are not unique and the profile does not say whether files may be replaced: a file would
/// replace another one that has its name.
pub(super) fn overwrite(text: &ProfileText) -> Option<(String, Fixed)> {
    let is_unique = text.params.get("unique_filename").and_then(as_flag) != Some(false);
    let is_configured = text.params.contains_key("overwrite");
    (!is_unique && !is_configured).then(|| ("overwrite".to_owned(), Fixed::Flag(false)))
}

/// The provider takes both spellings of a flag.
fn as_flag(value: &Value) -> Option<bool> {
    match value {
        Value::Boolean(flag) => Some(*flag),
        Value::Integer(1) => Some(true),
        Value::Integer(0) => Some(false),
        Value::String(text) if matches!(text.as_str(), "true" | "1") => Some(true),
        Value::String(text) if matches!(text.as_str(), "false" | "0") => Some(false),
        _ => None,
    }
}
