//! Signatures that countersign gives out, used for what they were not given out for: nobody else's asset changes.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::helpers::{TestApp, png, text};

const PROFILES: &str = r#"
[profiles.default]
folder = "mine"
scopes = []

[profiles.private]
folder = "mine"
scopes = []
type = "private"
tags = ["mine"]
client_params = { context = { max_length = 200 } }
"#;

/// What an attacker would add: names of somebody else's asset in every spelling.
const ATTACKS: &[&[(&str, &str)]] = &[
    &[],
    &[("public_id", "theirs/cat")],
    &[("public_id", "theirs/cat"), ("overwrite", "1"), ("invalidate", "1")],
    &[("from_public_id", "theirs/cat"), ("to_public_id", "mine/cat")],
    &[("from_public_id", "theirs/cat"), ("to_public_id", "mine/cat"), ("overwrite", "true")],
    &[
        ("public_ids[]", "theirs/cat"),
        ("command", "add"),
        ("tag", "x"),
        ("context", "a=b"),
        ("metadata", "a=b"),
    ],
    &[("public_ids", "theirs/cat"), ("command", "remove_all")],
    &[("asset_id", "0123456789abcdef0123456789abcdef")],
    &[("upload_preset", "any")],
    &[("eager", "w_1"), ("public_id", "theirs/cat"), ("type", "upload")],
];

const ENDPOINTS: [&str; 7] = ["upload", "destroy", "rename", "explicit", "tags", "context", "metadata"];

async fn send(app: &TestApp, path: &str, signed: &Value, extra: &[(&str, &str)]) -> u16 {
    let mut form = Form::new().part("file", Part::bytes(png(1, 1)).file_name("cat.png"));
    for (name, value) in signed["payload"].as_object().unwrap() {
        if !extra.iter().any(|(other, _)| other == name) {
            form = form.text(name.clone(), text(value));
        }
    }
    form = form.text("api_key", text(&signed["apiKey"])).text("signature", text(&signed["signature"]));
    for (name, value) in extra {
        form = form.text((*name).to_owned(), (*value).to_owned());
    }
    let request = app.client.post(format!("{}/v1_1/demo/{path}", app.emulator_origin)).multipart(form);
    request.send().await.unwrap().status().as_u16()
}

/// Every asset outside the attacker's own folder.
async fn theirs(app: &TestApp) -> Vec<Value> {
    let request = app.client.get(format!("{}/_emulator/assets", app.emulator_origin));
    let body: Value = request.send().await.unwrap().json().await.unwrap();
    let is_theirs = |asset: &&Value| !text(&asset["asset"]["public_id"]).starts_with("mine/");
    body["assets"].as_array().unwrap().iter().filter(is_theirs).cloned().collect()
}

async fn with_victims() -> TestApp {
    let app = TestApp::spawn_under(PROFILES).await;
    for resource_type in ["image", "raw"] {
        for delivery_type in ["upload", "private", "authenticated"] {
            let form = Form::new()
                .text("public_id", "theirs/cat")
                .text("type", delivery_type)
                .text("tags", "theirs")
                .part("file", Part::bytes(png(3, 2)).file_name("cat.png"));
            let url = format!("{}/v1_1/demo/{resource_type}/upload", app.emulator_origin);
            let request = app.client.post(url).basic_auth("123", Some("abcd")).multipart(form);
            assert_eq!(request.send().await.unwrap().status(), 200);
        }
    }
    app
}

async fn signatures(app: &TestApp) -> Vec<Value> {
    let mut signatures = Vec::new();
    for query in ["", "?resource_type=raw", "?profile=private", "?profile=private&resource_type=image"] {
        signatures.push(app.data(&format!("/upload-signature{query}")).await);
    }
    let body = json!({"profile": "private", "params": {"context": "public_id=theirs/cat|a=b"}});
    let (status, mut answer) = app.post_json("/upload-signature", &body).await;
    assert_eq!(status, 200, "{answer}");
    signatures.push(answer["data"].take());
    for signed in signatures.clone() {
        let mut by_hand = signed;
        by_hand["signature"] = by_hand["manualSignature"].clone();
        signatures.push(by_hand);
    }
    signatures
}

#[tokio::test]
async fn no_signature_of_ours_changes_anybody_elses_asset() {
    let app = with_victims().await;
    let before = theirs(&app).await;
    assert_eq!(before.len(), 6);
    for signed in signatures(&app).await {
        for resource_type in ["image", "raw", "video"] {
            for endpoint in ENDPOINTS {
                for extra in ATTACKS {
                    let status = send(&app, &format!("{resource_type}/{endpoint}"), &signed, extra).await;
                    let is_plain_upload = endpoint == "upload" && extra.is_empty();
                    assert!(
                        is_plain_upload || status >= 400,
                        "{resource_type}/{endpoint} {extra:?}: {status}"
                    );
                }
            }
        }
        assert!(send(&app, "asset/destroy", &signed, &[]).await >= 400);
    }
    assert_eq!(theirs(&app).await, before);
}

#[tokio::test]
async fn after_an_hour_a_signature_does_nothing_at_all() {
    let app = with_victims().await;
    let signatures = signatures(&app).await;
    app.control("clock", json!({"advance_seconds": 3_601})).await;
    for signed in signatures {
        for endpoint in ENDPOINTS {
            assert!(send(&app, &format!("image/{endpoint}"), &signed, &[]).await >= 400, "{endpoint}");
        }
    }
}
