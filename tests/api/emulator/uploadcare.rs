//! What the emulator keeps of Uploadcare's files.

use countersign::signing::uploadcare::upload_signature;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::server::{NOW, Server};

fn form() -> Form {
    let expire = (NOW + 60).to_string();
    Form::new()
        .text("UPLOADCARE_PUB_KEY", "emulator-public-key")
        .text("signature", upload_signature(&"emulator-secret-key".into(), &expire).to_string())
        .text("expire", expire)
}

pub(super) async fn upload(server: &Server) -> String {
    let form = form().part("file", Part::bytes(b"text".to_vec()).file_name("a.txt"));
    let answer: Value = server.post("/uploadcare/base/", form).send().await.unwrap().json().await.unwrap();
    answer["file"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn files_and_groups_outlive_a_restart() {
    let dir = TempDir::new().unwrap();
    let server = Server::in_dir(dir.path()).await;
    let id = upload(&server).await;
    let form = form().text("pub_key", "emulator-public-key").text("files[]", id.clone());
    let group: Value = server.post("/uploadcare/group/", form).send().await.unwrap().json().await.unwrap();
    server.stop(dir.path()).await;

    let server = Server::in_dir(dir.path()).await;
    assert_eq!(server.get(&format!("/{id}/")).await.text().await.unwrap(), "text");
    let path = format!(
        "/uploadcare/group/info/?pub_key=emulator-public-key&group_id={}",
        group["id"].as_str().unwrap()
    );
    let again: Value = server.get(&path).await.json().await.unwrap();
    assert_eq!((&again["id"], &again["files"]), (&group["id"], &group["files"]));
}

#[tokio::test]
async fn a_reset_forgets_them_and_the_other_provider_never_sees_them() {
    let server = Server::start().await;
    let id = upload(&server).await;
    let assets: Value = server.get("/_emulator/assets").await.json().await.unwrap();
    assert_eq!(assets, json!({ "assets": [] }));
    server.client.delete(server.url("/_emulator/assets")).send().await.unwrap();
    assert_eq!(server.get(&format!("/{id}/")).await.status(), 404);
}
