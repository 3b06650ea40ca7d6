//! One grant as the ledger holds it.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::LedgerError;
use crate::clock::UnixSeconds;
use crate::delivery::{DeliveryType, ResourceType};
use crate::profiles::{Measure, Reservation, StoredFile, Terms, UploadId, UploadRequest};

/// What became of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It may be used.
    Issued,
    /// A file was uploaded with it.
    Used,
    /// Nobody used it in time.
    Expired,
    /// Its file broke the profile, or it was withdrawn.
    Rejected,
}

/// From whom the ledger knows what became of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SettledBy {
    /// The client showed the provider's signed answer.
    Confirmation,
    /// The provider said so of its own accord.
    Notification,
    /// The provider was asked.
    Sweep,
    /// The owner withdrew it.
    Owner,
}

macro_rules! words {
    ($name:ident: $($variant:ident = $word:literal),+) => {
        impl $name {
            /// The word in answers and in the ledger.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// Reads the word.
            pub fn parse(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

words!(State: Issued = "issued", Used = "used", Expired = "expired", Rejected = "rejected");
words!(SettledBy: Confirmation = "confirmation", Notification = "notification", Sweep = "sweep", Owner = "owner");

/// One grant as the ledger holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Names it.
    pub id: UploadId,
    /// Whose it is; empty where callers are not told apart.
    pub subject: String,
    /// Under which profile it was issued.
    pub profile: String,
    /// The only public id that it is good for.
    pub public_id: String,
    /// How the asset is delivered.
    pub delivery_type: DeliveryType,
    /// What the client asked for.
    pub request: UploadRequest,
    /// What the file must be like.
    pub terms: Terms,
    /// Where the anonymous caller asked from; empty for a known one.
    pub(super) address: String,
    /// What it takes of quotas now.
    pub(super) reservations: Vec<Kept>,
    /// When it was issued.
    pub issued_at: UnixSeconds,
    /// When the provider stops accepting it.
    pub expires_at: UnixSeconds,
    /// What became of it.
    pub state: State,
    /// What the provider took the file for, once that is known.
    pub resource_type: Option<ResourceType>,
    /// What is in it.
    pub format: Option<String>,
    /// Its size.
    pub bytes: Option<u64>,
    /// The version in its URLs.
    pub version: Option<u64>,
    /// When its state became known.
    pub settled_at: Option<UnixSeconds>,
    /// From whom.
    pub settled_by: Option<SettledBy>,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// When the asset was deleted.
    pub deleted_at: Option<UnixSeconds>,
    /// A hash of the settled file's contents.
    pub etag: Option<String>,
    /// When another file was found in its place.
    pub replaced_at: Option<UnixSeconds>,
    /// When the last link to it expires.
    pub linked_until: Option<UnixSeconds>,
    /// When the sweep is to look at it; never again without.
    pub(super) due_at: Option<UnixSeconds>,
}

/// What a grant takes of one quota.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) measure: String,
    pub(super) period: String,
    pub(super) ends_at: UnixSeconds,
    pub(super) amount: u64,
}

impl Kept {
    pub(super) fn of(reservation: &Reservation) -> Self {
        Self {
            measure: reservation.measure.as_str().to_owned(),
            period: reservation.window.name.clone(),
            ends_at: reservation.window.ends_at,
            amount: reservation.amount,
        }
    }

    pub(super) fn is_of(&self, measure: Measure) -> bool {
        self.measure == measure.as_str()
    }
}

/// The columns of [`Row`].
macro_rules! columns {
    () => {
        "id, subject, profile, public_id, delivery_type, request, terms, reservations, address, issued_at, expires_at, state, \
         resource_type, format, bytes, version, settled_at, settled_by, reason, deleted_at, due_at, etag, \
         replaced_at, linked_until"
    };
}
pub(super) use columns;

/// The same as the database gives it.
#[derive(Debug, FromRow)]
pub(super) struct Row {
    id: String,
    subject: String,
    profile: String,
    public_id: String,
    delivery_type: String,
    request: String,
    terms: String,
    reservations: String,
    address: String,
    issued_at: i64,
    expires_at: i64,
    state: String,
    resource_type: Option<String>,
    format: Option<String>,
    bytes: Option<i64>,
    version: Option<i64>,
    settled_at: Option<i64>,
    settled_by: Option<String>,
    reason: Option<String>,
    deleted_at: Option<i64>,
    due_at: Option<i64>,
    etag: Option<String>,
    replaced_at: Option<i64>,
    linked_until: Option<i64>,
}

impl TryFrom<Row> for Entry {
    type Error = LedgerError;

    fn try_from(row: Row) -> Result<Self, LedgerError> {
        let Some((id, delivery_type, state)) = row.words() else {
            return Err(LedgerError::Unreadable(format!(
                "the grant `{}` has words that are not known",
                row.id
            )));
        };
        let json = |error: serde_json::Error| LedgerError::Unreadable(error.to_string());
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        Ok(Self {
            id,
            delivery_type,
            state,
            request: serde_json::from_str(&row.request).map_err(json)?,
            terms: serde_json::from_str(&row.terms).map_err(json)?,
            reservations: serde_json::from_str(&row.reservations).map_err(json)?,
            issued_at: UnixSeconds(row.issued_at),
            expires_at: UnixSeconds(row.expires_at),
            resource_type: row.resource_type.as_deref().and_then(|word| word.parse().ok()),
            bytes: row.bytes.map(count),
            version: row.version.map(count),
            settled_at: row.settled_at.map(UnixSeconds),
            settled_by: row.settled_by.as_deref().and_then(SettledBy::parse),
            deleted_at: row.deleted_at.map(UnixSeconds),
            due_at: row.due_at.map(UnixSeconds),
            address: row.address,
            etag: row.etag,
            replaced_at: row.replaced_at.map(UnixSeconds),
            linked_until: row.linked_until.map(UnixSeconds),
            subject: row.subject,
            profile: row.profile,
            public_id: row.public_id,
            format: row.format,
            reason: row.reason,
        })
    }
}

impl Row {
    fn words(&self) -> Option<(UploadId, DeliveryType, State)> {
        Some((self.id.parse().ok()?, self.delivery_type.parse().ok()?, State::parse(&self.state)?))
    }
}

impl Entry {
    /// Whether `file` is another one than was settled.
    pub fn is_replaced_by(&self, file: &StoredFile) -> bool {
        match (&self.etag, &file.etag) {
            (Some(settled), Some(found)) => settled != found,
            // A listing names no hash. The version is the time of the upload in seconds.
            _ => {
                self.version.is_some_and(|settled| settled != file.version)
                    || self.bytes.is_some_and(|settled| settled != file.bytes)
            }
        }
    }

    /// Whether a link may be made to its asset: it was uploaded, it is there, and it is what was uploaded.
    pub fn is_linkable(&self) -> bool {
        self.state == State::Used && self.deleted_at.is_none() && self.replaced_at.is_none()
    }
}
