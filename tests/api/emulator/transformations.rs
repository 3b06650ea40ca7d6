//! Transformations under names, and those that assets were uploaded with.

use serde_json::{Value, json};

use super::media::png;
use super::server::Server;

const UPLOAD: &str = "/v1_1/emulator/image/upload";

async fn call(server: &Server, method: &str, body: Value) -> (u16, Value) {
    server.admin(method, "transformations", body).await
}

async fn show(server: &Server, name: &str) -> (u16, Value) {
    server.admin("GET", &format!("transformations?transformation={name}"), json!(null)).await
}

#[tokio::test]
async fn a_name_is_kept_redefined_used_and_removed() {
    let server = Server::start().await;
    let body = json!({"name": "small", "transformation": "c_scale,w_10"});
    assert_eq!(call(&server, "POST", body.clone()).await, (200, json!({"message": "created"})));
    assert_eq!(call(&server, "POST", body).await.0, 409);
    let update = json!({"transformation": "small", "unsafe_update": "w_11/", "allowed_for_strict": false});
    assert_eq!(call(&server, "PUT", update).await, (200, json!({"message": "updated"})));
    let (_, shown) = show(&server, "small").await;
    assert_eq!(
        shown,
        json!({
            "name": "small", "named": true, "used": false, "allowed_for_strict": false, "derived": [],
            "info": [{"width": 11, "extension": "none"}],
        })
    );
    let stored = server.store(UPLOAD, png(), "a.png", &[("public_id", "a"), ("eager", "t_small")]).await;
    assert_eq!(stored["eager"][0]["transformation"], "t_small");
    assert_eq!(server.get("/emulator/image/upload/t_small/a.png").await.status(), 200);
    assert_eq!(show(&server, "t_small").await.1["derived"][0]["public_id"], "a");

    let named = json!({"transformation": "small"});
    assert_eq!(call(&server, "DELETE", named.clone()).await, (200, json!({"message": "deleted"})));
    assert_eq!(call(&server, "DELETE", named).await.0, 404);
    assert_eq!(server.get("/emulator/image/upload/t_small/a.png").await.status(), 400);
    let eager = server.upload(UPLOAD, png(), "a.png", &[("eager", "t_small")]).send().await.unwrap();
    assert_eq!(eager.headers()["x-cld-error"], "Unknown transformation small");
    let (_, asset) = server.admin("GET", "resources/image/upload/a", json!(null)).await;
    assert_eq!(asset["derived"], json!([]), "what was derived goes along");
}

#[tokio::test]
async fn a_transformation_without_a_name_is_known_as_long_as_an_asset_has_it() {
    let server = Server::start().await;
    server.store(UPLOAD, png(), "a.png", &[("public_id", "a"), ("eager", "c_fill,w_5/png|h_6")]).await;
    call(&server, "POST", json!({"name": "n", "transformation": "w_1"})).await;
    let names = async |query: &str| {
        let (_, body) = server.admin("GET", &format!("transformations{query}"), json!(null)).await;
        let list = body["transformations"].as_array().unwrap().iter();
        list.map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["c_fill,w_5/png", "h_6", "t_n"]);
    assert_eq!(names("?named=true").await, ["t_n"]);
    assert_eq!(names("?named=false&max_results=1").await, ["c_fill,w_5/png"]);
    let (_, shown) = show(&server, "c_fill,w_5/png").await;
    assert_eq!(shown["info"], json!([{"crop": "fill", "width": 5, "extension": "png"}]));
    assert_eq!(json!([shown["used"], shown["allowed_for_strict"]]), json!([true, false]));
    call(&server, "PUT", json!({"transformation": "h_6", "allowed_for_strict": true})).await;
    assert_eq!(show(&server, "h_6").await.1["allowed_for_strict"], true);
    assert_eq!(call(&server, "DELETE", json!({"transformation": "h_6"})).await.0, 200);
    assert_eq!(show(&server, "h_6").await.0, 404);
    assert_eq!(call(&server, "POST", json!({"name": "a/b", "transformation": "w_1"})).await.0, 400);
    assert_eq!(call(&server, "POST", json!({"name": "b", "transformation": "w_x"})).await.0, 400);
}
