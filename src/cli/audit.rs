//! `countersign audit`: who did what to which upload, when, under which request.

use clap::Args;
use jiff::Timestamp;

use super::output::Output;
use super::{Answer, Usage, run_async};
use crate::clock::UnixSeconds;
use crate::config::{LedgerArgs, Problems};
use crate::ledger::Ledger;

const EXAMPLES: &str = "\
Examples:
  countersign audit --since 2026-11-01T00:00:00Z
  countersign audit --subject user-42 | jq -r .event

One JSON line for each thing that happened, the oldest first: issued, renewed, used, rejected,
expired, downloaded, deleted. The ledger only ever adds to them; they hold no signature and no link.";

/// Which part of the audit.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct AuditCommand {
    /// Only what this caller did
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// Only what happened at this moment or later, such as 2026-11-01T00:00:00Z or Unix seconds
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// The most lines
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
    limit: u32,
    #[command(flatten)]
    ledger: LedgerArgs,
}

pub(super) fn run(command: &AuditCommand) -> anyhow::Result<Answer> {
    let mut problems = Problems::default();
    let ledger = command.ledger.check(&mut problems);
    let ledger = problems.finish(Some(ledger))?;
    let since = command.since.as_deref().map_or(Ok(UnixSeconds::default()), parse_moment)?;
    let lines = run_async(async {
        Ledger::new(&ledger)?.audit(command.subject.as_deref(), since, command.limit).await
    })??;
    let mut output = Output::stdout();
    for line in lines {
        output.line(serde_json::to_string(&line)?)?;
    }
    output.finish()?;
    Ok(Answer::Yes)
}

fn parse_moment(text: &str) -> Result<UnixSeconds, Usage> {
    let seconds = text.parse().ok().or_else(|| text.parse::<Timestamp>().ok().map(Timestamp::as_second));
    let wrong =
        || Usage(format!("--since: `{text}` is not a moment: write 2026-11-01T00:00:00Z, or Unix seconds"));
    seconds.map(UnixSeconds).ok_or_else(wrong)
}
