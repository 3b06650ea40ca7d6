//! Context that a profile fixes: whatever a client adds, the provider stores it as the profile says.

use std::collections::BTreeMap;

use countersign::profiles::Profiles;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::StatusCode;
use reqwest::multipart::Part;
use serde_json::{Value, json};

use crate::helpers::{NOW, TestApp, failure, png, read_json, text, upload_form};

/// A profile that fixes these pairs, and opens context to clients.
fn profile(fixed: &BTreeMap<String, String>) -> String {
    let pairs: Vec<_> =
        fixed.iter().map(|(name, value)| format!("{} = {}", quoted(name), quoted(value))).collect();
    format!(
        "[profiles.default]\nfolder = \"web\"\nscopes = []\nupload_widget = true\nexpires_in = \"60m\"\nclient_params = {{ context = {{}} }}\n\
         context = {{ {} }}\n",
        pairs.join(", ")
    )
}

/// A basic string of TOML; for these characters JSON writes the same.
fn quoted(text: &str) -> String {
    json!(text).to_string()
}

async fn post(app: &TestApp, body: Value) -> (StatusCode, Value) {
    app.post_json("/upload-signature", &body).await
}

/// Uploads under `payload` and `signature`; the context that the provider stored.
async fn stored(app: &TestApp, payload: &Value, signature: &Value) -> BTreeMap<String, String> {
    let signed = json!({"payload": payload, "apiKey": "123", "signature": signature});
    let form = upload_form(&signed).part("file", Part::bytes(png(1, 1)).file_name("a.png"));
    let request = app.client.post(format!("{}/v1_1/demo/image/upload", app.emulator_origin)).multipart(form);
    let (status, asset) = read_json(request.send().await.unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{asset}");
    let context = asset["context"]["custom"].as_object().cloned().unwrap_or_default();
    context.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// What the provider stores for a client that adds `added`, as a parameter of its own and among the parameters that it
/// composed itself; nothing where it is refused.
async fn stored_with(app: &TestApp, added: &str) -> Vec<BTreeMap<String, String>> {
    let (_, plain) = post(app, json!({})).await;
    let fixed = text(&plain["data"]["payload"]["context"]);
    let mut all = Vec::new();
    let (status, body) = post(app, json!({"params": {"context": added}})).await;
    if status == StatusCode::OK {
        all.push(stored(app, &body["data"]["payload"], &body["data"]["signature"]).await);
    }
    for context in [format!("{fixed}|{added}"), format!("{added}|{fixed}"), added.to_owned()] {
        let asked = json!({"timestamp": NOW.0, "folder": "web", "context": context});
        let (status, body) = post(app, json!({"paramsToSign": asked})).await;
        if status == StatusCode::OK {
            all.push(stored(app, &asked, &body["signature"]).await);
        }
    }
    all
}

fn holds(stored: &BTreeMap<String, String>, fixed: &BTreeMap<String, String>) -> bool {
    fixed.iter().all(|(name, value)| stored.get(name) == Some(value))
}

#[test]
fn whatever_a_client_adds_the_provider_stores_what_the_profile_fixes() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let app = runtime.block_on(TestApp::spawn());
    let fixed = proptest::collection::btree_map("[ab]{1,2}", r"[ab=|\\]{1,5}", 1..3);
    let strategy = (fixed, r"[abc=| ,]{0,3}(\\)?[abc=| ,]{0,9}");
    let mut signed = 0;
    let outcome = TestRunner::new(Config::with_cases(96)).run(&strategy, |(fixed, added)| {
        app.state.replace_profiles(Profiles::from_toml(&profile(&fixed)).unwrap());
        let all = runtime.block_on(stored_with(&app, &added));
        for stored in &all {
            prop_assert!(holds(stored, &fixed), "{:?} became {:?}", fixed, stored);
        }
        Ok(())
    });
    outcome.unwrap();
    // The property would hold of a service that signs nothing, too.
    let fixed = BTreeMap::from([("a".to_owned(), r"=|\".to_owned())]);
    app.state.replace_profiles(Profiles::from_toml(&profile(&fixed)).unwrap());
    for stored in runtime.block_on(stored_with(&app, "c=1|d=x, y")) {
        assert_eq!(stored["a"], r"=|\");
        assert_eq!((stored["c"].as_str(), stored["d"].as_str()), ("1", "x, y"));
        signed += 1;
    }
    assert_eq!(signed, 3);
}

#[tokio::test]
async fn a_client_cannot_write_over_a_pair_of_the_profiles() {
    let fixed =
        [("owner", "alice"), ("source", "web")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let app = TestApp::spawn_under(&profile(&BTreeMap::from(fixed))).await;
    let mut refusals = Vec::new();
    for added in [
        "owner=bob",
        " owner =bob",
        "owner",
        "x=1|source=bob",
        r"own\er=bob",
        r"x=\",
        r"x=\|owner=bob",
        "x=1,owner=bob",
    ] {
        let answer = post(&app, json!({"params": {"context": added}})).await;
        refusals.push(format!("{added} → {}", failure(&answer)));
        assert_eq!(stored_with(&app, added).await, [], "{added}");
    }
    insta::assert_snapshot!(refusals.join("\n"), @r"
    owner=bob → 422 refused_by_profile: context must not hold the key `owner`, which the profile fixes
     owner =bob → 422 refused_by_profile: context must not hold the key `owner`, which the profile fixes
    owner → 422 refused_by_profile: context must not hold the key `owner`, which the profile fixes
    x=1|source=bob → 422 refused_by_profile: context must not hold the key `source`, which the profile fixes
    own\er=bob → 422 refused_by_profile: context must not contain a backslash (`\`)
    x=\ → 422 refused_by_profile: context must not contain a backslash (`\`)
    x=\|owner=bob → 422 refused_by_profile: context must not contain a backslash (`\`)
    x=1,owner=bob → 422 refused_by_profile: context must not hold the key `owner`, which the profile fixes
    ");
}
