//! `/webhooks/uploadcare`: what the provider tells us of files in our project.
//!
//! Nothing in a body is believed before the signature over its raw bytes is. It says no time, so that a repetition is told
//! by the file's id, which no two files share. Whose a file is says the label that we gave out with a signature; a file
//! without one is nobody's, and stays: there are other ways to upload.

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
use super::uploadcare_signature::LABEL_KEY;
use super::webhooks::{HeardResponse, answer};
use crate::clock::UnixSeconds;
use crate::delivery::uploadcare::FileId;
use crate::ledger::{SettledBy, UploadedFile};
use crate::settling::{By, Heard};
use crate::signing::uploadcare::{UploadLabel, is_webhook_signature};
use crate::state::{AppState, Uploadcare};

/// The most bytes of a body: metadata takes 30 kB at most, and what add-ons found out about a file is not much more.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// How long after a label's end the provider may note a file, in seconds: a large one that began in time comes late.
const LATE_SECONDS: i64 = 3_600;

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
    let body = read_body(request, MAX_BODY_BYTES).await?;
    verify(secret, &headers, &body)?;
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
    }
}

/// Whether the provider signed the body.
fn verify(secret: &SecretString, headers: &HeaderMap, body: &Bytes) -> Result<(), ApiError> {
    let signature = headers.get("x-uc-signature").and_then(|value| value.to_str().ok());
    let signature = signature.ok_or(ApiError::NotificationRefused("X-Uc-Signature is missing"))?;
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
    let uploaded_at = data.datetime_uploaded.map_or(app.clock.now(), |at| UnixSeconds(at.as_second()));
    let Some((bytes, label)) = data.size.zip(data.label(&id, uploadcare, uploaded_at)) else {
        return Ok(Heard::Unknown);
    };
    // A profile that is gone holds its last files to nothing; they are somebody's all the same.
    let terms =
        app.profiles().uploadcare(Some(&label.profile)).ok().and_then(|profile| profile.terms().cloned());
    let UploadLabel { subject, profile, .. } = label;
    let file = UploadedFile { id, subject, profile, bytes, mime_type: data.mime_type, uploaded_at };
    Ok(app.settling().announced_file(&file, &terms.unwrap_or_default(), by).await?)
}

impl FileData {
    /// The label, if there is one of ours that was good when the file was uploaded.
    fn label(&self, id: &FileId, uploadcare: &Uploadcare, uploaded_at: UnixSeconds) -> Option<UploadLabel> {
        let sealed = self.metadata.as_ref()?.get(LABEL_KEY)?.as_str().unwrap_or_default();
        let Some(label) = UploadLabel::open(sealed, &uploadcare.secret_key) else {
            tracing::warn!(file = %id, "a file came with a label that this server did not give out");
            return None;
        };
        if uploaded_at > UnixSeconds(label.expires_at).plus(LATE_SECONDS) {
            tracing::warn!(file = %id, profile = label.profile, "a file came with a label that had expired");
            return None;
        }
        Some(label)
    }
}
