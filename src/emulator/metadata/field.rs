//! The definition of one metadata field.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::UnixSeconds;

use super::super::refusal::Refusal;
use super::super::store::random_id;
use super::datasource::{self, Entry, EntryDraft};
use super::is_empty;
use super::validation::{Validation, parse_date};

/// Longest external id, in characters.
const MAX_EXTERNAL_ID: usize = 255;

/// What kind of values a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::emulator) enum FieldType {
    String,
    Integer,
    Date,
    Enum,
    Set,
}

impl FieldType {
    /// Whether values come out of a list.
    const fn is_list(self) -> bool {
        matches!(self, Self::Enum | Self::Set)
    }
}

/// A typed field.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::emulator) struct MetadataField {
    pub external_id: String,
    #[serde(rename = "type")]
    pub field_type: FieldType,
    pub label: String,
    pub mandatory: bool,
    /// `null` without one.
    pub default_value: Value,
    pub validation: Option<Validation>,
    pub entries: Vec<Entry>,
    pub restrictions: Restrictions,
    pub allow_dynamic_list_values: bool,
    pub created_at: UnixSeconds,
}

/// What the provider's console lets its users do.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::emulator) struct Restrictions {
    #[serde(default)]
    readonly_ui: bool,
}

/// A field as a client describes it, whole or in part.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::emulator) struct FieldDraft {
    external_id: Option<String>,
    #[serde(rename = "type")]
    field_type: Option<FieldType>,
    label: Option<String>,
    mandatory: Option<bool>,
    default_value: Option<Value>,
    default_disabled: Option<bool>,
    validation: Option<Validation>,
    datasource: Option<Datasource>,
    restrictions: Option<Restrictions>,
    allow_dynamic_list_values: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Datasource {
    values: Vec<EntryDraft>,
}

impl FieldDraft {
    /// The new field.
    pub(in crate::emulator) fn create(mut self, now: UnixSeconds) -> Result<MetadataField, Refusal> {
        let field_type = self.field_type.ok_or(Refusal::MissingParameter("type"))?;
        if self.label.is_none() {
            return Err(Refusal::MissingParameter("label"));
        }
        let external_id = self.external_id.take().filter(|id| !id.is_empty()).unwrap_or_else(random_id);
        if external_id.chars().count() > MAX_EXTERNAL_ID {
            return Err(Refusal::IllegalValue { name: "external_id", value: external_id });
        }
        if field_type.is_list() && self.datasource.is_none() {
            return Err(Refusal::MissingParameter("datasource"));
        }
        let mut field = MetadataField {
            external_id,
            field_type,
            label: String::new(),
            mandatory: false,
            default_value: Value::Null,
            validation: None,
            entries: Vec::new(),
            restrictions: Restrictions::default(),
            allow_dynamic_list_values: false,
            created_at: now,
        };
        self.change(&mut field)?;
        Ok(field)
    }

    /// Changes what is given, except for external id and type, which a field keeps for good.
    pub(in crate::emulator) fn change(self, field: &mut MetadataField) -> Result<(), Refusal> {
        if self.default_disabled == Some(true) {
            // Only a metadata rule could enable it again.
            return Err(Refusal::NotEmulated("default_disabled of a metadata field".to_owned()));
        }
        if let Some(label) = self.label {
            if label.is_empty() {
                return Err(Refusal::MissingParameter("label"));
            }
            field.label = label;
        }
        field.mandatory = self.mandatory.unwrap_or(field.mandatory);
        field.restrictions = self.restrictions.unwrap_or(field.restrictions);
        field.allow_dynamic_list_values =
            self.allow_dynamic_list_values.unwrap_or(field.allow_dynamic_list_values);
        field.validation = self.validation.or(field.validation.take());
        if let Some(Datasource { values }) = self.datasource {
            datasource::put(field.entries_mut()?, values)?;
        }
        if let Some(default_value) = self.default_value {
            field.default_value = default_value;
        }
        field.settle()
    }
}

impl MetadataField {
    /// The list of a field that has one.
    pub(in crate::emulator) fn entries_mut(&mut self) -> Result<&mut Vec<Entry>, Refusal> {
        if self.field_type.is_list() {
            return Ok(&mut self.entries);
        }
        Err(Refusal::IsInvalid("datasource".to_owned()))
    }

    /// Checks that validation and default value belong to the field.
    fn settle(&mut self) -> Result<(), Refusal> {
        if !self.validation.as_ref().is_none_or(|rule| rule.fits(self.field_type)) {
            return Err(Refusal::IsInvalid("validation".to_owned()));
        }
        if is_empty(&self.default_value) {
            self.default_value = Value::Null;
            return if self.mandatory { Err(Refusal::MissingParameter("default_value")) } else { Ok(()) };
        }
        let default_value = self.accept(&self.default_value);
        self.default_value = default_value.ok_or_else(|| Refusal::IsInvalid("default_value".to_owned()))?;
        Ok(())
    }

    /// A value as it is stored, if the field takes it.
    pub(in crate::emulator) fn accept(&self, value: &Value) -> Option<Value> {
        let value = match self.field_type {
            FieldType::String => Value::from(value.as_str().filter(|text| !text.is_empty())?),
            FieldType::Integer => {
                let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
                Value::from(number?)
            }
            FieldType::Date => parse_date(value).map(|_| value.clone())?,
            FieldType::Enum => Value::from(self.entry(value)?),
            FieldType::Set => {
                let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                let ids = items.iter().map(|item| self.entry(item)).collect::<Option<Vec<_>>>()?;
                if ids.is_empty() {
                    return None;
                }
                Value::from(ids)
            }
        };
        self.validation.as_ref().is_none_or(|rule| rule.permits(&value)).then_some(value)
    }

    /// The external id of an entry, if it is one.
    fn entry(&self, value: &Value) -> Option<&str> {
        let id = value.as_str()?;
        let entry = self.entries.iter().find(|entry| entry.external_id == id && !entry.is_removed)?;
        Some(&entry.external_id)
    }

    /// As answers show it.
    pub(in crate::emulator) fn shown(&self) -> Value {
        let mut shown = json!({
            "external_id": self.external_id, "type": self.field_type, "label": self.label,
            "mandatory": self.mandatory, "default_value": self.default_value, "default_disabled": false,
            "validation": self.validation, "restrictions": self.restrictions,
            "allow_dynamic_list_values": self.allow_dynamic_list_values,
        });
        if self.field_type.is_list() {
            shown["datasource"] = datasource::shown(&self.entries);
        }
        shown
    }
}
