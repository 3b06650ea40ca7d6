//! The search for assets and for folders.

use serde_json::{Value, json};

use super::media::{pdf, png};
use super::server::Server;

/// Four assets, a second apart: two cats, a dog and a text.
async fn with_four() -> Server {
    let server = Server::start().await;
    let upload = async |resource_type: &str, id: &str, file: Vec<u8>, tags: &str| {
        let path = format!("/v1_1/emulator/{resource_type}/upload");
        let params = [("public_id", id), ("tags", tags), ("context", "stage=new|by=me")];
        server.store(&path, file, "a.bin", &params).await;
        server.clock.advance(1);
    };
    upload("image", "pets/cat_one", png(), "b kitten,a").await;
    upload("image", "pets/old/cat_two", pdf(), "a").await;
    upload("image", "dog", png(), "b").await;
    upload("raw", "notes.txt", b"text".to_vec(), "a").await;
    server
}

async fn search(server: &Server, query: Value) -> (u16, Value) {
    server.admin("POST", "resources/search", query).await
}

fn ids(body: &Value) -> Vec<&str> {
    body["resources"].as_array().unwrap().iter().map(|item| item["public_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn expressions_find_assets_of_every_type_the_newest_first() {
    let server = with_four().await;
    for (expression, expected) in [
        ("", &["notes.txt", "dog", "pets/old/cat_two", "pets/cat_one"][..]),
        ("tags=a", &["notes.txt", "pets/old/cat_two", "pets/cat_one"]),
        ("tags:kitten", &["pets/cat_one"]),
        ("public_id:cat AND resource_type:image", &["pets/old/cat_two", "pets/cat_one"]),
        ("folder:pets", &["pets/cat_one"]),
        ("folder:pets/*", &["pets/old/cat_two", "pets/cat_one"]),
        ("folder:old*", &[]),
        ("filename=cat_two OR format:png", &["dog", "pets/old/cat_two", "pets/cat_one"]),
        ("width:[1 TO 3] AND NOT tags:kitten", &["dog"]),
        ("context.stage=new AND bytes<5", &["notes.txt"]),
        ("created_at<\"2024-07-03T09:46:41Z\"", &["pets/cat_one"]),
    ] {
        let (status, body) = search(&server, json!({"expression": expression})).await;
        assert_eq!((status, ids(&body)), (200, expected.to_vec()), "{expression}");
    }
}

#[tokio::test]
async fn an_item_tells_what_it_was_asked_for() {
    let server = with_four().await;
    let query = json!({"expression": "tags:kitten", "with_field": ["context", "tags"]});
    let (_, body) = search(&server, query).await;
    assert_eq!(body["total_count"], 1);
    let item = &body["resources"][0];
    assert_eq!(item["context"], json!({"stage": "new", "by": "me"}), "the search shows it flat");
    assert_eq!(
        json!([item["tags"], item["filename"], item["aspect_ratio"], item["pixels"], item["status"]]),
        json!([["a", "b kitten"], "cat_one", 1.5, 6, "active"])
    );
    let (_, body) = search(&server, json!({"expression": "tags:kitten", "fields": ["bytes"]})).await;
    let names: Vec<_> = body["resources"][0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["asset_id", "bytes", "public_id"]);
}

#[tokio::test]
async fn pages_follow_each_other_although_assets_go_between_them() {
    let server = with_four().await;
    let mut query = json!({"sort_by": [{"resource_type": "desc"}, {"public_id": "asc"}], "max_results": "2"});
    let (_, first) = search(&server, query.clone()).await;
    assert_eq!(ids(&first), ["notes.txt", "dog"]);
    server.admin("DELETE", "resources/raw/upload", json!({"public_ids": ["notes.txt"]})).await;
    query["next_cursor"] = first["next_cursor"].clone();
    let (_, second) = search(&server, query).await;
    assert_eq!(ids(&second), ["pets/cat_one", "pets/old/cat_two"]);
    assert!(second.get("next_cursor").is_none() && second["total_count"] == 3, "{second}");
}

#[tokio::test]
async fn what_a_search_cannot_do_is_refused() {
    let server = Server::start().await;
    let mut refusals = Vec::new();
    for query in [
        json!({"expression": "kitten"}),
        json!({"expression": "faces>1"}),
        json!({"expression": "(tags:a"}),
        json!({"aggregate": ["format"]}),
        json!({"with_field": ["image_metadata"]}),
        json!({"sort_by": [{"score": "desc"}]}),
        json!({"max_results": 501}),
        json!({"next_cursor": "x"}),
    ] {
        let (status, body) = search(&server, query).await;
        refusals.push(format!("{status} {}", body["error"]["message"].as_str().unwrap()));
    }
    insta::assert_snapshot!(refusals.join("\n"), @"
    400 Not emulated: search expressions with a word that has no field
    400 Not emulated: search expressions with the field faces
    400 Invalid search expression: a ) is missing
    400 Not emulated: aggregate in a search
    400 Not emulated: with_field image_metadata in a search
    400 Not emulated: sort_by score in a search
    400 Illegal value 501 for max_results
    400 Illegal value x for next_cursor
    ");
}

#[tokio::test]
async fn folders_are_found_by_name_and_path() {
    let server = with_four().await;
    server.admin("POST", "folders/empty/old", json!(null)).await;
    let paths = async |query: Value| {
        let (status, body) = server.admin("POST", "folders/search", query).await;
        assert_eq!(status, 200, "{body}");
        let folders = body["folders"].as_array().unwrap().iter();
        (
            body["total_count"].clone(),
            folders.map(|one| one["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>(),
        )
    };
    let all = ["empty", "empty/old", "pets", "pets/old"].map(str::to_owned).to_vec();
    assert_eq!(paths(json!({})).await, (json!(4), all.clone()));
    assert_eq!(paths(json!({"expression": "name=old AND path:pets*"})).await.1, all[3..]);
    let (count, some) = paths(json!({"max_results": 1, "sort_by": [{"path": "desc"}]})).await;
    assert_eq!((count, some), (json!(4), all[3..].to_vec()));
}
