//! The audit: who did what to which upload or asset, when, under which request. Rows are only ever added, and hold no
//! signature and no link.

use serde::Serialize;
use sqlx::FromRow;

use super::database::{Sql, over_rows, reading};
use super::writer::Pending;
use super::{Ledger, LedgerError};
use crate::clock::UnixSeconds;
use crate::profiles::UploadId;

pub(super) const INSERT: Sql = over_rows!(
    "INSERT INTO events (at, event, subject, upload_id, target, detail, request_id) \
     SELECT CAST(value ->> 'at' AS BIGINT), value ->> 'event', value ->> 'subject', value ->> 'upload_id', \
            value ->> 'target', value ->> 'detail', value ->> 'request_id' FROM",
    ""
);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// An unused grant got more time.
    Renewed,
    /// A file was uploaded with a grant.
    Used,
    /// A file broke the profile, or the owner withdrew the grant.
    Rejected,
    /// A grant ran out.
    Expired,
    /// A link to an asset was made.
    Downloaded,
    /// Another file was found in the place of the one that was uploaded.
    Replaced,
    /// An asset was deleted.
    Deleted,
    /// A file at Uploadcare came with a label that another file had before.
    Unowned,
}

impl Happening {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Renewed => "renewed",
            Self::Used => "used",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Downloaded => "downloaded",
            Self::Replaced => "replaced",
            Self::Deleted => "deleted",
            Self::Unowned => "unowned",
        }
    }

    /// The statement's argument for these events.
    pub(super) fn rows<'a>(self, events: impl Iterator<Item = Event<'a>>) -> String {
        let rows: Vec<_> = events.map(|said| EventRow { event: self.as_str(), said }).collect();
        serde_json::to_string(&rows).unwrap_or_default()
    }
}

/// To whom it happened, and when.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Event<'a> {
    /// When.
    pub at: UnixSeconds,
    /// Who did it; empty for the provider, the sweep, and where callers are not told apart.
    pub subject: &'a str,
    /// With which grant.
    pub upload_id: Option<UploadId>,
    /// What it happened to: resource type, delivery type and public id, joined with `/`.
    pub target: &'a str,
    /// Why, or how it became known.
    pub detail: Option<&'a str>,
    /// The HTTP request, as `OURS` or `OURS/THEIRS`; empty for the sweep.
    pub request_id: &'a str,
}

#[derive(Serialize)]
struct EventRow<'a> {
    event: &'static str,
    #[serde(flatten)]
    said: Event<'a>,
}

/// One line of the audit.
#[derive(Clone, Debug, Serialize, FromRow)]
pub struct AuditLine {
    /// When, in Unix seconds.
    pub at: i64,
    /// What happened.
    pub event: String,
    /// Who did it.
    pub subject: String,
    /// With which grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_id: Option<String>,
    /// To what.
    pub target: String,
    /// Why, or under which profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The HTTP request, by our own id; empty for the sweep.
    pub request_id: String,
    /// The same as the client called it in `X-Request-Id`: its word alone.
    #[sqlx(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_request_id: Option<String>,
}

impl Ledger {
    /// Notes that something happened to an asset. Nobody waits for it: it is written soon, with whatever else is. Should
    /// that fail, the log says so.
    pub fn note(&self, happening: Happening, event: Event<'_>) {
        let row = serde_json::value::to_raw_value(&EventRow { event: happening.as_str(), said: event });
        if let Ok(row) = row
            && self.queue.try_send(Pending::Event(row)).is_err()
        {
            tracing::error!(
                event = happening.as_str(),
                subject = event.subject,
                request_id = event.request_id,
                "not in the audit: the ledger takes no more"
            );
        }
    }

    /// The audit from `since` on, of one subject or of everybody, the oldest first.
    pub async fn audit(
        &self,
        subject: Option<&str>,
        since: UnixSeconds,
        limit: u32,
    ) -> Result<Vec<AuditLine>, LedgerError> {
        const SELECT: &str = "SELECT at, event, subject, upload_id, target, detail, request_id FROM audit \
             WHERE at >= $1 AND (CAST($2 AS TEXT) IS NULL OR subject = $2) ORDER BY at, upload_id, event LIMIT $3";
        self.open().await?;
        let lines: Vec<AuditLine> = reading!(&self.database, |pool| sqlx::query_as(SELECT)
            .bind(since.0)
            .bind(subject)
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?);
        Ok(lines.into_iter().map(AuditLine::with_the_ids_apart).collect())
    }
}

impl AuditLine {
    /// A request is kept as `OURS/THEIRS` where the client had an id of its own.
    fn with_the_ids_apart(mut self) -> Self {
        if let Some((own, given)) = self.request_id.split_once('/') {
            self.client_request_id = Some(given.to_owned());
            self.request_id = own.to_owned();
        }
        self
    }
}
