//! Reads what a handler left of a request, before its answer goes out.
//!
//! A server that answers early and closes looks like a broken connection to a client that is still sending, and so it
//! does to the next request on the same connection. Official SDKs report `write EPIPE` instead of the refusal.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt as _;
use hyper::body::{Frame, SizeHint};

/// How much is read in vain; a client that sends more meets a closed connection.
const MAX_BYTES: usize = 128 * 1024 * 1024;

/// Answers when the request is read to its end.
pub(super) async fn read_to_end(request: Request, next: Next) -> Response {
    let left = Left::default();
    let watched = request.map(|body| {
        let left = left.clone();
        Body::new(Watched { body, left })
    });
    let response = next.run(watched).await;
    if let Some(body) = left.take() {
        drain(body).await;
    }
    response
}

async fn drain(body: Body) {
    let mut frames = body.into_data_stream();
    let mut bytes = 0;
    while let Some(Ok(piece)) = frames.next().await {
        bytes += piece.len();
        if bytes > MAX_BYTES {
            return;
        }
    }
}

/// Where a body goes when nobody reads it any more.
#[derive(Clone, Debug, Default)]
struct Left(Arc<Mutex<Option<Body>>>);

impl Left {
    fn put(&self, body: Body) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
    }

    fn take(&self) -> Option<Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A body that is kept when it is dropped.
#[derive(Debug)]
struct Watched {
    body: Body,
    left: Left,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.body.is_end_stream() {
            self.left.put(std::mem::take(&mut self.body));
        }
    }
}
