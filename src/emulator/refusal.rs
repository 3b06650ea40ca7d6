//! Why a request is refused: the provider's own status and text for each reason.
//!
//! The body is always `{"error":{"message":"…"}}`, and the text is repeated in the header `X-Cld-Error`. The Node and
//! Ruby SDKs read the body of an upload only at 200, 400, 401, 404 and 500, so refusals of uploads use
//! nothing else, but for a key without permission: of that, only the SDKs' class for 403, `NotAllowed`, is known.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::store::StoreError;

/// The header that repeats the text of a refusal.
pub(super) const X_CLD_ERROR: HeaderName = HeaderName::from_static("x-cld-error");

/// Longest text repeated in the header.
const MAX_HEADER_TEXT: usize = 1_000;

/// What an upload without a signature may say, as the refusal lists it.
pub(super) const UNSIGNED_PARAMETERS: &str = "upload_preset,callback,public_id,folder,asset_folder,tags,context,\
metadata,face_coordinates,custom_coordinates,source,filename_override,manifest_transformation,manifest_json,template,\
template_vars,regions,public_id_prefix";

/// A reason to say no, in the provider's words.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("Invalid cloud_name {0}")]
    InvalidCloudName(String),
    #[error("Unknown API key {0}")]
    UnknownApiKey(String),
    #[error("cloud_name mismatch")]
    CloudMismatch,
    #[error("unknown api_key")]
    AdminUnknownApiKey,
    #[error("api_secret mismatch")]
    SecretMismatch,
    #[error("Authorization Required")]
    AuthorizationRequired,
    #[error("Invalid Signature {given}. String to sign - '{string}'.")]
    InvalidSignature { given: String, string: String },
    #[error("The API key {0} is not permitted to perform this operation")]
    NotPermitted(String),
    #[error("deny or ACL failure")]
    Denied,
    #[error("Stale request - reported time is {reported} which is more than 1 hour ago")]
    Stale { reported: String },
    #[error("Stale request - expired at {expired}")]
    Expired { expired: String },
    #[error("Missing required parameter - {0}")]
    MissingParameter(&'static str),
    #[error("Invalid value {value} for parameter {name}")]
    InvalidValue { name: &'static str, value: String },
    #[error("Upload preset must be specified when using unsigned upload")]
    PresetMissing,
    #[error("Upload preset not found")]
    PresetNotFound,
    #[error("Upload preset must be whitelisted for unsigned uploads")]
    PresetIsSigned,
    #[error(
        "{0} parameter is not allowed when using unsigned upload. Only {UNSIGNED_PARAMETERS} upload parameters are allowed."
    )]
    NotInUnsignedUploads(String),
    #[error("Empty file")]
    EmptyFile,
    #[error("Invalid image file")]
    InvalidImage,
    #[error("Unsupported video format or file")]
    InvalidVideo,
    #[error("File size too large. Got {got}. Maximum is {maximum}.")]
    FileTooLarge { got: u64, maximum: u64 },
    #[error("Unsupported source URL: {0}")]
    UnsupportedSource(String),
    #[error("{kind} file format {format} not allowed")]
    FormatNotAllowed { kind: &'static str, format: String },
    #[error("An unknown file format not allowed")]
    UnknownFormatNotAllowed,
    #[error("You don't have an active subscription for {0}")]
    NotSubscribed(String),
    #[error("{0} is invalid")]
    IsInvalid(String),
    #[error("Invalid search expression: {0}")]
    InvalidExpression(String),
    #[error("{name} {value} is not valid")]
    IsNotValid { name: &'static str, value: String },
    #[error("Detection invalid model '{0}'")]
    InvalidModel(String),
    #[error("Illegal value {value} for {name}")]
    IllegalValue { name: &'static str, value: String },
    #[error("Invalid {name} in transformation: {value}")]
    InvalidTransformation { name: &'static str, value: String },
    #[error("Unknown transformation {0}")]
    UnknownTransformation(String),
    /// The file is at this address, and whether to fetch it is decided once the caller is known.
    #[error("Not emulated: the file is a remote URL, and the emulator was not told to fetch any")]
    RemoteFile(String),
    #[error("Resource not found - {url}")]
    RemoteNotFound { url: String },
    #[error("Error in loading {url} - {reason}")]
    RemoteFailed { url: String, reason: String },
    #[error("to_public_id {0} already exists")]
    NameIsTaken(String),
    #[error("external id {0} already exists")]
    AlreadyExists(String),
    #[error("external id {0} already exists")]
    MetadataFieldExists(String),
    #[error("Transformation {0} already exists")]
    TransformationExists(String),
    #[error("Maximum number of metadata fields is {0}")]
    TooManyMetadataFields(usize),
    #[error("Maximum number of datasource values is {0}")]
    TooManyEntries(usize),
    #[error("{value} is not valid for the metadata field {id}")]
    InvalidMetadata { id: String, value: String },
    #[error("Can't find {kind} {name}")]
    CannotFind { kind: &'static str, name: String },
    #[error("Folder is not empty")]
    FolderNotEmpty,
    #[error("Invalid delete token")]
    InvalidDeleteToken,
    #[error("Moderation {0} moderation is not valid")]
    InvalidModeration(String),
    #[error("public_id ({0}) is invalid")]
    InvalidPublicId(String),
    #[error("public_id is too long")]
    PublicIdTooLong,
    #[error("Folder name {0} is not allowed")]
    FolderNotAllowed(String),
    #[error("Invalid URL for upload")]
    InvalidUploadUrl,
    #[error("Invalid Content-Range {0}")]
    InvalidContentRange(String),
    #[error("All parts except EOF-chunk must be larger than 5mb")]
    PartTooSmall,
    #[error("Too many uploads are open for this key")]
    TooManyOpenUploads,
    #[error("Resource not found - {0}")]
    NotFound(String),
    #[error("Invalid extension in transformation: {0}")]
    InvalidExtension(String),
    #[error("Maximum number of public_ids is {0}")]
    TooManyIds(usize),
    #[error("Maximum number of {name} is {maximum}")]
    TooManyOf { name: &'static str, maximum: usize },
    #[error("Not emulated: {0}")]
    NotEmulated(String),
    #[error("The body is not JSON: {0}")]
    Json(#[source] serde_json::Error),
    #[error("The body is not a JSON object")]
    JsonIsNotAnObject,
    #[error("The body is not what this call takes: {0}")]
    UnexpectedJson(#[source] serde_json::Error),
    #[error("The body is not a form: {}", form_problem(.0))]
    Multipart(#[source] multer::Error),
    #[error("The body broke off")]
    BodyBrokeOff(#[source] axum::Error),
    #[error("The body is larger than {0} bytes; send the file as a part of a multipart form")]
    BodyTooLarge(usize),
    #[error("Unsupported content type {0}")]
    UnsupportedContentType(String),
    #[error("Too many parameters")]
    TooManyFields,
    #[error("{0}")]
    Control(String),
    #[error(
        "The control API answers programs on this machine only: no page in a browser, and nothing behind a proxy"
    )]
    ControlForbidden,
    #[error("The Admin API answers no page in a browser")]
    PageForbidden,
    #[error(
        "The emulator answers to localhost and IP addresses only while it listens on loopback: \
         start it with --emulator-host to reach it by another name"
    )]
    HostNotAllowed,
    #[error("General Error")]
    Store(#[from] StoreError),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::InvalidCloudName(_)
            | Self::UnknownApiKey(_)
            | Self::CloudMismatch
            | Self::AdminUnknownApiKey
            | Self::SecretMismatch
            | Self::AuthorizationRequired
            | Self::InvalidSignature { .. }
            | Self::Denied => StatusCode::UNAUTHORIZED,
            Self::NotFound(_) | Self::CannotFind { .. } => StatusCode::NOT_FOUND,
            Self::AlreadyExists(_) | Self::TransformationExists(_) => StatusCode::CONFLICT,
            Self::NotSubscribed(_) => rate_limited(),
            Self::NotPermitted(_) | Self::PageForbidden | Self::ControlForbidden => StatusCode::FORBIDDEN,
            Self::HostNotAllowed => StatusCode::MISDIRECTED_REQUEST,
            Self::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match &self {
            Self::Store(cause) => tracing::error!(%cause, "the emulator's store failed"),
            Self::InvalidSignature { .. } => tracing::warn!("a signature was refused"),
            _ => {}
        }
        let message = self.to_string();
        let mut response = match self {
            Self::AuthorizationRequired => authorization_required(),
            _ => error_body(self.status(), &message),
        };
        response.headers_mut().insert(X_CLD_ERROR, header_text(&message));
        response
    }
}

/// The provider's own status for "not in your plan" and "too often", which no registry knows.
fn rate_limited() -> StatusCode {
    StatusCode::from_u16(420).unwrap_or(StatusCode::TOO_MANY_REQUESTS)
}

/// What is wrong with a form; where its body failed, what is wrong with the body.
fn form_problem(problem: &multer::Error) -> String {
    match problem {
        multer::Error::StreamReadFailed(cause) => cause.to_string(),
        other => other.to_string(),
    }
}

/// The JSON body of every error.
pub(super) fn error_body(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": { "message": message } }))).into_response()
}

/// Without credentials the Admin API answers with a web page.
fn authorization_required() -> Response {
    let headers = [(CONTENT_TYPE, "text/html"), (WWW_AUTHENTICATE, "Basic realm=\"Cloudinary API\"")];
    let page = "<html>\n<head><title>401 Authorization Required</title></head>\n<body>\n\
                <center><h1>401 Authorization Required</h1></center>\n</body>\n</html>\n";
    (StatusCode::UNAUTHORIZED, headers, page).into_response()
}

/// A text as a header can carry it: visible ASCII, cut where it gets long.
pub(super) fn header_text(text: &str) -> HeaderValue {
    let visible: String =
        text.chars().take(MAX_HEADER_TEXT).map(|c| if (' '..='~').contains(&c) { c } else { '?' }).collect();
    HeaderValue::try_from(visible).unwrap_or_else(|_| HeaderValue::from_static("?"))
}
