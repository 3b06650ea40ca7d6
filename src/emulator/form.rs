//! Reads a request's query and body: multipart, form or JSON. A file streams to disk, whatever its size.
//!
//! Fields may come after the file, so nothing is judged here: the file waits in the store's incoming folder until the
//! caller has been authenticated, and is gone when it is dropped.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, BodyDataStream, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue};
use futures_util::Stream;
use http_body_util::LengthLimitError;
use multer::{Field, Multipart};

use super::Backend;
use super::data_uri::Source;
use super::fields::Fields;
use super::refusal::Refusal;
use super::store::{Incoming, IncomingFile};

/// Largest body that is not multipart, and largest text field of one that is.
const MAX_TEXT_BYTES: usize = 8 * 1024 * 1024;

/// How much of a multipart body may be held back at once: more means a header or a boundary that never ends.
const MAX_BACKLOG_BYTES: usize = 8 * 1024 * 1024;

/// A request's named values and its file.
#[derive(Debug, Default)]
pub(super) struct Form {
    pub fields: Fields,
    /// What came as `file`; a refusal waits until the caller is known.
    pub file: Option<Result<FilePart, Refusal>>,
    /// Whether the file is a part of a larger one.
    is_part: bool,
}

/// A file that came with a request.
#[derive(Debug)]
pub(super) struct FilePart {
    pub content: Incoming,
    /// As the client names it; none for data URIs.
    pub name: Option<String>,
}

impl Form {
    /// Reads everything the request says.
    pub(super) async fn read(backend: &Backend, request: Request) -> Result<Self, Refusal> {
        Self::read_part(backend, request, false).await
    }

    /// The same for a file that may be a part of a larger one.
    pub(super) async fn read_part(
        backend: &Backend,
        request: Request,
        is_part: bool,
    ) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let mut form = Self { is_part, ..Self::default() };
        if let Some(query) = parts.uri.query() {
            form.fields.add_urlencoded(query.as_bytes())?;
        }
        match Encoding::of(&parts.headers)? {
            Encoding::Multipart(boundary) => form.read_multipart(backend, body, boundary).await?,
            Encoding::Urlencoded => form.fields.add_urlencoded(&read_text(body).await?)?,
            Encoding::Json => form.fields.add_json(&read_text(body).await?)?,
            Encoding::None => {}
        }
        if let (None, Some(text)) = (&form.file, form.fields.take("file")) {
            let mut source = Source::new(backend, form.is_part);
            source.push(text.as_bytes()).await?;
            form.file = Some(source.finish().await.map(FilePart::unnamed));
        }
        Ok(form)
    }

    async fn read_multipart(
        &mut self,
        backend: &Backend,
        body: Body,
        boundary: String,
    ) -> Result<(), Refusal> {
        let backlog = Backlog::default();
        let mut multipart = Multipart::new(PiecewiseBody::new(body, backlog.clone()), boundary);
        while let Some(field) = multipart.next_field().await.map_err(Refusal::Multipart)? {
            backlog.clear();
            match Part::of(&field) {
                Part::Nothing => {}
                Part::File(name) => {
                    let limit = backend.limits.request_file_bytes;
                    let file = backend.store.incoming(limit, self.is_part);
                    let content = receive(file, field, &backlog).await?;
                    // A browser sends an empty part without a name when no file was chosen.
                    if content.bytes > 0 || name.as_deref() != Some("") {
                        self.file = Some(Ok(FilePart { content, name }));
                    }
                }
                Part::Source => {
                    let source = Source::new(backend, self.is_part);
                    let source = receive_source(source, field, &backlog).await?;
                    self.file = Some(source.map(FilePart::unnamed));
                }
                Part::Text(name) => self.fields.add(&name, read_field(field, &backlog).await?)?,
            }
        }
        Ok(())
    }
}

impl FilePart {
    const fn unnamed(content: Incoming) -> Self {
        Self { content, name: None }
    }
}

/// How a body spells its values.
pub(super) enum Encoding {
    Multipart(String),
    Urlencoded,
    Json,
    None,
}

impl Encoding {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let Some(header) = headers.get(CONTENT_TYPE) else {
            return Ok(Self::None);
        };
        let text = String::from_utf8_lossy(header.as_bytes());
        let essence = text.split(';').next().unwrap_or_default().trim();
        match essence.to_ascii_lowercase().as_str() {
            "multipart/form-data" => {
                multer::parse_boundary(&text).map(Self::Multipart).map_err(Refusal::Multipart)
            }
            "application/x-www-form-urlencoded" => Ok(Self::Urlencoded),
            "application/json" => Ok(Self::Json),
            "" => Ok(Self::None),
            _ => Err(Refusal::UnsupportedContentType(essence.to_owned())),
        }
    }
}

/// What a part of a multipart body is.
enum Part {
    File(Option<String>),
    /// A data URI or an address in a text field named `file`.
    Source,
    Text(String),
    Nothing,
}

impl Part {
    fn of(field: &Field<'_>) -> Self {
        let content_type = field.headers().get(CONTENT_TYPE);
        let is_text = |value: &HeaderValue| value.as_bytes().starts_with(b"text/");
        match field.name() {
            Some("file") => match (field.file_name(), content_type) {
                (Some(name), _) => Self::File(Some(name.to_owned())),
                (None, Some(value)) if !is_text(value) => Self::File(None),
                (None, _) => Self::Source,
            },
            Some(name) => Self::Text(name.to_owned()),
            None => Self::Nothing,
        }
    }
}

/// Streams a part to disk.
pub(super) async fn receive(
    mut file: IncomingFile,
    mut field: Field<'_>,
    backlog: &Backlog,
) -> Result<Incoming, Refusal> {
    while let Some(piece) = field.chunk().await.map_err(Refusal::Multipart)? {
        backlog.clear();
        file.write(piece).await?;
    }
    Ok(file.finish().await?)
}

/// Streams the file inside a data URI to disk.
async fn receive_source(
    mut source: Source<'_>,
    mut field: Field<'_>,
    backlog: &Backlog,
) -> Result<Result<Incoming, Refusal>, Refusal> {
    while let Some(piece) = field.chunk().await.map_err(Refusal::Multipart)? {
        backlog.clear();
        source.push(&piece).await?;
    }
    Ok(source.finish().await)
}

pub(super) async fn read_field(mut field: Field<'_>, backlog: &Backlog) -> Result<String, Refusal> {
    let mut text = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(Refusal::Multipart)? {
        backlog.clear();
        if text.len() + piece.len() > MAX_TEXT_BYTES {
            return Err(Refusal::BodyTooLarge(MAX_TEXT_BYTES));
        }
        text.extend_from_slice(&piece);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

pub(super) async fn read_text(body: Body) -> Result<Bytes, Refusal> {
    match to_bytes(body, MAX_TEXT_BYTES).await {
        Ok(text) => Ok(text),
        Err(cause) if is_too_long(&cause) => Err(Refusal::BodyTooLarge(MAX_TEXT_BYTES)),
        Err(cause) => Err(Refusal::BodyBrokeOff(cause)),
    }
}

fn is_too_long(cause: &axum::Error) -> bool {
    cause.source().is_some_and(<dyn Error>::is::<LengthLimitError>)
}

/// How many bytes the multipart parser took and has not handed on.
#[derive(Clone, Debug, Default)]
pub(super) struct Backlog(Arc<AtomicUsize>);

impl Backlog {
    pub(super) fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn grow(&self, bytes: usize) -> usize {
        self.0.fetch_add(bytes, Ordering::Relaxed) + bytes
    }
}

/// A body that hands out one piece at a time. The multipart parser takes all there is before it looks at any of it,
/// so without this a fast client would fill the memory.
pub(super) struct PiecewiseBody {
    stream: BodyDataStream,
    backlog: Backlog,
    just_gave: bool,
}

impl PiecewiseBody {
    pub(super) fn new(body: Body, backlog: Backlog) -> Self {
        Self { stream: body.into_data_stream(), backlog, just_gave: false }
    }
}

/// What ends a body early.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyFailure {
    #[error("the body broke off")]
    BrokeOff(#[source] axum::Error),
    #[error("a part header or a boundary never ends")]
    Endless,
}

impl Stream for PiecewiseBody {
    type Item = Result<Bytes, BodyFailure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.just_gave) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Poll::Ready(next) = Pin::new(&mut self.stream).poll_next(context) else {
            return Poll::Pending;
        };
        Poll::Ready(next.map(|piece| {
            let piece = piece.map_err(BodyFailure::BrokeOff)?;
            self.just_gave = true;
            if self.backlog.grow(piece.len()) > MAX_BACKLOG_BYTES {
                return Err(BodyFailure::Endless);
            }
            Ok(piece)
        }))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use futures_util::task::noop_waker_ref;

    use super::*;

    #[test]
    fn a_body_pauses_after_every_piece_so_that_the_parser_looks_at_it() {
        let pieces = ["a", "b"].map(|text| Ok::<_, std::io::Error>(Bytes::from(text)));
        let backlog = Backlog::default();
        let mut body = PiecewiseBody::new(Body::from_stream(stream::iter(pieces)), backlog.clone());
        let mut poll = || Pin::new(&mut body).poll_next(&mut Context::from_waker(noop_waker_ref()));
        assert!(matches!(poll(), Poll::Ready(Some(Ok(_)))));
        assert!(poll().is_pending());
        assert!(matches!(poll(), Poll::Ready(Some(Ok(_)))));
        assert_eq!(backlog.grow(0), 2);
    }
}
