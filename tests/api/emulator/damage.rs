//! Damage that is not a crash: flipped bits, files that are cut short or missing. It is reported; nothing damaged is
//! served, and nothing is deleted because of it.
//!
//! The index is damaged in 64 places; everywhere with `COUNTERSIGN_THOROUGH=1` in the environment.

use std::fs;
use std::path::{Path, PathBuf};

use countersign::emulator::{Emulator, EmulatorOptions};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::clouds::Process;
use super::media::{large_png, png};
use super::server::Server;
use super::store::{contents, ids, refusal, two_assets};
use super::uploadcare;

const UPLOAD: &str = "/v1_1/emulator/image/upload";
const PART: usize = 5 * 1024 * 1024;

#[expect(clippy::disallowed_methods, reason = "how thorough a test is, is not configuration")]
fn is_thorough() -> bool {
    std::env::var("COUNTERSIGN_THOROUGH").is_ok()
}

/// Flips one bit of a file.
fn flip(path: &Path, byte: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[byte] ^= 1 << (byte % 8);
    fs::write(path, bytes).unwrap();
}

fn content_files(dir: &Path) -> Vec<PathBuf> {
    contents(dir).into_iter().map(|name| dir.join("contents").join(name)).collect()
}

/// Everything that the emulator knows of its assets.
async fn assets(server: &Server) -> String {
    server.get("/_emulator/assets").await.text().await.unwrap().replace(&server.origin, "")
}

/// Whatever way the content is asked for, the answer is an error in the provider's shape.
async fn assert_not_served(server: &Server, path: &str) {
    for (method, range) in [("GET", None), ("GET", Some("bytes=10-19")), ("HEAD", None)] {
        let mut request = server.client.request(method.parse::<Method>().unwrap(), server.url(path));
        if let Some(range) = range {
            request = request.header("range", range);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 500, "{method} {range:?}");
        assert_eq!(response.headers()["x-cld-error"], "General Error");
        if method == "GET" {
            let body: Value = response.json().await.unwrap();
            assert_eq!(body, json!({ "error": { "message": "General Error" } }));
        }
    }
}

#[tokio::test]
async fn a_damaged_content_is_not_served_and_its_file_stays() {
    let dir = TempDir::new().unwrap();
    let server = Server::in_dir(dir.path()).await;
    let file = large_png(300_000);
    server.store(UPLOAD, file.clone(), "a.png", &[("public_id", "a")]).await;
    server.stop(dir.path()).await;
    let [path] = &content_files(dir.path())[..] else { panic!("more than one file") };
    for byte in [0, 15, 150_000, 299_999] {
        flip(path, byte);
        let server = Server::in_dir(dir.path()).await;
        assert_not_served(&server, "/emulator/image/upload/a.png").await;
        assert_eq!(ids(&server).await, ["a"]);
        // Restored while the emulator runs.
        flip(path, byte);
        let delivered = server.get("/emulator/image/upload/a.png").await.bytes().await.unwrap();
        assert!(delivered == file, "other bytes came back");
        // Damaged after it was served.
        flip(path, byte);
        assert_not_served(&server, "/emulator/image/upload/a.png").await;
        flip(path, byte);
        server.stop(dir.path()).await;
    }
    fs::write(path, &file[..299_999]).unwrap();
    let server = Server::in_dir(dir.path()).await;
    assert_not_served(&server, "/emulator/image/upload/a.png").await;
    server.store(UPLOAD, png(), "a.png", &[("public_id", "a")]).await;
    assert_eq!(server.get("/emulator/image/upload/a.png").await.bytes().await.unwrap(), png());
}

#[tokio::test]
async fn damage_to_any_part_of_a_chunked_upload_is_noticed() {
    let dir = TempDir::new().unwrap();
    let server = Server::in_dir(dir.path()).await;
    let file = large_png(2 * PART + 100);
    for (index, part) in file.chunks(PART).enumerate() {
        let range = format!("bytes {}-{}/{}", index * PART, index * PART + part.len() - 1, file.len());
        let request = server.upload(UPLOAD, part.to_vec(), "a.png", &[("public_id", "a")]);
        let request = request.header("x-unique-upload-id", "x").header("content-range", range);
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    server.stop(dir.path()).await;
    let server = Server::in_dir(dir.path()).await;
    for path in content_files(dir.path()) {
        flip(&path, 50);
        assert_not_served(&server, "/emulator/image/upload/a.png").await;
        flip(&path, 50);
        let delivered = server.get("/emulator/image/upload/a.png").await.bytes().await.unwrap();
        assert!(delivered == file, "other bytes came back");
    }
}

#[tokio::test]
async fn a_damaged_file_of_the_other_provider_is_not_served() {
    let dir = TempDir::new().unwrap();
    let server = Server::in_dir(dir.path()).await;
    let id = uploadcare::upload(&server).await;
    let [path] = &content_files(&dir.path().join("uploadcare"))[..] else { panic!("more than one file") };
    flip(path, 0);
    assert_eq!(server.get(&format!("/{id}/")).await.status(), 500);
    flip(path, 0);
    assert_eq!(server.get(&format!("/{id}/")).await.text().await.unwrap(), "text");
}

#[tokio::test]
async fn an_asset_whose_content_is_missing_stays_and_is_served_once_it_is_back() {
    let dir = two_assets().await;
    let [first, second] = &content_files(dir.path())[..] else { panic!("not two files") };
    let away = dir.path().join("away");
    fs::rename(first, &away).unwrap();
    let server = Server::in_dir(dir.path()).await;
    assert_eq!(ids(&server).await, ["a", "b"]);
    let mut statuses = Vec::new();
    for id in ["a", "b"] {
        statuses.push(server.get(&format!("/emulator/image/upload/{id}.png")).await.status().as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 500]);
    server.stop(dir.path()).await;
    fs::rename(&away, first).unwrap();
    let server = Server::in_dir(dir.path()).await;
    for id in ["a", "b"] {
        assert_eq!(server.get(&format!("/emulator/image/upload/{id}.png")).await.status(), 200);
    }
    assert!(second.is_file());
}

#[tokio::test]
async fn without_any_of_the_contents_it_does_not_start_and_loses_nothing() {
    let dir = two_assets().await;
    let (folder, away) = (dir.path().join("contents"), dir.path().join("away"));
    fs::rename(&folder, &away).unwrap();
    // Missing, and there but empty as before a mount.
    for _ in 0..2 {
        let refusal = refusal(dir.path());
        assert!(refusal.starts_with("none of the 2 files that the index lists is in "), "{refusal}");
        assert!(refusal.contains("mount or restore that folder"), "{refusal}");
    }
    fs::remove_dir(&folder).unwrap();
    fs::rename(&away, &folder).unwrap();
    let server = Server::in_dir(dir.path()).await;
    for id in ["a", "b"] {
        assert_eq!(server.get(&format!("/emulator/image/upload/{id}.png")).await.status(), 200);
    }
}

fn assert_tells_what_to_do(refusal: &str) {
    let is_told =
        refusal.starts_with("the index ") && refusal.ends_with(" choose another with --emulator-dir");
    assert!(is_told, "{refusal}");
}

#[tokio::test]
async fn an_index_with_a_flipped_bit_stops_the_start_or_is_read_as_it_was_written() {
    let dir = two_assets().await;
    let index = dir.path().join("index.sqlite");
    let server = Server::in_dir(dir.path()).await;
    let (_, folder) = server.admin("POST", "folders/kyc", Value::Null).await;
    assert_eq!(folder["success"], true);
    let (expected, settings) = (assets(&server).await, server.admin("GET", "folders", Value::Null).await);
    server.stop(dir.path()).await;
    let sound = fs::read(&index).unwrap();
    let step = if is_thorough() { 1 } else { sound.len() / 64 };
    let mut refused = 0;
    for byte in (0..=sound.len()).step_by(step) {
        if byte < sound.len() {
            flip(&index, byte);
        } else {
            // One byte is missing at the end, which may have been a zero in an unused place.
            fs::write(&index, &sound[..byte - 1]).unwrap();
        }
        let options = EmulatorOptions { dir: Some(dir.path().to_owned()), ..EmulatorOptions::default() };
        match Emulator::open(options) {
            Err(refusal) => {
                assert_tells_what_to_do(&refusal.to_string());
                refused += 1;
            }
            Ok(emulator) => {
                drop(emulator);
                let server = Server::in_dir(dir.path()).await;
                assert_eq!(assets(&server).await, expected, "byte {byte}");
                assert_eq!(server.admin("GET", "folders", Value::Null).await, settings, "byte {byte}");
                server.stop(dir.path()).await;
            }
        }
        assert_eq!(contents(dir.path()).len(), 2, "byte {byte}");
        fs::write(&index, &sound).unwrap();
        let _ = fs::remove_file(dir.path().join("index.sqlite-wal"));
        let _ = fs::remove_file(dir.path().join("index.sqlite-shm"));
    }
    assert!(refused > 0, "no bit mattered");
    assert_eq!(ids(&Server::in_dir(dir.path()).await).await, ["a", "b"]);
}

#[tokio::test]
async fn an_index_that_is_cut_short_or_missing_stops_the_start() {
    let dir = two_assets().await;
    let index = dir.path().join("index.sqlite");
    let sound = fs::read(&index).unwrap();
    for length in [0, 1, 50, 100, 4_095, 4_096, 5_000, sound.len() - 4_096] {
        fs::write(&index, &sound[..length]).unwrap();
        assert_tells_what_to_do(&refusal(dir.path()));
        assert_eq!(contents(dir.path()).len(), 2, "{length} bytes");
    }
    fs::remove_file(&index).unwrap();
    assert_tells_what_to_do(&refusal(dir.path()));
    assert_eq!(contents(dir.path()).len(), 2);
    fs::write(&index, &sound).unwrap();
    assert_eq!(ids(&Server::in_dir(dir.path()).await).await, ["a", "b"]);
}

#[tokio::test]
async fn a_flipped_bit_in_the_write_ahead_log_deletes_no_content() {
    let dir = TempDir::new().unwrap();
    let flags = ["--emulator-dir", dir.path().to_str().unwrap()];
    let mut process = Process::start(&flags, 1).await;
    for id in ["a", "b", "c"] {
        let file = reqwest::multipart::Part::bytes(png()).file_name("x.png");
        let form = reqwest::multipart::Form::new().text("public_id", id).part("file", file);
        let request = crate::helpers::client().post(format!("{}{UPLOAD}", process.origin)).multipart(form);
        let request = request.basic_auth("emulator-key", Some("emulator-secret"));
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    process.child.kill().await.unwrap();
    let log = dir.path().join("index.sqlite-wal");
    let (index, sound) = (fs::read(dir.path().join("index.sqlite")).unwrap(), fs::read(&log).unwrap());
    for part in 0..8 {
        fs::write(dir.path().join("index.sqlite"), &index).unwrap();
        fs::write(&log, &sound).unwrap();
        flip(&log, sound.len() / 8 * part + 40);
        match Emulator::open(EmulatorOptions {
            dir: Some(dir.path().to_owned()),
            ..EmulatorOptions::default()
        }) {
            Ok(emulator) => drop(emulator),
            Err(refusal) => assert_tells_what_to_do(&refusal.to_string()),
        }
        assert_eq!(contents(dir.path()).len(), 3, "{part}");
    }
}
