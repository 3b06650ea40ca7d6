//! Whose an asset is: its uploader's where the ledger knows them, else the caller's if it lies in a folder of theirs. And
//! what the audit keeps of what they did with it, where there is a ledger.

use std::collections::BTreeMap;

use super::extract::RequestId;
use super::{ApiError, uploads};
use crate::auth::Caller;
use crate::clock::UnixSeconds;
use crate::delivery::AssetAddress;
use crate::delivery::uploadcare::FileId;
use crate::ledger::{Deleted, Event, Happening, LedgerError, SettledBy, file_target, target};
use crate::profiles::UploadId;
use crate::providers::cloudinary::{BatchReport, Outcome};
use crate::providers::uploadcare::FileBatch;
use crate::settling::{Unasked, gone};
use crate::state::AppState;

/// Whether `asset` is the caller's.
pub(super) async fn is_owned(
    app: &AppState,
    caller: &Caller,
    asset: &AssetAddress,
) -> Result<bool, ApiError> {
    let (owned, _) = split(app, caller, [asset.clone()].into_iter()).await?;
    Ok(!owned.is_empty())
}

/// Whether the caller may have a link to `asset` that expires at `end`.
///
/// The signature of a link can also upload under its public id. So where the ledger keeps what was uploaded, only assets
/// that it knows are linked to, whoever asks; and it remembers the link, to look whether the asset was replaced.
pub(super) async fn permit_link(
    app: &AppState,
    caller: &Caller,
    asset: &AssetAddress,
    end: UnixSeconds,
    request_id: &RequestId,
) -> Result<(), ApiError> {
    let (has_ledger, must_be_known) = {
        let profiles = app.profiles();
        (profiles.need_the_ledger(), profiles.keep_what_lies_in(asset.public_id.as_str()))
    };
    let by = uploads::by(SettledBy::Sweep, caller, request_id);
    let known = if has_ledger { app.settling().grant_to_link(asset, by).await? } else { None };
    match known {
        Some(Err(Unasked)) => Err(ApiError::ProviderUnreachable),
        Some(Ok(grant)) => {
            let is_theirs = caller.reaches_everything() || caller.subject() == Some(&grant.subject);
            if !is_theirs || !grant.is_linkable() {
                return Err(ApiError::AssetNotFound);
            }
            Ok(app.ledger.linked(grant.id, end).await?)
        }
        None if must_be_known => Err(ApiError::AssetNotFound),
        None if is_owned(app, caller, asset).await? => Ok(()),
        None => Err(ApiError::AssetNotFound),
    }
}

/// The caller's own among `assets`, and the others. What the ledger knows is its uploader's, whatever folder it lies in;
/// the folder decides about the rest.
pub(super) async fn split(
    app: &AppState,
    caller: &Caller,
    assets: impl Iterator<Item = AssetAddress>,
) -> Result<(Vec<AssetAddress>, Vec<AssetAddress>), ApiError> {
    if caller.reaches_everything() {
        return Ok((assets.collect(), Vec::new()));
    }
    let assets: Vec<_> = assets.collect();
    let has_ledger = app.profiles().need_the_ledger();
    let owners = if has_ledger { app.ledger.owners(assets.iter()).await? } else { BTreeMap::new() };
    let profiles = app.profiles();
    let is_theirs = |asset: &AssetAddress| match owners.get(asset) {
        Some(owner) => caller.subject() == Some(owner),
        None => profiles.owns(caller, asset.public_id.as_str()),
    };
    Ok(assets.into_iter().partition(is_theirs))
}

/// The same for files at Uploadcare, of which the ledger alone knows whose they are.
pub(super) async fn split_files(
    app: &AppState,
    caller: &Caller,
    files: Vec<FileId>,
) -> Result<(Vec<FileId>, Vec<FileId>), ApiError> {
    let has_ledger = app.profiles().need_the_ledger();
    match caller.subject() {
        _ if caller.reaches_everything() => Ok((files, Vec::new())),
        Some(subject) if has_ledger && !files.is_empty() => {
            let theirs = app.ledger.owned_files(subject, files.iter()).await?;
            Ok(files.into_iter().partition(|file| theirs.contains(file)))
        }
        _ => Ok((Vec::new(), files)),
    }
}

/// Notes a link in the audit.
pub(super) fn note_download(app: &AppState, caller: &Caller, asset: &AssetAddress, request_id: &RequestId) {
    let upload_id = UploadId::of_public_id(asset.public_id.as_str());
    note_link(app, caller, (upload_id, &target(asset)), request_id);
}

/// The same for a file at Uploadcare.
pub(super) fn note_file_download(app: &AppState, caller: &Caller, file: &FileId, request_id: &RequestId) {
    note_link(app, caller, (None, &file_target(file)), request_id);
}

fn note_link(
    app: &AppState,
    caller: &Caller,
    (upload_id, target): (Option<UploadId>, &str),
    request_id: &RequestId,
) {
    if !app.profiles().need_the_ledger() {
        return;
    }
    let event = Event {
        at: app.clock.now(),
        subject: caller.subject().unwrap_or_default(),
        upload_id,
        target,
        detail: None,
        request_id: request_id.as_str(),
    };
    app.ledger.note(Happening::Downloaded, event);
}

/// Notes what is gone. It is gone whether or not that can be noted, so that a failure is logged and not answered.
pub(super) async fn note_deletions(
    app: &AppState,
    caller: &Caller,
    reports: &[BatchReport],
    request_id: &RequestId,
) {
    let outcomes = reports.iter().flat_map(|report| &report.outcomes);
    let gone = outcomes.filter(|(_, outcome)| *outcome == Outcome::Deleted).map(|(asset, _)| Deleted {
        upload_id: UploadId::of_public_id(asset.public_id.as_str()),
        address: asset.clone(),
        was_there: true,
    });
    let gone: Vec<_> = gone.collect();
    if gone.is_empty() || !app.profiles().need_the_ledger() {
        return;
    }
    let subject = caller.subject().unwrap_or_default();
    let noted = app.ledger.deleted(&gone, app.clock.now(), subject, request_id.as_str()).await;
    log_unnoted(noted, gone.len(), subject, request_id);
}

/// The same for files at Uploadcare. What was not there either is marked, so that the ledger forgets whose it was.
pub(super) async fn note_file_deletions(
    app: &AppState,
    caller: &Caller,
    batches: &[FileBatch],
    request_id: &RequestId,
) {
    let gone = gone(batches);
    if gone.is_empty() || !app.profiles().need_the_ledger() {
        return;
    }
    let subject = caller.subject().unwrap_or_default();
    let noted = app.ledger.files_deleted(&gone, app.clock.now(), subject, request_id.as_str()).await;
    log_unnoted(noted, gone.len(), subject, request_id);
}

fn log_unnoted(noted: Result<(), LedgerError>, deleted: usize, subject: &str, request_id: &RequestId) {
    if let Err(error) = noted {
        let request_id = request_id.as_str();
        tracing::error!(%error, deleted, subject, request_id, "deletions are not in the audit");
    }
}
