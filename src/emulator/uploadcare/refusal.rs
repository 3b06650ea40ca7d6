//! Why the Upload API refuses a request: the provider's status, text and code for each reason.
//!
//! Without `jsonerrors=1` the text is the body; with it the answer is a 200 that holds all three, because the provider's
//! own client can read nothing else.

use axum::Json;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use url::form_urlencoded;

use super::super::refusal::Refusal;
use super::super::store::StoreError;

/// A reason to say no, in the provider's words.
#[derive(Debug, thiserror::Error)]
pub(super) enum UploadRefusal {
    #[error("{0} is required.")]
    PublicKeyRequired(&'static str),
    #[error("{0} is invalid.")]
    PublicKeyInvalid(&'static str),
    #[error("`signature` is required.")]
    SignatureRequired,
    #[error("`expire` is required.")]
    ExpireRequired,
    #[error("`expire` must be a UNIX timestamp.")]
    ExpireInvalid,
    #[error("Expired signature.")]
    Expired,
    #[error("Invalid signature.")]
    SignatureInvalid,
    #[error("Request does not contain files.")]
    FilesRequired,
    #[error("File is too large.")]
    FileTooLarge,
    #[error("file_id is required.")]
    FileIdRequired,
    #[error("file_id is invalid.")]
    FileIdInvalid,
    #[error("File is not found.")]
    FileNotFound,
    #[error("{0} is required.")]
    MultipartFieldRequired(&'static str),
    #[error("{0} should be integer.")]
    MultipartFieldInvalid(&'static str),
    #[error("File size can not be less than {0} bytes. Please use direct upload instead of multipart.")]
    MultipartFileTooSmall(u64),
    #[error("File size exceeds project limit.")]
    MultipartFileTooLarge,
    #[error("Multipart Upload Part Size can not be less than {0} bytes.")]
    MultipartPartTooSmall(u64),
    #[error("Multipart Upload Part Size can not be more than {0} bytes.")]
    MultipartPartTooBig(u64),
    #[error("uuid is required.")]
    MultipartIdRequired,
    #[error("uuid is invalid.")]
    MultipartIdInvalid,
    #[error("File is not found.")]
    MultipartNotFound,
    #[error("File is already uploaded.")]
    MultipartAlreadyUploaded,
    #[error("File size mismatch. Not all parts uploaded?")]
    MultipartSizeMismatch,
    #[error("No files[N] parameters found.")]
    GroupFilesRequired,
    #[error("This is not valid file url: {0}.")]
    GroupFileUrlInvalid(String),
    #[error("Some files not found.")]
    GroupFilesNotFound,
    #[error("group_id is invalid.")]
    GroupNotFound,
    #[error("source_url is required.")]
    SourceUrlRequired,
    #[error("token is required.")]
    TokenRequired,
    #[error("Not emulated: {0}")]
    NotEmulated(&'static str),
    #[error("{0}")]
    Form(Refusal),
    #[error("Internal error.")]
    Store(#[from] StoreError),
}

impl UploadRefusal {
    fn code(&self) -> (u16, &'static str) {
        match self {
            Self::PublicKeyRequired(_) => (403, "ProjectPublicKeyRequiredError"),
            Self::PublicKeyInvalid(_) => (403, "ProjectPublicKeyInvalidError"),
            Self::SignatureRequired => (400, "SignatureRequiredError"),
            Self::ExpireRequired => (400, "SignatureExpirationRequiredError"),
            Self::ExpireInvalid => (400, "SignatureExpirationInvalidError"),
            Self::Expired => (403, "SignatureExpirationError"),
            Self::SignatureInvalid => (403, "SignatureInvalidError"),
            Self::FilesRequired => (400, "FilesRequiredError"),
            Self::FileTooLarge => (400, "FileSizeLimitExceededError"),
            Self::FileIdRequired => (400, "FileIdRequiredError"),
            Self::FileIdInvalid => (400, "FileIdInvalidError"),
            Self::FileNotFound => (404, "FileNotFoundError"),
            Self::MultipartFieldRequired("filename") => (400, "MultipartFileNameRequiredError"),
            Self::MultipartFieldRequired("content_type") => (400, "MultipartFileContentTypeRequiredError"),
            Self::MultipartFieldRequired(_) => (400, "MultipartFileSizeRequiredError"),
            Self::MultipartFieldInvalid(_) => (400, "MultipartFileSizeInvalidError"),
            Self::MultipartFileTooSmall(_) => (400, "MultipartFileSizeTooSmallError"),
            Self::MultipartFileTooLarge => (400, "MultipartFileSizeLimitExceededError"),
            Self::MultipartPartTooSmall(_) => (400, "MultipartPartSizeTooSmallError"),
            Self::MultipartPartTooBig(_) => (400, "MultipartPartSizeTooBigError"),
            Self::MultipartIdRequired => (400, "MultipartFileIdRequiredError"),
            Self::MultipartIdInvalid => (400, "UUIDInvalidError"),
            Self::MultipartNotFound => (404, "MultipartFileNotFoundError"),
            Self::MultipartAlreadyUploaded => (400, "MultipartFileAlreadyUploadedError"),
            Self::MultipartSizeMismatch => (400, "MultipartUploadSizeTooSmallError"),
            Self::GroupFilesRequired => (400, "GroupFilesInvalidError"),
            Self::GroupFileUrlInvalid(_) => (400, "GroupFileURLParsingFailedError"),
            Self::GroupFilesNotFound => (400, "GroupFilesNotFoundError"),
            Self::GroupNotFound => (404, "GroupNotFoundError"),
            Self::SourceUrlRequired => (400, "SourceURLRequiredError"),
            Self::TokenRequired => (400, "TokenRequiredError"),
            Self::NotEmulated(_) => (400, "NotEmulatedError"),
            Self::Form(Refusal::BodyTooLarge(_)) => (413, "RequestSizeLimitExceededError"),
            Self::Form(Refusal::Store(_)) | Self::Store(_) => (500, "InternalError"),
            Self::Form(_) => (400, "RequestParseError"),
        }
    }
}

impl From<Refusal> for UploadRefusal {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Store(cause) => Self::Store(cause),
            other => Self::Form(other),
        }
    }
}

/// A refusal on its way out, before it is known how the client wants it.
#[derive(Clone, Debug)]
struct Told {
    status: u16,
    code: &'static str,
    content: String,
}

impl IntoResponse for UploadRefusal {
    fn into_response(self) -> Response {
        if let Self::Store(cause) = &self {
            tracing::error!(%cause, "the emulator's store failed");
        }
        if matches!(self, Self::SignatureInvalid) {
            tracing::warn!("a signature was refused");
        }
        let ((status, code), content) = (self.code(), self.to_string());
        let plain = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
        let mut response = (plain, headers, content.clone()).into_response();
        response.extensions_mut().insert(Told { status, code, content });
        response
    }
}

/// Answers refusals as `jsonerrors` asks.
pub(super) async fn as_asked(request: Request, next: Next) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let response = next.run(request).await;
    let wants_json =
        form_urlencoded::parse(query.as_bytes()).any(|(name, value)| name == "jsonerrors" && value == "1");
    match response.extensions().get::<Told>() {
        Some(Told { status, code, content }) if wants_json => {
            let error = json!({ "status_code": status, "content": content, "error_code": code });
            Json(json!({ "error": error })).into_response()
        }
        _ => response,
    }
}
