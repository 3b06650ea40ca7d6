//! The Uploadcare page: the provider's own component, pinned to one version by the hashes of its files.
//!
//! The files come from the public CDN, or from a copy on this machine; nothing of them is part of this program.

use std::path::PathBuf;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};

use super::{JAVASCRIPT, REVALIDATE, asset_version};
use crate::api::ApiError;
use crate::config::UploadcareAccount;
use crate::profiles::UploadcareProfile;
use crate::state::AppState;

/// Where the npm package's files are, in the version that the hashes belong to.
const PUBLIC_CDN: &str = "https://cdn.jsdelivr.net/npm/@uploadcare/file-uploader@1.33.2/web";
/// Where the parts of large files go at the provider.
const PART_STORAGE: &str = "https://uploadcare.s3-accelerate.amazonaws.com";

/// One file of the component.
struct ComponentFile {
    name: &'static str,
    content_type: &'static str,
    integrity: &'static str,
}

const SCRIPT: ComponentFile = ComponentFile {
    name: "file-uploader.iife.min.js",
    content_type: JAVASCRIPT,
    integrity: "sha384-IeJIYzI/xtOmLjvFr0CPjJh0BGY+7RiyikkUe0VvHsLKLGMXR+S+SNeNXrqe4WJj",
};
const STYLE: ComponentFile = ComponentFile {
    name: "uc-file-uploader-inline.min.css",
    content_type: "text/css; charset=utf-8",
    integrity: "sha384-o+7M4TPbBTviYFWQUnMGyrLqDLJ1DzL5Y1k6muXVuhyagXNxMXq9FGpFWV0k1EHF",
};

/// The page, but for the profile that it shows.
#[derive(Debug)]
pub struct UploadcarePage {
    public_key: String,
    upload_base: String,
    cdn_base: String,
    emulator: bool,
    content_security_policy: HeaderValue,
    asset_version: String,
    bundle_dir: Option<PathBuf>,
}

#[derive(Template)]
#[template(path = "uploadcare.html")]
struct Page<'a> {
    public_key: &'a str,
    upload_base: &'a str,
    cdn_base: &'a str,
    emulator: bool,
    expires_in: i64,
    component_js: &'a str,
    js_integrity: &'a str,
    component_css: &'a str,
    css_integrity: &'a str,
    version: &'a str,
    asset_version: &'a str,
}

impl UploadcarePage {
    /// The page for a project.
    pub fn new(account: &UploadcareAccount, emulated: bool) -> Self {
        Self {
            public_key: account.public_key.clone(),
            upload_base: account.upload_base.clone(),
            cdn_base: account.cdn_base.clone(),
            emulator: emulated,
            content_security_policy: content_security_policy(account, emulated),
            asset_version: asset_version(),
            bundle_dir: account.bundle_dir.clone(),
        }
    }

    /// Renders the page for the profile that uploads without a name use.
    fn html(&self, profile: Option<&UploadcareProfile>) -> String {
        let source = match self.bundle_dir {
            Some(_) => "/uploadcare/component",
            None => PUBLIC_CDN,
        };
        let page = Page {
            public_key: &self.public_key,
            upload_base: &self.upload_base,
            cdn_base: &self.cdn_base,
            emulator: self.emulator,
            expires_in: profile.map_or(0, UploadcareProfile::lifetime_minutes),
            component_js: &format!("{source}/{}", SCRIPT.name),
            js_integrity: SCRIPT.integrity,
            component_css: &format!("{source}/{}", STYLE.name),
            css_integrity: STYLE.integrity,
            version: env!("CARGO_PKG_VERSION"),
            asset_version: &self.asset_version,
        };
        // Rendering fails only when writing does, and writing to a string does not.
        page.render().unwrap_or_default()
    }
}

/// What the component needs, and no more: styles in attributes, pictures from the CDN, uploads to the provider.
fn content_security_policy(account: &UploadcareAccount, emulated: bool) -> HeaderValue {
    let files = if account.bundle_dir.is_some() { String::new() } else { format!(" {PUBLIC_CDN}/") };
    let origin = account.upload_base.trim_end_matches("/uploadcare");
    let parts = if emulated { String::new() } else { format!(" {PART_STORAGE}") };
    let policy = format!(
        "default-src 'none'; script-src 'self'{files}; style-src 'self' 'unsafe-inline'{files}; \
         img-src 'self' blob: data: {cdn}; media-src 'self' blob:; connect-src 'self' {origin}{parts}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        cdn = account.cdn_base
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// Shows the page.
pub(super) async fn page(State(app): State<AppState>) -> Result<Response, ApiError> {
    let page = &app.uploadcare.as_ref().ok_or(ApiError::NoUploadcare)?.page;
    let headers =
        [(CONTENT_SECURITY_POLICY, page.content_security_policy.clone()), (CACHE_CONTROL, REVALIDATE)];
    Ok((headers, Html(page.html(app.profiles().uploadcare(None).ok()))).into_response())
}

/// A file of the copy on this machine; the page's hashes judge whether it is the right one.
pub(super) async fn component_file(State(app): State<AppState>, Path(name): Path<String>) -> Response {
    let dir = app.uploadcare.as_ref().and_then(|uploadcare| uploadcare.page.bundle_dir.as_ref());
    let file = [&SCRIPT, &STYLE].into_iter().find(|file| file.name == name);
    let Some((dir, file)) = dir.zip(file) else { return StatusCode::NOT_FOUND.into_response() };
    match tokio::fs::read(dir.join(file.name)).await {
        Ok(bytes) => {
            ([(CONTENT_TYPE, file.content_type)], [(CACHE_CONTROL, REVALIDATE)], bytes).into_response()
        }
        Err(cause) => {
            tracing::warn!(%cause, file = file.name, "a file of UPLOADCARE_BUNDLE_DIR cannot be read");
            StatusCode::NOT_FOUND.into_response()
        }
    }
}
