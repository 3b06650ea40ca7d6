//! Configuration: flags and variables as one clap struct, and what they mean once every value has been checked.
//!
//! The only reader of the environment. A value is read as text first and checked afterwards, so that one start reports
//! every problem. An empty variable counts as absent. `X_FILE` names a file that holds the secret `X`.

mod auth;
mod cloudinary;
mod cloudinary_url;
mod dot_env;
mod emulator;
mod ledger;
mod listen;
mod problems;
mod uploadcare;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderValue;
use clap::Args;

use auth::AuthArgs;
pub use auth::{ApiKeysArgs, AuthConfig, TokenKeyConfig, TokensConfig};
pub use cloudinary::{CloudinaryAccount, CloudinaryArgs, DownloadKey, emulator_account};
pub use cloudinary_url::CloudinaryUrlError;
pub use dot_env::{DotEnv, DotEnvError, load_dot_env};
pub use emulator::{
    EmulatorAllow, EmulatorArgs, EmulatorCloud, EmulatorConfig, EmulatorKey, EmulatorKeyRole, EmulatorPreset,
};
use ledger::SettlingArgs;
pub use ledger::{BudgetArgs, KeySubjects, LedgerArgs, LedgerConfig};
use listen::ListenArgs;
pub use listen::RateLimitConfig;
pub use problems::Problems;
pub use uploadcare::{SecureDelivery, UploadcareAccount, UploadcareArgs};

/// Settings of the service.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeArgs {
    /// Run against the built-in emulator: no account needed, nothing leaves this machine
    #[arg(long)]
    pub emulator: bool,
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    auth: AuthArgs,
    #[command(flatten)]
    cloudinary: CloudinaryArgs,
    #[command(flatten)]
    uploadcare: UploadcareArgs,
    #[command(flatten)]
    ledger: LedgerArgs,
    #[command(flatten)]
    settling: SettlingArgs,
    #[command(flatten)]
    emulator_at: EmulatorArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// Where profiles come from.
#[derive(Args, Clone, Debug, Default)]
pub struct ProfilesArgs {
    /// Profiles file (TOML); without it the one profile `default` exists
    #[arg(long, env = "PROFILES_FILE", value_name = "FILE")]
    profiles_file: Option<String>,
}

/// What is logged, and how.
#[derive(Args, Clone, Debug, Default)]
pub struct LogArgs {
    /// How log lines look: text or json [default: text]
    #[arg(long, env = "LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<String>,
    /// What is logged, such as info or countersign=debug [default: info]
    #[arg(long, env = "RUST_LOG", value_name = "FILTER")]
    rust_log: Option<String>,
}

/// The service's settings, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Origins whose pages may call.
    pub cors_allowed_origins: Vec<HeaderValue>,
    /// Further host names of this server.
    pub allowed_hosts: Vec<String>,
    /// How often one caller may call; `None` is as often as they like.
    pub rate_limit: Option<RateLimitConfig>,
    /// How many proxies in front are ours.
    pub trusted_proxy_hops: usize,
    /// How callers are authenticated.
    pub auth: AuthConfig,
    /// The account to sign for.
    pub cloudinary: CloudinaryAccount,
    /// The Uploadcare project to sign for, if there is one.
    pub uploadcare: Option<UploadcareAccount>,
    /// The text of the profiles file.
    pub profiles: Option<ProfilesFile>,
    /// Where grants are kept, once a profile needs it.
    pub ledger: LedgerConfig,
    /// Where the provider reaches this server, without a slash at the end.
    pub public_url: Option<String>,
    /// The pause between two sweeps of the ledger; `None` for none at all.
    pub sweep_every: Option<Duration>,
    /// How many calls of the Admin API the sweep may make in an hour; `None` is as many as it takes.
    pub admin_api_budget: Option<NonZeroU32>,
    /// How long what is of no file is kept; `None` is for ever.
    pub ledger_retention: Option<Duration>,
    /// Set when the emulator runs beside the service.
    pub emulator: Option<EmulatorConfig>,
    /// What is logged.
    pub log: LogConfig,
}

/// The profiles file as it stands on disk.
#[derive(Clone, Debug)]
pub struct ProfilesFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

/// The log's settings, checked.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// One JSON object a line instead of text.
    pub json: bool,
    /// A filter as `tracing` reads it.
    pub filter: String,
}

impl ServeArgs {
    /// Checks every setting.
    pub fn check(&self) -> Result<Config, Problems> {
        let mut problems = Problems::default();
        let auth = self.auth.check(&mut problems);
        let listen = self.listen.check(&auth, &mut problems);
        let cors_allowed_origins = self.listen.check_origins(&mut problems);
        let allowed_hosts = self.listen.check_hosts(&mut problems);
        let rate_limit = self.listen.check_rate_limit(&mut problems);
        let trusted_proxy_hops = self.listen.check_hops(&mut problems);
        let emulator = self.emulator_at.check(&mut problems);
        let cloudinary = match self.cloudinary.check(&mut problems) {
            Some(account) if self.emulator => account.held_against_emulator(emulator.as_ref(), &mut problems),
            None if self.emulator => emulator.as_ref().map(|at| {
                self.cloudinary.with_further_keys(CloudinaryAccount::emulator(at.listen), &mut problems)
            }),
            account => account.or_else(|| {
                self.cloudinary.explain_absence(&mut problems);
                None
            }),
        };
        let uploadcare = match &emulator {
            Some(at) if self.emulator => self.uploadcare.check_for_emulator(at.listen, &mut problems),
            _ => self.uploadcare.check(&mut problems),
        };
        let profiles = self.listen.profiles.read(&mut problems);
        let ledger = self.ledger.check(&mut problems).for_callers(&auth);
        let public_url = self.settling.check_public_url(&mut problems);
        let sweep_every = self.settling.check_sweep(&mut problems);
        let admin_api_budget = self.settling.check_budget(&mut problems);
        let ledger_retention = self.settling.check_retention(&mut problems);
        let log = self.log.check(&mut problems);
        let config = listen.zip(cloudinary).zip(log).map(|((listen, cloudinary), log)| Config {
            listen,
            auth,
            rate_limit,
            trusted_proxy_hops,
            cors_allowed_origins,
            allowed_hosts,
            cloudinary,
            uploadcare,
            profiles,
            ledger,
            public_url,
            sweep_every,
            admin_api_budget,
            ledger_retention,
            emulator: emulator.filter(|_| self.emulator),
            log,
        });
        problems.finish(config)
    }
}

impl ProfilesArgs {
    /// Reads the file, if one is named.
    pub fn read(&self, problems: &mut Problems) -> Option<ProfilesFile> {
        ProfilesFile::read(PathBuf::from(present(self.profiles_file.as_deref())?), problems)
    }
}

impl ProfilesFile {
    fn read(path: PathBuf, problems: &mut Problems) -> Option<Self> {
        let text = problems.take(
            "PROFILES_FILE",
            std::fs::read_to_string(&path)
                .map_err(|error| format!("the file `{}` cannot be read: {error}", path.display())),
        )?;
        Some(Self { path, text })
    }

    /// The file as it stands on disk now.
    pub fn read_again(&self) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let file = Self::read(self.path.clone(), &mut problems);
        problems.finish(file)
    }
}

impl LogArgs {
    /// Checks format and filter.
    pub fn check(&self, problems: &mut Problems) -> Option<LogConfig> {
        let json = match present(self.log_format.as_deref()) {
            None | Some("text") => Some(false),
            Some("json") => Some(true),
            Some(other) => {
                problems.add("LOG_FORMAT", format_args!("`{other}` is not a format: use text or json"));
                None
            }
        };
        let filter = present(self.rust_log.as_deref()).unwrap_or("info");
        let checked = tracing_subscriber::EnvFilter::try_new(filter);
        problems.take("RUST_LOG", checked)?;
        Some(LogConfig { json: json?, filter: filter.to_owned() })
    }
}

/// The text of a setting; an empty one counts as absent.
fn present(value: Option<&str>) -> Option<&str> {
    value.map(str::trim).filter(|text| !text.is_empty())
}

/// A setting that is not what it should be.
#[derive(Debug)]
struct NotA {
    found: String,
    expected: &'static str,
}

impl fmt::Display for NotA {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not {}", self.found, self.expected)
    }
}

fn parse_host(text: Option<&str>) -> Result<IpAddr, NotA> {
    match present(text) {
        None | Some("localhost") => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Some(text) => text.trim_matches(['[', ']']).parse().map_err(|_source| NotA {
            found: text.to_owned(),
            expected: "an IP address such as 127.0.0.1, 0.0.0.0 or ::1",
        }),
    }
}

fn parse_port(text: Option<&str>, default: u16) -> Result<u16, NotA> {
    let Some(text) = present(text) else { return Ok(default) };
    text.parse().map_err(|_source| NotA { found: text.to_owned(), expected: "a port number from 0 to 65535" })
}

#[cfg(test)]
mod tests;
