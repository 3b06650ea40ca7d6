//! `countersign migrate-subjects`: rows that the ledger has of API keys under their bare names are given to the keys.

use clap::Args;

use super::output::Output;
use super::{Answer, run_async};
use crate::config::{ApiKeysArgs, LedgerArgs, Problems};
use crate::ledger::Ledger;

const EXAMPLES: &str = "\
Examples:
  countersign migrate-subjects --dry-run
  countersign migrate-subjects

The ledger knows an API key as key:NAME. Earlier versions wrote NAME alone, which a token's subject
can be too. Gives every row of a NAME in API_KEYS_FILE to the key: grants, files, quotas and the
audit, in one transaction. One JSON line for each name that has rows. Where a NAME's rows are those
of a token, give the key another name first. Can be repeated. With AUTH=api-key a start does this
by itself, once; with AUTH=api-key,jwt it stops and asks for it.";

/// Which keys, in which ledger.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct MigrateSubjectsCommand {
    /// Say what would be renamed, and rename nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    api_keys: ApiKeysArgs,
    #[command(flatten)]
    ledger: LedgerArgs,
}

pub(super) fn run(command: &MigrateSubjectsCommand) -> anyhow::Result<Answer> {
    let mut problems = Problems::default();
    let keys = command.api_keys.read(&mut problems);
    let ledger = command.ledger.check(&mut problems);
    let keys = problems.finish(keys)?;
    let names = keys.names();
    let lines = run_async(async {
        let ledger = Ledger::new(&ledger)?;
        if command.dry_run { ledger.keys_to_rename(names).await } else { ledger.rename_keys(names).await }
    })??;
    let mut output = Output::stdout();
    for line in lines {
        output.line(serde_json::to_string(&line)?)?;
    }
    output.finish()?;
    Ok(Answer::Yes)
}
