//! The JSON edge: every path on one screen.

mod authentication;
mod callers;
mod delete_files;
mod delete_uploadcare;
mod download_uploadcare;
mod download_url;
mod error;
mod explain;
mod extract;
mod granting;
mod health;
mod ownership;
mod rate_limit;
mod standing;
mod upload_signature;
mod uploadcare_signature;
mod uploads;
mod webhook_uploadcare;
mod webhooks;
mod without_head;

pub use authentication::{Authentication, Tokens};
pub use error::{ApiError, Failure};
pub use explain::ExplainSlots;
pub use rate_limit::RateLimit;
pub(crate) use standing::{RATELIMIT, RATELIMIT_POLICY, StandingCell};
pub use webhooks::SeenNotifications;

use axum::Router;
use axum::routing::{delete, get, post};

use crate::state::AppState;
use without_head::without_head;

/// The templates of the routes below, for the log.
pub const PATHS: &[&str] = &[
    "/upload-signature",
    "/download-url",
    "/delete-files",
    "/uploadcare-signature",
    "/api/uploadcare-signature",
    "/uploads",
    "/uploads/{id}",
    "/uploads/{id}/confirm",
    "/callers/{sub}/assets",
    "/webhooks/cloudinary",
    "/webhooks/uploadcare",
    "/explain",
    "/livez",
    "/readyz",
    "/healthz",
];

/// Routes of the API.
pub fn routes() -> Router<AppState> {
    let upload_signature = get(upload_signature::create).post(upload_signature::create_from_body);
    let uploadcare_signature = || without_head(get(uploadcare_signature::create), "GET");
    Router::new()
        .route("/upload-signature", without_head(upload_signature, "GET,POST"))
        .route("/download-url", without_head(get(download_url::create), "GET"))
        .route("/delete-files", delete(delete_files::delete).layer(delete_files::time_limit()))
        .route("/uploadcare-signature", uploadcare_signature())
        .route("/api/uploadcare-signature", uploadcare_signature())
        .route("/uploads", get(uploads::list))
        .route("/uploads/{id}", get(uploads::show).delete(uploads::delete))
        .route("/uploads/{id}/confirm", post(uploads::confirm))
        .route("/callers/{sub}/assets", delete(callers::erase))
        .route("/webhooks/cloudinary", post(webhooks::cloudinary))
        .route("/webhooks/uploadcare", post(webhook_uploadcare::take_in))
        .route("/explain", post(explain::create))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/healthz", get(health::ready))
}
