//! GET /uploadcare-signature and /api/uploadcare-signature.

use countersign::signing::uploadcare::upload_signature;
use serde_json::json;

use crate::helpers::{NOW, TestApp, failure, text};

#[tokio::test]
async fn the_answer_has_both_spellings_at_the_top_level() {
    let app = TestApp::spawn().await;
    let expire = (NOW.0 + 1_800).to_string();
    let signature = upload_signature(&"emulator-secret-key".into(), &expire).to_string();
    let expected = json!({"secureSignature": signature, "secureExpire": expire, "signature": signature, "expire": expire});
    for path in
        ["/uploadcare-signature", "/api/uploadcare-signature", "/uploadcare-signature?profile=uploadcare"]
    {
        let answer = app.get(path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_eq!(answer.headers()["content-type"], "application/json");
        let body: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(body, expected, "{path}");
    }
}

#[tokio::test]
async fn a_profile_decides_how_long_and_for_whom() {
    let profiles = "[profiles.day]\nprovider = \"uploadcare\"\nexpires_in = \"24h\"\nscopes = []\n\
                    [profiles.staff]\nprovider = \"uploadcare\"\n[profiles.kyc]\nscopes = []";
    let app = TestApp::spawn_under(profiles).await;
    let (_, body) = app.get_json("/uploadcare-signature?profile=day").await;
    assert_eq!(body["expire"], (NOW.0 + 86_400).to_string());
    for (query, expected) in [
        ("?profile=staff", "403 forbidden: the profile `staff` is for authenticated callers"),
        ("", "404 profile_not_found: there is no profile `uploadcare`"),
        ("?profile=kyc", "404 profile_not_found: there is no profile `kyc`"),
    ] {
        assert_eq!(failure(&app.get_json(&format!("/uploadcare-signature{query}")).await), expected);
    }
    assert_eq!(
        failure(&app.get_json("/upload-signature?profile=day").await),
        "404 profile_not_found: there is no profile `day`"
    );
}

#[tokio::test]
async fn a_token_profile_answers_with_a_token() {
    let profiles =
        "[profiles.uploadcare]\nprovider = \"uploadcare\"\nmode = \"token\"\noperations = 1\nscopes = []";
    let app = TestApp::spawn_under(profiles).await;
    let (_, body) = app.get_json("/uploadcare-signature").await;
    assert_eq!(body["expire"], (NOW.0 + 1_800).to_string());
    let claims = text(&body["authToken"]);
    let claims = claims.split('.').nth(1).unwrap();
    insta::assert_snapshot!(claims, @"eyJpYXQiOjE3MjAwMDAwMDAsImV4cCI6MTcyMDAwMTgwMCwidWMiOnsicmVzdHJpY3Rpb25zIjp7ImxpbWl0cyI6eyJvcGVyYXRpb25zIjoxfX19fQ");
}

#[tokio::test]
async fn unknown_and_repeated_parameters_are_refused() {
    let app = TestApp::spawn().await;
    for query in ["?profil=a", "?profile=uploadcare&profile=b", "?expire=2000000000"] {
        let (status, body) = app.get_json(&format!("/uploadcare-signature{query}")).await;
        assert_eq!((status.as_u16(), &body["code"]), (400, &json!("invalid_query")), "{query}");
    }
}
