//! `/metadata_fields`: the fields of structured metadata, and the lists of values that some of them have.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::metadata::{
    Entry, EntryDraft, FieldDraft, MetadataField, MetadataFields, mark, put, shown_entries,
};
use super::super::store::Description;
use super::{Admin, AdminJson, Backend, Refusal, read_json};

type Answer = Result<AdminJson<Value>, Refusal>;

/// In which order things are to be.
#[derive(Debug, Deserialize)]
struct Order {
    order_by: String,
    direction: Option<String>,
}

impl Order {
    /// Ascending unless the client says otherwise.
    fn is_ascending(&self) -> Result<bool, Refusal> {
        match self.direction.as_deref() {
            None | Some("asc") => Ok(true),
            Some("desc") => Ok(false),
            Some(other) => Err(Refusal::IllegalValue { name: "direction", value: other.to_owned() }),
        }
    }
}

#[derive(Debug, Deserialize)]
struct EntryIds {
    external_ids: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct EntryDrafts {
    values: Vec<EntryDraft>,
}

/// Every field, in order.
pub(in crate::emulator) async fn list_fields(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
) -> AdminJson<Value> {
    let shown = look(&backend, &admin, |fields| fields.iter().map(MetadataField::shown).collect::<Vec<_>>());
    AdminJson::new(&backend, json!({ "metadata_fields": shown }))
}

/// One field.
pub(in crate::emulator) async fn show_field(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, id)): Path<(String, String)>,
) -> Answer {
    let shown = look(&backend, &admin, |fields| fields.get(&id).map(MetadataField::shown))?;
    Ok(AdminJson::new(&backend, shown))
}

/// Defines a field.
pub(in crate::emulator) async fn create_field(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    request: Request,
) -> Answer {
    let draft: FieldDraft = read_json(request).await?;
    let field = draft.create(backend.clock.now())?;
    let shown = field.shown();
    change(&backend, admin, move |fields| fields.add(field).map(|()| shown)).await
}

/// Changes what is given of a field.
pub(in crate::emulator) async fn update_field(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, id)): Path<(String, String)>,
    request: Request,
) -> Answer {
    let draft: FieldDraft = read_json(request).await?;
    let update = move |fields: &mut MetadataFields| {
        let field = fields.get_mut(&id)?;
        draft.change(field)?;
        Ok(field.shown())
    };
    change(&backend, admin, update).await
}

/// Removes a field, and what assets have in it.
pub(in crate::emulator) async fn delete_field(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, id)): Path<(String, String)>,
) -> Answer {
    let assets = admin.assets(&backend);
    let gone = id.clone();
    let answer =
        change(&backend, admin, move |fields| fields.remove(&gone).map(|()| json!({ "message": "ok" })))
            .await?;
    for asset in assets.iter().filter(|asset| asset.description.metadata.contains_key(&id)) {
        let id = id.clone();
        let forget = move |one: &mut Description| drop(one.metadata.remove(&id));
        backend.store.change(asset.key.clone(), forget).await?;
    }
    Ok(answer)
}

/// Sorts the fields.
pub(in crate::emulator) async fn order_fields(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    request: Request,
) -> Answer {
    let order: Order = read_json(request).await?;
    let is_ascending = order.is_ascending()?;
    let sort = move |fields: &mut MetadataFields| {
        fields.sort(&order.order_by, is_ascending)?;
        Ok(json!({ "metadata_fields": fields.iter().map(MetadataField::shown).collect::<Vec<_>>() }))
    };
    change(&backend, admin, sort).await
}

/// Changes entries of a field's list, and adds some.
pub(in crate::emulator) async fn update_entries(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, id)): Path<(String, String)>,
    request: Request,
) -> Answer {
    let EntryDrafts { values } = read_json(request).await?;
    change_entries(&backend, admin, id, move |entries| put(entries, values)).await
}

/// Removes entries of a field's list.
pub(in crate::emulator) async fn delete_entries(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, id)): Path<(String, String)>,
    request: Request,
) -> Answer {
    let EntryIds { external_ids } = read_json(request).await?;
    change_entries(&backend, admin, id, move |entries| mark(entries, &external_ids, true)).await
}

/// Puts entries back that were removed.
pub(in crate::emulator) async fn restore_entries(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, id)): Path<(String, String)>,
    request: Request,
) -> Answer {
    let EntryIds { external_ids } = read_json(request).await?;
    change_entries(&backend, admin, id, move |entries| mark(entries, &external_ids, false)).await
}

/// Sorts a field's list by value, the only order there is.
pub(in crate::emulator) async fn order_entries(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, id)): Path<(String, String)>,
    request: Request,
) -> Answer {
    let order: Order = read_json(request).await?;
    let is_ascending = order.is_ascending()?;
    if order.order_by != "value" {
        return Err(Refusal::IllegalValue { name: "order_by", value: order.order_by });
    }
    let sort = move |entries: &mut Vec<Entry>| {
        entries.sort_by(|a, b| if is_ascending { a.value.cmp(&b.value) } else { b.value.cmp(&a.value) });
        Ok(())
    };
    change_entries(&backend, admin, id, sort).await
}

fn look<T>(backend: &Backend, admin: &Admin, look: impl FnOnce(&MetadataFields) -> T) -> T {
    let none = MetadataFields::default();
    backend.store.settings(|all| look(all.of(&admin.cloud).map_or(&none, |cloud| &cloud.metadata)))
}

async fn change(
    backend: &Backend,
    admin: Admin,
    change: impl FnOnce(&mut MetadataFields) -> Result<Value, Refusal> + Send + 'static,
) -> Answer {
    let outcome = backend.store.change_settings(move |all| change(&mut all.of_mut(&admin.cloud).metadata));
    Ok(AdminJson::new(backend, outcome.await??))
}

async fn change_entries(
    backend: &Backend,
    admin: Admin,
    id: String,
    edit: impl FnOnce(&mut Vec<Entry>) -> Result<(), Refusal> + Send + 'static,
) -> Answer {
    let edit = move |fields: &mut MetadataFields| {
        let entries = fields.get_mut(&id)?.entries_mut()?;
        edit(entries)?;
        Ok(shown_entries(entries))
    };
    change(backend, admin, edit).await
}
