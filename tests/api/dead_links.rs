//! What somebody can do with the query of a download link: while it lives, and after.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::helpers::{TestApp, client, failure, png, read_json, text};

const PROFILES: &str = r#"
[profiles.default]
scopes = []
folder = "kyc"
type = "private"
allowed_formats = ["png"]
max_bytes = "10KB"
single_use = true
quota = { uploads = "5/day", bytes = "50KB/day" }
"#;

/// Sends the query of a link as a form.
async fn post_link(app: &TestApp, link: &str, endpoint: &str) -> (u16, Value) {
    let url: reqwest::Url = link.parse().unwrap();
    let mut form = Form::new().part("file", Part::bytes(png(9, 9)).file_name("evil.png"));
    for (name, value) in url.query_pairs() {
        form = form.text(name.into_owned(), value.into_owned());
    }
    let endpoint = format!("{}/v1_1/demo/image/{endpoint}", app.emulator_origin);
    let (status, body) = read_json(client().post(endpoint).multipart(form).send().await.unwrap()).await;
    (status.as_u16(), body)
}

/// A confirmed upload, and its public id.
async fn confirmed(app: &TestApp) -> String {
    let signed = app.data("/upload-signature").await;
    let asset = app.upload_signed(&signed, png(1, 1)).await;
    let confirm = format!("/uploads/{}/confirm", text(&signed["uploadId"]));
    assert_eq!(app.post_json(&confirm, &asset).await.0, 200);
    text(&asset["public_id"])
}

async fn link(app: &TestApp, query: &str) -> String {
    text(&app.data(&format!("/download-url?{query}")).await["downloadUrl"])
}

#[tokio::test]
async fn a_dead_link_neither_overwrites_nor_destroys() {
    let app = TestApp::spawn_under(PROFILES).await;
    let id = confirmed(&app).await;
    for lifetime in [1, 60, 600] {
        let link = link(&app, &format!("public_id={id}&format=png&expires_in={lifetime}")).await;
        for later in [lifetime + 1, 1_800] {
            app.control("clock", json!({"set": 1_720_000_000 + later})).await;
            for endpoint in ["upload", "destroy", "explicit", "rename", "tags", "context"] {
                let (status, body) = post_link(&app, &link, endpoint).await;
                assert_eq!(status, 400, "{endpoint} {later} s later: {body}");
                assert!(text(&body["error"]["message"]).starts_with("Stale request"), "{body}");
            }
        }
        app.control("clock", json!({"set": 1_720_000_000})).await;
    }
}

#[tokio::test]
async fn no_link_is_made_to_what_was_never_uploaded() {
    let app = TestApp::spawn_under(PROFILES).await;
    let id = confirmed(&app).await;
    for query in [
        "public_id=kyc/anything_i_like&format=svg".to_owned(),
        "public_id=kyc/anything_i_like&format=svg&type=upload".to_owned(),
        format!("public_id={id}&format=png&type=upload"),
        format!("public_id={id}x&format=png"),
        format!("public_id={id}&format=&resource_type=raw"),
    ] {
        let answer = app.get_json(&format!("/download-url?{query}")).await;
        assert_eq!(failure(&answer), "404 not_found: there is no such asset", "{query}");
    }
    let signed = app.data("/upload-signature").await;
    let unused = format!("/download-url?public_id=kyc/{}&format=png", text(&signed["uploadId"]));
    assert_eq!(failure(&app.get_json(&unused).await), "404 not_found: there is no such asset");
}
