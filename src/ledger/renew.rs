//! Renewal: an unused grant gets more time. One that was over takes a place among the caller's open grants again.

use super::audit::{self, Event, Happening};
use super::database::{Sql, writing};
use super::issue::GRACE_SECONDS;
use super::open_grants::{self, TooManyOpen};
use super::quota::{self, Change, Key, QuotaRow, used_of};
use super::{Entry, Ledger, LedgerError};
use crate::clock::UnixSeconds;

const SELECT: Sql = Sql {
    sqlite: "SELECT expires_at FROM grants WHERE id = $1 AND state = 'issued'",
    postgres: "SELECT expires_at FROM grants WHERE id = $1 AND state = 'issued' FOR UPDATE",
};
const RENEW: &str = "UPDATE grants SET expires_at = $2, due_at = $3 WHERE id = $1";

/// What came of a renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// The grant has more time.
    Done,
    /// It is no longer unused.
    NoLongerUnused,
    /// It was over, and the caller holds as many open grants as they may.
    TooMany(TooManyOpen),
}

impl Ledger {
    /// Lets the unused grant `entry` live until `expires_at`, one of at most `max_open`.
    pub async fn renew(
        &self,
        entry: &Entry,
        expires_at: UnixSeconds,
        max_open: Option<u64>,
        event: Event<'_>,
    ) -> Result<Renewed, LedgerError> {
        let key = Key::open(&entry.subject, &entry.profile, &entry.address);
        let place = quota::as_rows([Change { key: key.clone(), ends_at: expires_at, add: 0 }].iter());
        self.open().await?;
        Ok(writing!(&self.database, |transaction, spelling| 'renewed: {
            let select = sqlx::query_scalar(spelling(SELECT)).bind(entry.id.to_string());
            let ends_at: Option<i64> = select.fetch_optional(&mut *transaction).await?;
            let Some(ends_at) = ends_at else { break 'renewed Renewed::NoLongerUnused };
            if let Some(limit) = max_open.filter(|_| ends_at <= event.at.0) {
                let lock = sqlx::query_as(spelling(quota::LOCK)).bind(&place);
                let locked: Vec<QuotaRow> = lock.fetch_all(&mut *transaction).await?;
                let used = used_of(&quota::by_key(locked), &key);
                let (open, first_end): (i64, Option<i64>) = sqlx::query_as(open_grants::COUNT)
                    .bind(&key.subject)
                    .bind(&key.profile)
                    .bind(&key.period)
                    .bind(event.at.0)
                    .fetch_one(&mut *transaction)
                    .await?;
                if open.unsigned_abs() >= limit {
                    let free_at = UnixSeconds(first_end.unwrap_or(expires_at.0));
                    let profile = entry.profile.clone();
                    break 'renewed Renewed::TooMany(TooManyOpen { profile, limit, free_at });
                }
                let change = Change { key, ends_at: expires_at, add: open + 1 - used.cast_signed() };
                let add = sqlx::query(spelling(quota::ADD)).bind(quota::as_rows([change].iter()));
                add.execute(&mut *transaction).await?;
            }
            sqlx::query(RENEW)
                .bind(entry.id.to_string())
                .bind(expires_at.0)
                .bind(expires_at.plus(GRACE_SECONDS).0)
                .execute(&mut *transaction)
                .await?;
            let row = Happening::Renewed.rows([event].into_iter());
            sqlx::query(spelling(audit::INSERT)).bind(row).execute(&mut *transaction).await?;
            Renewed::Done
        }))
    }
}
