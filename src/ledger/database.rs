//! One ledger over two databases. SQL is written once; where the two spell a thing differently, [`Sql`] holds both
//! spellings, and the macros below run one body on either pool.

use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, PgPool, Postgres, Sqlite, SqlitePool};

use super::LedgerError;
use super::held::{ACQUIRE_TIMEOUT, Held};
use crate::config::LedgerConfig;

/// How long one waits for another process that writes to the same file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one thing may take, the wait for its connection included. A server that has gone without a word would else
/// hold requests up until the kernel gives its connections up, a quarter of an hour later.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(8);
/// How long all migrations may take.
const MIGRATION_TIME_LIMIT: Duration = Duration::from_mins(1);
/// Connections of one replica beside those of its batches. A database takes some hundred; replicas share them.
const MAX_CONNECTIONS: u32 = 8;
/// How many batches a server is sent at once: while one waits for the disk, it works on the other.
const BATCHES: usize = 2;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// The connections. Nothing is opened before it is used.
#[derive(Clone, Debug)]
pub(super) enum Database {
    /// A file. It takes one writer at a time, so that the writers queue here and not in the file's lock.
    Sqlite { file: Arc<Path>, read: SqlitePool, write: Arc<Held<Sqlite>> },
    /// A server, shared between replicas.
    Postgres { pool: PgPool, batches: [Arc<Held<Postgres>>; BATCHES] },
}

/// The connection that a writer sends its batches through.
#[derive(Debug)]
pub(super) enum BatchConnection {
    Sqlite(Arc<Held<Sqlite>>),
    Postgres(Arc<Held<Postgres>>),
}

/// Begins a transaction that may write. One that began by reading could find a file locked when it comes to write.
pub(super) const BEGIN: Sql = Sql { sqlite: "BEGIN IMMEDIATE", postgres: "BEGIN" };

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

/// Locks the rows of `$table` that a JSON array, its first argument, names by their `$key`: in one order for everybody, since
/// two replicas that change the same rows would else wait for each other. A file has one writer, which has it already.
macro_rules! lock_rows {
    ($table:literal, $key:literal) => {
        $crate::ledger::database::Sql {
            sqlite: concat!("SELECT ", $key, " FROM ", $table, " WHERE false AND $1 IS NULL"),
            postgres: concat!(
                "SELECT ",
                $key,
                " FROM ",
                $table,
                " WHERE ",
                $key,
                " IN (SELECT value ->> '",
                $key,
                "' FROM jsonb_array_elements($1::jsonb) AS items(value)) ORDER BY ",
                $key,
                " FOR UPDATE"
            ),
        }
    };
}

/// Runs `$body` with the pool for reading as `$pool`.
macro_rules! reading {
    ($database:expr, |$pool:ident| $body:expr) => {
        $crate::ledger::database::in_time(async {
            Ok(match $database {
                $crate::ledger::database::Database::Sqlite { read: $pool, .. } => $body,
                $crate::ledger::database::Database::Postgres { pool: $pool, .. } => $body,
            })
        })
        .await?
    };
}

/// Runs `$body` in a transaction that may write, and commits it unless it fails. `$sql` picks a spelling.
macro_rules! writing {
    ($database:expr, |$transaction:ident, $sql:ident| $body:expr) => {
        $crate::ledger::database::writing!(
            $crate::ledger::database::TIME_LIMIT,
            $database,
            |$transaction, $sql| $body
        )
    };
    ($limit:expr, $database:expr, |$transaction:ident, $sql:ident| $body:expr) => {
        $crate::ledger::database::within($limit, async {
            Ok(match $database {
                $crate::ledger::database::Database::Sqlite { write, .. } => {
                    let $sql = |sql: $crate::ledger::database::Sql| sql.sqlite;
                    let mut connection = write.take().await?;
                    let begin = $sql($crate::ledger::database::BEGIN);
                    let mut $transaction = sqlx::Connection::begin_with(&mut *connection, begin).await?;
                    let done = $body;
                    $transaction.commit().await?;
                    connection.keep();
                    done
                }
                $crate::ledger::database::Database::Postgres { pool, .. } => {
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

/// Runs `$body` with a writer's own connection. `$sql` picks a spelling.
macro_rules! batching {
    ($held:expr, |$connection:ident, $sql:ident| $body:expr) => {
        $crate::ledger::database::in_time(async {
            Ok(match $held {
                $crate::ledger::database::BatchConnection::Sqlite(held) => {
                    let $sql = |sql: $crate::ledger::database::Sql| sql.sqlite;
                    let mut $connection = held.take().await?;
                    let done = $body;
                    $connection.keep();
                    done
                }
                $crate::ledger::database::BatchConnection::Postgres(held) => {
                    let $sql = |sql: $crate::ledger::database::Sql| sql.postgres;
                    let mut $connection = held.take().await?;
                    let done = $body;
                    $connection.keep();
                    done
                }
            })
        })
        .await?
    };
}

pub(super) use {batching, lock_rows, over_rows, reading, writing};

/// Ends `work` that takes too long; its transaction is rolled back.
pub(super) async fn in_time<T>(work: impl Future<Output = Result<T, LedgerError>>) -> Result<T, LedgerError> {
    within(TIME_LIMIT, work).await
}

/// The same with a limit of its own.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, LedgerError>>,
) -> Result<T, LedgerError> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(LedgerError::TimedOut))
}

impl Sql {
    /// The spelling of `database`.
    pub(super) const fn of(self, database: &Database) -> &'static str {
        match database {
            Database::Sqlite { .. } => self.sqlite,
            Database::Postgres { .. } => self.postgres,
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
        let options = options.application_name("countersign");
        let batches = std::array::from_fn(|_| Arc::new(Held::new(options.clone())));
        let pool = PgPoolOptions::new().max_connections(MAX_CONNECTIONS).acquire_timeout(ACQUIRE_TIMEOUT);
        Ok(Self::Postgres { pool: pool.connect_lazy_with(options), batches })
    }

    fn sqlite(options: SqliteConnectOptions) -> Self {
        let file = Arc::from(options.get_filename());
        let options = options
            .journal_mode(SqliteJournalMode::Wal)
            // An answered grant outlives the machine's power, not only the process.
            .synchronous(SqliteSynchronous::Full)
            // What a statement may have to undo needs no file: nothing of it outlives the process.
            .pragma("temp_store", "memory")
            .busy_timeout(BUSY_TIMEOUT);
        let write = Arc::new(Held::new(options.clone()));
        let read = SqlitePoolOptions::new().max_connections(4).acquire_timeout(ACQUIRE_TIMEOUT);
        Self::Sqlite { file, read: read.connect_lazy_with(options), write }
    }

    /// Makes the file, where there is none: for its owner alone, whatever the umask says. What `SQLite` puts beside it gets
    /// the same permissions.
    pub(super) fn make_file(&self) -> Result<(), LedgerError> {
        let Self::Sqlite { file, .. } = self else { return Ok(()) };
        let made = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
            Ok(made) => made.set_permissions(Permissions::from_mode(0o600)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        };
        made.map_err(|source| LedgerError::File { file: file.display().to_string(), source })
    }

    /// Brings the tables up to date. Processes that start together wait for each other.
    pub(super) async fn migrate(&self) -> Result<(), LedgerError> {
        self.make_file()?;
        let migrate = async {
            // The migrator's own `run` makes futures that are not known to be `Send`.
            match self {
                Self::Sqlite { write, .. } => {
                    // The migrator locks servers only.
                    let mut connection = write.take().await?;
                    let mut transaction = connection.begin_with(BEGIN.sqlite).await?;
                    SQLITE.run_direct(None, &mut *transaction, false).await?;
                    transaction.commit().await?;
                    connection.keep();
                }
                Self::Postgres { pool, .. } => {
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

    /// The connections that batches are written through, one for each writer.
    pub(super) fn batch_connections(&self) -> Vec<BatchConnection> {
        match self {
            Self::Sqlite { write, .. } => vec![BatchConnection::Sqlite(Arc::clone(write))],
            Self::Postgres { batches, .. } => {
                batches.iter().cloned().map(BatchConnection::Postgres).collect()
            }
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { read, write, .. } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres { pool, batches } => {
                for held in batches {
                    held.close().await;
                }
                pool.close().await;
            }
        }
    }
}
