//! Cloudinary's Upload, Admin and download APIs and its delivery, on a directory and an index, for development and tests.
//!
//! It says no wherever the real service says no, with the same status and the same text, because a test that passes
//! against a friendlier server proves nothing. What it cannot do (transformations above all) it names in the response
//! header `X-Countersign-Emulator`, or it refuses with a text that starts `Not emulated: `.
//!
//! A request passes the files in this order:
//!
//! ```text
//! routes ── observe (request id, journal) ── faults
//!   ├─ upload/   form → verify → params → naming, content → store → answer        (chunks: one upload in parts)
//!   ├─ uploadcare/         the other provider, with routes and a store of its own
//!   ├─ destroy, admin, download, delivery → original
//!   └─ control   clock, faults, journal and assets, for tests on this machine
//! ```

mod accounts;
mod admin;
mod answer;
mod control;
mod data_uri;
mod delivery;
mod destroy;
mod download;
mod faults;
mod fields;
mod form;
mod journal;
mod observe;
mod original;
mod range;
mod refusal;
mod routes;
mod store;
mod unread;
mod upload;
mod uploadcare;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;

use crate::clock::Clock;

use accounts::Accounts;
pub use accounts::CloudAccount;
use faults::Faults;
use journal::Journal;
use store::Store;
pub use store::StoreError;
use upload::Chunks;
use uploadcare::Uploadcare;
pub use uploadcare::UploadcareProject;

/// What an emulator starts with. The default is the account `emulator` in a temporary folder, on the machine's clock.
#[derive(Clone, Debug)]
pub struct EmulatorOptions {
    /// The product environments it knows, each with one key.
    pub accounts: Vec<CloudAccount>,
    /// The Uploadcare project it knows.
    pub uploadcare: UploadcareProject,
    /// Where assets are kept; without it in a temporary folder that goes away with the emulator.
    pub dir: Option<PathBuf>,
    /// The clock behind every check and every version; the control API moves it.
    pub clock: Clock,
    /// Scheme, host and port under which clients reach it, without a trailing slash; goes into `url` and `secure_url`.
    pub origin: String,
    /// How large files may be.
    pub limits: Limits,
}

impl Default for EmulatorOptions {
    fn default() -> Self {
        Self {
            accounts: vec![CloudAccount::default()],
            uploadcare: UploadcareProject::default(),
            dir: None,
            clock: Clock::system(),
            origin: "http://127.0.0.1:4000".to_owned(),
            limits: Limits::default(),
        }
    }
}

/// How large files may be, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The file in one request; the provider documents 100 MB.
    pub request_file_bytes: u64,
    /// The file that the parts of one chunked upload make.
    pub chunked_file_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { request_file_bytes: 100 * 1024 * 1024, chunked_file_bytes: 2 * 1024 * 1024 * 1024 }
    }
}

/// Why an emulator cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    /// There is no account, so every request would be refused.
    #[error("the emulator needs at least one account")]
    NoAccount,
    /// The directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A running emulator; clones share it.
#[derive(Clone, Debug)]
pub struct Emulator(Arc<Backend>);

/// What every handler works on.
#[derive(Debug)]
struct Backend {
    /// Closes before the store does, whose lock stands for both.
    uploadcare: Uploadcare,
    accounts: Accounts,
    store: Store,
    chunks: Chunks,
    clock: Clock,
    origin: String,
    limits: Limits,
    faults: Faults,
    journal: Journal,
}

impl Emulator {
    /// Opens the directory and reads what is in it.
    pub fn open(options: EmulatorOptions) -> Result<Self, EmulatorError> {
        if options.accounts.is_empty() {
            return Err(EmulatorError::NoAccount);
        }
        let store = Store::open(options.dir.clone())?;
        Ok(Self(Arc::new(Backend {
            accounts: Accounts::new(options.accounts),
            uploadcare: Uploadcare::open(options.uploadcare, options.dir)?,
            store,
            chunks: Chunks::new(options.limits.chunked_file_bytes),
            clock: options.clock,
            origin: options.origin,
            limits: options.limits,
            faults: Faults::default(),
            journal: Journal::default(),
        })))
    }

    /// Everything it serves. Must be served with `ConnectInfo<SocketAddr>`: without a peer address the control API
    /// refuses everybody.
    pub fn router(&self) -> Router {
        routes::router(Arc::clone(&self.0))
    }
}
