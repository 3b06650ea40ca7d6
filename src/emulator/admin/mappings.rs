//! `/upload_mappings`: folders that stand for addresses of other servers.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use serde_json::{Value, json};
use url::Url;

use super::super::attributes::folder_path;
use super::super::fields::Fields;
use super::super::upload::checked_public_id;
use super::{Admin, AdminJson, Backend, Refusal, page, read};

type Answer = Result<AdminJson<Value>, Refusal>;

/// A page of mappings, by folder; or the one of a folder.
pub(in crate::emulator) async fn show_mappings(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    request: Request,
) -> Answer {
    let fields = read(&backend, request).await?;
    let mappings = backend.store.settings(|all| all.of(&admin.cloud).map(|cloud| cloud.mappings.clone()));
    let mappings = mappings.unwrap_or_default();
    let shown =
        |folder: &str| mappings.get(folder).map(|template| json!({ "folder": folder, "template": template }));
    if fields.get("folder").is_some() {
        let folder = folder_of(&fields)?;
        return Ok(AdminJson::new(&backend, shown(&folder).ok_or_else(|| not_found(&folder))?));
    }
    let mut body = page::of_names("mappings", mappings.keys().cloned().collect(), &fields)?;
    let folders = body["mappings"].take();
    body["mappings"] =
        folders.as_array().into_iter().flatten().filter_map(Value::as_str).filter_map(shown).collect();
    Ok(AdminJson::new(&backend, body))
}

/// Maps a folder.
pub(in crate::emulator) async fn create_mapping(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    request: Request,
) -> Answer {
    let fields = read(&backend, request).await?;
    let (folder, template) = (folder_of(&fields)?, template_of(&fields)?);
    change(&backend, admin, "created", move |mappings| {
        if mappings.contains_key(&folder) {
            return Err(Refusal::AlreadyExists(folder));
        }
        mappings.insert(folder, template);
        Ok(())
    })
    .await
}

/// Maps a folder to another address.
pub(in crate::emulator) async fn update_mapping(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    request: Request,
) -> Answer {
    let fields = read(&backend, request).await?;
    let (folder, template) = (folder_of(&fields)?, template_of(&fields)?);
    change(&backend, admin, "updated", move |mappings| {
        *mappings.get_mut(&folder).ok_or_else(|| not_found(&folder))? = template;
        Ok(())
    })
    .await
}

/// Takes the mapping from a folder. What was fetched stays.
pub(in crate::emulator) async fn delete_mapping(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    request: Request,
) -> Answer {
    let fields = read(&backend, request).await?;
    let folder = folder_of(&fields)?;
    change(&backend, admin, "deleted", move |mappings| {
        mappings.remove(&folder).map(|_| ()).ok_or_else(|| not_found(&folder))
    })
    .await
}

fn folder_of(fields: &Fields) -> Result<String, Refusal> {
    checked_public_id(&folder_path(fields.require("folder")?))
}

fn template_of(fields: &Fields) -> Result<String, Refusal> {
    let template = fields.require("template")?;
    let is_web = Url::parse(template).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    let refusal = || Refusal::IllegalValue { name: "template", value: template.to_owned() };
    is_web.then(|| template.to_owned()).ok_or_else(refusal)
}

fn not_found(folder: &str) -> Refusal {
    Refusal::CannotFind { kind: "upload mapping of folder", name: folder.to_owned() }
}

async fn change(
    backend: &Backend,
    admin: Admin,
    message: &str,
    change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), Refusal> + Send + 'static,
) -> Answer {
    let outcome = backend.store.change_settings(move |all| change(&mut all.of_mut(&admin.cloud).mappings));
    outcome.await??;
    Ok(AdminJson::new(backend, json!({ "message": message })))
}
