//! Structured metadata: typed fields that a cloud defines, and what values assets may have in them.
//!
//! ```text
//! string     a text                                          validation: strlen
//! integer    a whole number, or the text of one              greater_than, less_than
//! date       yyyy-mm-dd                                      greater_than, less_than
//! enum       the external id of one entry of the datasource
//! set        the external ids of some
//! ```
//!
//! `and` joins several validations. An empty value takes the field off an asset. An asset that is uploaded without a
//! value gets the field's default. A field that is removed takes its values along, and its external id is spent.
//!
//! Source: <https://cloudinary.com/documentation/metadata_api>.

mod datasource;
mod field;
mod validation;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::refusal::Refusal;
pub(super) use datasource::{Entry, EntryDraft, mark, put, shown as shown_entries};
pub(super) use field::{FieldDraft, MetadataField};

/// How many fields a cloud may have.
const MAX_FIELDS: usize = 100;

/// What an asset has in its fields, by external id.
pub(super) type Values = BTreeMap<String, Value>;

/// The fields of one cloud, in their order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct MetadataFields {
    fields: Vec<MetadataField>,
    /// External ids of fields that are gone; they are not given out again.
    #[serde(default)]
    spent: BTreeSet<String>,
}

impl MetadataFields {
    pub(super) fn iter(&self) -> impl Iterator<Item = &MetadataField> {
        self.fields.iter()
    }

    pub(super) fn get(&self, external_id: &str) -> Result<&MetadataField, Refusal> {
        let field = self.fields.iter().find(|field| field.external_id == external_id);
        field.ok_or_else(|| not_found(external_id))
    }

    pub(super) fn get_mut(&mut self, external_id: &str) -> Result<&mut MetadataField, Refusal> {
        let field = self.fields.iter_mut().find(|field| field.external_id == external_id);
        field.ok_or_else(|| not_found(external_id))
    }

    pub(super) fn add(&mut self, field: MetadataField) -> Result<(), Refusal> {
        let id = &field.external_id;
        if self.spent.contains(id) || self.get(id).is_ok() {
            return Err(Refusal::MetadataFieldExists(id.clone()));
        }
        if self.fields.len() == MAX_FIELDS {
            return Err(Refusal::TooManyMetadataFields(MAX_FIELDS));
        }
        self.fields.push(field);
        Ok(())
    }

    pub(super) fn remove(&mut self, external_id: &str) -> Result<(), Refusal> {
        self.get(external_id)?;
        self.fields.retain(|field| field.external_id != external_id);
        self.spent.insert(external_id.to_owned());
        Ok(())
    }

    /// Sorts by `label`, `external_id` or `created_at`.
    pub(super) fn sort(&mut self, order_by: &str, is_ascending: bool) -> Result<(), Refusal> {
        match order_by {
            "label" => self.fields.sort_by(|a, b| a.label.cmp(&b.label)),
            "external_id" => self.fields.sort_by(|a, b| a.external_id.cmp(&b.external_id)),
            "created_at" => self.fields.sort_by_key(|field| field.created_at.0),
            other => return Err(Refusal::IllegalValue { name: "order_by", value: other.to_owned() }),
        }
        if !is_ascending {
            self.fields.reverse();
        }
        Ok(())
    }

    /// The values as they are stored; `null` stands for one that is to be taken away.
    pub(super) fn check(&self, given: Values) -> Result<Values, Refusal> {
        given.into_iter().map(|(id, value)| self.check_one(id, &value)).collect()
    }

    fn check_one(&self, id: String, value: &Value) -> Result<(String, Value), Refusal> {
        // The provider's own words for a field that does not exist.
        let unknown = |_| Refusal::InvalidValue { name: "kind", value: String::new() };
        let field = self.get(&id).map_err(unknown)?;
        if is_empty(value) && !field.mandatory {
            return Ok((id, Value::Null));
        }
        match field.accept(value) {
            Some(value) => Ok((id, value)),
            None => Err(Refusal::InvalidMetadata { id, value: value.to_string() }),
        }
    }

    /// The defaults of fields that have one.
    pub(super) fn defaults(&self) -> Values {
        let defaults = self.fields.iter().filter(|field| !field.default_value.is_null());
        defaults.map(|field| (field.external_id.clone(), field.default_value.clone())).collect()
    }
}

/// Puts new values in the place of old ones, field by field.
pub(super) fn merge(values: &mut Values, new: &Values) {
    for (id, value) in new {
        match value {
            Value::Null => values.remove(id),
            value => values.insert(id.clone(), value.clone()),
        };
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn not_found(external_id: &str) -> Refusal {
    Refusal::CannotFind { kind: "metadata field with external id", name: external_id.to_owned() }
}
