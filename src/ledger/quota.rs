//! What callers have used of their quotas. A row is locked before it is read, so that no two grants, on whatever replica,
//! are let in by the same last place.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::database::{Sql, over_rows};
use crate::clock::UnixSeconds;
use crate::profiles::{Measure, Reservation};

/// Makes sure that the rows are there, locks them in one order for everybody, and reads them.
pub(super) const LOCK: Sql = over_rows!(
    "INSERT INTO quota_use (subject, profile, measure, period, used, ends_at) \
     SELECT value ->> 'subject', value ->> 'profile', value ->> 'measure', value ->> 'period', 0, \
            CAST(value ->> 'ends_at' AS BIGINT) FROM",
    "WHERE true ORDER BY 1, 2, 3, 4 \
     ON CONFLICT (subject, profile, measure, period) DO UPDATE SET used = quota_use.used, ends_at = excluded.ends_at \
     RETURNING subject, profile, measure, period, used"
);

/// Adds to rows that are locked.
pub(super) const ADD: Sql = over_rows!(
    "UPDATE quota_use SET used = quota_use.used + CAST(value ->> 'add' AS BIGINT) FROM",
    "WHERE quota_use.subject = value ->> 'subject' AND quota_use.profile = value ->> 'profile' \
     AND quota_use.measure = value ->> 'measure' AND quota_use.period = value ->> 'period'"
);

/// Names one row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) subject: String,
    pub(super) profile: String,
    pub(super) measure: String,
    pub(super) period: String,
}

impl Key {
    /// The row that a reservation of `subject` under `profile` counts in.
    pub(super) fn of(subject: &str, profile: &str, reservation: &Reservation) -> Self {
        Self {
            subject: subject.to_owned(),
            profile: profile.to_owned(),
            measure: reservation.measure.as_str().to_owned(),
            period: reservation.window.name.clone(),
        }
    }
}

/// What is to be added to a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    #[serde(flatten)]
    pub(super) key: Key,
    pub(super) ends_at: UnixSeconds,
    pub(super) add: i64,
}

/// A row, read.
#[derive(Debug, FromRow)]
pub(super) struct QuotaRow {
    subject: String,
    profile: String,
    measure: String,
    period: String,
    used: i64,
}

/// What has been used, by row.
pub(super) type UsedByKey = BTreeMap<Key, i64>;

/// What has been used of one row; nothing where there is none.
pub(super) fn used_of(used: &UsedByKey, key: &Key) -> u64 {
    used.get(key).copied().and_then(|used| u64::try_from(used).ok()).unwrap_or_default()
}

pub(super) fn by_key(rows: Vec<QuotaRow>) -> UsedByKey {
    let pair = |row: QuotaRow| {
        let QuotaRow { subject, profile, measure, period, used } = row;
        (Key { subject, profile, measure, period }, used)
    };
    rows.into_iter().map(pair).collect()
}

/// The changes as the statements above take them.
pub(super) fn as_rows<'a>(changes: impl Iterator<Item = &'a Change>) -> String {
    let changes: Vec<_> = changes.collect();
    serde_json::to_string(&changes).unwrap_or_default()
}

/// How much of a quota is used, this grant included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaUse {
    /// Of what.
    pub measure: Measure,
    /// How much there is in the period.
    pub limit: u64,
    /// How much of it is used or set aside.
    pub used: u64,
    /// When the next period begins.
    pub resets_at: UnixSeconds,
}

impl QuotaUse {
    /// How much is used once `reservation` is taken too, or that there is no room for it.
    pub(super) fn with(profile: &str, reservation: &Reservation, before: u64) -> Result<Self, QuotaExceeded> {
        let Reservation { measure, amount, limit, ref window } = *reservation;
        let (used, resets_at) = (before.saturating_add(amount), window.ends_at);
        if used > limit {
            return Err(QuotaExceeded { profile: profile.to_owned(), measure, limit, resets_at });
        }
        Ok(Self { measure, limit, used, resets_at })
    }
}

/// A quota that has no room for one more grant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the quota of {limit} {} for the profile `{profile}` is used up until its next period begins", .measure.as_str())]
pub struct QuotaExceeded {
    /// Under which profile.
    pub profile: String,
    /// Of what.
    pub measure: Measure,
    /// How much there is in the period.
    pub limit: u64,
    /// When the next period begins.
    pub resets_at: UnixSeconds,
}
