//! `/uploadcare-signature`: what the Uploadcare component asks for before it uploads.
//!
//! The answer has no envelope, because the component reads the top level, and it has both spellings of its fields that
//! the provider's examples use.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::extract::{ApiQuery, NoStoreJson};
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

/// Signs uploads for the caller, under a profile.
pub(super) async fn create(
    State(app): State<AppState>,
    caller: Caller,
    ApiQuery(query): ApiQuery<UploadcareQuery>,
) -> Result<Response, ApiError> {
    let uploadcare = app.uploadcare.as_deref().ok_or(ApiError::NoUploadcare)?;
    let profiles = app.profiles();
    let profile = profiles.uploadcare(query.profile.as_deref())?;
    let grant = profile.grant(&caller, app.clock.now())?;
    Ok(match &grant.token {
        None => NoStoreJson(SignatureResponse::sign(&grant, uploadcare)).into_response(),
        Some(limits) => NoStoreJson(TokenResponse::sign(&grant, limits, &caller, uploadcare)).into_response(),
    })
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
