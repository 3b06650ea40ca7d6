//! `countersign explain`: the signature debugger on the command line.

use std::io::{self, IsTerminal as _, Read as _};

use anstyle::{AnsiColor, Style};
use clap::Args;
use serde::Serialize;

use super::output::{Output, say};
use super::{Answer, Usage};
use crate::clock::Clock;
use crate::config::{CloudinaryArgs, Problems};
use crate::signing::explain::{Budget, Cause, Finding, Known, MAX_INPUT_BYTES, Unexplained, explain};

const EXAMPLES: &str = "\
Examples:
  echo \"Invalid Signature 2f4c… String to sign - 'folder=a&timestamp=1720000000'.\" | countersign explain
  cat error.json signed-params.json | countersign explain --json
  countersign explain < failed-curl-command.txt

Paste what you have, in any order: the provider's error as text or JSON; the parameters that were
signed or sent as JSON, as name=value lines, as a query string, an address or a cURL command; the
string that the client signed. With an account configured, mistakes are tried one after another
with its secret until one gives the very signature that was sent, which proves the cause; without
one, the provider's string is compared with the parameters. The secret is never shown.
The input may have 256 KB; the search takes up to 60 parameters in 16 KB and ends after 0.5 s.
Exit code: 0 a cause was found, 1 none.";

/// How to show the cause.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ExplainCommand {
    /// Print one JSON object: {"cause","message","fix"}
    #[arg(long)]
    json: bool,
    #[command(flatten, next_help_heading = "Account")]
    account: CloudinaryArgs,
}

/// The JSON of a text that no cause was found for.
#[derive(Serialize)]
struct NotFound {
    cause: Option<Cause>,
    message: String,
    fix: Option<String>,
}

pub(super) fn run(command: &ExplainCommand) -> anyhow::Result<Answer> {
    let mut problems = Problems::default();
    let account = command.account.check(&mut problems);
    let account = problems.finish(Some(account))?;
    let known = Known {
        cloud: account.as_ref().map(|account| account.cloud.as_str()),
        api_key: account.as_ref().map(|account| account.api_key.as_str()),
        secret: account.as_ref().map(|account| &account.api_secret),
        now: Clock::system().now().0,
    };
    let text = read()?;
    // Whoever no longer wants the answer ends the process.
    let found = explain(&text, &known, &Budget::new(&|| false));
    let mut output = Output::stdout();
    show(&found, command.json, &mut output)?;
    output.finish()?;
    Ok(if found.is_ok() { Answer::Yes } else { Answer::No })
}

fn read() -> anyhow::Result<String> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        say("paste the provider's error and the parameters, then press Ctrl-D on a line of its own");
    }
    let mut bytes = Vec::new();
    stdin.lock().take(MAX_INPUT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_INPUT_BYTES {
        return Err(Usage(format!("the input is longer than {} KB", MAX_INPUT_BYTES / 1024)).into());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn show(found: &Result<Finding, Unexplained>, as_json: bool, output: &mut Output) -> io::Result<()> {
    match found {
        Ok(finding) if as_json => output.json(finding),
        Err(why) if as_json => output.json(&NotFound { cause: None, message: why.to_string(), fix: None }),
        Ok(finding) => {
            let cause = output.paint(AnsiColor::Red.on_default(), "cause");
            output.line(format!("{cause}  {}", finding.message))?;
            let fix = output.paint(Style::new().fg_color(Some(AnsiColor::Green.into())), "fix");
            output.line(format!("{fix}    {}", finding.fix))
        }
        Err(why) => output.line(format!("no cause found: {why}")),
    }
}
