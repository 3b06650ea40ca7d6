//! DELETE /delete-files.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::helpers::{TestApp, failure, png, read_json, text};

fn outcomes(body: &Value) -> Vec<String> {
    body["data"]["results"].as_array().unwrap().iter().map(|result| text(&result["outcome"])).collect()
}

#[tokio::test]
async fn the_answer_is_what_the_contract_says() {
    let app = TestApp::spawn().await;
    let url = "https://res.cloudinary.com/demo/image/upload/v1/a/b.jpg";
    let (status, body) = app.delete_urls(&[url]).await;
    assert_eq!(status, StatusCode::OK);
    insta::assert_snapshot!(body, @r#"{"data":{"deleteResponse":[{"resource_type":"image","response":{"deleted":{"a/b":"not_found"},"deleted_counts":{"a/b":{"derived":0,"original":0}},"partial":false},"type":"upload"}],"results":[{"outcome":"not_found","publicId":"a/b","url":"https://res.cloudinary.com/demo/image/upload/v1/a/b.jpg"}]},"status":"success"}"#);
}

#[tokio::test]
async fn open_and_private_files_are_deleted_and_the_second_time_not_found() {
    let app = TestApp::spawn().await;
    let (_, open) = app.upload("", "cat.png", png(2, 2)).await;
    let (_, private) = app.upload("?should_secure_asset=true", "passport.png", png(2, 2)).await;
    let (_, raw) =
        app.upload("?should_secure_asset=true&resource_type=raw", "notes.txt", b"hello".to_vec()).await;
    let urls: Vec<_> = [&open, &private, &raw].iter().map(|asset| text(&asset["secure_url"])).collect();
    let urls: Vec<_> = urls.iter().map(String::as_str).collect();

    let (status, body) = app.delete_urls(&urls).await;
    assert_eq!((status, outcomes(&body)), (StatusCode::OK, vec!["deleted".to_owned(); 3]), "{body}");
    assert_eq!(app.client.get(urls[0]).send().await.unwrap().status(), 404);
    let (status, body) = app.delete_urls(&urls).await;
    assert_eq!((status, outcomes(&body)), (StatusCode::OK, vec!["not_found".to_owned(); 3]), "{body}");
}

#[tokio::test]
async fn two_urls_of_one_asset_share_its_outcome_and_one_call() {
    let app = TestApp::spawn().await;
    let (_, asset) = app.upload("", "cat.png", png(2, 2)).await;
    let url = text(&asset["secure_url"]);
    let smaller = url.replace("/upload/", "/upload/w_100,c_fill/");
    let (_, body) = app.delete_urls(&[&url, &smaller]).await;
    assert_eq!(outcomes(&body), ["deleted", "deleted"], "{body}");
    let calls = app.provider_requests().await;
    assert_eq!(calls.iter().filter(|call| call.starts_with("DELETE ")).count(), 1, "{calls:?}");
}

/// URLs that address nothing of ours, and the refusal of each.
const NOT_OURS: &[&str] = &[
    "http://res.cloudinary.com/demo/image/upload/a.jpg",
    "https://res.cloudinary.com/other/image/upload/a.jpg",
    "https://res.cloudinary.com@evil.example/demo/image/upload/a.jpg",
    "https://evil.example/demo/image/upload/a.jpg",
    "https://res.cloudinary.com.evil.example/demo/image/upload/a.jpg",
    "https://res.cloudinary.com:8443/demo/image/upload/a.jpg",
    "//res.cloudinary.com/demo/image/upload/a.jpg",
    "javascript:alert(1)",
    "https://res.cloudinary.com/demo/image/upload/x/../a.jpg",
    "https://res.cloudinary.com/demo/image/upload/%2e%2e/a.jpg",
    "https://res.cloudinary.com/demo/image/upload/a%00.jpg",
    "https://res.cloudinary.com/demo/image/upload/a\0.jpg",
    "https://res.cloudinary.com/demo/image/upload/a\n.jpg",
    "https://res.cloudinary.com/demo/image/upload/a%26b.jpg",
    "https://res.cloudinary.com/demo/image/fetch/https://example.com/a.jpg",
    "https://res.cloudinary.com/demo/image/upload/",
    "",
];

#[tokio::test]
async fn one_bad_item_refuses_the_request_and_every_bad_index_is_named() {
    let app = TestApp::spawn().await;
    let (_, asset) = app.upload("", "cat.png", png(2, 2)).await;
    let url = text(&asset["secure_url"]);
    let mut items = vec![json!({"type": "image", "url": url})];
    items.extend(NOT_OURS.iter().map(|url| json!({"type": "image", "url": url})));
    items.push(json!({"type": "video", "url": url}));
    items.push(json!({"type": "pdf", "url": url}));
    let answer = app.delete_body(&json!({ "urls": items })).await;
    insta::assert_snapshot!(failure(&answer), @"400 invalid_urls: urls[1].url must begin with https://; urls[2].url is on the cloud `other`, not on `demo`; urls[3].url must not hold a user name or password before the host; urls[4].url has the host `evil.example`, which does not deliver for the cloud `demo`; urls[5].url has the host `res.cloudinary.com.evil.example`, which does not deliver for the cloud `demo`; urls[6].url has the host `res.cloudinary.com:8443`, which does not deliver for the cloud `demo`; urls[7].url must begin with https://; urls[8].url must begin with https://; urls[9].url has `.` or `..` as a segment of its path; urls[10].url has `.` or `..` as a segment of its path; and the items 11, 12, 13, 14, 15, 16, 17, 18, 19");
    let errors = answer.1["errors"].as_array().unwrap();
    let indexes: Vec<_> = errors.iter().map(|error| error["index"].clone()).collect();
    assert_eq!(indexes, (1..items.len()).collect::<Vec<_>>());
    assert_eq!(app.client.get(&url).send().await.unwrap().status(), 200, "nothing is deleted");
}

#[tokio::test]
async fn every_wrong_body_is_refused_by_name() {
    let app = TestApp::spawn().await;
    let item = r#"{"type":"image","url":"https://res.cloudinary.com/demo/image/upload/a.jpg"}"#;
    let too_many = format!(r#"{{"urls":[{}]}}"#, vec![item; 1001].join(","));
    let deep = "[".repeat(5_000);
    let long = format!(
        r#"{{"urls":[{{"type":"image","url":"https://res.cloudinary.com/demo/image/upload/{}.jpg"}}]}}"#,
        "a".repeat(300)
    );
    let mut refusals = Vec::new();
    for body in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"urls":"https://res.cloudinary.com/demo/image/upload/a.jpg"}"#,
        r#"{"urls":{"0":"a"}}"#,
        r#"{"urls":[]}"#,
        r#"{"urls":["https://res.cloudinary.com/demo/image/upload/a.jpg"]}"#,
        r#"{"urls":[{"url":"https://res.cloudinary.com/demo/image/upload/a.jpg"}]}"#,
        r#"{"urls":[{"type":["image"],"url":"https://res.cloudinary.com/demo/image/upload/a.jpg"}]}"#,
        r#"{"urls":[{"type":"image","url":7}]}"#,
        r#"{"urls":[],"all":true}"#,
        r#"{"urls":[]} {"urls":[]}"#,
        "urls=a",
        &too_many,
        &deep,
        &long,
    ] {
        let request = app.client.delete(app.url("/delete-files")).header("content-type", "application/json");
        let answer = read_json(request.body(body.to_owned()).send().await.unwrap()).await;
        let shown: String = body.chars().take(60).collect();
        refusals.push(format!("{shown} → {}", failure(&answer)));
    }
    insta::assert_snapshot!(refusals.join("\n"), @r#"
     → 400 invalid_body: the body must be a JSON object
    null → 400 invalid_body: the body must be a JSON object
    [] → 400 invalid_body: the body must be a JSON object
    {} → 400 invalid_body: the body is not what this route takes: missing field `urls` at line 1 column 2
    {"urls":"https://res.cloudinary.com/demo/image/upload/a.jpg" → 400 invalid_body: urls: invalid type: string "https://res.cloudinary.com/demo/image/upload/a.jpg", expected a sequence at line 1 column 60
    {"urls":{"0":"a"}} → 400 invalid_body: urls: invalid type: map, expected a sequence at line 1 column 8
    {"urls":[]} → 400 invalid_body: urls must hold 1 to 1,000 items
    {"urls":["https://res.cloudinary.com/demo/image/upload/a.jpg → 400 invalid_urls: urls[0] must be an object with `type` and `url`
    {"urls":[{"url":"https://res.cloudinary.com/demo/image/uploa → 400 invalid_urls: urls[0].type is missing
    {"urls":[{"type":["image"],"url":"https://res.cloudinary.com → 400 invalid_urls: urls[0].type must be a text
    {"urls":[{"type":"image","url":7}]} → 400 invalid_urls: urls[0].url must be a text
    {"urls":[],"all":true} → 400 invalid_body: all: unknown field `all`, expected `urls` at line 1 column 16
    {"urls":[]} {"urls":[]} → 400 invalid_body: the body goes on after its JSON: trailing characters at line 1 column 13
    urls=a → 400 invalid_body: the body must be a JSON object
    {"urls":[{"type":"image","url":"https://res.cloudinary.com/d → 400 invalid_body: urls must hold 1 to 1,000 items
    [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[ → 400 invalid_body: the body must be a JSON object
    {"urls":[{"type":"image","url":"https://res.cloudinary.com/d → 400 invalid_urls: urls[0].url has a public id that must have at most 255 characters, not 300
    "#);
    assert_eq!(app.provider_requests().await, Vec::<String>::new());
}

#[tokio::test]
async fn random_bytes_and_huge_bodies_are_refused() {
    let app = TestApp::spawn().await;
    let mut noise = vec![0; 10_000];
    rand::fill(&mut noise[..]);
    let huge = vec![b' '; 20 * 1024 * 1024];
    for (content_type, body, expected) in [
        ("application/json", noise.clone(), 400),
        ("application/octet-stream", noise, 415),
        ("application/json", huge, 413),
    ] {
        let request =
            app.client.delete(app.url("/delete-files")).header("content-type", content_type).body(body);
        let (status, body) = read_json(request.send().await.unwrap()).await;
        assert_eq!((status.as_u16(), &body["status"]), (expected, &json!("failed")), "{body}");
    }
}

/// 1,000 URLs: 400 images, 300 private images, 200 videos, 100 raw files; every tenth exists.
async fn thousand_urls(app: &TestApp) -> Vec<String> {
    let mut urls = Vec::new();
    for index in 0..1_000 {
        let (kind, ending) = match index {
            0..400 => ("image/upload", ".jpg"),
            400..700 => ("image/private", ".jpg"),
            700..900 => ("video/upload", ".mp4"),
            _ => ("raw/upload", ".bin"),
        };
        urls.push(format!("https://res.cloudinary.com/demo/{kind}/v1/bulk/{index}{ending}"));
    }
    for index in (0..10).map(|index| index * 10) {
        let (_, asset) = app.upload("", "cat.png", png(2, 2)).await;
        urls[index] = text(&asset["secure_url"]);
    }
    urls
}

#[tokio::test]
async fn a_thousand_urls_get_the_right_outcome_each_while_the_provider_fails() {
    let app = TestApp::spawn().await;
    let urls = thousand_urls(&app).await;
    app.control(
        "faults",
        json!([
            {"method": "DELETE", "path": "/resources/image/private", "times": 2, "status": 503},
            {"method": "DELETE", "path": "/resources/raw/upload", "status": 503},
        ]),
    )
    .await;
    let urls: Vec<_> = urls.iter().map(String::as_str).collect();
    let (status, body) = app.delete_urls(&urls).await;

    assert_eq!(status, StatusCode::BAD_GATEWAY, "{body}");
    assert_eq!((&body["status"], &body["code"]), (&json!("failed"), &json!("provider_failed")));
    let results = body["data"]["results"].as_array().unwrap();
    assert_eq!(results.len(), 1_000);
    for (index, result) in results.iter().enumerate() {
        let expected = match index {
            900.. => "failed",
            0..100 if index % 10 == 0 => "deleted",
            _ => "not_found",
        };
        assert_eq!((&result["url"], &result["outcome"]), (&json!(urls[index]), &json!(expected)), "{index}");
        assert_eq!(result["message"].is_string(), expected == "failed");
    }

    let calls = app.provider_requests().await;
    let count = |path: &str| {
        calls.iter().filter(|call| *call == &format!("DELETE /v1_1/demo/resources/{path}")).count()
    };
    // One call a hundred ids; the two faults cost one call more each; nothing that succeeded is called again.
    assert_eq!(
        (count("image/upload"), count("image/private"), count("video/upload"), count("raw/upload")),
        (4, 5, 2, 4)
    );
}

#[tokio::test]
async fn a_refusal_of_the_provider_is_not_tried_again() {
    let app = TestApp::spawn().await;
    app.control("faults", json!([{"method": "DELETE", "path": "/resources/", "status": 403,
        "body": "{\"error\":{\"message\":\"key 123 with abcd may not\\ndelete 0123456789abcdef0123456789abcdef01234567\"}}"}]))
        .await;
    let (status, body) = app.delete_urls(&["https://res.cloudinary.com/demo/image/upload/a.jpg"]).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    insta::assert_snapshot!(body["data"]["results"][0]["message"], @r#""the provider answered 403: key … with … may not delete …""#);
    assert_eq!(app.provider_requests().await.len(), 1);
}

#[tokio::test]
async fn a_broken_connection_is_tried_again() {
    let app = TestApp::spawn().await;
    app.control("faults", json!([{"method": "DELETE", "path": "/resources/", "times": 1, "reset": true}]))
        .await;
    let (status, body) = app.delete_urls(&["https://res.cloudinary.com/demo/image/upload/a.jpg"]).await;
    assert_eq!((status, outcomes(&body)), (StatusCode::OK, vec!["not_found".to_owned()]), "{body}");
}

#[tokio::test]
async fn a_rate_limit_that_outlasts_the_request_is_reported_at_once() {
    let app = TestApp::spawn().await;
    app.control(
        "faults",
        json!([{"method": "DELETE", "path": "/resources/", "status": 420, "retry_after": 3000}]),
    )
    .await;
    let began = std::time::Instant::now();
    let (status, body) = app.delete_urls(&["https://res.cloudinary.com/demo/image/upload/a.jpg"]).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(text(&body["data"]["results"][0]["message"]).contains("420"), "{body}");
    assert!(began.elapsed().as_secs() < 5);
}

#[tokio::test]
async fn an_answer_in_pages_is_followed_to_its_end() {
    let app = TestApp::spawn().await;
    let page = |deleted: Value, next: Value| {
        let body = json!({"deleted": deleted, "deleted_counts": {}, "partial": !next.is_null(), "next_cursor": next});
        json!({"method": "DELETE", "path": "/resources/", "times": 1, "status": 200, "body": body.to_string()})
    };
    let pages = json!([
        page(json!({"a": "deleted"}), json!("page-2")),
        page(json!({"a": "not_found", "b": "deleted"}), json!(null)),
    ]);
    app.control("faults", pages).await;
    let urls = ["a", "b"].map(|id| format!("https://res.cloudinary.com/demo/image/upload/v1/{id}.jpg"));
    let (status, body) = app.delete_urls(&[&urls[0], &urls[1]]).await;
    assert_eq!((status, outcomes(&body)), (StatusCode::OK, vec!["deleted".to_owned(); 2]), "{body}");
    assert_eq!(app.provider_requests().await.len(), 2);
    assert_eq!(body["data"]["deleteResponse"][0]["response"]["partial"], false);
}

/// A provider that counts how many calls are under way at once, and the most ids it is given in one.
#[derive(Clone, Default)]
struct Counting {
    now: Arc<AtomicUsize>,
    most_calls: Arc<AtomicUsize>,
    most_ids: Arc<AtomicUsize>,
}

impl Counting {
    async fn answer(self, body: String) -> String {
        let ids: Vec<_> =
            url::form_urlencoded::parse(body.as_bytes()).map(|(_, id)| id.into_owned()).collect();
        self.most_ids.fetch_max(ids.len(), Ordering::SeqCst);
        self.most_calls.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        let deleted: serde_json::Map<_, _> = ids.into_iter().map(|id| (id, json!("deleted"))).collect();
        json!({"deleted": deleted, "deleted_counts": {}, "partial": false}).to_string()
    }
}

#[tokio::test]
async fn at_most_a_hundred_ids_a_call_and_eight_calls_at_once() {
    let counting = Counting::default();
    let provider = counting.clone();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = axum::Router::new().fallback(async move |body: String| provider.answer(body).await);
    tokio::spawn(axum::serve(listener, routes).into_future());
    let app = TestApp::spawn_with(|account| account.at_emulator(address), Vec::new()).await;

    let urls: Vec<_> =
        (0..1_000).map(|index| format!("https://res.cloudinary.com/demo/raw/upload/v1/{index}")).collect();
    let urls: Vec<_> = urls.iter().map(String::as_str).collect();
    let (status, body) = app.delete_urls(&urls).await;
    assert_eq!((status, outcomes(&body)), (StatusCode::OK, vec!["deleted".to_owned(); 1_000]));
    let counts = (counting.most_ids.load(Ordering::SeqCst), counting.most_calls.load(Ordering::SeqCst));
    assert_eq!(counts, (100, 8));
}
