//! What is true of every route: ids, headers, limits on time and size, origins, shutdown.

use std::time::{Duration, Instant};

use axum::http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::helpers::{TestApp, TestProcess, failure, read_json};

#[tokio::test]
async fn every_answer_carries_a_request_id() {
    let app = TestApp::spawn().await;
    for path in
        ["/livez", "/unsigned", "/static/styles.css", "/upload-signature", "/download-url", "/nowhere"]
    {
        let answer = app.get(path).send().await.unwrap();
        assert_eq!(answer.headers()["x-request-id"].len(), 16, "{path}");
    }
}

#[tokio::test]
async fn a_plain_request_id_of_the_client_is_kept_and_any_other_replaced() {
    let app = TestApp::spawn().await;
    let long = "a".repeat(65);
    for (given, kept) in
        [("job-7.a_B", true), ("", false), ("a b", false), ("a\x1b[31m", false), (long.as_str(), false)]
    {
        let Ok(value) = HeaderValue::from_bytes(given.as_bytes()) else { continue };
        let answer = app.get("/nowhere").header("x-request-id", value).send().await.unwrap();
        let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        let (_, body) = read_json(answer).await;
        assert_eq!(id == given, kept, "{given:?} → {id}");
        assert_eq!(body["requestId"], id);
    }
}

#[tokio::test]
async fn every_answer_forbids_sniffing_and_framing() {
    let app = TestApp::spawn().await;
    for path in ["/livez", "/unsigned", "/static/styles.css", "/upload-signature", "/nowhere"] {
        let answer = app.get(path).send().await.unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("x-frame-options"), "DENY", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        assert!(header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
    }
}

#[tokio::test]
async fn an_unknown_path_or_method_is_refused_in_the_envelope() {
    let app = TestApp::spawn().await;
    insta::assert_snapshot!(failure(&app.get_json("/nowhere").await), @"404 not_found: there is nothing at this path");
    let answer = app.client.post(app.url("/livez")).send().await.unwrap();
    assert_eq!(answer.headers()["allow"], "GET,HEAD");
    insta::assert_snapshot!(failure(&read_json(answer).await), @"405 method_not_allowed: this path does not know the method; the Allow header lists those it knows");
}

#[tokio::test]
async fn health_names_the_provider() {
    let app = TestApp::spawn().await;
    for path in ["/livez", "/readyz", "/healthz"] {
        assert_eq!(app.data(path).await["provider"], "emulator", "{path}");
    }
}

#[tokio::test]
async fn without_origins_no_other_page_may_call() {
    let app = TestApp::spawn().await;
    let answer = app.get("/upload-signature").header("origin", "https://evil.example").send().await.unwrap();
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn only_the_exact_origins_may_call() {
    let origins = vec![HeaderValue::from_static("https://app.example")];
    let app = TestApp::spawn_with(|account| account, origins).await;
    for (origin, allowed) in [
        ("https://app.example", true),
        ("https://app.example.evil.example", false),
        ("http://app.example", false),
        ("null", false),
    ] {
        let answer = app.get("/upload-signature").header("origin", origin).send().await.unwrap();
        let found = answer.headers().get("access-control-allow-origin").cloned();
        assert_eq!(found.is_some_and(|found| found == origin), allowed, "{origin}");
        assert!(answer.headers()["vary"].to_str().unwrap().to_lowercase().contains("origin"));
        assert!(!answer.headers().contains_key("access-control-allow-credentials"));
    }
}

#[tokio::test]
async fn a_preflight_allows_deletion_from_an_allowed_origin() {
    let origins = vec![HeaderValue::from_static("https://app.example")];
    let app = TestApp::spawn_with(|account| account, origins).await;
    let preflight = app.client.request(reqwest::Method::OPTIONS, app.url("/delete-files"));
    let preflight = preflight
        .header("origin", "https://app.example")
        .header("access-control-request-method", "DELETE")
        .header("access-control-request-headers", "content-type");
    let answer = preflight.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["access-control-allow-methods"].to_str().unwrap().contains("DELETE"));
}

/// What a raw connection reads until it is closed, and how long that took.
async fn dribble(app: &TestApp, head: &str, slowly: &[u8]) -> (String, Duration) {
    let began = Instant::now();
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let slowly = slowly.to_vec();
    let writer = tokio::spawn(async move {
        for byte in slowly {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if write.write_all(&[byte]).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    });
    let mut answer = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(40), read.read_to_end(&mut answer)).await;
    writer.abort();
    assert!(reading.is_ok(), "the connection was never closed");
    (String::from_utf8_lossy(&answer).into_owned(), began.elapsed())
}

#[tokio::test]
async fn a_head_that_dribbles_is_cut_off() {
    let app = TestApp::spawn().await;
    let (_, took) = dribble(&app, "GET /livez HTTP/1.1\r\n", &[b'x'; 60]).await;
    assert!((Duration::from_secs(10)..Duration::from_secs(25)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_body_that_dribbles_is_answered_408() {
    let app = TestApp::spawn().await;
    let head = "DELETE /delete-files HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
                content-length: 1000\r\n\r\n";
    let (answer, took) = dribble(&app, head, &[b' '; 60]).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("body_timeout"), "{answer}");
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[tokio::test]
async fn noise_instead_of_http_is_closed_without_a_panic() {
    let app = TestApp::spawn().await;
    for noise in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n\r\n\0\0\0\0",
        b"GET \xff HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        stream.write_all(noise).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
    }
    assert_eq!(app.get("/livez").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn sigterm_finishes_what_is_under_way_and_takes_nothing_new() {
    let process = TestProcess::spawn(&["serve", "--emulator", "--port", "0", "--emulator-port", "0"]).await;
    let mut stream = TcpStream::connect(&process.address).await.unwrap();
    let body =
        r#"{"urls":[{"type":"image","url":"https://res.cloudinary.com/emulator/image/upload/a.jpg"}]}"#;
    let head = format!(
        "DELETE /delete-files HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    process.signal("-TERM");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(TcpStream::connect(&process.address).await.is_err(), "new connections are refused");

    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("not_found"), "{answer}");
    let (code, log) = process.finish().await;
    assert_eq!(code, Some(0), "{log}");
}

#[tokio::test]
async fn ten_signatures_of_one_browser_pass_and_a_flood_does_not() {
    let arguments =
        ["serve", "--emulator", "--port", "0", "--emulator-port", "0", "--rate-limit", "60/min burst 20"];
    let process = TestProcess::spawn(&arguments).await;
    let client = crate::helpers::client();
    let url = format!("http://{}/upload-signature", process.address);
    let sign = async |count: usize| {
        let requests = (0..count).map(|_| tokio::spawn(client.get(&url).send())).collect::<Vec<_>>();
        let mut refused = Vec::new();
        for request in requests {
            let answer = request.await.unwrap().unwrap();
            if answer.status() == 429 {
                let after: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
                assert!((1..=60).contains(&after), "{after}");
                refused.push(failure(&read_json(answer).await));
            }
        }
        refused
    };
    assert_eq!(sign(10).await, Vec::<String>::new());
    let refused = sign(100).await;
    assert!(refused.len() >= 80 && refused[0].starts_with("429 too_many_requests"), "{}", refused.len());
    assert_eq!(client.get(format!("http://{}/readyz", process.address)).send().await.unwrap().status(), 200);
}
