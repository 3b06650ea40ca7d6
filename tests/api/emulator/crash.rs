//! `kill -9` in the middle of parallel uploads: what was acknowledged is there, and nothing is there in part.
//!
//! Five rounds; two hundred with `COUNTERSIGN_THOROUGH=1` in the environment.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Client;
use reqwest::multipart::{Form, Part};
use serde_json::Value;

use crate::helpers::client;

use super::clouds::Process;
use super::store::contents;

const SMALL: usize = 100_000;
const PART: usize = 5 * 1024 * 1024;

/// Content that its name tells.
fn content(id: &str, length: usize) -> Vec<u8> {
    let seed = id.bytes().fold(17_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn length(id: &str) -> usize {
    if id.starts_with("chunked") { PART + SMALL } else { SMALL }
}

async fn post(
    client: &Client,
    origin: &str,
    id: &str,
    part: Vec<u8>,
    range: Option<String>,
) -> Option<Value> {
    let form = Form::new().text("public_id", id.to_owned()).part("file", Part::bytes(part).file_name("x"));
    let mut request = client.post(format!("{origin}/v1_1/emulator/raw/upload")).multipart(form);
    request = request.basic_auth("emulator-key", Some("emulator-secret"));
    if let Some(range) = range {
        request = request.header("content-range", range).header("x-unique-upload-id", id);
    }
    request.send().await.ok()?.json().await.ok()
}

async fn upload(client: &Client, origin: &str, id: &str) -> bool {
    let bytes = content(id, length(id));
    let answer = if bytes.len() == SMALL {
        post(client, origin, id, bytes, None).await
    } else {
        let total = bytes.len();
        let first =
            post(client, origin, id, bytes[..PART].to_vec(), Some(format!("bytes 0-{}/{total}", PART - 1)));
        if first.await.is_none() {
            return false;
        }
        post(client, origin, id, bytes[PART..].to_vec(), Some(format!("bytes {PART}-{}/{total}", total - 1)))
            .await
    };
    answer.is_some_and(|answer| answer["asset_id"].is_string())
}

/// Uploads until the process dies; notes what was acknowledged.
async fn keep_uploading(origin: String, name: String, acknowledged: Arc<Mutex<BTreeSet<String>>>) {
    let client = client();
    for count in 0.. {
        let id = format!("{name}-{count}");
        if !upload(&client, &origin, &id).await {
            return;
        }
        acknowledged.lock().unwrap().insert(id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "how thorough a test is, is not configuration")]
async fn what_was_acknowledged_outlives_kill_9_and_nothing_is_there_in_part() {
    let rounds = if std::env::var("COUNTERSIGN_THOROUGH").is_ok() { 200 } else { 5 };
    let dir = tempfile::tempdir().unwrap();
    let flags = ["--emulator-dir", dir.path().to_str().unwrap()];
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    for round in 0..rounds {
        let mut process = Process::start(&flags, 1).await;
        let uploads: Vec<_> = ["a", "b", "c", "chunked"]
            .map(|name| {
                let name = format!("{name}-{round}");
                tokio::spawn(keep_uploading(process.origin.clone(), name, Arc::clone(&acknowledged)))
            })
            .into();
        let enough = acknowledged.lock().unwrap().len() + 3;
        wait_for(enough, &acknowledged).await;
        tokio::time::sleep(Duration::from_millis((round * 37) % 200)).await;
        process.child.kill().await.unwrap();
        for upload in uploads {
            upload.await.unwrap();
        }
        let so_far = acknowledged.lock().unwrap().clone();
        check(dir.path(), &flags, &so_far, round).await;
    }
    assert!(acknowledged.lock().unwrap().len() > 5, "hardly anything was uploaded");
}

/// Waits until so many uploads were acknowledged; at most a minute.
async fn wait_for(count: usize, acknowledged: &Mutex<BTreeSet<String>>) {
    for _ in 0..6_000 {
        if acknowledged.lock().unwrap().len() >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Starts again and looks at everything that is there; then removes it, so that the next round is as quick.
async fn check(dir: &Path, flags: &[&str], acknowledged: &BTreeSet<String>, round: u64) {
    let mut process = Process::start(flags, 1).await;
    let assets = process.json("/_emulator/assets").await;
    let assets = assets["assets"].as_array().unwrap();
    let mut there = BTreeSet::new();
    for asset in assets {
        let id = asset["asset"]["public_id"].as_str().unwrap();
        let url = asset["asset"]["url"].as_str().unwrap().replace("http://", "");
        let path = url.split_once('/').unwrap().1;
        let bytes =
            client().get(format!("{}/{path}", process.origin)).send().await.unwrap().bytes().await.unwrap();
        assert!(bytes == content(id, length(id)), "{id} is not what was sent");
        there.insert(id.to_owned());
    }
    let files: usize = there.iter().map(|id| if length(id) == SMALL { 1 } else { 2 }).sum();
    assert_eq!(contents(dir).len(), files, "files that belong to nothing are left");
    let of_round = |id: &&String| id.split('-').nth(1) == Some(&round.to_string());
    let missing: Vec<_> = acknowledged.iter().filter(of_round).filter(|id| !there.contains(*id)).collect();
    assert!(missing.is_empty(), "acknowledged and gone: {missing:?}");
    let cleared = client().delete(format!("{}/_emulator/assets", process.origin)).send().await.unwrap();
    assert!(cleared.status().is_success());
    // Waits until the directory is free again.
    process.child.kill().await.unwrap();
}
