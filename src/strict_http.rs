//! What HTTP demands of a request's head, and hyper lets pass.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Version};
use axum::response::{IntoResponse as _, Response};
use futures_util::future::Either;
use tower::Service;

use crate::api::ApiError;

/// Passes on what is well-formed.
#[derive(Clone, Debug)]
pub(crate) struct StrictHttp<S>(pub(crate) S);

impl<S> Service<Request> for StrictHttp<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Response, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let checked = check_host(request.version(), request.headers())
            .and_then(|()| check_transfer_encoding(request.headers()));
        match checked {
            Ok(()) => Either::Left(self.0.call(request)),
            Err(error) => Either::Right(ready(Ok(refuse(error)))),
        }
    }
}

/// Where this request ends may be in doubt, so nothing after it is read.
fn refuse(error: ApiError) -> Response {
    let mut response = error.into_response();
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Exactly one valid Host; HTTP/1.0 may do without (RFC 9112, section 3.2).
fn check_host(version: Version, headers: &HeaderMap) -> Result<(), ApiError> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_host(host) => Ok(()),
        (None, None) if version < Version::HTTP_11 => Ok(()),
        (None, None) => Err(ApiError::InvalidHost("the Host header is missing")),
        (Some(_), None) => Err(ApiError::InvalidHost("the Host header is not a host name and port")),
        (_, Some(_)) => Err(ApiError::InvalidHost("there is more than one Host header")),
    }
}

/// `uri-host [ ":" port ]`.
fn is_host(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    let authority = Authority::try_from(bytes);
    !bytes.contains(&b'@')
        && authority.is_ok_and(|authority| {
            let port = authority.as_str().strip_prefix(authority.host());
            !authority.host().is_empty()
                && (port == Some("") || port == Some(":") || authority.port_u16().is_some())
        })
}

/// Absent, or exactly `chunked` (RFC 9112, section 6.1: 501 for a coding that is not known).
fn check_transfer_encoding(headers: &HeaderMap) -> Result<(), ApiError> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(ApiError::UnknownTransferEncoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (HOST, HeaderValue::from_bytes(value.as_bytes()).unwrap())).collect()
    }

    #[test]
    fn one_valid_host_and_no_other_passes() {
        for host in
            ["a", "localhost", "localhost.", "a.b:80", "a:", "127.0.0.1:3000", "[::1]", "[::1]:3000", "a_b-c"]
        {
            assert!(check_host(Version::HTTP_11, &hosts(&[host])).is_ok(), "{host}");
        }
        for host in
            ["", " ", "a b", "a/b", "a@b", "user:pass@host", "a:b", "a:99999", "[::1", "http://a", "a?b", "ü"]
        {
            assert!(check_host(Version::HTTP_11, &hosts(&[host])).is_err(), "{host:?}");
            assert!(check_host(Version::HTTP_10, &hosts(&[host])).is_err(), "{host:?}");
        }
        for version in [Version::HTTP_10, Version::HTTP_11] {
            assert!(check_host(version, &hosts(&["a", "a"])).is_err());
            assert!(check_host(version, &hosts(&["a", "b"])).is_err());
        }
        assert!(check_host(Version::HTTP_11, &hosts(&[])).is_err());
        assert!(check_host(Version::HTTP_10, &hosts(&[])).is_ok());
    }

    #[test]
    fn the_only_transfer_encoding_is_chunked() {
        let codings = |values: &[&str]| -> HeaderMap {
            values.iter().map(|value| (TRANSFER_ENCODING, value.parse().unwrap())).collect()
        };
        for values in [&[][..], &["chunked"], &["Chunked"]] {
            assert!(check_transfer_encoding(&codings(values)).is_ok(), "{values:?}");
        }
        for values in
            [&["gzip, chunked"][..], &["chunked, chunked"], &["chunked", "chunked"], &["identity"], &[""]]
        {
            assert!(check_transfer_encoding(&codings(values)).is_err(), "{values:?}");
        }
    }
}
