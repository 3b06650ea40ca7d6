//! Who may sign for Uploadcare, and whose files they reach.

use countersign::auth::ApiKeys;
use countersign::config::AuthConfig;
use reqwest::RequestBuilder;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::helpers::{TestApp, TestProcess, client, failure, read_json, text};

const PROFILES: &str = "[profiles.uploadcare]\nprovider = \"uploadcare\"\n\
                        [profiles.once]\nprovider = \"uploadcare\"\nmode = \"token\"\noperations = 1\n";

async fn app_with_keys() -> TestApp {
    let keys = [
        ("ann", "cs_ann", "upload:uploadcare,delete,download"),
        ("bob", "cs_bob", "upload:once"),
        ("root", "cs_root", "admin"),
    ];
    let lines =
        keys.map(|(name, key, scopes)| format!("{name} {} {scopes}\n", hex::encode(Sha256::digest(key))));
    let api_keys = Some(ApiKeys::parse(&lines.concat()).unwrap());
    TestApp::spawn_for(AuthConfig::Required { api_keys, tokens: None }, PROFILES).await
}

async fn answer(request: RequestBuilder, key: &str) -> (reqwest::StatusCode, serde_json::Value) {
    read_json(request.bearer_auth(key).send().await.unwrap()).await
}

#[tokio::test]
async fn signing_takes_a_credential_and_the_profiles_scope() {
    let app = app_with_keys().await;
    for path in ["/uploadcare-signature", "/api/uploadcare-signature"] {
        let refusal = failure(&app.get_json(path).await);
        assert!(refusal.starts_with("401 unauthenticated"), "{refusal}");
        assert_eq!(answer(app.get(path), "cs_ann").await.0, 200);
        let refusal = failure(&answer(app.get(path), "cs_bob").await);
        assert_eq!(
            refusal,
            "403 forbidden: the profile `uploadcare` takes the scope `upload:uploadcare`, which the caller does not hold"
        );
    }
    let (_, body) = answer(app.get("/uploadcare-signature?profile=once"), "cs_bob").await;
    let claims = text(&body["authToken"]);
    let claims = base64_text(claims.split('.').nth(1).unwrap());
    insta::assert_snapshot!(claims, @r#"{"iat":1720000000,"exp":1720001800,"sub":"key:bob","uc":{"restrictions":{"limits":{"operations":1}}}}"#);
}

/// The text behind base64url without padding.
fn base64_text(text: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_file_of_nobody_knows_whom_is_reached_by_administrators_alone() {
    let app = app_with_keys().await;
    let url = "https://ucarecdn.com/52da3bfc-7cd8-4861-8b05-126fef7a6994/";
    let delete = || {
        let request = app.client.delete(app.url("/delete-files")).header("content-type", "application/json");
        request.body(json!({"urls": [{"url": url}]}).to_string())
    };
    let (status, body) = answer(delete(), "cs_ann").await;
    assert_eq!((status.as_u16(), &body["data"]["results"][0]["outcome"]), (200, &json!("not_found")));
    assert_eq!(app.provider_requests().await, Vec::<String>::new());
    assert_eq!(answer(delete(), "cs_root").await.0, 200);
    assert_eq!(app.provider_requests().await.len(), 1);
}

#[tokio::test]
async fn a_signed_url_opens_a_file_until_it_expires() {
    let key = "73636b61519adede42191efe1e73f02a67c7b692e3765f90c250c230be095211";
    let process = TestProcess::spawn(&[
        "serve",
        "--emulator",
        "--port=0",
        "--emulator-port=0",
        "--uploadcare-delivery-host=cdn.example",
        &format!("--uploadcare-delivery-key={key}"),
    ])
    .await;
    let ask = |path: &str| client().get(format!("http://{}{path}", process.address)).send();
    let page = ask("/uploadcare").await.unwrap().text().await.unwrap();
    let base = page.split("base-url=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let (_, signed) = read_json(ask("/uploadcare-signature").await.unwrap()).await;
    let form = reqwest::multipart::Form::new()
        .text("UPLOADCARE_PUB_KEY", super::client::PUBLIC_KEY)
        .text("signature", text(&signed["signature"]))
        .text("expire", text(&signed["expire"]))
        .part("file", reqwest::multipart::Part::bytes(b"text".to_vec()).file_name("a.txt"));
    let upload = client().post(format!("{base}/base/")).multipart(form).send().await.unwrap();
    let id = text(&read_json(upload).await.1["file"]);

    let url = format!("https://cdn.example/{id}/a.txt");
    let (_, link) = read_json(ask(&format!("/download-url?url={url}&expires_in=60")).await.unwrap()).await;
    let link = text(&link["data"]["downloadUrl"]);
    let get = |url: String| async { client().get(url).send().await.unwrap().status().as_u16() };
    assert_eq!(get(link.clone()).await, 200);
    assert_eq!(get(link.split('?').next().unwrap().to_owned()).await, 403);
    assert_eq!(get(link.replace("/?token", "/a.txt?token")).await, 403);
    let clock = base.replace("/uploadcare", "/_emulator/clock");
    let moved =
        client().post(clock).header("content-type", "application/json").body("{\"advance_seconds\":120}");
    assert_eq!(moved.send().await.unwrap().status(), 200);
    assert_eq!(get(link).await, 403);
}
