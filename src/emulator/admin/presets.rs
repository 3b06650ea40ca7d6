//! `/upload_presets`: upload parameters under a name.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use rand::RngExt as _;
use serde_json::{Map, Value, json};

use super::super::attributes::{parse_metadata, parse_pairs, words};
use super::super::fields::Fields;
use super::super::presets::find;
use super::super::store::Preset;
use super::super::transformation;
use super::{Admin, AdminJson, Backend, Refusal, page, read};

type Answer = Result<AdminJson<Value>, Refusal>;

/// What a call carries that is no setting of the preset.
const NOT_SETTINGS: [&str; 5] = ["name", "unsigned", "timestamp", "api_key", "signature"];

/// Settings that answers show as lists of words.
const LISTS: [&str; 2] = ["allowed_formats", "tags"];

/// Makes a preset.
pub(in crate::emulator) async fn create_preset(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    request: Request,
) -> Answer {
    let fields = read(&backend, request).await?;
    let name = fields.get("name").map_or_else(random_name, str::to_owned);
    let preset = Preset { unsigned: fields.flag("unsigned") == Some(true), settings: settings(&fields) };
    let (cloud, kept) = (admin.cloud, name.clone());
    let outcome = backend.store.change_settings(move |all| {
        let presets = &mut all.of_mut(&cloud).presets;
        if presets.contains_key(&kept) {
            return Err(Refusal::AlreadyExists(kept));
        }
        presets.insert(kept, preset);
        Ok(())
    });
    outcome.await??;
    Ok(AdminJson::new(&backend, json!({ "message": "created", "name": name })))
}

/// Changes the settings that are given.
pub(in crate::emulator) async fn update_preset(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, name)): Path<(String, String)>,
    request: Request,
) -> Answer {
    let fields = read(&backend, request).await?;
    let (unsigned, settings) = (fields.flag("unsigned"), settings(&fields));
    let cloud = admin.cloud;
    let outcome = backend.store.change_settings(move |all| {
        let preset = all.of_mut(&cloud).presets.get_mut(&name).ok_or_else(|| not_found(&name))?;
        preset.unsigned = unsigned.unwrap_or(preset.unsigned);
        preset.settings.extend(settings);
        Ok::<_, Refusal>(())
    });
    outcome.await??;
    Ok(AdminJson::new(&backend, json!({ "message": "updated" })))
}

/// Removes a preset.
pub(in crate::emulator) async fn delete_preset(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, name)): Path<(String, String)>,
) -> Answer {
    let cloud = admin.cloud;
    let outcome = backend.store.change_settings(move |all| {
        all.of_mut(&cloud).presets.remove(&name).map(|_| ()).ok_or_else(|| not_found(&name))
    });
    outcome.await??;
    Ok(AdminJson::new(&backend, json!({ "message": "deleted" })))
}

/// One preset.
pub(in crate::emulator) async fn show_preset(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, name)): Path<(String, String)>,
) -> Answer {
    let preset = find(&backend.store, &admin.cloud, &name).ok_or_else(|| not_found(&name))?;
    Ok(AdminJson::new(&backend, shown(&name, &preset)))
}

/// A page of presets, by name.
pub(in crate::emulator) async fn list_presets(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    request: Request,
) -> Answer {
    let fields = read(&backend, request).await?;
    let presets = backend.store.settings(|all| all.of(&admin.cloud).map(|cloud| cloud.presets.clone()));
    let presets = presets.unwrap_or_default();
    let mut body = page::of_names("presets", presets.keys().cloned().collect(), &fields)?;
    let names = body["presets"].take();
    let names = names.as_array().into_iter().flatten().filter_map(Value::as_str);
    let shown = names.filter_map(|name| presets.get(name).map(|preset| shown(name, preset)));
    body["presets"] = shown.collect();
    Ok(AdminJson::new(&backend, body))
}

fn not_found(name: &str) -> Refusal {
    Refusal::CannotFind { kind: "upload preset named", name: name.to_owned() }
}

fn settings(fields: &Fields) -> BTreeMap<String, String> {
    let settings = fields.texts().filter(|(name, text)| !NOT_SETTINGS.contains(name) && !text.is_empty());
    settings.map(|(name, text)| (name.to_owned(), text)).collect()
}

/// A preset as answers show it: flags, lists, pairs and transformations are told apart.
fn shown(name: &str, preset: &Preset) -> Value {
    let settings: Map<_, _> =
        preset.settings.iter().map(|(name, text)| (name.clone(), typed(name, text))).collect();
    json!({ "name": name, "unsigned": preset.unsigned, "settings": settings })
}

fn typed(name: &str, text: &str) -> Value {
    match (name, text) {
        ("context", _) => json!(parse_pairs(text)),
        ("metadata", _) => json!(parse_metadata(text)),
        ("transformation", _) => transformation::spelled_out(text),
        (name, _) if LISTS.contains(&name) => json!(words(&text.split(',').collect::<Vec<_>>())),
        (_, "true" | "1") => Value::Bool(true),
        (_, "false" | "0") => Value::Bool(false),
        _ => text.into(),
    }
}

fn random_name() -> String {
    const LETTERS: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";
    let mut random = rand::rng();
    (0..8).map(|_| char::from(LETTERS[random.random_range(..LETTERS.len())])).collect()
}
