//! Configuration: flags and variables as one clap struct, and what they mean once every value has been checked.
//!
//! The only reader of the environment. A value is read as text first and checked afterwards, so that one start reports
//! every problem. An empty variable counts as absent. `X_FILE` names a file that holds the secret `X`.

mod cloudinary;
mod problems;
mod uploadcare;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use axum::http::HeaderValue;
use clap::Args;

pub use cloudinary::{CloudinaryAccount, CloudinaryArgs, CloudinaryUrlError};
pub use problems::Problems;
pub use uploadcare::{SecureDelivery, UploadcareAccount, UploadcareArgs};

/// Reads `.env` of the working directory into the environment, before anything else runs.
///
/// A variable that is already set stays as it is.
pub fn load_dot_env() -> Result<(), DotEnvError> {
    match dotenvy::dotenv() {
        Ok(_) => Ok(()),
        Err(error) if error.not_found() => Ok(()),
        // The library's own text would quote the line, which may hold a secret.
        Err(dotenvy::Error::LineParse(_, column)) => Err(DotEnvError::Line { column }),
        Err(_) => Err(DotEnvError::Unreadable),
    }
}

/// A `.env` file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DotEnvError {
    /// A line that is not `NAME=value`.
    #[error(
        ".env has a line that is not NAME=value (near column {column}); quote values that hold spaces or quotes"
    )]
    Line {
        /// Where in the line the reader gave up.
        column: usize,
    },
    /// The file is there and cannot be read.
    #[error(".env is there but cannot be read")]
    Unreadable,
}

/// Settings of the service.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeArgs {
    /// Run against the built-in emulator: no account needed, nothing leaves this machine
    #[arg(long)]
    pub emulator: bool,
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    cloudinary: CloudinaryArgs,
    #[command(flatten)]
    uploadcare: UploadcareArgs,
    #[command(flatten)]
    emulator_at: EmulatorArgs,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Args, Clone, Debug, Default)]
struct ListenArgs {
    /// Address to listen on; anything but loopback needs authentication, or AUTH=none [default: 127.0.0.1]
    #[arg(long, env = "HOST", value_name = "ADDRESS")]
    host: Option<String>,
    /// Port to listen on; 0 takes any free one [default: 3000]
    #[arg(long, env = "PORT", value_name = "PORT")]
    port: Option<String>,
    /// Who may call: none (everybody who reaches the address)
    #[arg(long, env = "AUTH", value_name = "HOW")]
    auth: Option<String>,
    /// Profiles file (TOML); without it the one profile `default` exists
    #[arg(long, env = "PROFILES_FILE", value_name = "FILE")]
    profiles_file: Option<String>,
    /// Origins whose pages may call, exactly as browsers send them, comma-separated [default: none]
    #[arg(long, env = "CORS_ALLOWED_ORIGINS", value_name = "ORIGINS")]
    cors_allowed_origins: Option<String>,
}

/// Where the emulator listens and keeps its assets.
#[derive(Args, Clone, Debug, Default)]
#[expect(clippy::struct_field_names, reason = "names become flags")]
pub struct EmulatorArgs {
    /// Address of the emulator [default: 127.0.0.1]
    #[arg(long, env = "EMULATOR_HOST", value_name = "ADDRESS")]
    emulator_host: Option<String>,
    /// Port of the emulator; 0 takes any free one [default: 4000]
    #[arg(long, env = "EMULATOR_PORT", value_name = "PORT")]
    emulator_port: Option<String>,
    /// Folder for the emulator's assets, kept between runs [default: a temporary one]
    #[arg(long, env = "EMULATOR_DIR", value_name = "FOLDER")]
    emulator_dir: Option<String>,
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
    /// The account to sign for.
    pub cloudinary: CloudinaryAccount,
    /// The Uploadcare project to sign for, if there is one.
    pub uploadcare: Option<UploadcareAccount>,
    /// The text of the profiles file.
    pub profiles: Option<ProfilesFile>,
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

/// The emulator's settings, checked.
#[derive(Clone, Debug)]
pub struct EmulatorConfig {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Folder for assets that outlives the process.
    pub dir: Option<PathBuf>,
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
        let listen = self.listen.check(&mut problems);
        let cors_allowed_origins = self.listen.check_origins(&mut problems);
        let emulator = self.emulator_at.check(&mut problems);
        let cloudinary = match self.cloudinary.check(&mut problems) {
            Some(account) if self.emulator => account.held_against_emulator(emulator.as_ref(), &mut problems),
            None if self.emulator => emulator.as_ref().map(|at| CloudinaryAccount::emulator(at.listen)),
            account => account.or_else(|| {
                self.cloudinary.explain_absence(&mut problems);
                None
            }),
        };
        let uploadcare = match &emulator {
            Some(at) if self.emulator => self.uploadcare.check_for_emulator(at.listen, &mut problems),
            _ => self.uploadcare.check(&mut problems),
        };
        let profiles = self.listen.read_profiles(&mut problems);
        let log = self.log.check(&mut problems);
        let config = listen.zip(cloudinary).zip(log).map(|((listen, cloudinary), log)| Config {
            listen,
            cors_allowed_origins,
            cloudinary,
            uploadcare,
            profiles,
            emulator: emulator.filter(|_| self.emulator),
            log,
        });
        problems.finish(config)
    }
}

impl ListenArgs {
    fn check(&self, problems: &mut Problems) -> Option<SocketAddr> {
        let host = problems.take("HOST", parse_host(self.host.as_deref()));
        let port = problems.take("PORT", parse_port(self.port.as_deref(), 3000));
        let auth = present(self.auth.as_deref());
        if let Some(other) = auth.filter(|auth| *auth != "none") {
            problems.add("AUTH", format_args!("`{other}` is not a way to authenticate callers: use none"));
        }
        if let Some(public) = host.filter(|host| !host.is_loopback() && auth.is_none()) {
            problems.add(
                "HOST",
                format_args!(
                    "{public} can be reached from other machines, and no caller is authenticated; \
                     listen on 127.0.0.1, or set AUTH=none to let everybody sign and delete"
                ),
            );
        }
        Some(SocketAddr::new(host?, port?))
    }

    fn read_profiles(&self, problems: &mut Problems) -> Option<ProfilesFile> {
        let path = PathBuf::from(present(self.profiles_file.as_deref())?);
        let text = problems.take(
            "PROFILES_FILE",
            std::fs::read_to_string(&path)
                .map_err(|error| format!("the file `{}` cannot be read: {error}", path.display())),
        )?;
        Some(ProfilesFile { path, text })
    }

    fn check_origins(&self, problems: &mut Problems) -> Vec<HeaderValue> {
        let list = present(self.cors_allowed_origins.as_deref()).unwrap_or_default();
        list.split(',')
            .map(str::trim)
            .filter(|origin| !origin.is_empty())
            .filter_map(|origin| problems.take("CORS_ALLOWED_ORIGINS", parse_origin(origin)))
            .collect()
    }
}

impl EmulatorArgs {
    /// Checks where the emulator listens and keeps its assets.
    pub fn check(&self, problems: &mut Problems) -> Option<EmulatorConfig> {
        let host = problems.take("EMULATOR_HOST", parse_host(self.emulator_host.as_deref()));
        let port = problems.take("EMULATOR_PORT", parse_port(self.emulator_port.as_deref(), 4000));
        let dir = present(self.emulator_dir.as_deref()).map(PathBuf::from);
        Some(EmulatorConfig { listen: SocketAddr::new(host?, port?), dir })
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

/// An origin exactly as a browser would send it.
fn parse_origin(text: &str) -> Result<HeaderValue, NotA> {
    let refusal = || NotA {
        found: text.to_owned(),
        expected: "an origin such as https://app.example.com (scheme, host and port; no path, no wildcard)",
    };
    let parsed = url::Url::parse(text).map_err(|_source| refusal())?;
    let is_web = matches!(parsed.scheme(), "http" | "https");
    if !is_web || parsed.origin().ascii_serialization() != text {
        return Err(refusal());
    }
    HeaderValue::from_str(text).map_err(|_source| refusal())
}

#[cfg(test)]
mod tests;
