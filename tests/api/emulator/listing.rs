//! Reading, changing and deleting through the Admin API.

use serde_json::{Value, json};

use super::media::png;
use super::server::{KEY, SECRET, Server};

const UPLOAD: &str = "/v1_1/emulator/image/upload";

/// Five assets, a second apart.
async fn with_five() -> Server {
    let server = Server::start().await;
    for (id, tags) in [("f/a", "x"), ("f/b", "x,y"), ("f/g/c", "y"), ("d", ""), ("e", "x")] {
        let params = [("public_id", id), ("tags", tags), ("context", "k=v"), ("moderation", "manual")];
        let params: Vec<_> = params.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        server.store(UPLOAD, png(), "a.png", &params).await;
        server.clock.advance(1);
    }
    server
}

fn ids(body: &Value) -> Vec<&str> {
    body["resources"].as_array().unwrap().iter().map(|item| item["public_id"].as_str().unwrap()).collect()
}

async fn get(server: &Server, path: &str) -> Value {
    let (status, body) = server.admin("GET", path, json!(null)).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

#[tokio::test]
async fn assets_are_picked_in_every_way() {
    let server = with_five().await;
    for (path, expected) in [
        ("resources/image", &["e", "d", "f/g/c", "f/b", "f/a"][..]),
        ("resources/image/upload?direction=asc", &["f/a", "f/b", "f/g/c", "d", "e"]),
        ("resources/image/upload?prefix=f/", &["f/g/c", "f/b", "f/a"]),
        ("resources/image/upload?public_ids[]=d&public_ids[]=none", &["d"]),
        ("resources/image/tags/y", &["f/g/c", "f/b"]),
        ("resources/image/context?key=k&value=v&max_results=1", &["e"]),
        ("resources/image/context?key=k&value=w", &[]),
        ("resources/image/moderations/manual/pending?max_results=2", &["e", "d"]),
        ("resources/image/upload?start_at=2024-07-03T09:46:43Z", &["e", "d"]),
        ("resources/image/upload?start_at=Wed,%2003%20Jul%202024%2009:46:43%20GMT", &["e", "d"]),
        ("resources/by_asset_folder?asset_folder=f", &["f/b", "f/a"]),
        ("resources/raw", &[]),
    ] {
        assert_eq!(ids(&get(&server, path).await), expected, "{path}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_although_assets_go_between_them() {
    let server = with_five().await;
    let first = get(&server, "resources/image/upload?max_results=2").await;
    assert_eq!(ids(&first), ["e", "d"]);
    server.admin("DELETE", "resources/image/upload", json!({"public_ids": ["d", "f/b"]})).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = get(&server, &format!("resources/image/upload?max_results=2&next_cursor={cursor}")).await;
    assert_eq!(ids(&second), ["f/g/c", "f/a"]);
    assert!(second.get("next_cursor").is_none());
}

#[tokio::test]
async fn details_that_nobody_can_tell_are_named() {
    let server = with_five().await;
    let path =
        server.url("/v1_1/emulator/resources/image/upload/d?colors=true&exif=1&phash=false&faces=true");
    let answer = server.client.get(path).basic_auth(KEY, Some(SECRET)).send().await.unwrap();
    assert_eq!(answer.headers()["x-countersign-emulator"], "not shown: colors, exif");
    assert_eq!(answer.headers()["x-featureratelimit-limit"], "500");
}

#[tokio::test]
async fn assets_are_related_both_ways() {
    let server = with_five().await;
    let relatives = async |id: &str| {
        let body = get(&server, &format!("resources/image/upload/{id}?related=true")).await;
        let list = body["related_assets"].as_array().unwrap().iter();
        list.map(|one| one["public_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let path = "resources/related_assets/image/upload/f/a";
    let others =
        json!({"assets_to_relate": ["image/upload/d", "image/upload/f/a", "image/upload/none", "e"]});
    let (_, answer) = server.admin("POST", path, others).await;
    let assets = |member: &str| {
        answer[member].as_array().unwrap().iter().map(|one| one["asset"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(assets("success"), ["image/upload/d"]);
    assert_eq!(assets("failed"), ["image/upload/f/a", "image/upload/none", "e"]);
    assert_eq!(
        (relatives("f/a").await, relatives("d").await),
        (vec!["d".to_owned()], vec!["f/a".to_owned()])
    );
    server.admin("DELETE", "resources/image/upload", json!({"public_ids": ["d"]})).await;
    assert!(relatives("f/a").await.is_empty(), "what is gone is nobody's relative");
    let many: Vec<_> = (0..11).map(|id| format!("image/upload/{id}")).collect();
    for others in [json!({}), json!({"assets_to_relate": many})] {
        assert_eq!(server.admin("POST", path, others).await.0, 400);
    }
    let others = json!({"assets_to_unrelate": ["image/upload/e"]});
    assert_eq!(server.admin("DELETE", "resources/related_assets/none", others).await.0, 404);
}

#[tokio::test]
async fn items_are_brief_unless_more_is_asked_for() {
    let server = with_five().await;
    let brief = get(&server, "resources/image/upload?max_results=1").await;
    assert!(brief["resources"][0].get("tags").is_none() && brief["resources"][0].get("etag").is_none());
    let more =
        get(&server, "resources/image/upload?max_results=1&tags=true&context=true&moderations=true").await;
    let item = &more["resources"][0];
    assert_eq!(
        json!([item["tags"], item["context"], item["moderation"][0]["status"]]),
        json!([["x"], {"custom": {"k": "v"}}, "pending"])
    );
    let less = get(&server, "resources/image/upload?max_results=1&fields=bytes,etag").await;
    let names: Vec<_> = less["resources"][0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["asset_id", "bytes", "etag", "folder", "public_id"]);
}

#[tokio::test]
async fn details_are_found_under_both_spellings_and_the_asset_id() {
    let server = with_five().await;
    let slash = get(&server, "resources/image/upload/f/g/c").await;
    let escaped = get(&server, "resources/image/upload/f%2Fg%2Fc").await;
    assert_eq!(slash, escaped);
    let by_id = get(&server, &format!("resources/{}", slash["asset_id"].as_str().unwrap())).await;
    assert_eq!(slash, by_id);
    assert_eq!(slash["derived"], json!([]));
    let (status, body) = server.admin("GET", "resources/image/upload/f%2Fnone", json!(null)).await;
    assert_eq!((status, &body["error"]["message"]), (404, &json!("Resource not found - f/none")));
}

#[tokio::test]
async fn wrong_values_are_illegal() {
    let server = with_five().await;
    for (method, path, body) in [
        ("GET", "resources/image/upload?max_results=0", json!(null)),
        ("GET", "resources/image/upload?max_results=501", json!(null)),
        ("GET", "resources/image/upload?direction=up", json!(null)),
        ("GET", "resources/image/upload?start_at=soon", json!(null)),
        ("GET", "resources/image/upload?next_cursor=zz", json!(null)),
        ("GET", "usage/yesterday", json!(null)),
        ("POST", "resources/image/upload/d", json!({"moderation_status": "maybe"})),
        ("POST", "resources/image/upload/d", json!({"raw_convert": "illegal"})),
    ] {
        let (status, answer) = server.admin(method, path, body).await;
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(status == 400 && message.starts_with("Illegal value"), "{path}: {status} {message}");
    }
    let (status, answer) = server.admin("GET", "resources/image?prefix=f", json!(null)).await;
    assert_eq!((status, &answer["error"]["message"]), (400, &json!("Missing required parameter - type")));
}

#[tokio::test]
async fn an_update_changes_moderation_tags_and_context() {
    let server = with_five().await;
    let body = json!({"moderation_status": "approved", "tags": "new", "context": "a=b"});
    let (status, answer) = server.admin("POST", "resources/image/upload/f%2Fa", body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(json!([answer["moderation"][0]["status"], answer["tags"]]), json!(["approved", ["new"]]));
    let approved = get(&server, "resources/image/moderations/manual/approved").await;
    assert_eq!(ids(&approved), ["f/a"]);
}

#[tokio::test]
async fn deletion_reaches_what_it_names_and_no_more() {
    let server = with_five().await;
    let delete = async |path: &str, body: Value| {
        let (status, answer) = server.admin("DELETE", path, body).await;
        assert_eq!(status, 200, "{answer}");
        let deleted = answer["deleted"].as_object().unwrap().clone();
        deleted.into_iter().filter(|(_, word)| word == "deleted").map(|(id, _)| id).collect::<Vec<_>>()
    };
    assert_eq!(delete("resources/image/upload", json!({"prefix": "f/g"})).await, ["f/g/c"]);
    assert_eq!(delete("resources/image/tags/y", json!({})).await, ["f/b"]);
    let asset = get(&server, "resources/image/upload/e").await;
    let id = asset["asset_id"].as_str().unwrap();
    assert_eq!(delete("resources", json!({"asset_ids": [id]})).await, [id]);
    assert!(delete("resources/image/private", json!({"all": true})).await.is_empty());
    assert_eq!(delete("resources/image/upload", json!({"all": true})).await.len(), 2);
}

#[tokio::test]
async fn noted_transformations_go_alone() {
    let server = Server::start().await;
    server.store(UPLOAD, png(), "a.png", &[("public_id", "a"), ("eager", "w_1|w_2|w_3")]).await;
    let asset = get(&server, "resources/image/upload/a").await;
    let id = asset["derived"][0]["id"].as_str().unwrap().to_owned();
    let (_, answer) =
        server.admin("DELETE", "derived_resources", json!({"derived_resource_ids": [id]})).await;
    assert_eq!(answer["deleted"][&id], "deleted");
    // As the Node SDK writes the path of this one call.
    let body = json!({"public_ids": ["a"], "keep_original": true, "transformations": "w_2"});
    let (status, _) = server.admin("DELETE", "resources%2Fimage%2Fupload", body).await;
    assert_eq!(status, 200);
    let asset = get(&server, "resources/image/upload/a").await;
    assert_eq!(asset["derived"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn folders_are_made_listed_renamed_and_removed() {
    let server = with_five().await;
    let folders = async |path: &str| {
        let body = get(&server, path).await;
        let folders = body["folders"].as_array().unwrap().clone();
        folders.into_iter().map(|folder| folder["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (status, answer) = server.admin("POST", "folders/new/deep", json!(null)).await;
    assert_eq!((status, answer), (200, json!({"success": true, "path": "new/deep", "name": "deep"})));
    assert_eq!(folders("folders").await, ["f", "new"]);
    assert_eq!(folders("folders/f").await, ["f/g"]);
    assert_eq!(server.admin("PUT", "folders/f", json!({"to_folder": "moved"})).await.0, 200);
    assert_eq!(server.get("/emulator/image/upload/moved/g/c.png").await.status(), 200);
    let (status, answer) = server.admin("DELETE", "folders/f", json!(null)).await;
    assert_eq!((status, &answer["error"]["message"]), (404, &json!("Can't find folder with path f")));
    assert_eq!(server.admin("DELETE", "folders/moved", json!(null)).await.0, 400);
    assert_eq!(server.admin("DELETE", "folders/new", json!(null)).await.0, 200);
    assert_eq!(folders("folders").await, ["moved"]);
}

#[tokio::test]
async fn the_account_and_its_tags_are_told() {
    let server = with_five().await;
    assert_eq!(get(&server, "tags/image").await["tags"], json!(["x", "y"]));
    assert_eq!(get(&server, "tags/image?prefix=y").await["tags"], json!(["y"]));
    assert_eq!(get(&server, "resources").await, json!({"resource_types": ["image", "raw", "video"]}));
    assert_eq!(get(&server, "config?settings=true").await["settings"], json!({"folder_mode": "fixed"}));
    assert_eq!(get(&server, "usage").await["resources"], 5);
}
