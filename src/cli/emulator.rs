//! `countersign emulator`: the emulator alone, for other projects' tests.

use std::future::Future;

use axum::Router;
use clap::Args;
use tokio::net::TcpListener;

use super::output::Output;
use super::serve::listen;
use super::{runtime, shutdown};
use crate::clock::Clock;
use crate::config::{
    CloudinaryAccount, CloudinaryArgs, EmulatorArgs, EmulatorConfig, LogArgs, Problems, UploadcareAccount,
    UploadcareArgs,
};
use crate::connections::{self, ConnectionLimits};
use crate::emulator::{CloudAccount, Emulator, EmulatorError, EmulatorOptions, UploadcareProject};
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
    telemetry::start(&log);
    runtime()?.block_on(async {
        let listener = listen(config.listen).await?;
        let address = listener.local_addr()?;
        let account = match account {
            Some(account) => account.at_emulator(address),
            None => CloudinaryAccount::emulator(address),
        };
        let uploadcare = uploadcare.flatten().map(|uploadcare| uploadcare.at_emulator(address));
        let router = open(&config, &account, uploadcare.as_ref())?.router();
        announce(&account, uploadcare.as_ref())?;
        serve(listener, router, shutdown::requested()).await;
        Ok(())
    })
}

/// Opens the emulator for `account` and the Uploadcare project, at the address that the account names.
pub(super) fn open(
    config: &EmulatorConfig,
    account: &CloudinaryAccount,
    uploadcare: Option<&UploadcareAccount>,
) -> Result<Emulator, EmulatorError> {
    let cloud_account = CloudAccount {
        cloud: account.cloud.clone(),
        api_key: account.api_key.clone(),
        api_secret: account.api_secret.clone(),
    };
    Emulator::open(EmulatorOptions {
        accounts: vec![cloud_account],
        uploadcare: uploadcare.map_or_else(UploadcareProject::default, |project| UploadcareProject {
            public_key: project.public_key.clone(),
            secret_key: project.secret_key.clone(),
            delivery_key: project.secure_delivery.as_ref().map(|delivery| delivery.key.clone()),
        }),
        dir: config.dir.clone(),
        // A clock of its own: the control API moves it, and the service must not move along.
        clock: Clock::system(),
        origin: account.upload_prefix.clone(),
        ..EmulatorOptions::default()
    })
}

/// Serves the emulator until `stop` resolves.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    connections::serve(listener, router, ConnectionLimits::default(), stop).await;
}

/// Tells on standard output how to use it; an account of the user's own keeps its secret.
fn announce(account: &CloudinaryAccount, uploadcare: Option<&UploadcareAccount>) -> std::io::Result<()> {
    // Sent out at once: a reader may want the first line only.
    let mut out = Output::stdout();
    match account.published_url() {
        Some(url) => out.line(format!("CLOUDINARY_URL={url}"))?,
        None => out.line(format!(
            "the cloud `{}` is at {}: add ?upload_prefix={} to your CLOUDINARY_URL",
            account.cloud, account.upload_prefix, account.upload_prefix
        ))?,
    }
    if let Some(keys) = uploadcare.and_then(UploadcareAccount::published_keys) {
        out.line(keys)?;
    }
    out.finish()
}
