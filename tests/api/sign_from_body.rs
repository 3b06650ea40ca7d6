//! POST /upload-signature: parameters of the client's own, many uploads at once, and a widget's parameters.

use countersign::signing::cloudinary::{SignatureVersion, string_to_sign};
use countersign::signing::{Algorithm, ParamValue, Params};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::helpers::{TestApp, failure, png, read_json, text, upload_form};

/// One profile that opens tags and context, and one for widgets.
const PROFILES: &str = r#"
[profiles.default]
folder = "web"
scopes = []
client_params = { tags = { pattern = "^[a-z0-9,]{0,60}$" }, context = { max_length = 20 } }

[profiles.pictures]
folder = "pictures"
resource_types = ["image"]
allowed_formats = ["png"]
scopes = []

[profiles.widget]
folder = "web"
scopes = []
client_params = { source = { one_of = ["uw"] } }
"#;

#[tokio::test]
async fn opened_parameters_are_signed_and_reach_the_provider() {
    let app = TestApp::spawn_under(PROFILES).await;
    let body = json!({"params": {"tags": "a,b", "context": "alt=a cat"}, "resource_type": "image"});
    let (status, mut body) = app.post_json("/upload-signature", &body).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let signed = body["data"].take();
    insta::assert_snapshot!(signed["payload"], @"");
    let part = reqwest::multipart::Part::bytes(png(2, 2)).file_name("cat.png");
    let request =
        app.client.post(text(&signed["uploadUrl"])).multipart(upload_form(&signed).part("file", part));
    let (status, asset) = read_json(request.send().await.unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{asset}");
    assert_eq!((&asset["tags"], &asset["context"]["custom"]["alt"]), (&json!(["a", "b"]), &json!("a cat")));
}

#[tokio::test]
async fn what_the_profile_does_not_open_or_allow_is_refused_by_name() {
    let app = TestApp::spawn_under(PROFILES).await;
    let mut refusals = Vec::new();
    for body in [
        json!({"params": {"public_id": "x"}}),
        json!({"params": {"overwrite": true}}),
        json!({"params": {"tags": "A B"}}),
        json!({"params": {"context": "alt=a very long description"}}),
        json!({"params": {"tags": "a&overwrite=true"}}),
        json!({"should_secure_asset": true}),
        json!({"profile": "pictures", "resource_type": "raw"}),
        json!({"profile": "pictures", "params": {"tags": "a"}}),
        json!({"profile": "nobody"}),
        json!({"resource_type": "pdf"}),
        json!({"params": {"tags": {"a": 1}}}),
        json!({"params": {"tags": null}}),
        json!({"params": ["tags"]}),
        json!({"folder": "elsewhere"}),
        json!({"uploads": []}),
        json!({"uploads": [{}], "params": {}}),
        json!({"uploads": [{}, {"profile": "pictures", "params": {"tags": "a"}}]}),
        json!({"uploads": vec![json!({}); 101]}),
        json!({"paramsToSign": {}, "uploads": [{}]}),
        json!([]),
    ] {
        let answer = app.post_json("/upload-signature", &body).await;
        let shown: String = body.to_string().chars().take(70).collect();
        refusals.push(format!("{shown} → {}", failure(&answer)));
    }
    insta::assert_snapshot!(refusals.join("\n"), @"");
}

#[tokio::test]
async fn a_hundred_uploads_are_signed_at_once_and_in_order() {
    let app = TestApp::spawn_under(PROFILES).await;
    let uploads: Vec<_> = (0..100).map(|index| json!({"params": {"tags": format!("t{index}")}})).collect();
    let (status, body) = app.post_json("/upload-signature", &json!({ "uploads": uploads })).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let tags: Vec<_> =
        body["data"].as_array().unwrap().iter().map(|signed| text(&signed["payload"]["tags"])).collect();
    assert_eq!(tags, (0..100).map(|index| format!("t{index}")).collect::<Vec<_>>());
}

async fn widget(app: &TestApp, params: Value) -> (StatusCode, Value) {
    app.post_json("/upload-signature?profile=widget", &json!({ "paramsToSign": params })).await
}

#[tokio::test]
async fn a_widgets_parameters_are_signed_at_top_level() {
    let app = TestApp::spawn_under(PROFILES).await;
    let asked = json!({"timestamp": 1_720_000_000, "folder": "web", "source": "uw"});
    let (status, body) = widget(&app, asked.clone()).await;
    assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("success")), "{body}");
    let params: Params = asked
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), ParamValue::from(text(value))))
        .collect();
    let string = string_to_sign(&params, SignatureVersion::V2);
    assert_eq!(string, "folder=web&source=uw&timestamp=1720000000");
    assert_eq!(text(&body["signature"]), Algorithm::Sha1.sign(string.as_bytes(), &"abcd".into()).as_str());
}

#[tokio::test]
async fn a_widgets_parameters_are_refused_where_they_are_not_the_profiles() {
    let app = TestApp::spawn_under(PROFILES).await;
    let fine = json!({"timestamp": 1_720_000_000, "folder": "web", "source": "uw"});
    let mut refusals = Vec::new();
    for (name, value) in [
        ("folder", json!("elsewhere")),
        ("folder", json!(null)),
        ("source", json!("evil")),
        ("public_id", json!("kyc/1/passport")),
        ("type", json!("private")),
        ("notification_url", json!("https://evil.example")),
        ("timestamp", json!(1_720_000_061)),
        ("timestamp", json!("now")),
    ] {
        let mut asked = fine.clone();
        match &value {
            Value::Null => drop(asked.as_object_mut().unwrap().remove(name)),
            value => asked[name] = value.clone(),
        }
        refusals.push(format!("{name}={value} → {}", failure(&widget(&app, asked).await)));
    }
    insta::assert_snapshot!(refusals.join("\n"), @"");
}
