//! The emulator's settings, and the file that names its clouds.
//!
//! ```toml
//! [[clouds]]
//! name = "shop"
//! keys = [
//!     { key = "123", secret = "abcd" },
//!     { key = "456", secret = "efgh", role = "read" }, # may download and list, nothing else
//! ]
//! signature_algorithm = "sha256"                     # of notifications; without it as the caller signs
//! notification_urls = ["http://127.0.0.1:3000/webhooks/cloudinary"]
//! token_key = "00112233FF99"                         # opens assets to __cld_token__
//!
//! [clouds.presets.web]
//! unsigned = true
//! folder = "web"
//! tags = ["a", "b"]
//! ```

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;
use serde::Deserialize;
use toml::Value;
use url::Url;

use super::{Problems, parse_host, parse_port, present};
use crate::signing::Algorithm;

/// Where the emulator listens, what it keeps and what it starts with.
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
    /// Further clouds of the emulator, each with its keys and presets (TOML)
    #[arg(long, env = "EMULATOR_CLOUDS", value_name = "FILE", visible_alias = "clouds")]
    emulator_clouds: Option<String>,
    /// Folder whose files are assets from the start, under their paths
    #[arg(long, env = "EMULATOR_SEED", value_name = "FOLDER", visible_alias = "seed")]
    emulator_seed: Option<String>,
    /// Faults from the start: JSON as POST /_emulator/faults takes it
    #[arg(long, env = "EMULATOR_FAULTS", value_name = "FILE", visible_alias = "faults")]
    emulator_faults: Option<String>,
    /// Where the emulator's clock starts, in Unix seconds [default: now]
    #[arg(long, env = "EMULATOR_CLOCK", value_name = "SECONDS", visible_alias = "clock")]
    emulator_clock: Option<String>,
    /// Whom the emulator may call: remote-files, private-addresses, http://HOST:PORT to notify, notifications for any
    /// address [default: the service beside it, to notify]
    #[arg(long, env = "EMULATOR_ALLOW", value_name = "LIST", visible_alias = "allow")]
    emulator_allow: Option<String>,
    /// Who may use /_emulator: loopback, or any for whoever reaches the emulator [default: loopback]
    #[arg(long, env = "EMULATOR_CONTROL", value_name = "WHO", visible_alias = "control")]
    emulator_control: Option<String>,
}

/// The emulator's settings, checked.
#[derive(Clone, Debug)]
pub struct EmulatorConfig {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Folder for assets that outlives the process.
    pub dir: Option<PathBuf>,
    /// Clouds beside the account's own.
    pub clouds: Vec<EmulatorCloud>,
    /// Folder whose files become assets.
    pub seed: Option<PathBuf>,
    /// The first faults, as JSON.
    pub faults: Option<String>,
    /// Where the clock starts.
    pub clock: Option<i64>,
    /// Whom it may call.
    pub allow: EmulatorAllow,
    /// Whether others than programs on this machine may use the control API.
    pub control_for_any: bool,
}

/// Whom the emulator may call beside the service that it is paired with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmulatorAllow {
    /// Uploads may name remote files.
    pub remote_files: bool,
    /// Remote files may be at private addresses.
    pub private_addresses: bool,
    /// Notifications may go to any address.
    pub notifications: bool,
    /// Notifications may go to these servers.
    pub notified: Vec<Url>,
}

/// One cloud of the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmulatorCloud {
    /// The name in every path.
    pub name: String,
    /// Its keys.
    pub keys: Vec<EmulatorKey>,
    /// The hash that signs notifications.
    #[serde(default, rename = "signature_algorithm")]
    algorithm: Option<String>,
    /// Who is told about everything.
    #[serde(default)]
    pub notification_urls: Vec<String>,
    /// The key of delivery tokens, in hexadecimal.
    #[serde(default)]
    pub token_key: Option<SecretString>,
    /// Upload presets by name.
    #[serde(default)]
    presets: BTreeMap<String, BTreeMap<String, Value>>,
}

/// One key of a cloud.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmulatorKey {
    /// The public half.
    pub key: String,
    /// The secret half.
    pub secret: SecretString,
    /// What it may do.
    #[serde(default)]
    pub role: EmulatorKeyRole,
}

/// What a key may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmulatorKeyRole {
    /// Everything.
    #[default]
    Full,
    /// Download and list, nothing else.
    Read,
}

/// One upload preset of a cloud.
#[derive(Clone, Debug)]
pub struct EmulatorPreset {
    /// Its name.
    pub name: String,
    /// Whether uploads without a signature may use it.
    pub unsigned: bool,
    /// Its parameters, as an upload would send them.
    pub settings: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CloudsFile {
    clouds: Vec<EmulatorCloud>,
}

impl EmulatorArgs {
    /// Checks every setting.
    pub fn check(&self, problems: &mut Problems) -> Option<EmulatorConfig> {
        let host = problems.take("EMULATOR_HOST", parse_host(self.emulator_host.as_deref()));
        let port = problems.take("EMULATOR_PORT", parse_port(self.emulator_port.as_deref(), 4000));
        let path = |value: &Option<String>| present(value.as_deref()).map(PathBuf::from);
        let clock = present(self.emulator_clock.as_deref()).map(parse_clock);
        let clouds = read_file("EMULATOR_CLOUDS", self.emulator_clouds.as_deref(), problems);
        let clouds = clouds.map(|text| problems.take("EMULATOR_CLOUDS", parse_clouds(&text)));
        let allow = problems.take("EMULATOR_ALLOW", parse_allow(self.emulator_allow.as_deref()));
        Some(EmulatorConfig {
            listen: SocketAddr::new(host?, port?),
            dir: path(&self.emulator_dir),
            clouds: clouds.flatten().unwrap_or_default(),
            seed: path(&self.emulator_seed),
            faults: read_file("EMULATOR_FAULTS", self.emulator_faults.as_deref(), problems),
            clock: clock.and_then(|clock| problems.take("EMULATOR_CLOCK", clock)),
            allow: allow?,
            control_for_any: problems
                .take("EMULATOR_CONTROL", parse_control(self.emulator_control.as_deref()))?,
        })
    }
}

impl EmulatorCloud {
    /// The hash that signs notifications, if the file names one.
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm.as_deref().and_then(|name| name.parse().ok())
    }

    /// Its upload presets.
    pub fn presets(&self) -> impl Iterator<Item = EmulatorPreset> {
        self.presets.iter().map(|(name, members)| {
            let unsigned = members.get("unsigned").and_then(Value::as_bool).unwrap_or(false);
            let settings = members.iter().filter(|(name, _)| *name != "unsigned");
            let settings = settings.map(|(name, value)| (name.clone(), wire_text(value))).collect();
            EmulatorPreset { name: name.clone(), unsigned, settings }
        })
    }

    fn check(&self) -> Result<(), String> {
        if self.name.is_empty() || self.keys.is_empty() {
            return Err(format!("the cloud `{}` needs a name and at least one key", self.name));
        }
        if self.keys.iter().all(|key| key.role == EmulatorKeyRole::Read) {
            return Err(format!("the cloud `{}` needs a key without role = \"read\"", self.name));
        }
        match &self.algorithm {
            Some(name) if self.algorithm().is_none() => {
                Err(format!("`{name}` is not a signature algorithm: use sha1 or sha256"))
            }
            _ => Ok(()),
        }
    }
}

/// A value as it goes over the wire.
fn wire_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(wire_text).collect::<Vec<_>>().join(","),
        Value::Table(pairs) => {
            let pairs = pairs.iter().map(|(name, value)| format!("{name}={}", wire_text(value)));
            pairs.collect::<Vec<_>>().join("|")
        }
        other => other.to_string(),
    }
}

fn read_file(name: &'static str, path: Option<&str>, problems: &mut Problems) -> Option<String> {
    let path = present(path)?;
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("the file `{path}` cannot be read: {error}"));
    problems.take(name, text)
}

fn parse_clouds(text: &str) -> Result<Vec<EmulatorCloud>, String> {
    // The message only: the library's full text quotes the line, which may hold a secret.
    let file: CloudsFile = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    file.clouds.iter().try_for_each(EmulatorCloud::check)?;
    Ok(file.clouds)
}

fn parse_clock(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_source| format!("`{text}` is not a moment in Unix seconds"))
}

fn parse_control(text: Option<&str>) -> Result<bool, String> {
    match present(text) {
        None | Some("loopback") => Ok(false),
        Some("any") => Ok(true),
        Some(other) => Err(format!("`{other}` is neither loopback nor any")),
    }
}

/// A server that may be notified: scheme, host and port, and nothing behind them.
fn parse_server(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    (is_bare && url.username().is_empty() && url.password().is_none()).then_some(url)
}

fn parse_allow(text: Option<&str>) -> Result<EmulatorAllow, String> {
    let mut allow = EmulatorAllow::default();
    let words = present(text).unwrap_or_default().split(',').map(str::trim);
    for word in words.filter(|word| !word.is_empty()) {
        match word {
            "remote-files" => allow.remote_files = true,
            "private-addresses" => allow.private_addresses = true,
            "notifications" => allow.notifications = true,
            other => allow.notified.push(parse_server(other).ok_or_else(|| {
                format!(
                    "`{other}` is none of remote-files, private-addresses, notifications, http://HOST:PORT"
                )
            })?),
        }
    }
    Ok(allow)
}
