//! The log writer against sinks that block, fail and recover.

use std::io::{self, ErrorKind, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{CAPACITY, LogWriter, RESERVED};

const SOON: Duration = Duration::from_secs(10);

/// A sink whose every write is answered by the test.
struct Directed {
    answers: Receiver<io::Result<usize>>,
    writes: Sender<Vec<u8>>,
}

impl Write for Directed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.writes.send(bytes.to_vec());
        // Without an answer it blocks, as a pipe that nobody reads; once the test is over it takes everything.
        match self.answers.recv() {
            Ok(answer) => answer.map(|most| most.min(bytes.len())),
            Err(_) => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Directing {
    log: LogWriter,
    answers: Sender<io::Result<usize>>,
    writes: Receiver<Vec<u8>>,
    reported: Arc<Mutex<Vec<u64>>>,
}

impl Directing {
    fn start() -> Self {
        let (answers, to_take) = channel();
        let (written, writes) = channel();
        let reported = Arc::<Mutex<Vec<u64>>>::default();
        let reporting = Arc::clone(&reported);
        let log = LogWriter::start(Directed { answers: to_take, writes: written }, move |lines| {
            reporting.lock().unwrap().push(lines);
        });
        Self { log: log.unwrap(), answers, writes, reported }
    }

    /// The next write; it blocks until it is answered.
    fn written(&self) -> String {
        String::from_utf8(self.writes.recv_timeout(SOON).unwrap()).unwrap()
    }

    fn answer(&self, answer: io::Result<usize>) {
        self.answers.send(answer).unwrap();
    }

    fn reported(&self) -> Vec<u64> {
        self.reported.lock().unwrap().clone()
    }
}

#[test]
fn lines_that_come_together_are_written_together_within_a_tenth_of_a_second() {
    let directing = Directing::start();
    let began = Instant::now();
    directing.log.push(b"a\n", false);
    directing.log.push(b"b\n", false);
    assert_eq!(directing.written(), "a\nb\n");
    let took = began.elapsed();
    assert!((Duration::from_millis(40)..Duration::from_millis(100)).contains(&took), "{took:?}");
}

#[test]
fn an_urgent_line_is_written_at_once_with_those_before_it() {
    let directing = Directing::start();
    let began = Instant::now();
    directing.log.push(b"a\n", false);
    directing.log.push(b"warning\n", true);
    assert_eq!(directing.written(), "a\nwarning\n");
    assert!(began.elapsed() < Duration::from_millis(40), "{:?}", began.elapsed());
}

#[test]
fn a_sink_that_blocks_costs_lines_and_no_time_and_the_loss_is_reported_once() {
    let directing = Directing::start();
    directing.log.push(b"first\n", true);
    assert_eq!(directing.written(), "first\n");
    let line = [&[b'x'; 99][..], b"\n"].concat();
    let fitting = (CAPACITY - RESERVED) / line.len();
    let began = Instant::now();
    for _ in 0..fitting + 500 {
        directing.log.push(&line, false);
    }
    assert_eq!(directing.log.dropped(), 500);
    // Urgent lines have room of their own, and that is bounded too.
    for _ in 0..RESERVED / line.len() + 500 {
        directing.log.push(&line, true);
    }
    assert!((995..=1_000).contains(&directing.log.dropped()), "{}", directing.log.dropped());
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(!directing.log.flush(Duration::from_millis(20)), "nothing can be written");

    let lost = directing.log.dropped();
    directing.answer(Ok(usize::MAX));
    assert_eq!(directing.written().len(), CAPACITY / line.len() * line.len());
    assert_eq!(directing.reported(), [lost]);
    directing.answer(Ok(usize::MAX));
    directing.log.push(b"again\n", true);
    assert_eq!(directing.written(), "again\n");
    directing.answer(Ok(usize::MAX));
    assert!(directing.log.flush(SOON));
    assert_eq!(directing.reported(), [lost]);
}

#[test]
fn lines_that_cannot_be_written_are_counted_and_reported_once_writing_works() {
    let directing = Directing::start();
    for (number, kind) in [(1, ErrorKind::BrokenPipe), (2, ErrorKind::StorageFull)] {
        directing.log.push(b"lost\nlost too\n", true);
        assert_eq!(directing.written(), "lost\nlost too\n");
        directing.answer(Err(kind.into()));
        assert!(directing.log.flush(SOON));
        assert_eq!(directing.log.dropped(), number * 2);
        assert!(directing.reported().is_empty());
    }
    directing.log.push(b"kept\n", true);
    assert_eq!(directing.written(), "kept\n");
    directing.answer(Ok(usize::MAX));
    directing.log.push(b"next\n", true);
    assert_eq!(directing.written(), "next\n");
    assert_eq!(directing.reported(), [4]);
}

#[test]
fn a_line_that_broke_off_is_ended_before_the_next() {
    let directing = Directing::start();
    directing.log.push(b"whole\nbroken\nlost\n", true);
    assert_eq!(directing.written(), "whole\nbroken\nlost\n");
    directing.answer(Ok("whole\nbro".len()));
    assert_eq!(directing.written(), "ken\nlost\n");
    directing.answer(Err(ErrorKind::StorageFull.into()));
    assert!(directing.log.flush(SOON));
    assert_eq!(directing.log.dropped(), 2);

    directing.log.push(b"next\n", true);
    assert_eq!(directing.written(), "\n");
    directing.answer(Ok(usize::MAX));
    assert_eq!(directing.written(), "next\n");
}

#[test]
fn a_sink_without_room_at_the_moment_is_asked_again() {
    let directing = Directing::start();
    directing.log.push(b"late\n", true);
    assert_eq!(directing.written(), "late\n");
    directing.answer(Err(ErrorKind::WouldBlock.into()));
    assert_eq!(directing.written(), "late\n");
    directing.answer(Ok(usize::MAX));
    assert!(directing.log.flush(SOON));
    assert_eq!(directing.log.dropped(), 0);
}

/// A sink that keeps everything.
struct Kept(Arc<Mutex<Vec<u8>>>);
impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn any_number_of_threads_lose_no_line_while_the_sink_works() {
    let lines = Arc::<Mutex<Vec<u8>>>::default();
    let log = LogWriter::start(Kept(Arc::clone(&lines)), |_| {}).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let log = &log;
            scope.spawn(move || {
                for number in 0..1_000 {
                    log.push(format!("{thread} {number}\n").as_bytes(), number % 100 == 0);
                }
            });
        }
    });
    assert!(log.flush(SOON));
    let text = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
    for thread in 0..4 {
        let prefix = format!("{thread} ");
        let numbers: Vec<usize> =
            text.lines().filter_map(|line| line.strip_prefix(&prefix)?.parse().ok()).collect();
        assert_eq!(numbers, (0..1_000).collect::<Vec<_>>());
    }
    assert_eq!(log.dropped(), 0);
}
