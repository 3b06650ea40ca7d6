//! What the provider tells of its own accord: believed if it is signed, fresh, new, and about a grant.

use std::time::Duration;

use countersign::signing::{Algorithm, notification_signature};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Database, Service, id, on_both};
use crate::helpers::{NOW, failure, png, read_json};

on_both!(
    an_upload_is_settled_by_its_notification,
    notifications_that_are_forged_altered_late_or_of_another_cloud_change_nothing,
    a_repetition_is_answered_and_changes_nothing,
    a_second_file_goes_as_soon_as_it_is_announced,
    a_deletion_is_believed_of_our_own_cloud_and_only_once_the_file_is_gone,
);

/// A notification as the provider would send it.
pub(super) struct Sent {
    body: String,
    timestamp: String,
    signature: String,
}

impl Sent {
    pub(super) fn signed(body: &Value, timestamp: i64) -> Self {
        Self::signed_with(body, timestamp, "abcd")
    }

    fn signed_with(body: &Value, timestamp: i64, secret: &str) -> Self {
        let (body, timestamp) = (body.to_string(), timestamp.to_string());
        let signature =
            notification_signature(body.as_bytes(), &timestamp, &secret.into(), Algorithm::Sha1).to_string();
        Self { body, timestamp, signature }
    }
}

impl Service {
    pub(super) async fn tell(&self, sent: &Sent) -> (StatusCode, Value) {
        let request = self.app.client.post(self.app.url("/webhooks/cloudinary"));
        let request = request
            .header("content-type", "application/json")
            .header("x-cld-timestamp", &sent.timestamp)
            .header("x-cld-signature", &sent.signature);
        read_json(request.body(sent.body.clone()).send().await.unwrap()).await
    }
}

fn upload(signed: &Value, folder: &str, bytes: u64) -> Value {
    let public_id = format!("{folder}/{}", id(signed));
    json!({
        "notification_type": "upload", "public_id": public_id, "version": 1_720_000_000, "bytes": bytes,
        "resource_type": "image", "type": "private", "format": "png", "api_key": "123",
        "secure_url": format!("https://res.cloudinary.com/demo/image/private/v1720000000/{public_id}.png"),
    })
}

async fn an_upload_is_settled_by_its_notification(database: Database) {
    let service = Service::notified_on(database).await;
    let signed = service.sign("ann", "small").await;
    let url = signed["payload"]["notification_url"].as_str().unwrap();
    assert!(url.ends_with("/webhooks/cloudinary"), "{url}");
    service.upload_to("image", &signed, [png(1, 1), vec![0; 999]].concat()).await;
    let mut state = Value::Null;
    for _ in 0..100 {
        state = service.state("ann", &signed).await;
        if state["deletedAt"].is_i64() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        (&state["state"], &state["settledBy"]),
        (&json!("rejected"), &json!("notification")),
        "{state}"
    );
    assert_eq!(service.stored().await, [""; 0]);
}

async fn notifications_that_are_forged_altered_late_or_of_another_cloud_change_nothing(database: Database) {
    let service = Service::on(database).await;
    let signed = service.sign("ann", "once").await;
    let body = upload(&signed, "once/ann", 70);
    let forged = Sent::signed_with(&body, NOW.0, "another secret");
    let mut altered = Sent::signed(&body, NOW.0);
    altered.body = altered.body.replace("\"bytes\":70", "\"bytes\":71");
    let mut moved = Sent::signed(&body, NOW.0);
    moved.timestamp = (NOW.0 + 1).to_string();
    let late = Sent::signed(&body, NOW.0 - 7_201);
    let early = Sent::signed(&body, NOW.0 + 301);
    let unsigned = Sent { signature: String::new(), ..Sent::signed(&body, NOW.0) };
    let mut refusals = Vec::new();
    for sent in [forged, altered, moved, late, early, unsigned] {
        refusals.push(failure(&service.tell(&sent).await));
    }
    insta::assert_snapshot!(refusals.join("\n"), @"
    401 notification_refused: the notification is not accepted: the signature is not the provider's over this body
    401 notification_refused: the notification is not accepted: the signature is not the provider's over this body
    401 notification_refused: the notification is not accepted: the signature is not the provider's over this body
    401 notification_refused: the notification is not accepted: it is too old, or ahead of this server's clock
    401 notification_refused: the notification is not accepted: it is too old, or ahead of this server's clock
    401 notification_refused: the notification is not accepted: the signature is not the provider's over this body
    ");

    // Signed, and about nothing here: another cloud of the account, another folder, a grant that was never issued.
    let mut elsewhere = body.clone();
    elsewhere["secure_url"] = json!("https://res.cloudinary.com/other/image/private/v1/a.png");
    let other_key = json!({ "api_key": "999" });
    let mut of_another_key = body.clone();
    of_another_key["api_key"] = other_key["api_key"].clone();
    let of_bob = upload(&signed, "once/bob", 70);
    let unknown = upload(&json!({ "uploadId": "0".repeat(32) }), "once/ann", 70);
    let eager = json!({ "notification_type": "eager" });
    for body in [elsewhere, of_another_key, of_bob, unknown, eager, json!([])] {
        let (status, answer) = service.tell(&Sent::signed(&body, NOW.0)).await;
        assert_eq!((status, &answer["data"]["outcome"]), (StatusCode::OK, &json!("ignored")), "{body}");
    }
    assert_eq!(service.state("ann", &signed).await["state"], "issued");
}

async fn a_repetition_is_answered_and_changes_nothing(database: Database) {
    let service = Service::on(database).await;
    let signed = service.sign("ann", "once").await;
    let sent = Sent::signed(&upload(&signed, "once/ann", 70), NOW.0);
    let outcome = |answer: (StatusCode, Value)| {
        assert_eq!(answer.0, StatusCode::OK);
        answer.1["data"]["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(outcome(service.tell(&sent).await), "settled");
    assert_eq!(outcome(service.tell(&sent).await), "duplicate");
    // The same news under another signature, as a retry of the provider's would bring it.
    let retry = Sent::signed(&upload(&signed, "once/ann", 70), NOW.0 + 180);
    assert_eq!(outcome(service.tell(&retry).await), "known");
    let state = service.state("ann", &signed).await;
    assert_eq!((&state["state"], &state["bytes"]), (&json!("used"), &json!(70)));
}

async fn a_second_file_goes_as_soon_as_it_is_announced(database: Database) {
    let service = Service::notified_on(database).await;
    let signed = service.sign("ann", "once").await;
    let answer = service.upload_to("image", &signed, png(1, 1)).await;
    service.confirm("ann", &signed, &answer).await;
    for _ in 0..100 {
        if service.state("ann", &signed).await["bytes"].is_u64() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    service.upload_to("raw", &signed, b"another".to_vec()).await;
    let mut stored = Vec::new();
    for _ in 0..100 {
        stored = service.stored().await;
        if stored.len() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(stored, [format!("image once/ann/{}", id(&signed))]);
}

async fn a_deletion_is_believed_of_our_own_cloud_and_only_once_the_file_is_gone(database: Database) {
    let service = Service::on(database).await;
    let signed = service.sign("ann", "once").await;
    let answer = service.upload(&signed).await;
    assert_eq!(service.confirm("ann", &signed, &answer).await.0, 200);
    let resources =
        json!([{ "public_id": answer["public_id"], "resource_type": "image", "type": "private" }]);
    let deletion = |cloud: &str, api_key: &str| json!({ "notification_type": "delete", "cloud_name": cloud, "api_key": api_key, "resources": resources });
    let mut moment = NOW.0;
    let mut outcome = async |body: Value| {
        moment += 1;
        let (status, answer) = service.tell(&Sent::signed(&body, moment)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["data"]["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(outcome(deletion("other", "123")).await, "ignored");
    assert_eq!(outcome(deletion("demo", "999")).await, "ignored");
    // Ours, signed, and not so: the file is there.
    assert_eq!(outcome(deletion("demo", "123")).await, "known");
    assert!(service.state("ann", &signed).await["deletedAt"].is_null());

    let control = service.app.client.delete(format!("{}/_emulator/assets", service.app.emulator_origin));
    assert!(control.send().await.unwrap().status().is_success());
    assert_eq!(outcome(deletion("demo", "123")).await, "settled");
    assert!(service.state("ann", &signed).await["deletedAt"].is_i64());
}
