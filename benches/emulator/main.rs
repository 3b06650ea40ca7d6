//! How fast uploads are taken, against a server that only writes bodies to disk and syncs them.
//!
//! `cargo bench --bench emulator`. Both servers run in this process, one after the other in every round; told is the
//! median of the rounds' ratios.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that cannot go on has failed")]

mod plain;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use axum::Router;
use countersign::connections::{self, ConnectionLimits};
use countersign::emulator::{Emulator, EmulatorOptions};
use reqwest::Client;
use reqwest::multipart::{Form, Part};
use tokio::net::TcpListener;

const SMALL_BYTES: usize = 100_000;
const CONNECTIONS: usize = 8;
const UPLOADS_EACH: usize = 40;
const PART_BYTES: usize = 20_000_000;
const PARTS: usize = 50;
const ROUNDS: usize = 5;

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(connections::serve(listener, router, ConnectionLimits::default(), std::future::pending()));
    address
}

async fn emulator(dir: &Path) -> SocketAddr {
    let options = EmulatorOptions { dir: Some(dir.to_owned()), ..EmulatorOptions::default() };
    serve(Emulator::open(options).unwrap().router()).await
}

/// One upload, with a range if it is a part.
async fn upload(client: &Client, address: SocketAddr, file: Vec<u8>, range: Option<String>) {
    let form = Form::new().part("file", Part::bytes(file).file_name("x.bin"));
    let request = client.post(format!("http://{address}/v1_1/emulator/raw/upload")).multipart(form);
    let request = request.basic_auth("emulator-key", Some("emulator-secret"));
    let request = match range {
        Some(range) => request.header("content-range", range).header("x-unique-upload-id", "large"),
        None => request,
    };
    let status = request.send().await.unwrap().status();
    assert!(status.is_success(), "{status}");
}

/// Many small uploads from several connections.
async fn small(address: SocketAddr) -> Duration {
    let start = Instant::now();
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            tokio::spawn(async move {
                let client = Client::builder().no_proxy().build().unwrap();
                for _ in 0..UPLOADS_EACH {
                    upload(&client, address, vec![b'x'; SMALL_BYTES], None).await;
                }
            })
        })
        .collect();
    for connection in connections {
        connection.await.unwrap();
    }
    start.elapsed()
}

/// One large upload in parts.
async fn large(address: SocketAddr) -> Duration {
    let client = Client::builder().no_proxy().build().unwrap();
    let start = Instant::now();
    let total = PART_BYTES * PARTS;
    for number in 0..PARTS {
        let first = number * PART_BYTES;
        let range = format!("bytes {first}-{}/{total}", first + PART_BYTES - 1);
        upload(&client, address, vec![b'x'; PART_BYTES], Some(range)).await;
    }
    start.elapsed()
}

fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

fn megabytes_per_second(bytes: usize, time: Duration) -> f64 {
    f64::from(u32::try_from(bytes / 1_000_000).unwrap()) / time.as_secs_f64()
}

#[tokio::main]
async fn main() {
    let dir = tempfile::Builder::new().prefix("bench-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let ours = emulator(&dir.path().join("emulator")).await;
    let theirs = serve(plain::router(&dir.path().join("plain"))).await;
    for (name, bytes, rounds) in [
        ("100 KB from 8 connections", SMALL_BYTES * CONNECTIONS * UPLOADS_EACH, ROUNDS),
        ("1 GB in parts", PART_BYTES * PARTS, 3),
    ] {
        let mut ratios = Vec::new();
        for _ in 0..rounds {
            let (theirs, ours) = if name.starts_with('1') && name.contains("GB") {
                (large(theirs).await, large(ours).await)
            } else {
                (small(theirs).await, small(ours).await)
            };
            println!(
                "{name}: plain {:.0} MB/s, emulator {:.0} MB/s",
                megabytes_per_second(bytes, theirs),
                megabytes_per_second(bytes, ours)
            );
            ratios.push(theirs.as_secs_f64() / ours.as_secs_f64());
        }
        println!("{name}: the emulator does {:.2} of the plain server", median(ratios));
    }
}
