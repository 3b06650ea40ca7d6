//! `GET /{cloud}/{resource_type}/{type}/…`: stored originals by every form of delivery URL.
//!
//! Uploads are open; originals of private and authenticated assets need a signature in the URL, or a token. Rules of
//! access hold on top of that. Transformations are checked and not applied: the original is served, and a header says
//! so. That holds for another format than the stored one, too.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::Response;
use percent_encoding::percent_decode_str;
use subtle::{Choice, ConstantTimeEq};

use crate::clock::UnixSeconds;
use crate::delivery::{DeliveryType, DeliveryUrl};
use crate::signing::Algorithm;
use crate::signing::cloudinary::{DeliverySignatureLength, delivery_signature};

use super::Backend;
use super::accounts::{Accounts, CloudAccount};
use super::answer::X_COUNTERSIGN_EMULATOR;
use super::mapping;
use super::named::refuse_unknown;
use super::original::{Original, disposition};
use super::refusal::Refusal;
use super::store::{AccessRule, AccessType, Asset, AssetKey};
use super::token::Token;
use super::transformation;

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
    transformation::check(url.transformation())?;
    refuse_unknown(&backend.store, &key.cloud, std::iter::once(url.transformation()))?;
    if let Some(format) = url.format().filter(|format| !transformation::is_format(format)) {
        return Err(Refusal::InvalidExtension(format.to_owned()));
    }
    let original = match Original::open(&backend.store, &key).await {
        Err(Refusal::NotFound(_)) if mapping::fetch(&backend, &key, url.format()).await? => {
            Original::open(&backend.store, &key).await?
        }
        original => original?,
    };
    let change = Change::asked_for(&url, original.asset());
    let token = Token::of(&uri, &headers);
    let visit =
        Visit { url: &url, key: &key, path: uri.path(), token: token.as_ref(), now: backend.clock.now() };
    visit.authorize(&backend.accounts, original.asset(), change)?;
    let disposition = attachment(url.transformation(), original.asset());
    let mut response = original.respond(&headers)?;
    let cache = match key.delivery_type {
        DeliveryType::Upload => "public, no-cache",
        _ => "private, no-cache",
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    if let Some(disposition) = disposition {
        headers.insert(CONTENT_DISPOSITION, disposition);
    }
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

/// The header that has a browser save the file, where the transformation says `fl_attachment`.
fn attachment(chain: &str, asset: &Asset) -> Option<HeaderValue> {
    let name = transformation::flag(chain, "attachment")?;
    let file = asset.file_name();
    let file = file.rsplit('/').next().unwrap_or_default();
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    let name = match name {
        "" => file.to_owned(),
        name => format!("{}.{extension}", percent_decode_str(name).decode_utf8_lossy()),
    };
    Some(disposition("attachment", &name))
}

/// What is asked for, and what comes with it to open it.
#[derive(Clone, Copy)]
struct Visit<'a> {
    url: &'a DeliveryUrl,
    key: &'a AssetKey,
    path: &'a str,
    token: Option<&'a Token>,
    now: UnixSeconds,
}

impl Visit<'_> {
    /// A signature or a token that is given must be right. Private and authenticated assets need one; what is derived
    /// from a private asset by a transformation does not. Rules of access come on top of that.
    fn authorize(self, accounts: &Accounts, asset: &Asset, change: Change) -> Result<(), Refusal> {
        let has_token = match self.token {
            None => false,
            Some(token) if token.opens(accounts.of_cloud(&self.key.cloud), self.path, self.now) => true,
            Some(_) => return Err(Refusal::Denied),
        };
        let is_open = match self.key.delivery_type {
            DeliveryType::Authenticated => false,
            DeliveryType::Private => change == Change::Transformation,
            _ => true,
        };
        let is_allowed = match self.url.signature() {
            None => is_open || has_token,
            Some(given) => {
                let source = self.url.signed_source();
                let mut accounts = accounts.of_cloud(&self.key.cloud);
                accounts.any(|account| is_signed_by(account, &source, given))
            }
        };
        let is_allowed = is_allowed && is_accessible(&asset.description.access_control, has_token, self.now);
        is_allowed.then_some(()).ok_or(Refusal::Denied)
    }
}

/// Whether one of the rules opens an asset now. Without rules it is open.
fn is_accessible(rules: &[AccessRule], has_token: bool, now: UnixSeconds) -> bool {
    let opens = |rule: &AccessRule| match rule.access_type {
        AccessType::Token => has_token,
        AccessType::Anonymous => {
            rule.start.is_none_or(|start| start.as_second() <= now.0)
                && rule.end.is_none_or(|end| now.0 < end.as_second())
        }
    };
    rules.is_empty() || rules.iter().any(opens)
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
