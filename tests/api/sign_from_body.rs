//! POST /upload-signature: parameters of the client's own, many uploads at once, and a widget's parameters.

use countersign::signing::cloudinary::{SignatureVersion, string_to_sign};
use countersign::signing::{Algorithm, ParamValue, Params};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::helpers::{NOW, TestApp, failure, png, read_json, text, upload_form};

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
expires_in = "60m"
upload_widget = true
client_params = { display_name = { max_length = 20 } }
"#;

#[tokio::test]
async fn opened_parameters_are_signed_and_reach_the_provider() {
    let app = TestApp::spawn_under(PROFILES).await;
    let body = json!({"params": {"tags": "a,b", "context": "alt=a cat"}, "resource_type": "image"});
    let (status, mut body) = app.post_json("/upload-signature", &body).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let signed = body["data"].take();
    insta::assert_snapshot!(signed["payload"], @r#"{"context":"alt=a cat","folder":"web","tags":"a,b","timestamp":1719998200}"#);
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
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    {"params":{"public_id":"x"}} → 422 refused_by_profile: public_id: the profile `default` does not open this parameter to clients; leave it out
    {"params":{"overwrite":true}} → 422 refused_by_profile: overwrite: the profile `default` does not open this parameter to clients; leave it out
    {"params":{"tags":"A B"}} → 422 refused_by_profile: tags does not match the profile's pattern
    {"params":{"context":"alt=a very long description"}} → 422 refused_by_profile: context must have at most 20 characters, not 27
    {"params":{"tags":"a&overwrite=true"}} → 422 refused_by_profile: tags must not contain `&` or `%26`
    {"should_secure_asset":true} → 422 refused_by_profile: should_secure_asset: the profile `default` does not let the client choose; leave the parameter out
    {"profile":"pictures","resource_type":"raw"} → 422 refused_by_profile: resource_type: the profile `pictures` does not take `raw`; it takes image
    {"params":{"tags":"a"},"profile":"pictures"} → 422 refused_by_profile: tags: the profile `pictures` does not open this parameter to clients; leave it out
    {"profile":"nobody"} → 404 profile_not_found: there is no profile `nobody`
    {"resource_type":"pdf"} → 400 invalid_body: resource_type must be image, video, raw or auto
    {"params":{"tags":{"a":1}}} → 400 invalid_body: params.tags: must be a text, a number, true, false, or a list of these at line 1 column 26
    {"params":{"tags":null}} → 400 invalid_body: params.tags: must be a text, a number, true, false, or a list of these at line 1 column 23
    {"params":["tags"]} → 400 invalid_body: params: invalid type: sequence, expected a map at line 1 column 10
    {"folder":"elsewhere"} → 400 invalid_body: folder: unknown field `folder`, expected one of `profile`, `should_secure_asset`, `resource_type`, `params`, `uploads`, `paramsToSign`, `uploadId` at line 1 column 9
    {"uploads":[]} → 400 invalid_body: uploads must hold 1 to 100 items
    {"params":{},"uploads":[{}]} → 400 invalid_body: the body must ask for one thing: an upload (profile, params, resource_type), `uploads`, `paramsToSign`, or `uploadId`
    {"uploads":[{},{"params":{"tags":"a"},"profile":"pictures"}]} → 422 refused_by_profile: uploads[1]: tags: the profile `pictures` does not open this parameter to clients; leave it out
    {"uploads":[{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{ → 400 invalid_body: uploads must hold 1 to 100 items
    {"paramsToSign":{},"uploads":[{}]} → 400 invalid_body: the body must ask for one thing: an upload (profile, params, resource_type), `uploads`, `paramsToSign`, or `uploadId`
    [] → 400 invalid_body: the body must be a JSON object
    "#);
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

#[tokio::test]
async fn a_widgets_signature_says_how_long_it_is_valid() {
    let app = TestApp::spawn_under(PROFILES).await;
    let mut lines = Vec::new();
    for ahead in [-3_541, -3_540, -600, 0, 5, 6] {
        let asked = json!({"timestamp": NOW.0 + ahead, "folder": "web", "source": "uw"});
        let (status, body) = widget(&app, asked.clone()).await;
        if status != StatusCode::OK {
            lines.push(format!("{ahead}: {}", failure(&(status, body))));
            continue;
        }
        let expires_in = body["expiresAt"].as_i64().unwrap() - body["serverTime"].as_i64().unwrap();
        lines.push(format!("{ahead}: {expires_in} s"));
        let signed = json!({"payload": asked, "apiKey": "123", "signature": body["signature"]});
        let send = async || {
            let part = reqwest::multipart::Part::bytes(png(1, 1)).file_name("a.png");
            let url = format!("{}/v1_1/demo/image/upload", app.emulator_origin);
            let request = app.client.post(url).multipart(upload_form(&signed).part("file", part));
            request.send().await.unwrap().status()
        };
        app.control("clock", json!({"set": NOW.0 + expires_in - 1})).await;
        assert_eq!(send().await, StatusCode::OK, "{ahead}");
        app.control("clock", json!({"set": NOW.0 + expires_in + 1})).await;
        assert_eq!(send().await, StatusCode::BAD_REQUEST, "{ahead}");
    }
    insta::assert_snapshot!(lines.join("\n"), @"
    -3541: 422 refused_by_profile: timestamp must be Unix seconds, at most 5 s ahead of this server's clock and 3540 s behind it
    -3540: 60 s
    -600: 3000 s
    0: 3600 s
    5: 3605 s
    6: 422 refused_by_profile: timestamp must be Unix seconds, at most 5 s ahead of this server's clock and 3540 s behind it
    ");
}

#[tokio::test]
async fn only_a_profile_for_widgets_signs_what_a_widget_composed() {
    let profiles = "[profiles.default]\nfolder = \"web\"\nscopes = []\nexpires_in = \"60m\"\n\
                    [profiles.once]\nfolder = \"once\"\nscopes = []\nsingle_use = true\n";
    let app = TestApp::spawn_under(profiles).await;
    let asked = json!({"timestamp": NOW.0, "folder": "web"});
    let mut refusals = Vec::new();
    for path in ["/upload-signature", "/upload-signature?profile=once"] {
        refusals.push(failure(&app.post_json(path, &json!({"paramsToSign": asked})).await));
    }
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    422 refused_by_profile: paramsToSign: the profile `default` does not sign parameters that a client composed; write `upload_widget = true` and `expires_in = "60m"` in [profiles.default] of PROFILES_FILE to allow it
    422 refused_by_profile: paramsToSign: the profile `once` names each upload itself, which no widget can do: ask for the signature of one upload and send its payload, or use a profile without single_use, max_bytes and quota
    "#);
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
        ("display_name", json!("a name of more than twenty")),
        ("tags", json!("cat")),
        ("timestamp", json!(1_720_000_006)),
        ("timestamp", json!("now")),
    ] {
        let mut asked = fine.clone();
        match &value {
            Value::Null => drop(asked.as_object_mut().unwrap().remove(name)),
            value => asked[name] = value.clone(),
        }
        refusals.push(format!("{name}={value} → {}", failure(&widget(&app, asked).await)));
    }
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    folder="elsewhere" → 422 refused_by_profile: folder: the profile `widget` fixes this parameter to `web`
    folder=null → 422 refused_by_profile: folder: the profile `widget` fixes this parameter to `web`
    source="evil" → 422 refused_by_profile: source: the profile `widget` does not open this parameter to clients; leave it out
    public_id="kyc/1/passport" → 422 refused_by_profile: public_id: the profile `widget` does not open this parameter to clients; leave it out
    type="private" → 422 refused_by_profile: type: the profile `widget` does not open this parameter to clients; leave it out
    notification_url="https://evil.example" → 422 refused_by_profile: notification_url: the profile `widget` does not open this parameter to clients; leave it out
    display_name="a name of more than twenty" → 422 refused_by_profile: display_name must have at most 20 characters, not 26
    tags="cat" → 422 refused_by_profile: tags: the profile `widget` does not open this parameter to clients; leave it out
    timestamp=1720000006 → 422 refused_by_profile: timestamp must be Unix seconds, at most 5 s ahead of this server's clock and 3540 s behind it
    timestamp="now" → 422 refused_by_profile: timestamp must be Unix seconds, at most 5 s ahead of this server's clock and 3540 s behind it
    "#);
}
