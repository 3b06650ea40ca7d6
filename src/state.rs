//! What every request may use: concrete values, cheap to clone.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, Guard};
use axum::http::HeaderValue;
use secrecy::SecretString;

use crate::api::{Authentication, ExplainSlots, RateLimit, SeenNotifications};
use crate::clock::Clock;
use crate::config::{CloudinaryAccount, SecureDelivery, UploadcareAccount};
use crate::delivery::OurDelivery;
use crate::delivery::uploadcare::OurCdn;
use crate::demo::{DemoPage, UploadcarePage};
use crate::host::HostRules;
use crate::ledger::Ledger;
use crate::profiles::Profiles;
use crate::providers::NoClient;
use crate::providers::cloudinary::AdminApi;
use crate::providers::uploadcare::RestApi;
use crate::settling::Settling;
use crate::signing::cloudinary::Signer;

/// The service's state. A clone is one more reference to it.
#[derive(Clone, Debug)]
pub struct AppState(Arc<Shared>);

/// What all clones share.
#[derive(Debug)]
pub struct Shared {
    /// Tells the time.
    pub clock: Clock,
    /// How callers prove who they are.
    pub authentication: Authentication,
    /// How often one caller may call.
    pub rate_limit: RateLimit,
    profiles: ArcSwap<Profiles>,
    /// The account to sign for.
    pub cloudinary: Cloudinary,
    /// Which grants there are, and what became of them.
    pub ledger: Ledger,
    /// Where the provider can tell us of uploads.
    pub notification_url: Option<String>,
    /// What it told us of late.
    pub seen_notifications: SeenNotifications,
    /// Room for signatures that are explained.
    pub explain_slots: ExplainSlots,
    /// The Uploadcare project to sign for, if there is one.
    pub uploadcare: Option<Uploadcare>,
    /// The demo page.
    pub demo: DemoPage,
    allowed_hosts: Vec<String>,
    public_url: Option<String>,
    draining: AtomicBool,
}

/// What a service is made of.
#[derive(Debug)]
pub struct AppSettings {
    /// The account to sign for.
    pub account: CloudinaryAccount,
    /// The Uploadcare project to sign for as well.
    pub uploadcare: Option<UploadcareAccount>,
    /// Whether the providers are an emulator beside the service.
    pub emulated: bool,
    /// How callers prove who they are.
    pub authentication: Authentication,
    /// How often one caller may call.
    pub rate_limit: RateLimit,
    /// What may be uploaded.
    pub profiles: Profiles,
    /// Where grants are kept, once a profile needs it.
    pub ledger: Ledger,
    /// Where the provider reaches this server, without a slash at the end.
    pub public_url: Option<String>,
    /// Further host names of this server.
    pub allowed_hosts: Vec<String>,
    /// Tells the time.
    pub clock: Clock,
}

/// The Cloudinary account as requests use it.
#[derive(Debug)]
pub struct Cloudinary {
    /// The cloud name.
    pub cloud: String,
    /// The public half of the credentials, which clients send along.
    pub api_key: String,
    /// `<upload_prefix>/v1_1/<cloud>`: where clients upload to and download from.
    pub api_base: String,
    /// Whether the provider is an emulator beside the service.
    pub emulated: bool,
    /// Signs for the account.
    pub signer: Signer,
    /// Which delivery URLs are the account's.
    pub delivery: OurDelivery,
    /// Calls the provider.
    pub admin: AdminApi,
}

/// The Uploadcare project as requests use it.
#[derive(Debug)]
pub struct Uploadcare {
    /// What signs uploads.
    pub secret_key: SecretString,
    /// Which CDN URLs are the project's.
    pub cdn: OurCdn,
    /// Signed delivery, where the project has it.
    pub secure_delivery: Option<SecureDelivery>,
    /// What webhooks are signed with.
    pub webhook_secret: Option<SecretString>,
    /// Calls the provider.
    pub rest: RestApi,
    /// The demo page.
    pub page: UploadcarePage,
}

impl AppState {
    /// The state of a service.
    pub fn new(settings: AppSettings) -> Result<Self, NoClient> {
        let AppSettings {
            account,
            uploadcare,
            emulated,
            authentication,
            rate_limit,
            profiles,
            ledger,
            public_url,
            allowed_hosts,
            clock,
        } = settings;
        let cloudinary = Cloudinary {
            cloud: account.cloud.clone(),
            api_key: account.api_key.clone(),
            api_base: format!("{}/v1_1/{}", account.upload_prefix, account.cloud),
            emulated,
            signer: account.signer(),
            delivery: account.delivery(emulated),
            admin: AdminApi::new(&account, clock.clone())?,
        };
        let uploadcare = uploadcare.map(|account| Uploadcare::new(&account, emulated, clock.clone()));
        Ok(Self(Arc::new(Shared {
            demo: DemoPage::new(&account, emulated),
            clock,
            authentication,
            rate_limit,
            profiles: ArcSwap::from_pointee(profiles),
            cloudinary,
            ledger,
            notification_url: public_url.as_ref().map(|url| format!("{url}/webhooks/cloudinary")),
            public_url,
            allowed_hosts,
            seen_notifications: SeenNotifications::default(),
            explain_slots: ExplainSlots::default(),
            uploadcare: uploadcare.transpose()?,
            draining: AtomicBool::default(),
        })))
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Shared {
    /// What may be uploaded, as of now. A request asks once and lets go before it waits for anything: a reload must not
    /// change the rules in its middle, and the old ones go with their last reader.
    pub fn profiles(&self) -> Guard<Arc<Profiles>> {
        self.profiles.load()
    }

    /// Puts `profiles` in the place of those before, for all clones and at once.
    pub fn replace_profiles(&self, profiles: Profiles) {
        self.profiles.store(Arc::new(profiles));
    }

    /// Whom to hear; `None` for everybody, because callers are authenticated.
    pub fn host_rules(&self, allowed_origins: &[HeaderValue]) -> Option<HostRules> {
        let rules = || HostRules::new(&self.allowed_hosts, self.public_url.as_deref(), allowed_origins);
        matches!(self.authentication, Authentication::Off).then(rules)
    }

    /// What settles grants.
    pub fn settling(&self) -> Settling {
        Settling {
            ledger: self.ledger.clone(),
            admin: self.cloudinary.admin.clone(),
            files: self.uploadcare.as_ref().map(|uploadcare| uploadcare.rest.clone()),
            clock: self.clock.clone(),
        }
    }

    /// Whether the service is shutting down: it finishes what it has and wants no more.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Turns readiness off.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

impl Uploadcare {
    fn new(account: &UploadcareAccount, emulated: bool, clock: Clock) -> Result<Self, NoClient> {
        Ok(Self {
            secret_key: account.secret_key.clone(),
            cdn: account.cdn(emulated),
            secure_delivery: account.secure_delivery.clone(),
            webhook_secret: account.webhook_secret.clone(),
            rest: RestApi::new(account, clock)?,
            page: UploadcarePage::new(account, emulated),
        })
    }
}
