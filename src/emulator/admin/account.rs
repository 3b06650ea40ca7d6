//! `GET /ping`, `/config` and `/usage`: the account itself.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::{Admin, AdminJson, Backend, Refusal, read};

/// Largest picture and largest picture of several frames, in pixels: the provider's free plan.
const MAX_PIXELS: u64 = 25_000_000;
const MAX_TOTAL_PIXELS: u64 = 50_000_000;

/// Says that the credentials are good.
pub(in crate::emulator) async fn ping(State(backend): State<Arc<Backend>>, _: Admin) -> AdminJson<Value> {
    AdminJson::new(&backend, json!({ "status": "ok" }))
}

/// The product environment. Folders are parts of public ids, unless an upload names an asset folder.
pub(in crate::emulator) async fn config(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    request: Request,
) -> Result<AdminJson<Value>, Refusal> {
    let fields = read(&backend, request).await?;
    let mut body = json!({ "cloud_name": admin.cloud, "created_at": "2024-01-01T00:00:00Z" });
    if fields.flag("settings") == Some(true) {
        body["settings"] = json!({ "folder_mode": "fixed" });
    }
    Ok(AdminJson::new(&backend, body))
}

/// What is stored.
pub(in crate::emulator) async fn usage(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
) -> AdminJson<Value> {
    AdminJson::new(&backend, report(&backend, &admin))
}

/// The same for a day, which must be one. Nothing is kept per day, so it is today's.
pub(in crate::emulator) async fn usage_on(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    Path((_, day)): Path<(String, String)>,
) -> Result<AdminJson<Value>, Refusal> {
    let is_day = Date::strptime("%d-%m-%Y", &day).is_ok() || Date::strptime("%Y-%m-%d", &day).is_ok();
    if !is_day {
        return Err(Refusal::IllegalValue { name: "date", value: day });
    }
    Ok(AdminJson::new(&backend, report(&backend, &admin)))
}

fn report(backend: &Backend, admin: &Admin) -> Value {
    let assets = admin.assets(backend);
    let stored: u64 = assets.iter().map(|asset| asset.bytes).sum();
    let derived: usize = assets.iter().map(|asset| asset.description.derived.len()).sum();
    let today = Timestamp::from_second(backend.clock.now().0).unwrap_or_default();
    let limit = backend.limits.request_file_bytes;
    json!({
        "plan": "Emulator",
        "last_updated": today.strftime("%Y-%m-%d").to_string(),
        "transformations": { "usage": 0, "credits_usage": 0.0 },
        "objects": { "usage": assets.len() + derived },
        "bandwidth": { "usage": 0, "credits_usage": 0.0 },
        "storage": { "usage": stored, "credits_usage": 0.0 },
        "credits": { "usage": 0.0 },
        "requests": 0,
        "resources": assets.len(),
        "derived_resources": derived,
        "media_limits": {
            "image_max_size_bytes": limit, "video_max_size_bytes": limit, "raw_max_size_bytes": limit,
            "image_max_px": MAX_PIXELS, "asset_max_total_px": MAX_TOTAL_PIXELS,
        },
    })
}
