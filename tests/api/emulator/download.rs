//! Links that die.

use reqwest::Response;

use super::media::{jpeg, png};
use super::server::{KEY, NOW, SECRET, Server, signed, told};

async fn download(server: &Server, params: &[(&str, &str)]) -> Response {
    let url = server.url("/v1_1/emulator/image/download");
    server.client.get(url).query(&signed(params)).send().await.unwrap()
}

async fn with_private_picture() -> Server {
    let server = Server::start().await;
    let params = [("public_id", "kyc/é a"), ("type", "private")];
    server.store("/v1_1/emulator/image/upload", jpeg(), "a.jpg", &params).await;
    server
}

#[tokio::test]
async fn a_signed_link_downloads_a_private_original() {
    let server = with_private_picture().await;
    let params = [("public_id", "kyc/é a"), ("format", "jpg"), ("type", "private"), ("attachment", "true")];
    let response = download(&server, &params).await;
    assert_eq!(response.status(), 200);
    let headers = response.headers().clone();
    assert_eq!(headers["content-type"], "image/jpeg");
    assert_eq!(headers["cache-control"], "private, no-store");
    assert_eq!(
        headers["content-disposition"],
        "attachment; filename=\"_ a.jpg\"; filename*=UTF-8''%C3%A9%20a%2Ejpg"
    );
    assert_eq!(response.bytes().await.unwrap(), jpeg());

    let inline = download(&server, &[("public_id", "kyc/é a"), ("type", "private")]).await;
    assert!(inline.headers()["content-disposition"].to_str().unwrap().starts_with("inline;"));
}

#[tokio::test]
async fn a_link_lives_until_the_second_it_names_even_if_its_timestamp_is_old() {
    let server = with_private_picture().await;
    let (old, end) = ((NOW - 100_000).to_string(), (NOW + 60).to_string());
    let params = [("public_id", "kyc/é a"), ("type", "private"), ("timestamp", &old), ("expires_at", &end)];
    server.clock.advance(59);
    assert_eq!(download(&server, &params).await.status(), 200);
    server.clock.advance(1);
    insta::assert_snapshot!(told(download(&server, &params).await).await, @r#"400 [Stale request - expired at 2024-07-03 09:47:40 +0000] {"error":{"message":"Stale request - expired at 2024-07-03 09:47:40 +0000"}}"#);
}

#[tokio::test]
async fn without_an_end_a_link_lives_for_an_hour() {
    let server = with_private_picture().await;
    let params = [("public_id", "kyc/é a"), ("type", "private")];
    server.clock.advance(3_600);
    assert_eq!(download(&server, &params).await.status(), 200);
    server.clock.advance(1);
    insta::assert_snapshot!(told(download(&server, &params).await).await, @r#"400 [Stale request - reported time is 2024-07-03 09:46:40 +0000 which is more than 1 hour ago] {"error":{"message":"Stale request - reported time is 2024-07-03 09:46:40 +0000 which is more than 1 hour ago"}}"#);
}

#[tokio::test]
async fn the_end_cannot_be_moved() {
    let server = with_private_picture().await;
    let end = (NOW + 60).to_string();
    let mut query = signed(&[("public_id", "kyc/é a"), ("type", "private"), ("expires_at", &end)]);
    query.retain(|(name, _)| name != "expires_at");
    query.push(("expires_at".to_owned(), (NOW + 600).to_string()));
    let url = server.url("/v1_1/emulator/image/download");
    assert_eq!(server.client.get(url).query(&query).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn without_its_type_a_private_asset_is_not_found() {
    let server = with_private_picture().await;
    insta::assert_snapshot!(told(download(&server, &[("public_id", "kyc/é a"), ("format", "jpg")]).await).await, @r#"404 [Resource not found - kyc/? a] {"error":{"message":"Resource not found - kyc/é a"}}"#);
}

#[tokio::test]
async fn missing_parameters_and_strangers_are_refused() {
    let server = with_private_picture().await;
    insta::assert_snapshot!(told(download(&server, &[("type", "private")]).await).await, @r#"400 [Missing required parameter - public_id] {"error":{"message":"Missing required parameter - public_id"}}"#);
    insta::assert_snapshot!(told(server.get("/v1_1/emulator/image/download?public_id=a").await).await, @r#"400 [Missing required parameter - signature] {"error":{"message":"Missing required parameter - signature"}}"#);
    insta::assert_snapshot!(told(server.get("/v1_1/other/image/download?public_id=a").await).await, @r#"401 [Invalid cloud_name other] {"error":{"message":"Invalid cloud_name other"}}"#);
    let query = "public_id=a&signature=x&api_key=nobody&timestamp=1";
    let path = format!("/v1_1/emulator/image/download?{query}");
    insta::assert_snapshot!(told(server.get(&path).await).await, @r#"401 [Unknown API key nobody] {"error":{"message":"Unknown API key nobody"}}"#);
}

#[tokio::test]
async fn a_format_must_exist_and_another_than_the_stored_one_is_not_made() {
    let server = with_private_picture().await;
    let ask = |format: &'static str| {
        let server = &server;
        async move {
            download(server, &[("public_id", "kyc/é a"), ("type", "private"), ("format", format)]).await
        }
    };
    insta::assert_snapshot!(told(ask("auto").await).await, @r#"400 [Invalid extension in transformation: auto] {"error":{"message":"Invalid extension in transformation: auto"}}"#);
    assert_eq!(ask("png").await.headers()["x-countersign-emulator"], "format not converted");
}

#[tokio::test]
async fn a_raw_file_is_downloaded_under_its_id_with_the_extension() {
    let server = Server::start().await;
    server.store("/v1_1/emulator/raw/upload", png(), "a.bin", &[("public_id", "a.bin")]).await;
    let url = server.url("/v1_1/emulator/raw/download");
    let request = server.client.get(url).query(&[("public_id", "a.bin")]).basic_auth(KEY, Some(SECRET));
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/octet-stream");
    assert_eq!(response.bytes().await.unwrap(), png());
}
