//! Reading: one grant, a page of them, and which assets the ledger says are a caller's.

use std::collections::BTreeMap;

use super::database::{Sql, over_rows, reading};
use super::entry::{Entry, Row, State, columns};
use super::{Ledger, LedgerError};
use crate::delivery::AssetAddress;
use crate::profiles::UploadId;

/// Which grants to list.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// Whose; empty for those that were issued where callers are not told apart.
    pub subject: &'a str,
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those that were issued before this one.
    pub before: Option<UploadId>,
    /// The most of them.
    pub limit: u32,
}

impl Ledger {
    /// The grant with this id.
    pub async fn find(&self, id: UploadId) -> Result<Option<Entry>, LedgerError> {
        const SELECT: &str = concat!("SELECT ", columns!(), " FROM grants WHERE id = $1");
        self.open().await?;
        let row: Option<Row> = reading!(&self.database, |pool| {
            sqlx::query_as(SELECT).bind(id.to_string()).fetch_optional(pool).await?
        });
        row.map(Entry::try_from).transpose()
    }

    /// A page of a caller's grants, the latest first.
    pub async fn list(&self, page: Page<'_>) -> Result<Vec<Entry>, LedgerError> {
        const SELECT: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM grants WHERE subject = $1 AND (CAST($2 AS TEXT) IS NULL OR id < $2) \
              AND (CAST($3 AS TEXT) IS NULL OR state = $3) ORDER BY id DESC LIMIT $4"
        );
        self.open().await?;
        let rows: Vec<Row> = reading!(&self.database, |pool| {
            sqlx::query_as(SELECT)
                .bind(page.subject)
                .bind(page.before.map(|id| id.to_string()))
                .bind(page.state.map(State::as_str))
                .bind(i64::from(page.limit))
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().map(Entry::try_from).collect()
    }

    /// Whose each of `assets` is that was made with a grant. What no grant can have made is not looked up.
    pub async fn owners<'a>(
        &self,
        assets: impl Iterator<Item = &'a AssetAddress>,
    ) -> Result<BTreeMap<AssetAddress, String>, LedgerError> {
        let named: Vec<_> = assets
            .filter_map(|asset| Some((UploadId::of_public_id(asset.public_id.as_str())?, asset)))
            .collect();
        if named.is_empty() {
            return Ok(BTreeMap::new());
        }
        let entries = self.find_all(named.iter().map(|(id, _)| *id)).await?;
        let entries: BTreeMap<_, _> = entries.into_iter().map(|entry| (entry.id, entry)).collect();
        let owner = |(id, asset): (UploadId, &AssetAddress)| {
            let entry = entries.get(&id).filter(|entry| entry.made(asset))?;
            Some((asset.clone(), entry.subject.clone()))
        };
        Ok(named.into_iter().filter_map(owner).collect())
    }

    /// The grants with these ids.
    pub async fn find_all(&self, ids: impl Iterator<Item = UploadId>) -> Result<Vec<Entry>, LedgerError> {
        const SELECT: Sql = over_rows!(
            concat!("SELECT ", columns!(), " FROM grants WHERE id IN (SELECT value ->> 'id' FROM"),
            ")"
        );
        self.open().await?;
        let ids: Vec<_> = ids.map(|id| serde_json::json!({ "id": id })).collect();
        let ids = serde_json::Value::from(ids).to_string();
        let rows: Vec<Row> = reading!(&self.database, |pool| {
            sqlx::query_as(SELECT.of(&self.database)).bind(ids).fetch_all(pool).await?
        });
        rows.into_iter().map(Entry::try_from).collect()
    }

    /// Every grant of a caller whose asset may still be there.
    pub async fn undeleted(&self, subject: &str) -> Result<Vec<Entry>, LedgerError> {
        const SELECT: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM grants WHERE subject = $1 AND deleted_at IS NULL AND state <> 'expired' ORDER BY id"
        );
        self.open().await?;
        let rows: Vec<Row> =
            reading!(&self.database, |pool| { sqlx::query_as(SELECT).bind(subject).fetch_all(pool).await? });
        rows.into_iter().map(Entry::try_from).collect()
    }
}

impl Entry {
    /// Whether `asset` is what the grant is good for. Before it is known what the file was taken for, any kind may be.
    pub fn made(&self, asset: &AssetAddress) -> bool {
        self.public_id == asset.public_id.as_str()
            && self.delivery_type == asset.delivery_type
            && self.resource_type.is_none_or(|resource_type| resource_type == asset.resource_type)
    }
}
