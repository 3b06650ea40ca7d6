//! Every finding against every state.

use super::super::entry::Kept;
use super::*;
use crate::delivery::DeliveryType;
use crate::profiles::{Terms, UploadRequest};

const NOW: UnixSeconds = UnixSeconds(1_720_000_000);

fn file(bytes: u64) -> StoredFile {
    StoredFile {
        resource_type: ResourceType::Image,
        format: Some("png".to_owned()),
        bytes,
        version: 1,
        etag: None,
    }
}

fn kept(measure: Measure, amount: u64) -> Kept {
    Kept {
        measure: measure.as_str().to_owned(),
        period: "2024-07-03".to_owned(),
        ends_at: NOW.plus(1_000),
        amount,
    }
}

fn entry(state: State, bytes: Option<u64>) -> Entry {
    let takes = if state == State::Expired { (0, 0) } else { (1, bytes.unwrap_or(1_000)) };
    let id = UploadId::new(NOW.into(), [0; 10]);
    Entry {
        id,
        subject: "ann".to_owned(),
        profile: "kyc".to_owned(),
        public_id: format!("kyc/ann/{id}"),
        delivery_type: DeliveryType::Upload,
        request: UploadRequest::default(),
        terms: Terms { max_bytes: Some(1_000), ..Terms::default() },
        address: String::new(),
        reservations: vec![kept(Measure::Uploads, takes.0), kept(Measure::Bytes, takes.1)],
        issued_at: NOW,
        expires_at: NOW.plus(300),
        state,
        resource_type: bytes.map(|_| ResourceType::Image),
        format: None,
        bytes,
        version: bytes,
        settled_at: None,
        settled_by: None,
        reason: None,
        deleted_at: None,
        etag: None,
        replaced_at: None,
        linked_until: None,
        due_at: Some(NOW.plus(900)),
    }
}

/// State and quotas after a finding of the provider's: `used 1 70`.
fn after(state: State, bytes: Option<u64>, finding: Finding) -> String {
    let mut entry = entry(state, bytes);
    let before: Vec<_> = entry.reservations.iter().map(|kept| kept.amount.cast_signed()).collect();
    let settlement =
        Settlement { finding, by: SettledBy::Notification, at: NOW, subject: "", request_id: "" };
    let applied = entry.apply(&settlement);
    for (kept, before) in entry.reservations.iter().zip(before) {
        let change = applied.quotas.iter().find(|change| change.key.measure == kept.measure);
        let change = change.map_or(0, |change| change.add);
        assert_eq!(before + change, kept.amount.cast_signed(), "what is kept is what is counted");
    }
    assert_eq!(applied.happening.is_some(), entry.state != state);
    format!("{} {} {}", entry.state.as_str(), entry.reservations[0].amount, entry.reservations[1].amount)
}

#[test]
fn every_finding_against_every_state() {
    let rejected = |file| Finding::Rejected { file, reason: "is raw".to_owned() };
    let findings = || {
        [
            Finding::Used(Some(file(70))),
            Finding::Used(None),
            rejected(Some(file(70))),
            rejected(None),
            Finding::Unused,
        ]
    };
    let row = |state, bytes| findings().map(|finding| after(state, bytes, finding));
    assert_eq!(
        row(State::Issued, None),
        ["used 1 70", "used 1 1000", "rejected 1 0", "rejected 1 0", "expired 0 0"]
    );
    // What comes late is counted again.
    assert_eq!(
        row(State::Expired, None),
        ["used 1 70", "used 1 1000", "rejected 1 0", "rejected 1 0", "expired 0 0"]
    );
    // Used, and nobody has looked at the file yet.
    assert_eq!(
        row(State::Used, None),
        ["used 1 70", "used 1 1000", "rejected 1 0", "rejected 1 0", "used 1 1000"]
    );
    assert_eq!(row(State::Used, Some(30)), ["used 1 30"; 5].map(str::to_owned));
    assert_eq!(row(State::Rejected, Some(30)), ["rejected 1 30"; 5].map(str::to_owned));
}

#[test]
fn the_sweep_looks_once_and_again_only_where_something_is_to_be_deleted() {
    let due = |by, finding| {
        let mut entry = entry(State::Issued, None);
        let at = entry.due_at.unwrap();
        entry.apply(&Settlement { finding, by, at, subject: "", request_id: "" });
        entry.due_at.map(|due| due.0 - at.0)
    };
    let broken = || Finding::Rejected { file: Some(file(2_000)), reason: "has 2000 bytes".to_owned() };
    assert_eq!(due(SettledBy::Confirmation, Finding::Used(Some(file(1)))), Some(0));
    assert_eq!(due(SettledBy::Sweep, Finding::Used(Some(file(1)))), None);
    assert_eq!(due(SettledBy::Sweep, Finding::Unused), None);
    assert_eq!(due(SettledBy::Notification, broken()), Some(60));
    assert_eq!(due(SettledBy::Sweep, broken()), Some(60));
}
