//! Who may call, and what they reach.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::get;
use countersign::auth::{ApiKeys, PinnedKey, TokenRules};
use countersign::config::{AuthConfig, TokenKeyConfig, TokensConfig};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

use crate::helpers::{NOW, TestApp, failure, png, read_json, text, upload_form};

const PROFILES: &str = r#"
[profiles.default]
folder = "kyc/{sub}"
type = "private"

[profiles.shared]
folder = "shared/1"
scopes = ["upload:shared"]
"#;

const SECRET: &str = "a secret of more than thirty-two bytes";

fn api_keys(lines: &[(&str, &str, &str)]) -> AuthConfig {
    let line = |(name, key, scopes): &(&str, &str, &str)| {
        format!("{name} {} {scopes}\n", hex::encode(Sha256::digest(key)))
    };
    let text: String = lines.iter().map(line).collect();
    AuthConfig::Required { api_keys: Some(ApiKeys::parse(&text).unwrap()), tokens: None }
}

fn tokens(key: TokenKeyConfig) -> AuthConfig {
    let rules = TokenRules { issuer: None, audience: Some("countersign".to_owned()) };
    AuthConfig::Required { api_keys: None, tokens: Some(TokensConfig { key, rules }) }
}

async fn app_with_keys() -> TestApp {
    let all = "upload:default,download,delete";
    let keys = [
        ("ann", "cs_ann", all),
        ("ann", "cs_ann_new", all),
        ("an", "cs_an", all),
        ("bob", "cs_bob", "upload:default"),
        ("root", "cs_root", "admin,download,delete"),
    ];
    TestApp::spawn_for(api_keys(&keys), PROFILES).await
}

async fn answer(request: RequestBuilder, key: &str) -> (StatusCode, Value) {
    read_json(request.bearer_auth(key).send().await.unwrap()).await
}

fn token(claims: &Value) -> String {
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

fn claims(subject: &str) -> Value {
    json!({"sub": subject, "exp": NOW.0 + 60, "aud": "countersign", "scope": "upload:default download delete"})
}

#[tokio::test]
async fn without_a_credential_every_route_that_signs_or_deletes_is_closed() {
    let app = app_with_keys().await;
    let requests = [
        app.get("/upload-signature"),
        app.client.post(app.url("/upload-signature")),
        app.get("/download-url?public_id=kyc/ann/a&format=jpg"),
        app.client.delete(app.url("/delete-files")),
    ];
    for request in requests {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["www-authenticate"], "Bearer");
        let refusal = failure(&read_json(answer).await);
        assert!(refusal.starts_with("401 unauthenticated"), "{refusal}");
    }
    for open in ["/livez", "/readyz", "/unsigned"] {
        assert_eq!(app.get(open).send().await.unwrap().status(), 200, "{open}");
    }
}

#[tokio::test]
async fn two_keys_of_one_name_work_and_wrong_ones_do_not() {
    let app = app_with_keys().await;
    for key in ["cs_ann", "cs_ann_new"] {
        let (status, body) = answer(app.get("/upload-signature"), key).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(body["data"]["payload"]["folder"], "kyc/ann");
    }
    let by_header = app.get("/upload-signature").header("x-api-key", "cs_ann").send().await.unwrap();
    assert_eq!(by_header.status(), 200);
    for wrong in ["cs_", "cs_annn", "cs_ANN", "ann", "eyJhbGciOiJub25lIn0.e30."] {
        let (status, body) = answer(app.get("/upload-signature"), wrong).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::UNAUTHORIZED, &json!("credential_refused")),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn every_action_takes_its_scope() {
    let app = app_with_keys().await;
    let mut refusals = Vec::new();
    for (key, path) in [
        ("cs_bob", "/download-url?public_id=kyc/bob/a&format=jpg"),
        ("cs_bob", "/upload-signature?profile=shared"),
        ("cs_root", "/upload-signature"),
    ] {
        refusals.push(failure(&answer(app.get(path), key).await));
    }
    let url = "https://res.cloudinary.com/demo/image/upload/v1/kyc/bob/a.jpg";
    refusals.push(failure(&delete_as(&app, "cs_bob", url).await));
    insta::assert_snapshot!(refusals.join("\n"), @"
    403 forbidden: this takes the scope `download`, which the caller does not hold
    403 forbidden: the profile `shared` takes the scope `upload:shared`, which the caller does not hold
    403 forbidden: the profile `default` takes the scope `upload:default`, which the caller does not hold
    403 forbidden: this takes the scope `delete`, which the caller does not hold
    ");
}

/// Uploads a private picture as the owner of `key`; its public id and delivery URL.
async fn upload_as(app: &TestApp, key: &str) -> (String, String) {
    let (_, mut body) = answer(app.get("/upload-signature"), key).await;
    let signed = body["data"].take();
    let part = reqwest::multipart::Part::bytes(png(2, 2)).file_name("a.png");
    let request =
        app.client.post(text(&signed["uploadUrl"])).multipart(upload_form(&signed).part("file", part));
    let (_, asset) = read_json(request.send().await.unwrap()).await;
    (text(&asset["public_id"]), text(&asset["secure_url"]))
}

async fn delete_as(app: &TestApp, key: &str, url: &str) -> (StatusCode, Value) {
    let body = json!({"urls": [{"type": "image", "url": url}]}).to_string();
    let request =
        app.client.delete(app.url("/delete-files")).header("content-type", "application/json").body(body);
    answer(request, key).await
}

#[tokio::test]
async fn callers_reach_their_own_assets_only_and_absent_looks_like_not_theirs() {
    let app = app_with_keys().await;
    let (id, url) = upload_as(&app, "cs_ann").await;
    let download = format!("/download-url?public_id={id}&format=png");
    // `kyc/an` is a prefix of `kyc/ann`, but not of its segments.
    let (status, theirs) = answer(app.get(&download), "cs_an").await;
    assert_eq!((status, &theirs["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));

    let (status, others) = delete_as(&app, "cs_an", &url).await;
    let absent_url = url.replace(&id, "kyc/an/absent");
    let (_, absent) = delete_as(&app, "cs_an", &absent_url).await;
    assert_eq!((status, &others["data"]["results"][0]["outcome"]), (StatusCode::OK, &json!("not_found")));
    let shape = |body: &Value, id: &str| body["data"].to_string().replace(id, "ID");
    assert_eq!(
        shape(&others, &id).replace(&url.replace(&id, "ID"), "URL"),
        shape(&absent, "kyc/an/absent").replace(&absent_url.replace("kyc/an/absent", "ID"), "URL")
    );

    assert_eq!(answer(app.get(&download), "cs_ann").await.0, StatusCode::OK);
    assert_eq!(
        answer(app.get(&download), "cs_root").await.0,
        StatusCode::OK,
        "an administrator reaches everything"
    );
    let (_, mine) = delete_as(&app, "cs_ann", &url).await;
    assert_eq!(mine["data"]["results"][0]["outcome"], "deleted");
}

#[tokio::test]
async fn subjects_never_share_a_folder_or_reach_each_others() {
    let key = TokenKeyConfig::Pinned(PinnedKey::from_secret(&SECRET.into()).unwrap());
    let app = TestApp::spawn_for(tokens(key), PROFILES).await;
    let subjects = ["a|b", "a/b", "a%2Fb", "..", "a", "A", "é", "e\u{301}", &"x".repeat(255)];
    let mut folders = std::collections::BTreeSet::new();
    for subject in subjects {
        let (status, body) = answer(app.get("/upload-signature"), &token(&claims(subject))).await;
        assert_eq!(status, StatusCode::OK, "{subject} {body}");
        let folder = text(&body["data"]["payload"]["folder"]);
        assert_eq!(folder.matches('/').count(), 1, "{folder}");
        assert!(folders.insert(folder), "{subject}");
    }
}

#[tokio::test]
async fn a_token_is_remembered_until_it_expires_and_no_longer() {
    let key = TokenKeyConfig::Pinned(PinnedKey::from_secret(&SECRET.into()).unwrap());
    let app = TestApp::spawn_for(tokens(key), PROFILES).await;
    let token = token(&claims("ann"));
    for _ in 0..2 {
        assert_eq!(answer(app.get("/upload-signature"), &token).await.0, StatusCode::OK);
    }
    app.clock.advance(60 + 30);
    let (status, body) = answer(app.get("/upload-signature"), &token).await;
    assert_eq!((status, &body["code"]), (StatusCode::UNAUTHORIZED, &json!("token_expired")));
}

/// An issuer that publishes one key, or fails; and how often it was asked.
async fn issuer(keys: Option<Value>) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let publish = get(async move || {
        counter.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        keys.map_or(Err(StatusCode::SERVICE_UNAVAILABLE), |keys| Ok(keys.to_string()))
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, Router::new().route("/jwks.json", publish)).into_future());
    (url, asked)
}

fn issuer_key() -> (EncodingKey, Value) {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    let random = aws_lc_rs::rand::SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let private = EncodingKey::from_ec_der(pkcs8.as_ref());
    let mut jwk =
        serde_json::to_value(jsonwebtoken::jwk::Jwk::from_encoding_key(&private, Algorithm::ES256).unwrap())
            .unwrap();
    jwk["kid"] = json!("k1");
    (private, json!({ "keys": [jwk] }))
}

fn signed_by(private: &EncodingKey, kid: &str) -> String {
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::ES256) };
    encode(&header, &claims("ann"), private).unwrap()
}

#[tokio::test]
async fn a_thousand_unknown_key_ids_cause_one_fetch_and_known_keys_go_on() {
    let (private, keys) = issuer_key();
    let (url, asked) = issuer(Some(keys)).await;
    let app = TestApp::spawn_for(tokens(TokenKeyConfig::Published(url)), PROFILES).await;
    let storm: Vec<_> = (0..1_000)
        .map(|index| {
            let request =
                app.get("/upload-signature").bearer_auth(signed_by(&private, &format!("random-{index}")));
            tokio::spawn(async move { request.send().await.unwrap().status() })
        })
        .collect();
    for answer in storm {
        assert_eq!(answer.await.unwrap(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(answer(app.get("/upload-signature"), &signed_by(&private, "k1")).await.0, StatusCode::OK);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_issuer_that_fails_is_said_and_not_asked_again_at_once() {
    let (private, _) = issuer_key();
    let (url, asked) = issuer(None).await;
    let app = TestApp::spawn_for(tokens(TokenKeyConfig::Published(url)), PROFILES).await;
    for _ in 0..20 {
        let (status, body) = answer(app.get("/upload-signature"), &signed_by(&private, "k1")).await;
        assert_eq!((status, &body["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("issuer_unreachable")));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nobody_forges_a_tag_that_names_another_caller() {
    let keys = api_keys(&[("ann", "cs_ann", "upload:default")]);
    let profile = "[profiles.default]\ntags = [\"kyc\", \"user:{sub}\"]\nclient_params = { tags = {} }\n\
                   upload_widget = true\nexpires_in = \"60m\"\n";
    let app = TestApp::spawn_for(keys, profile).await;
    let post = async |body: Value| {
        let request =
            app.client.post(app.url("/upload-signature")).header("content-type", "application/json");
        answer(request.body(body.to_string()), "cs_ann").await
    };
    let asked = |tags: &str| json!({"paramsToSign": {"timestamp": NOW.0, "tags": tags}});
    for (added, composed) in [("a,user:ann", "user:ann,a,kyc"), ("users:bob", "kyc, user:ann,users:bob")] {
        let (status, body) = post(json!({"params": {"tags": added}})).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(body["data"]["payload"]["tags"], format!("kyc,user:ann,{added}"));
        assert_eq!(post(asked(composed)).await.0, StatusCode::OK, "{composed}");
    }
    let expected = "422 refused_by_profile: tags must not hold `user:bob`: the profile gives each caller a tag of this form";
    for forged in ["user:bob", "a, user:bob ,b", "USER:bob", "user:"] {
        let refusal = failure(&post(json!({"params": {"tags": forged}})).await);
        assert!(refusal.starts_with("422 refused_by_profile: tags must not hold `"), "{forged}: {refusal}");
        let refusal = failure(&post(asked(&format!("kyc,user:ann,{forged}"))).await);
        assert!(refusal.starts_with("422 refused_by_profile: tags must not hold `"), "{forged}: {refusal}");
    }
    assert_eq!(failure(&post(json!({"params": {"tags": ["a", "user:bob"]}})).await), expected);
}

fn keys_and_tokens(lines: &[(&str, &str, &str)]) -> AuthConfig {
    let AuthConfig::Required { api_keys, .. } = api_keys(lines) else { panic!() };
    let key = TokenKeyConfig::Pinned(PinnedKey::from_secret(&SECRET.into()).unwrap());
    let AuthConfig::Required { tokens, .. } = tokens(key) else { panic!() };
    AuthConfig::Required { api_keys, tokens }
}

#[tokio::test]
async fn no_token_can_be_an_api_key_or_share_its_folder() {
    let all = "upload:default,download,delete";
    let app = TestApp::spawn_for(keys_and_tokens(&[("web-shop", "cs_shop", all)]), PROFILES).await;
    let (_, signed) = answer(app.get("/upload-signature"), "cs_shop").await;
    // The folder is called as it always was.
    assert_eq!(signed["data"]["payload"]["folder"], "kyc/web-2dshop");
    let path = "/download-url?public_id=kyc/web-2dshop/a&format=jpg";
    assert_eq!(answer(app.get(path), "cs_shop").await.0, StatusCode::OK);
    for subject in ["web-shop", "key:web-shop", "key:", "key:somebody"] {
        let refused = answer(app.get(path), &token(&claims(subject))).await;
        assert_eq!(
            failure(&refused),
            "401 credential_refused: the API key or token is not accepted",
            "{subject}"
        );
    }
    for subject in ["web-2dshop", "Web-shop", "keyweb-shop", "ann"] {
        assert_eq!(
            answer(app.get(path), &token(&claims(subject))).await.0,
            StatusCode::NOT_FOUND,
            "{subject}"
        );
    }
}

#[tokio::test]
async fn a_subject_that_cannot_be_seen_is_nobodys() {
    let key = TokenKeyConfig::Pinned(PinnedKey::from_secret(&SECRET.into()).unwrap());
    let app = TestApp::spawn_for(tokens(key), PROFILES).await;
    let long = "a".repeat(256);
    for subject in
        ["ann\u{200b}", "\u{202e}nna", "an\u{2066}n", "a\u{ad}nn", "ann\u{feff}", "\u{378}", "a\u{7}", &long]
    {
        let refused = answer(app.get("/upload-signature"), &token(&claims(subject))).await;
        assert_eq!(
            failure(&refused),
            "401 credential_refused: the API key or token is not accepted",
            "{subject:?}"
        );
    }
    for subject in ["Zoë", "山田", "auth0|65a", "a b"] {
        assert_eq!(answer(app.get("/upload-signature"), &token(&claims(subject))).await.0, StatusCode::OK);
    }
}
