//! Calls that change stored assets: rename, explicit, tags, context, metadata, and deletion by token.

use serde_json::json;

use super::media::{jpeg, png};
use super::server::{Server, told};

const UPLOAD: &str = "/v1_1/emulator/image/upload";

async fn with(ids: &[&str]) -> Server {
    let server = Server::start().await;
    for id in ids {
        server.store(UPLOAD, png(), "a.png", &[("public_id", id)]).await;
    }
    server
}

#[tokio::test]
async fn a_renamed_asset_is_where_it_was_told_to_be_and_nowhere_else() {
    let server = with(&["a"]).await;
    let params = [("from_public_id", "a"), ("to_public_id", "f/b"), ("to_type", "private")];
    let (status, answer) = server.call("image/rename", &params).await;
    assert_eq!((status, &answer["public_id"], &answer["type"]), (200, &json!("f/b"), &json!("private")));
    assert_eq!(server.get("/emulator/image/upload/a.png").await.status(), 404);
    assert_eq!(server.get("/emulator/image/upload/f/b.png").await.status(), 404);
    assert_eq!(server.get("/emulator/image/private/f/b.png").await.status(), 401);
}

#[tokio::test]
async fn a_name_that_is_taken_stays_taken_unless_told_otherwise() {
    let server = with(&["a"]).await;
    let taken = server.store(UPLOAD, jpeg(), "b.jpg", &[("public_id", "b")]).await;
    let params = [("from_public_id", "a"), ("to_public_id", "b")];
    let (status, answer) = server.call("image/rename", &params).await;
    assert_eq!((status, &answer["error"]["message"]), (400, &json!("to_public_id b already exists")));
    let params = [("from_public_id", "a"), ("to_public_id", "b"), ("overwrite", "1")];
    let (status, answer) = server.call("image/rename", &params).await;
    assert_eq!(status, 200);
    assert_ne!(answer["asset_id"], taken["asset_id"]);
    assert_eq!(server.get("/emulator/image/upload/b.png").await.bytes().await.unwrap(), png());
    let (status, _) = server.call("image/rename", &params).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn a_renaming_outlives_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::in_dir(dir.path()).await;
    for (file, id) in [(png(), "a"), (jpeg(), "b")] {
        server.store(UPLOAD, file, "x", &[("public_id", id)]).await;
    }
    let params = [("from_public_id", "a"), ("to_public_id", "b"), ("overwrite", "true")];
    assert_eq!(server.call("image/rename", &params).await.0, 200);
    server.stop(dir.path()).await;
    let server = Server::in_dir(dir.path()).await;
    assert_eq!(server.get("/emulator/image/upload/b.png").await.bytes().await.unwrap(), png());
    assert_eq!(server.get("/emulator/image/upload/a.png").await.status(), 404);
}

#[tokio::test]
async fn explicit_changes_what_is_said_and_nothing_else() {
    let server = with(&["a"]).await;
    let params = [("public_id", "a"), ("type", "upload"), ("tags", "x,y"), ("eager", "w_10,c_scale|w_5/jpg")];
    let (status, answer) = server.call("image/explicit", &params).await;
    assert_eq!((status, &answer["tags"]), (200, &json!(["x", "y"])));
    let eager = &answer["eager"];
    assert_eq!(
        json!([eager[0]["transformation"], eager[1]["format"], eager[0]["emulated"]]),
        json!(["w_10,c_scale", "jpg", "original"])
    );
    let url = eager[0]["url"].as_str().unwrap();
    let derived = server.client.get(url).send().await.unwrap();
    assert_eq!(derived.headers()["x-countersign-emulator"], "transformation not applied");
    assert_eq!(derived.bytes().await.unwrap(), png());
    assert_eq!(server.call("image/explicit", &[("public_id", "b")]).await.0, 404);
    let (status, answer) = server.call("image/explicit", &[("public_id", "a"), ("eager", "w_abc")]).await;
    assert_eq!((status, &answer["error"]["message"]), (400, &json!("Invalid width in transformation: abc")));
}

#[tokio::test]
async fn labels_are_added_removed_and_replaced_for_many_at_once() {
    let server = with(&["a", "b"]).await;
    let tag = async |command: &str, tag: &str, ids: &str| {
        let params = [("command", command), ("tag", tag), ("public_ids", ids)];
        server.call("image/tags", &params).await
    };
    let tags = async |id: &str| {
        server.admin("GET", &format!("resources/image/upload/{id}"), json!(null)).await.1["tags"].take()
    };
    assert_eq!(tag("add", "x,y", "a,b,none").await, (200, json!({"public_ids": ["a", "b"]})));
    tag("remove", "x", "a").await;
    assert_eq!(json!([tags("a").await, tags("b").await]), json!([["y"], ["x", "y"]]));
    tag("set_exclusive", "y", "a").await;
    assert_eq!(json!([tags("a").await, tags("b").await]), json!([["y"], ["x"]]));
    tag("replace", "z", "a").await;
    tag("remove_all", "", "b").await;
    assert_eq!(json!([tags("a").await, tags("b").await]), json!([["z"], null]));
    assert_eq!(tag("paint", "z", "a").await.0, 400);

    let context = [("command", "add"), ("context", "k=v"), ("public_ids", "a")];
    assert_eq!(server.call("image/context", &context).await.0, 200);
    server.define_metadata().await;
    let metadata = [("metadata", r#"m=1|l=["a","b"]"#), ("public_ids", "a")];
    assert_eq!(server.call("image/metadata", &metadata).await.0, 200);
    let (_, asset) = server.admin("GET", "resources/image/upload/a", json!(null)).await;
    assert_eq!(asset["context"], json!({"custom": {"k": "v"}}));
    assert_eq!(asset["metadata"], json!({"m": "1", "l": ["a", "b"]}));
    let context = [("command", "remove_all"), ("public_ids", "a")];
    assert_eq!(server.call("image/context", &context).await.0, 200);
    assert!(server.admin("GET", "resources/image/upload/a", json!(null)).await.1.get("context").is_none());
}

#[tokio::test]
async fn a_delete_token_works_once_for_ten_minutes_and_for_its_version_only() {
    let server = Server::start().await;
    let upload = async || {
        server.store(UPLOAD, png(), "a.png", &[("public_id", "a"), ("return_delete_token", "1")]).await
    };
    let delete = async |answer: &serde_json::Value| {
        let token = answer["delete_token"].as_str().unwrap();
        let request =
            server.client.post(server.url("/v1_1/emulator/delete_by_token")).form(&[("token", token)]);
        told(request.send().await.unwrap()).await
    };
    let (first, second) = (upload().await, upload().await);
    insta::assert_snapshot!(delete(&first).await, @r#"400 [Invalid delete token] {"error":{"message":"Invalid delete token"}}"#);
    insta::assert_snapshot!(delete(&second).await, @r#"200 [] {"result":"ok"}"#);
    assert!(delete(&second).await.starts_with("400"));
    let third = upload().await;
    server.clock.advance(600);
    assert!(delete(&third).await.starts_with("400"));
}

#[tokio::test]
async fn an_asset_can_be_destroyed_by_its_asset_id() {
    let server = with(&["a"]).await;
    let (_, asset) = server.admin("GET", "resources/image/upload/a", json!(null)).await;
    let id = asset["asset_id"].as_str().unwrap();
    assert_eq!(server.call("asset/destroy", &[("asset_id", id)]).await, (200, json!({"result": "ok"})));
    assert_eq!(
        server.call("asset/destroy", &[("asset_id", id)]).await,
        (200, json!({"result": "not found"}))
    );
}
