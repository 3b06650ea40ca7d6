//! Accepts connections and serves them, within limits on how many there are and how slow they may be.
//!
//! `axum::serve` sets no timer for request heads, so a client could dribble one for ever; this loop sets one.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service;

use crate::stalled_writes::StalledWrites;

/// What a listener puts up with.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// The most connections at once; further ones wait in the kernel's queue.
    pub connections: usize,
    /// How much of a request's head is kept, in bytes, and how much is read at once; hyper's own choice without.
    pub buffer_bytes: Option<usize>,
    /// How long a client may take nothing of an answer.
    pub write_patience: Duration,
    /// How long the head of a request may take, and how long a connection may idle between requests.
    pub header_read_timeout: Duration,
    /// How long a connection is given for its first request after shutdown began.
    pub last_call: Duration,
    /// How long requests under way may take to finish after that.
    pub drain_timeout: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            buffer_bytes: None,
            write_patience: Duration::from_secs(30),
            header_read_timeout: Duration::from_secs(15),
            last_call: Duration::from_millis(250),
            drain_timeout: Duration::from_secs(20),
        }
    }
}

/// Serves `service` until `shutdown` resolves; then finishes what is under way, and cuts it off after the drain timeout.
pub async fn serve<S>(
    listener: TcpListener,
    service: S,
    limits: ConnectionLimits,
    shutdown: impl Future<Output = ()>,
) where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    let begin = |(stream, peer, slot)| {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(limits.header_read_timeout);
        if let Some(bytes) = limits.buffer_bytes {
            http.max_buf_size(bytes);
        }
        let stream = StalledWrites::new(stream, limits.write_patience);
        let connection =
            http.serve_connection(TokioIo::new(stream), service_fn(answer_with(service.clone(), peer)));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A client that goes away in the middle is its own affair.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
            drop::<Option<OwnedSemaphorePermit>>(slot);
        });
    };
    loop {
        tokio::select! {
            connection = next_connection(&listener, &slots) => begin(connection),
            () = &mut shutdown => break,
        }
    }
    for (stream, peer) in close(listener) {
        begin((stream, peer, None));
    }
    // A connection that has not said anything yet would be closed unheard, and its request may be on its way.
    tokio::time::sleep(limits.last_call).await;
    if tokio::time::timeout(limits.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
}

/// Closes the listener. What the kernel has accepted in our name by then is ours to answer: it would be reset.
fn close(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    let waiting = std::iter::from_fn(|| listener.accept().ok());
    waiting.filter_map(|(stream, peer)| Some((ours(stream)?, peer))).collect()
}

/// A connection that was accepted without the runtime.
fn ours(stream: std::net::TcpStream) -> Option<TcpStream> {
    stream.set_nonblocking(true).ok()?;
    let stream = TcpStream::from_std(stream).ok()?;
    let _ = stream.set_nodelay(true);
    Some(stream)
}

fn answer_with<S>(service: S, peer: SocketAddr) -> impl Fn(hyper::Request<Incoming>) -> S::Future
where
    S: Service<Request> + Clone,
{
    move |request| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        service.clone().call(request)
    }
}

/// The next connection, once there is room for it.
async fn next_connection(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed; without a permit the connection would merely go uncounted.
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Answers are small and written whole: waiting to fill packets only delays them.
                let _ = stream.set_nodelay(true);
                return (stream, peer, slot);
            }
            Err(error) => pause_after(&error).await,
        }
    }
}

/// Some errors belong to one connection; others, such as too many open files, need a moment to pass.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "no connection can be accepted; trying again in a second");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_request_that_comes_with_the_shutdown_is_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // Accepted by the kernel, and by nobody else yet.
        let mut waiting = Vec::new();
        for _ in 0..3 {
            waiting.push(TcpStream::connect(address).await.unwrap());
        }
        let limits = ConnectionLimits { last_call: Duration::from_secs(1), ..ConnectionLimits::default() };
        let router = Router::new().route("/", get(async || "here"));
        let served = tokio::spawn(serve(listener, router, limits, std::future::ready(())));
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        for mut stream in waiting {
            stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer:?}");
        }
        served.await.unwrap();
    }
}
