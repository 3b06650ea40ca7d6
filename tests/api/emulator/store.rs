//! What is left after a restart and after a crash.

use std::fs;
use std::path::Path;

use countersign::emulator::{Emulator, EmulatorOptions};
use serde_json::Value;
use tempfile::TempDir;

use super::media::{jpeg, png};
use super::server::{KEY, SECRET, Server};

const UPLOAD: &str = "/v1_1/emulator/image/upload";

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn assets_outlive_a_restart() {
    let dir = TempDir::new().unwrap();
    let server = Server::in_dir(dir.path()).await;
    let params = [("public_id", "kyc/a"), ("tags", "x"), ("type", "private")];
    let stored = server.store(UPLOAD, png(), "a.png", &params).await;
    server.stop(dir.path()).await;

    let server = Server::in_dir(dir.path()).await;
    let assets: Value = server.get("/_emulator/assets").await.json().await.unwrap();
    for field in ["asset_id", "version", "etag", "tags", "type"] {
        assert_eq!(assets["assets"][0]["asset"][field], stored[field], "{field}");
    }
}

#[tokio::test]
async fn two_emulators_do_not_share_a_directory() {
    let dir = TempDir::new().unwrap();
    let options = EmulatorOptions { dir: Some(dir.path().to_owned()), ..EmulatorOptions::default() };
    let first = Emulator::open(options.clone()).unwrap();
    let refusal = Emulator::open(options.clone()).unwrap_err().to_string();
    assert!(refusal.ends_with("is in use by another emulator"), "{refusal}");
    drop(first);
    Emulator::open(options).unwrap();
}

#[tokio::test]
async fn a_crash_between_content_and_metadata_leaves_the_old_version() {
    let dir = TempDir::new().unwrap();
    let server = Server::in_dir(dir.path()).await;
    let stored = server.store(UPLOAD, png(), "a.png", &[("public_id", "a")]).await;
    server.stop(dir.path()).await;
    // What a second version leaves when the process dies after its content was renamed.
    let asset_id = stored["asset_id"].as_str().unwrap();
    let stray = format!("{asset_id}-{}", "0".repeat(32));
    fs::write(dir.path().join("files").join(&stray), jpeg()).unwrap();
    fs::write(dir.path().join("incoming/upload-half"), b"half").unwrap();

    let server = Server::in_dir(dir.path()).await;
    let delivered = server.get("/emulator/image/upload/a.png").await.bytes().await.unwrap();
    assert_eq!(delivered, png());
    assert_eq!(names(&dir.path().join("files")).len(), 1);
    assert!(names(&dir.path().join("incoming")).is_empty());
}

#[tokio::test]
async fn files_that_are_not_the_emulators_stay() {
    let dir = TempDir::new().unwrap();
    let mine = ["files/thesis.txt", "incoming/thesis.txt", "assets/thesis.txt", "thesis.txt"];
    for part in ["files", "incoming", "assets"] {
        fs::create_dir(dir.path().join(part)).unwrap();
    }
    for path in mine {
        fs::write(dir.path().join(path), b"years of work").unwrap();
    }
    let server = Server::in_dir(dir.path()).await;
    server.client.delete(server.url("/_emulator/assets")).send().await.unwrap();
    for path in mine {
        assert!(dir.path().join(path).is_file(), "{path}");
    }
}

#[tokio::test]
async fn a_crash_between_metadata_and_content_of_a_deletion_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let server = Server::in_dir(dir.path()).await;
    let stored = server.store(UPLOAD, png(), "a.png", &[("public_id", "a")]).await;
    server.stop(dir.path()).await;
    let metadata = format!("{}.json", stored["asset_id"].as_str().unwrap());
    fs::remove_file(dir.path().join("assets").join(metadata)).unwrap();

    let server = Server::in_dir(dir.path()).await;
    assert_eq!(server.get("/emulator/image/upload/a.png").await.status(), 404);
    assert!(names(&dir.path().join("files")).is_empty());
}

#[tokio::test]
async fn metadata_that_is_damaged_or_points_elsewhere_stops_the_start_and_nothing_is_removed() {
    let dir = TempDir::new().unwrap();
    let server = Server::in_dir(dir.path()).await;
    let stored = server.store(UPLOAD, png(), "a.png", &[("public_id", "a")]).await;
    server.stop(dir.path()).await;
    let id = stored["asset_id"].as_str().unwrap();
    let path = dir.path().join("assets").join(format!("{id}.json"));
    let sound = fs::read_to_string(&path).unwrap();
    let options = EmulatorOptions { dir: Some(dir.path().to_owned()), ..EmulatorOptions::default() };
    for damaged in [sound.replace(id, "../../etc/passwd"), sound[..20].to_owned(), String::new()] {
        fs::write(&path, damaged).unwrap();
        let refusal = Emulator::open(options.clone()).unwrap_err().to_string();
        assert!(refusal.contains("does not describe an asset"), "{refusal}");
        assert_eq!(names(&dir.path().join("files")).len(), 1);
    }
    fs::write(&path, sound).unwrap();
    Emulator::open(options).unwrap();
}

#[tokio::test]
async fn refused_and_deleted_uploads_leave_no_file() {
    let dir = TempDir::new().unwrap();
    let server = Server::in_dir(dir.path()).await;
    for params in [&[("public_id", "a")][..], &[("public_id", "a")], &[("public_id", "a?")]] {
        server.upload(UPLOAD, png(), "a.png", params).send().await.unwrap();
    }
    server.upload(UPLOAD, b"text".to_vec(), "a.png", &[]).send().await.unwrap();
    assert_eq!(names(&dir.path().join("files")).len(), 1, "one asset, its last version");
    let url = server.url("/v1_1/emulator/resources/image/upload");
    let request = server.client.delete(url).basic_auth(KEY, Some(SECRET)).form(&[("public_ids[]", "a")]);
    request.send().await.unwrap();
    for part in ["files", "assets", "incoming"] {
        assert!(names(&dir.path().join(part)).is_empty(), "{part}");
    }
}

#[tokio::test]
async fn a_temporary_folder_goes_away() {
    let emulator = Emulator::open(EmulatorOptions::default()).unwrap();
    let folder = || {
        names(&std::env::temp_dir())
            .into_iter()
            .filter(|name| name.starts_with("countersign-emulator-"))
            .count()
    };
    let before = folder();
    drop(emulator);
    assert!(folder() < before || before == 0);
}
