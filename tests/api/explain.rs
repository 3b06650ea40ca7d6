//! `POST /explain`: the signature debugger over HTTP.

use countersign::auth::ApiKeys;
use countersign::config::AuthConfig;
use countersign::signing::Algorithm;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::helpers::{TestApp, failure, read_json};

/// The provider's words for a client that signed `signed` and sent `sent`.
fn refusal(signed: &str, sent: &str) -> String {
    let signature = Algorithm::Sha1.sign(signed.as_bytes(), &"abcd".into());
    format!("Invalid Signature {signature}. String to sign - '{sent}'.")
}

#[tokio::test]
async fn the_cause_is_proven_with_the_services_own_secret() {
    let app = TestApp::spawn().await;
    let text = refusal("timestamp=1720000000", "folder=a&timestamp=1720000000");
    let (status, body) = app.post_json("/explain", &json!({ "text": text })).await;
    assert_eq!(status, 200);
    assert_eq!(body["data"]["cause"], "parameter_not_signed");
    assert_eq!(body["data"]["message"], "`folder` was sent but not signed");
    assert!(!body.to_string().contains("abcd"));
}

#[tokio::test]
async fn no_cause_is_an_answer_too() {
    let app = TestApp::spawn().await;
    let (status, body) = app.post_json("/explain", &json!({ "text": "hello" })).await;
    assert_eq!((status.as_u16(), &body["data"]["cause"]), (200, &Value::Null));
    assert_eq!(
        body["data"]["message"],
        "there is neither an error of the provider nor a parameter in the text"
    );
}

#[tokio::test]
async fn a_body_that_breaks_a_rule_is_refused() {
    let app = TestApp::spawn().await;
    let answer = app.post_json("/explain", &json!({})).await;
    insta::assert_snapshot!(failure(&answer), @"400 invalid_body: the body is not what this route takes: missing field `text` at line 1 column 2");
    let answer = app.post_json("/explain", &json!({ "text": "" })).await;
    insta::assert_snapshot!(failure(&answer), @"400 invalid_body: text must hold the provider's error, parameters, or both");
    let answer = app.post_json("/explain", &json!({ "text": "x".repeat(270_000) })).await;
    insta::assert_snapshot!(failure(&answer), @"413 body_too_large: the body is longer than 262144 bytes");
}

#[tokio::test]
async fn nobody_in_particular_is_answered_through_a_proxy() {
    let app = TestApp::spawn().await;
    for header in ["x-forwarded-for", "forwarded", "x-real-ip"] {
        let request =
            app.client.post(app.url("/explain")).header(header, "203.0.113.9").json(&json!({"text":"x"}));
        let answer = read_json(request.send().await.unwrap()).await;
        assert_eq!(
            failure(&answer),
            "403 forbidden: this route answers callers who are authenticated, or on the server's own machine"
        );
    }
}

#[tokio::test]
async fn a_caller_with_the_scope_is_answered_from_anywhere_and_no_other_is() {
    let line = |name: &str, scope: &str| {
        format!("{name} {} {scope}\n", hex::encode(Sha256::digest(format!("cs_{name}"))))
    };
    let keys = [("ann", "explain"), ("ada", "admin"), ("bob", "upload:default,download,delete")];
    let keys: String = keys.iter().map(|(name, scope)| line(name, scope)).collect();
    let auth = AuthConfig::Required { api_keys: Some(ApiKeys::parse(&keys).unwrap()), tokens: None };
    let app = TestApp::spawn_for(auth, "[profiles.default]\nfolder = \"a\"\n").await;
    let ask = async |key: &str| {
        let request = app.client.post(app.url("/explain")).header("x-forwarded-for", "203.0.113.9");
        let request = request.bearer_auth(key).json(&json!({"text":"timestamp=1720000000123"}));
        read_json(request.send().await.unwrap()).await
    };
    for key in ["cs_ann", "cs_ada"] {
        let (status, body) = ask(key).await;
        assert_eq!((status.as_u16(), &body["data"]["cause"]), (200, &json!("timestamp_in_milliseconds")));
    }
    insta::assert_snapshot!(failure(&ask("cs_bob").await), @"403 forbidden: this takes the scope `explain`, which the caller does not hold");
    assert_eq!(ask("cs_eve").await.0, 401);
}
