//! What becomes of a file at Uploadcare: whether its label covers it, its profile allows it and quotas have room for it.
//! Pure decisions; `files` reads what they need and writes what they say.
//!
//! A label covers the files that were uploaded first. It can only be copied from a file that is already there, so a
//! copy's file is always later than the owner's own, in whatever order the webhooks arrive. A file that arrives late but
//! was uploaded earlier takes the place of the last one.

use serde::Serialize;
use sqlx::FromRow;

use super::LedgerError;
use super::audit::{self, Event, Happening};
use super::database::{Sql, over_rows};
use super::files::{Surplus, UploadedFile, file_target};
use super::quota::{self, Change, Key, QuotaUse, UsedByKey, used_of};
use crate::profiles::{FileTerms, Measure, Reservation};

const UPDATE: Sql = over_rows!(
    "UPDATE uploadcare_files SET subject = value ->> 'subject', reason = value ->> 'reason', \
     counted = CAST(value ->> 'counted' AS BIGINT), taken = value ->> 'taken' FROM",
    "WHERE uploadcare_files.uuid = value ->> 'uuid'"
);

/// The last of the other files that have a place under a label, and how many have one.
#[derive(Debug, FromRow)]
pub(super) struct LastFile {
    uuid: String,
    uploaded_micros: i64,
    taken: Option<String>,
    places: i64,
}

/// Whether a label covers one more file.
#[derive(Debug)]
pub(super) enum Placement {
    /// It does.
    Free,
    /// It covered enough files before this one.
    Surplus,
    /// It does, and no longer the file that was the last until now.
    Displaces(LastFile),
}

/// The rows to write for one or two files.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Their rows.
    rows: Vec<FileChange>,
    /// What they take of quotas or give back.
    quotas: Vec<Change>,
    /// The audit's rows, as its statement takes them.
    events: Vec<String>,
}

/// What changes in a file's row.
#[derive(Debug, Serialize)]
struct FileChange {
    uuid: String,
    subject: String,
    reason: Option<String>,
    /// 1 if it has a place under its label, else 0.
    counted: i64,
    /// JSON.
    taken: String,
}

/// What became of one file.
enum Outcome {
    Used,
    /// It breaks its owner's terms.
    Rejected(String),
    /// It goes over a quota, or its label does not cover it: it need not be from the label's owner.
    RejectedUnowned(String),
    Unowned,
}

impl Placement {
    pub(super) fn of(file: &UploadedFile, last: Option<LastFile>) -> Self {
        let Some(last) = last.filter(|last| last.places >= i64::from(file.label.limit)) else {
            return Self::Free;
        };
        if (file.uploaded_micros, file.id.as_str()) > (last.uploaded_micros, last.uuid.as_str()) {
            Self::Surplus
        } else {
            Self::Displaces(last)
        }
    }

    /// What the file that loses its place gives back.
    fn returns(&self) -> Result<Vec<Change>, LedgerError> {
        let Self::Displaces(LastFile { taken: Some(taken), .. }) = self else { return Ok(Vec::new()) };
        let taken: Vec<Change> =
            serde_json::from_str(taken).map_err(|error| LedgerError::Unreadable(error.to_string()))?;
        Ok(taken.into_iter().map(|change| Change { add: -change.add, ..change }).collect())
    }

    /// Every quota that the file may change, with what a file that loses its place gives back.
    pub(super) fn touched(&self, file: &UploadedFile, terms: &FileTerms) -> Result<Vec<Change>, LedgerError> {
        let returns = self.returns()?;
        let own = changes(file, terms).into_iter().map(|change| Change { add: 0, ..change });
        let new: Vec<_> = own.filter(|own| returns.iter().all(|change| change.key != own.key)).collect();
        Ok(returns.into_iter().chain(new).collect())
    }
}

/// Decides about `file`; `touched` are the quotas that it may change, and `used` is what is used of them.
pub(super) fn decide(
    file: &UploadedFile,
    terms: &FileTerms,
    placement: &Placement,
    mut touched: Vec<Change>,
    mut used: UsedByKey,
) -> Verdict {
    for change in &touched {
        *used.entry(change.key.clone()).or_default() += change.add;
    }
    let mut verdict = Verdict::default();
    if let Placement::Displaces(last) = placement {
        verdict.add(file, &last.uuid, &surplus(file), &[]);
    }
    let outcome = match placement {
        Placement::Surplus => surplus(file),
        Placement::Free | Placement::Displaces(_) => judge(file, terms, &used),
    };
    let taken: Vec<_> = changes(file, terms).into_iter().filter(|change| outcome.takes(change)).collect();
    verdict.add(file, file.id.as_str(), &outcome, &taken);
    for change in taken {
        if let Some(touched) = touched.iter_mut().find(|touched| touched.key == change.key) {
            touched.add += change.add;
        }
    }
    touched.retain(|change| change.add != 0);
    verdict.quotas = touched;
    verdict
}

/// What the file takes of quotas if it may stay.
fn changes(file: &UploadedFile, terms: &FileTerms) -> Vec<Change> {
    let reservations = terms.reservations(file.bytes, file.uploaded_at());
    let change = |one: &Reservation| Change {
        key: Key::of(&file.subject, &file.profile, one),
        ends_at: one.window.ends_at,
        add: i64::try_from(one.amount).unwrap_or(i64::MAX),
    };
    reservations.iter().map(change).collect()
}

/// Checks a file that its label covers against its terms and what is used.
fn judge(file: &UploadedFile, terms: &FileTerms, used: &UsedByKey) -> Outcome {
    if let Some(reason) = terms.broken_by(file.bytes) {
        return Outcome::Rejected(reason);
    }
    let reservations = terms.reservations(file.bytes, file.uploaded_at());
    let over = reservations.iter().find(|one| {
        let used = used_of(used, &Key::of(&file.subject, &file.profile, one));
        QuotaUse::with(&file.profile, one, used).is_err()
    });
    over.map_or(Outcome::Used, |one| {
        let (limit, measure) = (one.limit, one.measure.as_str());
        Outcome::RejectedUnowned(format!("goes over the quota of {limit} {measure} for its period"))
    })
}

fn surplus(file: &UploadedFile) -> Outcome {
    match file.label.surplus {
        Surplus::Rejected => {
            Outcome::RejectedUnowned(format!("is more than the {} files of one signature", file.label.limit))
        }
        Surplus::Unowned => Outcome::Unowned,
    }
}

impl Outcome {
    /// A rejected file of its owner's was an upload, and takes no room.
    fn takes(&self, change: &Change) -> bool {
        match self {
            Self::Used => true,
            Self::Rejected(_) => change.key.measure == Measure::Uploads.as_str(),
            Self::RejectedUnowned(_) | Self::Unowned => false,
        }
    }
}

impl Verdict {
    /// The statements that write it, each with its argument.
    #[expect(clippy::expect_used, reason = "names and numbers always become JSON")]
    pub(super) fn writes(self) -> impl Iterator<Item = (Sql, String)> {
        let rows = serde_json::to_string(&self.rows).expect("rows become JSON");
        let quotas = Some(quota::as_rows(self.quotas.iter())).filter(|_| !self.quotas.is_empty());
        let quotas = quotas.map(|quotas| (quota::ADD, quotas));
        let events = self.events.into_iter().map(|event| (audit::INSERT, event));
        std::iter::once((UPDATE, rows)).chain(quotas).chain(events)
    }

    /// Adds what becomes of the file `uuid`, which came with the label of `file`.
    #[expect(clippy::expect_used, reason = "names and numbers always become JSON")]
    fn add(&mut self, file: &UploadedFile, uuid: &str, outcome: &Outcome, taken: &[Change]) {
        let (happening, reason, is_owned) = match outcome {
            Outcome::Used => (Happening::Used, None, true),
            Outcome::Rejected(reason) => (Happening::Rejected, Some(reason), true),
            Outcome::RejectedUnowned(reason) => (Happening::Rejected, Some(reason), false),
            Outcome::Unowned => (Happening::Unowned, None, false),
        };
        let subject = if is_owned { file.subject.as_str() } else { "" };
        let said = reason.map_or_else(
            || {
                if is_owned {
                    file.profile.as_str()
                } else {
                    "came with a label that another file had before"
                }
            },
            String::as_str,
        );
        // Whose label it was, since whose file it is cannot be told.
        let detail = match (is_owned, file.subject.as_str()) {
            (true, _) | (false, "") => said.to_owned(),
            (false, owner) => format!("{said} (label of {owner})"),
        };
        let event = Event {
            at: file.uploaded_at(),
            subject,
            upload_id: None,
            target: &file_target(uuid),
            detail: Some(&detail),
            request_id: &file.request_id,
        };
        self.events.push(happening.rows([event].into_iter()));
        self.rows.push(FileChange {
            uuid: uuid.to_owned(),
            subject: subject.to_owned(),
            reason: reason.cloned(),
            counted: i64::from(is_owned),
            taken: serde_json::to_string(taken).expect("quotas become JSON"),
        });
    }
}
