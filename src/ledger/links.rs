//! Links to assets of grants: the sweep looks at an asset once more when the last link to it has expired, since until then
//! its signature could have replaced the asset.

use super::database::writing;
use super::{Ledger, LedgerError};
use crate::clock::UnixSeconds;
use crate::profiles::UploadId;

impl Ledger {
    /// Records a link that expires at `end`, before it is handed out.
    pub async fn linked(&self, id: UploadId, end: UnixSeconds) -> Result<(), LedgerError> {
        const UPDATE: &str = "UPDATE grants SET \
             linked_until = CASE WHEN linked_until >= $2 THEN linked_until ELSE $2 END, \
             due_at = CASE WHEN due_at IS NULL THEN $2 + 1 ELSE due_at END WHERE id = $1";
        self.open().await?;
        writing!(&self.database, |transaction, _spelling| {
            sqlx::query(UPDATE).bind(id.to_string()).bind(end.0).execute(&mut *transaction).await?;
        });
        Ok(())
    }
}
