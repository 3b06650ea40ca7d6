//! The demo pages and their assets, compiled in; a page shows the profile that is in force when it is asked for. But for
//! Uploadcare's own component nothing is loaded from elsewhere.

mod limits;
mod uploadcare;

pub use uploadcare::UploadcarePage;

use askama::Template;
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use limits::Limits;
use sha2::{Digest, Sha256};

use crate::config::CloudinaryAccount;
use crate::profiles::Profile;
use crate::state::AppState;

/// One file under `/static/`.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    body: &'static str,
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

const ASSETS: [Asset; 7] = [
    Asset {
        name: "styles.css",
        content_type: "text/css; charset=utf-8",
        body: include_str!("../../static/styles.css"),
    },
    Asset { name: "demo.js", content_type: JAVASCRIPT, body: include_str!("../../static/demo.js") },
    Asset {
        name: "countersign.js",
        content_type: JAVASCRIPT,
        body: include_str!("../../static/countersign.js"),
    },
    Asset {
        name: "uploadcare.js",
        content_type: JAVASCRIPT,
        body: include_str!("../../static/uploadcare.js"),
    },
    Asset { name: "ledger.js", content_type: JAVASCRIPT, body: include_str!("../../static/ledger.js") },
    Asset { name: "explain.js", content_type: JAVASCRIPT, body: include_str!("../../static/explain.js") },
    Asset {
        name: "favicon.svg",
        content_type: "image/svg+xml",
        body: include_str!("../../static/favicon.svg"),
    },
];

/// Caches may keep an asset for ever: its address changes with its content.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Caches must ask every time.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// The page, but for the profile that it shows.
#[derive(Debug)]
pub struct DemoPage {
    cloud: String,
    emulator: bool,
    content_security_policy: HeaderValue,
    asset_version: String,
}

#[derive(Template)]
#[template(path = "unsigned.html")]
struct UnsignedPage<'a> {
    cloud: &'a str,
    emulator: bool,
    profile: &'a str,
    folder: &'a str,
    expires_in: &'a str,
    may_secure: bool,
    limits: Option<Limits>,
    version: &'a str,
    asset_version: &'a str,
}

/// The templates of the routes below, for the log.
pub const PATHS: &[&str] =
    &["/", "/unsigned", "/static/{name}", "/uploadcare", "/uploadcare/component/{name}"];

/// Routes of the demo page.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/", get(to_the_page))
        .route("/unsigned", get(page))
        .route("/static/{name}", get(asset))
        .route("/uploadcare", get(uploadcare::page))
        .route("/uploadcare/component/{name}", get(uploadcare::component_file))
}

impl DemoPage {
    /// The page for an account.
    pub fn new(account: &CloudinaryAccount, emulated: bool) -> Self {
        Self {
            cloud: account.cloud.clone(),
            emulator: emulated,
            content_security_policy: content_security_policy(account, emulated),
            asset_version: asset_version(),
        }
    }

    /// Renders the page for the profile that uploads without a name use.
    fn html(&self, profile: Option<&Profile>) -> String {
        let page = UnsignedPage {
            cloud: &self.cloud,
            emulator: self.emulator,
            profile: profile.map_or("", Profile::name),
            folder: profile.map_or("", Profile::folder),
            expires_in: &profile.map(|profile| profile.lifetime().to_string()).unwrap_or_default(),
            may_secure: profile.is_some_and(Profile::client_may_secure),
            limits: profile.and_then(Limits::of),
            version: env!("CARGO_PKG_VERSION"),
            asset_version: &self.asset_version,
        };
        // Rendering fails only when writing does, and writing to a string does not.
        page.render().unwrap_or_default()
    }
}

/// A name for the assets' content: the beginning of a hash over all of them.
fn asset_version() -> String {
    let hash = ASSETS.iter().fold(Sha256::new(), |hash, asset| hash.chain_update(asset.body)).finalize();
    hex::encode(&hash[..6])
}

/// Scripts and styles from here, pictures from the provider, uploads to the provider; nothing inline, no frames.
fn content_security_policy(account: &CloudinaryAccount, emulated: bool) -> HeaderValue {
    let mut media = vec!["'self'".to_owned(), "blob:".to_owned()];
    if emulated {
        media.push(account.upload_prefix.clone());
    } else {
        media.push("https://res.cloudinary.com".to_owned());
        media.push(format!("https://{}-res.cloudinary.com", account.cloud));
        media.extend(account.own_hosts.iter().map(|host| format!("https://{host}")));
    }
    let media = media.join(" ");
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src {media}; media-src {media}; \
         connect-src 'self' {}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        account.upload_prefix
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

async fn to_the_page() -> Response {
    (StatusCode::FOUND, [(LOCATION, HeaderValue::from_static("/unsigned"))]).into_response()
}

async fn page(State(app): State<AppState>) -> Response {
    let headers =
        [(CONTENT_SECURITY_POLICY, app.demo.content_security_policy.clone()), (CACHE_CONTROL, REVALIDATE)];
    (headers, Html(app.demo.html(app.profiles().default_profile()))).into_response()
}

async fn asset(
    State(app): State<AppState>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let version = &app.demo.asset_version;
    let is_named_by_content = query.as_deref().and_then(|query| query.strip_prefix("v=")) == Some(version);
    let tag = format!("\"{version}\"");
    let cache = [
        (CACHE_CONTROL, if is_named_by_content { IMMUTABLE } else { REVALIDATE }),
        (ETAG, HeaderValue::try_from(&tag).unwrap_or(HeaderValue::from_static("\"\""))),
    ];
    if headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, cache).into_response();
    }
    (cache, [(CONTENT_TYPE, asset.content_type)], asset.body).into_response()
}
