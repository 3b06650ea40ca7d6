//! A log that cannot stop or fail a request: lines go into a bounded queue in memory, and one thread writes them out.
//!
//! Queueing a line copies it into a buffer; it never waits for whoever reads the log. The thread writes what has gathered
//! for [`GATHER`], or at once where a line is urgent. When nobody reads, or the disk is full, the queue fills up and further
//! lines are dropped and counted; urgent lines have a share of the queue to themselves. Once lines can be written again, one
//! line says how many are missing.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// The most bytes that wait to be written.
const CAPACITY: usize = 1024 * 1024;
/// The part of them that only urgent lines may use.
const RESERVED: usize = CAPACITY / 4;
/// How long lines may wait for others to be written with them.
const GATHER: Duration = Duration::from_millis(50);
/// How many bytes are written without waiting for more.
const BATCH: usize = 64 * 1024;
/// How long to wait before retrying a sink that has no room at the moment.
const RETRY_AFTER: Duration = Duration::from_millis(10);

/// Hands lines to the thread that writes them. A clone feeds the same thread.
#[derive(Clone, Debug)]
pub(super) struct LogWriter(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// The writing thread has something to do.
    wake: Condvar,
    /// The writing thread has finished a batch.
    written: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Queue {
    /// Whole lines.
    bytes: Vec<u8>,
    /// How many batches the thread has begun, and how many it has finished.
    begun: u64,
    finished: u64,
    /// Write without waiting for more.
    is_urgent: bool,
    /// Lines lost since the last report.
    unreported: u64,
}

impl LogWriter {
    /// Starts a thread that writes to `sink`. After lines were lost and writing works again, it calls `report` with how many;
    /// `report` may log.
    pub(super) fn start(
        sink: impl Write + Send + 'static,
        report: impl Fn(u64) + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writing = Arc::clone(&shared);
        thread::Builder::new().name("log".to_owned()).spawn(move || writing.write_to(sink, report))?;
        Ok(Self(shared))
    }

    /// Queues one line, or drops and counts it.
    fn push(&self, line: &[u8], is_urgent: bool) {
        let mut queue = self.0.lock();
        let room = if is_urgent { CAPACITY } else { CAPACITY - RESERVED };
        if queue.bytes.len() + line.len() > room {
            queue.unreported += 1;
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let was_empty = queue.bytes.is_empty();
        let was_urgent = queue.is_urgent;
        queue.bytes.extend_from_slice(line);
        queue.is_urgent |= is_urgent || queue.bytes.len() >= BATCH;
        let must_wake = was_empty || queue.is_urgent && !was_urgent;
        drop(queue);
        // A wake-up is a system call: one for each batch, not one for each line.
        if must_wake {
            self.0.wake.notify_one();
        }
    }

    /// Waits until everything queued so far is written, but no longer than `patience`. Whether it is.
    pub(super) fn flush(&self, patience: Duration) -> bool {
        let mut queue = self.0.lock();
        let last = queue.begun + u64::from(!queue.bytes.is_empty());
        queue.is_urgent = true;
        self.0.wake.notify_one();
        let waiting = self.0.written.wait_timeout_while(queue, patience, |queue| queue.finished < last);
        !waiting.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// How many lines were dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, sink: impl Write, report: impl Fn(u64)) {
        let mut sink = LineSink { sink, is_mid_line: false };
        let mut batch = Vec::new();
        let mut works = true;
        loop {
            let lost = self.next_batch(&mut batch, works);
            if lost > 0 {
                // The queue has just been emptied, so there is room for this line.
                report(lost);
            }
            let unwritten = sink.write(&batch);
            works = unwritten == 0;
            self.finish_batch(unwritten);
            batch.clear();
        }
    }

    /// Waits for lines and exchanges them for the empty `batch`. How many were lost before them, if that can be told now.
    fn next_batch(&self, batch: &mut Vec<u8>, works: bool) -> u64 {
        let is_idle = |queue: &mut Queue| queue.bytes.is_empty() && !(works && queue.unreported > 0);
        let queue = self.wake.wait_while(self.lock(), is_idle).unwrap_or_else(PoisonError::into_inner);
        let gathering = self.wake.wait_timeout_while(queue, GATHER, |queue| !queue.is_urgent);
        let mut queue = gathering.unwrap_or_else(PoisonError::into_inner).0;
        queue.is_urgent = false;
        queue.begun += 1;
        std::mem::swap(&mut queue.bytes, batch);
        if works { std::mem::take(&mut queue.unreported) } else { 0 }
    }

    fn finish_batch(&self, unwritten: u64) {
        let mut queue = self.lock();
        queue.finished = queue.begun;
        queue.unreported += unwritten;
        self.dropped.fetch_add(unwritten, Ordering::Relaxed);
        self.written.notify_all();
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// Writes lines, and never joins a line to one that broke off.
struct LineSink<W> {
    sink: W,
    is_mid_line: bool,
}

impl<W: Write> LineSink<W> {
    /// Writes whole lines; how many of them, at the end, could not be written.
    fn write(&mut self, lines: &[u8]) -> u64 {
        if self.is_mid_line && self.write_bytes(b"\n") == 1 {
            self.is_mid_line = false;
        }
        let written = if self.is_mid_line { 0 } else { self.write_bytes(lines) };
        let (done, left) = lines.split_at(written);
        self.is_mid_line |= done.last().is_some_and(|byte| *byte != b'\n');
        memchr::memchr_iter(b'\n', left).count().try_into().unwrap_or(u64::MAX)
    }

    /// How many bytes were written before the first error.
    fn write_bytes(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            match self.sink.write(&bytes[written..]) {
                Ok(0) => break,
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A pipe that somebody made non-blocking, and that is full.
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY_AFTER),
                Err(_) => break,
            }
        }
        written
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { log: self, is_urgent: false }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        Line { log: self, is_urgent: *metadata.level() <= Level::WARN }
    }
}

/// Takes one line, whole, in one call. Never fails.
#[derive(Debug)]
pub(super) struct Line<'a> {
    log: &'a LogWriter,
    is_urgent: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.log.push(line, self.is_urgent);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "log_writer_tests.rs"]
mod tests;
