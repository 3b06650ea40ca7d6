//! Grants that the ledger keeps: used once, held to a size, counted against quotas.
//!
//! The provider has none of the three. A tracked grant closes the gap with a public id that the server makes and
//! `overwrite=false`, so that a repetition of its signature neither replaces nor adds an asset, and with what the ledger
//! knows: whether it was used, for what, and by whom.

use super::quota::{Limit, Window};
use super::{Grant, Profile, Terms, UploadId};
use crate::auth::Caller;
use crate::clock::UnixSeconds;
use crate::delivery::DeliveryType;

/// What a profile asks of the ledger.
#[derive(Clone, Debug, Default)]
pub(super) struct Tracking {
    pub(super) terms: Terms,
    pub(super) uploads: Option<Limit>,
    pub(super) bytes: Option<Limit>,
    /// How many unused grants one caller may hold.
    pub(super) max_open: Option<u64>,
}

/// What the ledger keeps of a grant when it is issued.
#[derive(Clone, Debug)]
pub struct Tracked {
    /// Names it.
    pub id: UploadId,
    /// Under which profile.
    pub profile: String,
    /// Whose it is; empty where callers are not told apart.
    pub subject: String,
    /// The only public id that it is good for, folder included.
    pub public_id: String,
    /// How the asset will be delivered.
    pub delivery_type: DeliveryType,
    /// What the file must be like.
    pub terms: Terms,
    /// What it takes of the caller's quotas until it is settled.
    pub reservations: Vec<Reservation>,
    /// How many unused grants the caller may hold under the profile, this one among them.
    pub max_open: Option<u64>,
}

/// A part of a quota that is set aside for a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Of what.
    pub measure: Measure,
    /// How much.
    pub amount: u64,
    /// How much there is in the window.
    pub limit: u64,
    /// In which period.
    pub window: Window,
}

/// What quotas count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Files.
    Uploads,
    /// Their sizes together.
    Bytes,
}

impl Measure {
    /// The word in answers and in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uploads => "uploads",
            Self::Bytes => "bytes",
        }
    }
}

impl Profile {
    /// Whether its grants are kept in the ledger.
    pub const fn is_tracked(&self) -> bool {
        self.tracking.is_some()
    }

    /// The most bytes that one file may have.
    pub fn max_bytes(&self) -> Option<u64> {
        self.tracking.as_deref()?.terms.max_bytes
    }

    /// How much each caller may upload, by what is counted.
    pub fn quotas(&self) -> impl Iterator<Item = (Measure, Limit)> {
        let tracking = self.tracking.as_deref();
        let uploads = tracking.and_then(|tracking| tracking.uploads);
        let bytes = tracking.and_then(|tracking| tracking.bytes);
        let quotas = [(Measure::Uploads, uploads), (Measure::Bytes, bytes)];
        quotas.into_iter().filter_map(|(measure, limit)| Some((measure, limit?)))
    }

    /// Makes `grant`, which this profile gave `caller`, good for one upload under `id`, and says what the ledger is to
    /// keep of it; `None` if the profile does not ask for that. `notification_url` is where the provider can tell us of
    /// the upload, unless the profile fixes another.
    pub fn track(
        &self,
        grant: &mut Grant,
        caller: &Caller,
        id: UploadId,
        notification_url: Option<&str>,
    ) -> Option<Tracked> {
        let tracking = self.tracking.as_deref()?;
        let text = |name: &str| grant.params.get(name).map(ToString::to_string);
        let public_id = match text("folder") {
            Some(folder) => format!("{folder}/{id}"),
            None => id.to_string(),
        };
        let delivery_type = text("type").and_then(|word| word.parse().ok()).unwrap_or(DeliveryType::Upload);
        let has_own_url = grant.params.get("notification_url").is_some();
        grant.params.push("public_id", id.to_string());
        grant.params.push("overwrite", false);
        if let Some(url) = notification_url.filter(|_| !has_own_url) {
            grant.params.push("notification_url", url.to_owned());
        }
        Some(Tracked {
            id,
            profile: self.name.clone(),
            subject: caller.subject().unwrap_or_default().to_owned(),
            public_id,
            delivery_type,
            terms: tracking.terms.clone(),
            reservations: tracking.reservations(grant.issued_at),
            max_open: tracking.max_open,
        })
    }
}

impl Tracking {
    /// One upload, and as many bytes as it may have at most.
    fn reservations(&self, now: UnixSeconds) -> Vec<Reservation> {
        let reserve = |measure, limit: Option<Limit>, amount| {
            limit.map(|limit| Reservation {
                measure,
                amount,
                limit: limit.most,
                window: limit.period.window(now),
            })
        };
        let most_bytes = self.terms.max_bytes.unwrap_or_default();
        let reserved =
            [reserve(Measure::Uploads, self.uploads, 1), reserve(Measure::Bytes, self.bytes, most_bytes)];
        reserved.into_iter().flatten().collect()
    }
}
