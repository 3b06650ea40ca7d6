//! Structured metadata: the fields that a cloud defines, and what assets may have in them.

use serde_json::{Value, json};

use super::media::png;
use super::server::Server;

const UPLOAD: &str = "/v1_1/emulator/image/upload";

async fn define(server: &Server, field: Value) -> Value {
    let (status, answer) = server.admin("POST", "metadata_fields", field).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

/// The status and the text of a refusal.
async fn refusal(server: &Server, method: &str, path: &str, body: Value) -> String {
    let (status, answer) = server.admin(method, path, body).await;
    format!("{status} {}", answer["error"]["message"].as_str().unwrap_or("no refusal"))
}

/// What an upload with this metadata has in its fields, or why it is refused.
async fn uploaded(server: &Server, metadata: &str) -> Value {
    let params = [("public_id", "a"), ("metadata", metadata)];
    let answer = server.upload(UPLOAD, png(), "a.png", &params).send().await.unwrap();
    let mut body: Value = answer.json().await.unwrap();
    if body["error"].is_null() { body["metadata"].take() } else { body["error"]["message"].take() }
}

#[tokio::test]
async fn a_field_is_defined_shown_changed_and_removed_for_good() {
    let server = Server::start().await;
    let made = define(&server, json!({"external_id": "sku", "label": "SKU", "type": "string"})).await;
    assert_eq!(
        made,
        json!({
            "external_id": "sku", "type": "string", "label": "SKU", "mandatory": false, "default_value": null,
            "default_disabled": false, "validation": null, "restrictions": {"readonly_ui": false},
            "allow_dynamic_list_values": false,
        })
    );
    let change = json!({"external_id": "other", "type": "integer", "label": "Number", "default_value": "x"});
    let (_, changed) = server.admin("PUT", "metadata_fields/sku", change).await;
    assert_eq!(
        json!([changed["external_id"], changed["type"], changed["label"], changed["default_value"]]),
        json!(["sku", "string", "Number", "x"]),
        "external id and type stay"
    );
    assert_eq!(uploaded(&server, "sku=7").await, json!({"sku": "7"}));
    let gone = server.admin("DELETE", "metadata_fields/sku", json!({})).await;
    assert_eq!(gone, (200, json!({"message": "ok"})));
    let (_, asset) = server.admin("GET", "resources/image/upload/a", json!(null)).await;
    assert!(asset.get("metadata").is_none(), "{asset}");
    let again = json!({"external_id": "sku", "label": "SKU", "type": "string"});
    insta::assert_snapshot!(refusal(&server, "POST", "metadata_fields", again).await, @"400 external id sku already exists");
    insta::assert_snapshot!(refusal(&server, "GET", "metadata_fields/sku", json!(null)).await, @"404 Can't find metadata field with external id sku");
}

#[tokio::test]
async fn definitions_that_make_no_sense_are_refused() {
    let server = Server::start().await;
    let mut refusals = Vec::new();
    for field in [
        json!({"type": "string"}),
        json!({"label": "L"}),
        json!({"label": "L", "type": "text"}),
        json!({"label": "L", "type": "enum"}),
        json!({"label": "L", "type": "string", "datasource": {"values": [{"value": "a"}]}}),
        json!({"label": "L", "type": "string", "mandatory": true}),
        json!({"label": "L", "type": "integer", "default_value": "many"}),
        json!({"label": "L", "type": "integer", "default_value": 6, "validation": {"type": "less_than", "value": 5}}),
        json!({"label": "L", "type": "string", "validation": {"type": "less_than", "value": 5}}),
        json!({"label": "L", "type": "string", "default_disabled": true}),
    ] {
        refusals.push(refusal(&server, "POST", "metadata_fields", field).await);
    }
    insta::assert_snapshot!(refusals.join("\n"), @"
    400 Missing required parameter - label
    400 Missing required parameter - type
    400 The body is not what this call takes: unknown variant `text`, expected one of `string`, `integer`, `date`, `enum`, `set`
    400 Missing required parameter - datasource
    400 datasource is invalid
    400 Missing required parameter - default_value
    400 default_value is invalid
    400 default_value is invalid
    400 validation is invalid
    400 Not emulated: default_disabled of a metadata field
    ");
}

#[tokio::test]
async fn a_value_must_be_what_its_field_takes() {
    let server = Server::start().await;
    server.define_metadata().await;
    define(&server, json!({"external_id": "n", "label": "N", "type": "integer"})).await;
    let validation = json!({"type": "greater_than", "value": "2024-01-01"});
    let day = json!({"external_id": "d", "label": "D", "type": "date", "validation": validation});
    define(&server, day).await;
    let choice = json!({"values": [{"external_id": "x", "value": "X"}]});
    define(&server, json!({"external_id": "e", "label": "E", "type": "enum", "datasource": choice})).await;

    let stored = uploaded(&server, r#"m=text|l=["b","a"]|n=7|d=2024-01-02|e=x"#).await;
    assert_eq!(stored, json!({"m": "text", "l": ["b", "a"], "n": 7, "d": "2024-01-02", "e": "x"}));
    let mut refusals = Vec::new();
    for metadata in ["unknown=1", "n=seven", "d=2024-01-01", "d=yesterday", "e=y", r#"l=["a","c"]"#] {
        refusals.push(uploaded(&server, metadata).await.as_str().unwrap().to_owned());
    }
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    Invalid value  for parameter kind
    "seven" is not valid for the metadata field n
    "2024-01-01" is not valid for the metadata field d
    "yesterday" is not valid for the metadata field d
    "y" is not valid for the metadata field e
    ["a","c"] is not valid for the metadata field l
    "#);
}

#[tokio::test]
async fn values_are_changed_field_by_field_and_an_empty_one_takes_the_field_away() {
    let server = Server::start().await;
    server.define_metadata().await;
    let always = json!({"external_id": "s", "label": "S", "type": "string", "mandatory": true, "default_value": "new"});
    define(&server, always).await;
    assert_eq!(uploaded(&server, r#"m=1|l=["a"]"#).await, json!({"m": "1", "l": ["a"], "s": "new"}));

    let explicit = [("public_id", "a"), ("type", "upload"), ("metadata", "m=2")];
    let (_, answer) = server.call("image/explicit", &explicit).await;
    assert_eq!(answer["metadata"], json!({"m": "2", "l": ["a"], "s": "new"}));
    let (_, answer) = server.admin("POST", "resources/image/upload/a", json!({"metadata": "m=|s=old"})).await;
    assert_eq!(answer["metadata"], json!({"l": ["a"], "s": "old"}));
    let (status, _) = server.call("image/metadata", &[("metadata", "s="), ("public_ids", "a")]).await;
    assert_eq!(status, 400, "a mandatory field keeps a value");
}

#[tokio::test]
async fn a_list_of_values_is_changed_sorted_and_restored() {
    let server = Server::start().await;
    server.define_metadata().await;
    let entries = async |method: &str, path: &str, body: Value| {
        let (status, answer) = server.admin(method, &format!("metadata_fields/l/{path}"), body).await;
        let values = answer["values"].as_array().cloned().unwrap_or_default();
        let told: Vec<_> = values.iter().map(|entry| entry["value"].as_str().unwrap()).collect();
        format!("{status} {}", told.join(","))
    };
    let put = json!({"values": [{"external_id": "a", "value": "Z"}, {"value": "C"}]});
    assert_eq!(entries("PUT", "datasource", put).await, "200 Z,B,C");
    assert_eq!(entries("POST", "datasource/order", json!({"order_by": "value"})).await, "200 B,C,Z");
    assert_eq!(entries("DELETE", "datasource", json!({"external_ids": ["a"]})).await, "200 B,C");
    assert_eq!(uploaded(&server, r#"l=["a"]"#).await, r#"["a"] is not valid for the metadata field l"#);
    let restored = entries("POST", "datasource_restore", json!({"external_ids": ["a"]})).await;
    assert_eq!(restored, "200 B,C,Z");
    assert_eq!(entries("DELETE", "datasource", json!({"external_ids": ["none"]})).await, "400 ");
    assert_eq!(entries("POST", "datasource/order", json!({"order_by": "age"})).await, "400 ");
}

#[tokio::test]
async fn fields_are_listed_in_the_order_that_was_asked_for_and_outlive_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::in_dir(dir.path()).await;
    server.define_metadata().await;
    let ids = |answer: &Value| {
        let fields = answer["metadata_fields"].as_array().unwrap();
        fields.iter().map(|field| field["external_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (_, sorted) =
        server.admin("PUT", "metadata_fields/order", json!({"order_by": "label", "direction": "asc"})).await;
    assert_eq!(ids(&sorted), ["l", "m"]);
    server.stop(dir.path()).await;
    let server = Server::in_dir(dir.path()).await;
    assert_eq!(ids(&server.admin("GET", "metadata_fields", json!(null)).await.1), ["l", "m"]);
}
