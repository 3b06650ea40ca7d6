//! What notifications say.

use axum::body::Bytes;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use crate::clock::UnixSeconds;
use crate::signing::Algorithm;

use super::super::accounts::CloudAccount;
use super::super::store::{Asset, random_id};
use super::super::verify::Access;

/// Something that happened to assets.
#[derive(Clone, Debug)]
pub(in crate::emulator) enum Occasion<'a> {
    /// An upload; the value is its answer.
    Upload(Value),
    /// Transformations were asked for; the value is the answer of the upload or of `explicit`.
    Eager(Value),
    /// An archive was stored; the value is the answer.
    Archive(Value),
    /// These are gone.
    Delete(&'a [Asset]),
    /// One has another public id.
    Rename { from: &'a Asset, to: &'a Asset },
    /// A person decided.
    Moderation(&'a Asset),
    /// Tags of these were changed.
    Tags(&'a [Asset]),
    /// Context of these was changed.
    Context(&'a [Asset]),
    /// Structured metadata of these was changed.
    Metadata(&'a [Asset]),
}

/// What happened, whose cloud it happened in, and who wants to know.
#[derive(Clone, Debug)]
pub(in crate::emulator) struct Announcement<'a> {
    pub access: Access<'a>,
    pub occasion: Occasion<'a>,
    /// Named by the call, beside the cloud's own.
    pub url: Option<&'a str>,
}

impl Announcement<'_> {
    pub(super) const fn kind(&self) -> &'static str {
        match &self.occasion {
            Occasion::Upload(_) => "upload",
            Occasion::Eager(_) => "eager",
            Occasion::Archive(_) => "generate_archive",
            Occasion::Delete(_) => "delete",
            Occasion::Rename { .. } => "rename",
            Occasion::Moderation(_) => "moderation",
            Occasion::Tags(_) => "resource_tags_changed",
            Occasion::Context(_) => "resource_context_changed",
            Occasion::Metadata(_) => "resource_metadata_changed",
        }
    }

    /// The call's own address first, each once.
    pub(super) fn urls(&self) -> Vec<String> {
        let account: &CloudAccount = self.access.account;
        let named = self.url.into_iter().flat_map(str::lines).map(str::to_owned);
        let mut urls: Vec<String> = Vec::new();
        for url in named.chain(account.notification_urls.iter().cloned()) {
            if !url.is_empty() && !urls.contains(&url) {
                urls.push(url);
            }
        }
        urls
    }

    pub(super) fn secret(&self) -> SecretString {
        self.access.account.api_secret.clone()
    }

    /// The cloud's algorithm; without one the caller's.
    pub(super) fn algorithm(&self) -> Algorithm {
        self.access.account.algorithm.unwrap_or(self.access.algorithm)
    }

    /// The body, in bytes, because the signature is over them; `None` when nothing happened to anything.
    pub(super) fn body(&self, now: UnixSeconds) -> Option<Bytes> {
        let at = Timestamp::from_second(now.0).unwrap_or_default().to_string();
        let mut body = self.said()?;
        body.insert("notification_type".to_owned(), self.kind().into());
        body.insert("timestamp".to_owned(), at.clone().into());
        body.insert("request_id".to_owned(), random_id().into());
        let key = &self.access.account.api_key;
        body.insert("signature_key".to_owned(), key.clone().into());
        let by = json!({ "source": "api", "id": key });
        body.insert("notification_context".to_owned(), json!({ "triggered_at": at, "triggered_by": by }));
        serde_json::to_vec(&body).ok().map(Bytes::from)
    }

    fn said(&self) -> Option<Map<String, Value>> {
        let said = match &self.occasion {
            Occasion::Upload(answer) | Occasion::Archive(answer) => {
                let mut answer = answer.as_object()?.clone();
                // It vouches for the answer to the uploader; here the header does.
                answer.remove("signature");
                return Some(answer);
            }
            Occasion::Eager(answer) => json!({
                "eager": answer["eager"], "public_id": answer["public_id"], "asset_id": answer["asset_id"],
                "batch_id": random_id(),
            }),
            Occasion::Delete(assets) => json!({ "resources": list(assets, |_| Map::new())? }),
            Occasion::Rename { from, to } => json!({
                "from_public_id": from.key.public_id, "to_public_id": to.key.public_id, "asset_id": to.id,
                "resource_type": to.key.resource_type, "type": to.key.delivery_type,
            }),
            Occasion::Moderation(asset) => moderation(asset)?,
            Occasion::Tags(assets) => json!({ "resources": list(assets, |asset| {
                Map::from_iter([("tags".to_owned(), json!(asset.description.tags))])
            })? }),
            Occasion::Context(assets) => json!({ "resources": list(assets, |asset| {
                Map::from_iter([("context".to_owned(), json!({ "custom": asset.description.context }))])
            })? }),
            Occasion::Metadata(assets) => json!({ "resources": list(assets, |asset| {
                Map::from_iter([("metadata".to_owned(), json!(asset.description.metadata))])
            })? }),
        };
        match said {
            Value::Object(said) => Some(said),
            _ => None,
        }
    }
}

/// Each asset as notifications name it, with more if need be; `None` without any.
fn list(assets: &[Asset], more: impl Fn(&Asset) -> Map<String, Value>) -> Option<Value> {
    let items = assets.iter().map(|asset| {
        let mut item = json!({
            "resource_type": asset.key.resource_type, "type": asset.key.delivery_type, "asset_id": asset.id,
            "public_id": asset.key.public_id, "version": asset.version(),
            "asset_folder": asset.description.asset_folder, "display_name": asset.description.display_name,
        });
        if let Value::Object(item) = &mut item {
            item.extend(more(asset));
        }
        item
    });
    let items: Vec<_> = items.collect();
    (!items.is_empty()).then_some(Value::Array(items))
}

fn moderation(asset: &Asset) -> Option<Value> {
    let moderation = asset.description.moderation.first()?;
    Some(json!({
        "moderation_kind": moderation.kind, "moderation_status": moderation.status,
        "moderation_updated_at": asset.description.updated_at.map(|at| {
            Timestamp::from_second(at.0).unwrap_or_default().to_string()
        }),
        "public_id": asset.key.public_id, "asset_id": asset.id, "version": asset.version(), "etag": asset.etag,
        "resource_type": asset.key.resource_type, "type": asset.key.delivery_type,
    }))
}
