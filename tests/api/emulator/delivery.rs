//! Stored files on their way out.

use countersign::signing::Algorithm;
use countersign::signing::cloudinary::{DeliverySignatureLength, delivery_signature};
use secrecy::SecretString;

use super::media::{jpeg, png, svg};
use super::server::{SECRET, Server, told};

const UPLOAD: &str = "/v1_1/emulator/image/upload";

#[tokio::test]
async fn an_upload_is_open_by_every_form_of_its_url() {
    let server = Server::start().await;
    let answer = server.store(UPLOAD, png(), "a.png", &[("public_id", "kyc/a b")]).await;
    let response = server.client.get(answer["secure_url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let headers = response.headers().clone();
    assert_eq!(headers["content-type"], "image/png");
    assert_eq!(headers["content-length"], png().len().to_string());
    assert_eq!(headers["etag"], format!("\"{}\"", answer["etag"].as_str().unwrap()));
    assert_eq!(headers["last-modified"], "Wed, 03 Jul 2024 09:46:40 GMT");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert!(!headers.contains_key("x-countersign-emulator"));
    assert_eq!(response.bytes().await.unwrap(), png());

    for path in [
        "/emulator/image/upload/kyc/a%20b.png",
        "/emulator/image/upload/kyc/a%20b",
        "/emulator/image/upload/v1/kyc/a%20b.PNG",
        "/emulator/iu/kyc/a%20b.png",
        "/emulator/images/kyc/a%20b/nice-name.png",
        "/emulator/kyc/a%20b.png?_a=x",
    ] {
        assert_eq!(server.get(path).await.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_stored_is_not_found() {
    let server = Server::start().await;
    insta::assert_snapshot!(told(server.get("/emulator/image/upload/v1/nope/x.jpg").await).await, @r#"404 [Resource not found - nope/x] {"error":{"message":"Resource not found - nope/x"}}"#);
}

#[tokio::test]
async fn what_is_not_applied_is_named() {
    let server = Server::start().await;
    server.store(UPLOAD, png(), "a.png", &[("public_id", "a")]).await;
    let response = server.get("/emulator/image/upload/w_10,c_fill/a.png").await;
    assert_eq!(response.headers()["x-countersign-emulator"], "transformation not applied");
    assert_eq!(response.bytes().await.unwrap(), png());
    let response = server.get("/emulator/image/upload/a.jpg").await;
    assert_eq!(response.headers()["x-countersign-emulator"], "format not converted");
    assert_eq!(response.headers()["content-type"], "image/png");
}

#[tokio::test]
async fn originals_of_private_and_authenticated_assets_need_a_signature() {
    let server = Server::start().await;
    for delivery_type in ["private", "authenticated"] {
        let params = [("public_id", "a"), ("type", delivery_type)];
        let answer = server.store(UPLOAD, jpeg(), "a.jpg", &params).await;
        let signed = server.client.get(answer["secure_url"].as_str().unwrap()).send().await.unwrap();
        // Only an authenticated asset's own URL is signed; a private one is reached through a download link.
        let is_signed = delivery_type == "authenticated";
        assert_eq!(signed.status(), if is_signed { 200 } else { 401 });
        if is_signed {
            assert_eq!(signed.headers()["cache-control"], "private, no-cache");
        }

        let path = format!("/emulator/image/{delivery_type}/v1/a.jpg");
        let refused = told(server.get(&path).await).await;
        assert_eq!(refused, r#"401 [deny or ACL failure] {"error":{"message":"deny or ACL failure"}}"#);
        let path = format!("/emulator/image/{delivery_type}/s--AAAAAAAA--/v1/a.jpg");
        assert_eq!(server.get(&path).await.status(), 401);
        assert_eq!(server.get(&format!("/emulator/image/{delivery_type}/a.png")).await.status(), 401);
    }
}

#[tokio::test]
async fn derived_pictures_are_open_when_private_and_not_when_authenticated() {
    let server = Server::start().await;
    for (delivery_type, status) in [("private", 200), ("authenticated", 401)] {
        server.store(UPLOAD, jpeg(), "a.jpg", &[("public_id", "a"), ("type", delivery_type)]).await;
        let path = format!("/emulator/image/{delivery_type}/w_10/a.jpg");
        assert_eq!(server.get(&path).await.status(), status, "{delivery_type}");
    }
}

#[tokio::test]
async fn short_and_long_signatures_of_either_hash_open_an_asset() {
    let server = Server::start().await;
    server.store(UPLOAD, jpeg(), "a.jpg", &[("public_id", "f/a b"), ("type", "authenticated")]).await;
    for (algorithm, length) in [
        (Algorithm::Sha1, DeliverySignatureLength::Short),
        (Algorithm::Sha256, DeliverySignatureLength::Short),
        (Algorithm::Sha256, DeliverySignatureLength::Long),
    ] {
        let source = "w_10/f/a%20b.jpg";
        let signature = delivery_signature(source, &SecretString::from(SECRET), algorithm, length);
        let path = format!("/emulator/image/authenticated/s--{signature}--/w_10/v7/f/a%20b.jpg");
        assert_eq!(server.get(&path).await.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn part_of_a_file_can_be_asked_for() {
    let server = Server::start().await;
    server.store(UPLOAD, png(), "a.png", &[("public_id", "a")]).await;
    let ask = |name: &'static str, value: String| {
        let url = server.url("/emulator/image/upload/a.png");
        server.client.get(url).header(name, value).send()
    };
    let part = ask("range", "bytes=1-3".to_owned()).await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], format!("bytes 1-3/{}", png().len()));
    assert_eq!(part.bytes().await.unwrap(), "PNG");
    let beyond = ask("range", "bytes=999-".to_owned()).await.unwrap();
    assert_eq!(beyond.status(), 416);
    assert_eq!(beyond.headers()["content-range"], format!("bytes */{}", png().len()));
}

#[tokio::test]
async fn a_client_that_has_the_file_is_told_so() {
    let server = Server::start().await;
    server.store(UPLOAD, png(), "a.png", &[("public_id", "a")]).await;
    let url = server.url("/emulator/image/upload/a.png");
    let first = server.client.get(&url).send().await.unwrap();
    let etag = first.headers()["etag"].to_str().unwrap().to_owned();
    let ask = |name: &str, value: &str| server.client.get(&url).header(name, value).send();

    assert_eq!(ask("if-none-match", &etag).await.unwrap().status(), 304);
    assert_eq!(ask("if-none-match", "W/\"x\", *").await.unwrap().status(), 304);
    assert_eq!(ask("if-none-match", "\"other\"").await.unwrap().status(), 200);
    assert_eq!(ask("if-modified-since", "Wed, 03 Jul 2024 09:46:40 GMT").await.unwrap().status(), 304);
    assert_eq!(ask("if-modified-since", "Wed, 03 Jul 2024 09:46:39 GMT").await.unwrap().status(), 200);
}

#[tokio::test]
async fn nothing_stored_can_run_scripts() {
    let server = Server::start().await;
    let html = b"<html><script>alert(1)</script></html>".to_vec();
    server.store("/v1_1/emulator/raw/upload", html, "a.html", &[("public_id", "a.html")]).await;
    server.store(UPLOAD, svg(), "a.svg", &[("public_id", "a")]).await;
    for (path, content_type) in [
        ("/emulator/raw/upload/a.html", "application/octet-stream"),
        ("/emulator/image/upload/a.svg", "image/svg+xml"),
    ] {
        let response = server.get(path).await;
        assert_eq!(response.headers()["content-type"], content_type);
        assert!(response.headers()["content-security-policy"].to_str().unwrap().starts_with("sandbox;"));
    }
}

#[tokio::test]
async fn head_tells_the_length_and_sends_nothing() {
    let server = Server::start().await;
    server.store(UPLOAD, png(), "a.png", &[("public_id", "a")]).await;
    let response = server.client.head(server.url("/emulator/image/upload/a.png")).send().await.unwrap();
    assert_eq!(response.headers()["content-length"], png().len().to_string());
    assert!(response.bytes().await.unwrap().is_empty());
}
