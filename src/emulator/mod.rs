//! Cloudinary's Upload, Admin and download APIs and its delivery, on a directory and an index, for development and tests.
//!
//! It says no wherever the real service says no, with the same status and the same text, because a test that passes
//! against a friendlier server proves nothing. What it cannot do (transformations above all) it names in the response
//! header `X-Countersign-Emulator`, or it refuses with a text that starts `Not emulated: `.
//!
//! A request passes the files in this order:
//!
//! ```text
//! routes ── host ── observe (request id, journal) ── pages (CORS) ── faults
//!   ├─ upload/   form → verify → presets → params, attributes → naming, content → store → answer      (chunks: in parts)
//!   ├─ uploadcare/         the other provider, with routes and a store of its own
//!   ├─ archive/  many assets as one ZIP file
//!   ├─ edit/     destroy, rename, explicit, labels; delete_token
//!   ├─ admin/    account, listing and page, detail, deletion, presets, folders, metadata_fields,
//!   │            search, transformations, mappings
//!   ├─ download, delivery → transformation, token → original, or mapping where it is not there
//!   ├─ unperformed         every other call: verified, then refused by name
//!   └─ control   clock, faults, journal, notifications, seed and assets, for tests on this machine
//! ```
//!
//! What happens to assets goes to `notify`, which calls out through `outgoing`, as an upload does for a remote file.

mod accounts;
mod admin;
mod answer;
mod archive;
mod attributes;
mod control;
mod data_uri;
mod delete_token;
mod delivery;
mod download;
mod edit;
mod faults;
mod fields;
mod form;
mod host;
mod journal;
mod mapping;
mod metadata;
mod named;
mod notify;
mod observe;
mod original;
mod outgoing;
mod pages;
mod presets;
mod range;
mod refusal;
mod routes;
mod search;
mod seed;
mod store;
mod token;
mod transformation;
mod unperformed;
mod unread;
mod upload;
mod uploadcare;
mod verify;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use secrecy::SecretString;

use crate::clock::Clock;

use accounts::Accounts;
pub use accounts::{CloudAccount, KeyRole};
pub use control::ControlAccess;
use faults::Faults;
pub use host::Exposure;
use journal::Journal;
use notify::Notifier;
pub use outgoing::Outgoing;
pub use seed::SeedError;
use store::Store;
pub use store::StoreError;
use store::{Preset, Settings};
use upload::Chunks;
use uploadcare::Uploadcare;
pub use uploadcare::UploadcareProject;

/// What an emulator starts with. The default is the account `emulator` in a temporary folder, on the machine's clock.
#[derive(Clone, Debug)]
pub struct EmulatorOptions {
    /// The keys it knows, each with its product environment.
    pub accounts: Vec<CloudAccount>,
    /// The Uploadcare project it knows.
    pub uploadcare: UploadcareProject,
    /// Where assets are kept; without it in a temporary folder that goes away with the emulator.
    pub dir: Option<PathBuf>,
    /// The clock behind every check and every version; the control API moves it.
    pub clock: Clock,
    /// Scheme, host and port under which clients reach it, without a trailing slash; goes into `url` and `secure_url`. On
    /// a network the host and port that a request was sent to go there instead.
    pub origin: String,
    /// Who can reach it.
    pub exposure: Exposure,
    /// Who may use the control API.
    pub control: ControlAccess,
    /// How large files may be.
    pub limits: Limits,
    /// Whom it may call.
    pub outgoing: Outgoing,
    /// Upload presets that are there from the start, and again after a reset.
    pub presets: Vec<SeededPreset>,
}

/// An upload preset that an emulator starts with.
#[derive(Clone, Debug)]
pub struct SeededPreset {
    /// The cloud that has it.
    pub cloud: String,
    /// Its name.
    pub name: String,
    /// Whether uploads without a signature may use it.
    pub unsigned: bool,
    /// Its parameters, as an upload would send them.
    pub settings: BTreeMap<String, String>,
}

impl Default for EmulatorOptions {
    fn default() -> Self {
        Self {
            accounts: vec![CloudAccount::default()],
            uploadcare: UploadcareProject::default(),
            dir: None,
            clock: Clock::system(),
            origin: "http://127.0.0.1:4000".to_owned(),
            exposure: Exposure::default(),
            control: ControlAccess::default(),
            limits: Limits::default(),
            outgoing: Outgoing::default(),
            presets: Vec::new(),
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
    /// A cloud has no key that may upload.
    #[error("the cloud `{0}` needs a key without the role `read`")]
    ReadKeysOnly(String),
    /// The faults are not a JSON list of faults.
    #[error("the faults cannot be read: {0}")]
    NotFaults(#[source] serde_json::Error),
    /// A fault cannot happen.
    #[error("the faults cannot be set: {0}")]
    BadFault(String),
    /// The folder of the first assets cannot be taken in.
    #[error(transparent)]
    Seed(#[from] SeedError),
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
    exposure: Exposure,
    control: ControlAccess,
    limits: Limits,
    faults: Arc<Faults>,
    journal: Journal,
    notifier: Notifier,
    outgoing: Outgoing,
    presets: Vec<SeededPreset>,
}

impl Backend {
    /// Puts the presets of the start where they were.
    async fn restore_presets(&self) -> Result<(), StoreError> {
        if self.presets.is_empty() {
            return Ok(());
        }
        let presets = self.presets.clone();
        let restore = move |settings: &mut Settings| {
            for SeededPreset { cloud, name, unsigned, settings: parameters } in presets {
                let preset = Preset { unsigned, settings: parameters };
                settings.of_mut(&cloud).presets.insert(name, preset);
            }
            Ok::<_, StoreError>(())
        };
        self.store.change_settings(restore).await?
    }
}

impl Emulator {
    /// Opens the directory and reads what is in it.
    pub fn open(options: EmulatorOptions) -> Result<Self, EmulatorError> {
        if options.accounts.is_empty() {
            return Err(EmulatorError::NoAccount);
        }
        let accounts = Accounts::new(options.accounts);
        if let Some(cloud) = accounts.cloud_that_is_only_read() {
            return Err(EmulatorError::ReadKeysOnly(cloud.to_owned()));
        }
        let faults = Arc::new(Faults::default());
        let store = Store::open(options.dir.clone())?;
        Ok(Self(Arc::new(Backend {
            notifier: Notifier::new(options.clock.clone(), Arc::clone(&faults), options.outgoing.clone()),
            outgoing: options.outgoing,
            presets: options.presets,
            accounts,
            uploadcare: Uploadcare::open(options.uploadcare, options.dir)?,
            store,
            chunks: Chunks::new(options.limits.chunked_file_bytes),
            clock: options.clock,
            origin: options.origin,
            exposure: options.exposure,
            control: options.control,
            limits: options.limits,
            faults,
            journal: Journal::default(),
        })))
    }

    /// Makes what it was told to start with: presets, faults as JSON, and every file below a folder. Says how many
    /// assets came of the folder.
    pub async fn prepare(&self, faults: Option<&str>, folder: Option<&Path>) -> Result<usize, EmulatorError> {
        self.0.restore_presets().await?;
        if let Some(faults) = faults {
            let faults = serde_json::from_str(faults).map_err(EmulatorError::NotFaults)?;
            self.0.faults.set(faults).map_err(|problem| EmulatorError::BadFault(problem.to_string()))?;
        }
        match folder {
            Some(folder) => Ok(seed::from_folder(&self.0, folder, None).await?),
            None => Ok(0),
        }
    }

    /// Tells `url`, which must be on this machine and among [`Outgoing::notified`], of every file of the Uploadcare project
    /// that comes or goes, signed with `secret`; a reset does not end it.
    pub fn tell_of_uploadcare_files(&self, url: &str, secret: &SecretString) {
        if !self.0.uploadcare.tell(&self.0.outgoing, url, secret, self.0.clock.now()) {
            tracing::warn!(
                url,
                "the emulator notifies nobody of Uploadcare files: the address is not on this machine, or not allowed"
            );
        }
    }

    /// Everything it serves. Must be served with `ConnectInfo<SocketAddr>`: without a peer address the control API
    /// refuses everybody.
    pub fn router(&self) -> Router {
        routes::router(Arc::clone(&self.0))
    }
}
