//! GET /download-url.

use countersign::config::CloudinaryAccount;
use countersign::signing::AuthTokenKey;
use reqwest::multipart::Part;
use serde_json::json;

use crate::helpers::{Setup, TestApp, failure, png, text, upload_form};

#[tokio::test]
async fn the_answer_is_what_the_contract_says() {
    let app = TestApp::spawn().await;
    let mut data = app.data("/download-url?public_id=kyc/1/passport&format=jpg").await;
    let url = text(&data["downloadUrl"].take());
    insta::assert_snapshot!(url.replace(&app.emulator_origin, "https://api"), @"https://api/v1_1/demo/image/download?timestamp=1719996460&public_id=kyc%2F1%2Fpassport&format=jpg&type=private&expires_at=1720000060&signature=f7bef7a9bcfa9e266355b56715140896358abf34&api_key=123");
    insta::assert_snapshot!(data, @r#"{"downloadUrl":null,"expiresAt":1720000060,"expiresIn":"1 min","serverTime":1720000000}"#);
}

#[tokio::test]
async fn a_private_file_comes_back_byte_for_byte_until_the_link_dies() {
    let app = TestApp::spawn().await;
    let bytes = png(640, 480);
    let (_, asset) = app.upload("?should_secure_asset=true", "passport.png", bytes.clone()).await;
    let path = format!("/download-url?public_id={}&format=png", text(&asset["public_id"]));
    let url = text(&app.data(&path).await["downloadUrl"]);

    let answer = app.client.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.bytes().await.unwrap(), bytes);

    app.control("clock", json!({"advance_seconds": 61})).await;
    let answer = app.client.get(&url).send().await.unwrap();
    assert!(answer.status().is_client_error(), "{}", answer.status());
}

#[tokio::test]
async fn every_parameter_is_bound_by_the_signature() {
    let app = TestApp::spawn().await;
    let (_, asset) = app.upload("?should_secure_asset=true", "passport.png", png(1, 1)).await;
    let path = format!("/download-url?public_id={}&format=png", text(&asset["public_id"]));
    let url = text(&app.data(&path).await["downloadUrl"]);
    for (from, to) in [("expires_at=1720000060", "expires_at=1820000060"), ("type=private", "type=upload")] {
        assert!(url.contains(from), "{url}");
        let answer = app.client.get(url.replace(from, to)).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{to}");
    }
}

#[tokio::test]
async fn a_raw_file_is_addressed_with_its_ending() {
    let app = TestApp::spawn().await;
    let (_, asset) =
        app.upload("?should_secure_asset=true&resource_type=raw", "notes.txt", b"hello".to_vec()).await;
    let path = format!("/download-url?public_id={}&format=&resource_type=raw", text(&asset["public_id"]));
    let url = text(&app.data(&path).await["downloadUrl"]);
    let answer = app.client.get(&url).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "hello");
}

#[tokio::test]
async fn an_attachment_asks_the_browser_to_save_the_file() {
    let app = TestApp::spawn().await;
    let (_, asset) = app.upload("", "cat.png", png(1, 1)).await;
    let path = format!(
        "/download-url?public_id={}&format=png&type=upload&attachment=true",
        text(&asset["public_id"])
    );
    let url = text(&app.data(&path).await["downloadUrl"]);
    let answer = app.client.get(&url).send().await.unwrap();
    assert!(answer.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
}

#[tokio::test]
async fn the_life_of_a_link_is_said_in_words() {
    let app = TestApp::spawn().await;
    for (seconds, words) in [(1, "1 sec"), (59, "59 secs"), (60, "1 min"), (90, "90 secs"), (600, "10 mins")]
    {
        let data = app.data(&format!("/download-url?public_id=a&format=jpg&expires_in={seconds}")).await;
        assert_eq!(data["expiresIn"], words);
        assert_eq!(data["expiresAt"], 1_720_000_000 + seconds);
    }
}

#[tokio::test]
async fn every_wrong_query_is_refused_by_name() {
    let app = TestApp::spawn().await;
    let long = format!("public_id={}&format=jpg", "a".repeat(300));
    let mut refusals = Vec::new();
    for query in [
        "",
        "public_id=a",
        "format=jpg",
        "public_id=&format=jpg",
        "public_id=a&format=",
        "public_id[]=a&format=jpg",
        "public_id=a&public_id=b&format=jpg",
        "public_id=a/../b&format=jpg",
        "public_id=%2e%2e/b&format=jpg",
        "public_id=a%00b&format=jpg",
        "public_id=a%0d%0ab&format=jpg",
        "public_id=a%26type=upload&format=jpg",
        "public_id=/a&format=jpg",
        "public_id=a&format=j/pg",
        "public_id=a&format=jpg%26b",
        "public_id=a&format=jpg&resource_type=auto",
        "public_id=a&format=jpg&type=fetch",
        "public_id=a&format=jpg&attachment=yes",
        "public_id=a&format=jpg&expires_in=0",
        "public_id=a&format=jpg&expires_in=601",
        "public_id=a&format=jpg&expires_in=1e3",
        &long,
    ] {
        let answer = app.get_json(&format!("/download-url?{query}")).await;
        refusals.push(format!("{} → {}", &query[..query.len().min(60)], failure(&answer)));
    }
    insta::assert_snapshot!(refusals.join("\n"), @"
     → 400 invalid_query: public_id is missing
    public_id=a → 400 invalid_query: format is missing, such as jpg
    format=jpg → 400 invalid_query: public_id is missing
    public_id=&format=jpg → 400 invalid_query: public_id must not be empty
    public_id=a&format= → 400 invalid_query: format may be empty for resource_type=raw only
    public_id[]=a&format=jpg → 400 invalid_query: the query has an unknown parameter `public_id[]`, expected one of `url`, `public_id`, `format`, `resource_type`, `type`, `attachment`, `expires_in`
    public_id=a&public_id=b&format=jpg → 400 invalid_query: the query has a duplicate parameter `public_id`
    public_id=a/../b&format=jpg → 400 invalid_query: public_id must not have `.` or `..` as a segment
    public_id=%2e%2e/b&format=jpg → 400 invalid_query: public_id must not have `.` or `..` as a segment
    public_id=a%00b&format=jpg → 400 invalid_query: public_id must not contain control characters
    public_id=a%0d%0ab&format=jpg → 400 invalid_query: public_id must not contain control characters
    public_id=a%26type=upload&format=jpg → 400 invalid_query: public_id must not contain `&`
    public_id=/a&format=jpg → 400 invalid_query: public_id must not begin or end with a slash, or have two in a row
    public_id=a&format=j/pg → 400 invalid_query: format must be 1 to 10 letters and digits, such as jpg
    public_id=a&format=jpg%26b → 400 invalid_query: format must be 1 to 10 letters and digits, such as jpg
    public_id=a&format=jpg&resource_type=auto → 400 invalid_query: resource_type must be image, video or raw
    public_id=a&format=jpg&type=fetch → 400 invalid_query: type must be upload, private or authenticated
    public_id=a&format=jpg&attachment=yes → 400 invalid_query: attachment must be true or false
    public_id=a&format=jpg&expires_in=0 → 400 invalid_query: expires_in must be a whole number of seconds from 1 to 600
    public_id=a&format=jpg&expires_in=601 → 400 invalid_query: expires_in must be a whole number of seconds from 1 to 600
    public_id=a&format=jpg&expires_in=1e3 → 400 invalid_query: expires_in must be a whole number of seconds from 1 to 600
    public_id=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa → 400 invalid_query: public_id must have at most 255 characters, not 300
    ");
}

#[tokio::test]
async fn an_authenticated_file_is_linked_by_a_token_url_where_the_account_has_token_authentication() {
    let profiles = "[profiles.default]\nfolder = \"a\"\nscopes = []\ntype = \"authenticated\"\n";
    let profiles = countersign::profiles::Profiles::from_toml(profiles).unwrap();
    let key = AuthTokenKey::parse("00112233445566778899aabbccddeeff").unwrap();
    let change = |account| CloudinaryAccount { auth_token_key: Some(key), ..account };
    let app = TestApp::start(change, Setup { profiles, ..Setup::default() }).await;
    let signed = app.data("/upload-signature").await;
    let form = upload_form(&signed).part("file", Part::bytes(png(3, 3)).file_name("a.png"));
    let upload = app.client.post(text(&signed["uploadUrl"])).multipart(form).send().await.unwrap();
    let asset: serde_json::Value = upload.json().await.unwrap();
    let path = format!("/download-url?public_id={}&format=png&type=authenticated", text(&asset["public_id"]));
    let url = text(&app.data(&path).await["downloadUrl"]);
    assert!(url.contains("/image/authenticated/") && url.contains("__cld_token__="), "{url}");
    assert!(!url.contains("signature") && !url.contains("api_key"), "{url}");
    let open = async || app.client.get(&url).send().await.unwrap().status();
    assert_eq!(open().await, 200);
    app.control("clock", json!({"advance_seconds": 61})).await;
    assert!(open().await.is_client_error());
}
