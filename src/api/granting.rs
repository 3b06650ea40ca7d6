//! From a request to a grant that may be answered: the profile decides, and where it asks for that the ledger keeps the
//! grant before anybody sees its signature.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use rand::random;
use serde::Serialize;

use super::extract::Origin;
use super::{ApiError, uploads};
use crate::auth::Caller;
use crate::clock::UnixSeconds;
use crate::ledger::{Entry, Event, Finding, Issue, QuotaUse, Renewed, SettledBy, State};
use crate::profiles::{DEFAULT_PROFILE, Grant, Profiles, Tracked, UploadId, UploadRequest};
use crate::settling::By;
use crate::state::AppState;

/// What a profile granted. Where it is tracked it is not to be signed before it is kept.
#[derive(Debug)]
pub(super) struct Granted {
    grant: Grant,
    tracked: Option<(Tracked, UploadRequest)>,
}

/// A grant that may be signed.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) grant: Grant,
    pub(super) upload_id: Option<UploadId>,
    /// What is left of the caller's quotas, by what they count.
    pub(super) quota: Option<BTreeMap<&'static str, QuotaLine>>,
}

/// How much of a quota is left.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QuotaLine {
    limit: u64,
    remaining: u64,
    resets_at: UnixSeconds,
}

/// Asks the profile, one of `profiles` as they are now.
pub(super) fn grant(
    app: &AppState,
    profiles: &Profiles,
    caller: &Caller,
    profile: Option<&str>,
    request: UploadRequest,
) -> Result<Granted, ApiError> {
    let profile = profiles.get(profile.unwrap_or(DEFAULT_PROFILE))?;
    let now = app.clock.now();
    let asked = profile.is_tracked().then(|| request.clone());
    let mut grant = profile.grant(caller, request, now)?;
    let tracked = asked.and_then(|asked| {
        let id = UploadId::new(app.clock.milliseconds(), random());
        Some((profile.track(&mut grant, caller, id, app.notification_url.as_deref())?, asked))
    });
    Ok(Granted { grant, tracked })
}

impl Granted {
    /// Has the ledger keep the grant, if the profile asks for that.
    pub(super) async fn keep(
        self,
        app: &AppState,
        caller: &Caller,
        origin: &Origin,
    ) -> Result<Kept, ApiError> {
        let Self { grant, tracked } = self;
        let Some((tracked, request)) = tracked else {
            return Ok(Kept { grant, upload_id: None, quota: None });
        };
        let upload_id = tracked.id;
        let issue = Issue {
            tracked,
            request: &request,
            issued_at: grant.issued_at,
            expires_at: grant.expires_at(),
            request_id: origin.request_id.as_str(),
            address: origin.address_of(caller),
        };
        let quotas = app.ledger.issue(issue).await;
        let quotas = quotas.map_err(|error| ApiError::of_issue(error, grant.issued_at))?;
        let lines: BTreeMap<_, _> = quotas.iter().map(QuotaLine::of).collect();
        let quota = (!lines.is_empty()).then_some(lines);
        Ok(Kept { grant, upload_id: Some(upload_id), quota })
    }
}

/// Keeps all or none; the first that could not be kept is named by its index.
pub(super) async fn keep_all(
    app: &AppState,
    caller: &Caller,
    granted: Vec<Granted>,
    origin: &Origin,
) -> Result<Vec<Kept>, ApiError> {
    let keeping = granted.into_iter().map(|granted| granted.keep(app, caller, origin));
    let mut kept = Vec::new();
    let mut refused = None;
    for (index, outcome) in join_all(keeping).await.into_iter().enumerate() {
        match outcome {
            Ok(one) => kept.push(one),
            Err(error) if refused.is_none() => refused = Some(error.at(format_args!("uploads[{index}]"))),
            Err(_) => {}
        }
    }
    let Some(refused) = refused else { return Ok(kept) };
    // Nobody has seen these signatures, so that nothing can come of them: their quota is given back at once.
    let by = By {
        source: SettledBy::Owner,
        subject: caller.subject().unwrap_or_default(),
        request_id: origin.request_id.as_str(),
    };
    for id in kept.into_iter().filter_map(|kept| kept.upload_id) {
        app.settling().settle(id, Finding::Unused, by).await?;
    }
    Err(refused)
}

/// Grants the same upload once more, under the same public id, as long as it was not used.
pub(super) async fn renew(
    app: &AppState,
    caller: &Caller,
    id: &str,
    origin: &Origin,
) -> Result<Kept, ApiError> {
    let entry = uploads::find(app, caller, id).await?;
    check_unused(&entry)?;
    let (grant, max_open) = grant_again(app, caller, &entry)?;
    let target = entry.target();
    let event = Event {
        at: grant.issued_at,
        subject: caller.subject().unwrap_or_default(),
        upload_id: Some(entry.id),
        target: &target,
        detail: None,
        request_id: origin.request_id.as_str(),
    };
    match app.ledger.renew(&entry, grant.expires_at(), max_open, event).await? {
        Renewed::Done => Ok(Kept { grant, upload_id: Some(entry.id), quota: None }),
        Renewed::TooMany(exceeded) => Err(ApiError::of_open_grants(exceeded, grant.issued_at)),
        Renewed::NoLongerUnused => {
            // It was used between the look and the change.
            check_unused(&uploads::find(app, caller, id).await?)?;
            Err(ApiError::LedgerUnreachable)
        }
    }
}

/// By the profile as it is now: what it would refuse today is not signed again. Answers how many grants may be open, too.
fn grant_again(app: &AppState, caller: &Caller, entry: &Entry) -> Result<(Grant, Option<u64>), ApiError> {
    let profiles = app.profiles();
    let profile = profiles.get(&entry.profile)?;
    let mut grant = profile.grant(caller, entry.request.clone(), app.clock.now())?;
    let tracked = profile.track(&mut grant, caller, entry.id, app.notification_url.as_deref());
    let is_the_same = |tracked: &Tracked| {
        tracked.public_id == entry.public_id
            && tracked.delivery_type == entry.delivery_type
            && tracked.terms == entry.terms
    };
    match tracked {
        Some(tracked) if is_the_same(&tracked) => Ok((grant, tracked.max_open)),
        _ => Err(ApiError::GrantOver("is of a profile that has changed since")),
    }
}

fn check_unused(entry: &Entry) -> Result<(), ApiError> {
    match entry.state {
        State::Issued => Ok(()),
        State::Used => Err(ApiError::GrantUsed),
        State::Expired => Err(ApiError::GrantOver("ran out")),
        State::Rejected => Err(ApiError::GrantOver("was rejected or withdrawn")),
    }
}

impl QuotaLine {
    pub(super) fn of(quota: &QuotaUse) -> (&'static str, Self) {
        let QuotaUse { measure, limit, used, resets_at } = *quota;
        (measure.as_str(), Self { limit, remaining: limit.saturating_sub(used), resets_at })
    }
}
