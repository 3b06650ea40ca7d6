//! One ledger over two databases. SQL is written once; where the two spell a thing differently, [`Sql`] holds both
//! spellings, and the macros below run one body on either pool.

use std::str::FromStr;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::Connection as _;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgPool, SqlitePool};

use super::LedgerError;
use crate::config::LedgerConfig;

/// How long a request waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long one waits for another process that writes to the same file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one thing may take, the wait for its connection included. A server that has gone without a word would else
/// hold requests up until the kernel gives its connections up, a quarter of an hour later.
const TIME_LIMIT: Duration = Duration::from_secs(8);
/// How long all migrations may take.
const MIGRATION_TIME_LIMIT: Duration = Duration::from_mins(1);
/// Connections of one replica. A database takes some hundred; replicas share them.
const MAX_CONNECTIONS: u32 = 10;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// The pools. Nothing is opened before it is used.
#[derive(Clone, Debug)]
pub(super) enum Database {
    /// A file. It takes one writer at a time, so that the writers queue here and not in the file's lock.
    Sqlite { read: SqlitePool, write: SqlitePool },
    /// A server, shared between replicas.
    Postgres(PgPool),
}

/// One statement in both spellings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sql {
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

/// A statement over the rows of a JSON array, its first argument: the array stands between the two texts.
macro_rules! over_rows {
    ($before:expr, $after:literal) => {
        $crate::ledger::database::Sql {
            sqlite: concat!($before, " json_each($1) AS items ", $after),
            postgres: concat!($before, " jsonb_array_elements($1::jsonb) AS items(value) ", $after),
        }
    };
}

/// Runs `$body` with the pool for reading as `$pool`.
macro_rules! reading {
    ($database:expr, |$pool:ident| $body:expr) => {
        $crate::ledger::database::in_time(async {
            Ok(match $database {
                $crate::ledger::database::Database::Sqlite { read: $pool, .. } => $body,
                $crate::ledger::database::Database::Postgres($pool) => $body,
            })
        })
        .await?
    };
}

/// Runs `$body` in a transaction that may write, and commits it unless it fails. `$sql` picks a spelling.
macro_rules! writing {
    ($database:expr, |$transaction:ident, $sql:ident| $body:expr) => {
        $crate::ledger::database::in_time(async {
            Ok(match $database {
                $crate::ledger::database::Database::Sqlite { write, .. } => {
                    let $sql = |sql: $crate::ledger::database::Sql| sql.sqlite;
                    // A transaction that begins by reading could find the file locked when it comes to write.
                    let mut $transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                    let done = $body;
                    $transaction.commit().await?;
                    done
                }
                $crate::ledger::database::Database::Postgres(pool) => {
                    let $sql = |sql: $crate::ledger::database::Sql| sql.postgres;
                    let mut $transaction = pool.begin().await?;
                    let done = $body;
                    $transaction.commit().await?;
                    done
                }
            })
        })
        .await?
    };
}

pub(super) use {over_rows, reading, writing};

/// Ends `work` that takes too long; its transaction is rolled back.
pub(super) async fn in_time<T>(work: impl Future<Output = Result<T, LedgerError>>) -> Result<T, LedgerError> {
    tokio::time::timeout(TIME_LIMIT, work).await.unwrap_or(Err(LedgerError::TimedOut))
}

impl Sql {
    /// The spelling of `database`.
    pub(super) const fn of(self, database: &Database) -> &'static str {
        match database {
            Database::Sqlite { .. } => self.sqlite,
            Database::Postgres(_) => self.postgres,
        }
    }
}

impl Database {
    /// The database at the configured address.
    pub(super) fn new(config: &LedgerConfig) -> Result<Self, LedgerError> {
        let url = config.url.expose_secret();
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url).map_err(LedgerError::Address)?;
            return Ok(Self::sqlite(options));
        }
        let options = PgConnectOptions::from_str(url).map_err(LedgerError::Address)?;
        let pool = PgPoolOptions::new().max_connections(MAX_CONNECTIONS).acquire_timeout(ACQUIRE_TIMEOUT);
        Ok(Self::Postgres(pool.connect_lazy_with(options.application_name("countersign"))))
    }

    fn sqlite(options: SqliteConnectOptions) -> Self {
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An answered grant outlives the machine's power, not only the process.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = |connections| {
            let pool = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT);
            pool.connect_lazy_with(options.clone())
        };
        Self::Sqlite { read: pool(4), write: pool(1) }
    }

    /// Brings the tables up to date. Processes that start together wait for each other.
    pub(super) async fn migrate(&self) -> Result<(), LedgerError> {
        let migrate = async {
            // The migrator's own `run` makes futures that are not known to be `Send`.
            match self {
                Self::Sqlite { write, .. } => {
                    // The migrator locks servers only.
                    let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                    SQLITE.run_direct(None, &mut *transaction, false).await?;
                    transaction.commit().await?;
                }
                Self::Postgres(pool) => {
                    // Its lock lasts as long as its connection does: one that breaks off must not go back to the pool.
                    let mut connection = pool.acquire().await?.detach();
                    POSTGRES.run_direct(None, &mut connection, false).await?;
                    connection.close().await?;
                }
            }
            Ok(())
        };
        tokio::time::timeout(MIGRATION_TIME_LIMIT, migrate).await.unwrap_or(Err(LedgerError::TimedOut))
    }

    /// How many batches may be written at once: a server overlaps its commits, a file cannot.
    pub(super) const fn writers(&self) -> usize {
        match self {
            Self::Sqlite { .. } => 1,
            Self::Postgres(_) => 3,
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}
