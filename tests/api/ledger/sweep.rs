//! The sweep: what the provider holds decides what became of grants that ran out.

use countersign::ledger::{Finding, SettledBy};
use countersign::settling::By;
use serde_json::{Value, json};

use super::{Database, Service, id, on_both};

on_both!(
    a_second_file_under_one_grant_is_deleted,
    a_dry_run_changes_nothing,
    a_provider_that_does_not_answer_changes_nothing,
    an_asset_that_was_deleted_elsewhere_is_noted,
    violators_are_found_without_a_confirmation,
    a_grant_that_is_renewed_while_the_sweep_looks_lives_on,
);

const OVER: i64 = 3_600;

async fn a_second_file_under_one_grant_is_deleted(database: Database) {
    let service = Service::on(database).await;
    let signed = service.sign("ann", "once").await;
    let answer = service.upload_to("image", &signed, crate::helpers::png(1, 1)).await;
    service.confirm("ann", &signed, &answer).await;
    // The signature says neither image nor raw: the same one makes another asset.
    service.upload_to("raw", &signed, b"another".to_vec()).await;
    assert_eq!(service.stored().await.len(), 2);
    service.pass(OVER).await;
    let lines = service.sweep().await;
    assert_eq!(lines[0]["state"], "used");
    assert_eq!(service.stored().await.len(), 1, "{lines:?}");
    assert_eq!(service.sweep().await, [Value::Null; 0]);
}

async fn a_dry_run_changes_nothing(database: Database) {
    let service = Service::on(database).await;
    let signed = service.sign("ann", "small").await;
    service.upload_to("raw", &signed, b"raw".to_vec()).await;
    service.pass(OVER).await;
    let swept = service.app.state.settling().sweep(true).await.unwrap();
    let line = serde_json::to_value(&swept.lines[0]).unwrap();
    let public_id = format!("small/ann/{}", id(&signed));
    let expected = json!({
        "uploadId": signed["uploadId"], "publicId": public_id, "state": "rejected",
        "reason": "is raw, and the profile takes image", "deleted": [format!("raw/upload/{public_id}")],
    });
    assert_eq!(line, expected);
    assert_eq!(service.stored().await.len(), 1);
    assert_eq!(service.state("ann", &signed).await["state"], "issued");
    service.sweep().await;
    assert_eq!(service.stored().await.len(), 0);
    assert_eq!(service.state("ann", &signed).await["state"], "rejected");
}

async fn a_provider_that_does_not_answer_changes_nothing(database: Database) {
    let service = Service::on(database).await;
    let signed = service.sign("ann", "once").await;
    service.upload(&signed).await;
    service.pass(OVER).await;
    let fault = json!([{ "method": "GET", "path": "/resources/", "status": 404, "body": "{\"error\":{\"message\":\"no\"}}" }]);
    service.app.control("faults", fault).await;
    let swept = service.app.state.settling().sweep(false).await.unwrap();
    assert!(swept.error.is_some());
    assert_eq!(service.state("ann", &signed).await["state"], "issued");
    service.app.control("faults", json!([])).await;
    // It was taken in hand for five minutes.
    assert_eq!(service.sweep().await, [Value::Null; 0]);
    service.pass(301).await;
    assert_eq!(service.sweep().await[0]["state"], "used");
}

async fn an_asset_that_was_deleted_elsewhere_is_noted(database: Database) {
    let service = Service::on(database).await;
    let signed = service.sign("ann", "small").await;
    let answer = service.upload_to("image", &signed, crate::helpers::png(1, 1)).await;
    service.confirm("ann", &signed, &answer).await;
    service
        .app
        .client
        .delete(format!("{}/_emulator/assets", service.app.emulator_origin))
        .send()
        .await
        .unwrap();
    service.pass(OVER).await;
    service.sweep().await;
    let state = service.state("ann", &signed).await;
    assert_eq!(state["state"], "used");
    assert!(state["deletedAt"].is_i64(), "{state}");
}

async fn violators_are_found_without_a_confirmation(database: Database) {
    let service = Service::on(database).await;
    let signed = service.sign("ann", "small").await;
    service.upload_to("image", &signed, [crate::helpers::png(1, 1), vec![0; 999]].concat()).await;
    service.pass(OVER).await;
    let lines = service.sweep().await;
    assert_eq!(lines[0]["state"], "rejected");
    assert_eq!(service.stored().await, [""; 0]);
    let state = service.state("ann", &signed).await;
    assert_eq!(state["settledBy"], "sweep");
    assert!(state["deletedAt"].is_i64(), "{state}");
}

async fn a_grant_that_is_renewed_while_the_sweep_looks_lives_on(database: Database) {
    let service = Service::on(database).await;
    let signed = service.sign("ann", "counted").await;
    service.pass(OVER).await;
    let settling = service.app.state.settling();
    let claimed = settling.ledger.claim(service.app.clock.now(), 10).await.unwrap();
    let (status, body) = service.post("ann", "/upload-signature", &json!({ "uploadId": id(&signed) })).await;
    assert_eq!(status, 200, "{body}");
    // What the sweep found at the provider before that.
    let by = By { source: SettledBy::Sweep, subject: "", request_id: "" };
    settling.settle(claimed[0].id, Finding::Unused, by).await.unwrap();
    assert_eq!(service.state("ann", &signed).await["state"], "issued");
    service.upload(&body["data"]).await;
    service.pass(OVER).await;
    assert_eq!(service.sweep().await[0]["state"], "used");
}
