//! What was asked of the emulator, for tests to look at: the last thousand requests.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::{Method, StatusCode};
use serde::Serialize;

/// How many requests are kept.
const CAPACITY: usize = 1_000;

/// Longest path kept.
const MAX_PATH: usize = 2_000;

/// One request and its answer.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Entry {
    method: String,
    /// As it was sent, without the query.
    path: String,
    /// Absent when the connection was dropped.
    status: Option<u16>,
}

/// The last requests, oldest first.
#[derive(Debug, Default)]
pub(super) struct Journal(Mutex<VecDeque<Entry>>);

impl Journal {
    /// Notes a request, and forgets the oldest if there are too many.
    pub(super) fn note(&self, method: &Method, path: &str, status: Option<StatusCode>) {
        let entry = Entry {
            method: method.to_string(),
            path: path.chars().take(MAX_PATH).collect(),
            status: status.map(|status| status.as_u16()),
        };
        let mut entries = self.lock();
        if entries.len() == CAPACITY {
            entries.pop_front();
        }
        entries.push_back(entry);
    }

    /// Every request kept.
    pub(super) fn list(&self) -> Vec<Entry> {
        self.lock().iter().cloned().collect()
    }

    /// Forgets every request.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// The list is whole after every statement, so a poisoned lock still guards a good one.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
