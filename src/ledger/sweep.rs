//! What the sweep takes in hand: grants whose time is over, or whose file is still to be deleted.

use super::database::{Sql, writing};
use super::entry::{Entry, Row, columns};
use super::{Ledger, LedgerError};
use crate::clock::UnixSeconds;

/// How long a replica has grants to itself before another takes them in hand.
const CLAIM_SECONDS: i64 = 300;

/// How long the counts of a period are kept after its end; what is settled later counts nowhere.
const KEEP_QUOTAS_SECONDS: i64 = 7 * 24 * 3_600;

const CLAIM: Sql = Sql {
    sqlite: concat!(
        "UPDATE grants SET due_at = $1 + $2 WHERE id IN (SELECT id FROM grants WHERE due_at <= $1 \
         ORDER BY due_at LIMIT $3) RETURNING ",
        columns!()
    ),
    // Another replica's are passed over, not waited for.
    postgres: concat!(
        "UPDATE grants SET due_at = $1 + $2 WHERE id IN (SELECT id FROM grants WHERE due_at <= $1 \
         ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING ",
        columns!()
    ),
};

impl Ledger {
    /// At most `limit` grants that are due, for this process alone. One that is not settled comes again.
    pub async fn claim(&self, now: UnixSeconds, limit: u32) -> Result<Vec<Entry>, LedgerError> {
        self.open().await?;
        let rows: Vec<Row> = writing!(&self.database, |transaction, spelling| {
            sqlx::query_as(spelling(CLAIM))
                .bind(now.0)
                .bind(CLAIM_SECONDS)
                .bind(i64::from(limit))
                .fetch_all(&mut *transaction)
                .await?
        });
        rows.into_iter().map(Entry::try_from).collect()
    }

    /// The same without taking them in hand, to see what a sweep would do.
    pub async fn due(&self, now: UnixSeconds, limit: u32) -> Result<Vec<Entry>, LedgerError> {
        const SELECT: &str =
            concat!("SELECT ", columns!(), " FROM grants WHERE due_at <= $1 ORDER BY due_at LIMIT $2");
        self.open().await?;
        let rows: Vec<Row> = super::database::reading!(&self.database, |pool| {
            sqlx::query_as(SELECT).bind(now.0).bind(i64::from(limit)).fetch_all(pool).await?
        });
        rows.into_iter().map(Entry::try_from).collect()
    }

    /// Forgets the counts of periods that ended long ago, and the locks of labels that expired long ago.
    pub async fn forget_old_quotas(&self, now: UnixSeconds) -> Result<(), LedgerError> {
        const QUOTAS: &str = "DELETE FROM quota_use WHERE ends_at < $1";
        const LABELS: &str = "DELETE FROM uploadcare_labels WHERE ends_at < $1";
        self.open().await?;
        writing!(&self.database, |transaction, _spelling| {
            for delete in [QUOTAS, LABELS] {
                sqlx::query(delete).bind(now.plus(-KEEP_QUOTAS_SECONDS).0).execute(&mut *transaction).await?;
            }
        });
        Ok(())
    }
}
