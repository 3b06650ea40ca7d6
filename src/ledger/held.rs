//! A connection that stays with those who write through it. A pool asks the server twice for each use of a connection
//! whether it is still there, and hands it on through the runtime's queue, behind the requests that wait for it.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::{ConnectOptions, Connection, Database};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::LedgerError;

/// How long one waits for the connection, or for the server to answer a new one.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection that nobody has used for so long may have died unnoticed.
const DOUBTED_AFTER: Duration = Duration::from_secs(1);

/// One connection, opened at its first use and anew after anything went wrong with it.
pub(super) struct Held<DB: Database> {
    options: <DB::Connection as Connection>::Options,
    slot: Mutex<Slot<DB>>,
}

enum Slot<DB: Database> {
    Empty,
    Filled { connection: DB::Connection, used_at: Instant },
    Closed,
}

/// The connection in use. Unless it is given back with [`Hold::keep`] it is dropped: what broke off in the middle of a
/// statement or a transaction takes it along.
pub(super) struct Hold<'a, DB: Database> {
    slot: MutexGuard<'a, Slot<DB>>,
    connection: DB::Connection,
}

impl<DB: Database> Held<DB> {
    pub(super) fn new(options: <DB::Connection as Connection>::Options) -> Self {
        Self { options, slot: Mutex::new(Slot::Empty) }
    }

    /// Waits for the connection; whoever came first gets it first.
    pub(super) async fn take(&self) -> Result<Hold<'_, DB>, LedgerError> {
        let take = async {
            let mut slot = self.slot.lock().await;
            let connection = match std::mem::replace(&mut *slot, Slot::Empty) {
                Slot::Filled { connection, used_at } if used_at.elapsed() < DOUBTED_AFTER => connection,
                Slot::Filled { mut connection, .. } => match connection.ping().await {
                    Ok(()) => connection,
                    Err(_dead) => self.options.connect().await?,
                },
                Slot::Empty => self.options.connect().await?,
                Slot::Closed => {
                    *slot = Slot::Closed;
                    return Err(sqlx::Error::PoolClosed.into());
                }
            };
            Ok(Hold { slot, connection })
        };
        tokio::time::timeout(ACQUIRE_TIMEOUT, take).await.unwrap_or(Err(LedgerError::TimedOut))
    }

    /// Closes the connection for good, once it is free.
    pub(super) async fn close(&self) {
        let mut slot = self.slot.lock().await;
        if let Slot::Filled { connection, .. } = std::mem::replace(&mut *slot, Slot::Closed) {
            // The server notices, if it is still there.
            let _ = connection.close().await;
        }
    }
}

impl<DB: Database> Hold<'_, DB> {
    /// Gives the connection back, since all went well.
    pub(super) fn keep(self) {
        let Self { mut slot, connection } = self;
        *slot = Slot::Filled { connection, used_at: Instant::now() };
    }
}

impl<DB: Database> Deref for Hold<'_, DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        &self.connection
    }
}

impl<DB: Database> DerefMut for Hold<'_, DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        &mut self.connection
    }
}

/// The address may hold a password.
impl<DB: Database> fmt::Debug for Held<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Sqlite, SqliteConnection};

    use super::*;

    async fn rows(connection: &mut SqliteConnection) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM notes").fetch_one(connection).await.unwrap()
    }

    #[tokio::test]
    async fn what_breaks_off_takes_its_connection_along_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/a.db?mode=rwc", dir.path().display());
        let held = Held::<Sqlite>::new(url.parse().unwrap());
        let mut first = held.take().await.unwrap();
        sqlx::query("CREATE TABLE notes (note TEXT)").execute(&mut *first).await.unwrap();
        // This is known to this connection alone.
        sqlx::query("CREATE TEMP TABLE mine (note TEXT)").execute(&mut *first).await.unwrap();
        first.keep();

        let mut second = held.take().await.unwrap();
        assert!(sqlx::query("SELECT * FROM mine").execute(&mut *second).await.is_ok(), "another connection");
        sqlx::query("BEGIN").execute(&mut *second).await.unwrap();
        sqlx::query("INSERT INTO notes VALUES ('a')").execute(&mut *second).await.unwrap();
        assert_eq!(rows(&mut second).await, 1);
        drop(second);

        let mut third = held.take().await.unwrap();
        assert!(sqlx::query("SELECT * FROM mine").execute(&mut *third).await.is_err(), "the same connection");
        assert_eq!(rows(&mut third).await, 0);
    }

    #[tokio::test]
    async fn what_is_closed_stays_so() {
        let held = Held::<Sqlite>::new("sqlite::memory:".parse().unwrap());
        held.take().await.unwrap().keep();
        for _ in 0..2 {
            held.close().await;
            assert!(held.take().await.is_err());
        }
    }
}
