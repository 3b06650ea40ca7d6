//! The product environments an emulator knows, and who owns which key.

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::config::emulator_account;
use crate::signing::Algorithm;

use super::refusal::Refusal;

/// What a key may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyRole {
    /// Everything.
    #[default]
    Full,
    /// Download (`download`, `generate_archive` with `mode=download`) and list (GET requests of the Admin API).
    Read,
}

/// What a call does, as far as roles go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Downloads or lists.
    Read,
    /// Anything else.
    Write,
}

/// One API key of one product environment. A cloud with several keys has several of these.
#[derive(Clone, Debug)]
pub struct CloudAccount {
    /// The name in every path.
    pub cloud: String,
    /// Public half of the key.
    pub api_key: String,
    /// What signatures are made with.
    pub api_secret: SecretString,
    /// What calls with the key may do.
    pub role: KeyRole,
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
        let notification_urls = Vec::new();
        let role = KeyRole::Full;
        Self { cloud, api_key, api_secret, role, algorithm: None, notification_urls, token_key: None }
    }

    /// A new random key of the same cloud that may only download and list, such as a server signs links with.
    ///
    /// It is known to an emulator that has it among [`EmulatorOptions::accounts`](super::EmulatorOptions::accounts).
    #[must_use]
    pub fn new_read_key(&self) -> Self {
        Self {
            api_key: hex::encode(rand::random::<[u8; 8]>()),
            api_secret: SecretString::from(hex::encode(rand::random::<[u8; 20]>())),
            role: KeyRole::Read,
            ..self.clone()
        }
    }

    /// Refuses an operation that the key's role does not include.
    pub(super) fn authorize(&self, operation: Operation) -> Result<(), Refusal> {
        match (self.role, operation) {
            (KeyRole::Full, _) | (KeyRole::Read, Operation::Read) => Ok(()),
            (KeyRole::Read, Operation::Write) => Err(Refusal::NotPermitted(self.api_key.clone())),
        }
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

    /// The first key of a cloud that may do everything: unsigned uploads count for it.
    pub(super) fn main_of(&self, cloud: &str) -> Option<&CloudAccount> {
        self.of_cloud(cloud).find(|account| account.role == KeyRole::Full)
    }

    /// A cloud without a key that may do everything.
    pub(super) fn cloud_that_is_only_read(&self) -> Option<&str> {
        self.0.iter().map(|account| account.cloud.as_str()).find(|cloud| self.main_of(cloud).is_none())
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
