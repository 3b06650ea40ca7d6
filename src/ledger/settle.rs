//! Settling: what is found out about a grant changes its state, its quotas and the audit in one transaction.

use super::audit::{self, Event, Happening};
use super::database::{Sql, writing};
use super::entry::{Entry, Row, SettledBy, State, columns};
use super::issue::GRACE_SECONDS;
use super::quota::{self, Change, Key};
use super::{Ledger, LedgerError};
use crate::clock::UnixSeconds;
use crate::delivery::ResourceType;
use crate::profiles::{Measure, OnReplacement, StoredFile, UploadId};

/// How long after a failed deletion the sweep tries again.
const RETRY_SECONDS: i64 = 60;

/// What was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A file is there; `None` where nobody looked at it yet.
    Used(Option<StoredFile>),
    /// The file is not what was granted, or the grant was withdrawn before there was one.
    Rejected {
        /// The file, if there is one.
        file: Option<StoredFile>,
        /// Why, as a sentence about the file.
        reason: String,
    },
    /// Another file stands where the grant's own was.
    Replaced(StoredFile),
    /// No file is there, and none can come any more.
    Unused,
}

/// What was found out, by whom, and when.
#[derive(Clone, Debug)]
pub struct Settlement<'a> {
    /// What.
    pub finding: Finding,
    /// From whom.
    pub by: SettledBy,
    /// When.
    pub at: UnixSeconds,
    /// Who asked; empty for the provider and the sweep.
    pub subject: &'a str,
    /// Under which HTTP request; empty for the sweep.
    pub request_id: &'a str,
}

const SELECT: Sql = Sql {
    sqlite: concat!("SELECT ", columns!(), " FROM grants WHERE id = $1"),
    postgres: concat!("SELECT ", columns!(), " FROM grants WHERE id = $1 FOR UPDATE"),
};

const UPDATE: &str = "UPDATE grants SET state = $2, resource_type = $3, format = $4, bytes = $5, version = $6, \
     settled_at = $7, settled_by = $8, reason = $9, reservations = $10, due_at = $11, etag = $12, replaced_at = $13 \
     WHERE id = $1";

impl Ledger {
    /// Settles a grant, as far as the finding says something new. Answers the grant as it is afterwards, or `None` if
    /// there is no such grant.
    pub async fn settle(
        &self,
        id: UploadId,
        settlement: &Settlement<'_>,
    ) -> Result<Option<Entry>, LedgerError> {
        self.open().await?;
        Ok(writing!(&self.database, |transaction, spelling| 'settled: {
            let row: Option<Row> = sqlx::query_as(spelling(SELECT))
                .bind(id.to_string())
                .fetch_optional(&mut *transaction)
                .await?;
            let Some(row) = row else { break 'settled None };
            let mut entry = Entry::try_from(row)?;
            let outcome = entry.apply(settlement);
            if !outcome.quotas.is_empty() {
                let rows = quota::as_rows(outcome.quotas.iter());
                let lock = sqlx::query_as(spelling(quota::LOCK)).bind(&rows);
                let _locked: Vec<quota::QuotaRow> = lock.fetch_all(&mut *transaction).await?;
                sqlx::query(spelling(quota::ADD)).bind(rows).execute(&mut *transaction).await?;
            }
            sqlx::query(UPDATE)
                .bind(id.to_string())
                .bind(entry.state.as_str())
                .bind(entry.resource_type.map(ResourceType::as_str))
                .bind(entry.format.as_deref())
                .bind(entry.bytes.map(u64::cast_signed))
                .bind(entry.version.map(u64::cast_signed))
                .bind(entry.settled_at.map(|at| at.0))
                .bind(entry.settled_by.map(SettledBy::as_str))
                .bind(entry.reason.as_deref())
                .bind(serde_json::to_string(&entry.reservations).unwrap_or_default())
                .bind(entry.due_at.map(|at| at.0))
                .bind(entry.etag.as_deref())
                .bind(entry.replaced_at.map(|at| at.0))
                .execute(&mut *transaction)
                .await?;
            if let Some(event) = outcome.event(&entry, settlement) {
                sqlx::query(spelling(audit::INSERT)).bind(event).execute(&mut *transaction).await?;
            }
            Some(entry)
        }))
    }
}

/// What applying a settlement did, beside changing the entry.
#[derive(Debug, Default)]
struct Applied {
    happening: Option<Happening>,
    quotas: Vec<Change>,
}

/// What a finding makes of a grant.
struct Transition {
    state: State,
    /// What it takes of quotas from now on, uploads and bytes; without, what it took before.
    takes: Option<(u64, u64)>,
}

impl Entry {
    /// Changes the entry as far as the finding says something new.
    fn apply(&mut self, settlement: &Settlement<'_>) -> Applied {
        let mut applied = Applied::default();
        if let Some(Transition { state, takes }) = self.transition(settlement) {
            applied.quotas = takes.map(|takes| self.take(takes)).unwrap_or_default();
            if state != self.state {
                applied.happening = Some(state.happening());
                self.settled_at = Some(settlement.at);
                self.settled_by = Some(settlement.by);
            }
            self.state = state;
            self.describe(&settlement.finding);
        }
        if self.is_news_of_replacement(&settlement.finding) {
            self.replaced_at = Some(settlement.at);
            applied.happening = Some(Happening::Replaced);
        }
        self.due_at = self.due_after(settlement);
        applied
    }

    /// A replacement is noted once. What was settled stays on record.
    fn is_news_of_replacement(&self, finding: &Finding) -> bool {
        let is_replaced = matches!(finding, Finding::Replaced(file) if self.is_replaced_by(file));
        is_replaced && self.state == State::Used && self.replaced_at.is_none()
    }

    fn transition(&self, settlement: &Settlement<'_>) -> Option<Transition> {
        let was_looked_at = self.bytes.is_some();
        let most_bytes = self.terms.max_bytes.unwrap_or_default();
        let (state, takes) = match (self.state, &settlement.finding) {
            (State::Issued | State::Expired | State::Used, Finding::Used(Some(file))) if !was_looked_at => {
                (State::Used, Some((1, file.bytes)))
            }
            (State::Issued, Finding::Used(None)) => (State::Used, None),
            // What it took was given back, and is taken again.
            (State::Expired, Finding::Used(None)) => (State::Used, Some((1, most_bytes))),
            (State::Issued | State::Expired | State::Used, Finding::Rejected { .. }) if !was_looked_at => {
                (State::Rejected, Some((1, 0)))
            }
            (State::Issued, Finding::Unused) if !self.was_renewed_before(settlement) => {
                (State::Expired, Some((0, 0)))
            }
            _ => return None,
        };
        Some(Transition { state, takes })
    }

    /// Takes so many uploads and bytes of the quotas it counts against; answers the differences.
    fn take(&mut self, (uploads, bytes): (u64, u64)) -> Vec<Change> {
        let mut changes = Vec::new();
        for kept in &mut self.reservations {
            let amount = if kept.is_of(Measure::Uploads) { uploads } else { bytes };
            let add = amount.cast_signed().saturating_sub(kept.amount.cast_signed());
            kept.amount = amount;
            if add != 0 {
                let key = Key {
                    subject: self.subject.clone(),
                    profile: self.profile.clone(),
                    measure: kept.measure.clone(),
                    period: kept.period.clone(),
                };
                changes.push(Change { key, ends_at: kept.ends_at, add });
            }
        }
        changes
    }

    fn describe(&mut self, finding: &Finding) {
        let (file, reason) = match finding {
            Finding::Used(file) => (file.as_ref(), None),
            Finding::Rejected { file, reason } => (file.as_ref(), Some(reason)),
            Finding::Replaced(_) | Finding::Unused => (None, None),
        };
        if let Some(file) = file {
            self.resource_type = Some(file.resource_type);
            self.format.clone_from(&file.format);
            self.bytes = Some(file.bytes);
            self.version = Some(file.version);
            self.etag.clone_from(&file.etag);
        }
        self.reason = reason.cloned().or_else(|| self.reason.take());
    }

    /// When the sweep is to look next: soon, where a file is to be deleted; never again, where it has just looked.
    fn due_after(&self, settlement: &Settlement<'_>) -> Option<UnixSeconds> {
        let has_file = matches!(settlement.finding, Finding::Rejected { file: Some(_), .. });
        if has_file && self.state == State::Rejected && self.deleted_at.is_none() {
            return Some(settlement.at.plus(RETRY_SECONDS));
        }
        if matches!(settlement.finding, Finding::Replaced(_)) && self.is_to_be_deleted() {
            return Some(settlement.at.plus(RETRY_SECONDS));
        }
        let due =
            self.due_at.filter(|_| settlement.by != SettledBy::Sweep || self.was_renewed_before(settlement));
        due.or_else(|| self.linked_until.filter(|end| *end >= settlement.at).map(|end| end.plus(1)))
    }

    /// Whether another file stands in the place of its own, and is to be deleted.
    pub fn is_to_be_deleted(&self) -> bool {
        let is_wanted = self.terms.on_replacement == OnReplacement::Delete;
        is_wanted && self.replaced_at.is_some() && self.deleted_at.is_none()
    }

    /// Whether its time, which was over when the sweep took it in hand, is so no more: it was renewed meanwhile, and
    /// whoever did that holds a signature that is good.
    fn was_renewed_before(&self, settlement: &Settlement<'_>) -> bool {
        settlement.by == SettledBy::Sweep && self.expires_at.plus(GRACE_SECONDS) > settlement.at
    }

    /// What the audit calls its asset.
    pub fn target(&self) -> String {
        let resource_type = self.resource_type.map_or("-", ResourceType::as_str);
        format!("{resource_type}/{}/{}", self.delivery_type.as_str(), self.public_id)
    }
}

impl State {
    const fn happening(self) -> Happening {
        match self {
            Self::Issued => Happening::Renewed,
            Self::Used => Happening::Used,
            Self::Expired => Happening::Expired,
            Self::Rejected => Happening::Rejected,
        }
    }
}

impl Applied {
    /// The statement's argument for what happened, if anything did.
    fn event(&self, entry: &Entry, settlement: &Settlement<'_>) -> Option<String> {
        let target = entry.target();
        let by = settlement.by.as_str();
        let event = Event {
            at: settlement.at,
            subject: settlement.subject,
            upload_id: Some(entry.id),
            target: &target,
            detail: Some(entry.reason.as_deref().unwrap_or(by)),
            request_id: settlement.request_id,
        };
        self.happening.map(|happening| happening.rows([event].into_iter()))
    }
}

#[cfg(test)]
#[path = "settle_tests.rs"]
mod tests;
