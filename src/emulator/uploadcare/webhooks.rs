//! Webhooks: `file.uploaded` and `file.deleted`, told to addresses on this machine, signed with `X-Uc-Signature`. Told
//! once: the real service tries again for three days.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::{Host, Url};

use crate::clock::UnixSeconds;
use crate::signing::uploadcare::webhook_signature;

use super::super::Backend;
use super::super::outgoing::Outgoing;
use super::file::{File, in_iso};

/// What is told.
pub(super) const EVENTS: [&str; 2] = [UPLOADED, DELETED];
/// A file is there.
pub(super) const UPLOADED: &str = "file.uploaded";
/// A file was deleted.
pub(super) const DELETED: &str = "file.deleted";
/// The longest secret of a webhook.
pub(super) const MAX_SECRET_CHARACTERS: usize = 32;
/// How many webhooks there may be.
const MAX_WEBHOOKS: usize = 100;
/// How long telling may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Every webhook.
#[derive(Debug, Default)]
pub(super) struct Webhooks(Mutex<Vec<Webhook>>);

#[derive(Clone, Debug)]
struct Webhook {
    id: usize,
    target: Target,
    event: String,
    signing_secret: Option<String>,
    /// Whether a reset leaves it.
    is_kept: bool,
    created_at: UnixSeconds,
}

/// A webhook that somebody asks for.
#[derive(Debug)]
pub(super) struct NewWebhook {
    pub(super) target_url: String,
    pub(super) event: String,
    pub(super) signing_secret: Option<String>,
    pub(super) is_kept: bool,
}

/// An address on this machine.
#[derive(Clone, Debug)]
struct Target {
    url: String,
    address: SocketAddr,
    path_and_query: String,
}

impl Target {
    /// The emulator calls nobody but this machine, where the operator wants it, and no name that could change its mind.
    fn parse(text: &str, outgoing: &Outgoing) -> Option<Self> {
        let is_wanted = |url: &Url| url.scheme() == "http" && outgoing.may_notify(url);
        let url = Url::parse(text).ok().filter(is_wanted)?;
        let ip = match url.host()? {
            Host::Ipv4(ip) => ip.into(),
            Host::Ipv6(ip) => ip.into(),
            Host::Domain("localhost") => std::net::Ipv4Addr::LOCALHOST.into(),
            Host::Domain(_) => return None,
        };
        let address = SocketAddr::new(ip, url.port_or_known_default()?);
        let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
        let path_and_query = format!("{}{query}", url.path());
        address.ip().is_loopback().then(|| Self { url: text.to_owned(), address, path_and_query })
    }
}

impl Webhooks {
    /// Adds a webhook; `None` if its address may not be notified, or there are too many.
    pub(super) fn add(&self, new: NewWebhook, outgoing: &Outgoing, now: UnixSeconds) -> Option<Value> {
        let target = Target::parse(&new.target_url, outgoing)?;
        let mut webhooks = self.lock();
        if webhooks.len() >= MAX_WEBHOOKS {
            return None;
        }
        let id = webhooks.last().map_or(1, |last| last.id + 1);
        let NewWebhook { event, signing_secret, is_kept, .. } = new;
        let webhook = Webhook { id, target, event, signing_secret, is_kept, created_at: now };
        let shown = webhook.show();
        webhooks.push(webhook);
        Some(shown)
    }

    /// Ends every subscription of an address.
    pub(super) fn remove(&self, target_url: &str) {
        self.lock().retain(|webhook| webhook.target.url != target_url);
    }

    /// Every webhook as the REST API shows it.
    pub(super) fn list(&self) -> Vec<Value> {
        self.lock().iter().map(Webhook::show).collect()
    }

    /// Forgets every webhook that is not to be kept.
    pub(super) fn clear(&self) {
        self.lock().retain(|webhook| webhook.is_kept);
    }

    /// The list is whole after every statement, so a poisoned lock still guards a good one.
    fn lock(&self) -> MutexGuard<'_, Vec<Webhook>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Webhook {
    fn show(&self) -> Value {
        json!({
            "id": self.id, "project": 1, "event": self.event, "target_url": self.target.url,
            "signing_secret": self.signing_secret.clone().unwrap_or_default(), "is_active": true,
            "version": "0.7", "created": in_iso(self.created_at), "updated": in_iso(self.created_at),
        })
    }
}

/// Tells every webhook that asked for `event` what became of a file, while the client is answered.
pub(super) fn tell(backend: &Arc<Backend>, event: &str, file: &File) {
    let mut webhooks = backend.uploadcare.webhooks.lock().clone();
    webhooks.retain(|webhook| webhook.event == event);
    if webhooks.is_empty() {
        return;
    }
    let removed_at = (event == DELETED).then(|| backend.clock.now());
    let (data, url) = (file.object(backend, removed_at), file.url(&backend.origin()));
    for webhook in webhooks {
        let body = json!({
            "initiator": { "type": "api", "detail": { "request_id": null, "addon_name": null } },
            "hook": {
                "id": webhook.id, "project_id": 1, "project_pub_key": backend.uploadcare.project.public_key,
                "target": webhook.target.url, "event": webhook.event, "is_active": true, "version": "0.7",
                "created_at": in_iso(webhook.created_at), "updated_at": in_iso(webhook.created_at),
            },
            "data": data, "file": url,
        });
        tokio::spawn(async move {
            match tokio::time::timeout(TIMEOUT, post(&webhook, body.to_string())).await {
                Ok(Ok(status)) => tracing::info!(status, "a webhook was told"),
                Ok(Err(cause)) => tracing::warn!(%cause, "a webhook could not be told"),
                Err(_) => tracing::warn!("a webhook did not answer in time"),
            }
        });
    }
}

/// Posts a body by HTTP/1.1; the first line of the answer.
async fn post(webhook: &Webhook, body: String) -> std::io::Result<String> {
    let Target { address, path_and_query, .. } = &webhook.target;
    let secret = webhook.signing_secret.as_deref().filter(|secret| !secret.is_empty());
    let signature = secret.map_or_else(String::new, |secret| {
        let signature = webhook_signature(&SecretString::from(secret), body.as_bytes());
        format!("X-Uc-Signature: {signature}\r\n")
    });
    let head = format!(
        "POST {path_and_query} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n{signature}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(4_096).read_to_end(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
