//! API keys were once known to the ledger by their bare names, which a token's subject can be as well. Their rows get the
//! name that only a key has, `key:NAME`.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::database::{Database, Sql, over_rows, reading, writing};
use super::{Ledger, LedgerError};
use crate::config::KeySubjects;

/// How long it may take to rename everything.
const TIME_LIMIT: Duration = Duration::from_mins(5);

/// Which of the names have rows. Where events are not asked for there is an index for each table.
const NAMED: Sql = over_rows!(
    "SELECT value ->> 'name' FROM",
    "WHERE EXISTS (SELECT 1 FROM grants WHERE subject = value ->> 'name') \
     OR EXISTS (SELECT 1 FROM uploadcare_files WHERE subject = value ->> 'name') \
     OR EXISTS (SELECT 1 FROM quota_use WHERE subject = value ->> 'name')"
);
const NAMED_ANYWHERE: Sql = over_rows!(
    "SELECT value ->> 'name' FROM",
    "WHERE EXISTS (SELECT 1 FROM grants WHERE subject = value ->> 'name') \
     OR EXISTS (SELECT 1 FROM uploadcare_files WHERE subject = value ->> 'name') \
     OR EXISTS (SELECT 1 FROM quota_use WHERE subject = value ->> 'name') \
     OR value ->> 'name' IN (SELECT subject FROM events)"
);

/// Done by one of those who try at once; the others wait for it and find it done.
const MARK: &str = "INSERT INTO done_once (task) VALUES ('rename keys') ON CONFLICT (task) DO NOTHING";

const RENAME_GRANTS: &str = "UPDATE grants SET subject = 'key:' || subject WHERE subject = $1";
const RENAME_FILES: &str = "UPDATE uploadcare_files SET subject = 'key:' || subject WHERE subject = $1";
/// What was used under either name counts.
const ADD_QUOTAS: &str = "INSERT INTO quota_use (subject, profile, measure, period, used, ends_at) \
     SELECT 'key:' || subject, profile, measure, period, used, ends_at FROM quota_use WHERE subject = $1 \
     ON CONFLICT (subject, profile, measure, period) DO UPDATE SET used = quota_use.used + excluded.used";
const DELETE_QUOTAS: &str = "DELETE FROM quota_use WHERE subject = $1";
const ALLOW: &str = "INSERT INTO maintenance (task, events_before) VALUES ('rename', 0)";
const RENAME_EVENTS: &str = "UPDATE events SET subject = 'key:' || subject WHERE subject = $1";
const FORBID: &str = "DELETE FROM maintenance WHERE task = 'rename'";

const COUNT: &str = "SELECT (SELECT count(*) FROM grants WHERE subject = $1), \
     (SELECT count(*) FROM uploadcare_files WHERE subject = $1), \
     (SELECT count(*) FROM quota_use WHERE subject = $1), (SELECT count(*) FROM events WHERE subject = $1)";

/// The rows of one key that have, or would get, its qualified name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RenamedKey {
    /// The name as `API_KEYS_FILE` spells it.
    #[serde(rename = "from")]
    pub name: String,
    /// The name that only a key has.
    pub to: String,
    /// Grants.
    pub grants: u64,
    /// Files at Uploadcare.
    pub files: u64,
    /// Counts of quotas.
    pub quotas: u64,
    /// Lines of the audit.
    pub events: u64,
}

/// Does at the opening what the configuration asks for.
pub(super) async fn settle(database: &Database, keys: &KeySubjects) -> Result<(), LedgerError> {
    match keys {
        KeySubjects::Leave => Ok(()),
        KeySubjects::Rename(names) => {
            for key in rename(database, names, true).await? {
                let RenamedKey { name, to, grants, files, quotas, events } = key;
                tracing::info!(
                    name,
                    to,
                    grants,
                    files,
                    quotas,
                    events,
                    "rows of an API key were renamed: keys are known as key:NAME now"
                );
            }
            Ok(())
        }
        KeySubjects::Refuse(names) => {
            let found = named(database, NAMED, names).await?;
            if found.is_empty() { Ok(()) } else { Err(LedgerError::AmbiguousSubjects(found)) }
        }
    }
}

impl Ledger {
    /// Those of `names` that have rows which may be an API key's or a token's. Changes nothing, and opens nothing.
    pub async fn ambiguous_subjects(&self, names: &BTreeSet<String>) -> Result<Vec<String>, LedgerError> {
        named(&self.database, NAMED, names).await
    }

    /// Gives all rows of these API keys the names that only keys have, in one transaction; what was renamed.
    pub async fn rename_keys(&self, names: &BTreeSet<String>) -> Result<Vec<RenamedKey>, LedgerError> {
        self.open().await?;
        rename(&self.database, names, false).await
    }

    /// What [`Ledger::rename_keys`] would rename.
    pub async fn keys_to_rename(&self, names: &BTreeSet<String>) -> Result<Vec<RenamedKey>, LedgerError> {
        self.open().await?;
        let mut found = Vec::new();
        for name in named(&self.database, NAMED_ANYWHERE, names).await? {
            let (grants, files, quotas, events): (i64, i64, i64, i64) =
                reading!(&self.database, |pool| sqlx::query_as(COUNT).bind(&name).fetch_one(pool).await?);
            let [grants, files, quotas, events] = [grants, files, quotas, events].map(i64::unsigned_abs);
            found.push(RenamedKey { to: qualified(&name), name, grants, files, quotas, events });
        }
        Ok(found)
    }
}

async fn named(
    database: &Database,
    select: Sql,
    names: &BTreeSet<String>,
) -> Result<Vec<String>, LedgerError> {
    Ok(reading!(database, |pool| {
        sqlx::query_scalar(select.of(database)).bind(rows(names)).fetch_all(pool).await?
    }))
}

/// Renames everything in one transaction; `once` does nothing where that was done before.
async fn rename(
    database: &Database,
    names: &BTreeSet<String>,
    once: bool,
) -> Result<Vec<RenamedKey>, LedgerError> {
    Ok(writing!(TIME_LIMIT, database, |transaction, spelling| 'renamed: {
        if once && sqlx::query(MARK).execute(&mut *transaction).await?.rows_affected() == 0 {
            break 'renamed Vec::new();
        }
        let select = sqlx::query_scalar(spelling(NAMED_ANYWHERE)).bind(rows(names));
        let found: Vec<String> = select.fetch_all(&mut *transaction).await?;
        sqlx::query(ALLOW).execute(&mut *transaction).await?;
        let mut renamed = Vec::with_capacity(found.len());
        for name in found {
            let change = |sql| sqlx::query(sql).bind(&name);
            let grants = change(RENAME_GRANTS).execute(&mut *transaction).await?.rows_affected();
            let files = change(RENAME_FILES).execute(&mut *transaction).await?.rows_affected();
            change(ADD_QUOTAS).execute(&mut *transaction).await?;
            let quotas = change(DELETE_QUOTAS).execute(&mut *transaction).await?.rows_affected();
            let events = change(RENAME_EVENTS).execute(&mut *transaction).await?.rows_affected();
            renamed.push(RenamedKey { to: qualified(&name), name, grants, files, quotas, events });
        }
        sqlx::query(FORBID).execute(&mut *transaction).await?;
        renamed
    }))
}

/// As the statements above write it.
fn qualified(name: &str) -> String {
    format!("key:{name}")
}

/// The names as the statements above take them.
fn rows(names: &BTreeSet<String>) -> String {
    let rows: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
    serde_json::Value::from(rows).to_string()
}
