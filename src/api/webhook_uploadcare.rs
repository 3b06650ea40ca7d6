//! `/webhooks/uploadcare`: what the provider tells us of files in our project.
//!
//! Nothing in a body is believed before the signature over its raw bytes is. It says no time, so that a repetition is told
//! by the file's id, which no two files share. A file belongs to the owner of its label, which we issued with a signature;
//! a file without one is nobody's, and stays: there are other ways to upload.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::ApiError;
use super::extract::{ApiJson, RequestId, read_body};
use super::webhooks::{HeardResponse, answer};
use crate::clock::UnixSeconds;
use crate::delivery::uploadcare::FileId;
use crate::ledger::{FileLabel, SettledBy, Surplus, UploadedFile};
use crate::settling::{By, Heard, LABEL_KEY};
use crate::signing::uploadcare::{LabelId, LabelledFiles, UploadLabel, is_webhook_signature};
use crate::state::{AppState, Uploadcare};

/// The most bytes of a body: metadata takes 30 kB at most, and what add-ons found out about a file is not much more.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// How long after its signature has expired a label is still valid, in seconds: a large upload that began in time.
const UPLOAD_SECONDS: i64 = 600;

/// The fields that matter here; there are many more.
#[derive(Debug, Deserialize)]
struct Notification {
    hook: Hook,
    data: FileData,
}

#[derive(Debug, Deserialize)]
struct Hook {
    event: String,
}

#[derive(Debug, Deserialize)]
struct FileData {
    uuid: String,
    size: Option<u64>,
    mime_type: Option<String>,
    datetime_uploaded: Option<Timestamp>,
    metadata: Option<BTreeMap<String, Value>>,
}

/// Takes in a webhook of Uploadcare's. It is told again, for three days, unless the answer is a success.
pub(super) async fn take_in(
    State(app): State<AppState>,
    request_id: RequestId,
    request: Request,
) -> Result<ApiJson<HeardResponse>, ApiError> {
    let uploadcare = app.uploadcare.as_ref().ok_or(ApiError::NoUploadcare)?;
    let secret = uploadcare.webhook_secret.as_ref().ok_or(ApiError::NoWebhookSecret)?;
    let headers = request.headers().clone();
    // Before anything of the body is read: a stranger's is not worth the memory.
    let signature = signature(&headers)?;
    let body = read_body(request, MAX_BODY_BYTES).await?;
    verify(secret, signature, &body)?;
    // What cannot be read was signed all the same: to refuse it would only make the provider send it again.
    let Ok(Notification { hook, data }) = serde_json::from_slice(&body) else { return Ok(answer("ignored")) };
    let Ok(id) = data.uuid.parse::<FileId>() else { return Ok(answer("ignored")) };
    let seen = Sha256::new().chain_update(&hook.event).chain_update(" ").chain_update(id.as_str());
    let seen: [u8; 32] = seen.finalize().into();
    if app.seen_notifications.0.get(&seen).is_some() {
        return Ok(answer("duplicate"));
    }
    let by = By { source: SettledBy::Notification, subject: "", request_id: request_id.as_str() };
    let outcome = match hook.event.as_str() {
        _ if !app.profiles().need_the_ledger() => Heard::Unknown,
        "file.uploaded" => uploaded(&app, uploadcare, id, data, by).await?,
        "file.deleted" => app.settling().announced_file_deletion(id, by).await?,
        _ => Heard::Unknown,
    };
    match outcome {
        Heard::Settled | Heard::Known => {
            app.seen_notifications.0.insert(seen, ());
            Ok(answer(if outcome == Heard::Settled { "settled" } else { "known" }))
        }
        Heard::Unknown => Ok(answer("ignored")),
        Heard::Undeleted => Err(ApiError::ProviderFailed {
            message: "a rejected file may still be there; tell of it again".to_owned(),
            data: json!({ "outcome": "undeleted" }),
        }),
        Heard::StillLabelled => Err(ApiError::ProviderFailed {
            message: "the file is recorded, but its label could not be removed; send the webhook again"
                .to_owned(),
            data: json!({ "outcome": "still_labelled" }),
        }),
    }
}

/// Whether the provider signed the body.
/// The signature, if it has the length of one.
fn signature(headers: &HeaderMap) -> Result<&str, ApiError> {
    const CHARACTERS: usize = "v1=".len() + 64;
    let signature = headers.get("x-uc-signature").and_then(|value| value.to_str().ok());
    let signature = signature.ok_or(ApiError::NotificationRefused("X-Uc-Signature is missing"))?;
    if signature.len() != CHARACTERS {
        return Err(ApiError::NotificationRefused("the signature is not the provider's over this body"));
    }
    Ok(signature)
}

fn verify(secret: &SecretString, signature: &str, body: &Bytes) -> Result<(), ApiError> {
    if !is_webhook_signature(secret, body, signature) {
        return Err(ApiError::NotificationRefused("the signature is not the provider's over this body"));
    }
    Ok(())
}

async fn uploaded(
    app: &AppState,
    uploadcare: &Uploadcare,
    id: FileId,
    data: FileData,
    by: By<'_>,
) -> Result<Heard, ApiError> {
    let uploaded_at = data.datetime_uploaded;
    let uploaded_micros = uploaded_at.map_or(app.clock.now().0 * 1_000_000, Timestamp::as_microsecond);
    let label = data.label(&id, uploadcare, uploaded_micros);
    let Some((bytes, (label_id, label))) = data.size.zip(label) else { return Ok(Heard::Unknown) };
    // A profile that is gone holds its last files to nothing; they are somebody's all the same.
    let terms =
        app.profiles().uploadcare(Some(&label.profile)).ok().and_then(|profile| profile.terms().cloned());
    let file = UploadedFile {
        id,
        bytes,
        mime_type: data.mime_type,
        uploaded_micros,
        label: FileLabel::of(label_id, &label),
        subject: label.subject,
        profile: label.profile,
        request_id: by.request_id.to_owned(),
    };
    Ok(app.settling().announced_file(&file, &terms.unwrap_or_default(), by).await?)
}

impl FileLabel {
    fn of(id: LabelId, label: &UploadLabel) -> Self {
        let (limit, surplus) = match label.files {
            LabelledFiles::One => (1, Surplus::Unowned),
            LabelledFiles::UpTo(files) => (files, Surplus::Rejected),
        };
        Self {
            id: id.to_string(),
            limit,
            surplus,
            ends_at: UnixSeconds(label.expires_at).plus(UPLOAD_SECONDS),
        }
    }
}

impl FileData {
    /// The label, if there is one of ours that was valid when the file was uploaded.
    fn label(
        &self,
        id: &FileId,
        uploadcare: &Uploadcare,
        uploaded_micros: i64,
    ) -> Option<(LabelId, UploadLabel)> {
        let sealed = self.metadata.as_ref()?.get(LABEL_KEY)?.as_str()?;
        let Some((label_id, label)) = uploadcare.label_key.open(sealed) else {
            tracing::warn!(file = %id, "a file came with a label that this server did not issue");
            return None;
        };
        let ends_at = label.expires_at + UPLOAD_SECONDS;
        if uploaded_micros > ends_at * 1_000_000 {
            tracing::warn!(file = %id, profile = label.profile, "a file came with a label that had expired");
            return None;
        }
        Some((label_id, label))
    }
}
