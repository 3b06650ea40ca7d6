//! `countersign delete`: deletes assets by their delivery URLs and says what became of each.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use anstyle::AnsiColor;
use clap::Args;
use serde::Serialize;

use super::output::Output;
use super::{Answer, Usage, run_async};
use crate::clock::Clock;
use crate::config::{CloudinaryAccount, CloudinaryArgs};
use crate::delivery::{AssetAddress, DeliveryUrl, DeliveryUrlError, NotAnAsset, NotOurs, OurDelivery};
use crate::providers::cloudinary::{AdminApi, Outcome};

const EXAMPLES: &str = "\
Examples:
  countersign delete https://res.cloudinary.com/demo/image/upload/v1/a/b.jpg
  xargs countersign delete --json < urls.txt

One line for each URL, in order: deleted, not_found or failed, then public id and URL. Nothing is
deleted unless every URL is in order and on the configured cloud; the command can be repeated.
Exit code: 0 if afterwards none of the files is there (deleted or not_found), 1 if one may still
be, 2 if a URL was refused and nothing was deleted.";

/// How long the provider may take, retries included.
const TIME_LIMIT: Duration = Duration::from_mins(5);

/// What to delete.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct DeleteCommand {
    /// Delivery URLs of the files
    #[arg(value_name = "URL", required = true)]
    urls: Vec<String>,
    /// Print one JSON object for each URL
    #[arg(long)]
    json: bool,
    #[command(flatten, next_help_heading = "Account")]
    account: CloudinaryArgs,
}

/// Why a URL is refused.
#[derive(Debug, thiserror::Error)]
enum NotDeletable {
    #[error(transparent)]
    Unreadable(#[from] DeliveryUrlError),
    #[error(transparent)]
    NotOurs(#[from] NotOurs),
    #[error(transparent)]
    NotAnAsset(#[from] NotAnAsset),
}

/// One line of output with `--json`.
#[derive(Serialize)]
struct Deleted<'a> {
    url: &'a str,
    public_id: &'a str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

pub(super) fn run(command: &DeleteCommand) -> anyhow::Result<Answer> {
    let account = command.account.require()?;
    let assets = addresses(&command.urls, &account.delivery(is_on_loopback(&account)))?;
    let api = AdminApi::new(&account, Clock::system())?;
    let reports = run_async(api.delete(&assets, TIME_LIMIT))?;
    let outcomes: BTreeMap<_, _> = reports.into_iter().flat_map(|report| report.outcomes).collect();
    let mut output = Output::stdout();
    let mut answer = Answer::Yes;
    for (url, asset) in command.urls.iter().zip(&assets) {
        let line = Deleted::new(url, asset, outcomes.get(asset));
        line.write(command.json, &mut output)?;
        answer &= if line.outcome == "failed" { Answer::No } else { Answer::Yes };
    }
    output.finish()?;
    Ok(answer)
}

/// Every asset, or every URL that is refused.
fn addresses(urls: &[String], ours: &OurDelivery) -> Result<Vec<AssetAddress>, Usage> {
    let mut refused = Vec::new();
    let mut assets = Vec::with_capacity(urls.len());
    for url in urls {
        match address(url, ours) {
            Ok(asset) => assets.push(asset),
            Err(error) => refused.push(format!("\n  - {url} {error}")),
        }
    }
    if refused.is_empty() {
        Ok(assets)
    } else {
        Err(Usage(format!("nothing was deleted:{}", refused.concat())))
    }
}

fn address(url: &str, ours: &OurDelivery) -> Result<AssetAddress, NotDeletable> {
    let url: DeliveryUrl = url.parse()?;
    ours.check(&url)?;
    Ok(AssetAddress::try_from(&url)?)
}

/// An API on this very machine is an emulator, which delivers itself.
fn is_on_loopback(account: &CloudinaryAccount) -> bool {
    let host = url::Url::parse(&account.upload_prefix).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.is_some_and(|host| {
        let address = host.trim_matches(['[', ']']).parse();
        host == "localhost" || address.is_ok_and(|address: IpAddr| address.is_loopback())
    })
}

impl<'a> Deleted<'a> {
    fn new(url: &'a str, asset: &'a AssetAddress, outcome: Option<&'a Outcome>) -> Self {
        let (outcome, message) = match outcome {
            Some(Outcome::Deleted) => ("deleted", None),
            Some(Outcome::NotFound) => ("not_found", None),
            Some(Outcome::Failed(why)) => ("failed", Some(why.as_str())),
            None => ("failed", Some("no call was made for this file")),
        };
        Self { url, public_id: asset.public_id.as_str(), outcome, message }
    }

    fn write(&self, as_json: bool, output: &mut Output) -> std::io::Result<()> {
        if as_json {
            return output.json(self);
        }
        let colour = match self.outcome {
            "deleted" => AnsiColor::Green,
            "not_found" => AnsiColor::Yellow,
            _ => AnsiColor::Red,
        };
        let outcome = output.paint(colour.on_default(), self.outcome);
        let message = self.message.map(|message| format!("  ({message})")).unwrap_or_default();
        output.line(format!("{outcome}  {}  {}{message}", self.public_id, self.url))
    }
}
