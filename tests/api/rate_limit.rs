//! What a caller is told about the rate limit, before and after it is used up.

use reqwest::{Client, Response};
use serde_json::{Value, json};

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

/// What a request is told, and its error's code.
async fn post(process: &TestProcess, client: &Client, body: Value) -> String {
    let request = client.post(format!("http://{}/upload-signature", process.address));
    let answer =
        request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
    let told = told(&answer);
    let body: Value = answer.json().await.unwrap();
    format!("{told} {}", body["code"].as_str().unwrap_or("-"))
}

#[tokio::test]
async fn each_signature_of_a_batch_costs_one_and_no_batch_more_than_the_burst() {
    let (process, client) = serve(&["--rate-limit", "1/min burst 10"]).await;
    let batch = |count| json!({ "uploads": vec![json!({}); count] });
    let mut lines = Vec::new();
    for count in [4, 8, 1] {
        lines.push(post(&process, &client, batch(count)).await);
    }
    insta::assert_snapshot!(lines.join("\n"), @r#"
    200 "default";q=10;w=600 "default";r=6;t=240 - -
    429 "default";q=10;w=600 "default";r=5;t=300 180 too_many_requests
    200 "default";q=10;w=600 "default";r=4;t=360 - -
    "#);
    let (process, client) = serve(&["--rate-limit", "1/min burst 10"]).await;
    insta::assert_snapshot!(
        post(&process, &client, batch(100)).await,
        @r#"200 "default";q=10;w=600 "default";r=0;t=60 - -"#
    );
    assert!(post(&process, &client, batch(1)).await.starts_with("429"));
}

#[tokio::test]
async fn ten_thousand_signatures_in_a_moment_are_a_hundred() {
    let (process, client) = serve(&["--rate-limit", "300/min burst 100"]).await;
    let mut signed = 0;
    for _ in 0..20 {
        let told = post(&process, &client, json!({ "uploads": vec![json!({}); 100] })).await;
        signed += if told.starts_with("200") { 100 } else { 0 };
    }
    assert_eq!(signed, 100);
}

#[tokio::test]
async fn a_deletion_costs_one_for_each_call_of_the_provider_before_any_is_made() {
    let (process, client) = serve(&["--rate-limit", "1/min burst 10"]).await;
    let signed: Value = get(&process, &client, "/upload-signature").await.json().await.unwrap();
    let upload = signed["data"]["uploadUrl"].as_str().unwrap();
    let origin = upload.split("/v1_1").next().unwrap();
    let urls = |kinds: &[&str], count: usize| {
        let of = |kind: &str, number| {
            json!({
                "type": kind, "url": format!("{origin}/emulator/{kind}/upload/v1/kyc/1/{number}.png"),
            })
        };
        let urls: Vec<_> = kinds.iter().flat_map(|kind| (0..count).map(|number| of(kind, number))).collect();
        json!({ "urls": urls }).to_string()
    };
    let delete = async |body: String| {
        let request = client.delete(format!("http://{}/delete-files", process.address));
        told(&request.header("content-type", "application/json").body(body).send().await.unwrap())
    };
    let mut lines = Vec::new();
    for (kinds, count) in
        [(&["image"][..], 100), (&["image"], 101), (&["image", "video", "raw"], 1), (&["image"], 900)]
    {
        lines.push(delete(urls(kinds, count)).await);
    }
    insta::assert_snapshot!(lines.join("\n"), @r#"
    200 "default";q=10;w=600 "default";r=8;t=120 -
    200 "default";q=10;w=600 "default";r=6;t=240 -
    200 "default";q=10;w=600 "default";r=3;t=420 -
    429 "default";q=10;w=600 "default";r=2;t=480 420
    "#);
    let requests = client.get(format!("{origin}/_emulator/requests")).send().await.unwrap();
    let requests: Value = requests.json().await.unwrap();
    let journal = requests["requests"].as_array().or(requests.as_array()).unwrap();
    assert_eq!(journal.iter().filter(|entry| entry["method"] == "DELETE").count(), 6, "{journal:?}");
}
