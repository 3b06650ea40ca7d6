//! The SQLite file: a row for each asset, one for the settings, and the names of files that are to be deleted.
//!
//! Assets and settings are JSON with a checksum, because SQLite notices damage to its own structure only. The file is in
//! WAL mode with `synchronous` at `FULL`: what is committed survives a power failure.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use super::error::{StoreError, failed};
use super::transaction::Changes;
use super::{Asset, Settings};

/// The layout below, as `user_version` of the file.
const VERSION: i64 = 1;

const SCHEMA: &str = "
    BEGIN IMMEDIATE;
    CREATE TABLE assets (id TEXT PRIMARY KEY, asset TEXT NOT NULL, checksum TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE settings (id INTEGER PRIMARY KEY CHECK (id = 1), settings TEXT NOT NULL, checksum TEXT NOT NULL) STRICT;
    CREATE TABLE removed_files (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    PRAGMA user_version = 1;
    COMMIT;
    PRAGMA wal_checkpoint(TRUNCATE);
";

/// The result codes of SQLite that mean damage: `ERROR` (of a statement that is known to be right), `CORRUPT`, `FORMAT`
/// and `NOTADB`; beside them `IOERR_SHORT_READ`.
const DAMAGE: [i32; 4] = [1, 11, 24, 26];
const SHORT_READ: i32 = 522;

/// The open file.
#[derive(Debug)]
pub(super) struct Index {
    connection: SqliteConnection,
    path: PathBuf,
}

/// Everything that is in it.
#[derive(Debug)]
pub(super) struct Saved {
    pub(super) assets: Vec<Asset>,
    pub(super) settings: Settings,
    /// Files that a crash kept from being deleted.
    pub(super) removed_files: HashSet<String>,
}

impl Index {
    /// Opens the file and checks it as a whole. If it is empty or missing it is created, unless there are contents.
    pub(super) async fn open(
        path: PathBuf,
        is_durable: bool,
        has_contents: bool,
    ) -> Result<Self, StoreError> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        drop(file.map_err(failed("open", &path))?);
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(if is_durable { SqliteSynchronous::Full } else { SqliteSynchronous::Off })
            .disable_statement_logging();
        let connection = options.connect().await.map_err(|cause| error(&path, &cause))?;
        let mut index = Self { connection, path };
        match index.scalar::<i64>("PRAGMA user_version").await? {
            0 if has_contents => return Err(StoreError::MissingIndex(index.path)),
            0 => index.create().await?,
            VERSION => {}
            other => return Err(index.damaged(format!("version {other}"))),
        }
        let problem = index.scalar::<String>("PRAGMA integrity_check(1)").await?;
        if problem == "ok" { Ok(index) } else { Err(index.damaged(problem)) }
    }

    async fn create(&mut self) -> Result<(), StoreError> {
        let outcome = sqlx::raw_sql(SCHEMA).execute(&mut self.connection).await;
        outcome.map(drop).map_err(|cause| error(&self.path, &cause))
    }

    async fn scalar<T>(&mut self, sql: &'static str) -> Result<T, StoreError>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite> + Send + Unpin,
    {
        let value = sqlx::query_scalar(sql).fetch_one(&mut self.connection).await;
        value.map_err(|cause| error(&self.path, &cause))
    }

    /// Reads everything.
    pub(super) async fn load(&mut self) -> Result<Saved, StoreError> {
        let rows = sqlx::query_as::<_, (String, String, String)>("SELECT id, asset, checksum FROM assets");
        let rows = rows.fetch_all(&mut self.connection).await.map_err(|cause| error(&self.path, &cause))?;
        let mut assets = Vec::with_capacity(rows.len());
        for (id, json, checksum) in rows {
            let asset: Asset = self.parse(&json, &checksum)?;
            if asset.id != id {
                return Err(self.damaged(format!("the asset {} has the id {id}", asset.id)));
            }
            assets.push(asset);
        }
        let settings =
            sqlx::query_as::<_, (String, String)>("SELECT settings, checksum FROM settings WHERE id = 1");
        let settings = settings.fetch_optional(&mut self.connection).await;
        let settings = match settings.map_err(|cause| error(&self.path, &cause))? {
            Some((json, checksum)) => self.parse(&json, &checksum)?,
            None => Settings::default(),
        };
        let names =
            sqlx::query_scalar("SELECT name FROM removed_files").fetch_all(&mut self.connection).await;
        let removed_files = names.map_err(|cause| error(&self.path, &cause))?.into_iter().collect();
        Ok(Saved { assets, settings, removed_files })
    }

    fn parse<T: DeserializeOwned>(&self, json: &str, checksum: &str) -> Result<T, StoreError> {
        if checksum_of(json) != checksum {
            return Err(self.damaged(format!("the checksum of an entry is not {checksum}")));
        }
        serde_json::from_str(json).map_err(|problem| self.damaged(problem.to_string()))
    }

    fn damaged(&self, problem: String) -> StoreError {
        StoreError::DamagedIndex { path: self.path.clone(), problem }
    }

    /// Writes changes: all of them are on disk when this returns, or none.
    pub(super) async fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        self.write(changes).await.map_err(|cause| error(&self.path, &cause))
    }

    async fn write(&mut self, changes: &Changes) -> Result<(), sqlx::Error> {
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        for id in &changes.replaced_ids {
            sqlx::query("DELETE FROM assets WHERE id = ?").bind(id).execute(&mut *transaction).await?;
        }
        for asset in changes.assets.values().flatten() {
            let (json, checksum) = to_json(&**asset)?;
            let insert = sqlx::query("INSERT INTO assets (id, asset, checksum) VALUES (?, ?, ?)");
            insert.bind(&asset.id).bind(json).bind(checksum).execute(&mut *transaction).await?;
        }
        if let Some(settings) = &changes.settings {
            let (json, checksum) = to_json(settings)?;
            let insert =
                sqlx::query("INSERT OR REPLACE INTO settings (id, settings, checksum) VALUES (1, ?, ?)");
            insert.bind(json).bind(checksum).execute(&mut *transaction).await?;
        }
        if !changes.removed_files.is_empty() {
            // Those from before have been deleted since.
            sqlx::query("DELETE FROM removed_files").execute(&mut *transaction).await?;
        }
        for name in &changes.removed_files {
            sqlx::query("INSERT INTO removed_files (name) VALUES (?)")
                .bind(name)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await
    }

    /// Moves the write-ahead log into the file and closes it.
    pub(super) async fn close(self) {
        if let Err(problem) = self.connection.close().await {
            tracing::warn!(%problem, path = %self.path.display(), "the index was not closed");
        }
    }
}

fn to_json(value: &impl Serialize) -> Result<(String, String), sqlx::Error> {
    let json = serde_json::to_string(value).map_err(|cause| sqlx::Error::Encode(cause.into()))?;
    let checksum = checksum_of(&json);
    Ok((json, checksum))
}

fn checksum_of(json: &str) -> String {
    hex::encode(Sha256::digest(json))
}

/// Tells damage from everything else that can happen to a file.
fn error(path: &std::path::Path, cause: &sqlx::Error) -> StoreError {
    let (path, problem) = (path.to_owned(), cause.to_string());
    let code = cause.as_database_error().and_then(|cause| cause.code()?.parse::<i32>().ok());
    let is_damaged = match (code, cause) {
        (Some(code), _) => code == SHORT_READ || DAMAGE.contains(&(code & 0xff)),
        (None, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound) => true,
        _ => false,
    };
    if is_damaged { StoreError::DamagedIndex { path, problem } } else { StoreError::Index { path, problem } }
}
