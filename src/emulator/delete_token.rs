//! `POST /v1_1/{cloud}/delete_by_token`: whoever just uploaded a file may take it back for ten minutes, unsigned.
//!
//! ```text
//! token = hex(expiry) "." asset id "." hex(HMAC-SHA256(API secret, cloud "/" asset id "/" version id "/" expiry))
//! ```
//!
//! The token says everything, so nothing is kept for it, and it dies with the version that it was made for.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::clock::UnixSeconds;
use crate::signing::Algorithm;

use super::Backend;
use super::accounts::CloudAccount;
use super::form::Form;
use super::notify::{Announcement, Occasion};
use super::refusal::Refusal;
use super::store::Asset;
use super::verify::Access;

/// How long a token works.
const LIFETIME_SECONDS: i64 = 600;

/// A token that deletes this version of the asset.
pub(super) fn make(asset: &Asset, account: &CloudAccount, now: UnixSeconds) -> String {
    let expiry = now.plus(LIFETIME_SECONDS);
    format!(
        "{:x}.{}.{}",
        expiry.0,
        asset.id,
        hex::encode(code(asset, account, expiry).finalize().into_bytes())
    )
}

fn code(asset: &Asset, account: &CloudAccount, expiry: UnixSeconds) -> Hmac<Sha256> {
    let mut code = new_hmac(account.api_secret.expose_secret().as_bytes());
    let message = format!("{}/{}/{}/{expiry}", asset.key.cloud, asset.id, asset.version_id);
    code.update(message.as_bytes());
    code
}

/// An HMAC, which takes keys of any length.
pub(super) fn new_hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&hmac::digest::Key::<Hmac<Sha256>>::default()))
}

/// Deletes the asset that the token names.
pub(super) async fn delete(
    State(backend): State<Arc<Backend>>,
    Path(cloud): Path<String>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let form = Form::read(&backend, request).await?;
    if !backend.accounts.has_cloud(&cloud) {
        return Err(Refusal::InvalidCloudName(cloud));
    }
    let token = form.fields.require("token")?;
    let (asset, account) = find(&backend, &cloud, token).ok_or(Refusal::InvalidDeleteToken)?;
    backend.store.remove(asset.key.clone()).await?;
    let access = Access { account, algorithm: Algorithm::default() };
    let occasion = Occasion::Delete(std::slice::from_ref(&*asset));
    backend.notifier.announce(&Announcement { access, occasion, url: None });
    Ok(Json(json!({ "result": "ok" })))
}

fn find<'a>(backend: &'a Backend, cloud: &str, token: &str) -> Option<(Arc<Asset>, &'a CloudAccount)> {
    let mut parts = token.splitn(3, '.');
    let expiry = UnixSeconds(i64::from_str_radix(parts.next()?, 16).ok()?);
    let (id, given) = (parts.next()?, hex::decode(parts.next()?).ok()?);
    if expiry <= backend.clock.now() {
        return None;
    }
    let asset = backend.store.list().into_iter().find(|asset| asset.id == id && asset.key.cloud == cloud)?;
    let mut accounts = backend.accounts.of_cloud(cloud);
    let account = accounts.find(|account| code(&asset, account, expiry).verify_slice(&given).is_ok())?;
    Some((asset, account))
}
