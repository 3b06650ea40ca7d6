//! Assets that were replaced under a used grant, through a link while it lived: noticed, blocked, and deleted where the
//! profile says so.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::{Database, Service, id, on_both};
use crate::helpers::{client, failure, png, read_json, text};

on_both!(
    the_sweep_notices_a_replacement_once_the_link_has_expired,
    a_notification_of_another_file_blocks_the_asset,
    a_profile_may_ask_for_the_replaced_file_to_be_deleted,
    a_file_that_stayed_the_same_keeps_its_links,
);

/// A confirmed upload and its public id.
async fn uploaded(service: &Service, profile: &str) -> (Value, String) {
    let signed = service.sign("ann", profile).await;
    let answer = service.upload(&signed).await;
    assert_eq!(service.confirm("ann", &signed, &answer).await.0, 200);
    let public_id = text(&answer["public_id"]);
    (signed, public_id)
}

fn path(public_id: &str) -> String {
    format!("/download-url?public_id={public_id}&format=png")
}

/// Replaces the asset with the signature of a link.
async fn replace(service: &Service, public_id: &str) {
    let (status, body) = service.get("ann", &path(public_id)).await;
    assert_eq!(status, 200, "{body}");
    // The version of an asset is the second of its upload.
    service.pass(1).await;
    let link: reqwest::Url = text(&body["data"]["downloadUrl"]).parse().unwrap();
    let mut form = Form::new().part("file", Part::bytes(png(9, 9)).file_name("evil.png"));
    for (name, value) in link.query_pairs() {
        form = form.text(name.into_owned(), value.into_owned());
    }
    let url = format!("{}/v1_1/demo/image/upload", service.app.emulator_origin);
    let (status, body) = read_json(client().post(url).multipart(form).send().await.unwrap()).await;
    assert_eq!((status.as_u16(), &body["overwritten"]), (200, &json!(true)), "{body}");
}

async fn the_sweep_notices_a_replacement_once_the_link_has_expired(database: Database) {
    let service = Service::on(database).await;
    let (signed, public_id) = uploaded(&service, "once").await;
    // The sweep has seen everything there was to see.
    service.pass(7_200).await;
    service.sweep().await;
    replace(&service, &public_id).await;
    assert_eq!(service.sweep().await, Vec::<Value>::new(), "the link is still alive");
    service.pass(62).await;
    assert_eq!(service.sweep().await.len(), 1);
    assert!(service.state("ann", &signed).await["replacedAt"].is_i64());
    assert_eq!(
        failure(&service.get("ann", &path(&public_id)).await),
        "404 not_found: there is no such asset"
    );
    assert_eq!(
        failure(&service.get("root", &path(&public_id)).await),
        "404 not_found: there is no such asset"
    );
    service.pass(7_200).await;
    assert_eq!(service.sweep().await, Vec::<Value>::new(), "it looked once");
    let audit = service.app.state.ledger.audit(None, countersign::clock::UnixSeconds(0), 100).await.unwrap();
    assert_eq!(audit.iter().filter(|line| line.event == "replaced").count(), 1);
}

async fn a_notification_of_another_file_blocks_the_asset(database: Database) {
    let service = Service::notified_on(database).await;
    let (signed, public_id) = uploaded(&service, "once").await;
    replace(&service, &public_id).await;
    let notification = json!({
        "notification_type": "upload", "public_id": public_id, "version": 1_720_000_001, "bytes": 57,
        "etag": "0123456789abcdef0123456789abcdef", "resource_type": "image", "type": "private", "format": "png",
        "api_key": "123",
    });
    let sent = super::notifications::Sent::signed(&notification, 1_720_000_000);
    let (status, body) = service.tell(&sent).await;
    assert_eq!((status.as_u16(), text(&body["data"]["outcome"])), (200, "settled".to_owned()), "{body}");
    assert!(service.state("ann", &signed).await["replacedAt"].is_i64());
    assert_eq!(service.get("ann", &path(&public_id)).await.0, 404);
}

async fn a_profile_may_ask_for_the_replaced_file_to_be_deleted(database: Database) {
    let service = Service::on(database).await;
    let (signed, public_id) = uploaded(&service, "strict").await;
    replace(&service, &public_id).await;
    service.pass(7_200).await;
    let swept = service.sweep().await;
    let state = service.state("ann", &signed).await;
    assert!(state["replacedAt"].is_i64() && state["deletedAt"].is_i64(), "{state} {swept:?}");
    assert_eq!(service.stored().await, Vec::<String>::new());
}

async fn a_file_that_stayed_the_same_keeps_its_links(database: Database) {
    let service = Service::on(database).await;
    let (signed, public_id) = uploaded(&service, "once").await;
    for _ in 0..3 {
        assert_eq!(service.get("ann", &path(&public_id)).await.0, 200);
        service.pass(4_000).await;
        service.sweep().await;
    }
    let state = service.state("ann", &signed).await;
    assert!(state["replacedAt"].is_null(), "{state}");
    assert_eq!(id(&signed), text(&state["uploadId"]));
}
