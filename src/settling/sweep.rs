//! The sweep: grants whose time is over are looked up at the provider. What was used is settled, what was not is given
//! back, and what nobody granted is deleted: a second file under one grant, a file of a rejected grant, one that came
//! after the asset was deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::{By, Settling, deleted};
use crate::delivery::AssetAddress;
use crate::ledger::{Entry, Finding, LedgerError, SettledBy, State, target};
use crate::profiles::{OnReplacement, StoredFile, UploadId};
use crate::providers::cloudinary::{AdminApi, CallError, Found, Outcome};

/// How many grants are taken in hand at once, and how many where few calls are left.
const BATCH: u32 = 300;
const SMALL_BATCH: u32 = 100;
/// How long the provider may take for one batch's look-up.
const TIME_LIMIT: Duration = Duration::from_mins(1);

const BY: By<'static> = By { source: SettledBy::Sweep, subject: "", request_id: "" };

/// What a sweep did, or would do.
#[derive(Debug, Default)]
pub struct Swept {
    /// One line for each grant.
    pub lines: Vec<SweepLine>,
    /// Why some grants were not looked at; they come again.
    pub error: Option<CallError>,
}

/// What became of one grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepLine {
    /// Which.
    pub upload_id: UploadId,
    /// Its public id.
    pub public_id: String,
    /// Its state afterwards.
    pub state: State,
    /// Why it is rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is deleted, as resource type, delivery type and public id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<String>,
}

/// What is to be done about one grant.
#[derive(Debug, PartialEq, Eq)]
struct Decision {
    finding: Finding,
    /// What nobody granted.
    unwanted: Vec<AssetAddress>,
    /// Whether the asset that the ledger knows of is no longer there.
    is_gone: bool,
}

impl Settling {
    /// Sweeps until nothing is due any more. With `dry_run` one batch is looked at, and nothing is changed.
    pub async fn sweep(&self, dry_run: bool) -> Result<Swept, LedgerError> {
        let mut swept = Swept::default();
        loop {
            let now = self.clock.now();
            // What is taken in hand and not looked at would have to wait until it is let go.
            let batch = if self.affords_to_find(BATCH) { BATCH } else { SMALL_BATCH };
            if let Err(error) = self.admin.affords(AdminApi::calls_to_find(1)) {
                swept.error = Some(error);
                break;
            }
            let due = if dry_run {
                self.ledger.due(now, batch).await
            } else {
                self.ledger.claim(now, batch).await
            }?;
            let is_last = due.len() < batch as usize;
            self.sweep_batch(due, dry_run, &mut swept).await?;
            if is_last || dry_run || swept.error.is_some() {
                break;
            }
        }
        if !dry_run {
            self.ledger.forget_old_quotas(self.clock.now()).await?;
        }
        Ok(swept)
    }

    /// Whether so many grants can be looked up, even if they are of all three delivery types.
    fn affords_to_find(&self, grants: u32) -> bool {
        let calls = AdminApi::calls_to_find(grants as usize) + 2 * AdminApi::calls_to_find(1);
        self.admin.affords(calls).is_ok()
    }

    async fn sweep_batch(
        &self,
        due: Vec<Entry>,
        dry_run: bool,
        swept: &mut Swept,
    ) -> Result<(), LedgerError> {
        let mut by_delivery_type = BTreeMap::<_, Vec<Entry>>::new();
        for entry in due {
            by_delivery_type.entry(entry.delivery_type).or_default().push(entry);
        }
        for (delivery_type, entries) in by_delivery_type {
            let ids: Vec<_> = entries.iter().map(|entry| entry.public_id.as_str()).collect();
            let found = match self.admin.affords(AdminApi::calls_to_find(ids.len())) {
                Ok(()) => self.admin.find(delivery_type, &ids, TIME_LIMIT).await,
                Err(error) => Err(error),
            };
            let found = match found {
                Ok(found) => found,
                // Nothing is known about these; without that nothing is changed.
                Err(error) => {
                    swept.error = Some(error);
                    continue;
                }
            };
            for entry in entries {
                let of_entry = |found: &&Found| found.address.public_id.as_str() == entry.public_id;
                let found: Vec<_> = found.iter().filter(of_entry).cloned().collect();
                let decision = decide(&entry, found);
                // Nothing is settled that could not be carried out as well.
                if let Err(error) = self.admin.affords(AdminApi::calls_to_delete(&decision.unwanted)) {
                    swept.error = Some(error);
                    continue;
                }
                let line =
                    if dry_run { decision.line(&entry) } else { self.carry_out(entry, decision).await? };
                swept.lines.push(line);
            }
        }
        Ok(())
    }

    async fn carry_out(&self, entry: Entry, decision: Decision) -> Result<SweepLine, LedgerError> {
        let mut line = decision.line(&entry);
        let settled = self.settle(entry.id, decision.finding, BY).await?;
        line.state = settled.map_or(line.state, |settled| settled.state);
        if decision.is_gone {
            let gone: Vec<_> =
                entry.addresses().iter().map(|asset| deleted(entry.id, asset, &Outcome::NotFound)).collect();
            self.ledger.deleted(&gone, self.clock.now(), "", "").await?;
        }
        if !decision.unwanted.is_empty() && !self.remove(&entry, &decision.unwanted, BY).await? {
            line.deleted.clear();
        }
        Ok(line)
    }
}

/// What `found` says about a grant.
fn decide(entry: &Entry, found: Vec<Found>) -> Decision {
    let is_over = entry.deleted_at.is_some() || entry.state == State::Rejected;
    let (own, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| {
        !is_over && entry.resource_type.is_none_or(|kind| kind == found.address.resource_type)
    });
    let mut own = own;
    // Where it is not known which file came first, one that is allowed is the one that was granted.
    own.sort_by_key(|found| entry.terms.broken_by(&found.file).is_some());
    let mut own = own.into_iter();
    let first = own.next();
    let is_gone = !is_over && first.is_none() && entry.resource_type.is_some();
    let mut unwanted: Vec<_> = own.chain(others).map(|found| found.address).collect();
    let finding = match first {
        _ if is_over => over(entry),
        None if entry.state == State::Used => Finding::Used(None),
        None => Finding::Unused,
        Some(Found { address, file }) if entry.bytes.is_some() && entry.is_replaced_by(&file) => {
            if entry.terms.on_replacement == OnReplacement::Delete {
                unwanted.push(address);
            }
            Finding::Replaced(file)
        }
        Some(Found { address, file }) => match entry.terms.broken_by(&file) {
            None => Finding::Used(Some(file)),
            Some(reason) => {
                unwanted.push(address);
                Finding::Rejected { file: Some(file), reason }
            }
        },
    };
    Decision { finding, unwanted, is_gone }
}

/// What there is to say about a grant that was over before the sweep came.
fn over(entry: &Entry) -> Finding {
    match entry.state {
        State::Issued => Finding::Unused,
        _ => Finding::Used(None::<StoredFile>),
    }
}

impl Decision {
    fn line(&self, entry: &Entry) -> SweepLine {
        let (state, reason) = match &self.finding {
            Finding::Used(_) if entry.state == State::Rejected => (State::Rejected, entry.reason.clone()),
            Finding::Used(_) | Finding::Replaced(_) => (State::Used, None),
            Finding::Rejected { reason, .. } => (State::Rejected, Some(reason.clone())),
            Finding::Unused => (State::Expired, None),
        };
        SweepLine {
            upload_id: entry.id,
            public_id: entry.public_id.clone(),
            state,
            reason,
            deleted: self.unwanted.iter().map(target).collect(),
        }
    }
}
