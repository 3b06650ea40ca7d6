//! The Admin API and destroy.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::multipart::Form;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use super::media::png;
use super::server::{KEY, SECRET, Server, signed, told};

const DELETE: &str = "/v1_1/emulator/resources/image/upload";

async fn with_assets(ids: &[&str]) -> Server {
    let server = Server::start().await;
    for id in ids {
        server.store("/v1_1/emulator/image/upload", png(), "a.png", &[("public_id", id)]).await;
    }
    server
}

fn deletion(server: &Server, path: &str) -> RequestBuilder {
    server.client.delete(server.url(path)).basic_auth(KEY, Some(SECRET))
}

async fn send(request: RequestBuilder) -> Response {
    request.send().await.unwrap()
}

#[tokio::test]
async fn ping_answers_in_both_alphabets_of_base64_and_tells_the_rate_limit() {
    let server = Server::start().await;
    let credentials = format!("{KEY}:{SECRET}");
    for encoded in [STANDARD.encode(&credentials), URL_SAFE_NO_PAD.encode(&credentials)] {
        let request = server.client.get(server.url("/v1_1/emulator/ping"));
        let response = send(request.header("authorization", format!("Basic {encoded}"))).await;
        assert_eq!(response.headers()["x-featureratelimit-limit"], "500");
        assert_eq!(response.headers()["x-featureratelimit-remaining"], "499");
        assert_eq!(response.headers()["x-featureratelimit-reset"], "Wed, 03 Jul 2024 10:00:00 GMT");
        assert_eq!(response.json::<Value>().await.unwrap(), json!({"status": "ok"}));
    }
}

#[tokio::test]
async fn wrong_credentials_are_told_apart() {
    let server = Server::start().await;
    let ping = |path: &'static str, key: &'static str, secret: &'static str| {
        let request = server.client.get(server.url(path)).basic_auth(key, Some(secret));
        async move { told(send(request).await).await }
    };
    insta::assert_snapshot!(ping("/v1_1/emulator/ping", "nobody", SECRET).await, @r#"401 [unknown api_key] {"error":{"message":"unknown api_key"}}"#);
    insta::assert_snapshot!(ping("/v1_1/emulator/ping", KEY, "wrong").await, @r#"401 [api_secret mismatch] {"error":{"message":"api_secret mismatch"}}"#);
    insta::assert_snapshot!(ping("/v1_1/other/ping", KEY, SECRET).await, @r#"401 [cloud_name mismatch] {"error":{"message":"cloud_name mismatch"}}"#);

    let missing = server.get("/v1_1/emulator/ping").await;
    assert_eq!(missing.status(), 401);
    assert_eq!(missing.headers()["content-type"], "text/html");
    assert!(missing.text().await.unwrap().contains("401 Authorization Required"));
}

#[tokio::test]
async fn every_spelling_of_a_list_of_ids_deletes() {
    let server = Server::start().await;
    let spell = |request: RequestBuilder, index: usize| match index {
        0 => request.form(&[("public_ids[]", "a"), ("public_ids[]", "b/c"), ("public_ids[]", "none")]),
        1 => request.form(&[("public_ids[0]", "a"), ("public_ids[1]", "b/c"), ("public_ids[2]", "none")]),
        2 => request.json(&json!({"public_ids": ["a", "b/c", "none"]})),
        3 => request.json(&json!({"public_ids": "a,b/c,none"})),
        4 => request.query(&[("public_ids[0]", "a"), ("public_ids[1]", "b/c"), ("public_ids[2]", "none")]),
        _ => request.multipart(
            Form::new().text("public_ids[0]", "a").text("public_ids[1]", "b/c").text("public_ids[2]", "none"),
        ),
    };
    for index in 0..6 {
        for id in ["a", "b/c"] {
            server.store("/v1_1/emulator/image/upload", png(), "a.png", &[("public_id", id)]).await;
        }
        let answer = send(spell(deletion(&server, DELETE), index)).await.text().await.unwrap();
        assert_eq!(
            answer,
            r#"{"deleted":{"a":"deleted","b/c":"deleted","none":"not_found"},"deleted_counts":{"a":{"original":1,"derived":0},"b/c":{"original":1,"derived":0},"none":{"original":0,"derived":0}},"partial":false}"#,
            "spelling {index}"
        );
        assert_eq!(server.get("/emulator/image/upload/a.png").await.status(), 404);
    }
}

#[tokio::test]
async fn deletion_stays_within_resource_type_and_delivery_type() {
    let server = with_assets(&["a"]).await;
    for path in ["/v1_1/emulator/resources/image/private", "/v1_1/emulator/resources/raw/upload"] {
        let answer: Value =
            send(deletion(&server, path).json(&json!({"public_ids": ["a"]}))).await.json().await.unwrap();
        assert_eq!(answer["deleted"]["a"], "not_found");
    }
    assert_eq!(server.get("/emulator/image/upload/a.png").await.status(), 200);
}

#[tokio::test]
async fn deletions_without_ids_or_with_too_many_are_refused() {
    let server = with_assets(&["a"]).await;
    insta::assert_snapshot!(told(send(deletion(&server, DELETE)).await).await, @r#"400 [Missing required parameter - public_ids] {"error":{"message":"Missing required parameter - public_ids"}}"#);
    let ids: Vec<_> = (0..101).map(|id| id.to_string()).collect();
    insta::assert_snapshot!(told(send(deletion(&server, DELETE).json(&json!({"public_ids": ids}))).await).await, @r#"400 [Maximum number of public_ids is 100] {"error":{"message":"Maximum number of public_ids is 100"}}"#);
    insta::assert_snapshot!(told(send(deletion(&server, "/v1_1/emulator/resources/audio/upload")).await).await, @r#"400 [Not emulated: resources/audio/upload] {"error":{"message":"Not emulated: resources/audio/upload"}}"#);
    assert_eq!(server.get("/emulator/image/upload/a.png").await.status(), 200);
}

#[tokio::test]
async fn destroy_is_signed_and_says_whether_there_was_anything() {
    let server = with_assets(&["a"]).await;
    let destroy = |fields: Vec<(String, String)>| {
        let request = server.client.post(server.url("/v1_1/emulator/image/destroy")).form(&fields);
        async move { told(send(request).await).await }
    };
    insta::assert_snapshot!(destroy(vec![("public_id".to_owned(), "a".to_owned())]).await, @r#"400 [Missing required parameter - signature] {"error":{"message":"Missing required parameter - signature"}}"#);
    insta::assert_snapshot!(destroy(signed(&[])).await, @r#"400 [Missing required parameter - public_id] {"error":{"message":"Missing required parameter - public_id"}}"#);
    insta::assert_snapshot!(destroy(signed(&[("public_id", "a")])).await, @r#"200 [] {"result":"ok"}"#);
    insta::assert_snapshot!(destroy(signed(&[("public_id", "a")])).await, @r#"200 [] {"result":"not found"}"#);
}
