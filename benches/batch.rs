//! `countersign sign --batch` on a million lines: time per line, and the most memory the process held.
//!
//! `cargo bench --bench batch`, or `-- --lines 100000`. Needs Linux, which tells a process's peak memory.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints, and stops where it cannot go on"
)]

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let at = arguments.iter().position(|argument| argument == "--lines");
    let lines = at.map_or(1_000_000, |at| arguments[at + 1].parse().unwrap());

    let began = Instant::now();
    let mut signer = start();
    let feeder = feed(signer.stdin.take().unwrap(), lines);
    let mut answers = 0_u32;
    let mut peak = String::new();
    for answer in BufReader::new(signer.stdout.take().unwrap()).lines() {
        assert!(answer.unwrap().contains("\"signature\":"));
        answers += 1;
        if answers.is_multiple_of(lines / 4) {
            peak = peak_memory(&signer);
            println!("{answers:>9} lines, at most {peak} resident");
        }
    }
    feeder.join().unwrap();
    assert!(signer.wait().unwrap().success());
    assert_eq!(answers, lines);
    let per_line = began.elapsed().as_secs_f64() / f64::from(lines) * 1e6;
    println!("{lines} lines, {per_line:.2} µs a line from end to end, {peak} at most");
}

fn start() -> Child {
    Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["sign", "--batch", "--cloudinary-url", "cloudinary://key:abcdefghijklmnopqrstuvwxyza@demo"])
        .env_clear()
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Writes the lines from a thread of its own, so that neither pipe waits for the other.
fn feed(stdin: ChildStdin, lines: u32) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut out = BufWriter::new(stdin);
        for line in 0..lines {
            writeln!(
                out,
                "{{\"timestamp\":{},\"folder\":\"kyc/{line}\",\"tags\":[\"a\",\"b\"],\"use_filename\":true}}",
                1_720_000_000 + line
            )
            .unwrap();
        }
    })
}

fn peak_memory(process: &Child) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.unwrap_or_default().trim().to_owned()
}
