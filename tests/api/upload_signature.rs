//! GET /upload-signature.

use countersign::config::CloudinaryAccount;
use countersign::profiles::Profiles;
use countersign::signing::Algorithm;
use countersign::signing::cloudinary::SignatureVersion;
use reqwest::Method;

use crate::helpers::{TestApp, failure, png};

#[tokio::test]
async fn the_answer_is_what_the_contract_says() {
    let app = TestApp::spawn().await;
    let mut data = app.data("/upload-signature?resource_type=image").await;
    assert_eq!(data["uploadUrl"].take(), format!("{}/v1_1/demo/image/upload", app.emulator_origin));
    insta::assert_snapshot!(data, @r#"{"apiKey":"123","cloudname":"demo","expiresAt":1720001800,"expiresIn":"30 mins","manualSignature":"15d8a47f3223e9cc1ae76e1bd4681a1d78d311c8","payload":{"folder":"kyc/1","timestamp":1719998200,"use_filename":true},"serverTime":1720000000,"signature":"15d8a47f3223e9cc1ae76e1bd4681a1d78d311c8","uploadUrl":null}"#);
}

#[tokio::test]
async fn a_secured_upload_is_signed_as_private() {
    let app = TestApp::spawn().await;
    let data = app.data("/upload-signature?should_secure_asset=true").await;
    insta::assert_snapshot!(data["payload"], @r#"{"folder":"kyc/1","timestamp":1719998200,"type":"private","use_filename":true}"#);
    let data = app.data("/upload-signature?should_secure_asset=false").await;
    insta::assert_snapshot!(data["payload"], @r#"{"folder":"kyc/1","timestamp":1719998200,"use_filename":true}"#);
}

#[tokio::test]
async fn every_signature_that_is_answered_is_accepted_by_the_provider_whatever_is_configured() {
    for (algorithm, version, names) in [
        (Algorithm::Sha1, SignatureVersion::V1, &["signature", "manualSignature"][..]),
        (Algorithm::Sha1, SignatureVersion::V2, &["signature", "manualSignature"]),
        // SHA-1 would be the weaker credential.
        (Algorithm::Sha256, SignatureVersion::V1, &["signature"]),
        (Algorithm::Sha256, SignatureVersion::V2, &["signature"]),
    ] {
        let change = |mut account: CloudinaryAccount| {
            (account.algorithm, account.version) = (algorithm, version);
            account
        };
        let app = TestApp::spawn_with(change, Vec::new()).await;
        let (_, bulk) = app.post_json("/upload-signature", &serde_json::json!({"uploads": [{}]})).await;
        for signed in [app.data("/upload-signature").await, bulk["data"][0].clone()] {
            assert_eq!(
                signed.get("manualSignature").is_some(),
                names.contains(&"manualSignature"),
                "{signed}"
            );
            for name in names {
                let mut signed = signed.clone();
                signed["signature"] = signed[*name].clone();
                let length = signed["signature"].as_str().unwrap().len();
                assert_eq!(Algorithm::of_hex_length(length), Some(algorithm));
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
async fn a_head_request_signs_nothing_and_uses_no_quota() {
    let profiles = "[profiles.default]\nfolder = \"a\"\nscopes = []\nquota = { uploads = \"1/day\" }\n";
    let app = TestApp::spawn_under(profiles).await;
    for (path, allow) in [
        ("/upload-signature", "GET,POST"),
        ("/download-url?public_id=a&format=jpg", "GET"),
        ("/uploadcare-signature", "GET"),
        ("/api/uploadcare-signature", "GET"),
    ] {
        for method in [Method::HEAD, Method::PUT] {
            let answer = app.client.request(method, app.url(path)).send().await.unwrap();
            assert_eq!(answer.status(), 405, "{path}");
            assert_eq!(answer.headers()["allow"], allow, "{path}");
        }
    }
    assert_eq!(app.data("/uploads").await["uploads"], serde_json::json!([]));
    app.data("/upload-signature").await;
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
    let mut refusals = Vec::new();
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
        refusals.push(format!("{query} → {}", failure(&answer)));
    }
    insta::assert_snapshot!(refusals.join("\n"), @"
    should_secure_asset=1 → 400 invalid_query: should_secure_asset must be true or false
    should_secure_asset=True → 400 invalid_query: should_secure_asset must be true or false
    should_secure_asset= → 400 invalid_query: should_secure_asset must be true or false
    should_secure_asset[]=true → 400 invalid_query: the query has an unknown parameter `should_secure_asset[]`, expected one of `profile`, `should_secure_asset`, `resource_type`
    should_secure_asset[a]=true → 400 invalid_query: the query has an unknown parameter `should_secure_asset[a]`, expected one of `profile`, `should_secure_asset`, `resource_type`
    should_secure_asset=true&should_secure_asset=false → 400 invalid_query: the query has a duplicate parameter `should_secure_asset`
    resource_type=pdf → 400 invalid_query: resource_type must be image, video, raw or auto
    profile=nobody → 404 profile_not_found: there is no profile `nobody`
    folder=elsewhere → 400 invalid_query: the query has an unknown parameter `folder`, expected one of `profile`, `should_secure_asset`, `resource_type`
    public_id=a → 400 invalid_query: the query has an unknown parameter `public_id`, expected one of `profile`, `should_secure_asset`, `resource_type`
    profile=%ff → 400 invalid_query: the query is not UTF-8
    ");
}

#[tokio::test]
async fn an_answer_is_never_cached() {
    let app = TestApp::spawn().await;
    for path in ["/upload-signature", "/download-url?public_id=a&format=jpg"] {
        let answer = app.get(path).send().await.unwrap();
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
    }
}

#[tokio::test]
async fn a_file_does_not_replace_another_of_its_name() {
    let profile = |params: &str| {
        format!(
            "[profiles.default]\nfolder = \"shared\"\nscopes = []\nuse_filename = true\nparams = {{ {params} }}\n"
        )
    };
    let app = TestApp::spawn_under(&profile("unique_filename = false")).await;
    let (_, first) = app.upload("", "contract.png", png(1, 1)).await;
    let (_, second) = app.upload("", "contract.png", png(2, 2)).await;
    assert_eq!(
        (&first["public_id"], &second["public_id"]),
        (&"shared/contract".into(), &"shared/contract".into())
    );
    assert_eq!((&second["existing"], &second["etag"]), (&true.into(), &first["etag"]));
    // An operator may mean it.
    let meant = profile("unique_filename = false, overwrite = true");
    app.state.replace_profiles(Profiles::from_toml(&meant).unwrap());
    let (_, third) = app.upload("", "contract.png", png(3, 3)).await;
    assert_eq!(third["overwritten"], true, "{third}");
}
