//! The Uploadcare half of `/delete-files`: which items are meant for it, and what became of them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::delete_files::TIME_LIMIT;
use crate::delivery::uploadcare::{CdnUrlError, FileId};
use crate::providers::uploadcare::{FileBatch, FileOutcome};
use crate::state::{AppState, Uploadcare};

/// What `type` may say of a file: Uploadcare's URLs do not tell kinds apart, so that none is wrong.
const TYPES: [&str; 4] = ["file", "image", "video", "raw"];

/// One call's answer.
#[derive(Debug, Serialize)]
pub(super) struct FilesResponse {
    provider: &'static str,
    response: FilesDeleted,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct FilesDeleted {
    deleted: BTreeMap<String, &'static str>,
}

/// The field of an item that breaks a rule, and the rule.
type BrokenRule = (Option<&'static str>, String);

/// The project, if the item's URL is meant for Uploadcare.
pub(super) fn is_meant<'a>(app: &'a AppState, item: &Value) -> Option<&'a Uploadcare> {
    let url = item.get("url")?.as_str()?;
    app.uploadcare.as_ref().filter(|uploadcare| uploadcare.cdn.is_meant(url))
}

/// The file behind an item; `type` may be left out.
pub(super) fn parse(
    item: &Map<String, Value>,
    uploadcare: &Uploadcare,
) -> Result<(String, FileId), BrokenRule> {
    let type_is_right = match item.get("type") {
        None => true,
        Some(text) => text.as_str().is_some_and(|text| TYPES.contains(&text)),
    };
    if !type_is_right {
        return Err((Some("type"), format!("must be one of {}, or left out", TYPES.join(", "))));
    }
    if let Some(unknown) = item.keys().find(|key| !matches!(key.as_str(), "type" | "url")) {
        return Err((None, format!("has the unknown field `{unknown}`; it takes `type` and `url`")));
    }
    let url = item.get("url").and_then(Value::as_str).unwrap_or_default();
    let file = uploadcare.cdn.file(url).map_err(|error: CdnUrlError| (Some("url"), error.to_string()))?;
    Ok((url.to_owned(), file))
}

/// Deletes files of the caller's.
pub(super) async fn delete(app: &AppState, files: &[FileId]) -> Vec<FileBatch> {
    match &app.uploadcare {
        Some(uploadcare) => uploadcare.rest.delete(files, TIME_LIMIT).await,
        None => Vec::new(),
    }
}

/// The report on files that are not the caller's: they are answered as if they were not there.
pub(super) fn not_there(files: Vec<FileId>) -> Option<FileBatch> {
    (!files.is_empty()).then(|| FileBatch::all_not_found(files))
}

impl From<FileBatch> for FilesResponse {
    fn from(batch: FileBatch) -> Self {
        let deleted = batch.outcomes.into_iter().filter_map(|(file, outcome)| match outcome {
            FileOutcome::Deleted => Some((file.to_string(), "deleted")),
            FileOutcome::NotFound => Some((file.to_string(), "not_found")),
            FileOutcome::Failed(_) => None,
        });
        Self {
            provider: "uploadcare",
            response: FilesDeleted { deleted: deleted.collect() },
            error: batch.error.map(|error| error.to_string()),
        }
    }
}
