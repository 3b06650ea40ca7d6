//! What the ledger forgets, what it never forgets, and how many calls the sweep may make.

use std::num::NonZeroU32;

use countersign::clock::UnixSeconds;
use countersign::config::LedgerConfig;
use countersign::ledger::{DeletedFile, FileLabel, Ledger, Surplus, UploadedFile};
use countersign::profiles::Profiles;
use countersign::providers::{CallBudget, CallError};
use reqwest::StatusCode;

use super::{Database, Service, id, on_both};
use crate::helpers::{NOW, png};

on_both!(
    what_is_old_and_of_no_file_is_forgotten_and_the_owner_of_a_file_never,
    old_rows_go_in_small_batches_from_several_replicas_at_once,
    nobody_else_changes_the_audit,
    the_sweep_stops_where_its_budget_ends_and_callers_go_on,
);

const DAY: i64 = 24 * 3_600;

async fn what_is_old_and_of_no_file_is_forgotten_and_the_owner_of_a_file_never(database: Database) {
    let service = Service::on(database).await;
    let kept = service.sign("ann", "once").await;
    let answer = service.upload(&kept).await;
    service.confirm("ann", &kept, &answer).await;
    let unlooked = service.sign("ann", "once").await;
    let answer = service.upload(&unlooked).await;
    service.confirm("ann", &unlooked, &answer).await;
    let deleted = service.sign("ann", "once").await;
    let answer = service.upload(&deleted).await;
    service.confirm("ann", &deleted, &answer).await;
    service.delete("ann", &format!("/uploads/{}", id(&deleted))).await;
    let rejected = service.sign("ann", "small").await;
    let answer = service.upload_to("image", &rejected, [png(1, 1), vec![0; 400]].concat()).await;
    service.confirm("ann", &rejected, &answer).await;
    let withdrawn = service.sign("ann", "once").await;
    service.delete("ann", &format!("/uploads/{}", id(&withdrawn))).await;
    let unused = service.sign("ann", "once").await;
    service.pass(2 * 3_600).await;
    service.sweep().await;
    // Everything of it is in the past, but nobody has looked what became of it.
    let ledger = &service.app.state.ledger;
    assert_eq!(ledger.prune(service.app.clock.now().plus(-DAY), 500).await.unwrap().rows(), 0);

    service.pass(400 * DAY).await;
    let fresh = service.sign("ann", "once").await;
    let before = service.app.clock.now().plus(-400 * DAY + 3_600);
    let pruned = ledger.prune(before, 500).await.unwrap();
    assert_eq!(pruned.grants, 4);
    assert!(pruned.events >= 7, "{pruned:?}");
    for (signed, expected) in [
        (&kept, StatusCode::OK),
        (&unlooked, StatusCode::OK),
        (&fresh, StatusCode::OK),
        (&deleted, StatusCode::NOT_FOUND),
        (&rejected, StatusCode::NOT_FOUND),
        (&withdrawn, StatusCode::NOT_FOUND),
        (&unused, StatusCode::NOT_FOUND),
    ] {
        assert_eq!(service.get("ann", &format!("/uploads/{}", id(signed))).await.0, expected);
    }
    let lines = ledger.audit(None, UnixSeconds::default(), 100).await.unwrap();
    assert!(lines.iter().all(|line| line.event == "issued"), "{lines:?}");
    assert_eq!(lines.len(), 3);
    assert_eq!(ledger.prune(before, 500).await.unwrap().rows(), 0);
}

fn file(number: u32) -> UploadedFile {
    UploadedFile {
        id: format!("00000000-0000-4000-8000-{number:012}").parse().unwrap(),
        subject: "key:ann".to_owned(),
        profile: "mine".to_owned(),
        bytes: 10,
        mime_type: None,
        uploaded_micros: NOW.0 * 1_000_000,
        label: FileLabel {
            id: format!("label-{number}"),
            limit: 25,
            surplus: Surplus::Rejected,
            ends_at: NOW.plus(600),
        },
        request_id: "r".to_owned(),
    }
}

async fn old_rows_go_in_small_batches_from_several_replicas_at_once(database: Database) {
    let replicas = [0, 1].map(|_| Ledger::new(&LedgerConfig::at(database.url.clone())).unwrap());
    let profiles = Profiles::from_toml(super::PROFILES).unwrap();
    let terms = profiles.uploadcare(Some("mine")).unwrap().terms().unwrap();
    for number in 0..30 {
        replicas[0].record(&file(number), terms).await.unwrap();
    }
    let gone: Vec<_> = (0..20).map(|number| DeletedFile { id: file(number).id, was_there: true }).collect();
    replicas[0].files_deleted(&gone, NOW, "key:ann", "r").await.unwrap();
    let before = NOW.plus(1);
    let (mut files, mut events) = (0, 0);
    for _ in 0..20 {
        let (first, second) = tokio::join!(replicas[0].prune(before, 3), replicas[1].prune(before, 3));
        for pruned in [first.unwrap(), second.unwrap()] {
            assert!(pruned.files <= 3 && pruned.events <= 3, "{pruned:?}");
            files += pruned.files;
            events += pruned.events;
        }
    }
    assert_eq!((files, events), (20, 50));
    assert_eq!(replicas[0].undeleted_files("key:ann").await.unwrap().len(), 10);
}

async fn nobody_else_changes_the_audit(database: Database) {
    let service = Service::on(database).await;
    let signed = service.sign("ann", "once").await;
    let answer = service.upload(&signed).await;
    service.confirm("ann", &signed, &answer).await;
    for sql in [
        "DELETE FROM events",
        "UPDATE events SET subject = 'key:bob'",
        "UPDATE events SET subject = 'key:' || subject",
        "UPDATE events SET at = 0",
    ] {
        let refusal = service.database.execute(sql).await.unwrap_err().to_string();
        assert!(refusal.contains("events are only ever added"), "{sql}: {refusal}");
    }
}

async fn the_sweep_stops_where_its_budget_ends_and_callers_go_on(database: Database) {
    let service = Service::on(database).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(service.sign("ann", "small").await);
    }
    service.upload_to("image", &all[0], [png(1, 1), vec![0; 400]].concat()).await;
    service.pass(3_600).await;
    // Three calls look them up; the file that is too large would take a fourth, which is not left.
    let budget = CallBudget::new(NonZeroU32::new(3).unwrap());
    let (swept, error) = service.sweep_within(&budget).await;
    assert_eq!(swept, 2);
    assert!(matches!(error, Some(CallError::BudgetUsedUp { limit: 3, .. })), "{error:?}");
    assert_eq!(service.state("ann", &all[0]).await["state"], "issued");
    let calls = service.app.provider_requests().await.len();
    assert_eq!(service.sweep_within(&budget).await.0, 0);
    assert_eq!(service.app.provider_requests().await.len(), calls);
    // Confirmations and deletions of callers are not the sweep's.
    let fresh = service.sign("ann", "small").await;
    let answer = service.upload_to("image", &fresh, png(1, 1)).await;
    let (_, body) = service.confirm("ann", &fresh, &answer).await;
    assert_eq!(body["data"]["state"], "used");
    let (status, _) = service.delete("ann", &format!("/uploads/{}", id(&fresh))).await;
    assert_eq!(status, StatusCode::OK);

    service.pass(3_600).await;
    let budget = CallBudget::new(NonZeroU32::new(20).unwrap());
    assert_eq!(service.sweep_within(&budget).await, (2, None));
    assert_eq!(service.state("ann", &all[0]).await["state"], "rejected");
    assert_eq!(service.stored().await, [""; 0]);
}
