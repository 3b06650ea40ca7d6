//! The emulator's REST API and webhooks.

use countersign::signing::uploadcare::webhook_signature;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::helpers::{Setup, TestApp, failure, read_json, text};

async fn call(app: &TestApp, method: Method, path: &str, body: &Value) -> (u16, Value) {
    let request = app.rest(method, path).header("content-type", "application/json").body(body.to_string());
    let (status, body) = read_json(request.send().await.unwrap()).await;
    (status.as_u16(), body)
}

#[tokio::test]
async fn a_file_is_described_until_it_is_deleted() {
    let app = TestApp::spawn().await;
    let id = app.upload_file("minutes.txt", b"text".to_vec()).await;
    let (status, mut file) = call(&app, Method::GET, &format!("/files/{id}/"), &Value::Null).await;
    assert_eq!(status, 200);
    assert_eq!(file["original_file_url"], app.provider(&format!("/{id}/minutes.txt")));
    for name in ["uuid", "url", "original_file_url"] {
        file[name].take();
    }
    insta::assert_json_snapshot!(file, @r#"
    {
      "content_info": {
        "mime": {
          "mime": "application/octet-stream",
          "subtype": "octet-stream",
          "type": "application"
        }
      },
      "datetime_removed": null,
      "datetime_stored": "2024-07-03T09:46:40.000000Z",
      "datetime_uploaded": "2024-07-03T09:46:40.000000Z",
      "is_image": false,
      "is_ready": true,
      "metadata": {},
      "mime_type": "application/octet-stream",
      "original_file_url": null,
      "original_filename": "minutes.txt",
      "size": 4,
      "source": null,
      "tags": [],
      "url": null,
      "uuid": null,
      "variations": null
    }
    "#);
    let (status, file) = call(&app, Method::DELETE, &format!("/files/{id}/storage/"), &Value::Null).await;
    assert_eq!(status, 200);
    assert!(file["datetime_removed"].is_string() && file["datetime_stored"].is_null(), "{file}");
    let (status, body) = call(&app, Method::DELETE, &format!("/files/{id}/storage/"), &Value::Null).await;
    assert_eq!((status, text(&body["detail"])), (404, "Not found.".to_owned()));
    assert_eq!(app.client.get(app.provider(&format!("/{id}/"))).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_batch_names_what_is_missing_and_what_is_no_id() {
    let app = TestApp::spawn().await;
    let id = app.upload_file("a.txt", b"text".to_vec()).await;
    let strange = "52da3bfc-7cd8-4861-8b05-126fef7a6994";
    let (status, body) = call(&app, Method::DELETE, "/files/storage/", &json!([id, strange, "x"])).await;
    assert_eq!((status, &body["status"]), (200, &json!("ok")));
    assert_eq!(body["result"][0]["uuid"], id);
    assert_eq!(body["problems"], json!({strange: "Missing in the project", "x": "Invalid"}));
    for (body, expected) in [
        (json!({}), "Expected list of UUIDs"),
        (json!([]), "List of UUIDs can not be empty"),
        (json!(vec!["x"; 101]), "Maximum UUIDs per request is exceeded. The limit is 100"),
    ] {
        let (status, answer) = call(&app, Method::DELETE, "/files/storage/", &body).await;
        assert_eq!((status, text(&answer["detail"])), (400, expected.to_owned()));
    }
}

#[tokio::test]
async fn a_key_of_a_files_metadata_is_read_and_deleted() {
    let app = TestApp::spawn().await;
    let form = app.signed_form().await.text("metadata[a]", "1").text("metadata[b]", "2");
    let form = form.part("file", reqwest::multipart::Part::bytes(b"text".to_vec()).file_name("a.txt"));
    let id = text(&app.post_upload("/base/", form).await.1["file"]);
    let path = |rest: &str| format!("/files/{id}/metadata/{rest}");
    let get = |path: String| async { call(&app, Method::GET, &{ path }, &Value::Null).await };
    assert_eq!(get(path("")).await, (200, json!({"a": "1", "b": "2"})));
    assert_eq!(get(path("a/")).await, (200, json!("1")));
    let delete = || app.rest(Method::DELETE, &path("a/")).send();
    assert_eq!(delete().await.unwrap().status(), 204);
    assert_eq!(delete().await.unwrap().status(), 404);
    assert_eq!(get(path("")).await, (200, json!({"b": "2"})));
    assert_eq!(get(path("a/")).await.0, 404);
    let strange = "/files/52da3bfc-7cd8-4861-8b05-126fef7a6994/metadata/a/";
    assert_eq!(app.rest(Method::DELETE, strange).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn calls_need_a_version_and_credentials() {
    let app = TestApp::spawn().await;
    let path = app.provider("/files/52da3bfc-7cd8-4861-8b05-126fef7a6994/");
    let (status, _) = read_json(app.client.get(&path).send().await.unwrap()).await;
    assert_eq!(status, 406);
    let request = app.client.get(&path).header("accept", "application/vnd.uploadcare-v0.7+json");
    let (status, body) = read_json(request.send().await.unwrap()).await;
    assert_eq!(
        (status.as_u16(), text(&body["detail"])),
        (401, "Authentication credentials were not provided.".to_owned())
    );
}

/// The head and the body of the next request.
async fn next_request(listener: &TcpListener) -> (String, String) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4_096];
        let length = stream.read(&mut piece).await.unwrap();
        bytes.extend_from_slice(&piece[..length]);
        let request = String::from_utf8(bytes.clone()).unwrap();
        let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
        let wanted = head.split("Content-Length: ").nth(1).unwrap().split("\r\n").next().unwrap();
        if body.len() == wanted.parse::<usize>().unwrap() {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            return (head.to_owned(), body.to_owned());
        }
    }
}

#[tokio::test]
async fn a_webhook_is_told_of_uploads_and_signs_what_it_says() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}/hook?x=1", listener.local_addr().unwrap());
    let app = TestApp::spawn_as(Setup { notified: vec![target.parse().unwrap()], ..Setup::default() }).await;
    let webhook = json!({"target_url": target, "event": "file.uploaded", "signing_secret": "hush"});
    let (status, created) = call(&app, Method::POST, "/webhooks/", &webhook).await;
    assert_eq!((status, &created["target_url"]), (201, &json!(target)));

    let id = app.upload_file("a.txt", b"text".to_vec()).await;
    let (head, body) = next_request(&listener).await;
    assert!(head.starts_with("POST /hook?x=1 HTTP/1.1"), "{head}");
    let signature = webhook_signature(&"hush".into(), body.as_bytes());
    assert!(head.contains(&format!("X-Uc-Signature: {signature}")), "{head}");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["data"]["uuid"], &body["hook"]["event"]), (&json!(id), &json!("file.uploaded")));

    let webhook = json!({"target_url": target, "event": "file.deleted"});
    assert_eq!(call(&app, Method::POST, "/webhooks/", &webhook).await.0, 201);
    call(&app, Method::DELETE, &format!("/files/{id}/storage/"), &Value::Null).await;
    let (_, body) = next_request(&listener).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["data"]["uuid"], &body["hook"]["event"]), (&json!(id), &json!("file.deleted")));
    assert!(body["data"]["datetime_removed"].is_string(), "{body}");

    // The last one is a port of this machine that the operator did not name.
    for target in ["https://127.0.0.1/", "http://10.0.0.1/", "http://example.com/", "http://127.0.0.1:9/"] {
        let webhook = json!({"target_url": target, "event": "file.uploaded"});
        assert_eq!(call(&app, Method::POST, "/webhooks/", &webhook).await.0, 400, "{target}");
    }
    let gone =
        app.rest(Method::DELETE, "/webhooks/unsubscribe/").body(json!({"target_url": target}).to_string());
    assert_eq!(gone.send().await.unwrap().status(), 204);
    assert_eq!(call(&app, Method::GET, "/webhooks/", &Value::Null).await.1, json!([]));
}

#[tokio::test]
async fn without_a_signing_secret_no_webhook_is_taken_in() {
    let app = TestApp::spawn().await;
    let signature = webhook_signature(&"".into(), b"{}");
    let request = app.client.post(app.url("/webhooks/uploadcare")).header("x-uc-signature", signature);
    let answer = read_json(request.body("{}").send().await.unwrap()).await;
    insta::assert_snapshot!(failure(&answer), @"404 uploadcare_not_configured: this server takes in no webhooks of Uploadcare's: set UPLOADCARE_WEBHOOK_SECRET to their signing secret");
}
