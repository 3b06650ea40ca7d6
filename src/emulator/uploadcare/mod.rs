//! Uploadcare's Upload API, REST API, webhooks and CDN for one project, with the checks of the real service.
//!
//! ```text
//! /uploadcare/base/ multipart/… info/ group/… from_url/     Upload API: answers as `jsonerrors` asks
//! /uploadcare/files/… webhooks/…  and  /files/… /webhooks/…  REST API; the second form for clients that drop a prefix
//! /<uuid>/… and /<uuid>~<n>/…                                CDN: at the root, because the uploader drops a prefix there
//! ```
//!
//! What differs from the real service: a deleted file is gone from the CDN at once and no longer described; operations
//! of the CDN are not applied (the original is served, and a header says so); uploads from URLs are refused; the simple
//! scheme of REST authentication passes over plain HTTP, which stands for HTTPS here.

mod base;
mod delivery;
mod file;
mod form;
mod group;
mod info;
mod multipart;
mod refusal;
mod rest;
mod routes;
mod verify;
mod webhooks;

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use crate::clock::UnixSeconds;
use crate::delivery::uploadcare::FileId;
use crate::signing::uploadcare::DeliveryKey;

use super::outgoing::Outgoing;
use super::store::{Store, StoreError};
pub(super) use delivery::{is_addressed, serve};
use multipart::Multiparts;
pub(super) use routes::routes;
use webhooks::{EVENTS, NewWebhook, Webhooks};

/// The project that an emulator knows.
#[derive(Clone, Debug)]
pub struct UploadcareProject {
    /// The public half of the keys.
    pub public_key: String,
    /// What uploads and REST calls are signed with.
    pub secret_key: SecretString,
    /// Set where the CDN wants a token in every URL.
    pub delivery_key: Option<DeliveryKey>,
}

impl Default for UploadcareProject {
    /// The project every emulator starts with. Its secret is public: it guards nothing.
    fn default() -> Self {
        Self {
            public_key: "emulator-public-key".to_owned(),
            secret_key: SecretString::from("emulator-secret-key"),
            delivery_key: None,
        }
    }
}

/// What the handlers of this part work on.
#[derive(Debug)]
pub(super) struct Uploadcare {
    project: UploadcareProject,
    /// Files and groups; apart from the assets of the other provider.
    store: Store,
    multiparts: Multiparts,
    webhooks: Webhooks,
}

impl Uploadcare {
    /// Opens what is kept in the folder `uploadcare` of `dir`, or in a temporary folder.
    pub(super) fn open(project: UploadcareProject, dir: Option<PathBuf>) -> Result<Self, StoreError> {
        Ok(Self {
            project,
            store: Store::open(dir.map(|dir| dir.join("uploadcare")))?,
            multiparts: Multiparts::default(),
            webhooks: Webhooks::default(),
        })
    }

    /// Subscribes an address for good; says whether it may be notified.
    pub(super) fn tell(
        &self,
        outgoing: &Outgoing,
        url: &str,
        secret: &SecretString,
        now: UnixSeconds,
    ) -> bool {
        EVENTS.iter().all(|event| {
            let new = NewWebhook {
                target_url: url.to_owned(),
                event: (*event).to_owned(),
                signing_secret: Some(secret.expose_secret().to_owned()),
                is_kept: true,
            };
            self.webhooks.add(new, outgoing, now).is_some()
        })
    }

    /// Forgets every file, group, unfinished upload and webhook that a client made.
    pub(super) async fn clear(&self) -> Result<(), StoreError> {
        self.multiparts.clear();
        self.webhooks.clear();
        self.store.clear().await.map(drop)
    }
}

/// A new random id, a UUID of version 4.
fn random_file_id() -> Option<FileId> {
    let mut bytes = rand::random::<[u8; 16]>();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = hex::encode(bytes);
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    parts.join("-").parse().ok()
}
