//! The account to sign for: `CLOUDINARY_URL`, or its three parts.

use std::net::SocketAddr;
use std::path::Path;

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use super::cloudinary_url::{CloudinaryUrlError, parse_url};
use super::{EmulatorConfig, Problems, present};
use crate::delivery::{Authority, OurDelivery};
use crate::signing::cloudinary::{SignatureVersion, Signer};
use crate::signing::{Algorithm, AuthTokenKey};

/// The provider's own API host.
const DEFAULT_UPLOAD_PREFIX: &str = "https://api.cloudinary.com";

/// The emulator's account unless `CLOUDINARY_URL` names another. Published on purpose: it opens nothing but emulators.
const EMULATOR_KEY: &str = "emulator-key";
const EMULATOR_SECRET: &str = "emulator-secret";
const EMULATOR_CLOUD: &str = "emulator";

/// The account, as flags and variables name it.
#[derive(Args, Clone, Debug, Default)]
#[expect(clippy::struct_field_names, clippy::doc_markdown, reason = "names and docs become flags and help")]
pub struct CloudinaryArgs {
    /// Account to sign for: cloudinary://KEY:SECRET@CLOUD
    #[arg(long, env = "CLOUDINARY_URL", value_name = "URL", hide_env_values = true)]
    cloudinary_url: Option<String>,
    /// File that holds CLOUDINARY_URL
    #[arg(long, env = "CLOUDINARY_URL_FILE", value_name = "FILE")]
    cloudinary_url_file: Option<String>,
    /// Cloud name, instead of CLOUDINARY_URL
    #[arg(long, env = "CLOUDINARY_CLOUD_NAME", value_name = "CLOUD")]
    cloudinary_cloud_name: Option<String>,
    /// API key, instead of CLOUDINARY_URL
    #[arg(long, env = "CLOUDINARY_API_KEY", value_name = "KEY")]
    cloudinary_api_key: Option<String>,
    /// API secret, instead of CLOUDINARY_URL or agreeing with it
    #[arg(long, env = "CLOUDINARY_API_SECRET", value_name = "SECRET", hide_env_values = true)]
    cloudinary_api_secret: Option<String>,
    /// File that holds the API secret
    #[arg(long, env = "CLOUDINARY_API_SECRET_FILE", value_name = "FILE")]
    cloudinary_api_secret_file: Option<String>,
    /// Second key of the same cloud that signs download links only: cloudinary://KEY:SECRET@CLOUD
    #[arg(long, env = "CLOUDINARY_DOWNLOAD_URL", value_name = "URL", hide_env_values = true)]
    cloudinary_download_url: Option<String>,
    /// File that holds CLOUDINARY_DOWNLOAD_URL
    #[arg(long, env = "CLOUDINARY_DOWNLOAD_URL_FILE", value_name = "FILE")]
    cloudinary_download_url_file: Option<String>,
    /// Key of the account's token authentication: links of authenticated assets become token URLs
    #[arg(long, env = "CLOUDINARY_AUTH_TOKEN_KEY", value_name = "HEX", hide_env_values = true)]
    cloudinary_auth_token_key: Option<String>,
    /// File that holds CLOUDINARY_AUTH_TOKEN_KEY
    #[arg(long, env = "CLOUDINARY_AUTH_TOKEN_KEY_FILE", value_name = "FILE")]
    cloudinary_auth_token_key_file: Option<String>,
}

/// One product environment at Cloudinary: what it takes to sign for it, call it and know its delivery URLs.
#[derive(Clone, Debug)]
pub struct CloudinaryAccount {
    /// The cloud name.
    pub cloud: String,
    /// The public half of the credentials.
    pub api_key: String,
    /// The secret half.
    pub api_secret: SecretString,
    /// The hash that signs.
    pub algorithm: Algorithm,
    /// How `&` inside values is signed.
    pub version: SignatureVersion,
    /// Scheme and authority of the APIs, without a slash at the end.
    pub upload_prefix: String,
    /// Hosts of one's own that deliver for this cloud.
    pub own_hosts: Vec<Authority>,
    /// Whether the cloud has a delivery host of its own, so that its name is not in the path.
    pub private_cdn: bool,
    /// A key that signs download links and nothing else.
    pub download_key: Option<DownloadKey>,
    /// What signs delivery tokens, where the account has token authentication.
    pub auth_token_key: Option<AuthTokenKey>,
}

/// A second key of an account, for download links.
#[derive(Clone, Debug)]
pub struct DownloadKey {
    /// The public half.
    pub api_key: String,
    /// The secret half.
    pub api_secret: SecretString,
}

impl CloudinaryArgs {
    /// The account; `None` where none is named, or where what names it is wrong.
    pub fn check(&self, problems: &mut Problems) -> Option<CloudinaryAccount> {
        let url = secret_or_file(
            "CLOUDINARY_URL",
            self.cloudinary_url.as_deref(),
            self.cloudinary_url_file.as_deref(),
            problems,
        );
        let secret = secret_or_file(
            "CLOUDINARY_API_SECRET",
            self.cloudinary_api_secret.as_deref(),
            self.cloudinary_api_secret_file.as_deref(),
            problems,
        );
        let account = match url {
            Some(url) => {
                let account = problems.take("CLOUDINARY_URL", parse_url(url.expose_secret()))?;
                self.hold_against_parts(&account, secret.as_ref(), problems);
                Some(account)
            }
            None => self.check_parts(secret, problems),
        };
        account.map(|account| self.with_further_keys(account, problems))
    }

    /// The account with the keys that may be named beside it.
    pub(super) fn with_further_keys(
        &self,
        account: CloudinaryAccount,
        problems: &mut Problems,
    ) -> CloudinaryAccount {
        CloudinaryAccount {
            download_key: self.check_download_url(&account, problems),
            auth_token_key: self.check_auth_token_key(problems),
            ..account
        }
    }

    fn check_download_url(
        &self,
        account: &CloudinaryAccount,
        problems: &mut Problems,
    ) -> Option<DownloadKey> {
        const NAME: &str = "CLOUDINARY_DOWNLOAD_URL";
        let url = secret_or_file(
            NAME,
            self.cloudinary_download_url.as_deref(),
            self.cloudinary_download_url_file.as_deref(),
            problems,
        )?;
        let second = problems.take(NAME, parse_url(url.expose_secret()))?;
        if second.cloud != account.cloud {
            problems.add(
                NAME,
                format_args!(
                    "names the cloud `{}`, and CLOUDINARY_URL the cloud `{}`: both keys must be of one cloud",
                    second.cloud, account.cloud
                ),
            );
        } else if second.api_key == account.api_key {
            problems.add(
                NAME,
                "names the same key as CLOUDINARY_URL: make a second key whose role can only read, or leave it out",
            );
        }
        Some(DownloadKey { api_key: second.api_key, api_secret: second.api_secret })
    }

    fn check_auth_token_key(&self, problems: &mut Problems) -> Option<AuthTokenKey> {
        const NAME: &str = "CLOUDINARY_AUTH_TOKEN_KEY";
        let key = secret_or_file(
            NAME,
            self.cloudinary_auth_token_key.as_deref(),
            self.cloudinary_auth_token_key_file.as_deref(),
            problems,
        )?;
        problems.take(NAME, AuthTokenKey::parse(key.expose_secret()))
    }

    /// The account that a command cannot do without.
    pub fn require(&self) -> Result<CloudinaryAccount, Problems> {
        let mut problems = Problems::default();
        let account = self.check(&mut problems);
        if account.is_none() && problems.is_empty() {
            problems.add(
                "CLOUDINARY_URL",
                "is not set: put CLOUDINARY_URL=cloudinary://KEY:SECRET@CLOUD into .env, \
                 or use the one that `countersign emulator` prints",
            );
        }
        problems.finish(account)
    }

    /// Two sources that disagree are a mistake; guessing which one is meant would sign for the wrong account.
    fn hold_against_parts(
        &self,
        account: &CloudinaryAccount,
        secret: Option<&SecretString>,
        problems: &mut Problems,
    ) {
        let disagrees = "disagrees with CLOUDINARY_URL: remove one of them, or make them agree";
        if present(self.cloudinary_cloud_name.as_deref()).is_some_and(|cloud| cloud != account.cloud) {
            problems.add("CLOUDINARY_CLOUD_NAME", disagrees);
        }
        if present(self.cloudinary_api_key.as_deref()).is_some_and(|key| key != account.api_key) {
            problems.add("CLOUDINARY_API_KEY", disagrees);
        }
        if secret.is_some_and(|secret| secret.expose_secret() != account.api_secret.expose_secret()) {
            problems.add("CLOUDINARY_API_SECRET", disagrees);
        }
    }

    fn check_parts(
        &self,
        secret: Option<SecretString>,
        problems: &mut Problems,
    ) -> Option<CloudinaryAccount> {
        let cloud = present(self.cloudinary_cloud_name.as_deref());
        let api_key = present(self.cloudinary_api_key.as_deref());
        if cloud.is_none() && api_key.is_none() && secret.is_none() {
            return None;
        }
        let missing = "is missing: set all three of CLOUDINARY_CLOUD_NAME, CLOUDINARY_API_KEY and CLOUDINARY_API_SECRET, or CLOUDINARY_URL";
        for (name, absent) in [
            ("CLOUDINARY_CLOUD_NAME", cloud.is_none()),
            ("CLOUDINARY_API_KEY", api_key.is_none()),
            ("CLOUDINARY_API_SECRET", secret.is_none()),
        ] {
            if absent {
                problems.add(name, missing);
            }
        }
        let (cloud, api_key) = (cloud?, api_key?);
        check_cloud_name(cloud, "CLOUDINARY_CLOUD_NAME", problems);
        Some(CloudinaryAccount::new(cloud.to_owned(), api_key.to_owned(), secret?))
    }

    /// Says how to name an account, unless something about one has been said already.
    pub fn explain_absence(&self, problems: &mut Problems) {
        let given = [
            &self.cloudinary_url,
            &self.cloudinary_url_file,
            &self.cloudinary_cloud_name,
            &self.cloudinary_api_key,
            &self.cloudinary_api_secret,
            &self.cloudinary_api_secret_file,
        ];
        if given.into_iter().all(|value| present(value.as_deref()).is_none()) {
            problems.add(
                "CLOUDINARY_URL",
                "is not set: put CLOUDINARY_URL=cloudinary://KEY:SECRET@CLOUD into .env to use an account, \
                 or start with --emulator to run without one",
            );
        }
    }
}

/// Cloud, key and secret of the account that every emulator has unless it is told another.
pub fn emulator_account() -> (String, String, SecretString) {
    (EMULATOR_CLOUD.to_owned(), EMULATOR_KEY.to_owned(), SecretString::from(EMULATOR_SECRET))
}

impl CloudinaryAccount {
    /// An account with the provider's defaults.
    pub fn new(cloud: String, api_key: String, api_secret: SecretString) -> Self {
        Self {
            cloud,
            api_key,
            api_secret,
            algorithm: Algorithm::default(),
            version: SignatureVersion::default(),
            upload_prefix: DEFAULT_UPLOAD_PREFIX.to_owned(),
            own_hosts: Vec::new(),
            private_cdn: false,
            download_key: None,
            auth_token_key: None,
        }
    }

    /// Reads a `CLOUDINARY_URL`.
    pub fn parse(url: &str) -> Result<Self, CloudinaryUrlError> {
        parse_url(url)
    }

    /// The emulator's account at an emulator that listens on `address`.
    pub fn emulator(address: SocketAddr) -> Self {
        let (cloud, api_key, api_secret) = emulator_account();
        Self::new(cloud, api_key, api_secret).at_emulator(address)
    }

    /// The same account at an emulator that listens on `address`.
    #[must_use]
    pub fn at_emulator(mut self, address: SocketAddr) -> Self {
        self.upload_prefix = format!("http://{address}");
        self
    }

    /// The account as a `CLOUDINARY_URL`, if it is the emulator's published one.
    pub fn published_url(&self) -> Option<String> {
        (self.api_secret.expose_secret() == EMULATOR_SECRET).then(|| {
            format!(
                "cloudinary://{}:{EMULATOR_SECRET}@{}?upload_prefix={}",
                self.api_key, self.cloud, self.upload_prefix
            )
        })
    }

    /// What signs for this account.
    pub fn signer(&self) -> Signer {
        Signer::new(self.api_secret.clone(), self.algorithm, self.version)
    }

    /// Where assets are delivered, the cloud included: what comes before `/image/upload/…`.
    pub fn delivery_base(&self) -> String {
        // Only an emulator is reached without TLS, and it delivers itself.
        if self.upload_prefix.starts_with("http://") {
            return format!("{}/{}", self.upload_prefix, self.cloud);
        }
        match (self.own_hosts.first(), self.private_cdn) {
            (Some(host), true) => format!("https://{host}"),
            (Some(host), false) => format!("https://{host}/{}", self.cloud),
            (None, true) => format!("https://{}-res.cloudinary.com", self.cloud),
            (None, false) => format!("https://res.cloudinary.com/{}", self.cloud),
        }
    }

    /// Which delivery URLs are this account's; `emulated` where the API is an emulator, which delivers itself.
    pub fn delivery(&self, emulated: bool) -> OurDelivery {
        let ours = OurDelivery::new(self.cloud.clone(), self.own_hosts.clone());
        match self.upload_prefix.split_once("://").and_then(|(_, authority)| authority.parse().ok()) {
            Some(origin) if emulated => ours.with_emulator(origin),
            _ => ours,
        }
    }

    /// A real account beside the emulator is a mistake: someone would sign for one and upload to the other.
    pub(super) fn held_against_emulator(
        self,
        emulator: Option<&EmulatorConfig>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let at = emulator?.listen;
        if self.upload_prefix == format!("http://{at}") {
            return Some(self);
        }
        problems.add(
            "CLOUDINARY_URL",
            format_args!(
                "names the account of the cloud `{}`, and --emulator runs without one: leave one of them out, \
                 or add ?upload_prefix=http://{at} to use its names with the emulator",
                self.cloud
            ),
        );
        None
    }
}

fn check_cloud_name(cloud: &str, variable: &str, problems: &mut Problems) {
    if !cloud.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
        problems.add(variable, "may hold letters, digits, `-` and `_` only");
    }
}

/// The value of a secret, given itself or as the name of a file.
pub(super) fn secret_or_file(
    name: &str,
    value: Option<&str>,
    file: Option<&str>,
    problems: &mut Problems,
) -> Option<SecretString> {
    match (present(value), present(file)) {
        (Some(_), Some(_)) => {
            problems.add(name, format_args!("is set, and so is {name}_FILE: remove one of them"));
            None
        }
        (Some(value), None) => Some(SecretString::from(value)),
        (None, Some(file)) => match std::fs::read_to_string(Path::new(file)) {
            Ok(text) if text.trim().is_empty() => {
                problems.add(&format!("{name}_FILE"), format_args!("the file `{file}` is empty"));
                None
            }
            Ok(text) => Some(SecretString::from(text.trim())),
            Err(error) => {
                problems
                    .add(&format!("{name}_FILE"), format_args!("the file `{file}` cannot be read: {error}"));
                None
            }
        },
        (None, None) => None,
    }
}
