//! The Admin API: HTTP Basic, and the rate limit headers on every answer.

mod account;
mod deletion;
mod detail;
mod folders;
mod listing;
mod mappings;
mod metadata_fields;
mod page;
mod presets;
mod related;
mod search;
mod transformations;

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::clock::UnixSeconds;
use crate::delivery::{DeliveryType, ResourceType};
use crate::signing::Algorithm;

use super::Backend;
use super::accounts::{CloudAccount, Operation, Stranger};
use super::fields::Fields;
use super::form::{Form, read_text};
use super::notify::{Announcement, Occasion};
use super::pages::is_from_page;
use super::refusal::Refusal;
use super::store::{Asset, AssetKey};
use super::verify::{Access, credentials};
pub(super) use account::{config, ping, usage, usage_on};
pub(super) use deletion::{delete_by_asset_ids, delete_by_tag, delete_derived, delete_resources};
pub(super) use detail::{by_asset_id_or_list, show, update};
pub(super) use folders::{create_folder, delete_folder, rename_folder, root_folders, sub_folders};
pub(super) use listing::{
    by_asset_folder, by_asset_ids, by_context, by_moderation, by_tag, list, resource_types, tags,
};
pub(super) use mappings::{create_mapping, delete_mapping, show_mappings, update_mapping};
pub(super) use metadata_fields::{
    create_field, delete_entries, delete_field, list_fields, order_entries, order_fields, restore_entries,
    show_field, update_entries, update_field,
};
pub(super) use presets::{create_preset, delete_preset, list_presets, show_preset, update_preset};
pub(super) use related::{relate, relate_by_asset_id, unrelate, unrelate_by_asset_id};
pub(super) use search::{search, search_folders};
pub(super) use transformations::{
    create_transformation, delete_transformation, show_transformations, update_transformation,
};

/// The rate limit that the headers tell of: the provider's free plan. Nothing is counted; faults play the limit.
const CALLS_PER_HOUR: u32 = 500;

/// Proof that a request carries key and secret of the cloud in its path.
pub(super) struct Admin {
    cloud: String,
    account: CloudAccount,
}

impl Admin {
    /// What addresses an asset of this cloud.
    fn key(&self, resource_type: ResourceType, delivery_type: DeliveryType, public_id: &str) -> AssetKey {
        let public_id = public_id.to_owned();
        AssetKey { cloud: self.cloud.clone(), resource_type, delivery_type, public_id }
    }

    /// Every asset of this cloud.
    fn assets(&self, backend: &Backend) -> Vec<Arc<Asset>> {
        let mut assets = backend.store.list();
        assets.retain(|asset| asset.key.cloud == self.cloud);
        assets
    }

    fn announce(&self, backend: &Backend, occasion: Occasion<'_>, fields: &Fields) {
        let access = Access { account: &self.account, algorithm: Algorithm::default() };
        backend.notifier.announce(&Announcement { access, occasion, url: fields.get("notification_url") });
    }
}

/// Reads what a call says in its query and body.
async fn read(backend: &Backend, request: Request) -> Result<Fields, Refusal> {
    Ok(Form::read(backend, request).await?.fields)
}

/// Reads a body that is JSON whatever its header says.
async fn read_json<T: DeserializeOwned>(request: Request) -> Result<T, Refusal> {
    let body = read_text(request.into_body()).await?;
    let body: Value = serde_json::from_slice(&body).map_err(Refusal::Json)?;
    serde_json::from_value(body).map_err(Refusal::UnexpectedJson)
}

/// A resource type and a delivery type in a path.
fn parse_kind(resource_type: &str, delivery_type: &str) -> Result<(ResourceType, DeliveryType), Refusal> {
    let not_emulated = || Refusal::NotEmulated(format!("resources/{resource_type}/{delivery_type}"));
    let resource_type = resource_type.parse().ok().ok_or_else(not_emulated)?;
    let delivery_type = delivery_type.parse().ok().ok_or_else(not_emulated)?;
    Ok((resource_type, delivery_type))
}

impl FromRequestParts<Arc<Backend>> for Admin {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, backend: &Arc<Backend>) -> Result<Self, Refusal> {
        let path = RawPathParams::from_request_parts(parts, backend).await;
        let cloud = path.ok().and_then(|params| {
            let cloud = params.iter().find(|(name, _)| *name == "cloud");
            cloud.map(|(_, cloud)| cloud.to_owned())
        });
        Self::verify(backend, &cloud.unwrap_or_default(), &parts.method, &parts.headers)
    }
}

impl Admin {
    /// Refuses pages, then checks key and secret, then the role of the key.
    pub(super) fn verify(
        backend: &Backend,
        cloud: &str,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Self, Refusal> {
        if is_from_page(headers) {
            return Err(Refusal::PageForbidden);
        }
        let credentials = credentials(headers).ok_or(Refusal::AuthorizationRequired)??;
        let account = match backend.accounts.find(cloud, &credentials.key) {
            Ok(account) => account,
            Err(Stranger::Key) => return Err(Refusal::AdminUnknownApiKey),
            Err(Stranger::Cloud | Stranger::Pair) => return Err(Refusal::CloudMismatch),
        };
        if !account.has_secret(credentials.secret.expose_secret()) {
            return Err(Refusal::SecretMismatch);
        }
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        account.authorize(if is_read { Operation::Read } else { Operation::Write })?;
        Ok(Self { cloud: cloud.to_owned(), account: account.clone() })
    }
}

/// A successful answer, with the rate limit headers that every one of them carries.
pub(super) struct AdminJson<T> {
    body: T,
    now: UnixSeconds,
}

impl<T> AdminJson<T> {
    fn new(backend: &Backend, body: T) -> Self {
        Self { body, now: backend.clock.now() }
    }
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
