//! The books: what the ledger must hold whatever happened to the processes that wrote it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::fleet::Fleet;

/// A row of `grants`, as far as the books go.
pub(super) struct Grant {
    pub(super) id: String,
    pub(super) public_id: String,
    pub(super) state: String,
    bytes: Option<u64>,
    max_bytes: u64,
    /// What it takes, by the key of the quota.
    takes: BTreeMap<String, u64>,
}

const GRANTS: &str = "SELECT id || '|' || public_id || '|' || state || '|' || COALESCE(CAST(bytes AS TEXT), '') \
                      || '|' || subject || ' ' || profile || '|' || terms || '|' || reservations FROM grants";

const QUOTAS: &str = "SELECT subject || ' ' || profile || ' ' || measure || ' ' || period || '|' || \
                      CAST(used AS TEXT) FROM quota_use WHERE measure <> 'open'";

impl Grant {
    fn read(line: &str) -> Self {
        let [id, public_id, state, bytes, owner, terms, reservations] =
            line.split('|').collect::<Vec<_>>().try_into().unwrap();
        let terms: Value = serde_json::from_str(terms).unwrap();
        let reservations: Value = serde_json::from_str(reservations).unwrap();
        let take = |one: &Value| {
            let word = |name: &str| one[name].as_str().unwrap();
            (format!("{owner} {} {}", word("measure"), word("period")), one["amount"].as_u64().unwrap())
        };
        Self {
            id: id.to_owned(),
            public_id: public_id.to_owned(),
            state: state.to_owned(),
            bytes: bytes.parse().ok(),
            max_bytes: terms["max_bytes"].as_u64().unwrap_or_default(),
            takes: reservations.as_array().unwrap().iter().map(take).collect(),
        }
    }

    /// What its state says that it takes: uploads and bytes.
    fn owes(&self) -> (u64, u64) {
        match self.state.as_str() {
            "issued" => (1, self.max_bytes),
            "used" => (1, self.bytes.unwrap_or(self.max_bytes)),
            "rejected" => (1, 0),
            _ => (0, 0),
        }
    }
}

impl Fleet {
    pub(super) async fn grants(&self) -> Vec<Grant> {
        self.database.texts(GRANTS).await.iter().map(|line| Grant::read(line)).collect()
    }

    /// What is used, by the key of the quota.
    pub(super) async fn quotas(&self) -> BTreeMap<String, u64> {
        let rows = self.database.texts(QUOTAS).await;
        let pair = |row: &String| {
            let (key, used) = row.split_once('|').unwrap();
            (key.to_owned(), used.parse().unwrap_or_else(|_| panic!("{row}")))
        };
        rows.iter().map(pair).collect()
    }

    /// How often each event of `kind` happened to each grant.
    pub(super) async fn events(&self, kind: &str) -> BTreeMap<String, usize> {
        let ids = format!("SELECT upload_id FROM events WHERE event = '{kind}' AND upload_id IS NOT NULL");
        let mut counts = BTreeMap::new();
        for id in self.database.texts(&ids).await {
            *counts.entry(id).or_default() += 1;
        }
        counts
    }

    /// Every grant takes what its state says, every quota is what its grants take, and nothing happened twice.
    pub(super) async fn check_quotas(&self) {
        let mut taken = BTreeMap::<String, u64>::new();
        for grant in self.grants().await {
            let (uploads, bytes) = grant.owes();
            for (key, amount) in grant.takes {
                let owed = if key.contains(" uploads ") { uploads } else { bytes };
                assert_eq!(amount, owed, "{key} of {}, which is {}", grant.id, grant.state);
                *taken.entry(key).or_default() += amount;
            }
        }
        let mut quotas = self.quotas().await;
        quotas.retain(|_, used| *used > 0);
        taken.retain(|_, amount| *amount > 0);
        assert_eq!(quotas, taken, "used, and taken by grants");
        for kind in ["used", "expired", "rejected"] {
            let repeated: Vec<_> =
                self.events(kind).await.into_iter().filter(|(_, times)| *times > 1).collect();
            assert!(repeated.is_empty(), "{kind} more than once: {repeated:?}");
        }
    }

    /// Every grant is settled, and used exactly where the provider holds its one asset.
    pub(super) async fn check_settled(&self) {
        let stored = self.stored().await;
        let files: BTreeSet<_> = stored.iter().cloned().collect();
        assert_eq!(files.len(), stored.len(), "one grant, one asset");
        let mut used = BTreeSet::new();
        for grant in self.grants().await {
            assert!(["used", "expired"].contains(&grant.state.as_str()), "{} is {}", grant.id, grant.state);
            if grant.state == "used" {
                used.insert(grant.public_id);
            }
        }
        assert_eq!(used, files, "used grants, and assets");
    }
}
