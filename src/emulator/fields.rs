//! The named values of one request, from its query and its body, as clients spell them.
//!
//! ```text
//! name=value            one text; a repeated name keeps the last
//! name[]=a name[]=b     a list, in the order given        (Node, Python, PHP)
//! name[1]=b name[0]=a   a list, in the order of indices   (Go, PHP)
//! {"name":["a","b"]}    a list                            (Ruby, Python)
//! ```

use std::fmt::Write as _;

use serde_json::Value;
use url::form_urlencoded;

use crate::signing::cloudinary::NOT_SIGNED;
use crate::signing::{ParamValue, Params};

use super::refusal::Refusal;

/// How many names one request may carry.
const MAX_FIELDS: usize = 1_000;

/// How many values one list may carry.
const MAX_LIST: usize = 10_000;

/// The named values of one request.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, Field)>);

#[derive(Debug)]
enum Field {
    Text(String),
    /// Values with their places, sorted by place.
    List(Vec<(u64, String)>),
}

/// Where a name says its value goes.
enum Place<'a> {
    Whole(&'a str),
    Next(&'a str),
    At(&'a str, u64),
}

impl<'a> Place<'a> {
    fn of(name: &'a str) -> Self {
        let Some((base, index)) = name.strip_suffix(']').and_then(|open| open.rsplit_once('[')) else {
            return Self::Whole(name);
        };
        match index.parse() {
            Ok(index) => Self::At(base, index),
            Err(_) if index.is_empty() => Self::Next(base),
            Err(_) => Self::Whole(name),
        }
    }
}

impl Fields {
    /// Adds what a query or a form body says.
    pub(super) fn add_urlencoded(&mut self, text: &[u8]) -> Result<(), Refusal> {
        for (name, value) in form_urlencoded::parse(text) {
            self.add(&name, value.into_owned())?;
        }
        Ok(())
    }

    /// Adds the members of a JSON object. The Python SDK says JSON of calls without a body, too.
    pub(super) fn add_json(&mut self, text: &[u8]) -> Result<(), Refusal> {
        if text.is_empty() {
            return Ok(());
        }
        let Value::Object(members) = serde_json::from_slice(text).map_err(Refusal::Json)? else {
            return Err(Refusal::JsonIsNotAnObject);
        };
        for (name, value) in members {
            match value {
                Value::Null => {}
                Value::Array(items) => {
                    let list = format!("{name}[]");
                    for item in items {
                        self.add(&list, plain_text(item))?;
                    }
                }
                one => self.add(&name, plain_text(one))?,
            }
        }
        Ok(())
    }

    /// Adds one value under a name that may end in `[]` or `[n]`.
    pub(super) fn add(&mut self, name: &str, value: String) -> Result<(), Refusal> {
        match Place::of(name) {
            Place::Whole(base) => *self.slot(base)? = Field::Text(value),
            Place::Next(base) => self.insert(base, None, value)?,
            Place::At(base, index) => self.insert(base, Some(index), value)?,
        }
        Ok(())
    }

    fn insert(&mut self, base: &str, index: Option<u64>, value: String) -> Result<(), Refusal> {
        let slot = self.slot(base)?;
        if let Field::Text(_) = slot {
            *slot = Field::List(Vec::new());
        }
        let Field::List(items) = slot else {
            return Ok(());
        };
        if items.len() == MAX_LIST {
            return Err(Refusal::TooManyFields);
        }
        let after_last = items.last().map_or(0, |(last, _)| last.saturating_add(1));
        let index = index.unwrap_or(after_last);
        let position = items.partition_point(|(other, _)| *other <= index);
        items.insert(position, (index, value));
        Ok(())
    }

    fn slot(&mut self, name: &str) -> Result<&mut Field, Refusal> {
        let position = match self.0.iter().position(|(other, _)| other == name) {
            Some(position) => position,
            None if self.0.len() == MAX_FIELDS => return Err(Refusal::TooManyFields),
            None => {
                self.0.push((name.to_owned(), Field::Text(String::new())));
                self.0.len() - 1
            }
        };
        Ok(&mut self.0[position].1)
    }

    /// The text under `name`; an empty one counts as absent, as every SDK drops it.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|(other, field)| match field {
            Field::Text(text) if other == name && !text.is_empty() => Some(text.as_str()),
            _ => None,
        })
    }

    /// The text under `name`, or the provider's refusal.
    pub(super) fn require(&self, name: &'static str) -> Result<&str, Refusal> {
        self.get(name).ok_or(Refusal::MissingParameter(name))
    }

    /// Whether the text under `name` says yes, in the two spellings of the SDKs.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).map(|text| matches!(text, "1" | "true"))
    }

    /// The values under `name`: of a list, or of a text split at its commas.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        match self.0.iter().find(|(other, _)| other == name) {
            Some((_, Field::List(items))) => items.iter().map(|(_, item)| item.as_str()).collect(),
            Some((_, Field::Text(text))) if text.is_empty() => Vec::new(),
            Some((_, Field::Text(text))) => text.split(',').map(str::trim).collect(),
            None => Vec::new(),
        }
    }

    /// Every name given.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Puts a text in the place of what was under `name`.
    pub(super) fn put(&mut self, name: &str, text: String) {
        match self.0.iter_mut().find(|(other, _)| other == name) {
            Some((_, field)) => *field = Field::Text(text),
            None => self.0.push((name.to_owned(), Field::Text(text))),
        }
    }

    /// Every name with its value as one text, lists joined by commas.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().map(|(name, field)| (name.as_str(), field.to_value().to_string()))
    }

    /// Takes the text under `name` out.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let position = self.0.iter().position(|(other, _)| other == name)?;
        match self.0.swap_remove(position).1 {
            Field::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// Those of `names` that are given.
    pub(super) fn given(&self, names: &[&'static str]) -> Vec<&'static str> {
        let is_given = |name: &&str| self.0.iter().any(|(other, _)| other == name);
        names.iter().copied().filter(is_given).collect()
    }

    /// What the signature covers: everything received but [`NOT_SIGNED`], as it was received.
    pub(super) fn signed(&self) -> Params {
        self.0
            .iter()
            .filter(|(name, _)| !NOT_SIGNED.contains(&name.as_str()))
            .map(|(name, field)| (name.clone(), field.to_value()))
            .collect()
    }
}

impl Field {
    fn to_value(&self) -> ParamValue {
        match self {
            Self::Text(text) => text.clone().into(),
            Self::List(items) => {
                let values = items.iter().map(|(_, item)| item.clone().into());
                ParamValue::List(values.collect())
            }
        }
    }
}

/// A JSON value as a form would carry it.
fn plain_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => {
            let mut text = String::new();
            // Writing to a String cannot fail.
            let _ = write!(text, "{other}");
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(text: &str) -> Fields {
        let mut fields = Fields::default();
        fields.add_urlencoded(text.as_bytes()).unwrap();
        fields
    }

    #[test]
    fn lists_keep_the_order_given_or_the_order_of_their_indices() {
        assert_eq!(form("ids[]=b&ids[]=a").list("ids"), ["b", "a"]);
        assert_eq!(form("ids[0]=a&ids[10]=c&ids[2]=b").list("ids"), ["a", "b", "c"]);
        assert_eq!(form("ids=a,b").list("ids"), ["a", "b"]);
    }

    #[test]
    fn json_spells_lists_as_arrays_or_as_one_text_with_commas() {
        for body in [r#"{"ids":["a","b"]}"#, r#"{"ids":"a,b"}"#] {
            let mut fields = Fields::default();
            fields.add_json(body.as_bytes()).unwrap();
            assert_eq!(fields.list("ids"), ["a", "b"], "{body}");
        }
    }

    #[test]
    fn a_comma_inside_an_item_of_a_list_stays() {
        assert_eq!(form("ids[]=a,b").list("ids"), ["a,b"]);
    }

    #[test]
    fn the_last_of_two_texts_counts() {
        assert_eq!(form("a=1&a=2").get("a"), Some("2"));
    }

    #[test]
    fn what_is_not_signed_is_left_out_of_the_string() {
        let fields = form("file=x&api_key=k&signature=s&cloud_name=c&resource_type=raw&b=2&a=1");
        let names: Vec<_> = fields.signed().iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names, ["b", "a"]);
    }

    proptest! {
        #[test]
        fn no_input_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Fields::default().add_urlencoded(&body);
            let _ = Fields::default().add_json(&body);
        }

        #[test]
        fn a_list_holds_every_value_given(items in proptest::collection::vec("[a-z,]{0,8}", 1..20)) {
            let mut fields = Fields::default();
            for item in &items {
                fields.add("ids[]", item.clone()).unwrap();
            }
            prop_assert_eq!(fields.list("ids"), items);
        }
    }
}
