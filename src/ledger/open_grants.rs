//! How many open grants one caller may hold under a profile: issued, not used, and not over yet.
//!
//! A counter for each caller and profile is kept where quotas are, in a row with the measure `open`. It grows with every grant
//! and never shrinks: it is never less than what is open, and signing costs no look at the grants. Once it reaches the limit
//! the grants themselves are counted, under the lock of the row, and the counter is exact again. An anonymous caller is
//! told apart by address, which stands where quotas have their period.

use std::collections::BTreeMap;

use serde::Serialize;

use super::issue::Issuing;
use super::quota::{Change, Key, UsedByKey};
use crate::clock::UnixSeconds;

/// What the counters call themselves.
const MEASURE: &str = "open";

/// What is open of one caller's grants at the moment `$4`, and when the first of them is over.
pub(super) const COUNT: &str = "SELECT count(*), min(expires_at) FROM grants \
     WHERE subject = $1 AND profile = $2 AND address = $3 AND state = 'issued' AND expires_at > $4";

/// A caller who holds as many open grants as the profile allows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the profile `{profile}` allows {limit} unused uploads at a time, and all are taken: use or withdraw some, or wait \
     until one has expired"
)]
pub struct TooManyOpen {
    /// Under which profile.
    pub profile: String,
    /// The most that may be open.
    pub limit: u64,
    /// When the first of them expires.
    pub free_at: UnixSeconds,
}

/// The places that a batch of grants takes of one limit.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Places {
    #[serde(flatten)]
    pub(super) change: Change,
    pub(super) limit: u64,
    /// When the latest of the grants was asked for.
    #[serde(skip)]
    pub(super) now: i64,
}

/// What a count of open grants says, by key.
pub(super) type Counted = BTreeMap<Key, (i64, Option<i64>)>;

impl Key {
    /// The row that counts what is open of `subject`'s grants, or of an anonymous caller's at `address`.
    pub(super) fn open(subject: &str, profile: &str, address: &str) -> Self {
        Self {
            subject: subject.to_owned(),
            profile: profile.to_owned(),
            measure: MEASURE.to_owned(),
            period: address.to_owned(),
        }
    }
}

impl Places {
    /// Whether the counter leaves no room for them, so that it is time to count.
    fn are_short(&self, used: &UsedByKey) -> bool {
        let used = used.get(&self.change.key).copied().unwrap_or_default();
        u64::try_from(used.saturating_add(self.change.add)).is_ok_and(|needed| needed > self.limit)
    }
}

/// The places that a batch takes, once for each limit.
pub(super) fn places(batch: &[Issuing]) -> BTreeMap<Key, Places> {
    let mut places = BTreeMap::<Key, Places>::new();
    for issuing in batch {
        let Some(limit) = issuing.max_open else { continue };
        let (ends_at, now) = (UnixSeconds(issuing.row.expires_at), issuing.row.issued_at);
        let key = issuing.open_key();
        let change = Change { key: key.clone(), ends_at, add: 0 };
        let of_key = places.entry(key).or_insert(Places { change, limit, now });
        of_key.change.add += 1;
        of_key.change.ends_at = of_key.change.ends_at.max(ends_at);
        of_key.now = of_key.now.max(now);
        // A reload may have changed the profile in between.
        of_key.limit = of_key.limit.min(limit);
    }
    places
}

/// Those whose grants must be counted before any is let in.
pub(super) fn short<'a>(
    places: &'a BTreeMap<Key, Places>,
    used: &'a UsedByKey,
) -> impl Iterator<Item = &'a Places> {
    places.values().filter(|places| places.are_short(used))
}

/// Puts what was counted in the place of the counters; notes in `changes` what that changes.
pub(super) fn correct(counted: &Counted, used: &mut UsedByKey, changes: &mut BTreeMap<Key, Change>) {
    for (key, (open, _)) in counted {
        let before = used.insert(key.clone(), *open).unwrap_or_default();
        if let Some(change) = changes.get_mut(key) {
            change.add = change.add.saturating_add(open - before);
        }
    }
}

/// The places as the statements take them.
#[expect(clippy::expect_used, reason = "it cannot fail: the keys are texts, the values texts and numbers")]
pub(super) fn rows(places: &BTreeMap<Key, Places>) -> String {
    let places: Vec<_> = places.values().collect();
    serde_json::to_string(&places).expect("numbers and texts always become JSON")
}
