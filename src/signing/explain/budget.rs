//! What one explanation may cost, and whether anybody still waits for it.

use std::cell::Cell;
use std::fmt;
use std::time::{Duration, Instant};

/// How long the search with the secret may take.
pub const MAX_SEARCH_TIME: Duration = Duration::from_millis(500);

/// The most bytes that one search hashes.
const MAX_HASHED_BYTES: u64 = 128 * 1024 * 1024;
/// What a candidate costs beside its own length, in bytes.
const OVERHEAD: u64 = 128;

/// The limits of one explanation: a moment, an amount of work, and somebody who may call it off.
pub struct Budget<'a> {
    deadline: Instant,
    is_cancelled: &'a dyn Fn() -> bool,
    bytes_left: Cell<u64>,
    spent: Cell<Option<Spent>>,
}

/// Why a search ended before it had tried everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    /// Time or work is used up.
    Limit,
    /// Nobody waits for the answer any more.
    Cancelled,
}

impl<'a> Budget<'a> {
    /// [`MAX_SEARCH_TIME`] from now, or until `is_cancelled`, which is asked before every candidate.
    pub fn new(is_cancelled: &'a dyn Fn() -> bool) -> Self {
        Self::until(Instant::now() + MAX_SEARCH_TIME, is_cancelled)
    }

    /// The same until `deadline`.
    pub fn until(deadline: Instant, is_cancelled: &'a dyn Fn() -> bool) -> Self {
        Self { deadline, is_cancelled, bytes_left: Cell::new(MAX_HASHED_BYTES), spent: Cell::new(None) }
    }

    /// Why there is nothing left of it, once that is so.
    pub(super) fn spent(&self) -> Option<Spent> {
        if self.spent.get().is_none() {
            let is_over = self.bytes_left.get() == 0 || Instant::now() >= self.deadline;
            let spent =
                if (self.is_cancelled)() { Some(Spent::Cancelled) } else { is_over.then_some(Spent::Limit) };
            self.spent.set(spent);
        }
        self.spent.get()
    }

    /// Takes off what a candidate of this length costs.
    pub(super) fn charge(&self, length: usize) {
        self.bytes_left.set(self.bytes_left.get().saturating_sub(length as u64 + OVERHEAD));
    }
}

impl fmt::Debug for Budget<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
