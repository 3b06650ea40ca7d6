//! Issuing: a grant is written before it is answered, together with what it takes of quotas.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::entry::Kept;
use super::insert::NewRow;
use super::open_grants::{Counted, Places, TooManyOpen};
use super::quota::{self, Change, Key, UsedByKey, used_of};
use super::writer::{IssueError, Pending};
use super::{Ledger, QuotaExceeded, QuotaUse};
use crate::clock::UnixSeconds;
use crate::profiles::{Reservation, Tracked, UploadRequest};

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
    /// Where an anonymous caller asks from; empty for a known one.
    pub address: String,
}

/// A grant in the queue.
#[derive(Debug)]
pub(super) struct Issuing {
    /// Its row, ready to be written.
    pub(super) row: NewRow,
    reservations: Vec<Reservation>,
    /// How many grants of the caller may be open under the profile, this one among them.
    pub(super) max_open: Option<u64>,
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
            address: issue.address,
            issued_at: issue.issued_at.0,
            expires_at: issue.expires_at.0,
            due_at: issue.expires_at.plus(GRACE_SECONDS).0,
        };
        Ok(Self { row, reservations: tracked.reservations, max_open: tracked.max_open, answer })
    }

    fn key(&self, reservation: &Reservation) -> Key {
        Key::of(&self.row.subject, &self.row.profile, reservation)
    }

    /// The row that counts it among the caller's open grants.
    pub(super) fn open_key(&self) -> Key {
        Key::open(&self.row.subject, &self.row.profile, &self.row.address)
    }

    /// Refuses a grant for which the limit on open grants has no place.
    fn find_place(&self, used: &UsedByKey, counted: &Counted) -> Result<(), TooManyOpen> {
        let Some(limit) = self.max_open else { return Ok(()) };
        let key = self.open_key();
        if used_of(used, &key) < limit {
            return Ok(());
        }
        let first_end = counted.get(&key).and_then(|(_, first_end)| *first_end);
        let free_at = UnixSeconds(first_end.unwrap_or(self.row.expires_at));
        Err(TooManyOpen { profile: self.row.profile.clone(), limit, free_at })
    }

    /// What is used of each quota with this grant, or the quota that has no room for it.
    fn take(&self, used: &UsedByKey) -> Result<Vec<QuotaUse>, QuotaExceeded> {
        let take = |reservation: &Reservation| {
            QuotaUse::with(&self.row.profile, reservation, used_of(used, &self.key(reservation)))
        };
        self.reservations.iter().map(take).collect()
    }
}

/// Whether any grant of a batch is counted against a quota.
pub(super) fn have_quotas(batch: &[Issuing]) -> bool {
    batch.iter().any(|issuing| !issuing.reservations.is_empty())
}

/// Every row that a batch of grants is counted in, once: those of quotas, and those of `places`.
pub(super) fn counters(batch: &[Issuing], places: &BTreeMap<Key, Places>) -> BTreeMap<Key, Change> {
    let mut counters = BTreeMap::new();
    for issuing in batch {
        for reservation in &issuing.reservations {
            let key = issuing.key(reservation);
            let change = Change { key: key.clone(), ends_at: reservation.window.ends_at, add: 0 };
            counters.entry(key).or_insert(change);
        }
    }
    let open = places.iter().map(|(key, places)| (key.clone(), Change { add: 0, ..places.change.clone() }));
    counters.extend(open);
    counters
}

/// What each grant of a batch is answered once the batch is written.
pub(super) type Verdicts = Vec<Result<Vec<QuotaUse>, IssueError>>;

/// Lets the grants in one after the other, as far as quotas and places have room; notes in `changes` what they take.
pub(super) fn decide(
    batch: &[Issuing],
    counted: &Counted,
    used: &mut UsedByKey,
    changes: &mut BTreeMap<Key, Change>,
) -> Verdicts {
    let decide = |issuing: &Issuing| {
        let verdict = issuing.take(used)?;
        issuing.find_place(used, counted)?;
        let quotas = issuing.reservations.iter().map(|reservation| {
            (issuing.key(reservation), i64::try_from(reservation.amount).unwrap_or(i64::MAX))
        });
        let place = issuing.max_open.map(|_| (issuing.open_key(), 1));
        for (key, amount) in quotas.chain(place) {
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
