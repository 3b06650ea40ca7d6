//! DELETE /delete-files and GET /download-url for files on Uploadcare's CDN.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::helpers::{TestApp, failure, png, text};

const STRANGE: &str = "52da3bfc-7cd8-4861-8b05-126fef7a6994";

fn outcomes(body: &Value) -> Vec<String> {
    let results = body["data"]["results"].as_array().unwrap();
    results.iter().map(|result| text(&result["outcome"])).collect()
}

#[tokio::test]
async fn both_providers_files_go_in_one_request() {
    let app = TestApp::spawn().await;
    let id = app.upload_file("a.txt", b"text".to_vec()).await;
    let (_, asset) = app.upload("", "cat.png", png(2, 2)).await;
    let urls = json!({"urls": [
        {"url": app.provider(&format!("/{id}/a.txt"))},
        {"type": "image", "url": asset["secure_url"]},
        {"type": "file", "url": format!("https://ucarecdn.com/{STRANGE}/")},
        {"type": "image", "url": app.provider(&format!("/{id}/"))},
    ]});
    let (status, body) = app.delete_body(&urls).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(outcomes(&body), ["deleted", "deleted", "not_found", "deleted"]);
    assert_eq!(body["data"]["results"][0]["publicId"], id);
    assert_eq!(
        body["data"]["deleteResponse"][1],
        json!({"provider": "uploadcare", "response": {"deleted": {id.clone(): "deleted", STRANGE: "not_found"}}})
    );
    let calls = app.provider_requests().await;
    assert_eq!(calls.iter().filter(|call| *call == "DELETE /uploadcare/files/storage/").count(), 1);
    assert_eq!(app.client.get(app.provider(&format!("/{id}/"))).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn groups_strangers_and_other_hosts_are_refused_before_anything_is_deleted() {
    let app = TestApp::spawn().await;
    let id = app.upload_file("a.txt", b"text".to_vec()).await;
    let urls = json!({"urls": [
        {"url": app.provider(&format!("/{id}/"))},
        {"url": format!("https://ucarecdn.com/{STRANGE}~2/")},
        {"url": format!("https://other.ucarecd.net/{STRANGE}/")},
        {"url": format!("http://ucarecdn.com/{STRANGE}/")},
        {"type": "sound", "url": format!("https://ucarecdn.com/{STRANGE}/")},
        {"type": "image", "url": format!("https://evil.example/{STRANGE}/")},
    ]});
    insta::assert_snapshot!(failure(&app.delete_body(&urls).await), @"400 invalid_urls: urls[1].url addresses a group of files: name each file by its own URL; urls[2].url has the host `other.ucarecd.net`, which does not deliver for this Uploadcare project; urls[3].url must begin with https://; urls[4].type must be one of file, image, video, raw, or left out; urls[5].url has no public id");
    assert_eq!(app.client.get(app.provider(&format!("/{id}/"))).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn batches_of_a_hundred_are_tried_again_and_reported() {
    let app = TestApp::spawn().await;
    app.control(
        "faults",
        json!([{"method": "DELETE", "path": "/files/storage/", "times": 1, "status": 429, "retry_after": 1}]),
    )
    .await;
    let urls: Vec<_> = (0..250)
        .map(|index| format!("https://ucarecdn.com/52da3bfc-7cd8-4861-8b05-126fef7a{index:04}/"))
        .collect();
    let (status, body) = app.delete_files(&urls).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert!(outcomes(&body).iter().all(|outcome| outcome == "not_found"));
    assert_eq!(app.provider_requests().await.len(), 4);
}

#[tokio::test]
async fn a_failure_of_the_provider_is_a_failure_of_the_request() {
    let app = TestApp::spawn().await;
    app.control(
        "faults",
        json!([{"method": "DELETE", "path": "/files/storage/", "status": 403,
        "body": "{\"detail\":\"emulator-public-key may not\"}"}]),
    )
    .await;
    let (status, body) = app.delete_files(&[format!("https://ucarecdn.com/{STRANGE}/")]).await;
    assert_eq!((status, &body["code"]), (StatusCode::BAD_GATEWAY, &json!("provider_failed")));
    assert_eq!(body["data"]["results"][0]["message"], "the provider answered 403: … may not");
}

#[tokio::test]
async fn without_a_delivery_key_there_are_no_signed_urls() {
    let app = TestApp::spawn().await;
    let answer = app.get_json(&format!("/download-url?url=https://ucarecdn.com/{STRANGE}/")).await;
    insta::assert_snapshot!(failure(&answer), @"404 uploadcare_not_configured: this server has no key for signed delivery: set UPLOADCARE_DELIVERY_HOST and UPLOADCARE_DELIVERY_KEY");
    let answer = app.get_json(&format!("/download-url?format=jpg&url=https://ucarecdn.com/{STRANGE}/")).await;
    insta::assert_snapshot!(failure(&answer), @"400 invalid_query: format does not go with url: leave it out");
}
