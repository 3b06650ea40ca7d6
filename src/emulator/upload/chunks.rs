//! Uploads that come in parts. A part is kept on disk until all are there; then they are one content, where they lie.
//!
//! Parts may come in any order, and again. What is unfinished lives as long as the process, at most a day by the
//! emulator's clock, and only so many of them at once. Uploads are told apart by cloud, API key and the client's id.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::UnixSeconds;

use super::super::refusal::Refusal;
use super::super::store::{Incoming, PartsHash};
use super::content_range::Position;

/// How long an upload may wait for its next part.
const PATIENCE_SECONDS: i64 = 24 * 3_600;

/// How many uploads may be unfinished.
const MAX_OPEN: usize = 256;

/// How many parts one upload may have.
const MAX_PARTS: usize = 10_000;

/// Whose upload it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct UploadKey {
    pub cloud: String,
    pub api_key: String,
    pub id: String,
}

/// What a part did to its upload.
#[derive(Debug)]
pub(super) enum Progress {
    /// More parts are missing; so many bytes have come.
    Unfinished { bytes: u64 },
    /// Every part, in order, and the hash of those that came in order.
    Complete { parts: Vec<Incoming>, hash: PartsHash },
}

/// The unfinished uploads.
#[derive(Debug)]
pub(in crate::emulator) struct Chunks {
    /// How large an upload may get.
    max_bytes: u64,
    open: Mutex<HashMap<UploadKey, Unfinished>>,
}

#[derive(Debug)]
struct Unfinished {
    last_part_at: UnixSeconds,
    parts: BTreeMap<u64, Incoming>,
    hash: PartsHash,
    /// Where the upload ends, once a part has told.
    end: Option<End>,
}

/// What completes an upload.
#[derive(Clone, Copy, Debug)]
enum End {
    Bytes(u64),
    Parts(u64),
}

impl Chunks {
    /// No uploads yet, none of them to get larger than `max_bytes`.
    pub(in crate::emulator) fn new(max_bytes: u64) -> Self {
        Self { max_bytes, open: Mutex::default() }
    }

    /// Takes a part in.
    pub(super) fn add(
        &self,
        key: &UploadKey,
        position: Position,
        part: Incoming,
        now: UnixSeconds,
    ) -> Result<Progress, Refusal> {
        let mut open = self.open();
        open.retain(|_, upload| upload.last_part_at.plus(PATIENCE_SECONDS) >= now);
        if open.len() >= MAX_OPEN && !open.contains_key(key) {
            return Err(Refusal::TooManyOpenUploads);
        }
        let upload = open.entry(key.clone()).or_insert_with(|| Unfinished {
            last_part_at: now,
            parts: BTreeMap::new(),
            hash: PartsHash::default(),
            end: None,
        });
        upload.take(position, part, now);
        let bytes = upload.bytes();
        if bytes > self.max_bytes || upload.parts.len() > MAX_PARTS {
            open.remove(key);
            return Err(Refusal::FileTooLarge { got: bytes, maximum: self.max_bytes });
        }
        if !upload.is_complete() {
            return Ok(Progress::Unfinished { bytes });
        }
        let upload = open.remove(key).map(|upload| (upload.parts.into_values().collect(), upload.hash));
        let (parts, hash) = upload.unwrap_or_default();
        Ok(Progress::Complete { parts, hash })
    }

    /// Forgets every unfinished upload.
    pub(in crate::emulator) fn clear(&self) {
        self.open().clear();
    }

    /// A panic elsewhere cannot leave the map half changed.
    fn open(&self) -> MutexGuard<'_, HashMap<UploadKey, Unfinished>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unfinished {
    /// A part that comes again takes the place of the first.
    fn take(&mut self, position: Position, part: Incoming, now: UnixSeconds) {
        self.last_part_at = now;
        match position {
            Position::Range { total, .. } => self.end = total.map(End::Bytes).or(self.end),
            Position::Part { of, .. } => self.end = Some(End::Parts(of)),
        }
        self.parts.insert(position.order(), part);
        let mut hash = std::mem::take(&mut self.hash);
        hash.cover(self.in_order(position));
        self.hash = hash;
    }

    /// The parts that follow each other from the first.
    fn in_order(&self, position: Position) -> impl Iterator<Item = &Incoming> {
        let is_range = matches!(position, Position::Range { .. });
        let first = u64::from(!is_range);
        self.parts.iter().scan(first, move |next, (order, part)| {
            let follows = order == next;
            *next += if is_range { part.bytes } else { 1 };
            follows.then_some(part)
        })
    }

    fn bytes(&self) -> u64 {
        self.parts.values().map(|part| part.bytes).sum()
    }

    /// Whether the parts follow each other without a gap up to the end.
    fn is_complete(&self) -> bool {
        match self.end {
            None => false,
            Some(End::Parts(of)) => self.parts.keys().copied().eq(1..=of),
            Some(End::Bytes(total)) => {
                let follow = |reached: u64, (start, part): (&u64, &Incoming)| {
                    (*start == reached).then(|| reached + part.bytes)
                };
                self.parts.iter().try_fold(0, follow) == Some(total)
            }
        }
    }
}
