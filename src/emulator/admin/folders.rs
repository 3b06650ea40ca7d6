//! `/folders`: folders are where assets are, and those that were made empty.
//!
//! An asset is in its asset folder, or without one in the folders of its public id.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use serde_json::{Value, json};

use super::super::attributes::folder_path;
use super::super::store::{Asset, Description, Overwrite};
use super::super::upload::checked_public_id;
use super::{Admin, AdminJson, Backend, Refusal, page, read};

type Answer = Result<AdminJson<Value>, Refusal>;

/// The folder that an asset is in; empty for none.
pub(super) fn folder_of(asset: &Asset) -> String {
    match &asset.description.asset_folder {
        Some(folder) => folder.clone(),
        None => {
            asset.key.public_id.rsplit_once('/').map_or_else(String::new, |(folder, _)| folder.to_owned())
        }
    }
}

/// The folders at the top.
pub(in crate::emulator) async fn root_folders(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    request: Request,
) -> Answer {
    let fields = read(&backend, request).await?;
    children(&backend, &admin, "", &fields)
}

/// The folders in a folder.
pub(in crate::emulator) async fn sub_folders(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, path)): Path<(String, String)>,
    request: Request,
) -> Answer {
    let fields = read(&backend, request).await?;
    let path = folder_path(&path);
    existing(&backend, &admin, &path)?;
    children(&backend, &admin, &path, &fields)
}

/// Makes an empty folder.
pub(in crate::emulator) async fn create_folder(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, path)): Path<(String, String)>,
) -> Answer {
    let path = checked_public_id(&folder_path(&path))?;
    let (cloud, new) = (admin.cloud, path.clone());
    let outcome = backend.store.change_settings(move |all| {
        all.of_mut(&cloud).folders.insert(new);
        Ok::<_, Refusal>(())
    });
    outcome.await??;
    let body = json!({ "success": true, "path": path, "name": name_of(&path) });
    Ok(AdminJson::new(&backend, body))
}

/// Removes a folder without assets, and those below it.
pub(in crate::emulator) async fn delete_folder(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, path)): Path<(String, String)>,
) -> Answer {
    let path = folder_path(&path);
    existing(&backend, &admin, &path)?;
    if admin.assets(&backend).iter().any(|asset| is_within(&folder_of(asset), &path)) {
        return Err(Refusal::FolderNotEmpty);
    }
    let cloud = admin.cloud;
    let outcome = backend.store.change_settings(move |all| {
        let folders = &mut all.of_mut(&cloud).folders;
        let gone: Vec<_> = folders.iter().filter(|folder| is_within(folder, &path)).cloned().collect();
        folders.retain(|folder| !is_within(folder, &path));
        Ok::<_, Refusal>(gone)
    });
    let gone = outcome.await??;
    Ok(AdminJson::new(&backend, json!({ "deleted": gone })))
}

/// Gives a folder another path: assets in it move along.
pub(in crate::emulator) async fn rename_folder(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, path)): Path<(String, String)>,
    request: Request,
) -> Answer {
    let fields = read(&backend, request).await?;
    let from = folder_path(&path);
    let to = checked_public_id(&folder_path(fields.require("to_folder")?))?;
    existing(&backend, &admin, &from)?;
    if existing(&backend, &admin, &to).is_ok() || is_within(&to, &from) {
        return Err(Refusal::AlreadyExists(to));
    }
    for asset in admin.assets(&backend) {
        if is_within(&folder_of(&asset), &from) {
            move_asset(&backend, &asset, &from, &to).await?;
        }
    }
    let body = json!({
        "from": { "name": name_of(&from), "path": from }, "to": { "name": name_of(&to), "path": to },
    });
    let cloud = admin.cloud;
    let outcome = backend.store.change_settings(move |all| {
        let folders = &mut all.of_mut(&cloud).folders;
        *folders = folders.iter().map(|folder| moved(folder, &from, &to)).collect();
        Ok::<_, Refusal>(())
    });
    outcome.await??;
    Ok(AdminJson::new(&backend, body))
}

async fn move_asset(backend: &Backend, asset: &Asset, from: &str, to: &str) -> Result<(), Refusal> {
    if asset.description.asset_folder.is_none() {
        let mut key = asset.key.clone();
        key.public_id = moved(&key.public_id, from, to);
        backend.store.rename(asset.key.clone(), key, Overwrite::No).await?;
        return Ok(());
    }
    let (from, to) = (from.to_owned(), to.to_owned());
    let change = move |one: &mut Description| {
        one.asset_folder = one.asset_folder.take().map(|folder| moved(&folder, &from, &to));
    };
    backend.store.change(asset.key.clone(), change).await?;
    Ok(())
}

/// Whether `folder` is `parent` or below it; the root has everything below it.
fn is_within(folder: &str, parent: &str) -> bool {
    match folder.strip_prefix(parent) {
        Some(rest) => parent.is_empty() || rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

fn moved(path: &str, from: &str, to: &str) -> String {
    match path.strip_prefix(from) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{to}{rest}"),
        _ => path.to_owned(),
    }
}

pub(super) fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Every folder of the cloud, those above others included.
pub(super) fn all(backend: &Backend, admin: &Admin) -> BTreeSet<String> {
    let mut folders = BTreeSet::new();
    let made = backend.store.settings(|all| all.of(&admin.cloud).map(|cloud| cloud.folders.clone()));
    let used = admin.assets(backend).iter().map(|asset| folder_of(asset)).collect::<Vec<_>>();
    for folder in made.into_iter().flatten().chain(used) {
        let ends = folder.match_indices('/').map(|(end, _)| end).chain([folder.len()]);
        folders.extend(ends.map(|end| folder[..end].to_owned()).filter(|folder| !folder.is_empty()));
    }
    folders
}

fn existing(backend: &Backend, admin: &Admin, path: &str) -> Result<(), Refusal> {
    let refusal = || Refusal::CannotFind { kind: "folder with path", name: path.to_owned() };
    all(backend, admin).contains(path).then_some(()).ok_or_else(refusal)
}

fn children(backend: &Backend, admin: &Admin, parent: &str, fields: &super::Fields) -> Answer {
    let is_child = |folder: &&String| folder.rsplit_once('/').map_or("", |(above, _)| above) == parent;
    let folders: Vec<String> = all(backend, admin).iter().filter(is_child).cloned().collect();
    let count = folders.len();
    let mut body = page::of_names("folders", folders, fields)?;
    let paths = body["folders"].take();
    let paths = paths.as_array().into_iter().flatten().filter_map(Value::as_str);
    body["folders"] = paths.map(|path| json!({ "name": name_of(path), "path": path })).collect();
    body["total_count"] = count.into();
    Ok(AdminJson::new(backend, body))
}
