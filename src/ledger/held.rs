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
