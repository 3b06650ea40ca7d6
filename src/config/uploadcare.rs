//! The Uploadcare project to sign for: public and secret key, and what belongs to its delivery and webhooks.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use super::cloudinary::secret_or_file;
use super::{Problems, present};
use crate::delivery::Authority;
use crate::delivery::uploadcare::{OurCdn, cdn_prefix};
use crate::signing::uploadcare::DeliveryKey;

/// The provider's own hosts.
const UPLOAD_BASE: &str = "https://upload.uploadcare.com";
const REST_BASE: &str = "https://api.uploadcare.com";

/// The emulator's project unless the variables name another. Published on purpose: it opens nothing but emulators.
const EMULATOR_PUBLIC_KEY: &str = "emulator-public-key";
const EMULATOR_SECRET_KEY: &str = "emulator-secret-key";
/// What the emulator signs webhooks to the service beside it with, unless a variable names another.
const EMULATOR_WEBHOOK_SECRET: &str = "emulator-webhook-secret";

/// The project, as flags and variables name it.
#[derive(Args, Clone, Debug, Default)]
#[expect(clippy::struct_field_names, reason = "names and docs become flags and help")]
pub struct UploadcareArgs {
    /// Public key of the Uploadcare project; with the secret key it turns the Uploadcare routes on
    #[arg(long, env = "UPLOADCARE_PUBLIC_KEY", value_name = "KEY")]
    uploadcare_public_key: Option<String>,
    /// Secret key of the Uploadcare project
    #[arg(long, env = "UPLOADCARE_SECRET_KEY", value_name = "SECRET", hide_env_values = true)]
    uploadcare_secret_key: Option<String>,
    /// File that holds the Uploadcare secret key
    #[arg(long, env = "UPLOADCARE_SECRET_KEY_FILE", value_name = "FILE")]
    uploadcare_secret_key_file: Option<String>,
    /// Further hosts that deliver the project's files, comma-separated
    #[arg(long, env = "UPLOADCARE_CDN_HOSTS", value_name = "HOSTS")]
    uploadcare_cdn_hosts: Option<String>,
    /// Host that delivers files to signed URLs only
    #[arg(long, env = "UPLOADCARE_DELIVERY_HOST", value_name = "HOST")]
    uploadcare_delivery_host: Option<String>,
    /// Key of signed delivery URLs, in hexadecimal
    #[arg(long, env = "UPLOADCARE_DELIVERY_KEY", value_name = "HEX", hide_env_values = true)]
    uploadcare_delivery_key: Option<String>,
    /// File that holds the key of signed delivery URLs
    #[arg(long, env = "UPLOADCARE_DELIVERY_KEY_FILE", value_name = "FILE")]
    uploadcare_delivery_key_file: Option<String>,
    /// Signing secret of the project's webhooks
    #[arg(long, env = "UPLOADCARE_WEBHOOK_SECRET", value_name = "SECRET", hide_env_values = true)]
    uploadcare_webhook_secret: Option<String>,
    /// File that holds the signing secret of the project's webhooks
    #[arg(long, env = "UPLOADCARE_WEBHOOK_SECRET_FILE", value_name = "FILE")]
    uploadcare_webhook_secret_file: Option<String>,
    /// Folder `web` of the npm package @uploadcare/file-uploader, to serve the demo page without the public CDN
    #[arg(long, env = "UPLOADCARE_BUNDLE_DIR", value_name = "FOLDER")]
    uploadcare_bundle_dir: Option<String>,
}

/// One Uploadcare project: what it takes to sign for it, call it and know its delivery URLs.
#[derive(Clone, Debug)]
pub struct UploadcareAccount {
    /// The public half of the keys, which clients send along.
    pub public_key: String,
    /// The secret half.
    pub secret_key: SecretString,
    /// Where clients upload to, without a slash at the end.
    pub upload_base: String,
    /// The REST API, without a slash at the end.
    pub rest_base: String,
    /// Where files are delivered from, without a slash at the end.
    pub cdn_base: String,
    /// Further hosts that deliver the project's files.
    pub own_hosts: Vec<Authority>,
    /// Signed delivery, where the project has it.
    pub secure_delivery: Option<SecureDelivery>,
    /// What webhooks are signed with.
    pub webhook_secret: Option<SecretString>,
    /// Where the demo page's component is, if not on the public CDN.
    pub bundle_dir: Option<PathBuf>,
}

/// Delivery to signed URLs only.
#[derive(Clone, Debug)]
pub struct SecureDelivery {
    /// `https://HOST`, without a slash at the end.
    pub base: String,
    /// What tokens are made with.
    pub key: DeliveryKey,
}

impl UploadcareArgs {
    /// The project; `None` where none is named, or where what names it is wrong.
    pub fn check(&self, problems: &mut Problems) -> Option<UploadcareAccount> {
        let public_key = present(self.uploadcare_public_key.as_deref());
        let secret_key = self.secret("UPLOADCARE_SECRET_KEY", problems);
        let account = match (public_key, secret_key) {
            (None, None) => None,
            (Some(public_key), Some(secret_key)) => {
                check_public_key(public_key, problems);
                Some(UploadcareAccount::new(public_key.to_owned(), secret_key))
            }
            (public_key, _) => {
                let missing =
                    if public_key.is_none() { "UPLOADCARE_PUBLIC_KEY" } else { "UPLOADCARE_SECRET_KEY" };
                problems.add(
                    missing,
                    "is missing: Uploadcare takes both UPLOADCARE_PUBLIC_KEY and UPLOADCARE_SECRET_KEY, or neither",
                );
                None
            }
        };
        let extras = self.extras(problems);
        account.map(|account| extras.applied_to(account))
    }

    /// The emulator's project, with what the other variables say.
    pub fn check_for_emulator(&self, at: SocketAddr, problems: &mut Problems) -> Option<UploadcareAccount> {
        let is_named = present(self.uploadcare_public_key.as_deref()).is_some()
            || present(self.uploadcare_secret_key.as_deref()).is_some()
            || present(self.uploadcare_secret_key_file.as_deref()).is_some();
        let account = if is_named {
            self.check(problems)?
        } else {
            self.extras(problems).applied_to(UploadcareAccount::emulator(at))
        };
        let mut account = account.at_emulator(at);
        account.webhook_secret.get_or_insert_with(|| SecretString::from(EMULATOR_WEBHOOK_SECRET));
        Some(account)
    }

    fn secret(&self, name: &str, problems: &mut Problems) -> Option<SecretString> {
        let (value, file) = match name {
            "UPLOADCARE_SECRET_KEY" => (&self.uploadcare_secret_key, &self.uploadcare_secret_key_file),
            "UPLOADCARE_DELIVERY_KEY" => (&self.uploadcare_delivery_key, &self.uploadcare_delivery_key_file),
            _ => (&self.uploadcare_webhook_secret, &self.uploadcare_webhook_secret_file),
        };
        secret_or_file(name, value.as_deref(), file.as_deref(), problems)
    }

    fn extras(&self, problems: &mut Problems) -> Extras {
        let hosts = present(self.uploadcare_cdn_hosts.as_deref()).unwrap_or_default();
        let hosts = hosts.split(',').map(str::trim).filter(|host| !host.is_empty());
        Extras {
            own_hosts: hosts.filter_map(|host| problems.take("UPLOADCARE_CDN_HOSTS", host.parse())).collect(),
            secure_delivery: self.secure_delivery(problems),
            webhook_secret: self.secret("UPLOADCARE_WEBHOOK_SECRET", problems),
            bundle_dir: self.bundle_dir(problems),
        }
    }

    fn bundle_dir(&self, problems: &mut Problems) -> Option<PathBuf> {
        let dir = PathBuf::from(present(self.uploadcare_bundle_dir.as_deref())?);
        if !dir.is_dir() {
            problems.add("UPLOADCARE_BUNDLE_DIR", format_args!("there is no folder `{}`", dir.display()));
        }
        Some(dir)
    }

    fn secure_delivery(&self, problems: &mut Problems) -> Option<(Authority, DeliveryKey)> {
        let host = present(self.uploadcare_delivery_host.as_deref())
            .map(|host| problems.take("UPLOADCARE_DELIVERY_HOST", host.parse::<Authority>()));
        let key = self
            .secret("UPLOADCARE_DELIVERY_KEY", problems)
            .map(|key| problems.take("UPLOADCARE_DELIVERY_KEY", key.expose_secret().parse::<DeliveryKey>()));
        match (host, key) {
            (Some(host), Some(key)) => host.zip(key),
            (None, None) => None,
            (host, _) => {
                let missing =
                    if host.is_none() { "UPLOADCARE_DELIVERY_HOST" } else { "UPLOADCARE_DELIVERY_KEY" };
                problems.add(missing, "is missing: signed delivery takes both a host and a key, or neither");
                None
            }
        }
    }
}

/// What stands beside the keys.
struct Extras {
    own_hosts: Vec<Authority>,
    secure_delivery: Option<(Authority, DeliveryKey)>,
    webhook_secret: Option<SecretString>,
    bundle_dir: Option<PathBuf>,
}

impl Extras {
    fn applied_to(self, mut account: UploadcareAccount) -> UploadcareAccount {
        account.own_hosts = self.own_hosts;
        account.secure_delivery = self.secure_delivery.map(|(host, key)| {
            let base = format!("https://{host}");
            account.own_hosts.push(host);
            SecureDelivery { base, key }
        });
        account.webhook_secret = self.webhook_secret;
        account.bundle_dir = self.bundle_dir;
        account
    }
}

/// Public keys stand in pages, headers and form fields.
fn check_public_key(public_key: &str, problems: &mut Problems) {
    if !public_key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
        problems.add("UPLOADCARE_PUBLIC_KEY", "may hold letters, digits, `-` and `_` only");
    }
}

impl UploadcareAccount {
    /// A project at the provider.
    pub fn new(public_key: String, secret_key: SecretString) -> Self {
        Self {
            cdn_base: format!("https://{}.ucarecd.net", cdn_prefix(&public_key)),
            public_key,
            secret_key,
            upload_base: UPLOAD_BASE.to_owned(),
            rest_base: REST_BASE.to_owned(),
            own_hosts: Vec::new(),
            secure_delivery: None,
            webhook_secret: None,
            bundle_dir: None,
        }
    }

    /// The emulator's project at an emulator that listens on `address`.
    pub fn emulator(address: SocketAddr) -> Self {
        let secret_key = SecretString::from(EMULATOR_SECRET_KEY);
        Self::new(EMULATOR_PUBLIC_KEY.to_owned(), secret_key).at_emulator(address)
    }

    /// The same project at an emulator that listens on `address`.
    #[must_use]
    pub fn at_emulator(mut self, address: SocketAddr) -> Self {
        self.cdn_base = format!("http://{address}");
        self.upload_base = format!("http://{address}/uploadcare");
        self.rest_base.clone_from(&self.upload_base);
        if let Some(delivery) = &mut self.secure_delivery {
            delivery.base.clone_from(&self.cdn_base);
        }
        self
    }

    /// The keys as lines of an `.env` file, if they are the emulator's published ones.
    pub fn published_keys(&self) -> Option<String> {
        (self.secret_key.expose_secret() == EMULATOR_SECRET_KEY).then(|| {
            format!("UPLOADCARE_PUBLIC_KEY={}\nUPLOADCARE_SECRET_KEY={EMULATOR_SECRET_KEY}", self.public_key)
        })
    }

    /// Which CDN URLs are this project's; `emulated` where the CDN is an emulator.
    pub fn cdn(&self, emulated: bool) -> OurCdn {
        let ours = OurCdn::new(&self.public_key, self.own_hosts.clone());
        match self.cdn_base.split_once("://").and_then(|(_, authority)| authority.parse().ok()) {
            Some(origin) if emulated => ours.with_emulator(origin),
            _ => ours,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const DELIVERY_KEY: &str = "73636b61519adede42191efe1e73f02a";

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        uploadcare: UploadcareArgs,
    }

    fn args(flags: &str) -> UploadcareArgs {
        let words = ["countersign"].into_iter().chain(flags.split_whitespace());
        Line::try_parse_from(words).unwrap().uploadcare
    }

    fn check(flags: &str) -> Result<Option<UploadcareAccount>, String> {
        let mut problems = Problems::default();
        let account = args(flags).check(&mut problems);
        problems.finish(Some(account)).map_err(|problems| problems.to_string())
    }

    fn at_emulator(flags: &str) -> UploadcareAccount {
        let mut problems = Problems::default();
        let at = SocketAddr::from(([127, 0, 0, 1], 4000));
        let account = args(flags).check_for_emulator(at, &mut problems);
        problems.finish(account).unwrap()
    }

    #[test]
    fn a_project_is_named_by_both_keys_or_not_at_all() {
        assert!(check("").unwrap().is_none());
        let account =
            check("--uploadcare-public-key demopublickey --uploadcare-secret-key s").unwrap().unwrap();
        assert_eq!(account.upload_base, "https://upload.uploadcare.com");
        assert_eq!(account.cdn_base, "https://1s4oyld5dc.ucarecd.net");
        assert!(account.published_keys().is_none());
        insta::assert_snapshot!(check("--uploadcare-public-key p").unwrap_err(), @"
        the configuration has a problem:
          - UPLOADCARE_SECRET_KEY: is missing: Uploadcare takes both UPLOADCARE_PUBLIC_KEY and UPLOADCARE_SECRET_KEY, or neither
        ");
        insta::assert_snapshot!(check("--uploadcare-secret-key hush").unwrap_err(), @"
        the configuration has a problem:
          - UPLOADCARE_PUBLIC_KEY: is missing: Uploadcare takes both UPLOADCARE_PUBLIC_KEY and UPLOADCARE_SECRET_KEY, or neither
        ");
    }

    #[test]
    fn every_wrong_setting_is_reported_and_no_secret_is_repeated() {
        let flags = "--uploadcare-public-key a/b --uploadcare-secret-key hush --uploadcare-cdn-hosts ok.example,[x] \
                     --uploadcare-delivery-host cdn.example --uploadcare-delivery-key hushhush \
                     --uploadcare-bundle-dir /nowhere/at/all";
        let problems = check(flags).unwrap_err();
        assert!(!problems.contains("hush"), "{problems}");
        insta::assert_snapshot!(problems, @"
        the configuration has problems:
          - UPLOADCARE_PUBLIC_KEY: may hold letters, digits, `-` and `_` only
          - UPLOADCARE_CDN_HOSTS: has a host with a character other than letters, digits, dots and hyphens
          - UPLOADCARE_DELIVERY_KEY: is not a delivery key: it must be an even number of hexadecimal digits, at least 32
          - UPLOADCARE_BUNDLE_DIR: there is no folder `/nowhere/at/all`
        ");
        insta::assert_snapshot!(check("--uploadcare-delivery-host cdn.example").unwrap_err(), @"
        the configuration has a problem:
          - UPLOADCARE_DELIVERY_KEY: is missing: signed delivery takes both a host and a key, or neither
        ");
    }

    #[test]
    fn signed_delivery_has_a_host_that_files_may_be_deleted_by() {
        let flags = format!(
            "--uploadcare-public-key p --uploadcare-secret-key s --uploadcare-delivery-host cdn.example \
             --uploadcare-delivery-key {DELIVERY_KEY}"
        );
        let account = check(&flags).unwrap().unwrap();
        assert_eq!(account.secure_delivery.as_ref().unwrap().base, "https://cdn.example");
        let url = "https://cdn.example/52da3bfc-7cd8-4861-8b05-126fef7a6994/";
        assert!(account.cdn(false).file(url).is_ok());
    }

    #[test]
    fn the_emulator_has_a_project_of_its_own_and_takes_other_keys() {
        let account = at_emulator(&format!(
            "--uploadcare-delivery-host cdn.example --uploadcare-delivery-key {DELIVERY_KEY}"
        ));
        assert_eq!(account.upload_base, "http://127.0.0.1:4000/uploadcare");
        assert_eq!(account.secure_delivery.as_ref().unwrap().base, "http://127.0.0.1:4000");
        assert!(account.published_keys().unwrap().contains("UPLOADCARE_SECRET_KEY=emulator-secret-key"));
        let account = at_emulator("--uploadcare-public-key p --uploadcare-secret-key s");
        assert_eq!((account.public_key.as_str(), account.published_keys()), ("p", None));
    }
}
