//! Who is heard while callers are not authenticated.
//!
//! Then every page in a browser on this machine could call this server, and two checks keep the pages of others out:
//!
//! - The request must be addressed to a name that is this server's. A name of somebody else's can be pointed at this
//!   machine once their page has been loaded (DNS rebinding), and the browser would take this server for theirs.
//! - A request from a page must come from this server's own pages, or from an origin that was allowed.
//!
//! Exempt are what a link may lead to and what monitors and providers call: pages, their assets, health, webhooks.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use axum::response::IntoResponse as _;
use futures_util::future::Either;
use tower::Service;
use url::Url;

use crate::api::ApiError;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The demo pages.
const PAGES: [&str; 3] = ["/", "/unsigned", "/uploadcare"];
/// What monitors and providers call.
const CALLED_FROM_ELSEWHERE: [&str; 4] =
    ["/livez", "/readyz", "/webhooks/cloudinary", "/webhooks/uploadcare"];

/// The names and origins of a server that does not authenticate its callers.
#[derive(Clone, Debug)]
pub struct HostRules {
    /// Names beside `localhost` and IP addresses, in lower case and without a dot at the end.
    names: Vec<String>,
    /// Origins whose pages may call, beside those at the name that a request is addressed to.
    origins: Vec<HeaderValue>,
}

impl HostRules {
    /// The rules of a server at `public_url` and under `allowed_hosts`, which pages of `allowed_origins` may call.
    pub fn new(allowed_hosts: &[String], public_url: Option<&str>, allowed_origins: &[HeaderValue]) -> Self {
        let public = public_url.and_then(|url| Url::parse(url).ok());
        let public_name = public.as_ref().and_then(Url::host_str).map(str::to_owned);
        // Behind a proxy that ends TLS this origin is not what a request is addressed to.
        let public_origin =
            public.and_then(|url| HeaderValue::try_from(url.origin().ascii_serialization()).ok());
        let names = allowed_hosts.iter().cloned().chain(public_name);
        Self {
            names: names.map(|name| without_dot(&name).to_ascii_lowercase()).collect(),
            origins: allowed_origins.iter().cloned().chain(public_origin).collect(),
        }
    }

    /// Refuses a request that another's page may have sent.
    fn check<B>(&self, request: &axum::http::Request<B>) -> Result<(), ApiError> {
        let refusal = if !self.is_addressed_here(request) {
            ApiError::HostNotAllowed
        } else if !self.is_from_here(request.headers()) {
            ApiError::OriginNotAllowed
        } else {
            return Ok(());
        };
        if is_exempt(request) { Ok(()) } else { Err(refusal) }
    }

    /// Whether every name that the request gives this server is its own. HTTP/1.0 may give none.
    fn is_addressed_here<B>(&self, request: &axum::http::Request<B>) -> bool {
        let target = request.uri().authority().map(axum::http::uri::Authority::as_str);
        let mut hosts = request.headers().get_all(HOST).iter();
        target.is_none_or(|host| self.is_ours(host))
            && hosts.all(|host| host.to_str().is_ok_and(|host| self.is_ours(host)))
    }

    fn is_ours(&self, host: &str) -> bool {
        is_local(host)
            || name_of(host).is_some_and(|name| self.names.iter().any(|ours| ours.eq_ignore_ascii_case(name)))
    }

    /// Whether the request comes from no page, from one of ours, or from one that may call.
    fn is_from_here(&self, headers: &HeaderMap) -> bool {
        if !headers.contains_key(ORIGIN) {
            return headers.get(SEC_FETCH_SITE).is_none_or(|site| site != "cross-site");
        }
        let host = headers.get(HOST);
        headers.get_all(ORIGIN).iter().all(|origin| {
            host.is_some_and(|host| is_origin_of(host, origin))
                || self.origins.iter().any(|allowed| allowed == origin)
        })
    }
}

/// Whether `origin` is that of a page which was loaded from `host`: this server itself speaks plain HTTP only.
fn is_origin_of(host: &HeaderValue, origin: &HeaderValue) -> bool {
    let host = host.as_bytes();
    let host = host.strip_suffix(b":80").unwrap_or(host);
    origin.as_bytes().strip_prefix(b"http://").is_some_and(|origin| origin.eq_ignore_ascii_case(host))
}

/// Whether nobody but this machine's owner decides where `host` leads: `localhost`, names below it, IP addresses; with or
/// without a port.
pub(crate) fn is_local(host: &str) -> bool {
    const LOCALHOST: &str = "localhost";
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').is_some_and(|(address, port)| {
            address.parse::<Ipv6Addr>().is_ok()
                && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        });
    }
    let Some(name) = name_of(host) else { return false };
    let is_below = |name: &str| {
        let at =
            name.len().checked_sub(LOCALHOST.len() + 1).filter(|at| *at > 0 && name.is_char_boundary(*at));
        at.map(|at| &name[at..])
            .and_then(|end| end.strip_prefix('.'))
            .is_some_and(|end| end.eq_ignore_ascii_case(LOCALHOST))
    };
    name.eq_ignore_ascii_case(LOCALHOST) || is_below(name) || name.parse::<Ipv4Addr>().is_ok()
}

/// The name in `name` or `name:port`, without a dot at its end.
fn name_of(host: &str) -> Option<&str> {
    let name = match host.split_once(':') {
        Some((name, port)) => is_port(port).then_some(name)?,
        None => host,
    };
    Some(without_dot(name))
}

fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

fn is_port(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a request does no harm whoever sent it.
fn is_exempt<B>(request: &axum::http::Request<B>) -> bool {
    let path = request.uri().path();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    // What browsers that say so call a navigation, and any request of a client that does not say.
    let is_navigation = || request.headers().get(SEC_FETCH_MODE).is_none_or(|mode| mode == "navigate");
    path.starts_with("/static/")
        || CALLED_FROM_ELSEWHERE.contains(&path)
        || (is_read && PAGES.contains(&path) && is_navigation())
}

/// The checks around `S`; nothing at all where there are no rules.
#[derive(Clone, Debug)]
pub struct HostCheck<S> {
    inner: S,
    rules: Option<Arc<HostRules>>,
}

impl<S> HostCheck<S> {
    /// Wraps `inner`.
    pub const fn new(inner: S, rules: Option<Arc<HostRules>>) -> Self {
        Self { inner, rules }
    }
}

impl<S, B> Service<Request> for HostCheck<S>
where
    S: Service<Request, Response = Response<B>, Error = Infallible>,
    B: Default,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Response<B>, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.rules.as_ref().map_or(Ok(()), |rules| rules.check(&request)) {
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(refusal) => Either::Right(ready(Ok(answer(refusal)))),
        }
    }
}

/// The body is written further out, where the request's id is known.
fn answer<B: Default>(refusal: ApiError) -> Response<B> {
    let mut response = refusal.into_response().map(|_body| B::default());
    response.headers_mut().insert(VARY, HeaderValue::from_static("origin"));
    response
}

#[cfg(test)]
#[path = "host_tests.rs"]
mod tests;
