//! The parameters of one call, in the order in which they were given.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

/// One parameter's value, as JSON spells it and as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "must be a text, a number, true, false, or a list of these")]
pub enum ParamValue {
    /// Sent as `true` or `false`.
    Bool(bool),
    /// Sent in decimal.
    Number(serde_json::Number),
    /// Sent as it stands.
    Text(Cow<'static, str>),
    /// Sent as repeated fields, signed joined with commas.
    List(Vec<ParamValue>),
}

impl fmt::Display for ParamValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Text(value) => f.write_str(value),
            Self::List(values) => {
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        f.write_char(',')?;
                    }
                    value.fmt(f)?;
                }
                Ok(())
            }
        }
    }
}

impl ParamValue {
    /// Whether the value has no text at all; such a parameter is neither sent nor signed.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Bool(_) | Self::Number(_) => false,
            Self::Text(value) => value.is_empty(),
            Self::List(values) => match values.as_slice() {
                [] => true,
                [only] => only.is_empty(),
                _ => false,
            },
        }
    }
}

impl From<bool> for ParamValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for ParamValue {
    fn from(value: i64) -> Self {
        Self::Number(value.into())
    }
}

impl From<&'static str> for ParamValue {
    fn from(value: &'static str) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl From<String> for ParamValue {
    fn from(value: String) -> Self {
        Self::Text(Cow::Owned(value))
    }
}

/// The parameters of one call. Serialises as a JSON object in the order of insertion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(Cow<'static, str>, ParamValue)>);

impl Params {
    /// No parameters, with room for `capacity`.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// Adds a parameter at the end; a name that is already there is added again.
    pub fn push(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<ParamValue>) {
        self.0.push((name.into(), value.into()));
    }

    /// The first value under `name`.
    pub fn get(&self, name: &str) -> Option<&ParamValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Names and values in the order of insertion.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &ParamValue)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }
}

impl<K: Into<Cow<'static, str>>, V: Into<ParamValue>> FromIterator<(K, V)> for Params {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl Serialize for Params {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
