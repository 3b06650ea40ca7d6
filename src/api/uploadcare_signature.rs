//! `/uploadcare-signature`: what the Uploadcare component asks for before it uploads.
//!
//! The answer has no envelope, because the component reads the top level, and it has both spellings of its fields that
//! the provider's examples use.
//!
//! Under a profile that asks for the ledger there are labels too, as metadata that clients send along: they attribute a
//! file once the provider reports it. Nothing is kept of a signature itself.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::extract::{ApiQuery, NoStoreJson};
use super::granting::QuotaLine;
use super::upload_labels::Labels;
use crate::auth::Caller;
use crate::profiles::{TokenLimits, UploadcareGrant};
use crate::signing::Signature;
use crate::signing::uploadcare::{UploadToken, bearer_token, upload_signature};
use crate::state::{AppState, Uploadcare};

/// What a client asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UploadcareQuery {
    profile: Option<String>,
    /// Whether each file gets a label of its own, which nobody can use again.
    #[serde(default)]
    per_file: bool,
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
    #[serde(flatten)]
    labels: Option<Labels>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    quota: BTreeMap<&'static str, QuotaLine>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Signed {
    Signature(SignatureResponse),
    Token(TokenResponse),
}

/// Signs uploads for the caller, under a profile.
pub(super) async fn create(
    State(app): State<AppState>,
    caller: Caller,
    ApiQuery(query): ApiQuery<UploadcareQuery>,
) -> Result<Response, ApiError> {
    let uploadcare = app.uploadcare.as_ref().ok_or(ApiError::NoUploadcare)?;
    let now = app.clock.now();
    // A copy: a reload must not wait for the ledger.
    let profile = app.profiles().uploadcare(query.profile.as_deref())?.clone();
    let grant = profile.grant(&caller, now)?;
    let signed = Signed::sign(&grant, &caller, uploadcare);
    let mut response = UploadcareResponse { signed, labels: None, quota: BTreeMap::new() };
    if let Some(owner) = &grant.owner {
        let quotas = app.ledger.room(&owner.subject, owner.profile, &owner.reservations).await;
        let quotas = quotas.map_err(|error| ApiError::of_issue(error, now))?;
        let key = &uploadcare.label_key;
        response.labels = Some(Labels::seal(owner, grant.expires_at, &quotas, query.per_file, key));
        response.quota = quotas.iter().map(QuotaLine::of).collect();
    }
    Ok(NoStoreJson(response).into_response())
}

impl Signed {
    fn sign(grant: &UploadcareGrant<'_>, caller: &Caller, uploadcare: &Uploadcare) -> Self {
        match &grant.token {
            None => Self::Signature(SignatureResponse::sign(grant, uploadcare)),
            Some(limits) => Self::Token(TokenResponse::sign(grant, limits, caller, uploadcare)),
        }
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
