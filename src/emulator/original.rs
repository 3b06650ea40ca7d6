//! A stored file on its way out: streamed, whole or in part, or not at all when the client has it already.
//!
//! What users store is theirs, not the emulator's: nothing is sniffed, and nothing that could hold a script runs.

use std::io::{Seek as _, SeekFrom};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::range::Wanted;
use super::refusal::Refusal;
use super::store::{Asset, AssetKey, ContentReader, Store};

/// How much is read at a time.
const PIECE_BYTES: u64 = 64 * 1024;

/// An asset with its open file.
#[derive(Debug)]
pub(super) struct Original {
    asset: Arc<Asset>,
    content: ContentReader,
}

impl Original {
    /// The asset under `key`, or the refusal that names its public id.
    pub(super) async fn open(store: &Store, key: &AssetKey) -> Result<Self, Refusal> {
        match store.open_content(key).await? {
            Some((asset, content)) => Ok(Self { asset, content }),
            None => Err(Refusal::NotFound(key.public_id.clone())),
        }
    }

    /// What is known about the file.
    pub(super) fn asset(&self) -> &Asset {
        &self.asset
    }

    /// Answers a request with these headers.
    pub(super) fn respond(mut self, request: &HeaderMap) -> Result<Response, Refusal> {
        if self.client_has_it(request) {
            return Ok((StatusCode::NOT_MODIFIED, self.validators()).into_response());
        }
        let size = self.asset.bytes;
        let (status, first, length) = match self.wanted(request) {
            Wanted::Everything => (StatusCode::OK, 0, size),
            Wanted::Bytes { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
            Wanted::Unsatisfiable => {
                let headers = [(CONTENT_RANGE, format!("bytes */{size}"))];
                return Ok((StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response());
            }
        };
        self.content.seek(SeekFrom::Start(first)).map_err(|cause| self.unreadable(cause))?;
        let mut response = (
            status,
            self.validators(),
            self.content_headers(),
            [(CONTENT_LENGTH, length.to_string())],
            Body::from_stream(pieces(self.content, length)),
        )
            .into_response();
        if status == StatusCode::PARTIAL_CONTENT {
            let range = format!("bytes {first}-{}/{size}", first + length - 1);
            if let Ok(range) = range.parse() {
                response.headers_mut().insert(CONTENT_RANGE, range);
            }
        }
        Ok(response)
    }

    fn unreadable(&self, cause: std::io::Error) -> Refusal {
        super::store::StoreError::File { doing: "read", path: self.asset.id.clone().into(), cause }.into()
    }

    fn etag(&self) -> String {
        format!("\"{}\"", self.asset.etag)
    }

    fn last_modified(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.asset.version())
    }

    fn validators(&self) -> [(HeaderName, String); 2] {
        let last_modified = httpdate::fmt_http_date(self.last_modified());
        [(ETAG, self.etag()), (LAST_MODIFIED, last_modified)]
    }

    fn content_headers(&self) -> [(HeaderName, String); 4] {
        // Chrome's own PDF viewer is the one thing that a sandbox would break.
        let policy = match self.asset.description.content_type.as_str() {
            "application/pdf" => "default-src 'none'; object-src 'self'; frame-ancestors *",
            _ => "sandbox; default-src 'none'; style-src 'unsafe-inline'",
        };
        [
            (CONTENT_TYPE, self.asset.description.content_type.clone()),
            (CONTENT_SECURITY_POLICY, policy.to_owned()),
            (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
            (ACCEPT_RANGES, "bytes".to_owned()),
        ]
    }

    /// RFC 9110: `If-None-Match` decides alone where it is given.
    fn client_has_it(&self, request: &HeaderMap) -> bool {
        if let Some(known) = text(request, &IF_NONE_MATCH) {
            let etag = self.etag();
            let mut known = known.split(',').map(str::trim);
            return known.any(|one| one == "*" || one.trim_start_matches("W/") == etag);
        }
        text(request, &IF_MODIFIED_SINCE)
            .and_then(|date| httpdate::parse_http_date(date).ok())
            .is_some_and(|date| self.last_modified() <= date)
    }

    /// A range counts only for the version that the client has a part of.
    fn wanted(&self, request: &HeaderMap) -> Wanted {
        let is_stale = text(request, &IF_RANGE).is_some_and(|known| known != self.etag());
        match text(request, &RANGE) {
            Some(range) if !is_stale => Wanted::parse(range, self.asset.bytes),
            _ => Wanted::Everything,
        }
    }
}

/// `attachment` or `inline`, with the file's name: plain for old clients, percent-encoded for the others (RFC 6266).
pub(super) fn disposition(kind: &str, name: &str) -> HeaderValue {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_. ()".contains(c);
    let plain = name.replace(|c| !is_plain(c), "_");
    let encoded = utf8_percent_encode(name, NON_ALPHANUMERIC);
    HeaderValue::try_from(format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}"))
        .unwrap_or_else(|_| HeaderValue::from_static("attachment"))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The next `length` bytes of `content`, a piece at a time.
fn pieces(content: ContentReader, length: u64) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    stream::try_unfold((content, length), |(content, length)| async move {
        let (piece, content) = content.next_piece(PIECE_BYTES.min(length)).await?;
        let length = length - piece.len() as u64;
        Ok((!piece.is_empty()).then_some((piece, (content, length))))
    })
}
