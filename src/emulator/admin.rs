//! The Admin API: HTTP Basic, `ping`, and deletion by public ids.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Path, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::clock::UnixSeconds;

use super::Backend;
use super::accounts::Stranger;
use super::fields::Fields;
use super::form::Form;
use super::refusal::Refusal;
use super::store::AssetKey;
use super::verify::credentials;

/// How many public ids one deletion may name.
const MAX_IDS: usize = 100;

/// The rate limit that the headers tell of: the provider's free plan. Nothing is counted; faults play the limit.
const CALLS_PER_HOUR: u32 = 500;

/// Proof that a request carries key and secret of the cloud in its path.
pub(super) struct Admin {
    cloud: String,
}

impl FromRequestParts<Arc<Backend>> for Admin {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, backend: &Arc<Backend>) -> Result<Self, Refusal> {
        let credentials = credentials(&parts.headers).ok_or(Refusal::AuthorizationRequired)??;
        let path = RawPathParams::from_request_parts(parts, backend).await;
        let cloud = path.ok().and_then(|params| {
            let cloud = params.iter().find(|(name, _)| *name == "cloud");
            cloud.map(|(_, cloud)| cloud.to_owned())
        });
        let cloud = cloud.unwrap_or_default();
        let account = match backend.accounts.find(&cloud, &credentials.key) {
            Ok(account) => account,
            Err(Stranger::Key) => return Err(Refusal::AdminUnknownApiKey),
            Err(Stranger::Cloud | Stranger::Pair) => return Err(Refusal::CloudMismatch),
        };
        if !account.has_secret(credentials.secret.expose_secret()) {
            return Err(Refusal::SecretMismatch);
        }
        Ok(Self { cloud })
    }
}

/// A successful answer, with the rate limit headers that every one of them carries.
pub(super) struct AdminJson<T> {
    body: T,
    now: UnixSeconds,
}

impl<T: Serialize> IntoResponse for AdminJson<T> {
    fn into_response(self) -> Response {
        let next_hour = u64::try_from(self.now.0).unwrap_or(0) / 3_600 * 3_600 + 3_600;
        let reset = std::time::UNIX_EPOCH + std::time::Duration::from_secs(next_hour);
        let headers = [
            ("x-featureratelimit-limit", CALLS_PER_HOUR.to_string()),
            ("x-featureratelimit-remaining", (CALLS_PER_HOUR - 1).to_string()),
            ("x-featureratelimit-reset", httpdate::fmt_http_date(reset)),
        ];
        (headers, Json(self.body)).into_response()
    }
}

/// Says that the credentials are good.
pub(super) async fn ping(State(backend): State<Arc<Backend>>, _: Admin) -> AdminJson<Value> {
    AdminJson { body: json!({ "status": "ok" }), now: backend.clock.now() }
}

/// Deletes up to a hundred assets of one resource type and delivery type.
pub(super) async fn delete_resources(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, resource_type, delivery_type)): Path<(String, String, String)>,
    request: Request,
) -> Result<AdminJson<DeletionAnswer>, Refusal> {
    let not_emulated = || Refusal::NotEmulated(format!("DELETE resources/{resource_type}"));
    let resource_type = resource_type.parse().ok().ok_or_else(not_emulated)?;
    let delivery_type = delivery_type.parse().ok().ok_or_else(not_emulated)?;
    let form = Form::read(&backend, request).await?;
    let mut outcomes = Vec::new();
    for public_id in selected_ids(&form.fields)? {
        let key = AssetKey {
            cloud: admin.cloud.clone(),
            resource_type,
            delivery_type,
            public_id: public_id.clone(),
        };
        let was_there = backend.store.remove(key).await?.is_some();
        outcomes.push((public_id, was_there));
    }
    Ok(AdminJson { body: DeletionAnswer::of(outcomes), now: backend.clock.now() })
}

/// The public ids to delete, each once.
fn selected_ids(fields: &Fields) -> Result<Vec<String>, Refusal> {
    let others = ["prefix", "all", "keep_original", "transformations", "next_cursor"];
    if let Some(other) = fields.given(&others).first() {
        return Err(Refusal::NotEmulated(format!("deletion with {other}")));
    }
    let mut ids: Vec<String> = Vec::new();
    for id in fields.list("public_ids") {
        if !id.is_empty() && !ids.iter().any(|known| known == id) {
            ids.push(id.to_owned());
        }
    }
    match ids.len() {
        0 => Err(Refusal::MissingParameter("public_ids")),
        count if count > MAX_IDS => Err(Refusal::TooManyIds(MAX_IDS)),
        _ => Ok(ids),
    }
}

/// What became of each public id.
#[derive(Debug, Serialize)]
pub(super) struct DeletionAnswer {
    deleted: InOrder<&'static str>,
    deleted_counts: InOrder<Counts>,
    partial: bool,
}

#[derive(Debug, Serialize)]
struct Counts {
    original: u8,
    derived: u8,
}

impl DeletionAnswer {
    fn of(outcomes: Vec<(String, bool)>) -> Self {
        let counts = outcomes.iter().map(|(id, was_there)| {
            let original = u8::from(*was_there);
            (id.clone(), Counts { original, derived: 0 })
        });
        let deleted_counts = InOrder(counts.collect());
        let words =
            outcomes.into_iter().map(|(id, was_there)| (id, if was_there { "deleted" } else { "not_found" }));
        Self { deleted: InOrder(words.collect()), deleted_counts, partial: false }
    }
}

/// A JSON object whose members keep their order.
#[derive(Debug)]
struct InOrder<T>(Vec<(String, T)>);

impl<T: Serialize> Serialize for InOrder<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
