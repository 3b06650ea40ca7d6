//! `countersign check`: what the configuration says, where each value comes from, and whether the provider agrees.

use std::num::NonZeroU32;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args};

use super::output::Output;
use super::{Answer, profile, run_async};
use crate::clock::Clock;
use crate::config::{
    AuthConfig, CloudinaryAccount, Config, DotEnv, KeySubjects, LedgerConfig, RateLimitConfig, ServeArgs,
};
use crate::ledger::Ledger;
use crate::profiles::{Profile, Profiles};
use crate::providers::cloudinary::{AdminApi, CallError};

const EXAMPLES: &str = "\
Examples:
  countersign check
  countersign check --online

Reads flags, variables and .env exactly as `serve` does and shows what comes out, never a secret,
and warns of profiles that may allow more than you mean.
--online asks the provider (its Admin API's ping) whether cloud, key and secret belong together,
and the ledger, if a profile needs it, whether it answers.
Exit code: 0 all is well, 1 the provider says no or cannot be reached, 2 the configuration is wrong.";

/// What to check.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct CheckCommand {
    /// Ask the provider and the ledger too
    #[arg(long)]
    online: bool,
    #[command(flatten)]
    serve: ServeArgs,
}

/// Where values come from.
pub(super) struct Sources<'a> {
    pub(super) flags: &'a ArgMatches,
    pub(super) dot_env: &'a DotEnv,
}

pub(super) fn run(command: &CheckCommand, sources: &Sources<'_>) -> anyhow::Result<Answer> {
    let config = command.serve.check()?;
    let profiles = profile::read(config.profiles.as_ref())?;
    if let Some(uploadcare) = &config.uploadcare {
        profile::check_webhooks(&profiles, uploadcare.webhook_secret.as_ref())?;
    }
    let mut output = Output::stdout();
    show(&config, &profiles, sources, &mut output)?;
    let mut answer = Answer::Yes;
    if command.online {
        answer &= ask(&config.cloudinary, &mut output)?;
        if profiles.need_the_ledger() {
            answer &= ask_the_ledger(&config.ledger, &mut output)?;
            answer &= ask_for_ambiguous_subjects(&config.ledger, &mut output)?;
        }
    }
    output.finish()?;
    Ok(answer)
}

/// Settings of the account, by the part that names them and by the URL that names them all.
const ACCOUNT: [&str; 2] = ["cloudinary_url", "cloudinary_url_file"];

fn show(
    config: &Config,
    profiles: &Profiles,
    sources: &Sources<'_>,
    output: &mut Output,
) -> std::io::Result<()> {
    let account = &config.cloudinary;
    let of_account = |part| sources.first(&[ACCOUNT[0], ACCOUNT[1], part]);
    let option = sources.first(&ACCOUNT);
    let option = |is_default: bool| if is_default { "default".to_owned() } else { option.clone() };
    let defaults = CloudinaryAccount::new(String::new(), String::new(), "".into());
    let names: Vec<_> = profiles.iter().map(Profile::name).collect();
    let rows = [
        ("cloud", account.cloud.clone(), of_account("cloudinary_cloud_name")),
        ("api key", account.api_key.clone(), of_account("cloudinary_api_key")),
        ("api secret", "set, not shown".to_owned(), sources.secret()),
        ("algorithm", account.algorithm.name().to_owned(), option(account.algorithm == defaults.algorithm)),
        (
            "signature version",
            account.version.number().to_string(),
            option(account.version == defaults.version),
        ),
        (
            "upload prefix",
            account.upload_prefix.clone(),
            option(account.upload_prefix == defaults.upload_prefix),
        ),
        (
            "download key",
            download_key(account),
            sources.first(&["cloudinary_download_url", "cloudinary_download_url_file"]),
        ),
        ("listen", config.listen.to_string(), sources.both("host", "port")),
        ("callers", callers(&config.auth), sources.first(&["auth"])),
        ("profiles", names.join(", "), sources.first(&["profiles_file"])),
        ("ledger", ledger(config, profiles), sources.first(&["database_url", "database_url_file"])),
        ("rate limit", rate_limit(config.rate_limit), sources.first(&["rate_limit"])),
        ("sweep's budget", budget(config.admin_api_budget), sources.first(&["admin_api_budget"])),
        ("ledger retention", retention(config.ledger_retention), sources.first(&["ledger_retention"])),
        ("notifications", notifications(config), sources.first(&["public_url"])),
    ];
    for (name, value, source) in rows {
        let name = output.paint(Style::new().bold(), &format!("{name:<19}"));
        let source = output.paint(Style::new().dimmed(), &format!("({source})"));
        output.line(format!("{name}{value}  {source}"))?;
    }
    for warning in profiles.warnings() {
        let head = output.paint(AnsiColor::Yellow.on_default().bold(), &format!("{:<19}", "warning"));
        output.line(format!("{head}{warning}"))?;
    }
    Ok(())
}

/// What signs download links.
fn download_key(account: &CloudinaryAccount) -> String {
    match &account.download_key {
        Some(key) => key.api_key.clone(),
        None => "the account's own: links live 10 minutes at most".to_owned(),
    }
}

/// Where grants are kept, and under which profiles.
fn ledger(config: &Config, profiles: &Profiles) -> String {
    let kept: Vec<_> = profiles.iter().filter(|profile| profile.is_tracked()).map(Profile::name).collect();
    if kept.is_empty() {
        return format!("{}, not opened: no profile needs it", config.ledger.shown());
    }
    format!("{}, for {}", config.ledger.shown(), kept.join(", "))
}

/// How often one caller may call.
fn rate_limit(limit: Option<RateLimitConfig>) -> String {
    limit.map_or_else(
        || "off".to_owned(),
        |RateLimitConfig { per_minute, burst }| {
            format!("{per_minute} a minute, {burst} at once, for each caller")
        },
    )
}

/// How many calls the sweep may make.
fn budget(calls: Option<NonZeroU32>) -> String {
    calls.map_or_else(|| "off".to_owned(), |calls| format!("{calls} Admin API calls an hour"))
}

/// How long what is of no file is kept.
fn retention(time: Option<Duration>) -> String {
    time.map_or_else(|| "off".to_owned(), |time| format!("{} days", time.as_secs() / (24 * 3_600)))
}

/// Where the provider tells of uploads.
fn notifications(config: &Config) -> String {
    match &config.public_url {
        Some(url) => format!("{url}/webhooks/cloudinary"),
        None => "not asked for".to_owned(),
    }
}

/// Who may call, in words.
fn callers(auth: &AuthConfig) -> String {
    match auth {
        AuthConfig::Off { .. } => "everybody who reaches the address".to_owned(),
        AuthConfig::Required { api_keys, tokens } => {
            let ways = [(api_keys.is_some(), "API keys"), (tokens.is_some(), "tokens")];
            let ways: Vec<_> = ways.iter().filter(|(is_on, _)| *is_on).map(|(_, way)| *way).collect();
            format!("those with {}", ways.join(" or "))
        }
    }
}

impl Sources<'_> {
    /// Where the first of these settings that is given comes from.
    fn first(&self, ids: &[&str]) -> String {
        ids.iter().find_map(|id| self.of(id)).unwrap_or_else(|| "default".to_owned())
    }

    fn secret(&self) -> String {
        self.first(&[ACCOUNT[0], ACCOUNT[1], "cloudinary_api_secret", "cloudinary_api_secret_file"])
    }

    fn both(&self, first: &str, second: &str) -> String {
        let (first, second) = (self.of(first), self.of(second));
        match (first, second) {
            (Some(first), Some(second)) if first != second => format!("{first}, {second}"),
            (Some(source), _) | (None, Some(source)) => source,
            (None, None) => "default".to_owned(),
        }
    }

    fn of(&self, id: &str) -> Option<String> {
        let name = id.to_ascii_uppercase();
        let is_empty = self.flags.get_one::<String>(id).is_none_or(|text| text.trim().is_empty());
        match self.flags.value_source(id) {
            _ if is_empty => None,
            Some(ValueSource::CommandLine) => Some(format!("--{}", id.replace('_', "-"))),
            Some(ValueSource::EnvVariable) if self.dot_env.has(&name) => Some(format!("{name} in .env")),
            Some(ValueSource::EnvVariable) => Some(name),
            _ => None,
        }
    }
}

/// Whether the provider takes the credentials, in one line.
fn ask(account: &CloudinaryAccount, output: &mut Output) -> anyhow::Result<Answer> {
    output.flush()?;
    let api = AdminApi::new(account, Clock::system())?;
    let asked = run_async(api.ping())?;
    let (colour, line, answer) = match &asked {
        Ok(()) => (AnsiColor::Green, "cloud, key and secret belong together".to_owned(), Answer::Yes),
        Err(error) => (AnsiColor::Red, meaning(error, account), Answer::No),
    };
    let name = output.paint(Style::new().bold(), &format!("{:<19}", "provider"));
    let line = output.paint(colour.on_default(), &line);
    output.line(format!("{name}{line}"))?;
    Ok(answer)
}

/// Whether the ledger answers, in one line.
fn ask_the_ledger(config: &LedgerConfig, output: &mut Output) -> anyhow::Result<Answer> {
    output.flush()?;
    let asked = run_async(async { Ledger::new(config)?.ping().await })?;
    let (colour, line, answer) = match &asked {
        Ok(()) => (AnsiColor::Green, "answers".to_owned(), Answer::Yes),
        Err(error) => (AnsiColor::Red, error.to_string(), Answer::No),
    };
    let name = output.paint(Style::new().bold(), &format!("{:<19}", "ledger"));
    let line = output.paint(colour.on_default(), &line);
    output.line(format!("{name}{line}"))?;
    Ok(answer)
}

/// Which rows of the ledger may be an API key's or a token's, in one line if there are any.
fn ask_for_ambiguous_subjects(config: &LedgerConfig, output: &mut Output) -> anyhow::Result<Answer> {
    let KeySubjects::Refuse(names) = &config.keys else { return Ok(Answer::Yes) };
    // A ledger that has no tables yet has no rows either; one that does not answer was named above.
    let asked = run_async(async { Ledger::new(config)?.ambiguous_subjects(names).await })?;
    let Some(found) = asked.ok().filter(|found| !found.is_empty()) else { return Ok(Answer::Yes) };
    let name = output.paint(Style::new().bold(), &format!("{:<19}", "ambiguous subjects"));
    let line = format!("{}: run `countersign migrate-subjects`", found.join(", "));
    let line = output.paint(AnsiColor::Red.on_default(), &line);
    output.line(format!("{name}{line}"))?;
    Ok(Answer::No)
}

/// What a refusal means for the configuration.
fn meaning(error: &CallError, account: &CloudinaryAccount) -> String {
    let CallError::Refused { status, message } = error else {
        return format!("{error} at {}", account.upload_prefix);
    };
    let text = message.to_ascii_lowercase();
    let meaning = if text.contains("secret mismatch") {
        "the API secret is not this key's: copy it again, without quotes or spaces"
    } else if text.contains("unknown api") {
        "the provider does not know the API key: it was deleted, or has a digit too few or too many"
    } else if text.contains("cloud_name") {
        "the key is not this cloud's: the cloud name is misspelt, or both come from different accounts"
    } else if text.contains("disabled") {
        "the account is disabled: ask the provider's support"
    } else {
        match status {
            401 | 403 => "the provider does not accept these credentials for this cloud",
            404 => "the upload prefix is not the provider's API",
            420 | 429 => "the hourly limit of Admin API calls is used up; signing goes on working",
            _ => "the provider failed; that says nothing about the configuration",
        }
    };
    format!("{meaning} ({status}: {message})")
}
