//! `/upload-signature`: signs one upload.

use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::extract::{ApiJson, ApiQuery, breaks, true_or_false};
use crate::auth::Caller;
use crate::clock::UnixSeconds;
use crate::profiles::{DEFAULT_PROFILE, Grant, NotAnUploadResourceType, UploadRequest};
use crate::signing::{Params, Signature};
use crate::state::{AppState, Cloudinary};

/// What a client asks for, as text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignatureQuery {
    profile: Option<String>,
    should_secure_asset: Option<String>,
    resource_type: Option<String>,
}

/// A signed permission to upload.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignatureResponse {
    payload: Params,
    signature: Signature,
    manual_signature: Signature,
    cloudname: String,
    api_key: String,
    expires_in: String,
    expires_at: UnixSeconds,
    server_time: UnixSeconds,
    upload_url: String,
}

/// Signs one upload for the caller, under a profile.
pub(super) async fn create(
    State(app): State<AppState>,
    caller: Caller,
    ApiQuery(query): ApiQuery<SignatureQuery>,
) -> Result<ApiJson<SignatureResponse>, ApiError> {
    let profile = app.profiles.get(query.profile.as_deref().unwrap_or(DEFAULT_PROFILE))?;
    let grant = profile.grant(&caller, query.try_into()?, app.clock.now())?;
    Ok(ApiJson(SignatureResponse::sign(grant, &app.cloudinary)))
}

impl TryFrom<SignatureQuery> for UploadRequest {
    type Error = ApiError;

    fn try_from(query: SignatureQuery) -> Result<Self, Self::Error> {
        let resource_type = query.resource_type.as_deref().map(str::parse);
        Ok(Self {
            should_secure_asset: true_or_false("should_secure_asset", query.should_secure_asset.as_deref())?,
            resource_type: resource_type
                .transpose()
                .map_err(|error: NotAnUploadResourceType| breaks("resource_type", error))?
                .unwrap_or_default(),
        })
    }
}

impl SignatureResponse {
    fn sign(grant: Grant, cloudinary: &Cloudinary) -> Self {
        Self {
            signature: cloudinary.signer.sign(&grant.params),
            manual_signature: cloudinary.signer.sign_by_hand(&grant.params),
            cloudname: cloudinary.cloud.clone(),
            api_key: cloudinary.api_key.clone(),
            expires_in: grant.lifetime.to_string(),
            expires_at: grant.expires_at(),
            server_time: grant.issued_at,
            upload_url: format!("{}/{}/upload", cloudinary.api_base, grant.resource_type.as_str()),
            payload: grant.params,
        }
    }
}
