//! Files at Uploadcare: somebody's by the label that they came with, once the provider has told of them.

use std::time::Duration;

use countersign::clock::UnixSeconds;
use countersign::signing::uploadcare::{LabelId, LabelKey, LabelledFiles, UploadLabel, webhook_signature};
use futures_util::future::join_all;
use reqwest::StatusCode;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::{Database, Service, WEBHOOK_SECRET, on_both};
use crate::helpers::{NOW, failure, read_json, text};

on_both!(
    a_labelled_file_is_its_callers_once_the_provider_has_told_of_it,
    webhooks_that_are_forged_or_altered_change_nothing,
    a_repetition_is_answered_and_counted_once,
    a_file_without_a_good_label_is_nobodys_and_stays,
    what_is_too_large_is_deleted,
    what_goes_over_a_quota_is_deleted,
    thirty_files_at_once_are_kept_as_far_as_there_is_room,
    a_deletion_that_fails_is_tried_again_when_the_webhook_comes_again,
    a_used_up_quota_is_refused_before_it_is_signed,
    another_caller_neither_deletes_nor_opens_a_file,
    a_deletion_elsewhere_is_noted,
    files_are_erased_with_their_owner,
    the_audit_says_what_became_of_files,
    the_emulators_own_webhook_settles,
);

pub(super) const PUBLIC_KEY: &str = "emulator-public-key";
pub(super) const SECRET_KEY: &str = "emulator-secret-key";
const STRANGE: &str = "52da3bfc-7cd8-4861-8b05-126fef7a6994";

impl Service {
    /// The answer to somebody who asks for a signature.
    pub(super) async fn sign_file(&self, who: &str, profile: &str) -> (StatusCode, Value) {
        self.get(who, &format!("/uploadcare-signature?profile={profile}")).await
    }

    /// The label that somebody is given.
    pub(super) async fn label(&self, who: &str, profile: &str) -> String {
        let (status, body) = self.sign_file(who, profile).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        text(&body["metadata"]["countersign"])
    }

    /// Uploads a file with Ann's signature and this label; its id. A signature is good for any label.
    pub(super) async fn upload_file(&self, label: Option<&str>, bytes: usize) -> String {
        let (_, signed) = self.sign_file("root", "mine").await;
        let mut form = Form::new()
            .text("UPLOADCARE_PUB_KEY", "emulator-public-key")
            .text("signature", text(&signed["signature"]))
            .text("expire", text(&signed["expire"]));
        if let Some(label) = label {
            form = form.text("metadata[countersign]", label.to_owned());
        }
        let form = form.part("file", Part::bytes(vec![7; bytes]).file_name("a.bin"));
        let url = format!("{}/uploadcare/base/", self.app.emulator_origin);
        let (status, body) = read_json(self.app.client.post(url).multipart(form).send().await.unwrap()).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        text(&body["file"])
    }

    /// What the provider tells of a file that it has.
    pub(super) async fn uploaded(&self, label: Option<&str>, bytes: usize) -> (String, String) {
        let id = self.upload_file(label, bytes).await;
        (id.clone(), uploaded(&id, label, bytes))
    }

    pub(super) async fn tell_of(&self, body: &str) -> (StatusCode, Value) {
        let signature = webhook_signature(&WEBHOOK_SECRET.into(), body.as_bytes());
        self.tell_signed(body, &signature).await
    }

    async fn tell_signed(&self, body: &str, signature: &str) -> (StatusCode, Value) {
        let request = self.app.client.post(self.app.url("/webhooks/uploadcare"));
        let request = request.header("content-type", "application/json").header("x-uc-signature", signature);
        read_json(request.body(body.to_owned()).send().await.unwrap()).await
    }

    /// What comes of a webhook that is taken in.
    pub(super) async fn outcome_of(&self, body: &str) -> String {
        let (status, answer) = self.tell_of(body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        text(&answer["data"]["outcome"])
    }

    pub(super) async fn is_stored(&self, id: &str) -> bool {
        let url = format!("{}/{id}/", self.app.emulator_origin);
        self.app.client.get(url).send().await.unwrap().status() == StatusCode::OK
    }

    /// What somebody is told about a file that they want deleted.
    async fn delete_file(&self, who: &str, id: &str) -> (StatusCode, Value) {
        let url = format!("{}/{id}/", self.app.emulator_origin);
        let request = self.app.client.delete(self.app.url("/delete-files"));
        let body = json!({ "urls": [{ "url": url }] }).to_string();
        self.ask(who, request.header("content-type", "application/json").body(body)).await
    }

    pub(super) async fn deletion(&self, who: &str, id: &str) -> String {
        text(&self.delete_file(who, id).await.1["data"]["results"][0]["outcome"])
    }

    async fn fail_deletions(&self, is_failing: bool) {
        let fault = json!({ "method": "DELETE", "path": "/files/storage/", "status": 403, "body": "{}" });
        let faults = if is_failing { vec![fault] } else { Vec::new() };
        self.app.control("faults", json!(faults)).await;
    }

    /// The audit as `event target detail`, the latest last.
    pub(super) async fn audited(&self) -> Vec<String> {
        let lines = self.app.state.ledger.audit(None, UnixSeconds::default(), 100).await.unwrap();
        lines
            .iter()
            .map(|line| {
                let detail = line.detail.as_deref().unwrap_or("-");
                format!("{} {} {} {detail}", line.subject, line.event, line.target)
            })
            .collect()
    }
}

pub(super) fn webhook(event: &str, data: &Value) -> String {
    json!({ "initiator": { "type": "api" }, "hook": { "id": 1, "event": event }, "data": data }).to_string()
}

/// A label of Ann's under `mine`, as the project with these keys seals it.
fn seal(secret: &str, public_key: &str, expires_at: i64) -> String {
    let (subject, profile) = ("key:ann".to_owned(), "mine".to_owned());
    let label = UploadLabel { subject, profile, expires_at, files: LabelledFiles::UpTo(25) };
    LabelKey::derive(&secret.into(), public_key).seal(LabelId::new(rand::random()), &label)
}

fn uploaded(id: &str, label: Option<&str>, bytes: usize) -> String {
    let metadata = label.map_or(json!({}), |label| json!({ "countersign": label, "origin": "test" }));
    let data = json!({
        "uuid": id, "size": bytes, "mime_type": "image/png", "metadata": metadata,
        "datetime_uploaded": "2024-07-03T09:46:40.123456Z",
    });
    webhook("file.uploaded", &data)
}

async fn a_labelled_file_is_its_callers_once_the_provider_has_told_of_it(database: Database) {
    let service = Service::on(database).await;
    let (_, signed) = service.sign_file("ann", "mine").await;
    assert_eq!(signed["secureExpire"], "1720001800");
    assert!(signed.get("quota").is_none(), "{signed}");
    let label = text(&signed["metadata"]["countersign"]);
    let (id, told) = service.uploaded(Some(&label), 10).await;
    assert_eq!(service.deletion("ann", &id).await, "not_found");
    assert_eq!(service.outcome_of(&told).await, "settled");
    assert_eq!(service.deletion("bob", &id).await, "not_found");
    assert!(service.is_stored(&id).await);
    assert_eq!(service.deletion("ann", &id).await, "deleted");
    assert!(!service.is_stored(&id).await);
    // Gone is gone: it is nobody's now.
    assert_eq!(service.deletion("ann", &id).await, "not_found");
}

async fn webhooks_that_are_forged_or_altered_change_nothing(database: Database) {
    let service = Service::on(database).await;
    let label = service.label("ann", "mine").await;
    let (id, told) = service.uploaded(Some(&label), 10).await;
    let signature = webhook_signature(&WEBHOOK_SECRET.into(), told.as_bytes());
    let other = webhook_signature(&"another secret".into(), told.as_bytes());
    let mut refusals = Vec::new();
    for (body, signature) in [
        (told.clone(), other.as_str()),
        (told.replace("\"size\":10", "\"size\":11"), &signature),
        (format!("{told} "), &signature),
        (told.clone(), &signature[3..]),
        (told.clone(), ""),
    ] {
        refusals.push(failure(&service.tell_signed(&body, signature).await));
    }
    refusals.dedup();
    assert_eq!(
        refusals,
        [
            "401 notification_refused: the notification is not accepted: the signature is not the provider's over this body"
        ]
    );
    let unsigned = service.app.client.post(service.app.url("/webhooks/uploadcare")).body(told.clone());
    let refusal = failure(&read_json(unsigned.send().await.unwrap()).await);
    assert_eq!(
        refusal,
        "401 notification_refused: the notification is not accepted: X-Uc-Signature is missing"
    );
    let long = " ".repeat(1024 * 1024 + 1);
    assert_eq!(service.tell_of(&long).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(service.deletion("ann", &id).await, "not_found");
    // The published vector: right, and about nothing.
    let vector = "v1=ad0c2d8488c381928120f68d14f59eaf16961090b4c89c5cd3504d870301680d";
    let (status, body) = service.tell_signed(r#"{"hello":"world"}"#, vector).await;
    assert_eq!((status, &body["data"]["outcome"]), (StatusCode::OK, &json!("ignored")));
}

async fn a_repetition_is_answered_and_counted_once(database: Database) {
    let service = Service::on(database).await;
    let label = service.label("ann", "metered").await;
    let (id, told) = service.uploaded(Some(&label), 10).await;
    assert_eq!(service.outcome_of(&told).await, "settled");
    assert_eq!(service.outcome_of(&told).await, "duplicate");
    // The same file in other words, as another replica would hear it.
    let in_other_words = told.replace("image/png", "image/gif");
    assert_eq!(service.outcome_of(&in_other_words).await, "duplicate");
    let replica = Service::on(Database { url: service.database_url().to_owned(), _dir: None }).await;
    assert_eq!(replica.outcome_of(&in_other_words).await, "known");
    let (_, next) = service.sign_file("ann", "metered").await;
    let expected = json!({
        "uploads": { "limit": 3, "remaining": 2, "resetsAt": 1_720_051_200 },
        "bytes": { "limit": 150, "remaining": 140, "resetsAt": 1_720_000_800 },
    });
    assert_eq!(next["quota"], expected);
    assert!(service.is_stored(&id).await);
}

async fn a_file_without_a_good_label_is_nobodys_and_stays(database: Database) {
    let service = Service::on(database).await;
    let good = service.label("ann", "mine").await;
    let mut tampered = good.clone();
    tampered.replace_range(30..31, if tampered.as_bytes()[30] == b'A' { "B" } else { "A" });
    let expired = seal(SECRET_KEY, PUBLIC_KEY, NOW.0 - 601);
    let forged = seal("another secret", PUBLIC_KEY, NOW.0 + 1_800);
    let of_another_project = seal(SECRET_KEY, "another-public-key", NOW.0 + 1_800);
    // Of an earlier version, whose cipher was another.
    let old = "eOq7Abwc2ZfFVd5Dm0xVbAwY5zMCksyVySwtYdIZ8bc7tfU";
    let labels = ["", "ann", &tampered, &expired, &forged, &of_another_project, old];
    for label in labels.into_iter().map(Some).chain([None]) {
        let (id, told) = service.uploaded(label, 10).await;
        assert_eq!(service.outcome_of(&told).await, "ignored", "{label:?}");
        assert_eq!(service.deletion("ann", &id).await, "not_found");
        assert!(service.is_stored(&id).await);
    }
    // Within ten minutes of the end: a large upload that began in time.
    let (id, told) = service.uploaded(Some(&seal(SECRET_KEY, PUBLIC_KEY, NOW.0 - 599)), 10).await;
    assert_eq!(service.outcome_of(&told).await, "settled");
    assert_eq!(service.deletion("ann", &id).await, "deleted");
    let data = json!({ "uuid": STRANGE, "size": 1, "metadata": { "countersign": good } });
    for body in [
        webhook("file.uploaded", &json!({ "uuid": "x", "size": 1, "metadata": { "countersign": good } })),
        webhook("file.uploaded", &json!({ "uuid": STRANGE, "metadata": { "countersign": good } })),
        webhook("file.uploaded", &json!({ "uuid": STRANGE, "size": 1, "metadata": { "countersign": [1] } })),
        webhook("file.uploaded", &json!({ "uuid": STRANGE, "size": 1, "metadata": null })),
        webhook("file.infected", &data),
        webhook("file.deleted", &data),
        "[]".to_owned(),
    ] {
        assert_eq!(service.outcome_of(&body).await, "ignored", "{body}");
    }
}

async fn what_is_too_large_is_deleted(database: Database) {
    let service = Service::on(database).await;
    let label = service.label("ann", "metered").await;
    let (id, told) = service.uploaded(Some(&label), 101).await;
    assert_eq!(service.outcome_of(&told).await, "settled");
    assert!(!service.is_stored(&id).await);
    assert_eq!(service.deletion("ann", &id).await, "not_found");
    // It was an upload, and takes no room.
    let (_, next) = service.sign_file("ann", "metered").await;
    assert_eq!(next["quota"]["uploads"]["remaining"], 2);
    assert_eq!(next["quota"]["bytes"]["remaining"], 150);
    let rejected =
        format!("key:ann rejected uploadcare/{id} has 101 bytes, and the profile takes 100 at most");
    assert!(service.audited().await.contains(&rejected));
}

async fn what_goes_over_a_quota_is_deleted(database: Database) {
    let service = Service::on(database).await;
    let label = service.label("ann", "metered").await;
    let (first, told) = service.uploaded(Some(&label), 100).await;
    assert_eq!(service.outcome_of(&told).await, "settled");
    let (over, told) = service.uploaded(Some(&label), 51).await;
    assert_eq!(service.outcome_of(&told).await, "settled");
    let (fits, told) = service.uploaded(Some(&label), 50).await;
    assert_eq!(service.outcome_of(&told).await, "settled");
    assert!(service.is_stored(&first).await && service.is_stored(&fits).await);
    assert!(!service.is_stored(&over).await);
    // The file that went over the quota was not counted: there is room for a third.
    let (third, told) = service.uploaded(Some(&label), 0).await;
    assert_eq!(service.outcome_of(&told).await, "settled");
    assert!(service.is_stored(&third).await);
    let (fourth, told) = service.uploaded(Some(&label), 0).await;
    assert_eq!(service.outcome_of(&told).await, "settled");
    assert!(!service.is_stored(&fourth).await);
    let audited = service.audited().await.join("\n");
    assert!(
        audited.contains(&format!("{over} goes over the quota of 150 bytes for its period")),
        "{audited}"
    );
    assert!(
        audited.contains(&format!("{fourth} goes over the quota of 3 uploads for its period")),
        "{audited}"
    );
    // Bob has his own.
    let label = service.label("bob", "metered").await;
    let (id, told) = service.uploaded(Some(&label), 100).await;
    assert_eq!(service.outcome_of(&told).await, "settled");
    assert!(service.is_stored(&id).await);
}

async fn thirty_files_at_once_are_kept_as_far_as_there_is_room(database: Database) {
    let service = Service::on(database).await;
    let label = service.label("ann", "metered").await;
    let files = join_all((0..30).map(|_| service.uploaded(Some(&label), 1))).await;
    let outcomes = join_all(files.iter().map(|(_, told)| service.outcome_of(told))).await;
    assert!(outcomes.iter().all(|outcome| outcome == "settled"), "{outcomes:?}");
    let stored = join_all(files.iter().map(|(id, _)| service.is_stored(id))).await;
    assert_eq!(stored.iter().filter(|is_stored| **is_stored).count(), 3);
}

async fn a_deletion_that_fails_is_tried_again_when_the_webhook_comes_again(database: Database) {
    let service = Service::on(database).await;
    let label = service.label("ann", "metered").await;
    let (id, told) = service.uploaded(Some(&label), 101).await;
    service.fail_deletions(true).await;
    for _ in 0..2 {
        let answer = service.tell_of(&told).await;
        assert_eq!(
            failure(&answer),
            "502 provider_failed: a rejected file may still be there; tell of it again"
        );
    }
    assert!(service.is_stored(&id).await);
    service.fail_deletions(false).await;
    assert_eq!(service.outcome_of(&told).await, "settled");
    assert!(!service.is_stored(&id).await);
    assert_eq!(service.outcome_of(&told).await, "duplicate");
    let (_, next) = service.sign_file("ann", "metered").await;
    assert_eq!(next["quota"]["uploads"]["remaining"], 2);
}

async fn a_used_up_quota_is_refused_before_it_is_signed(database: Database) {
    let service = Service::on(database).await;
    let label = service.label("ann", "metered").await;
    for bytes in [100, 50] {
        let (_, told) = service.uploaded(Some(&label), bytes).await;
        service.outcome_of(&told).await;
    }
    let path = "/uploadcare-signature?profile=metered";
    let response = service.app.get(path).bearer_auth("cs_ann").send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "800");
    let refusal = failure(&read_json(response).await);
    assert_eq!(
        refusal,
        "429 quota_exceeded: the quota of 150 bytes for the profile `metered` is used up until its next period begins"
    );
    service.label("bob", "metered").await;
    service.label("ann", "mine").await;
    service.pass(800).await;
    service.label("ann", "metered").await;
}

async fn another_caller_neither_deletes_nor_opens_a_file(database: Database) {
    let service = Service::on(database).await;
    let label = service.label("ann", "mine").await;
    let (id, told) = service.uploaded(Some(&label), 10).await;
    service.outcome_of(&told).await;
    let absent = service.delete_file("bob", STRANGE).await;
    let theirs = service.delete_file("bob", &id).await;
    let same = |answer: &(StatusCode, Value), id: &str| answer.1["data"].to_string().replace(id, "ID");
    assert_eq!((absent.0, same(&absent, STRANGE)), (theirs.0, same(&theirs, &id)));
    assert!(service.is_stored(&id).await);
    let link = |id: &str| format!("/download-url?url={}/{id}/", service.app.emulator_origin);
    let none = "404 not_found: there is no such asset";
    assert_eq!(failure(&service.get("bob", &link(&id)).await), none);
    assert_eq!(failure(&service.get("bob", &link(STRANGE)).await), none);
    let (status, body) = service.get("ann", &link(&id)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert!(text(&body["data"]["downloadUrl"]).starts_with(&format!("https://cdn.example/{id}/?token=")));
    // Whose label it is counts, and not who sends it along.
    let label = service.label("bob", "mine").await;
    let (of_bob, told) = service.uploaded(Some(&label), 10).await;
    service.outcome_of(&told).await;
    assert_eq!(service.deletion("ann", &of_bob).await, "not_found");
    assert_eq!(service.deletion("bob", &of_bob).await, "deleted");
    assert_eq!(service.deletion("root", &id).await, "deleted");
    assert_eq!(service.deletion("ann", &id).await, "not_found");
}

async fn a_deletion_elsewhere_is_noted(database: Database) {
    let service = Service::on(database).await;
    let label = service.label("ann", "mine").await;
    let (id, told) = service.uploaded(Some(&label), 10).await;
    service.outcome_of(&told).await;
    let gone = webhook("file.deleted", &json!({ "uuid": id, "size": 10 }));
    assert_eq!(service.outcome_of(&gone).await, "settled");
    assert_eq!(service.outcome_of(&gone).await, "duplicate");
    let replica = Service::on(Database { url: service.database_url().to_owned(), _dir: None }).await;
    assert_eq!(replica.outcome_of(&gone).await, "known");
    assert_eq!(service.deletion("ann", &id).await, "not_found");
    assert_eq!(
        service.audited().await,
        [format!(" deleted uploadcare/{id} -"), format!("key:ann used uploadcare/{id} mine")]
    );
}

async fn files_are_erased_with_their_owner(database: Database) {
    let service = Service::on(database).await;
    let mut ids = Vec::new();
    for who in ["ann", "ann", "bob"] {
        let label = service.label(who, "mine").await;
        let (id, told) = service.uploaded(Some(&label), 10).await;
        service.outcome_of(&told).await;
        ids.push(id);
    }
    service.fail_deletions(true).await;
    let (status, body) = service.delete("root", "/callers/key:ann/assets").await;
    assert_eq!((status, &body["code"]), (StatusCode::BAD_GATEWAY, &json!("provider_failed")), "{body}");
    assert_eq!(body["message"], "2 items may still be there; the request can be repeated");
    service.fail_deletions(false).await;
    let (status, body) = service.delete("root", "/callers/key:ann/assets").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let mut expected: Vec<_> =
        ids[..2].iter().map(|id| json!({ "uuid": id, "outcome": "deleted" })).collect();
    expected.sort_by_key(|file| text(&file["uuid"]));
    assert_eq!(body["data"]["files"], json!(expected));
    assert!(service.is_stored(&ids[2]).await && !service.is_stored(&ids[0]).await);
}

async fn the_audit_says_what_became_of_files(database: Database) {
    let service = Service::on(database).await;
    let label = service.label("ann", "mine").await;
    let (id, told) = service.uploaded(Some(&label), 10).await;
    service.outcome_of(&told).await;
    service.app.clock.advance(1);
    service.get("ann", &format!("/download-url?url={}/{id}/", service.app.emulator_origin)).await;
    service.app.clock.advance(1);
    // Whoever comes after a download waits for the batch that it is in.
    service.sign("bob", "once").await;
    service.deletion("ann", &id).await;
    let audited: Vec<_> =
        service.audited().await.into_iter().filter(|line| line.starts_with("key:ann")).collect();
    assert_eq!(
        audited,
        [
            format!("key:ann used uploadcare/{id} mine"),
            format!("key:ann downloaded uploadcare/{id} -"),
            format!("key:ann deleted uploadcare/{id} -"),
        ]
    );
    assert!(!service.audited().await.concat().contains(&label));
}

async fn the_emulators_own_webhook_settles(database: Database) {
    let service = Service::on(database).await;
    let request = service.app.client.post(format!("{}/webhooks/", service.app.emulator_origin));
    let webhook = json!({
        "target_url": service.app.url("/webhooks/uploadcare"), "event": "file.uploaded",
        "signing_secret": WEBHOOK_SECRET,
    });
    let request = request
        .header("accept", "application/vnd.uploadcare-v0.7+json")
        .header("authorization", format!("Uploadcare.Simple emulator-public-key:{SECRET_KEY}"))
        .body(webhook.to_string());
    assert_eq!(request.send().await.unwrap().status(), StatusCode::CREATED);
    let label = service.label("ann", "mine").await;
    let id = service.upload_file(Some(&label), 10).await;
    for _ in 0..100 {
        if service.deletion("ann", &id).await == "deleted" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the webhook did not arrive");
}

#[tokio::test]
async fn without_a_ledger_nothing_is_signed_and_webhooks_come_again() {
    let url = "postgres://nobody@127.0.0.1:1/none".to_owned();
    let service = Service::on(Database { url, _dir: None }).await;
    for profile in ["mine", "metered"] {
        let refusal = failure(&service.sign_file("ann", profile).await);
        assert!(refusal.starts_with("503 ledger_unreachable"), "{refusal}");
    }
    let told = uploaded(STRANGE, Some(&seal(SECRET_KEY, PUBLIC_KEY, NOW.0 + 60)), 10);
    assert_eq!(service.tell_of(&told).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(service.delete_file("ann", STRANGE).await.0, StatusCode::SERVICE_UNAVAILABLE);
}
