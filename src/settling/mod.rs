//! Settling: what the client, the provider or a look at the provider says about a grant is held against its terms; what
//! breaks them is deleted, and the ledger is told. Ledger and provider know nothing of each other: they meet here.

mod erase;
mod files;
mod sweep;

pub use erase::{ErasedFile, ErasedUpload, Erasure};
pub use files::{LABEL_KEY, gone};
pub use sweep::{SweepLine, Swept};

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Clock;
use crate::delivery::{AssetAddress, ResourceType};
use crate::ledger::{Deleted, Entry, Finding, Ledger, LedgerError, SettledBy, Settlement, State};
use crate::profiles::{StoredFile, UploadId};
use crate::providers::cloudinary::{AdminApi, Outcome};
use crate::providers::uploadcare::RestApi;

/// How long the provider may take for a look or a deletion while somebody waits.
const TIME_LIMIT: Duration = Duration::from_secs(15);

/// The ledger, and the provider that holds the files. Clones share everything.
#[derive(Clone, Debug)]
pub struct Settling {
    /// Knows the grants.
    pub ledger: Ledger,
    /// Knows the files.
    pub admin: AdminApi,
    /// Knows those at Uploadcare, where there is a project.
    pub files: Option<RestApi>,
    /// Tells the time.
    pub clock: Clock,
}

/// Who settles.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// Where the news is from.
    pub source: SettledBy,
    /// The caller; empty for the provider and the sweep.
    pub subject: &'a str,
    /// The HTTP request; empty for the sweep.
    pub request_id: &'a str,
}

/// What the provider says of an upload of its own accord.
#[derive(Clone, Debug)]
pub struct Announced {
    /// What was uploaded.
    pub address: AssetAddress,
    /// The file.
    pub file: StoredFile,
}

/// What came of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It settled a grant, or its asset.
    Settled,
    /// Everything in it was known.
    Known,
    /// It is about nothing that the ledger knows.
    Unknown,
    /// It is known now that a file must go, and it may still be there.
    Undeleted,
    /// The file is settled, and its label can still be read.
    StillLabelled,
}

/// The provider could not be asked about an asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unasked;

impl Settling {
    /// Settles a grant whose client has shown the provider's signed answer. The answer says that there is a file and not
    /// what it is like: where the grant has terms, the provider is asked. If it does not answer now, the sweep asks again.
    pub async fn confirm(
        &self,
        entry: Entry,
        hint: Option<ResourceType>,
        by: By<'_>,
    ) -> Result<Entry, LedgerError> {
        if entry.bytes.is_some() || entry.state == State::Rejected {
            return Ok(entry);
        }
        let file = if entry.wants_a_look() { self.look(&entry, hint).await } else { None };
        match file {
            Some(file) => self.judge(&entry, file, by).await,
            None => Ok(self.settle(entry.id, Finding::Used(None), by).await?.unwrap_or(entry)),
        }
    }

    /// Takes in that the provider announces an upload.
    pub async fn announced(&self, announced: Announced, by: By<'_>) -> Result<Heard, LedgerError> {
        let Some(entry) = self.entry_of(&announced.address).await? else { return Ok(Heard::Unknown) };
        let is_news = entry.bytes.is_none() && entry.state != State::Rejected;
        let was_deleted = entry.deleted_at.is_some();
        let is_its_own =
            entry.resource_type.is_none_or(|resource_type| resource_type == announced.address.resource_type);
        let is_over = was_deleted || entry.state == State::Rejected;
        if !is_news && !is_over && is_its_own && entry.is_replaced_by(&announced.file) {
            self.replaced(&entry, announced, by).await?;
            return Ok(Heard::Settled);
        }
        if is_news {
            self.judge(&entry, announced.file, by).await?;
        }
        // A second file under one grant, or one for a grant that is over: nobody granted it.
        if is_over || !is_its_own {
            self.remove(&entry, &[announced.address], by).await?;
            return Ok(Heard::Settled);
        }
        Ok(if is_news { Heard::Settled } else { Heard::Known })
    }

    /// Takes in that the provider announces a deletion.
    pub async fn announced_deletion(
        &self,
        assets: &[AssetAddress],
        by: By<'_>,
    ) -> Result<Heard, LedgerError> {
        let mut deleted = Vec::new();
        for asset in assets {
            if let Some(entry) = self.entry_of(asset).await?
                && entry.deleted_at.is_none()
                && entry.made(asset)
            {
                deleted.push(Deleted { upload_id: Some(entry.id), address: asset.clone(), was_there: true });
            }
        }
        if deleted.is_empty() {
            return Ok(Heard::Unknown);
        }
        if !self.keep_gone(&mut deleted).await {
            return Ok(Heard::Undeleted);
        }
        if deleted.is_empty() {
            return Ok(Heard::Known);
        }
        self.ledger.deleted(&deleted, self.clock.now(), by.subject, by.request_id).await?;
        Ok(Heard::Settled)
    }

    /// Keeps those that the provider no longer has: a message that says so is not believed without asking. Answers
    /// whether the provider could be asked.
    async fn keep_gone(&self, deleted: &mut Vec<Deleted>) -> bool {
        let mut by_delivery_type = BTreeMap::<_, Vec<String>>::new();
        for Deleted { address, .. } in deleted.iter() {
            by_delivery_type.entry(address.delivery_type).or_default().push(address.public_id.to_string());
        }
        for (delivery_type, ids) in by_delivery_type {
            let ids: Vec<_> = ids.iter().map(String::as_str).collect();
            match self.admin.find(delivery_type, &ids, TIME_LIMIT).await {
                Ok(found) => deleted.retain(|gone| found.iter().all(|found| found.address != gone.address)),
                Err(error) => {
                    tracing::warn!(%error, "a deletion that was announced could not be checked");
                    return false;
                }
            }
        }
        true
    }

    /// Notes that another file stands in the place of the grant's own, and deletes it where the profile says so.
    async fn replaced(&self, entry: &Entry, found: Announced, by: By<'_>) -> Result<(), LedgerError> {
        let settled = self.settle(entry.id, Finding::Replaced(found.file), by).await?;
        tracing::warn!(upload_id = %entry.id, profile = entry.profile, "the asset of a used upload was replaced");
        if settled.is_some_and(|settled| settled.is_to_be_deleted()) {
            self.remove(entry, &[found.address], by).await?;
        }
        Ok(())
    }

    /// The grant of an asset that a link is wanted for, with its file on record: without that a replacement could not be
    /// told from it. `None` where the ledger has no such grant; `Some(Err)` if the provider cannot be asked now.
    pub async fn grant_to_link(
        &self,
        asset: &AssetAddress,
        by: By<'_>,
    ) -> Result<Option<Result<Entry, Unasked>>, LedgerError> {
        let Some(entry) = self.entry_of(asset).await?.filter(|entry| entry.made(asset)) else {
            return Ok(None);
        };
        if entry.bytes.is_some() || !entry.is_linkable() {
            return Ok(Some(Ok(entry)));
        }
        match self.look(&entry, Some(asset.resource_type)).await {
            Some(file) => Ok(Some(Ok(self.judge(&entry, file, by).await?))),
            None => Ok(Some(Err(Unasked))),
        }
    }

    /// Takes a grant back before it is used: whatever is uploaded with it is deleted.
    pub async fn withdraw(&self, entry: Entry, by: By<'_>) -> Result<Entry, LedgerError> {
        let finding = Finding::Rejected { file: None, reason: "was withdrawn by its owner".to_owned() };
        Ok(self.settle(entry.id, finding, by).await?.unwrap_or(entry))
    }

    /// Deletes assets of `entry` at the provider and notes what is gone; answers whether all of them are.
    pub async fn remove(
        &self,
        entry: &Entry,
        assets: &[AssetAddress],
        by: By<'_>,
    ) -> Result<bool, LedgerError> {
        let reports = self.admin.delete(assets, TIME_LIMIT).await;
        let outcomes: Vec<_> = reports.into_iter().flat_map(|report| report.outcomes).collect();
        let failed = outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Failed(_)));
        let gone = outcomes.iter().filter(|(_, outcome)| !matches!(outcome, Outcome::Failed(_)));
        let gone: Vec<_> = gone.map(|(asset, outcome)| deleted(entry.id, asset, outcome)).collect();
        if !gone.is_empty() {
            self.ledger.deleted(&gone, self.clock.now(), by.subject, by.request_id).await?;
        }
        if failed {
            tracing::warn!(upload_id = %entry.id, "an asset could not be deleted; the sweep tries again");
        }
        Ok(!failed)
    }

    /// Holds `file` against the grant's terms and settles it; a file that breaks them is deleted.
    async fn judge(&self, entry: &Entry, file: StoredFile, by: By<'_>) -> Result<Entry, LedgerError> {
        let broken = entry.terms.broken_by(&file);
        let resource_type = file.resource_type;
        let finding = match broken {
            None => Finding::Used(Some(file)),
            Some(reason) => Finding::Rejected { file: Some(file), reason },
        };
        let settled = self.settle(entry.id, finding, by).await?.unwrap_or_else(|| entry.clone());
        if settled.state == State::Rejected && settled.deleted_at.is_none() {
            let reason = settled.reason.as_deref().unwrap_or_default();
            tracing::warn!(upload_id = %entry.id, profile = entry.profile, reason, "an upload is rejected and deleted");
            let asset = entry.address(resource_type);
            self.remove(entry, &asset.into_iter().collect::<Vec<_>>(), by).await?;
            return Ok(self.ledger.find(entry.id).await?.unwrap_or(settled));
        }
        Ok(settled)
    }

    /// Tells the ledger what was found out.
    pub async fn settle(
        &self,
        id: UploadId,
        finding: Finding,
        by: By<'_>,
    ) -> Result<Option<Entry>, LedgerError> {
        let By { source, subject, request_id } = by;
        let settlement = Settlement { finding, by: source, at: self.clock.now(), subject, request_id };
        self.ledger.settle(id, &settlement).await
    }

    /// What the provider has under the grant's public id; the kind that is allowed, if there are several.
    async fn look(&self, entry: &Entry, hint: Option<ResourceType>) -> Option<StoredFile> {
        let found = self.admin.find(entry.delivery_type, &[&entry.public_id], TIME_LIMIT).await;
        let mut files: Vec<_> = match found {
            Ok(found) => found.into_iter().map(|found| found.file).collect(),
            Err(error) => {
                tracing::warn!(%error, upload_id = %entry.id, "the upload is not looked at yet; the sweep will");
                return None;
            }
        };
        files.sort_by_key(|file| (entry.terms.broken_by(file).is_some(), Some(file.resource_type) != hint));
        files.into_iter().next()
    }

    /// The grant that `asset` can have been made with.
    async fn entry_of(&self, asset: &AssetAddress) -> Result<Option<Entry>, LedgerError> {
        let Some(id) = UploadId::of_public_id(asset.public_id.as_str()) else { return Ok(None) };
        let entry = self.ledger.find(id).await?;
        Ok(entry.filter(|entry| {
            entry.public_id == asset.public_id.as_str() && entry.delivery_type == asset.delivery_type
        }))
    }
}

impl Entry {
    /// Whether there is anything that the file must be like, or that counts its bytes.
    fn wants_a_look(&self) -> bool {
        !self.terms.are_empty()
    }

    /// Its asset, as a file of `resource_type`.
    pub fn address(&self, resource_type: ResourceType) -> Option<AssetAddress> {
        let public_id = self.public_id.parse().ok()?;
        Some(AssetAddress { resource_type, delivery_type: self.delivery_type, public_id })
    }

    /// Its asset as whatever the provider can have taken it for.
    pub fn addresses(&self) -> Vec<AssetAddress> {
        let kinds = match self.resource_type {
            Some(resource_type) => vec![resource_type],
            None => vec![ResourceType::Image, ResourceType::Video, ResourceType::Raw],
        };
        kinds.into_iter().filter_map(|kind| self.address(kind)).collect()
    }
}

/// What the ledger notes of an asset that is gone, by what the provider said of it.
fn deleted(upload_id: UploadId, asset: &AssetAddress, outcome: &Outcome) -> Deleted {
    let was_there = *outcome == Outcome::Deleted;
    Deleted { upload_id: Some(upload_id), address: asset.clone(), was_there }
}
