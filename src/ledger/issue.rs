//! Issuing: a grant is written before it is answered, together with what it takes of quotas.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::audit::{Event, Happening};
use super::database::writing;
use super::entry::Kept;
use super::insert::NewRow;
use super::quota::{self, Change, Key, UsedByKey, used_of};
use super::writer::{IssueError, Pending};
use super::{Ledger, LedgerError, QuotaExceeded, QuotaUse};
use crate::clock::UnixSeconds;
use crate::profiles::{Reservation, Tracked, UploadId, UploadRequest};

/// How long after its end a grant is looked at: a large file that began in time may still be on its way.
pub(super) const GRACE_SECONDS: i64 = 10 * 60;

/// A grant that is to be kept.
#[derive(Clone, Debug)]
pub struct Issue<'a> {
    /// What is kept.
    pub tracked: Tracked,
    /// What the client asked for.
    pub request: &'a UploadRequest,
    /// When it was granted.
    pub issued_at: UnixSeconds,
    /// When the provider stops accepting it.
    pub expires_at: UnixSeconds,
    /// The HTTP request that asks for it.
    pub request_id: &'a str,
}

/// A grant in the queue.
#[derive(Debug)]
pub(super) struct Issuing {
    /// Its row, ready to be written.
    pub(super) row: NewRow,
    reservations: Vec<Reservation>,
    pub(super) answer: oneshot::Sender<Result<Vec<QuotaUse>, IssueError>>,
}

impl Ledger {
    /// Keeps a grant: durable once this returns. Answers what is used of the caller's quotas.
    pub async fn issue(&self, issue: Issue<'_>) -> Result<Vec<QuotaUse>, IssueError> {
        let (answer, answered) = oneshot::channel();
        let issuing = Issuing::new(issue, answer).map_err(|_not_json| IssueError::Unreachable)?;
        self.queue
            .send(Pending::Issue(Box::new(issuing)))
            .await
            .map_err(|_closed| IssueError::Unreachable)?;
        answered.await.unwrap_or(Err(IssueError::Unreachable))
    }

    /// Lets an unused grant live until `expires_at`; says whether it was unused still.
    pub async fn renew(
        &self,
        id: UploadId,
        expires_at: UnixSeconds,
        event: Event<'_>,
    ) -> Result<bool, LedgerError> {
        const RENEW: &str =
            "UPDATE grants SET expires_at = $2, due_at = $3 WHERE id = $1 AND state = 'issued'";
        self.open().await?;
        let renewed = writing!(&self.database, |transaction, spelling| {
            let renewed = sqlx::query(RENEW)
                .bind(id.to_string())
                .bind(expires_at.0)
                .bind(expires_at.plus(GRACE_SECONDS).0)
                .execute(&mut *transaction)
                .await?
                .rows_affected();
            if renewed > 0 {
                let row = Happening::Renewed.rows([event].into_iter());
                sqlx::query(spelling(super::audit::INSERT)).bind(row).execute(&mut *transaction).await?;
            }
            renewed
        });
        Ok(renewed > 0)
    }
}

impl Issuing {
    fn new(
        issue: Issue<'_>,
        answer: oneshot::Sender<Result<Vec<QuotaUse>, IssueError>>,
    ) -> serde_json::Result<Self> {
        let tracked = issue.tracked;
        let kept: Vec<_> = tracked.reservations.iter().map(Kept::of).collect();
        let row = NewRow {
            id: tracked.id.to_string(),
            request: serde_json::to_string(issue.request)?,
            terms: serde_json::to_string(&tracked.terms)?,
            reservations: serde_json::to_string(&kept)?,
            subject: tracked.subject,
            profile: tracked.profile,
            public_id: tracked.public_id,
            delivery_type: tracked.delivery_type.as_str(),
            request_id: issue.request_id.to_owned(),
            issued_at: issue.issued_at.0,
            expires_at: issue.expires_at.0,
            due_at: issue.expires_at.plus(GRACE_SECONDS).0,
        };
        Ok(Self { row, reservations: tracked.reservations, answer })
    }

    fn key(&self, reservation: &Reservation) -> Key {
        Key::of(&self.row.subject, &self.row.profile, reservation)
    }

    /// What is used of each quota with this grant, or the quota that has no room for it.
    fn take(&self, used: &UsedByKey) -> Result<Vec<QuotaUse>, QuotaExceeded> {
        let take = |reservation: &Reservation| {
            QuotaUse::with(&self.row.profile, reservation, used_of(used, &self.key(reservation)))
        };
        self.reservations.iter().map(take).collect()
    }
}

/// Every quota that a batch of grants is counted against, once.
pub(super) fn quotas(batch: &[Issuing]) -> BTreeMap<Key, Change> {
    let mut quotas = BTreeMap::new();
    for issuing in batch {
        for reservation in &issuing.reservations {
            let key = issuing.key(reservation);
            let change = Change { key: key.clone(), ends_at: reservation.window.ends_at, add: 0 };
            quotas.entry(key).or_insert(change);
        }
    }
    quotas
}

/// What each grant of a batch is answered once the batch is written.
pub(super) type Verdicts = Vec<Result<Vec<QuotaUse>, QuotaExceeded>>;

/// Lets the grants in one after the other, as far as quotas have room; notes in `changes` what they take.
pub(super) fn decide(
    batch: &[Issuing],
    used: &mut UsedByKey,
    changes: &mut BTreeMap<Key, Change>,
) -> Verdicts {
    let decide = |issuing: &Issuing| {
        let verdict = issuing.take(used)?;
        for reservation in &issuing.reservations {
            let key = issuing.key(reservation);
            let amount = i64::try_from(reservation.amount).unwrap_or(i64::MAX);
            if let Some(change) = changes.get_mut(&key) {
                change.add = change.add.saturating_add(amount);
            }
            let used = used.entry(key).or_default();
            *used = used.saturating_add(amount);
        }
        Ok(verdict)
    };
    batch.iter().map(decide).collect()
}

/// What the statements that lock and add take.
pub(super) fn rows(changes: &BTreeMap<Key, Change>) -> String {
    quota::as_rows(changes.values())
}
