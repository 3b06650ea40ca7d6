//! The outermost layer: gives each request its id, each answer its headers, each failure its envelope, and the log its line.
//!
//! A service of its own and not a middleware function: nothing here is boxed or cloned for a request.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use bytes::Bytes;
use pin_project_lite::pin_project;
use tower::{BoxError, Service};

use crate::api::{self, Failure, StandingCell};
use crate::demo;
use crate::telemetry::RequestLine;

/// The header that names a request in answers and logs.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The outermost layer around `S`.
#[derive(Clone, Debug)]
pub struct Outermost<S>(S);

impl<S> Outermost<S> {
    /// Wraps `inner`.
    pub const fn new(inner: S) -> Self {
        Self(inner)
    }
}

impl<S, B> Service<Request> for Outermost<S>
where
    S: Service<Request, Response = Response<B>, Error = Infallible>,
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let standing = StandingCell::default();
        request.extensions_mut().insert(standing.clone());
        let (own_id, id) = request_ids(request.headers());
        // Handlers and the audit know the request by our own id, with the client's behind it.
        let full_id = if id == own_id { own_id.clone() } else { joined(&own_id, &id) };
        request.headers_mut().insert(X_REQUEST_ID, full_id);
        let named = Named {
            standing,
            began: Instant::now(),
            method: request.method().clone(),
            route: route_template(request.uri().path()),
            own_id,
            id,
        };
        Answering { inner: self.0.call(request), named: Some(named) }
    }
}

pin_project! {
    /// An answer on its way.
    #[derive(Debug)]
    pub struct Answering<F> {
        #[pin]
        inner: F,
        named: Option<Named>,
    }
}

/// What is known of a request after it has been passed on.
#[derive(Debug)]
struct Named {
    began: Instant,
    method: Method,
    route: &'static str,
    /// Ours, never the client's.
    own_id: HeaderValue,
    /// The one that the answer carries.
    id: HeaderValue,
    standing: StandingCell,
}

impl<F, B> Future for Answering<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(answer) = ready!(this.inner.poll(context));
        let answer = answer.map(Body::new);
        Poll::Ready(Ok(match this.named.take() {
            Some(named) => named.finish(answer),
            None => answer,
        }))
    }
}

impl Named {
    fn finish(self, answer: Response<Body>) -> Response<Body> {
        let id = self.id.to_str().unwrap_or_default();
        let status = answer.status();
        let is_failure = status.is_client_error() || status.is_server_error();
        let (mut answer, code) = if is_failure { in_envelope(answer, id) } else { (answer, None) };
        let (method, route, duration) = (&self.method, self.route, self.began.elapsed());
        let own_id = (self.own_id != self.id).then(|| self.own_id.to_str().unwrap_or_default());
        RequestLine { method, route, status, code, duration, request_id: id, own_id }.log();
        self.standing.write(answer.headers_mut());
        set_common_headers(answer.headers_mut(), self.id);
        answer
    }
}

/// The failure that a handler left, or what the bare status means, as a body; and its code.
fn in_envelope(answer: Response<Body>, request_id: &str) -> (Response<Body>, Option<&'static str>) {
    let (mut parts, _) = answer.into_parts();
    let failure = parts.extensions.remove::<Failure>().unwrap_or_else(|| Failure::of_status(parts.status));
    let code = failure.code;
    (failure.respond(parts.status, parts.headers, request_id), Some(code))
}

/// The template of the route that a path leads to, or `-`: a path itself may carry what no log should.
fn route_template(path: &str) -> &'static str {
    let known = api::PATHS.iter().chain(demo::PATHS).copied();
    known.into_iter().find(|template| leads_to(template, path)).unwrap_or("-")
}

fn leads_to(template: &str, path: &str) -> bool {
    if !template.contains('{') {
        return template == path;
    }
    let stands_for = |template: &str, segment: &str| {
        if template.starts_with('{') { !segment.is_empty() } else { template == segment }
    };
    let (mut templates, mut segments) = (template.split('/'), path.split('/'));
    loop {
        match (templates.next(), segments.next()) {
            (None, None) => return true,
            (Some(template), Some(segment)) if stands_for(template, segment) => {}
            _ => return false,
        }
    }
}

/// Our own id of a request, which is random, and the one that the answer carries: the client's if it is a plain word, so
/// that logs on both sides agree, or else ours.
fn request_ids(headers: &HeaderMap) -> (HeaderValue, HeaderValue) {
    let own = random_id();
    let id = headers.get(X_REQUEST_ID).filter(|id| is_plain(id.as_bytes())).unwrap_or(&own).clone();
    (own, id)
}

/// An id of our own.
pub(crate) fn random_id() -> HeaderValue {
    let text = hex::encode(rand::random::<u64>().to_be_bytes());
    HeaderValue::try_from(text).expect("hexadecimal digits may stand in a header")
}

/// A word that means the same in every log.
fn is_plain(id: &[u8]) -> bool {
    const MAX_LENGTH: usize = 64;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=MAX_LENGTH).contains(&id.len()) && id.iter().all(plain)
}

/// `OURS/THEIRS`: a plain word has no slash.
fn joined(own: &HeaderValue, given: &HeaderValue) -> HeaderValue {
    let text = [own.as_bytes(), b"/", given.as_bytes()].concat();
    HeaderValue::from_bytes(&text).expect("two header values and a slash may stand in a header")
}

/// The id that the answer to a request carries, if it has one yet: what a client sent, or what this layer made of it.
pub(crate) fn answered_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let given = headers.get(X_REQUEST_ID).map(HeaderValue::as_bytes).unwrap_or_default();
    let last = given.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    HeaderValue::from_bytes(last).ok().filter(|_| is_plain(last))
}

/// The answer to a request that panicked, whole: no other layer may touch it.
pub(crate) fn panicked(request_id: &HeaderValue) -> Response<Body> {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    let id = request_id.to_str().unwrap_or_default();
    let mut answer = Failure::of_status(status).respond(status, HeaderMap::new(), id);
    set_common_headers(answer.headers_mut(), request_id.clone());
    answer
}

/// Nothing here may be sniffed, framed or leak an address; a page that needs more says so itself.
fn set_common_headers(headers: &mut HeaderMap, request_id: HeaderValue) {
    headers.insert(X_REQUEST_ID, request_id);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_its_template() {
        for (source, paths) in
            [(include_str!("api/mod.rs"), api::PATHS), (include_str!("demo/mod.rs"), demo::PATHS)]
        {
            let routes: Vec<_> =
                source.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
            assert_eq!(routes, paths);
        }
    }

    #[test]
    fn what_leads_nowhere_is_a_dash() {
        for (path, expected) in [
            ("/upload-signature", "/upload-signature"),
            ("/upload-signature/", "-"),
            ("/static/demo.js", "/static/{name}"),
            ("/static/", "-"),
            ("/static/a/b", "-"),
            ("/kyc/secret", "-"),
            ("/uploads/0000", "/uploads/{id}"),
            ("/uploads/0000/confirm", "/uploads/{id}/confirm"),
            ("/uploads//confirm", "-"),
            ("/uploads/0000/other", "-"),
        ] {
            assert_eq!(route_template(path), expected, "{path}");
        }
    }
}
