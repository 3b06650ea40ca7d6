//! `POST /v1_1/{cloud}/{resource_type}/rename`: another public id, another delivery type, or both.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use serde_json::Value;

use super::super::answer::UploadAnswer;
use super::super::notify::{Announcement, Occasion};
use super::super::store::{Outcome, Overwrite, Renamed};
use super::super::upload::checked_public_id;
use super::{Backend, Edit, Refusal};

/// Renames the asset. A name that is taken is refused unless it is to be overwritten.
pub(in crate::emulator) async fn rename(
    State(backend): State<Arc<Backend>>,
    Path(path): Path<(String, String)>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let edit = Edit::read(&backend, path, request).await?;
    let from = edit.key(edit.fields.require("from_public_id")?);
    let mut to = edit.key(&checked_public_id(edit.fields.require("to_public_id")?)?);
    if let Some(word) = edit.fields.get("to_type") {
        let refusal = || Refusal::InvalidValue { name: "to_type", value: word.to_owned() };
        let delivery_type = word.parse().ok().filter(|one: &super::DeliveryType| one.is_uploaded());
        to.delivery_type = delivery_type.ok_or_else(refusal)?;
    }
    let overwrite = match edit.fields.flag("overwrite") {
        Some(true) => Overwrite::Yes,
        Some(false) | None => Overwrite::No,
    };
    let before = backend.store.get(&from);
    let (asset, replaced) = match backend.store.rename(from.clone(), to.clone(), overwrite).await? {
        Renamed::Done { asset, replaced } => (asset, replaced),
        Renamed::NotFound => return Err(Refusal::NotFound(from.public_id)),
        Renamed::Taken => return Err(Refusal::NameIsTaken(to.public_id)),
    };
    let announce = |occasion| {
        let url = edit.fields.get("notification_url");
        backend.notifier.announce(&Announcement { access: edit.access, occasion, url });
    };
    if let Some(replaced) = &replaced {
        announce(Occasion::Delete(std::slice::from_ref(&**replaced)));
    }
    if let Some(before) = &before {
        announce(Occasion::Rename { from: before, to: &asset });
    }
    let outcome = Outcome::Created(asset);
    let answer = UploadAnswer::new(&outcome, edit.access, &backend.origin(), None);
    Ok(Json(serde_json::to_value(answer).unwrap_or_default()))
}
