//! What HTTP/1.1 demands of a server, on raw connections: Host, Transfer-Encoding, Content-Length.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::helpers::TestApp;

/// Sends `head` and reads until the server closes the connection.
async fn answer(app: &TestApp, head: &str) -> String {
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let reading = tokio::time::timeout(Duration::from_secs(8), stream.read_to_string(&mut answer));
    reading.await.unwrap_or_else(|_| panic!("the connection stays open after {head:?}")).unwrap();
    answer
}

/// Status and code of an answer in the envelope.
fn outcome(answer: &str) -> (u16, String) {
    let status = answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    (status, body["code"].as_str().unwrap_or("").to_owned())
}

#[tokio::test]
async fn a_request_needs_exactly_one_valid_host() {
    let app = TestApp::spawn().await;
    for (head, status, code) in [
        ("GET /livez HTTP/1.1\r\n", 400, "invalid_host"),
        ("GET /livez HTTP/1.1\r\nhost: a\r\nhost: a\r\n", 400, "invalid_host"),
        ("GET /livez HTTP/1.1\r\nhost: a\r\nHost: b\r\n", 400, "invalid_host"),
        ("GET /livez HTTP/1.1\r\nhost:\r\n", 400, "invalid_host"),
        ("GET /livez HTTP/1.1\r\nhost: a b\r\n", 400, "invalid_host"),
        ("GET /livez HTTP/1.1\r\nhost: me@a\r\n", 400, "invalid_host"),
        ("GET http://a/livez HTTP/1.1\r\n", 400, "invalid_host"),
        ("GET /livez HTTP/1.0\r\nhost: a/b\r\n", 400, "invalid_host"),
        ("GET /nowhere HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n", 404, "not_found"),
        ("GET /nowhere HTTP/1.0\r\nhost: [::1]:3000\r\n", 404, "not_found"),
        ("GET /nowhere HTTP/1.0\r\n", 404, "not_found"),
        ("GET /livez HTTP/1.0\r\n", 200, ""),
    ] {
        let answer = answer(&app, &format!("{head}\r\n")).await;
        assert_eq!(outcome(&answer), (status, code.to_owned()), "{head:?}");
    }
}

#[tokio::test]
async fn the_only_transfer_encoding_is_chunked() {
    let app = TestApp::spawn().await;
    for (coding, status) in [
        ("gzip, chunked", 501),
        ("chunked, chunked", 501),
        ("identity, chunked", 501),
        ("gzip", 400),
        ("chunked, gzip", 400),
        ("xchunked", 400),
        ("Chunked", 401),
    ] {
        let head = format!(
            "POST /webhooks/cloudinary HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: {coding}\r\n\r\n0\r\n\r\n"
        );
        let (found, code) = outcome(&answer(&app, &head).await);
        assert_eq!(found, status, "{coding}");
        assert_eq!(code == "unknown_transfer_encoding", status == 501, "{coding}");
    }
}
