//! Where the ledger is, how often it is swept, and where the provider can reach us.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::cloudinary::secret_or_file;
use super::{AuthConfig, NotA, Problems, present};

/// Where the ledger is where nothing else is said: a file in the working directory.
const DEFAULT_URL: &str = "sqlite://countersign.db";

/// How often the provider is asked what became of grants, in minutes.
const DEFAULT_SWEEP_MINUTES: u64 = 5;

/// How long what is of no file is kept, in days.
const DEFAULT_RETENTION_DAYS: u32 = 400;

/// How many calls the sweep may make in an hour: plans allow 500 and more.
const DEFAULT_BUDGET: &str = "400/h";
/// Fewer would not do to look up grants of all three delivery types.
const LEAST_BUDGET: u32 = 10;
/// What it takes to remember a budget's calls must stay small.
const MOST_BUDGET: u32 = 1_000_000;

/// The ledger's address, as flags and variables name it.
#[derive(Args, Clone, Debug, Default)]
#[expect(clippy::doc_markdown, reason = "docs become help")]
pub struct LedgerArgs {
    /// Ledger of grants and quotas: sqlite://FILE, or postgres://… shared between replicas; opened once a profile
    /// needs it [default: sqlite://countersign.db]
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// File that holds the URL
    #[arg(long, env = "DATABASE_URL_FILE", value_name = "FILE")]
    database_url_file: Option<String>,
}

/// What keeps the ledger true, as flags and variables name it.
#[derive(Args, Clone, Debug, Default)]
#[expect(clippy::doc_markdown, reason = "docs become help")]
pub(super) struct SettlingArgs {
    /// Where the provider reaches this server, such as https://sign.example.com: it then tells us of uploads
    #[arg(long, env = "PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// How often the provider is asked about grants that ran out, such as 5m, or off [default: 5m]
    #[arg(long, env = "SWEEP_EVERY", value_name = "TIME")]
    sweep_every: Option<String>,
    #[command(flatten)]
    budget: BudgetArgs,
    /// How long rows whose file is gone and lines of the audit are kept, such as 400d, or off; the owner of a file that is
    /// there is never forgotten [default: 400d]
    #[arg(long, env = "LEDGER_RETENTION", value_name = "TIME")]
    ledger_retention: Option<String>,
}

/// How many calls the sweep may make, as flags and variables name it.
#[derive(Args, Clone, Debug, Default)]
pub struct BudgetArgs {
    /// How many calls of the provider's Admin API the sweep may make, such as 400/h, or off [default: 400/h]
    #[arg(long, env = "ADMIN_API_BUDGET", value_name = "CALLS")]
    admin_api_budget: Option<String>,
}

impl BudgetArgs {
    /// The most calls in an hour; `None` for as many as it takes.
    pub fn check(&self, problems: &mut Problems) -> Option<NonZeroU32> {
        let text = present(self.admin_api_budget.as_deref()).unwrap_or(DEFAULT_BUDGET);
        if text == "off" {
            return None;
        }
        let calls = text
            .strip_suffix("/h")
            .and_then(|digits| digits.parse::<NonZeroU32>().ok())
            .filter(|calls| (LEAST_BUDGET..=MOST_BUDGET).contains(&calls.get()));
        let refusal = || NotA { found: text.to_owned(), expected: "10/h to 1000000/h, or off" };
        problems.take("ADMIN_API_BUDGET", calls.ok_or_else(refusal))
    }
}

/// Where the ledger is.
#[derive(Clone, Debug)]
pub struct LedgerConfig {
    /// `sqlite://…` or `postgres://…`, with its password.
    pub url: SecretString,
    /// What happens to rows of API keys under their bare names.
    pub keys: KeySubjects,
}

/// What happens to rows of API keys under their bare names when the ledger is opened. The names are those of the keys.
#[derive(Clone, Debug, Default)]
pub enum KeySubjects {
    /// Nothing.
    #[default]
    Leave,
    /// Once in the ledger's life they are renamed: only keys can have made them.
    Rename(BTreeSet<String>),
    /// The ledger is not used: tokens may have made them.
    Refuse(BTreeSet<String>),
}

impl LedgerConfig {
    /// A ledger at `url`.
    pub fn at(url: impl Into<SecretString>) -> Self {
        Self { url: url.into(), keys: KeySubjects::Leave }
    }
}

impl LedgerConfig {
    /// The same for callers who prove who they are as `auth` says.
    pub(super) fn for_callers(self, auth: &AuthConfig) -> Self {
        let keys = match auth {
            AuthConfig::Required { api_keys: Some(keys), tokens: None } => {
                KeySubjects::Rename(keys.names().clone())
            }
            AuthConfig::Required { api_keys: Some(keys), tokens: Some(_) } => {
                KeySubjects::Refuse(keys.names().clone())
            }
            AuthConfig::Required { api_keys: None, .. } | AuthConfig::Off { .. } => KeySubjects::Leave,
        };
        Self { keys, ..self }
    }

    /// The address without its password, for people.
    pub fn shown(&self) -> String {
        let text = self.url.expose_secret();
        match Url::parse(text) {
            Ok(mut url) if url.password().is_some() => {
                let _ = url.set_password(Some("…"));
                // A query may hold secrets too.
                url.set_query(None);
                url.to_string().replace("%E2%80%A6", "…")
            }
            _ => text.split('?').next().unwrap_or_default().to_owned(),
        }
    }
}

impl Default for LedgerConfig {
    fn default() -> Self {
        Self::at(DEFAULT_URL)
    }
}

impl LedgerArgs {
    /// Checks the address; nobody is asked there yet.
    pub fn check(&self, problems: &mut Problems) -> LedgerConfig {
        let (value, file) = (self.database_url.as_deref(), self.database_url_file.as_deref());
        let Some(url) = secret_or_file("DATABASE_URL", value, file, problems) else {
            return LedgerConfig::default();
        };
        if let Err(why) = check_url(url.expose_secret()) {
            problems.add("DATABASE_URL", why);
        }
        LedgerConfig::at(url)
    }
}

/// The text is not repeated: it holds a password.
fn check_url(text: &str) -> Result<(), &'static str> {
    const SHAPES: &str = "must be sqlite://FILE or postgres://USER:PASSWORD@HOST/DATABASE";
    match text.split_once(':') {
        Some(("sqlite", file)) if file.contains(":memory:") => {
            Err("must name a file: what is kept in memory is gone with the process, and every grant with it")
        }
        Some(("sqlite", file)) if file.trim_start_matches('/').is_empty() => Err(SHAPES),
        Some(("sqlite", _)) => Ok(()),
        Some(("postgres" | "postgresql", _)) => Url::parse(text).map(|_| ()).map_err(|_source| SHAPES),
        _ => Err(SHAPES),
    }
}

impl SettlingArgs {
    /// The origin, without a slash at its end.
    pub(super) fn check_public_url(&self, problems: &mut Problems) -> Option<String> {
        let text = present(self.public_url.as_deref())?;
        let is_web = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
        };
        let url =
            Url::parse(text).ok().filter(is_web).map(|url| url.as_str().trim_end_matches('/').to_owned());
        let refusal = || NotA {
            found: text.to_owned(),
            expected: "where the provider reaches this server, such as https://sign.example.com",
        };
        problems.take("PUBLIC_URL", url.ok_or_else(refusal))
    }

    pub(super) fn check_budget(&self, problems: &mut Problems) -> Option<NonZeroU32> {
        self.budget.check(problems)
    }

    /// How long rows are kept; `None` for ever.
    pub(super) fn check_retention(&self, problems: &mut Problems) -> Option<Duration> {
        let days = match present(self.ledger_retention.as_deref()) {
            None => Ok(DEFAULT_RETENTION_DAYS),
            Some("off") => return None,
            Some(text) => text
                .strip_suffix('d')
                .and_then(|digits| digits.parse().ok())
                .filter(|days| (1..=36_500).contains(days))
                .ok_or_else(|| NotA { found: text.to_owned(), expected: "1d to 36500d, or off" }),
        };
        problems.take("LEDGER_RETENTION", days).map(|days| Duration::from_hours(24) * days)
    }

    /// The pause between two sweeps; `None` for none at all.
    pub(super) fn check_sweep(&self, problems: &mut Problems) -> Option<Duration> {
        let text = present(self.sweep_every.as_deref());
        let minutes = match text {
            None => Ok(DEFAULT_SWEEP_MINUTES),
            Some("off") => return None,
            Some(text) => text
                .strip_suffix('m')
                .and_then(|digits| digits.parse().ok())
                .filter(|minutes| (1..=1440).contains(minutes))
                .ok_or_else(|| NotA { found: text.to_owned(), expected: "1m to 1440m, or off" }),
        };
        problems.take("SWEEP_EVERY", minutes).map(Duration::from_mins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_file_or_a_server() {
        for text in
            ["sqlite://a.db", "sqlite:a.db", "postgres://u:p@h/d", "postgresql://h:5433/d?sslmode=require"]
        {
            assert_eq!(check_url(text), Ok(()), "{text}");
        }
        for text in ["", "a.db", "mysql://h/d", "sqlite://", "sqlite::memory:", "postgres://[", "redis://h"] {
            assert!(check_url(text).is_err(), "{text}");
        }
    }
}
