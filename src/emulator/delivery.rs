//! `GET /{cloud}/{resource_type}/{type}/…`: stored originals by every form of delivery URL.
//!
//! Uploads are open; originals of private and authenticated assets need a signature in the URL. Transformations are not
//! applied: the original is served, and a header says so. That holds for another format than the stored one, too.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::Response;
use subtle::{Choice, ConstantTimeEq};

use crate::delivery::{DeliveryType, DeliveryUrl};
use crate::signing::Algorithm;
use crate::signing::cloudinary::{DeliverySignatureLength, delivery_signature};

use super::Backend;
use super::accounts::{Accounts, CloudAccount};
use super::answer::X_COUNTERSIGN_EMULATOR;
use super::original::Original;
use super::refusal::Refusal;
use super::store::{Asset, AssetKey};

/// The host whose URLs have the cloud as their first segment, as the emulator's have.
const SHARED_HOST: &str = "https://res.cloudinary.com";

/// Serves the asset that the path names.
pub(super) async fn serve(
    State(backend): State<Arc<Backend>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let not_found = || Refusal::NotFound(uri.path().trim_start_matches('/').to_owned());
    let url: DeliveryUrl = format!("{SHARED_HOST}{}", uri.path()).parse().ok().ok_or_else(not_found)?;
    let key = AssetKey {
        cloud: url.cloud().ok_or_else(not_found)?.to_owned(),
        resource_type: url.resource_type(),
        delivery_type: url.delivery_type(),
        public_id: url.public_id().to_owned(),
    };
    let original = Original::open(&backend.store, &key).await?;
    let change = Change::asked_for(&url, original.asset());
    authorize(&backend.accounts, &url, &key, change)?;
    let mut response = original.respond(&headers).await?;
    let cache = match key.delivery_type {
        DeliveryType::Upload => "public, no-cache",
        _ => "private, no-cache",
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    if let Some(note) = change.note() {
        headers.insert(X_COUNTERSIGN_EMULATOR, HeaderValue::from_static(note));
    }
    Ok(response)
}

/// How what is asked for differs from what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Nothing,
    Format,
    Transformation,
}

impl Change {
    fn asked_for(url: &DeliveryUrl, asset: &Asset) -> Self {
        let stored = asset.description.format.as_deref();
        if !url.transformation().is_empty() {
            Self::Transformation
        } else if url.format().is_some_and(|format| !is_same_format(format, stored)) {
            Self::Format
        } else {
            Self::Nothing
        }
    }

    const fn note(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Format => Some("format not converted"),
            Self::Transformation => Some("transformation not applied"),
        }
    }
}

/// Formats are written in either case, and JPEG under two names.
fn is_same_format(asked: &str, stored: Option<&str>) -> bool {
    let asked = asked.to_ascii_lowercase();
    stored == Some(if asked == "jpeg" { "jpg" } else { &asked })
}

/// A signature that is given must be right. Private and authenticated assets need one; what is derived from a private
/// asset by a transformation does not.
fn authorize(accounts: &Accounts, url: &DeliveryUrl, key: &AssetKey, change: Change) -> Result<(), Refusal> {
    let is_open = match key.delivery_type {
        DeliveryType::Authenticated => false,
        DeliveryType::Private => change == Change::Transformation,
        _ => true,
    };
    let is_allowed = match url.signature() {
        None => is_open,
        Some(given) => {
            let source = url.signed_source();
            let mut accounts = accounts.of_cloud(&key.cloud);
            accounts.any(|account| is_signed_by(account, &source, given))
        }
    };
    is_allowed.then_some(()).ok_or(Refusal::Denied)
}

fn is_signed_by(account: &CloudAccount, source: &str, given: &str) -> bool {
    use DeliverySignatureLength::{Long, Short};
    let secret = &account.api_secret;
    let kinds = [(Algorithm::Sha1, Short), (Algorithm::Sha256, Short), (Algorithm::Sha256, Long)];
    let matches = kinds.map(|(algorithm, length)| {
        let ours = delivery_signature(source, secret, algorithm, length);
        ours.as_bytes().ct_eq(given.as_bytes())
    });
    matches.into_iter().fold(Choice::from(0), |any, one| any | one).into()
}
