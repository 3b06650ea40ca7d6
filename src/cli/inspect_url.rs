//! `countersign inspect-url`: what delivery URLs say about their assets, one JSON line for each.

use std::borrow::Cow;

use clap::Args;
use serde::Serialize;

use super::Answer;
use super::lines::Lines;
use super::output::Output;
use crate::config::{CloudinaryArgs, Problems};
use crate::delivery::uploadcare::{self, CdnUrl};
use crate::delivery::{Authority, DeliveryType, DeliveryUrl, DeliveryUrlError, ResourceType};

const EXAMPLES: &str = "\
Examples:
  countersign inspect-url https://res.cloudinary.com/demo/image/upload/w_100/v12/a/b.jpg
  countersign inspect-url --cloud demo https://media.example.com/image/upload/v1/a.jpg
  countersign inspect-url --cloud demo --host media.example.com /image/upload/v1/a.jpg
  countersign inspect-url < urls.txt | jq -r 'select(.error) | .url'

One JSON line for each URL, in order; a field that the URL does not have is null:
  {\"url\",\"cloud\",\"resource_type\",\"type\",\"public_id\",\"format\",\"version\",\"signature\",\"seo_suffix\"}
A URL on Uploadcare's CDN:
  {\"url\",\"provider\":\"uploadcare\",\"uuid\",\"files\",\"nth\",\"operations\",\"filename\"}
A text that is no delivery URL: {\"url\",\"error\"}, and the exit code is 1 at the end.
Any number of lines takes the memory of one. Nothing is asked of the provider.";

/// What to inspect, and what stands in where a URL does not say.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct InspectUrlCommand {
    /// Delivery URLs; without any they are read from standard input, one a line
    #[arg(value_name = "URL")]
    urls: Vec<String>,
    /// Cloud of URLs that name none (on a domain of your own) [default: the configured one]
    #[arg(long, value_name = "CLOUD")]
    cloud: Option<String>,
    /// Host of addresses that begin with a slash [default: a configured domain of your own]
    #[arg(long, value_name = "HOST")]
    host: Option<Authority>,
    #[command(flatten, next_help_heading = "Account")]
    account: CloudinaryArgs,
}

/// What stands in where a URL does not say.
#[derive(Debug)]
struct StandIn {
    cloud: Option<String>,
    host: Option<Authority>,
}

/// One line of output. The names are fixed: other programs read them.
#[derive(Serialize)]
struct Inspected<'a> {
    url: &'a str,
    cloud: Option<&'a str>,
    resource_type: ResourceType,
    #[serde(rename = "type")]
    delivery_type: DeliveryType,
    public_id: &'a str,
    format: Option<&'a str>,
    version: Option<&'a str>,
    signature: Option<&'a str>,
    seo_suffix: Option<&'a str>,
}

/// The same for a URL on Uploadcare's CDN.
#[derive(Serialize)]
struct InspectedCdn<'a> {
    url: &'a str,
    provider: &'static str,
    uuid: &'a str,
    files: Option<u32>,
    nth: Option<u32>,
    operations: Option<&'a str>,
    filename: Option<&'a str>,
}

#[derive(Serialize)]
struct NotInspected<'a> {
    url: &'a str,
    error: String,
}

pub(super) fn run(command: &InspectUrlCommand) -> anyhow::Result<Answer> {
    let stand_in = command.stand_in()?;
    let mut output = Output::stdout();
    let mut answer = Answer::Yes;
    if command.urls.is_empty() {
        let mut lines = Lines::stdin();
        while let Some((number, line)) = lines.next()? {
            answer &= match line {
                Ok(url) => stand_in.inspect(url, &mut output)?,
                Err(error) => refuse("", format!("line {number} {error}"), &mut output)?,
            };
            if lines.must_wait() {
                output.flush()?;
            }
        }
    }
    for url in &command.urls {
        answer &= stand_in.inspect(url, &mut output)?;
    }
    output.finish()?;
    Ok(answer)
}

impl InspectUrlCommand {
    /// The flags, or else the configured account; none is needed.
    fn stand_in(&self) -> Result<StandIn, Problems> {
        if self.cloud.is_some() {
            return Ok(StandIn { cloud: self.cloud.clone(), host: self.host.clone() });
        }
        let mut problems = Problems::default();
        let account = self.account.check(&mut problems);
        let (cloud, own_hosts) =
            problems.finish(Some(account.map(|account| (account.cloud, account.own_hosts))))?.unzip();
        let own_host = || own_hosts.unwrap_or_default().into_iter().next();
        Ok(StandIn { cloud, host: self.host.clone().or_else(own_host) })
    }
}

impl StandIn {
    fn inspect(&self, text: &str, output: &mut Output) -> std::io::Result<Answer> {
        if uploadcare::is_on_the_providers_host(text) {
            return inspect_cdn(text, output);
        }
        match self.address(text).parse::<DeliveryUrl>() {
            Ok(url) => output.json(&self.describe(text, &url)).map(|()| Answer::Yes),
            Err(error) => refuse(text, as_sentence(&error), output),
        }
    }

    /// A path alone becomes an address on the host that stands in.
    fn address<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match &self.host {
            Some(host) if text.starts_with('/') && !text.starts_with("//") => {
                Cow::Owned(format!("https://{host}{text}"))
            }
            _ => Cow::Borrowed(text),
        }
    }

    fn describe<'a>(&'a self, text: &'a str, url: &'a DeliveryUrl) -> Inspected<'a> {
        Inspected {
            url: text,
            cloud: url.cloud().or(self.cloud.as_deref()),
            resource_type: url.resource_type(),
            delivery_type: url.delivery_type(),
            public_id: url.public_id(),
            format: url.format(),
            version: url.version(),
            signature: url.signature(),
            seo_suffix: url.seo_suffix(),
        }
    }
}

fn inspect_cdn(text: &str, output: &mut Output) -> std::io::Result<Answer> {
    let CdnUrl { id, files, nth, operations, filename } = match CdnUrl::parse(text) {
        Ok(url) => url,
        Err(error) => return refuse(text, format!("the URL {error}"), output),
    };
    let (provider, uuid) = ("uploadcare", id.as_str());
    output.json(&InspectedCdn { url: text, provider, uuid, files, nth, operations, filename })?;
    Ok(Answer::Yes)
}

fn refuse(url: &str, error: String, output: &mut Output) -> std::io::Result<Answer> {
    output.json(&NotInspected { url, error }).map(|()| Answer::No)
}

/// The parser's errors go on from "the URL …".
fn as_sentence(error: &DeliveryUrlError) -> String {
    format!("the URL {error}")
}
