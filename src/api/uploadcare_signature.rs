//! `/uploadcare-signature`: what the Uploadcare component asks for before it uploads.
//!
//! The answer has no envelope, because the component reads the top level, and it has both spellings of its fields that
//! the provider's examples use.
//!
//! Under a profile that asks for the ledger there is a label too, as the metadata that clients are to send along: it tells
//! whose an upload is once the provider tells of it. Nothing is kept of a signature itself.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::extract::{ApiQuery, NoStoreJson};
use super::granting::QuotaLine;
use crate::auth::Caller;
use crate::clock::UnixSeconds;
use crate::profiles::{FileOwner, Reservation, TokenLimits, UploadcareGrant};
use crate::signing::Signature;
use crate::signing::uploadcare::{UploadLabel, UploadToken, bearer_token, upload_signature};
use crate::state::{AppState, Uploadcare};

/// The key under which the label stands in a file's metadata.
pub(super) const LABEL_KEY: &str = "countersign";

/// What a client asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UploadcareQuery {
    profile: Option<String>,
}

/// A signature and its expiry, each under two names; the expiry is text, as it was signed.
#[derive(Debug, Serialize)]
struct SignatureResponse {
    #[serde(rename = "secureSignature")]
    secure_signature: Signature,
    #[serde(rename = "secureExpire")]
    secure_expire: String,
    signature: Signature,
    expire: String,
}

/// A token for the component's option of the same name.
#[derive(Debug, Serialize)]
struct TokenResponse {
    #[serde(rename = "authToken")]
    auth_token: String,
    expire: String,
}

/// Either of the two, and what a client sends along.
#[derive(Debug, Serialize)]
struct UploadcareResponse {
    #[serde(flatten)]
    signed: Signed,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    quota: BTreeMap<&'static str, QuotaLine>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Signed {
    Signature(SignatureResponse),
    Token(TokenResponse),
}

/// What is asked of the ledger before a signature is given.
struct Asked {
    subject: String,
    profile: String,
    reservations: Vec<Reservation>,
}

/// Signs uploads for the caller, under a profile.
pub(super) async fn create(
    State(app): State<AppState>,
    caller: Caller,
    ApiQuery(query): ApiQuery<UploadcareQuery>,
) -> Result<Response, ApiError> {
    let uploadcare = app.uploadcare.as_ref().ok_or(ApiError::NoUploadcare)?;
    let now = app.clock.now();
    let (mut response, asked) = {
        let profiles = app.profiles();
        let grant = profiles.uploadcare(query.profile.as_deref())?.grant(&caller, now)?;
        (UploadcareResponse::sign(&grant, &caller, uploadcare), grant.owner.map(Asked::of))
    };
    if let Some(Asked { subject, profile, reservations }) = asked {
        let quotas = app.ledger.room(&subject, &profile, &reservations).await;
        let quotas = quotas.map_err(|error| ApiError::of_issue(error, now))?;
        response.quota = quotas.iter().map(QuotaLine::of).collect();
    }
    Ok(NoStoreJson(response).into_response())
}

impl UploadcareResponse {
    fn sign(grant: &UploadcareGrant<'_>, caller: &Caller, uploadcare: &Uploadcare) -> Self {
        let label = grant.owner.as_ref().map(|owner| seal(owner, grant.expires_at, uploadcare));
        let signed = match &grant.token {
            None => Signed::Signature(SignatureResponse::sign(grant, uploadcare)),
            Some(limits) => Signed::Token(TokenResponse::sign(grant, limits, caller, uploadcare)),
        };
        let metadata = label.map(|label| (LABEL_KEY, label)).into_iter().collect();
        Self { signed, metadata, quota: BTreeMap::new() }
    }
}

fn seal(owner: &FileOwner<'_>, expires_at: UnixSeconds, uploadcare: &Uploadcare) -> String {
    let label = UploadLabel {
        subject: owner.subject.clone(),
        profile: owner.profile.to_owned(),
        expires_at: expires_at.0,
    };
    label.seal(&uploadcare.secret_key)
}

impl Asked {
    fn of(owner: FileOwner<'_>) -> Self {
        let FileOwner { subject, profile, reservations, .. } = owner;
        Self { subject, profile: profile.to_owned(), reservations }
    }
}

impl SignatureResponse {
    fn sign(grant: &UploadcareGrant<'_>, uploadcare: &Uploadcare) -> Self {
        let expire = grant.expires_at.to_string();
        let signature = upload_signature(&uploadcare.secret_key, &expire);
        Self { secure_signature: signature, secure_expire: expire.clone(), signature, expire }
    }
}

impl TokenResponse {
    fn sign(
        grant: &UploadcareGrant<'_>,
        limits: &TokenLimits<'_>,
        caller: &Caller,
        uploadcare: &Uploadcare,
    ) -> Self {
        let paths: Vec<_> = limits.paths.iter().map(String::as_str).collect();
        let token = UploadToken {
            issued_at: grant.issued_at.0,
            expires_at: grant.expires_at.0,
            subject: caller.subject(),
            operations: limits.operations,
            scope: &paths,
        };
        let auth_token = bearer_token(&uploadcare.secret_key, &token);
        Self { auth_token, expire: grant.expires_at.to_string() }
    }
}
