//! What happens to every request but those of the control API: a request id, the journal, a line in the log, and the
//! faults that tests set.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::stream;

use super::Backend;
use super::faults::Fault;

/// Tells answers apart in the provider's logs and in ours.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Largest answer that is cut in half.
const MAX_TRUNCATED_BYTES: usize = 64 * 1024 * 1024;

/// Notes the request and its answer. The log names the route, not the path: a delivery path may hold a signature.
pub(super) async fn observe(State(backend): State<Arc<Backend>>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let request_id = hex::encode(rand::random::<[u8; 16]>());
    let mut response = next.run(request).await;
    let status = response.status();
    let is_dropped = response.extensions().get::<Dropped>().is_some();
    backend.journal.note(&method, &path, (!is_dropped).then_some(status));
    tracing::info!(
        %method,
        route = route.as_ref().map_or("", MatchedPath::as_str),
        status = status.as_u16(),
        request_id,
        "emulator"
    );
    if let Ok(value) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

/// Marks an answer that never reaches the client.
#[derive(Clone, Copy)]
struct Dropped;

/// Lets the first fault that matches happen.
pub(super) async fn strike(State(backend): State<Arc<Backend>>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().as_str(), request.uri().path());
    match backend.faults.strike(method, path) {
        Some(fault) => suffer(fault, request, next).await,
        None => next.run(request).await,
    }
}

async fn suffer(fault: Fault, request: Request, next: Next) -> Response {
    tokio::time::sleep(fault.delay()).await;
    let (is_after_effect, is_reset) = (fault.is_after_effect(), fault.is_reset());
    if fault.is_truncated() {
        return broken_off(next.run(request).await).await;
    }
    let Some(mut answer) = fault.answer() else {
        return next.run(request).await;
    };
    if is_after_effect {
        next.run(request).await;
    }
    if is_reset {
        answer.extensions_mut().insert(Dropped);
    }
    answer
}

/// The answer up to the middle of its body, which then fails.
async fn broken_off(answer: Response) -> Response {
    let (parts, body) = answer.into_parts();
    let whole = to_bytes(body, MAX_TRUNCATED_BYTES).await.unwrap_or_default();
    let half = whole.slice(..whole.len() / 2);
    let failure = std::io::Error::other("injected fault");
    let mut answer = Response::from_parts(parts, Body::from_stream(stream::iter([Ok(half), Err(failure)])));
    answer.headers_mut().insert(CONTENT_LENGTH, whole.len().into());
    answer
}
