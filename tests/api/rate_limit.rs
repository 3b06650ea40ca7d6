//! What a caller is told about the rate limit, before and after it is used up.

use reqwest::{Client, Response};

use crate::helpers::{TestProcess, client, command};

/// The service with a limit that fills up slowly, and further arguments.
async fn serve(arguments: &[&str]) -> (TestProcess, Client) {
    let all = [&["serve", "--emulator", "--port", "0", "--emulator-port", "0"], arguments].concat();
    (TestProcess::spawn(&all).await, client())
}

async fn get(process: &TestProcess, client: &Client, path: &str) -> Response {
    client.get(format!("http://{}{path}", process.address)).send().await.unwrap()
}

/// The status, and `RateLimit-Policy`, `RateLimit` and `Retry-After`, with `-` for what is absent.
fn told(answer: &Response) -> String {
    let header = |name| answer.headers().get(name).map_or("-", |value| value.to_str().unwrap());
    let headers = ["ratelimit-policy", "ratelimit", "retry-after"].map(header);
    format!("{} {}", answer.status().as_u16(), headers.join(" "))
}

#[tokio::test]
async fn every_counted_answer_says_what_is_left_and_the_refusal_when_there_is_more() {
    let (process, client) = serve(&["--rate-limit", "1/min burst 4"]).await;
    let mut lines = Vec::new();
    for path in [
        "/upload-signature",
        "/download-url?public_id=kyc/1/a&format=jpg",
        "/upload-signature?profile=nope",
        "/livez",
        "/unsigned",
        "/uploadcare-signature",
    ] {
        lines.push(told(&get(&process, &client, path).await));
    }
    insta::assert_snapshot!(lines.join("\n"), @r#"
    200 "default";q=4;w=240 "default";r=3;t=60 -
    200 "default";q=4;w=240 "default";r=2;t=120 -
    404 "default";q=4;w=240 "default";r=1;t=180 -
    200 - - -
    200 - - -
    200 "default";q=4;w=240 "default";r=0;t=60 -
    "#);
    let refused = get(&process, &client, "/upload-signature").await;
    let after = refused.headers()["retry-after"].to_str().unwrap().to_owned();
    assert_eq!(told(&refused), format!("429 \"default\";q=4;w=240 \"default\";r=0;t={after} {after}"));
    assert!((1..=60).contains(&after.parse::<u64>().unwrap()), "{after}");
}

#[tokio::test]
async fn a_guessed_credential_is_counted_and_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    let made = command(&["api-key", "new", "ann", "--scope", "upload:default"]).output().await.unwrap();
    let made = String::from_utf8(made.stdout).unwrap();
    let (key, line) = made.trim_end().split_once('\n').unwrap();
    std::fs::write(&file, line).unwrap();
    let keys = ["--auth", "api-key", "--api-keys-file", file.to_str().unwrap()];
    let (process, client) = serve(&[&["--rate-limit", "1/min burst 4"], &keys[..]].concat()).await;
    let url = format!("http://{}/upload-signature", process.address);
    let mut lines = Vec::new();
    for bearer in ["cs_guess", "cs_guess", key] {
        lines.push(told(&client.get(&url).bearer_auth(bearer).send().await.unwrap()));
    }
    insta::assert_snapshot!(lines.join("\n"), @r#"
    401 "default";q=4;w=240 "default";r=3;t=60 -
    401 "default";q=4;w=240 "default";r=2;t=120 -
    200 "default";q=4;w=240 "default";r=3;t=60 -
    "#);
}

#[tokio::test]
async fn without_a_limit_nothing_is_told() {
    let (process, client) = serve(&["--rate-limit", "off"]).await;
    assert_eq!(told(&get(&process, &client, "/upload-signature").await), "200 - - -");
}

#[tokio::test]
async fn pages_of_allowed_origins_can_read_it() {
    let (process, client) = serve(&["--cors-allowed-origins", "https://app.example.com"]).await;
    let request = client.get(format!("http://{}/upload-signature", process.address));
    let answer = request.header("origin", "https://app.example.com").send().await.unwrap();
    let exposed = answer.headers()["access-control-expose-headers"].to_str().unwrap();
    insta::assert_snapshot!(exposed, @"date,ratelimit,ratelimit-policy,retry-after,x-request-id");
}

#[tokio::test]
async fn ten_signatures_at_once_of_one_browser_pass_with_the_default_limit() {
    let (process, client) = serve(&[]).await;
    let answers = (0..10).map(|_| get(&process, &client, "/upload-signature"));
    for answer in futures_util::future::join_all(answers).await {
        let told = told(&answer);
        let left = told.strip_prefix("200 \"default\";q=100;w=20 \"default\";r=9");
        assert!(left.is_some(), "{told}");
    }
}
