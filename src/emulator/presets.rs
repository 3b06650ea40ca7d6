//! Upload presets at work: what they add to an upload, and what an upload without a signature may say.
//!
//! In a signed upload the call's own parameters win over the preset's; in an unsigned one the preset's win, but tags,
//! context and metadata of both count.

use super::fields::Fields;
use super::refusal::{Refusal, UNSIGNED_PARAMETERS};
use super::store::{Preset, Store};
use super::verify::Proof;

/// What every call carries beside its parameters.
const ENVELOPE: [&str; 7] =
    ["api_key", "cloud_name", "file", "resource_type", "return_error", "signature", "timestamp"];

/// Parameters of which an unsigned upload may have some and its preset others.
const JOINED: [(&str, &str); 3] = [("tags", ","), ("context", "|"), ("metadata", "|")];

/// Adds to the parameters what the preset says that they name.
pub(super) fn apply(store: &Store, cloud: &str, proof: Proof, fields: &mut Fields) -> Result<(), Refusal> {
    let Some(name) = fields.get("upload_preset") else {
        return Ok(());
    };
    let preset = find(store, cloud, name).ok_or(Refusal::PresetNotFound)?;
    match proof {
        Proof::Signed => add_missing(&preset, fields),
        Proof::Unsigned if !preset.unsigned => return Err(Refusal::PresetIsSigned),
        Proof::Unsigned => {
            check_unsigned(fields)?;
            overrule(&preset, fields);
        }
    }
    Ok(())
}

/// The preset of this name.
pub(super) fn find(store: &Store, cloud: &str, name: &str) -> Option<Preset> {
    store.settings(|settings| settings.of(cloud).and_then(|cloud| cloud.presets.get(name).cloned()))
}

/// Refuses what only a signature allows.
fn check_unsigned(fields: &Fields) -> Result<(), Refusal> {
    let is_allowed = |name: &&str| {
        ENVELOPE.contains(name) || UNSIGNED_PARAMETERS.split(',').any(|allowed| allowed == *name)
    };
    match fields.names().find(|name| !is_allowed(name)) {
        Some(name) => Err(Refusal::NotInUnsignedUploads(humanised(name))),
        None => Ok(()),
    }
}

fn add_missing(preset: &Preset, fields: &mut Fields) {
    for (name, value) in &preset.settings {
        if fields.names().all(|given| given != name) {
            fields.put(name, value.clone());
        }
    }
}

fn overrule(preset: &Preset, fields: &mut Fields) {
    for (name, value) in &preset.settings {
        let separator = JOINED.iter().find(|(joined, _)| joined == name).map(|(_, separator)| separator);
        let value = match (separator, fields.texts().find(|(given, _)| given == name)) {
            (Some(separator), Some((_, given))) if !given.is_empty() => format!("{value}{separator}{given}"),
            _ => value.clone(),
        };
        fields.put(name, value);
    }
    // What anybody may upload must not replace what somebody has uploaded.
    fields.put("overwrite", "false".to_owned());
}

/// `return_delete_token` as `Return delete token`.
fn humanised(name: &str) -> String {
    let mut words = name.replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}
