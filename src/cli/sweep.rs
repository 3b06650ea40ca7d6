//! `countersign sweep`, and the same at intervals beside the service: what became of grants that ran out.

use std::time::Duration;

use clap::Args;
use rand::random_range;

use super::output::Output;
use super::{Answer, run_async};
use crate::clock::Clock;
use crate::config::{CloudinaryArgs, LedgerArgs, LogArgs, Problems};
use crate::ledger::Ledger;
use crate::providers::cloudinary::AdminApi;
use crate::settling::{Settling, Swept};
use crate::state::AppState;
use crate::telemetry;

const EXAMPLES: &str = "\
Examples:
  countersign sweep --dry-run
  countersign sweep

Looks at every grant that ended ten minutes ago or more: asks the provider's Admin API whether its
file is there (three calls for each hundred grants), settles it, gives back the quota of those that
were not used, and deletes what nobody granted: files that break their profile, second files under
one grant, files that came back after they were deleted. One JSON line a grant. --dry-run looks at
the first 300 and changes nothing. The service does the same every SWEEP_EVERY.
Exit code: 0 all was looked at, 1 the provider could not be asked about some.";

/// What to sweep.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct SweepCommand {
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    cloudinary: CloudinaryArgs,
    #[command(flatten)]
    ledger: LedgerArgs,
    #[command(flatten)]
    log: LogArgs,
}

pub(super) fn run(command: &SweepCommand) -> anyhow::Result<Answer> {
    let mut problems = Problems::default();
    let account = command.cloudinary.check(&mut problems);
    if account.is_none() && problems.is_empty() {
        command.cloudinary.explain_absence(&mut problems);
    }
    let ledger = command.ledger.check(&mut problems);
    let log = command.log.check(&mut problems);
    let (account, log) = problems.finish(account.zip(log))?;
    telemetry::start(&log)?;
    let swept = run_async(async {
        let clock = Clock::system();
        let admin = AdminApi::new(&account, clock.clone())?;
        let settling = Settling { ledger: Ledger::new(&ledger)?, admin, files: None, clock };
        anyhow::Ok(settling.sweep(command.dry_run).await?)
    })??;
    print(&swept)
}

fn print(swept: &Swept) -> anyhow::Result<Answer> {
    let mut output = Output::stdout();
    for line in &swept.lines {
        output.line(serde_json::to_string(line)?)?;
    }
    output.finish()?;
    match &swept.error {
        None => Ok(Answer::Yes),
        Some(error) => {
            super::output::say(format_args!("countersign: some grants were not looked at: {error}"));
            Ok(Answer::No)
        }
    }
}

/// Opens the ledger at once, so that a wrong address shows at the start, and sweeps at intervals for as long as the
/// service runs. `None` for no sweeps.
pub(super) async fn keep_sweeping(state: AppState, every: Option<Duration>) {
    if state.profiles().need_the_ledger()
        && let Err(error) = state.ledger.open().await
    {
        tracing::error!(%error, "profiles that need the ledger answer 503 until it can be reached");
    }
    let Some(every) = every else { return };
    // Replicas that start together need not sweep together.
    tokio::time::sleep(every.mul_f64(random_range(0.1..1.0))).await;
    loop {
        if state.profiles().need_the_ledger() {
            sweep(&state.settling()).await;
        }
        tokio::time::sleep(every).await;
    }
}

async fn sweep(settling: &Settling) {
    match settling.sweep(false).await {
        Ok(Swept { lines, error }) => {
            if !lines.is_empty() {
                let deleted: usize = lines.iter().map(|line| line.deleted.len()).sum();
                tracing::info!(grants = lines.len(), deleted, "swept");
            }
            if let Some(error) = error {
                tracing::warn!(%error, "some grants were not looked at; the next sweep tries again");
            }
        }
        Err(error) => tracing::error!(%error, "the sweep failed; the next one tries again"),
    }
}
