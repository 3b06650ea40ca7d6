//! The product environments an emulator knows, and who owns which key.

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::config::emulator_account;
use crate::signing::Algorithm;

/// One API key of one product environment. A cloud with several keys has several of these.
#[derive(Clone, Debug)]
pub struct CloudAccount {
    /// The name in every path.
    pub cloud: String,
    /// Public half of the key.
    pub api_key: String,
    /// What signatures are made with.
    pub api_secret: SecretString,
    /// The hash that notifications are signed with; without it, that of the call which caused them.
    pub algorithm: Option<Algorithm>,
    /// Who is told about everything that happens in the cloud.
    pub notification_urls: Vec<String>,
    /// The key of delivery tokens, in hexadecimal; without it no token opens anything.
    pub token_key: Option<SecretString>,
}

impl Default for CloudAccount {
    /// The account every emulator starts with. Its secret is public: it guards nothing.
    fn default() -> Self {
        let (cloud, api_key, api_secret) = emulator_account();
        Self::new(cloud, api_key, api_secret)
    }
}

impl CloudAccount {
    /// A key with nothing set beside it.
    pub const fn new(cloud: String, api_key: String, api_secret: SecretString) -> Self {
        Self { cloud, api_key, api_secret, algorithm: None, notification_urls: Vec::new(), token_key: None }
    }

    /// Whether `secret` is this account's, in a time that does not tell where they differ.
    pub(super) fn has_secret(&self, secret: &str) -> bool {
        let ours = self.api_secret.expose_secret().as_bytes();
        ours.ct_eq(secret.as_bytes()).into()
    }
}

/// What is wrong with a pair of cloud and key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stranger {
    /// No account has this cloud.
    Cloud,
    /// No account has this key.
    Key,
    /// Both exist, apart.
    Pair,
}

/// Every account.
#[derive(Debug)]
pub(super) struct Accounts(Vec<CloudAccount>);

impl Accounts {
    pub(super) const fn new(accounts: Vec<CloudAccount>) -> Self {
        Self(accounts)
    }

    /// The cloud of the first account; there always is one.
    pub(super) fn first_cloud(&self) -> &str {
        self.0.first().map_or("", |account| &account.cloud)
    }

    /// Whether any account has this cloud.
    pub(super) fn has_cloud(&self, cloud: &str) -> bool {
        self.of_cloud(cloud).next().is_some()
    }

    /// Every account of a cloud: each of its secrets signs delivery URLs.
    pub(super) fn of_cloud(&self, cloud: &str) -> impl Iterator<Item = &CloudAccount> {
        self.0.iter().filter(move |account| account.cloud == cloud)
    }

    /// The account of this cloud with this key.
    pub(super) fn find(&self, cloud: &str, api_key: &str) -> Result<&CloudAccount, Stranger> {
        if !self.has_cloud(cloud) {
            return Err(Stranger::Cloud);
        }
        let mut owners = self.0.iter().filter(|account| account.api_key == api_key);
        match owners.clone().find(|account| account.cloud == cloud) {
            Some(account) => Ok(account),
            None if owners.next().is_some() => Err(Stranger::Pair),
            None => Err(Stranger::Key),
        }
    }
}
