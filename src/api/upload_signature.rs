//! `/upload-signature`: signs uploads. GET for one, POST for parameters of the client's own, many at once, the
//! parameters that an upload widget composed, or one more signature for an upload that was not used.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::extract::{ApiBody, ApiJson, ApiQuery, NoStoreJson, Origin, breaks, true_or_false};
use super::granting::{Granted, Kept, QuotaLine};
use super::{ApiError, granting};
use crate::auth::Caller;
use crate::clock::UnixSeconds;
use crate::profiles::{
    Approved, DEFAULT_PROFILE, NotAnUploadResourceType, Profiles, UploadId, UploadRequest, UploadResourceType,
};
use crate::signing::{ParamValue, Params, Signature};
use crate::state::{AppState, Cloudinary};

/// The most bytes of a body.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// What a client asks for in a query, as text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignatureQuery {
    profile: Option<String>,
    should_secure_asset: Option<String>,
    resource_type: Option<String>,
}

/// What a client asks for in a body: one upload, `uploads`, `paramsToSign`, or a renewal by `uploadId`.
#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct SignatureRequest {
    profile: Option<String>,
    should_secure_asset: Option<bool>,
    resource_type: Option<String>,
    params: Option<BTreeMap<String, ParamValue>>,
    #[validate(length(min = 1, max = 100, message = "must hold 1 to 100 items"))]
    uploads: Option<Vec<UploadItem>>,
    #[serde(rename = "paramsToSign")]
    params_to_sign: Option<BTreeMap<String, ParamValue>>,
    #[serde(rename = "uploadId")]
    upload_id: Option<String>,
}

/// One of many uploads.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct UploadItem {
    profile: Option<String>,
    should_secure_asset: Option<bool>,
    resource_type: Option<String>,
    params: BTreeMap<String, ParamValue>,
}

/// A signed permission to upload.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignatureResponse {
    payload: Params,
    signature: Signature,
    #[serde(skip_serializing_if = "Option::is_none")]
    manual_signature: Option<Signature>,
    cloudname: String,
    api_key: String,
    expires_in: String,
    expires_at: UnixSeconds,
    server_time: UnixSeconds,
    upload_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload_id: Option<UploadId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<BTreeMap<&'static str, QuotaLine>>,
}

/// The answer to `paramsToSign`: widgets read the top level.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ApprovedResponse {
    status: &'static str,
    signature: Signature,
    expires_at: UnixSeconds,
    server_time: UnixSeconds,
}

/// Signs one upload for the caller, under a profile.
pub(super) async fn create(
    State(app): State<AppState>,
    caller: Caller,
    origin: Origin,
    ApiQuery(query): ApiQuery<SignatureQuery>,
) -> Result<ApiJson<SignatureResponse>, ApiError> {
    let granted =
        granting::grant(&app, &app.profiles(), &caller, query.profile.as_deref(), query.request()?)?;
    let kept = granted.keep(&app, &caller, &origin).await?;
    Ok(ApiJson(SignatureResponse::sign(kept, &app.cloudinary)))
}

/// Signs what the body asks for: one upload, up to 100, a widget's parameters, or an unused upload once more.
pub(super) async fn create_from_body(
    State(app): State<AppState>,
    caller: Caller,
    origin: Origin,
    ApiQuery(query): ApiQuery<ProfileQuery>,
    ApiBody(mut request): ApiBody<SignatureRequest, MAX_BODY_BYTES>,
) -> Result<Response, ApiError> {
    request.take_profile_of(query)?;
    let answer = |kept| SignatureResponse::sign(kept, &app.cloudinary);
    match (request.uploads.take(), request.params_to_sign.take(), request.upload_id.take()) {
        (None, None, None) => {
            let kept = request.into_item().grant(&app, &app.profiles(), &caller)?.keep(&app, &caller, &origin).await?;
            Ok(ApiJson(answer(kept)).into_response())
        }
        (Some(uploads), None, None) if request.is_otherwise_empty() => {
            origin.meter.charge(&app, uploads.len())?;
            let granted = grant_many(&app, &caller, uploads)?;
            let kept = granting::keep_all(&app, &caller, granted, &origin).await?;
            Ok(ApiJson(kept.into_iter().map(answer).collect::<Vec<_>>()).into_response())
        }
        (None, Some(asked), None) if request.names_a_profile_at_most() => {
            approve(&app, &caller, request.profile.as_deref(), asked)
        }
        (None, None, Some(id)) if request.is_otherwise_empty() => {
            let kept = granting::renew(&app, &caller, &id, &origin).await?;
            Ok(ApiJson(answer(kept)).into_response())
        }
        _ => Err(ApiError::InvalidBody(
            "the body must ask for one thing: an upload (profile, params, resource_type), `uploads`, `paramsToSign`, \
             or `uploadId`"
                .to_owned(),
        )),
    }
}

/// A widget's endpoint is a plain URL, so that its profile can stand in the query.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileQuery {
    profile: Option<String>,
}

/// The first upload that is refused is named by its index. All are held against the same profiles, whatever is reloaded
/// meanwhile.
fn grant_many(app: &AppState, caller: &Caller, uploads: Vec<UploadItem>) -> Result<Vec<Granted>, ApiError> {
    let profiles = app.profiles();
    let grant = |(index, upload): (usize, UploadItem)| {
        upload.grant(app, &profiles, caller).map_err(|error| error.at(format_args!("uploads[{index}]")))
    };
    uploads.into_iter().enumerate().map(grant).collect()
}

/// Signs a widget's own parameters, if they are what the profile fixes or opens.
fn approve(
    app: &AppState,
    caller: &Caller,
    profile: Option<&str>,
    asked: BTreeMap<String, ParamValue>,
) -> Result<Response, ApiError> {
    let profiles = app.profiles();
    let profile = profiles.get(profile.unwrap_or(DEFAULT_PROFILE))?;
    let server_time = app.clock.now();
    let Approved { params, expires_at } = profile.approve(caller, asked, server_time)?;
    let signature = app.cloudinary.signer.sign(&params);
    let response = ApprovedResponse { status: "success", signature, expires_at, server_time };
    Ok(NoStoreJson(response).into_response())
}

fn parse_resource_type(text: Option<&str>) -> Result<Option<UploadResourceType>, NotAnUploadResourceType> {
    text.map(str::parse).transpose()
}

impl SignatureQuery {
    fn request(&self) -> Result<UploadRequest, ApiError> {
        let resource_type = parse_resource_type(self.resource_type.as_deref());
        Ok(UploadRequest {
            should_secure_asset: true_or_false("should_secure_asset", self.should_secure_asset.as_deref())?,
            resource_type: resource_type.map_err(|error| breaks("resource_type", error))?,
            params: BTreeMap::new(),
        })
    }
}

impl SignatureRequest {
    fn take_profile_of(&mut self, query: ProfileQuery) -> Result<(), ApiError> {
        if query.profile.is_some() && self.profile.is_some() && query.profile != self.profile {
            return Err(breaks("profile", "differs from the profile in the body: leave one of them out"));
        }
        self.profile = self.profile.take().or(query.profile);
        Ok(())
    }

    const fn names_a_profile_at_most(&self) -> bool {
        self.should_secure_asset.is_none() && self.resource_type.is_none() && self.params.is_none()
    }

    const fn is_otherwise_empty(&self) -> bool {
        self.names_a_profile_at_most() && self.profile.is_none()
    }

    fn into_item(self) -> UploadItem {
        UploadItem {
            profile: self.profile,
            should_secure_asset: self.should_secure_asset,
            resource_type: self.resource_type,
            params: self.params.unwrap_or_default(),
        }
    }
}

impl UploadItem {
    fn grant(self, app: &AppState, profiles: &Profiles, caller: &Caller) -> Result<Granted, ApiError> {
        let resource_type = parse_resource_type(self.resource_type.as_deref())
            .map_err(|error| ApiError::InvalidBody(format!("resource_type {error}")))?;
        let request = UploadRequest {
            should_secure_asset: self.should_secure_asset,
            resource_type,
            params: self.params,
        };
        granting::grant(app, profiles, caller, self.profile.as_deref(), request)
    }
}

impl SignatureResponse {
    fn sign(kept: Kept, cloudinary: &Cloudinary) -> Self {
        let Kept { grant, upload_id, quota } = kept;
        let (signature, manual_signature) = cloudinary.signer.sign_with_manual(&grant.params);
        Self {
            signature,
            manual_signature,
            cloudname: cloudinary.cloud.clone(),
            api_key: cloudinary.api_key.clone(),
            expires_in: grant.lifetime.to_string(),
            expires_at: grant.expires_at(),
            server_time: grant.issued_at,
            upload_url: format!("{}/{}/upload", cloudinary.api_base, grant.resource_type.as_str()),
            payload: grant.params,
            upload_id,
            quota,
        }
    }
}
