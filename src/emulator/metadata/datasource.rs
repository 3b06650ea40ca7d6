//! The list of values that a field of the type `enum` or `set` takes.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::refusal::Refusal;
use super::super::store::random_id;

/// How many entries a list may have.
const MAX_ENTRIES: usize = 3_000;

/// One value and the id that assets refer to it by. One that was removed can be restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::emulator) struct Entry {
    pub external_id: String,
    pub value: String,
    #[serde(default)]
    pub is_removed: bool,
}

/// An entry as a client describes it.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::emulator) struct EntryDraft {
    external_id: Option<String>,
    value: String,
}

/// What is in `entries`, as answers show it.
pub(in crate::emulator) fn shown(entries: &[Entry]) -> Value {
    let present = entries.iter().filter(|entry| !entry.is_removed);
    let present = present.map(|entry| json!({ "external_id": entry.external_id, "value": entry.value }));
    json!({ "values": present.collect::<Vec<_>>() })
}

/// Changes the entries that are named by their ids, and adds the others.
pub(in crate::emulator) fn put(entries: &mut Vec<Entry>, drafts: Vec<EntryDraft>) -> Result<(), Refusal> {
    for EntryDraft { external_id, value } in drafts {
        if value.is_empty() {
            return Err(Refusal::IllegalValue { name: "values", value });
        }
        let known = entries.iter().position(|entry| Some(&entry.external_id) == external_id.as_ref());
        match known {
            Some(place) => entries[place].value = value,
            None if entries.len() == MAX_ENTRIES => return Err(Refusal::TooManyEntries(MAX_ENTRIES)),
            None => {
                let external_id = external_id.filter(|id| !id.is_empty()).unwrap_or_else(random_id);
                entries.push(Entry { external_id, value, is_removed: false });
            }
        }
    }
    Ok(())
}

/// Removes or restores the entries with these ids; each has to exist, and one entry has to stay.
pub(in crate::emulator) fn mark(
    entries: &mut [Entry],
    external_ids: &[String],
    is_removed: bool,
) -> Result<(), Refusal> {
    if external_ids.is_empty() {
        return Err(Refusal::MissingParameter("external_ids"));
    }
    for id in external_ids {
        let refusal = || Refusal::IllegalValue { name: "external_ids", value: id.clone() };
        let entry = entries.iter_mut().find(|entry| entry.external_id == *id);
        entry.ok_or_else(refusal)?.is_removed = is_removed;
    }
    if entries.iter().all(|entry| entry.is_removed) {
        return Err(Refusal::IllegalValue { name: "external_ids", value: external_ids.join(",") });
    }
    Ok(())
}
