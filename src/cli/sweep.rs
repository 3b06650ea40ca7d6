//! `countersign sweep`, and the same at intervals beside the service: what became of grants that ran out.

use std::time::Duration;

use clap::Args;
use rand::random_range;

use super::output::Output;
use super::{Answer, run_async};
use crate::clock::{Clock, UnixSeconds};
use crate::config::{BudgetArgs, CloudinaryArgs, LedgerArgs, LogArgs, Problems};
use crate::ledger::{Ledger, LedgerError};
use crate::providers::cloudinary::AdminApi;
use crate::providers::{CallBudget, CallError};
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
the first 300 and changes nothing. It stops when ADMIN_API_BUDGET is used up; run it again later.
The service does the same every SWEEP_EVERY.
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
    budget: BudgetArgs,
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
    let budget = command.budget.check(&mut problems).map(CallBudget::new);
    let log = command.log.check(&mut problems);
    let (account, log) = problems.finish(account.zip(log))?;
    telemetry::start(&log)?;
    let swept = run_async(async {
        let clock = Clock::system();
        let admin = AdminApi::new(&account, clock.clone())?.within(budget);
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

/// How a service sweeps.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    /// The pause between two sweeps; without it there are none.
    pub(super) every: Option<Duration>,
    /// The calls that sweeps may make.
    pub(super) budget: Option<CallBudget>,
    /// How long what is of no file is kept; without it for ever.
    pub(super) retention: Option<Duration>,
}

/// The most rows of one kind that one transaction forgets, and the most such transactions of one sweep: requests that write
/// to a file wait for them.
const PRUNED_AT_ONCE: u32 = 500;
const PRUNINGS: usize = 20;

/// Opens the ledger at once, so that a wrong address shows at the start, and sweeps at intervals for as long as the
/// service runs.
pub(super) async fn keep_sweeping(state: AppState, schedule: Schedule) {
    if state.profiles().need_the_ledger()
        && let Err(error) = state.ledger.open().await
    {
        tracing::error!(%error, "profiles that need the ledger answer 503 until it can be reached");
    }
    let Some(every) = schedule.every else { return };
    // Replicas that start together need not sweep together.
    tokio::time::sleep(every.mul_f64(random_range(0.1..1.0))).await;
    loop {
        if state.profiles().need_the_ledger() {
            let mut settling = state.settling();
            settling.admin = settling.admin.within(schedule.budget.clone());
            sweep(&settling, schedule.budget.as_ref()).await;
            if let Some(retention) = schedule.retention {
                prune(&settling, retention).await;
            }
        }
        tokio::time::sleep(every).await;
    }
}

async fn sweep(settling: &Settling, budget: Option<&CallBudget>) {
    match settling.sweep(false).await {
        Ok(Swept { lines, error }) => {
            if !lines.is_empty() {
                let deleted: usize = lines.iter().map(|line| line.deleted.len()).sum();
                tracing::info!(grants = lines.len(), deleted, "swept");
            }
            match error {
                Some(error @ CallError::BudgetUsedUp { .. }) if budget.is_none_or(CallBudget::is_news) => {
                    tracing::warn!(%error, "the sweep waits: ADMIN_API_BUDGET is used up");
                }
                None | Some(CallError::BudgetUsedUp { .. }) => {}
                Some(error) => {
                    tracing::warn!(%error, "some grants were not looked at; the next sweep tries again");
                }
            }
        }
        Err(error) => tracing::error!(%error, "the sweep failed; the next one tries again"),
    }
}

/// Forgets what is older than `retention` and of no file that is there.
async fn prune(settling: &Settling, retention: Duration) {
    let before = settling.clock.now().plus(-i64::try_from(retention.as_secs()).unwrap_or(i64::MAX));
    match prune_before(settling, before).await {
        Ok(0) => {}
        Ok(rows) => tracing::info!(rows, "what is older than LEDGER_RETENTION and of no file was forgotten"),
        Err(error) => tracing::error!(%error, "old rows could not be forgotten; the next sweep tries again"),
    }
}

async fn prune_before(settling: &Settling, before: UnixSeconds) -> Result<u64, LedgerError> {
    let mut rows = 0;
    for _ in 0..PRUNINGS {
        let pruned = settling.ledger.prune(before, PRUNED_AT_ONCE).await?.rows();
        rows += pruned;
        if pruned == 0 {
            break;
        }
    }
    Ok(rows)
}
