//! `/_emulator/…`: what tests ask of the emulator itself, from this machine only unless the operator opens it.
//!
//! A page in a browser on this machine must not reach it either: requests with an `Origin` are refused, and so is a
//! `Host` that is a name other than `localhost`, which a page could have pointed here. What a proxy passes on comes from
//! this machine only by its last step, so it is refused, too.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{FORWARDED, VIA};
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::Next;
use axum::response::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::clock::UnixSeconds;

use super::Backend;
use super::answer::{AssetAnswer, delivery_url};
use super::faults::Fault;
use super::host;
use super::pages;
use super::refusal::Refusal;
use super::seed;

/// How long the answer to a movement of the clock waits for notifications.
const MAX_CATCH_UP: Duration = Duration::from_secs(10);

/// What proxies add to a request.
const PROXY_HEADERS: [HeaderName; 7] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-real-ip"),
];

/// Who may use the control API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ControlAccess {
    /// Programs on this machine.
    #[default]
    Loopback,
    /// Whoever can reach the emulator, such as tests in another container.
    Any,
}

/// Lets those pass who may control the emulator. No page may.
pub(super) async fn guard(
    State(backend): State<Arc<Backend>>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let is_near = backend.control == ControlAccess::Any || is_from_this_machine(&request);
    if !is_near || pages::is_from_page(request.headers()) {
        return Err(Refusal::ControlForbidden);
    }
    Ok(next.run(request).await)
}

fn is_from_this_machine(request: &Request) -> bool {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let is_loopback = peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    is_loopback && !is_forwarded(request.headers()) && host::is_local(request)
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    PROXY_HEADERS.iter().any(|name| headers.contains_key(name))
}

/// A movement of the clock.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockRequest {
    advance_seconds: Option<i64>,
    set: Option<i64>,
}

/// Moves the emulator's clock, and nobody else's.
pub(super) async fn move_clock(
    State(backend): State<Arc<Backend>>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let request: ClockRequest = parse(&body)?;
    match (request.advance_seconds, request.set) {
        (Some(seconds), None) => backend.clock.advance(seconds),
        (None, Some(to)) => backend.clock.set(UnixSeconds(to)),
        _ => {
            let text = "give either advance_seconds or set";
            return Err(Refusal::Control(text.to_owned()));
        }
    }
    // What was due by now has been sent, or tried, when the answer comes.
    let _ = tokio::time::timeout(MAX_CATCH_UP, backend.notifier.catch_up()).await;
    Ok(show_clock(State(backend)).await)
}

/// The emulator's time.
pub(super) async fn show_clock(State(backend): State<Arc<Backend>>) -> Json<Value> {
    Json(json!({ "now": backend.clock.now() }))
}

/// Sets the faults, in the place of those before.
pub(super) async fn set_faults(
    State(backend): State<Arc<Backend>>,
    body: Bytes,
) -> Result<Json<Vec<Fault>>, Refusal> {
    let faults: Vec<Fault> = parse(&body)?;
    let outcome = backend.faults.set(faults);
    outcome.map_err(|problem| Refusal::Control(problem.to_string()))?;
    Ok(show_faults(State(backend)).await)
}

/// The faults, with the times that are left.
pub(super) async fn show_faults(State(backend): State<Arc<Backend>>) -> Json<Vec<Fault>> {
    Json(backend.faults.list())
}

/// The last requests, oldest first.
pub(super) async fn show_requests(State(backend): State<Arc<Backend>>) -> Json<Value> {
    Json(json!({ "requests": backend.journal.list() }))
}

/// The notifications that were sent, oldest first, and those that wait.
pub(super) async fn show_notifications(State(backend): State<Arc<Backend>>) -> Json<Value> {
    let (sent, waiting) = backend.notifier.list();
    Json(json!({ "sent": sent, "waiting": waiting }))
}

/// Forgets the notifications, those that wait included.
pub(super) async fn clear_notifications(State(backend): State<Arc<Backend>>) -> Json<Value> {
    backend.notifier.clear();
    show_notifications(State(backend)).await
}

/// A folder to take assets from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedRequest {
    folder: PathBuf,
    cloud: Option<String>,
}

/// Makes every file below a folder an asset.
pub(super) async fn seed(State(backend): State<Arc<Backend>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let SeedRequest { folder, cloud } = parse(&body)?;
    let count = seed::from_folder(&backend, &folder, cloud.as_deref()).await;
    let count = count.map_err(|problem| Refusal::Control(problem.to_string()))?;
    Ok(Json(json!({ "seeded": count })))
}

/// Forgets the requests.
pub(super) async fn clear_requests(State(backend): State<Arc<Backend>>) -> Json<Value> {
    backend.journal.clear();
    Json(json!({ "requests": [] }))
}

/// Every asset of every cloud, with unsigned addresses.
pub(super) async fn show_assets(State(backend): State<Arc<Backend>>) -> Json<Value> {
    let assets = backend.store.list();
    let answers = assets.iter().map(|asset| {
        let url = delivery_url(asset, &backend.origin(), None);
        json!({ "cloud": asset.key.cloud, "asset": AssetAnswer::new(asset, url) })
    });
    Json(json!({ "assets": answers.collect::<Vec<_>>() }))
}

/// Removes every asset, every unfinished upload, every notification that waits, presets and folders.
pub(super) async fn clear_assets(State(backend): State<Arc<Backend>>) -> Result<Json<Value>, Refusal> {
    backend.chunks.clear();
    backend.uploadcare.clear().await?;
    backend.notifier.clear();
    let deleted = backend.store.clear().await?;
    backend.restore_presets().await?;
    Ok(Json(json!({ "deleted": deleted })))
}

/// What is not there.
pub(super) async fn unknown() -> Refusal {
    Refusal::NotFound("clock, faults, requests, notifications, seed and assets are here".to_owned())
}

/// Reads a body; a refusal says where it is wrong.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json)
        .map_err(|problem| Refusal::Control(problem.to_string()))?;
    json.end().map_err(Refusal::Json)?;
    Ok(value)
}
