//! A panic costs the request in which it happens, wherever that is.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::helpers::TestApp;

static LOGGED: AtomicU32 = AtomicU32::new(0);

/// A log that panics at every line about a request, and counts those about panics.
struct Panicking;

impl Subscriber for Panicking {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        match event.metadata().target() {
            "countersign::request" => panic!("the log is broken"),
            "countersign::panics" => drop(LOGGED.fetch_add(1, Ordering::Relaxed)),
            _ => {}
        }
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

#[tokio::test]
async fn a_panic_in_the_outermost_layer_is_answered_and_the_connection_lives_on() {
    let app = TestApp::spawn().await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let mut ask = async || {
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\nx-request-id: job-7\r\n\r\n").await.unwrap();
        let mut answer = [0; 4_096];
        let length = stream.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    let broken = tracing::subscriber::set_default(Panicking);
    for count in 1..=2 {
        let answer = ask().await;
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert!(answer.contains(r#""code":"internal_error","requestId":"job-7""#), "{answer}");
        assert_eq!(LOGGED.load(Ordering::Relaxed), count);
    }
    drop(broken);
    let answer = ask().await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
