//! The clock, the faults, the journal and the assets, for tests on this machine.

use serde_json::{Value, json};

use super::media::png;
use super::server::{NOW, Server, told};

const UPLOAD: &str = "/v1_1/emulator/image/upload";

#[tokio::test]
async fn the_clock_moves_and_signatures_age() {
    let server = Server::start().await;
    let moved = server.control("clock", json!({"advance_seconds": 3_601})).await;
    assert_eq!(moved.json::<Value>().await.unwrap(), json!({"now": NOW + 3_601}));
    let response = server.upload(UPLOAD, png(), "a.png", &[]).send().await.unwrap();
    assert_eq!(response.status(), 400);
    server.control("clock", json!({"set": NOW})).await;
    let response = server.upload(UPLOAD, png(), "a.png", &[]).send().await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn a_fault_happens_as_often_as_it_is_told_to() {
    let server = Server::start().await;
    let fault = json!([{"method": "post", "path": "/image/", "times": 2, "status": 503, "retry_after": 7}]);
    server.control("faults", fault).await;
    for _ in 0..2 {
        let response = server.upload(UPLOAD, png(), "a.png", &[]).send().await.unwrap();
        assert_eq!(response.headers()["retry-after"], "7");
        let answer = told(response).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(answer, @r#"503 [injected fault] {"error":{"message":"General Error"}}"#);
        }
    }
    let response = server.upload(UPLOAD, png(), "a.png", &[]).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let left: Value = server.get("/_emulator/faults").await.json().await.unwrap();
    assert_eq!(left[0]["times"], 0);
}

#[tokio::test]
async fn a_fault_can_say_anything_late_or_drop_the_connection() {
    let server = Server::start().await;
    server.control("faults", json!([{"status": 502, "body": "<html>", "delay_ms": 30}])).await;
    let before = std::time::Instant::now();
    let response = server.get("/emulator/a").await;
    assert!(before.elapsed().as_millis() >= 30);
    assert_eq!(response.text().await.unwrap(), "<html>");

    server.control("faults", json!([{"reset": true}])).await;
    let broken = server.client.get(server.url("/emulator/a")).send().await.unwrap_err();
    assert!(broken.is_request() && broken.status().is_none(), "{broken:?}");
    server.control("faults", json!([])).await;
    assert_eq!(server.get("/emulator/a").await.status(), 404);
}

#[tokio::test]
async fn a_fault_may_lose_only_the_answer() {
    let server = Server::start().await;
    server
        .control("faults", json!([{"path": "/upload", "times": 1, "status": 500, "after_effect": true}]))
        .await;
    let response = server.upload(UPLOAD, png(), "a.png", &[("public_id", "a")]).send().await.unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(server.get("/emulator/image/upload/a.png").await.status(), 200);
}

#[tokio::test]
async fn the_journal_tells_what_was_asked_but_no_query() {
    let server = Server::start().await;
    server.get("/emulator/image/upload/a.png?secret=x").await;
    server.get("/v1_1/emulator/ping").await;
    server.control("faults", json!([{"reset": true, "times": 1}])).await;
    let _ = server.client.get(server.url("/emulator/b")).send().await;
    let journal: Value = server.get("/_emulator/requests").await.json().await.unwrap();
    insta::assert_json_snapshot!(journal, @r#"
    {
      "requests": [
        {
          "method": "GET",
          "path": "/emulator/image/upload/a.png",
          "status": 404
        },
        {
          "method": "GET",
          "path": "/v1_1/emulator/ping",
          "status": 401
        },
        {
          "method": "GET",
          "path": "/emulator/b",
          "status": null
        }
      ]
    }
    "#);
    server.client.delete(server.url("/_emulator/requests")).send().await.unwrap();
    let journal: Value = server.get("/_emulator/requests").await.json().await.unwrap();
    assert_eq!(journal, json!({"requests": []}));
}

#[tokio::test]
async fn assets_are_listed_and_reset() {
    let server = Server::start().await;
    server.store(UPLOAD, png(), "a.png", &[("public_id", "a"), ("type", "private")]).await;
    let assets: Value = server.get("/_emulator/assets").await.json().await.unwrap();
    let asset = &assets["assets"][0];
    assert_eq!(
        json!([asset["cloud"], asset["asset"]["public_id"], asset["asset"]["type"]]),
        json!(["emulator", "a", "private"])
    );
    let reset = server.client.delete(server.url("/_emulator/assets")).send().await.unwrap();
    assert_eq!(reset.json::<Value>().await.unwrap(), json!({"deleted": 1}));
    let assets: Value = server.get("/_emulator/assets").await.json().await.unwrap();
    assert_eq!(assets, json!({"assets": []}));
}

#[tokio::test]
async fn what_is_not_understood_is_refused_and_says_where() {
    let server = Server::start().await;
    let mut answers = Vec::new();
    for (path, body) in [
        ("clock", json!({"advance": 1})),
        ("clock", json!({})),
        ("clock", json!({"set": 1, "advance_seconds": 1})),
        ("faults", json!({"status": 500})),
        ("faults", json!([{"status": 500}, {"stauts": 500}])),
        ("faults", json!([{"status": 100}])),
        ("faults", json!([{"delay_ms": 600_001}])),
        ("faults", json!([{"method": "GET"}])),
        ("other", json!({})),
    ] {
        answers.push(told(server.control(path, body).await).await);
    }
    insta::assert_snapshot!(answers.join("\n"), @r#"
    400 [advance: unknown field `advance`, expected `advance_seconds` or `set` at line 1 column 10] {"error":{"message":"advance: unknown field `advance`, expected `advance_seconds` or `set` at line 1 column 10"}}
    400 [give either advance_seconds or set] {"error":{"message":"give either advance_seconds or set"}}
    400 [give either advance_seconds or set] {"error":{"message":"give either advance_seconds or set"}}
    400 [invalid type: map, expected a sequence at line 1 column 0] {"error":{"message":"invalid type: map, expected a sequence at line 1 column 0"}}
    400 [[1].stauts: unknown field `stauts`, expected one of `method`, `path`, `times`, `status`, `retry_after`, `delay_ms`, `body`, `reset`, `after_effect`, `truncated`, `probability`, `notification`, `delay_seconds` at line 1 column 25] {"error":{"message":"[1].stauts: unknown field `stauts`, expected one of `method`, `path`, `times`, `status`, `retry_after`, `delay_ms`, `body`, `reset`, `after_effect`, `truncated`, `probability`, `notification`, `delay_seconds` at line 1 column 25"}}
    400 [[0].status must be 200 to 599] {"error":{"message":"[0].status must be 200 to 599"}}
    400 [[0].delay_ms must be at most 600000] {"error":{"message":"[0].delay_ms must be at most 600000"}}
    400 [[0] does nothing: give a status, delay_ms, reset, truncated or notification] {"error":{"message":"[0] does nothing: give a status, delay_ms, reset, truncated or notification"}}
    400 [Not emulated: POST /_emulator/other] {"error":{"message":"Not emulated: POST /_emulator/other"}}
    "#);
}

#[tokio::test]
async fn the_front_page_says_what_it_is() {
    let server = Server::start().await;
    assert!(server.get("/").await.text().await.unwrap().starts_with("This is the countersign emulator"));
}
