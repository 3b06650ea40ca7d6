//! Erasing a person, and the audit that remains.

use countersign::clock::UnixSeconds;
use reqwest::StatusCode;
use serde_json::json;

use super::{Database, Service, on_both};
use crate::helpers::{failure, png};

on_both!(
    everything_of_one_person_is_erased,
    the_audit_says_who_did_what,
    the_audit_has_our_own_id_beside_the_clients,
);

async fn everything_of_one_person_is_erased(database: Database) {
    let service = Service::on(database).await;
    let unused = service.sign("ann", "once").await;
    for (who, profile) in [("ann", "once"), ("ann", "shared"), ("bob", "once"), ("bob", "shared")] {
        let signed = service.sign(who, profile).await;
        let answer = service.upload(&signed).await;
        service.confirm(who, &signed, &answer).await;
    }
    // Something that lies in her folder and was never signed.
    let form = reqwest::multipart::Form::new()
        .text("public_id", "once/ann/old")
        .part("file", reqwest::multipart::Part::bytes(png(1, 1)).file_name("a.png"));
    let url = format!("{}/v1_1/demo/image/upload", service.app.emulator_origin);
    let request = service.app.client.post(url).basic_auth("123", Some("abcd")).multipart(form);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(service.stored().await.len(), 5);

    let refused = service.delete("bob", "/callers/key:ann/assets").await;
    assert_eq!(
        failure(&refused),
        "403 forbidden: this takes the scope `admin`, which the caller does not hold"
    );
    let (status, body) = service.delete("root", "/callers/key:ann/assets").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let uploads = body["data"]["uploads"].as_array().unwrap();
    let mut outcomes: Vec<_> = uploads.iter().map(|one| one["outcome"].as_str().unwrap()).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["deleted", "deleted", "withdrawn"]);
    let folders = body["data"]["folders"].as_array().unwrap();
    let old = folders.iter().find(|one| one["deleted"] == 1).unwrap();
    assert_eq!(old["folder"], "once/ann");
    let left = service.stored().await;
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.iter().any(|name| name.contains("once/bob/")));

    // The grant that she did not use is good for nothing any more.
    service.upload(&unused).await;
    service.pass(3_600).await;
    service.sweep().await;
    assert_eq!(service.stored().await.len(), 2);
    let (status, body) = service.delete("root", "/callers/nobody/assets").await;
    assert_eq!((status, &body["data"]["uploads"]), (StatusCode::OK, &json!([])));
}

async fn the_audit_says_who_did_what(database: Database) {
    let service = Service::on(database).await;
    let signed = service.sign("ann", "once").await;
    let answer = service.upload(&signed).await;
    service.confirm("ann", &signed, &answer).await;
    let public_id = answer["public_id"].as_str().unwrap();
    service.get("ann", &format!("/download-url?public_id={public_id}&format=png")).await;
    service.app.clock.advance(1);
    service.delete("ann", &format!("/uploads/{}", signed["uploadId"].as_str().unwrap())).await;
    service.sign("bob", "once").await;

    // Whoever comes after a download waits for the batch that it is in.
    let lines = service.app.state.ledger.audit(Some("key:ann"), UnixSeconds::default(), 100).await.unwrap();
    let mut events: Vec<_> = lines.iter().map(|line| line.event.as_str()).collect();
    events.sort_unstable();
    assert_eq!(events, ["deleted", "downloaded", "issued", "used"]);
    for line in &lines {
        assert_eq!(line.subject, "key:ann");
        assert_eq!(line.upload_id.as_deref(), signed["uploadId"].as_str());
        assert!(line.target.contains(public_id));
        assert!(!line.request_id.is_empty());
        let text = serde_json::to_string(line).unwrap();
        assert!(!text.contains(signed["signature"].as_str().unwrap()), "{text}");
    }
}

async fn the_audit_has_our_own_id_beside_the_clients(database: Database) {
    let service = Service::on(database).await;
    for id in [Some("job-7"), None, Some("not a word")] {
        let mut request = service.app.get("/upload-signature?profile=once").bearer_auth("cs_ann");
        if let Some(id) = id {
            request = request.header("x-request-id", id);
        }
        let answer = request.send().await.unwrap();
        let told = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        let lines = service.app.state.ledger.audit(None, UnixSeconds::default(), 100).await.unwrap();
        let line = lines.last().unwrap();
        assert_eq!(line.request_id.len(), 16, "{line:?}");
        assert!(line.request_id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{line:?}");
        if id == Some("job-7") {
            assert_eq!((told.as_str(), line.client_request_id.as_deref()), ("job-7", id));
        } else {
            assert_eq!((told.as_str(), line.client_request_id.as_deref()), (line.request_id.as_str(), None));
        }
        service.app.clock.advance(1);
    }
}
