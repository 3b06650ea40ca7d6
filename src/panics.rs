//! A panic costs the request in which it happens, and no other: it is answered 500 and logged once.
//!
//! A panic message that was composed at run time may hold whatever the request held, so only literal ones are logged. The
//! place is always logged.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::Future;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::response::Response;
use pin_project_lite::pin_project;
use tower::Service;

use crate::outermost::{answered_id, random_id};

thread_local! {
    /// Whether a panic on this thread is caught, and logged by whoever catches it.
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
    /// Where the last such panic happened.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Sends panics to the log, where the default hook would write to standard error, which may block.
pub(crate) fn log_panics() {
    panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        let place = info.location().map(ToString::to_string);
        if IS_GUARDED.get() {
            PLACE.set(place);
        } else {
            let message = literal(info.payload());
            tracing::error!(place, message, "a background task panicked");
        }
    }));
}

/// What is known of a panic that was caught.
#[derive(Debug)]
struct Caught {
    place: Option<String>,
    message: &'static str,
}

fn literal(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("-")
}

/// Runs `work`, and catches its panic.
fn guard<T>(work: impl FnOnce() -> T) -> Result<T, Caught> {
    let was_guarded = IS_GUARDED.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    IS_GUARDED.set(was_guarded);
    done.map_err(|payload| Caught { place: PLACE.take(), message: literal(&*payload) })
}

impl Caught {
    fn log(&self, request_id: &HeaderValue) {
        let Self { place, message } = self;
        // Should the log itself be what panics, there is nobody left to tell.
        let _ = guard(|| tracing::error!(?request_id, place, message, "a request panicked"));
    }
}

/// A service whose panics are answered.
#[derive(Clone, Debug)]
pub(crate) struct CatchPanics<S> {
    inner: S,
    answer: fn(&HeaderValue) -> Response,
}

impl<S> CatchPanics<S> {
    /// Wraps `inner`; `answer` makes the answer to a request of this id.
    pub(crate) fn new(inner: S, answer: fn(&HeaderValue) -> Response) -> Self {
        Self { inner, answer }
    }
}

impl<S> Service<Request> for CatchPanics<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Catching<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let request_id = answered_id(request.headers());
        let (inner, caught) = match guard(|| self.inner.call(request)) {
            Ok(inner) => (Some(inner), None),
            Err(caught) => (None, Some(caught)),
        };
        Catching { inner, caught, request_id, answer: self.answer }
    }
}

pin_project! {
    /// An answer on its way, or what panicked.
    #[derive(Debug)]
    pub(crate) struct Catching<F> {
        #[pin]
        inner: Option<F>,
        caught: Option<Caught>,
        request_id: Option<HeaderValue>,
        answer: fn(&HeaderValue) -> Response,
    }
}

impl<F> Future for Catching<F>
where
    F: Future<Output = Result<Response, Infallible>>,
{
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let polled = match this.inner.as_mut().as_pin_mut() {
            Some(inner) => guard(|| inner.poll(context)),
            None => Err(this.caught.take().unwrap_or(Caught { place: None, message: "-" })),
        };
        polled.unwrap_or_else(|caught| {
            let request_id = this.request_id.clone().unwrap_or_else(random_id);
            caught.log(&request_id);
            // What panicked once may do so again when it is dropped.
            let _ = guard(|| this.inner.set(None));
            Poll::Ready(Ok((this.answer)(&request_id)))
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::response::IntoResponse as _;
    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::outermost::{Outermost, panicked};

    async fn answer<F>(handler: impl FnMut(Request) -> F) -> StatusCode
    where
        F: Future<Output = Result<Response, Infallible>>,
    {
        let answer = |_id: &HeaderValue| StatusCode::INTERNAL_SERVER_ERROR.into_response();
        CatchPanics::new(service_fn(handler), answer)
            .oneshot(Request::new(Body::empty()))
            .await
            .unwrap()
            .status()
    }

    /// Panics when it is dropped.
    struct Dangerous;

    impl Drop for Dangerous {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "dropped");
        }
    }

    #[tokio::test]
    async fn a_panic_before_during_or_after_a_wait_is_answered() {
        let before = |_| -> std::future::Ready<Result<Response, Infallible>> { panic!("before") };
        assert_eq!(answer(before).await, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(
            answer(async |_| -> Result<Response, Infallible> { panic!("during") }).await,
            StatusCode::INTERNAL_SERVER_ERROR
        );
        let after = async |_| -> Result<Response, Infallible> {
            tokio::task::yield_now().await;
            let _dangerous = Dangerous;
            Ok(StatusCode::OK.into_response())
        };
        assert_eq!(answer(after).await, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(
            answer(async |_| Ok::<_, Infallible>(StatusCode::OK.into_response())).await,
            StatusCode::OK
        );
    }

    #[tokio::test]
    async fn a_panicking_handler_is_answered_in_the_envelope_with_the_headers_of_every_answer() {
        let handler = service_fn(async |_: Request| -> Result<Response, Infallible> { panic!("handler") });
        let inner = Outermost::new(CatchPanics::new(handler, panicked));
        let mut request = Request::new(Body::empty());
        request.headers_mut().insert("x-request-id", HeaderValue::from_static("job-7"));
        let answer = CatchPanics::new(inner, panicked).oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.headers()["x-request-id"], "job-7");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        let body = axum::body::to_bytes(answer.into_body(), 1_000).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&body["code"], &body["requestId"]), (&"internal_error".into(), &"job-7".into()));
    }

    #[test]
    fn only_literal_messages_are_kept() {
        assert_eq!(guard(|| panic!("literal")).unwrap_err().message, "literal");
        let secret = "s3cret".to_owned();
        assert_eq!(guard(|| panic!("{secret}")).unwrap_err().message, "-");
    }
}
