//! Quotas: set aside with the signature, settled with the file, given back when nothing comes.

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Database, Service, id, on_both};
use crate::helpers::{failure, png};

on_both!(
    a_quota_is_used_up_and_begins_again,
    a_batch_over_the_quota_is_told_when_to_come_again,
    what_is_set_aside_becomes_what_was_uploaded,
    what_nobody_uses_is_given_back,
    ninety_six_at_once_get_exactly_what_there_is,
);

async fn a_quota_is_used_up_and_begins_again(database: Database) {
    let service = Service::on(database).await;
    let first = service.sign("ann", "counted").await;
    // 2024-07-03T09:46:40Z: the day ends at midnight, the hour at ten.
    let expected = json!({
        "uploads": { "limit": 3, "remaining": 2, "resetsAt": 1_720_051_200 },
        "bytes": { "limit": 2500, "remaining": 1500, "resetsAt": 1_720_000_800 },
    });
    assert_eq!(first["quota"], expected);
    service.sign("ann", "counted").await;
    let path = "/upload-signature?profile=counted";
    let response = service.app.get(path).bearer_auth("cs_ann").send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "800");
    let refusal = failure(&crate::helpers::read_json(response).await);
    assert_eq!(
        refusal,
        "429 quota_exceeded: the quota of 2500 bytes for the profile `counted` is used up until its next period begins"
    );
    // Bob has his own.
    service.sign("bob", "counted").await;
    service.pass(800).await;
    let next = service.sign("ann", "counted").await;
    assert_eq!(next["quota"]["bytes"]["remaining"], 1500);
    assert_eq!(next["quota"]["uploads"]["remaining"], 0);
    let refusal = failure(&service.get("ann", path).await);
    assert!(refusal.contains("the quota of 3 uploads"), "{refusal}");
}

async fn a_batch_over_the_quota_is_told_when_to_come_again(database: Database) {
    let service = Service::on(database).await;
    let uploads = vec![json!({ "profile": "counted" }); 3];
    let request = service.app.client.post(service.app.url("/upload-signature"));
    let request = request.header("content-type", "application/json").bearer_auth("cs_ann");
    let response = request.body(json!({ "uploads": uploads }).to_string()).send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "800");
    let refusal = failure(&crate::helpers::read_json(response).await);
    assert!(refusal.starts_with("429 quota_exceeded: uploads[2]: the quota of 2500 bytes"), "{refusal}");
}

async fn what_is_set_aside_becomes_what_was_uploaded(database: Database) {
    let service = Service::on(database).await;
    let signed = service.sign("ann", "counted").await;
    let answer = service.upload(&signed).await;
    let bytes = answer["bytes"].as_u64().unwrap();
    service.confirm("ann", &signed, &answer).await;
    let next = service.sign("ann", "counted").await;
    assert_eq!(next["quota"]["bytes"]["remaining"], 2500 - 1000 - bytes);
    // A file that is rejected was an upload, and takes no room.
    let answer = service.upload_to("image", &next, [png(1, 1), vec![0; 2_000]].concat()).await;
    let (_, body) = service.confirm("ann", &next, &answer).await;
    assert_eq!(body["data"]["state"], "rejected");
    let last = service.sign("ann", "counted").await;
    assert_eq!(last["quota"]["bytes"]["remaining"], 2500 - 1000 - bytes);
    assert_eq!(last["quota"]["uploads"]["remaining"], 0);
}

async fn what_nobody_uses_is_given_back(database: Database) {
    let service = Service::on(database).await;
    let unused = service.sign("ann", "counted").await;
    let used = service.sign("ann", "counted").await;
    let answer = service.upload(&used).await;
    // Half an hour, and the time that a late upload has.
    service.pass(30 * 60 + 599).await;
    assert_eq!(service.sweep().await, [Value::Null; 0]);
    service.pass(1).await;
    assert_eq!(service.sweep().await.len(), 2);
    assert_eq!(service.state("ann", &unused).await["state"], "expired");
    let settled = service.state("ann", &used).await;
    assert_eq!((&settled["state"], &settled["settledBy"]), (&json!("used"), &json!("sweep")));
    assert_eq!(settled["bytes"], answer["bytes"]);
    let next = service.sign("ann", "counted").await;
    assert_eq!(next["quota"]["uploads"]["remaining"], 1);
    let renewal = service.post("ann", "/upload-signature", &json!({ "uploadId": id(&unused) })).await;
    assert_eq!(failure(&renewal), "409 grant_over: the upload ran out; ask for a new signature");
}

async fn ninety_six_at_once_get_exactly_what_there_is(database: Database) {
    let service = Service::on(database).await;
    let requests = (0..96).map(|_| service.get("ann", "/upload-signature?profile=counted"));
    let statuses: Vec<_> = join_all(requests).await.into_iter().map(|(status, _)| status).collect();
    let given = statuses.iter().filter(|status| **status == StatusCode::OK).count();
    // 2,500 bytes hold two grants of 1,000.
    assert_eq!(given, 2);
    assert!(statuses.iter().all(|status| [200, 429].contains(&status.as_u16())), "{statuses:?}");
}
