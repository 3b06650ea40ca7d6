//! A log that nobody can write or read costs its lines, and nothing else.

use std::fs::File;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::helpers::{command, is_thorough};

/// A service whose standard error is up to the test, and that therefore cannot say where it listens.
struct Mute {
    child: Child,
    address: String,
}

impl Mute {
    async fn serve(command: impl FnOnce(&[&str]) -> Command, stderr: impl Into<Stdio>) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let arguments = ["serve", "--port", &port.to_string(), "--rate-limit", "off", "--log-format", "json"];
        let mut command = command(&arguments);
        let child =
            command.env("CLOUDINARY_URL", "cloudinary://key:secret@cloud").stderr(stderr).spawn().unwrap();
        let mute = Self { child, address: format!("127.0.0.1:{port}") };
        let began = Instant::now();
        while TcpStream::connect(&mute.address).await.is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "the service does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        mute
    }

    /// Sends requests, half of which are refused, on one connection; every one must be answered.
    async fn answers(&self, requests: usize) {
        const TOGETHER: usize = 50;
        let (reader, mut writer) = TcpStream::connect(&self.address).await.unwrap().into_split();
        let mut reader = BufReader::new(reader);
        for _ in 0..requests / TOGETHER {
            for path in ["/livez", "/nowhere"].repeat(TOGETHER / 2) {
                let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
                writer.write_all(head.as_bytes()).await.unwrap();
            }
            for _ in 0..TOGETHER {
                let reading = tokio::time::timeout(Duration::from_secs(10), read_answer(&mut reader));
                let status = reading.await.unwrap();
                assert!(matches!(status, 200 | 404), "{status}");
            }
        }
    }

    /// SIGTERM must end it properly, and soon.
    async fn ends(&mut self) {
        let pid = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let ending = tokio::time::timeout(Duration::from_secs(10), self.child.wait());
        assert_eq!(ending.await.unwrap().unwrap().code(), Some(0));
    }
}

/// Reads one answer; its status, or 0 if the connection ended.
async fn read_answer(reader: &mut (impl AsyncBufReadExt + Unpin)) -> u16 {
    let (mut status, mut length) = (0, 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await.unwrap();
        if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
            status = rest[..3].parse().unwrap();
        } else if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        } else if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await.unwrap();
    status
}

fn requests() -> usize {
    if is_thorough() { 100_000 } else { 20_000 }
}

#[tokio::test]
async fn a_log_whose_reader_has_gone_fails_no_request() {
    let mut mute = Mute::serve(command, Stdio::piped()).await;
    let mut lines = BufReader::new(mute.child.stderr.take().unwrap()).lines();
    let first = lines.next_line().await.unwrap().unwrap();
    assert!(first.contains("listens on"), "{first}");
    drop(lines);
    mute.answers(requests()).await;
    mute.ends().await;
}

#[tokio::test]
async fn a_log_on_a_full_disk_fails_no_request() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut mute = Mute::serve(command, full).await;
    mute.answers(requests()).await;
    mute.ends().await;
}

#[tokio::test]
async fn a_closed_standard_error_fails_no_request() {
    let closing = |arguments: &[&str]| {
        let mut shell = Command::new("sh");
        shell.args(["-c", r#"exec "$0" "$@" 2>&-"#, env!("CARGO_BIN_EXE_countersign")]).args(arguments);
        shell.env_clear().current_dir(env!("CARGO_TARGET_TMPDIR")).kill_on_drop(true);
        shell
    };
    let mut mute = Mute::serve(closing, Stdio::null()).await;
    mute.answers(requests()).await;
    mute.ends().await;
}

#[tokio::test]
async fn a_log_that_nobody_reads_fails_no_request() {
    let mut mute = Mute::serve(command, Stdio::piped()).await;
    mute.answers(requests()).await;
    mute.ends().await;
}

#[tokio::test]
async fn a_log_that_is_read_late_says_how_many_lines_are_missing() {
    let mut mute = Mute::serve(command, Stdio::piped()).await;
    mute.answers(20_000).await;
    let mut lines = BufReader::new(mute.child.stderr.take().unwrap()).lines();
    let (mut requests, mut dropped) = (0, 0);
    while requests + dropped < 20_000 {
        let line = lines.next_line().await.unwrap().unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        requests += u64::from(line["target"] == "countersign::request");
        dropped += line["lines"].as_u64().unwrap_or(0);
    }
    assert_eq!(requests + dropped, 20_000);
    assert!(dropped > 1_000, "{dropped}");
    // And from then on the log is whole.
    mute.answers(50).await;
    for _ in 0..50 {
        let line = lines.next_line().await.unwrap().unwrap();
        assert!(line.contains(r#""target":"countersign::request""#), "{line}");
    }
    mute.ends().await;
}

#[tokio::test]
async fn the_emulator_runs_with_both_of_its_outputs_full() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = command(&["emulator", "--emulator-port", &port.to_string()]);
    let child = command.stdout(full()).stderr(full()).spawn().unwrap();
    let mut mute = Mute { child, address: format!("127.0.0.1:{port}") };
    let began = Instant::now();
    let url = format!("http://{}/", mute.address);
    while reqwest::get(&url).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "the emulator does not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    mute.ends().await;
}
