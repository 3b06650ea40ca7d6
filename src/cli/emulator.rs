//! `countersign emulator`: the emulator alone, for other projects' tests.

use std::future::Future;
use std::net::SocketAddr;

use axum::Router;
use clap::Args;
use secrecy::SecretString;
use tokio::net::TcpListener;
use url::Url;

use super::output::Output;
use super::serve::listen;
use super::{run_async, shutdown};
use crate::clock::{Clock, UnixSeconds};
use crate::config::{
    CloudinaryAccount, CloudinaryArgs, DownloadKey, EmulatorArgs, EmulatorCloud, EmulatorConfig,
    EmulatorKeyRole, LogArgs, Problems, UploadcareAccount, UploadcareArgs,
};
use crate::connections::{self, ConnectionLimits};
use crate::emulator::{
    CloudAccount, ControlAccess, Emulator, EmulatorError, EmulatorOptions, Exposure, KeyRole, Outgoing,
    SeededPreset, UploadcareProject,
};
use crate::signing::AuthTokenKey;
use crate::telemetry;

/// Settings of the emulator alone.
#[derive(Args, Debug)]
pub(super) struct EmulatorCommand {
    #[command(flatten)]
    at: EmulatorArgs,
    #[command(flatten)]
    cloudinary: CloudinaryArgs,
    #[command(flatten)]
    uploadcare: UploadcareArgs,
    #[command(flatten)]
    log: LogArgs,
}

pub(super) fn run(command: &EmulatorCommand) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    let config = command.at.check(&mut problems);
    let account = command.cloudinary.check(&mut problems);
    let uploadcare =
        config.as_ref().map(|at| command.uploadcare.check_for_emulator(at.listen, &mut problems));
    let log = command.log.check(&mut problems);
    let (config, log) = problems.finish(config.zip(log))?;
    telemetry::start(&log)?;
    run_async(async {
        let listener = listen(config.listen).await?;
        let address = listener.local_addr()?;
        let is_published = account.is_none();
        let account = match account {
            Some(account) => account.at_emulator(address),
            None => CloudinaryAccount::emulator(address),
        };
        let uploadcare = uploadcare.flatten().map(|uploadcare| uploadcare.at_emulator(address));
        // Clouds of a file stand on their own.
        let own = Some(&account).filter(|_| !is_published || config.clouds.is_empty());
        let at = At { address, origin: &account.upload_prefix, paired: Vec::new() };
        let router = open(&config, own, uploadcare.as_ref(), at).await?.router();
        if let Err(error) = announce(own, uploadcare.as_ref(), &config, &account.upload_prefix) {
            tracing::warn!(%error, "nobody can read how to use the emulator");
        }
        serve(listener, router, shutdown::requested()).await;
        Ok(())
    })?
}

/// Where an emulator is, and who is beside it.
pub(super) struct At<'a> {
    /// What it listens on.
    pub(super) address: SocketAddr,
    /// Under which origin clients reach it.
    pub(super) origin: &'a str,
    /// The service that it notifies.
    pub(super) paired: Vec<Url>,
}

/// Opens the emulator for `account`, the Uploadcare project and the clouds of the configuration, with everything that it is to start with.
pub(super) async fn open(
    config: &EmulatorConfig,
    account: Option<&CloudinaryAccount>,
    uploadcare: Option<&UploadcareAccount>,
    at: At<'_>,
) -> Result<Emulator, EmulatorError> {
    let own = account.into_iter().flat_map(keys);
    let exposure = if at.address.ip().is_loopback() { Exposure::Loopback } else { Exposure::Network };
    if exposure == Exposure::Network {
        warn_of_published_secrets(at.address, account, uploadcare);
    }
    // A clock of its own: the control API moves it, and the service must not move along.
    let clock = Clock::system();
    if let Some(start) = config.clock {
        clock.set(UnixSeconds(start));
    }
    let emulator = Emulator::open(EmulatorOptions {
        accounts: own.chain(config.clouds.iter().flat_map(accounts)).collect(),
        uploadcare: uploadcare.map_or_else(UploadcareProject::default, |project| UploadcareProject {
            public_key: project.public_key.clone(),
            secret_key: project.secret_key.clone(),
            delivery_key: project.secure_delivery.as_ref().map(|delivery| delivery.key.clone()),
        }),
        dir: config.dir.clone(),
        clock,
        origin: at.origin.to_owned(),
        exposure,
        control: if config.control_for_any { ControlAccess::Any } else { ControlAccess::Loopback },
        outgoing: outgoing(config, at.paired),
        presets: config.clouds.iter().flat_map(presets).collect(),
        ..EmulatorOptions::default()
    })?;
    let seeded = emulator.prepare(config.faults.as_deref(), config.seed.as_deref()).await?;
    if seeded > 0 {
        tracing::info!(assets = seeded, "the emulator took the files of the seed folder in");
    }
    Ok(emulator)
}

/// A key for download links that an emulator is to know as one that can only read.
pub(super) fn new_download_key(account: &CloudinaryAccount) -> DownloadKey {
    let own = CloudAccount::new(account.cloud.clone(), account.api_key.clone(), account.api_secret.clone());
    let CloudAccount { api_key, api_secret, .. } = own.new_read_key();
    DownloadKey { api_key, api_secret }
}

/// The keys of an account: its own, and the one for downloads, which can only read.
fn keys(account: &CloudinaryAccount) -> impl Iterator<Item = CloudAccount> {
    let token_key = account.auth_token_key.as_ref().map(AuthTokenKey::to_hex);
    let key = |api_key: &String, api_secret: &SecretString, role| CloudAccount {
        role,
        token_key: token_key.clone(),
        ..CloudAccount::new(account.cloud.clone(), api_key.clone(), api_secret.clone())
    };
    let download = account.download_key.as_ref();
    let download = download.map(|second| key(&second.api_key, &second.api_secret, KeyRole::Read));
    std::iter::once(key(&account.api_key, &account.api_secret, KeyRole::Full)).chain(download)
}

/// Whom the emulator may call: the service that it is paired with, and whom the operator named, here or in a cloud.
fn outgoing(config: &EmulatorConfig, paired: Vec<Url>) -> Outgoing {
    let of_clouds = config.clouds.iter().flat_map(|cloud| &cloud.notification_urls);
    let of_clouds = of_clouds.filter_map(|url| Url::parse(url).ok());
    Outgoing {
        remote_files: config.allow.remote_files,
        private_addresses: config.allow.private_addresses,
        notifications: config.allow.notifications,
        notified: config.allow.notified.iter().cloned().chain(of_clouds).chain(paired).collect(),
    }
}

fn warn_of_published_secrets(
    address: SocketAddr,
    account: Option<&CloudinaryAccount>,
    uploadcare: Option<&UploadcareAccount>,
) {
    let cloudinary = account.is_some_and(|account| account.published_url().is_some()).then_some("Cloudinary");
    let uploadcare = uploadcare.is_none_or(|project| project.published_keys().is_some());
    let uploadcare = uploadcare.then_some("Uploadcare");
    for provider in cloudinary.into_iter().chain(uploadcare) {
        tracing::warn!(
            %address,
            provider,
            "the emulator can be reached from other machines, and its secret is published: whoever reaches it can \
             read, change and delete everything in it"
        );
    }
}

fn accounts(cloud: &EmulatorCloud) -> impl Iterator<Item = CloudAccount> {
    cloud.keys.iter().map(|key| CloudAccount {
        algorithm: cloud.algorithm(),
        notification_urls: cloud.notification_urls.clone(),
        token_key: cloud.token_key.clone(),
        role: match key.role {
            EmulatorKeyRole::Full => KeyRole::Full,
            EmulatorKeyRole::Read => KeyRole::Read,
        },
        ..CloudAccount::new(cloud.name.clone(), key.key.clone(), key.secret.clone())
    })
}

fn presets(cloud: &EmulatorCloud) -> impl Iterator<Item = SeededPreset> {
    cloud.presets().map(|preset| SeededPreset {
        cloud: cloud.name.clone(),
        name: preset.name,
        unsigned: preset.unsigned,
        settings: preset.settings,
    })
}

/// Serves the emulator until `stop` resolves.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    connections::serve(listener, router, ConnectionLimits::default(), stop).await;
}

/// Tells on standard output how to use it; an account of the user's own keeps its secret.
fn announce(
    account: Option<&CloudinaryAccount>,
    uploadcare: Option<&UploadcareAccount>,
    config: &EmulatorConfig,
    origin: &str,
) -> std::io::Result<()> {
    // Sent out at once: a reader may want the first line only.
    let mut out = Output::stdout();
    if let Some(url) = account.and_then(CloudinaryAccount::published_url) {
        out.line(format!("CLOUDINARY_URL={url}"))?;
    }
    let own = account.filter(|account| account.published_url().is_none()).map(|account| &account.cloud);
    for cloud in own.into_iter().chain(config.clouds.iter().map(|cloud| &cloud.name)) {
        out.line(format!(
            "the cloud `{cloud}` is at {origin}: add ?upload_prefix={origin} to your CLOUDINARY_URL"
        ))?;
    }
    if let Some(keys) = uploadcare.and_then(UploadcareAccount::published_keys) {
        out.line(keys)?;
    }
    out.finish()
}
