//! Keys that may only read.

use std::collections::BTreeSet;

use countersign::emulator::{CloudAccount, EmulatorOptions, KeyRole};
use countersign::signing::Algorithm;
use countersign::signing::cloudinary::SignatureVersion;
use reqwest::{Method, Response};
use secrecy::ExposeSecret as _;

use super::media::png;
use super::server::{NOW, Server, signed_with, told};

/// An emulator with one asset, and a second key of its cloud that may only read.
async fn with_read_key() -> (Server, CloudAccount) {
    let main = CloudAccount::default();
    let reader = main.new_read_key();
    let accounts = vec![main, reader.clone()];
    let server = Server::with(EmulatorOptions { accounts, ..EmulatorOptions::default() }).await;
    server.store("/v1_1/emulator/image/upload", png(), "a.png", &[("public_id", "a")]).await;
    (server, reader)
}

/// The fields of a call, signed with `account`.
fn fields(account: &CloudAccount, params: &[(&str, &str)]) -> Vec<(String, String)> {
    let secret = account.api_secret.expose_secret();
    let mut fields = signed_with(params, secret, Algorithm::Sha1, SignatureVersion::V2);
    fields.retain(|(name, _)| name != "api_key");
    fields.push(("api_key".to_owned(), account.api_key.clone()));
    fields
}

async fn call(server: &Server, account: &CloudAccount, path: &str, params: &[(&str, &str)]) -> Response {
    let request = server.client.post(server.url(&format!("/v1_1/emulator/{path}")));
    request.form(&fields(account, params)).send().await.unwrap()
}

#[tokio::test]
async fn a_read_key_downloads_and_lists() {
    let (server, reader) = with_read_key().await;
    assert_eq!(reader.role, KeyRole::Read);
    let download = server.client.get(server.url("/v1_1/emulator/image/download"));
    let response = download.query(&fields(&reader, &[("public_id", "a")])).send().await.unwrap();
    assert_eq!(response.bytes().await.unwrap(), png());
    for path in ["ping", "resources/image/upload", "resources/image/upload/a", "folders", "upload_presets"] {
        let request = server.client.get(server.url(&format!("/v1_1/emulator/{path}")));
        let request = request.basic_auth(&reader.api_key, Some(reader.api_secret.expose_secret()));
        assert_eq!(request.send().await.unwrap().status(), 200, "{path}");
    }
}

#[tokio::test]
async fn a_read_key_changes_nothing_through_the_upload_api() {
    let (server, reader) = with_read_key().await;
    for path in [
        "upload",
        "image/upload",
        "image/upload_chunked",
        "image/destroy",
        "asset/destroy",
        "image/rename",
        "image/explicit",
        "image/tags",
        "image/context",
        "image/metadata",
        "image/text",
        "image/sprite",
        "image/multi",
        "image/explode",
        "image/create_slideshow",
        "image/generate_archive",
    ] {
        let params = [("public_id", "a"), ("from_public_id", "a"), ("to_public_id", "b")];
        let answer = told(call(&server, &reader, path, &params).await).await;
        let text = format!("403 [The API key {} is not permitted to perform this operation]", reader.api_key);
        assert!(answer.starts_with(&text), "{path}: {answer}");
    }
    assert_eq!(server.get("/emulator/image/upload/a.png").await.status(), 200);
}

#[tokio::test]
async fn a_read_key_changes_nothing_through_the_admin_api() {
    let (server, reader) = with_read_key().await;
    for (method, path) in [
        (Method::DELETE, "resources/image/upload?public_ids[]=a"),
        (Method::POST, "resources/image/upload/a?tags=x"),
        (Method::POST, "folders/x"),
        (Method::PUT, "upload_presets/x"),
        (Method::POST, "resources/search"),
        (Method::POST, "resources/image/upload/restore"),
    ] {
        let request =
            server.client.request(method.clone(), server.url(&format!("/v1_1/emulator/{path}"))).body("{}");
        let request = request.basic_auth(&reader.api_key, Some(reader.api_secret.expose_secret()));
        assert_eq!(request.send().await.unwrap().status(), 403, "{method} {path}");
    }
    assert_eq!(server.get("/emulator/image/upload/a.png").await.status(), 200);
}

#[tokio::test]
async fn a_role_is_looked_at_after_signature_and_age() {
    let (server, reader) = with_read_key().await;
    let forged = CloudAccount { api_secret: "forged".into(), ..reader.clone() };
    assert_eq!(call(&server, &forged, "image/destroy", &[("public_id", "a")]).await.status(), 401);
    let old = (NOW - 3_601).to_string();
    let stale = call(&server, &reader, "image/destroy", &[("public_id", "a"), ("timestamp", &old)]).await;
    assert_eq!(stale.status(), 400);
}

/// Calls of the Upload API, performed or not, that take no file.
const SIGNED_CALLS: [&str; 14] = [
    "image/destroy",
    "asset/destroy",
    "image/rename",
    "image/explicit",
    "image/tags",
    "image/context",
    "image/metadata",
    "image/generate_archive",
    "image/text",
    "image/sprite",
    "image/multi",
    "image/explode",
    "image/create_slideshow",
    "image/nothing_that_is_known",
];

#[tokio::test]
async fn every_call_verifies_its_signature_before_anything_else() {
    let server = Server::start().await;
    let account = CloudAccount::default();
    for path in SIGNED_CALLS {
        let request = server.client.post(server.url(&format!("/v1_1/emulator/{path}")));
        let answer = told(request.send().await.unwrap()).await;
        assert!(answer.starts_with("400 [Missing required parameter - signature]"), "{path}: {answer}");

        let forged = CloudAccount { api_secret: "forged".into(), ..account.clone() };
        let answer = told(call(&server, &forged, path, &[("tags", "kyc")]).await).await;
        assert!(answer.starts_with("401 [Invalid Signature "), "{path}: {answer}");

        let old = (NOW - 3_601).to_string();
        let answer = told(call(&server, &account, path, &[("tags", "kyc"), ("timestamp", &old)]).await).await;
        assert!(answer.starts_with("400 [Stale request"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn every_parameter_that_is_sent_is_signed_on_every_endpoint() {
    let server = Server::start().await;
    for path in SIGNED_CALLS {
        for name in ["tags", "notification_url", "batch_id", "nothing_that_is_known", "expires_at"] {
            let mut fields = fields(&CloudAccount::default(), &[]);
            fields.push((name.to_owned(), "1".to_owned()));
            let request = server.client.post(server.url(&format!("/v1_1/emulator/{path}"))).form(&fields);
            let answer = told(request.send().await.unwrap()).await;
            assert!(answer.starts_with("401 [Invalid Signature "), "{path} {name}: {answer}");
            assert!(answer.contains(&format!("{name}=1")), "{path} {name}: {answer}");
        }
    }
}

#[tokio::test]
async fn accepted_but_not_emulated_reads_unlike_refused() {
    let server = Server::start().await;
    let account = CloudAccount::default();
    for path in ["image/text", "image/sprite", "image/multi", "image/explode", "image/create_slideshow"] {
        let answer = told(call(&server, &account, path, &[("tags", "kyc")]).await).await;
        assert!(answer.starts_with("400 [Not emulated: POST "), "{path}: {answer}");
    }
    for path in ["streaming_profiles", "triggers", "metadata_rules"] {
        let url = server.url(&format!("/v1_1/emulator/{path}"));
        assert_eq!(server.client.get(&url).send().await.unwrap().status(), 401, "{path}");
        let wrong = server.client.get(&url).basic_auth(&account.api_key, Some("wrong"));
        assert_eq!(wrong.send().await.unwrap().status(), 401, "{path}");
        let secret = account.api_secret.expose_secret();
        let answer =
            told(server.client.get(&url).basic_auth(&account.api_key, Some(secret)).send().await.unwrap());
        assert!(answer.await.starts_with("400 [Not emulated: GET "), "{path}");
    }
}

#[tokio::test]
async fn every_new_read_key_is_another() {
    let main = CloudAccount::default();
    let keys: BTreeSet<_> = (0..100).map(|_| main.new_read_key().api_key).collect();
    assert_eq!(keys.len(), 100);
}
