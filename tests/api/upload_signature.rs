//! GET /upload-signature.

use countersign::signing::Algorithm;
use countersign::signing::cloudinary::SignatureVersion;

use crate::helpers::{TestApp, failure, png};

#[tokio::test]
async fn the_answer_is_what_the_contract_says() {
    let app = TestApp::spawn().await;
    let mut data = app.data("/upload-signature?resource_type=image").await;
    assert_eq!(data["uploadUrl"].take(), format!("{}/v1_1/demo/image/upload", app.emulator_origin));
    insta::assert_snapshot!(data, @"");
}

#[tokio::test]
async fn a_secured_upload_is_signed_as_private() {
    let app = TestApp::spawn().await;
    let data = app.data("/upload-signature?should_secure_asset=true").await;
    insta::assert_snapshot!(data["payload"], @"");
    let data = app.data("/upload-signature?should_secure_asset=false").await;
    insta::assert_snapshot!(data["payload"], @"");
}

#[tokio::test]
async fn both_signatures_are_accepted_by_the_provider_whatever_is_configured() {
    for algorithm in [Algorithm::Sha1, Algorithm::Sha256] {
        for version in [SignatureVersion::V1, SignatureVersion::V2] {
            let app = TestApp::spawn_with(
                |mut account| {
                    (account.algorithm, account.version) = (algorithm, version);
                    account
                },
                Vec::new(),
            )
            .await;
            let signed = app.data("/upload-signature").await;
            assert_eq!(signed["signature"].as_str().unwrap().len(), if algorithm == Algorithm::Sha1 { 40 } else { 64 });
            for name in ["signature", "manualSignature"] {
                let mut signed = signed.clone();
                signed["signature"] = signed[name].clone();
                let part = reqwest::multipart::Part::bytes(png(3, 2)).file_name("a.png");
                let form = crate::helpers::upload_form(&signed).part("file", part);
                let url = signed["uploadUrl"].as_str().unwrap();
                let answer = app.client.post(url).multipart(form).send().await.unwrap();
                assert_eq!(answer.status(), 200, "{name} {}", answer.text().await.unwrap());
            }
        }
    }
}

#[tokio::test]
async fn a_signature_lives_as_long_as_the_profile_says_and_no_longer() {
    let app = TestApp::spawn().await;
    let signed = app.data("/upload-signature").await;
    let send = async || {
        let part = reqwest::multipart::Part::bytes(png(3, 2)).file_name("a.png");
        let form = crate::helpers::upload_form(&signed).part("file", part);
        app.client.post(signed["uploadUrl"].as_str().unwrap()).multipart(form).send().await.unwrap()
    };
    app.control("clock", serde_json::json!({"advance_seconds": 30 * 60 - 1})).await;
    assert_eq!(send().await.status(), 200);
    app.control("clock", serde_json::json!({"advance_seconds": 2})).await;
    let stale = send().await.text().await.unwrap();
    assert!(stale.contains("Stale request - reported time is 2024-07-03 09:16:40 +0000"), "{stale}");
}

#[tokio::test]
async fn every_wrong_query_is_refused_by_name() {
    let app = TestApp::spawn().await;
    let mut refusals = String::new();
    for query in [
        "should_secure_asset=1",
        "should_secure_asset=True",
        "should_secure_asset=",
        "should_secure_asset[]=true",
        "should_secure_asset[a]=true",
        "should_secure_asset=true&should_secure_asset=false",
        "resource_type=pdf",
        "profile=nobody",
        "folder=elsewhere",
        "public_id=a",
        "profile=%ff",
    ] {
        let answer = app.get_json(&format!("/upload-signature?{query}")).await;
        refusals.push_str(&format!("{query} → {}\n", failure(&answer)));
    }
    insta::assert_snapshot!(refusals, @"");
}

#[tokio::test]
async fn an_answer_is_never_cached() {
    let app = TestApp::spawn().await;
    for path in ["/upload-signature", "/download-url?public_id=a&format=jpg"] {
        let answer = app.get(path).send().await.unwrap();
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
    }
}
