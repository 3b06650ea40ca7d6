//! Rules that a value of a metadata field has to keep.

use std::cmp::Ordering;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::field::FieldType;

/// One rule, or several that all count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(in crate::emulator) enum Validation {
    GreaterThan {
        value: Value,
        #[serde(default)]
        equals: bool,
    },
    LessThan {
        value: Value,
        #[serde(default)]
        equals: bool,
    },
    /// In characters, both ends included.
    Strlen {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<usize>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<usize>,
    },
    And {
        rules: Vec<Self>,
    },
}

impl Validation {
    /// Whether the rule can be held against values of this type.
    pub(super) fn fits(&self, field_type: FieldType) -> bool {
        match self {
            Self::GreaterThan { value, .. } | Self::LessThan { value, .. } => match field_type {
                FieldType::Integer => value.is_i64(),
                FieldType::Date => parse_date(value).is_some(),
                FieldType::String | FieldType::Enum | FieldType::Set => false,
            },
            Self::Strlen { min, max } => field_type == FieldType::String && (min.is_some() || max.is_some()),
            Self::And { rules } => !rules.is_empty() && rules.iter().all(|rule| rule.fits(field_type)),
        }
    }

    /// Whether a value, which is of the field's type, keeps the rule.
    pub(super) fn permits(&self, value: &Value) -> bool {
        match self {
            Self::GreaterThan { value: limit, equals } => {
                compare(value, limit).is_some_and(|order| order.is_gt() || (*equals && order.is_eq()))
            }
            Self::LessThan { value: limit, equals } => {
                compare(value, limit).is_some_and(|order| order.is_lt() || (*equals && order.is_eq()))
            }
            Self::Strlen { min, max } => {
                let length = value.as_str().map_or(0, |text| text.chars().count());
                min.is_none_or(|min| length >= min) && max.is_none_or(|max| length <= max)
            }
            Self::And { rules } => rules.iter().all(|rule| rule.permits(value)),
        }
    }
}

/// Numbers or dates; `None` where the two are not of one kind.
fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    match (one.as_i64(), other.as_i64()) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => Some(parse_date(one)?.cmp(&parse_date(other)?)),
    }
}

/// A day as `yyyy-mm-dd`.
pub(super) fn parse_date(value: &Value) -> Option<Date> {
    let text = value.as_str().filter(|text| text.len() == "yyyy-mm-dd".len())?;
    Date::strptime("%Y-%m-%d", text).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(text: Value) -> Validation {
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn both_ends_count_only_where_the_rule_says_so() {
        let below_five = rule(json!({"type": "less_than", "value": 5}));
        assert!(below_five.permits(&json!(4)) && !below_five.permits(&json!(5)));
        let up_to_five = rule(json!({"type": "less_than", "value": 5, "equals": true}));
        assert!(up_to_five.permits(&json!(5)) && !up_to_five.permits(&json!(6)));
        let from = rule(json!({"type": "greater_than", "value": "2024-02-28"}));
        assert!(from.permits(&json!("2024-02-29")) && !from.permits(&json!("2024-02-28")));
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        let rule = rule(json!({"type": "strlen", "min": 2, "max": 3}));
        assert!(rule.permits(&json!("äöü")) && !rule.permits(&json!("ä")) && !rule.permits(&json!("abcd")));
    }

    #[test]
    fn a_rule_belongs_to_certain_types() {
        let number = rule(json!({"type": "and", "rules": [{"type": "less_than", "value": 5}]}));
        assert!(number.fits(FieldType::Integer) && !number.fits(FieldType::Date));
        assert!(!rule(json!({"type": "and", "rules": []})).fits(FieldType::Integer));
        assert!(!rule(json!({"type": "strlen"})).fits(FieldType::String));
        assert!(!rule(json!({"type": "less_than", "value": "2024-02-30"})).fits(FieldType::Date));
    }
}
