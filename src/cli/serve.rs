//! `countersign serve`: the service, with the emulator beside it if asked for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use url::Url;

use super::{Usage, emulator, profile, reload, run_async, shutdown, sweep};
use crate::api::{Authentication, RateLimit};
use crate::app;
use crate::clock::Clock;
use crate::config::{
    CloudinaryAccount, Config, EmulatorConfig, KeySubjects, LedgerConfig, ServeArgs, UploadcareAccount,
};
use crate::ledger::{Ledger, LedgerError};
use crate::profiles::Profiles;
use crate::providers::CallBudget;
use crate::state::{AppSettings, AppState};
use crate::telemetry;

/// How long the ledger may take to write what is left and to close, once no request is under way.
const LEDGER_PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn run(args: &ServeArgs) -> anyhow::Result<()> {
    let config = args.check()?;
    let profiles = profile::read(config.profiles.as_ref())?;
    if let Some(uploadcare) = &config.uploadcare {
        profile::check_webhooks(&profiles, uploadcare.webhook_secret.as_ref())?;
    }
    telemetry::start(&config.log)?;
    run_async(serve(config, profiles))?
}

async fn serve(config: Config, profiles: Profiles) -> anyhow::Result<()> {
    let hangups = reload::hangups()?;
    let ledger = Ledger::new(&config.ledger)?;
    refuse_ambiguous_subjects(&config.ledger, &ledger, &profiles).await?;
    let listener = listen(config.listen).await?;
    let address = listener.local_addr()?;
    let mut account = config.cloudinary;
    let mut uploadcare = config.uploadcare;
    let beside = match &config.emulator {
        Some(emulator) => {
            let paired = PairedService { address, public_url: config.public_url.as_deref() };
            Some(Beside::start(emulator, &mut account, &mut uploadcare, paired).await?)
        }
        None => None,
    };
    let signs_for_uploadcare = uploadcare.is_some();
    let state = AppState::new(AppSettings {
        account,
        uploadcare,
        emulated: beside.is_some(),
        authentication: Authentication::new(config.auth)?,
        rate_limit: RateLimit::new(config.rate_limit, config.trusted_proxy_hops),
        profiles,
        ledger,
        // The emulator on this machine reaches us where everybody does.
        public_url: config.public_url.or_else(|| beside.is_some().then(|| format!("http://{address}"))),
        allowed_hosts: config.allowed_hosts,
        clock: Clock::system(),
    })?;
    if signs_for_uploadcare {
        reload::warn_of_short_lifetimes(&state.profiles());
    }
    tokio::spawn(reload::at_each(hangups, config.profiles, state.clone()));
    let schedule = sweep::Schedule {
        every: config.sweep_every,
        budget: config.admin_api_budget.map(CallBudget::new),
        retention: config.ledger_retention,
    };
    tokio::spawn(sweep::keep_sweeping(state.clone(), schedule));
    let ledger = state.ledger.clone();
    let names = match state.authentication {
        Authentication::Off => "; other host names than localhost need ALLOWED_HOSTS",
        Authentication::Required { .. } => "",
    };
    tracing::info!(
        cloud = state.cloudinary.cloud,
        connections = crate::descriptors::connections_allowed(),
        "countersign listens on http://{address} (demo page: /unsigned{names})"
    );
    app::serve(listener, state, config.cors_allowed_origins, shutdown::requested()).await;
    if tokio::time::timeout(LEDGER_PATIENCE, ledger.close()).await.is_err() {
        tracing::warn!("the ledger did not close in time");
    }
    if let Some(beside) = beside {
        beside.stop().await;
    }
    Ok(())
}

/// Stops the start where nobody can tell whether rows are an API key's or a token's. A ledger that does not answer now is
/// asked again before it is used.
async fn refuse_ambiguous_subjects(
    config: &LedgerConfig,
    ledger: &Ledger,
    profiles: &Profiles,
) -> anyhow::Result<()> {
    let may_be_ambiguous = matches!(config.keys, KeySubjects::Refuse(_)) && profiles.need_the_ledger();
    if may_be_ambiguous && let Err(error @ LedgerError::AmbiguousSubjects(_)) = ledger.open().await {
        return Err(Usage(error.to_string()).into());
    }
    Ok(())
}

pub(super) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// The emulator beside the service. It outlives the service, whose last requests may still need it.
struct Beside {
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Beside {
    async fn start(
        config: &EmulatorConfig,
        account: &mut CloudinaryAccount,
        uploadcare: &mut Option<UploadcareAccount>,
        service: PairedService<'_>,
    ) -> anyhow::Result<Self> {
        let listener = listen(config.listen).await?;
        let address = listener.local_addr()?;
        *account = account.clone().at_emulator(address);
        *uploadcare = uploadcare.take().map(|uploadcare| uploadcare.at_emulator(address));
        if account.download_key.is_none() {
            account.download_key = Some(emulator::new_download_key(account));
        }
        let at = emulator::At { address, origin: &account.upload_prefix, paired: service.urls() };
        let emulator = emulator::open(config, Some(account), uploadcare.as_ref(), at).await?;
        if let Some(secret) = uploadcare.as_ref().and_then(|project| project.webhook_secret.as_ref()) {
            // What an operator does in the provider's console.
            let url = format!("http://{}/webhooks/uploadcare", from_here(service.address));
            emulator.tell_of_uploadcare_files(&url, secret);
        }
        let router = emulator.router();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(emulator::serve(listener, router, async {
            // An error means that the sender is gone, which is a reason to stop as well.
            let _ = stopped.await;
        }));
        tracing::info!(
            url = account.upload_prefix,
            "the emulator stands in for Cloudinary; nothing leaves this machine"
        );
        Ok(Self { stop, served })
    }

    async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.served.await;
    }
}

/// The service that an emulator stands beside.
#[derive(Clone, Copy)]
struct PairedService<'a> {
    address: SocketAddr,
    public_url: Option<&'a str>,
}

impl PairedService<'_> {
    /// Where it takes notifications.
    fn urls(self) -> Vec<Url> {
        let here = [from_here(self.address), self.address].map(|address| format!("http://{address}"));
        let urls = here.iter().map(String::as_str).chain(self.public_url);
        urls.filter_map(|url| Url::parse(url).ok()).collect()
    }
}

/// The address as programs on this machine reach it.
fn from_here(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}
