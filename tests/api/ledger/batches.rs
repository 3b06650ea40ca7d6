//! Grants that share a commit, as a caller of the library sees them.

use std::time::Duration;

use countersign::clock::UnixSeconds;
use countersign::config::LedgerConfig;
use countersign::delivery::{AssetAddress, DeliveryType, ResourceType};
use countersign::ledger::{Deleted, Event, Happening, Issue, IssueError, Ledger};
use countersign::profiles::{Terms, Tracked, UploadId, UploadRequest};
use futures_util::future::join_all;

use super::{Database, on_both};

on_both!(
    a_row_that_cannot_be_written_spoils_no_other,
    a_batch_of_any_size_is_written_whole,
    the_same_assets_are_deleted_from_either_end_at_once,
);

const NOW: UnixSeconds = UnixSeconds(1_720_000_000);

fn upload_id(number: u16) -> UploadId {
    let mut random = [0; 10];
    random[..2].copy_from_slice(&number.to_be_bytes());
    UploadId::new(NOW.into(), random)
}

/// Asks for all of them at once: they are in the queue before anything is written.
async fn issue(ledger: &Ledger, numbers: impl Iterator<Item = u16>) -> Vec<Result<(), IssueError>> {
    let request = UploadRequest::default();
    let issue = |number| {
        let id = upload_id(number);
        let tracked = Tracked {
            id,
            profile: "once".to_owned(),
            subject: "ann".to_owned(),
            public_id: format!("once/{id}"),
            delivery_type: DeliveryType::Upload,
            terms: Terms::default(),
            reservations: Vec::new(),
            max_open: None,
        };
        let expires_at = NOW.plus(60);
        ledger.issue(Issue {
            tracked,
            request: &request,
            issued_at: NOW,
            expires_at,
            request_id: "r",
            address: String::new(),
        })
    };
    let issued = join_all(numbers.map(issue)).await;
    issued.into_iter().map(|outcome| outcome.map(|quotas| assert!(quotas.is_empty()))).collect()
}

async fn audit(ledger: &Ledger) -> Vec<(String, Option<String>)> {
    let lines = ledger.audit(None, UnixSeconds::default(), 10_000).await.unwrap();
    lines.into_iter().map(|line| (line.event, line.upload_id)).collect()
}

async fn a_row_that_cannot_be_written_spoils_no_other(database: Database) {
    let ledger = Ledger::new(&LedgerConfig::at(database.url.clone())).unwrap();
    let downloaded = Event {
        at: NOW,
        subject: "ann",
        upload_id: None,
        target: "image/upload/a",
        detail: None,
        request_id: "r",
    };
    ledger.note(Happening::Downloaded, downloaded);
    // The eighth asks for what the fourth has.
    let outcomes = issue(&ledger, (0..20).map(|number| if number == 7 { 3 } else { number })).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        let expected = if number == 7 { Err(IssueError::Unreachable) } else { Ok(()) };
        assert_eq!(*outcome, expected, "{number}");
    }
    let issued = (0..20).filter(|number| *number != 7).map(upload_id);
    let issued = issued.map(|id| ("issued".to_owned(), Some(id.to_string())));
    let mut expected: Vec<_> = issued.chain([("downloaded".to_owned(), None)]).collect();
    expected.sort();
    // Nobody waits for events, and this one is written after the grants.
    for _ in 0..500 {
        if audit(&ledger).await.len() == expected.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut found = audit(&ledger).await;
    found.sort();
    assert_eq!(found, expected);
}

async fn a_batch_of_any_size_is_written_whole(database: Database) {
    let ledger = Ledger::new(&LedgerConfig::at(database.url.clone())).unwrap();
    let mut next = 0;
    for size in [1, 2, 3, 127, 128, 129, 255, 256, 257, 1_000] {
        let outcomes = issue(&ledger, next..next + size).await;
        assert!(outcomes.iter().all(Result::is_ok), "{size}");
        next += size;
    }
    let expected: Vec<_> =
        (0..next).map(|number| ("issued".to_owned(), Some(upload_id(number).to_string()))).collect();
    assert_eq!(audit(&ledger).await, expected);
}

/// Whoever locked the first and wants the last would wait for whoever locked the last and wants the first.
async fn the_same_assets_are_deleted_from_either_end_at_once(database: Database) {
    const ASSETS: u16 = 1_000;
    let config = LedgerConfig::at(database.url.clone());
    let replicas = [Ledger::new(&config).unwrap(), Ledger::new(&config).unwrap()];
    // So many that PostgreSQL looks each asset up, in the order that it was asked for.
    assert!(issue(&replicas[0], 0..20 * ASSETS).await.iter().all(Result::is_ok));
    for round in 0..20 {
        let numbers = round * ASSETS..(round + 1) * ASSETS;
        let forward: Vec<_> = numbers.map(deleted).collect();
        let backward: Vec<_> = forward.iter().rev().cloned().collect();
        let (one, other) = tokio::join!(
            replicas[0].deleted(&forward, NOW, "ann", "r"),
            replicas[1].deleted(&backward, NOW, "ann", "r"),
        );
        assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    }
}

fn deleted(number: u16) -> Deleted {
    let id = upload_id(number);
    let address = AssetAddress {
        resource_type: ResourceType::Image,
        delivery_type: DeliveryType::Upload,
        public_id: format!("once/{id}").parse().unwrap(),
    };
    Deleted { address, upload_id: Some(id), was_there: true }
}
