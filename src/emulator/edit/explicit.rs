//! `POST /v1_1/{cloud}/{resource_type}/explicit`: what an upload would say, said about an asset that is there.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::super::answer::{UploadAnswer, with_note};
use super::super::attributes::Attributes;
use super::super::named::refuse_unknown;
use super::super::store::{Description, Outcome};
use super::super::upload::{announce_eager, chains_in, eager_answers, passed_over, refuse_unsupported};
use super::{Backend, Edit, Refusal};

/// Changes the asset's description and notes its transformations.
pub(in crate::emulator) async fn explicit(
    State(backend): State<Arc<Backend>>,
    Path(path): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let edit = Edit::read(&backend, path, request).await?;
    refuse_unsupported(&edit.fields)?;
    let metadata = backend.store.settings(|all| all.metadata_of(&edit.cloud));
    let attributes = Attributes::parse(&edit.fields)?.held_against(&metadata)?;
    refuse_unknown(&backend.store, &edit.cloud, chains_in(&edit.fields))?;
    let public_id = edit.fields.require("public_id")?;
    let eager = attributes.eager.clone();
    let now = backend.clock.now();
    let change = move |description: &mut Description| {
        attributes.apply(description);
        description.updated_at = Some(now);
    };
    let asset = backend.store.change(edit.key(public_id), change).await?;
    let asset = asset.ok_or_else(|| Refusal::NotFound(public_id.to_owned()))?;
    let eager = eager_answers(&asset, &eager, &backend.origin(), edit.access);
    let outcome = Outcome::Created(asset);
    let answer = UploadAnswer::new(&outcome, edit.access, &backend.origin(), None).with_eager(eager);
    let answer = serde_json::to_value(answer).unwrap_or_default();
    announce_eager(&backend, edit.access, &edit.fields, &answer);
    Ok(with_note(Json(answer), "not applied", &passed_over(&edit.fields)))
}
