//! Assets that are gone: marked on the grant that made them, and kept in the audit.

use serde::Serialize;

use super::audit::{self, Event, Happening};
use super::database::{Sql, lock_rows, over_rows, writing};
use super::issue::GRACE_SECONDS;
use super::{Ledger, LedgerError};
use crate::clock::UnixSeconds;
use crate::delivery::AssetAddress;
use crate::profiles::UploadId;

/// Something of a grant that is deleted.
#[derive(Clone, Debug)]
pub struct Deleted {
    /// What is gone.
    pub address: AssetAddress,
    /// With which grant it was made, if the ledger knows.
    pub upload_id: Option<UploadId>,
    /// Whether it was there before; the audit keeps what happened.
    pub was_there: bool,
}

/// An asset as the statement below takes it.
#[derive(Serialize)]
struct DeletedRow<'a> {
    id: UploadId,
    public_id: &'a str,
    delivery_type: &'static str,
    resource_type: &'static str,
}

impl Ledger {
    /// Notes that assets are gone. Until the end of its time a grant could bring one back, so that the sweep looks once
    /// more.
    pub async fn deleted(
        &self,
        assets: &[Deleted],
        at: UnixSeconds,
        subject: &str,
        request_id: &str,
    ) -> Result<(), LedgerError> {
        const LOCK: Sql = lock_rows!("grants", "id");
        const MARK: Sql = over_rows!(
            "UPDATE grants SET deleted_at = $2, \
                 due_at = CASE WHEN expires_at + $3 > $2 THEN expires_at + $3 ELSE NULL END FROM",
            "WHERE grants.id = value ->> 'id' AND grants.public_id = value ->> 'public_id' \
             AND grants.delivery_type = value ->> 'delivery_type' \
             AND (grants.resource_type IS NULL OR grants.resource_type = value ->> 'resource_type') \
             AND grants.deleted_at IS NULL"
        );
        self.open().await?;
        let gone = assets.iter().filter(|asset| asset.was_there);
        let targets: Vec<_> = gone.clone().map(|asset| target(&asset.address)).collect();
        let events = Happening::Deleted.rows(gone.zip(&targets).map(|(asset, target)| Event {
            at,
            subject,
            upload_id: asset.upload_id,
            target,
            detail: None,
            request_id,
        }));
        let marks: Vec<_> = assets.iter().filter_map(DeletedRow::of).collect();
        let marks = serde_json::to_string(&marks).unwrap_or_default();
        writing!(&self.database, |transaction, spelling| {
            sqlx::query(spelling(LOCK)).bind(&marks).execute(&mut *transaction).await?;
            sqlx::query(spelling(MARK))
                .bind(marks)
                .bind(at.0)
                .bind(GRACE_SECONDS)
                .execute(&mut *transaction)
                .await?;
            sqlx::query(spelling(audit::INSERT)).bind(events).execute(&mut *transaction).await?;
        });
        Ok(())
    }
}

impl<'a> DeletedRow<'a> {
    /// The row of an asset that a grant can have made.
    fn of(asset: &'a Deleted) -> Option<Self> {
        let AssetAddress { resource_type, delivery_type, public_id } = &asset.address;
        Some(Self {
            id: UploadId::of_public_id(public_id.as_str())?,
            public_id: public_id.as_str(),
            delivery_type: delivery_type.as_str(),
            resource_type: resource_type.as_str(),
        })
    }
}

/// An asset as the audit names it.
pub fn target(asset: &AssetAddress) -> String {
    format!("{}/{}/{}", asset.resource_type, asset.delivery_type, asset.public_id)
}
