//! Labels of files at Uploadcare: how many files one covers, and what somebody gains who copies one from a file.

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::files::{PUBLIC_KEY, webhook};
use super::{Database, Service, on_both};
use crate::helpers::{failure, read_json, text};

on_both!(
    a_copied_label_takes_nothing_from_its_owner,
    a_label_is_removed_from_the_file_once_it_was_read,
    a_label_that_cannot_be_removed_is_reported_and_tried_again,
    twenty_six_files_of_ten_clients_leave_the_first_twenty_five,
    webhooks_in_any_order_and_repeated_leave_the_same_files,
    a_file_counts_under_the_profile_of_its_label,
    an_answer_says_how_many_files_it_is_good_for,
);

/// The metadata key of a label.
const LABEL: &str = "countersign";

impl Service {
    /// Labels that each cover one file.
    async fn file_labels(&self, who: &str, profile: &str) -> Vec<String> {
        let (status, body) =
            self.get(who, &format!("/uploadcare-signature?profile={profile}&per_file=true")).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body["fileMetadata"].as_array().unwrap().iter().map(|metadata| text(&metadata[LABEL])).collect()
    }

    /// A file's metadata as anybody reads it who knows the file's id.
    async fn public_metadata(&self, id: &str) -> Value {
        let query = format!("pub_key={PUBLIC_KEY}&file_id={id}");
        let url = format!("{}/uploadcare/info/?{query}", self.app.emulator_origin);
        let (status, mut info) = read_json(self.app.client.get(url).send().await.unwrap()).await;
        assert_eq!(status, StatusCode::OK, "{info}");
        info["metadata"].take()
    }

    async fn uploads_left(&self, who: &str, profile: &str) -> i64 {
        let (_, signed) = self.sign_file(who, profile).await;
        signed["quota"]["uploads"]["remaining"].as_i64().unwrap_or_else(|| panic!("{signed}"))
    }

    async fn fail_removals(&self, is_failing: bool) {
        let fault = json!({ "method": "DELETE", "path": "/metadata/", "status": 403, "body": "{}" });
        let faults = if is_failing { vec![fault] } else { Vec::new() };
        self.app.control("faults", json!(faults)).await;
    }

    async fn are_stored(&self, ids: &[String]) -> Vec<bool> {
        join_all(ids.iter().map(|id| self.is_stored(id))).await
    }
}

/// What the provider reports of a file that was uploaded so many microseconds after the others began.
fn uploaded_at(id: &str, label: &str, micros: usize) -> String {
    let data = json!({
        "uuid": id, "size": 10, "mime_type": "image/png", "metadata": { LABEL: label },
        "datetime_uploaded": format!("2024-07-03T09:46:40.{micros:06}Z"),
    });
    webhook("file.uploaded", &data)
}

async fn a_copied_label_takes_nothing_from_its_owner(database: Database) {
    let service = Service::on(database).await;
    for mallory_comes_first in [false, true] {
        let left = service.uploads_left("ann", "metered").await;
        let labels = service.file_labels("ann", "metered").await;
        let own = service.upload_file(Some(&labels[0]), 10).await;
        // The webhook is late, and the file's address is known.
        let copied = text(&service.public_metadata(&own).await[LABEL]);
        let foreign = service.upload_file(Some(&copied), 10).await;
        let mut told = [uploaded_at(&own, &copied, 1), uploaded_at(&foreign, &copied, 2)];
        if mallory_comes_first {
            told.reverse();
        }
        for body in &told {
            assert_eq!(service.outcome_of(body).await, "settled");
        }
        assert_eq!(service.uploads_left("ann", "metered").await, left - 1);
        assert_eq!(service.deletion("ann", &foreign).await, "not_found");
        assert!(service.is_stored(&own).await && service.is_stored(&foreign).await);
        let audited = service.audited().await;
        let said = format!(
            " unowned uploadcare/{foreign} came with a label that another file had before (label of key:ann)"
        );
        assert!(audited.contains(&said), "{audited:?}");
        let is_last_word = |line: &&String| line.contains(&foreign);
        assert!(mallory_comes_first || audited.iter().filter(is_last_word).count() == 1, "{audited:?}");
        assert_eq!(service.deletion("ann", &own).await, "deleted");
        assert_eq!(service.public_metadata(&foreign).await, json!({}));
    }
    // Ann's next file is hers, under a label of the same signature.
    let labels = service.file_labels("ann", "metered").await;
    let (next, told) = service.uploaded(Some(&labels[0]), 10).await;
    assert_eq!(service.outcome_of(&told).await, "settled");
    assert_eq!(service.deletion("ann", &next).await, "deleted");
}

async fn a_label_is_removed_from_the_file_once_it_was_read(database: Database) {
    let service = Service::on(database).await;
    let label = service.label("ann", "mine").await;
    let (id, told) = service.uploaded(Some(&label), 10).await;
    assert_eq!(service.public_metadata(&id).await, json!({ LABEL: label }));
    assert_eq!(service.outcome_of(&told).await, "settled");
    assert_eq!(service.public_metadata(&id).await, json!({}));
    // What is not a label of ours is not ours to remove.
    let (foreign, told) = service.uploaded(Some("a label of somebody else"), 10).await;
    assert_eq!(service.outcome_of(&told).await, "ignored");
    assert_eq!(service.public_metadata(&foreign).await, json!({ LABEL: "a label of somebody else" }));
}

async fn a_label_that_cannot_be_removed_is_reported_and_tried_again(database: Database) {
    let service = Service::on(database).await;
    let label = service.label("ann", "metered").await;
    let (id, told) = service.uploaded(Some(&label), 10).await;
    service.fail_removals(true).await;
    for _ in 0..2 {
        let refusal = failure(&service.tell_of(&told).await);
        assert_eq!(
            refusal,
            "502 provider_failed: the file is recorded, but its label could not be removed; send the webhook again"
        );
        // What was settled stays settled.
        assert_eq!(service.uploads_left("ann", "metered").await, 2);
    }
    service.fail_removals(false).await;
    assert_eq!(service.outcome_of(&told).await, "known");
    assert_eq!(service.public_metadata(&id).await, json!({}));
    assert_eq!(service.outcome_of(&told).await, "duplicate");
    assert_eq!(service.uploads_left("ann", "metered").await, 2);
    assert_eq!(service.deletion("ann", &id).await, "deleted");
}

async fn twenty_six_files_of_ten_clients_leave_the_first_twenty_five(database: Database) {
    let service = Service::on(database).await;
    let replica = Service::on(Database { url: service.database_url().to_owned(), _dir: None }).await;
    let label = service.label("ann", "mine").await;
    let upload = |_| service.upload_file(Some(&label), 10);
    let ids: Vec<_> = stream::iter(0..26).map(upload).buffer_unordered(10).collect().await;
    // Each webhook reaches both replicas at once, in no particular order.
    let tell = |(at, id): (usize, &String)| {
        let (service, replica, body) = (&service, &replica, uploaded_at(id, &label, 26 - at));
        async move {
            let (first, second) = tokio::join!(service.tell_of(&body), replica.tell_of(&body));
            assert_eq!((first.0, second.0), (StatusCode::OK, StatusCode::OK), "{first:?} {second:?}");
        }
    };
    stream::iter(ids.iter().enumerate().map(tell)).buffer_unordered(10).collect::<()>().await;
    let outcomes = join_all(ids.iter().map(|id| service.deletion("ann", id))).await;
    let expected: Vec<_> = (0..26).map(|at| if at == 0 { "not_found" } else { "deleted" }).collect();
    assert_eq!(outcomes, expected, "the file that was uploaded last is the surplus");
}

async fn webhooks_in_any_order_and_repeated_leave_the_same_files(database: Database) {
    let service = Service::on(database).await;
    let replica = Service::on(Database { url: service.database_url().to_owned(), _dir: None }).await;
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (order, used) in orders.into_iter().zip((2..).step_by(2)) {
        let label = service.label("ann", "pair").await;
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(service.upload_file(Some(&label), 10).await);
        }
        for at in order {
            assert_eq!(service.outcome_of(&uploaded_at(&ids[at], &label, at)).await, "settled");
        }
        for at in order {
            assert_eq!(replica.outcome_of(&uploaded_at(&ids[at], &label, at)).await, "known");
        }
        assert_eq!(service.are_stored(&ids).await, [true, true, false], "{order:?}");
        assert_eq!(service.uploads_left("ann", "pair").await, 20 - used, "{order:?}");
        let audited = service.audited().await;
        let said = format!(
            " rejected uploadcare/{} is more than the 2 files of one signature (label of key:ann)",
            ids[2]
        );
        assert!(audited.contains(&said), "{audited:?}");
    }
}

async fn a_file_counts_under_the_profile_of_its_label(database: Database) {
    let service = Service::on(database).await;
    let label = service.label("ann", "pair").await;
    // Its signature was issued under another profile, whose quotas and limits do not apply.
    service.label("ann", "metered").await;
    let (id, told) = service.uploaded(Some(&label), 200).await;
    assert_eq!(service.outcome_of(&told).await, "settled");
    assert!(service.is_stored(&id).await);
    assert_eq!(service.uploads_left("ann", "pair").await, 19);
    assert_eq!(service.uploads_left("ann", "metered").await, 3);
}

async fn an_answer_says_how_many_files_it_is_good_for(database: Database) {
    let service = Service::on(database).await;
    for (profile, files) in [("mine", 25), ("metered", 3), ("pair", 2)] {
        let (_, signed) = service.sign_file("ann", profile).await;
        assert_eq!(signed["filesLeft"], files, "{signed}");
        assert!(signed.get("fileMetadata").is_none());
        let path = format!("/uploadcare-signature?profile={profile}&per_file=true");
        let (_, signed) = service.get("ann", &path).await;
        assert_eq!(signed["filesLeft"], files, "{signed}");
        assert!(signed.get("metadata").is_none());
        let mut labels: Vec<_> =
            signed["fileMetadata"].as_array().unwrap().iter().map(Value::to_string).collect();
        labels.sort();
        labels.dedup();
        assert_eq!(labels.len(), files);
    }
    let label = service.label("ann", "metered").await;
    let (_, told) = service.uploaded(Some(&label), 10).await;
    service.outcome_of(&told).await;
    assert_eq!(service.sign_file("ann", "metered").await.1["filesLeft"], 2);
    let answer = service.get("ann", "/uploadcare-signature?profile=mine&per_file=yes").await;
    assert!(failure(&answer).starts_with("400 invalid_query"), "{answer:?}");
}
