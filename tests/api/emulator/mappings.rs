//! Upload mappings: folders that stand for addresses of other servers.

use countersign::emulator::{EmulatorOptions, Outgoing};
use serde_json::json;

use super::media::png;
use super::server::{Server, told};

/// A server with a picture at `pets/cat.png`, and one that may fetch it.
async fn pair() -> (Server, Server) {
    let origin = Server::start().await;
    origin.store("/v1_1/emulator/image/upload", png(), "a.png", &[("public_id", "pets/cat")]).await;
    let outgoing = Outgoing { remote_files: true, private_addresses: true, ..Outgoing::default() };
    (origin, Server::with(EmulatorOptions { outgoing, ..EmulatorOptions::default() }).await)
}

#[tokio::test]
async fn what_a_mapped_folder_does_not_have_is_fetched_once() {
    let (origin, server) = pair().await;
    let template = format!("{}/emulator/image/upload/", origin.origin);
    let mapping = json!({"folder": "remote/a", "template": template});
    assert_eq!(server.admin("POST", "upload_mappings", mapping.clone()).await.0, 200);
    assert_eq!(server.admin("POST", "upload_mappings", mapping).await.0, 409);
    let (cat, dog) =
        ("/emulator/image/upload/remote/a/pets/cat.png", "/emulator/image/upload/remote/a/dog.png");
    assert_eq!(server.get(cat).await.bytes().await.unwrap(), png());
    assert_eq!(server.get(dog).await.status(), 404, "it is not there either");
    assert_eq!(server.get("/emulator/image/private/remote/a/pets/cat.png").await.status(), 404);
    origin.admin("DELETE", "resources/image/upload", json!({"public_ids": ["pets/cat"]})).await;
    assert_eq!(server.get(cat).await.status(), 200, "it stays");
    let (_, asset) = server.admin("GET", "resources/image/upload/remote/a/pets/cat", json!(null)).await;
    assert_eq!(json!([asset["width"], asset["original_filename"]]), json!([3, "cat"]));
}

#[tokio::test]
async fn mappings_are_shown_changed_and_removed() {
    let server = Server::start().await;
    let put = |template: &str| json!({"folder": "a/b", "template": template});
    assert_eq!(server.admin("PUT", "upload_mappings", put("https://example.com")).await.0, 404);
    assert_eq!(server.admin("POST", "upload_mappings", put("ftp://example.com")).await.0, 400);
    server.admin("POST", "upload_mappings", put("https://example.com")).await;
    server.admin("PUT", "upload_mappings", put("https://example.org")).await;
    let shown = json!({"folder": "a/b", "template": "https://example.org"});
    assert_eq!(server.admin("GET", "upload_mappings?folder=a/b", json!(null)).await, (200, shown.clone()));
    let (_, list) = server.admin("GET", "upload_mappings", json!(null)).await;
    assert_eq!(list, json!({"mappings": [shown]}));
    insta::assert_snapshot!(told(server.get("/emulator/image/upload/a/b/c.png").await).await, @r#"400 [Not emulated: the file is a remote URL, and the emulator was not told to fetch any] {"error":{"message":"Not emulated: the file is a remote URL, and the emulator was not told to fetch any"}}"#);
    assert_eq!(server.admin("DELETE", "upload_mappings", json!({"folder": "a/b"})).await.0, 200);
    assert_eq!(server.admin("GET", "upload_mappings?folder=a/b", json!(null)).await.0, 404);
}
