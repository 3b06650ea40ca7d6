//! What is left after a restart and after a crash.

use std::fs;
use std::path::Path;

use countersign::emulator::{Emulator, EmulatorOptions};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::media::{jpeg, large_png, png};
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

/// What the log has; the last line is a change that was made after the start.
fn log(dir: &Path) -> Vec<u8> {
    fs::read(dir.join("log")).unwrap()
}

fn refusal(dir: &Path) -> String {
    let options = EmulatorOptions { dir: Some(dir.to_owned()), ..EmulatorOptions::default() };
    Emulator::open(options).unwrap_err().to_string()
}

/// A directory with two assets, `a` and `b`, each in a line of its own.
async fn two_assets() -> TempDir {
    let dir = TempDir::new().unwrap();
    let server = Server::in_dir(dir.path()).await;
    for id in ["a", "b"] {
        server.store(UPLOAD, png(), "x.png", &[("public_id", id)]).await;
    }
    server.stop(dir.path()).await;
    dir
}

async fn ids(server: &Server) -> Vec<String> {
    let assets: Value = server.get("/_emulator/assets").await.json().await.unwrap();
    let assets = assets["assets"].as_array().unwrap().iter();
    assets.map(|asset| asset["asset"]["public_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_change_that_a_crash_cut_off_does_not_count_and_those_before_it_do() {
    let dir = two_assets().await;
    let whole = log(dir.path());
    let last =
        whole.len() - whole[..whole.len() - 1].iter().rev().position(|byte| *byte == b'\n').unwrap() - 1;
    let mut with_a_hole = whole.clone();
    with_a_hole[last + 100..last + 200].fill(0);
    for torn in [&whole[..whole.len() - 1], &whole[..last + 100], &whole[..last + 3], &with_a_hole] {
        fs::write(dir.path().join("log"), torn).unwrap();
        // Content that the cut-off change was about is there and has to stay away from what follows.
        let server = Server::in_dir(dir.path()).await;
        assert_eq!(ids(&server).await, ["a"]);
        server.store(UPLOAD, jpeg(), "x.jpg", &[("public_id", "c")]).await;
        server.stop(dir.path()).await;
        let server = Server::in_dir(dir.path()).await;
        assert_eq!(ids(&server).await, ["a", "c"]);
        let delivered = server.get("/emulator/image/upload/a.png").await.bytes().await.unwrap();
        assert_eq!(delivered, png());
        server.stop(dir.path()).await;
    }
}

#[tokio::test]
async fn a_log_that_is_damaged_or_points_elsewhere_stops_the_start_and_nothing_is_removed() {
    let dir = two_assets().await;
    let sound = String::from_utf8(log(dir.path())).unwrap();
    let first = sound.lines().nth(1).unwrap();
    let json = &first[17..];
    let file = json.split("\"file\":\"").nth(1).unwrap().split('"').next().unwrap();
    let elsewhere = json.replace(file, "../../../../../../etc/passwd");
    let line = format!("{} {elsewhere}", &hex::encode(Sha256::digest(&elsewhere))[..16]);
    for damaged in [
        sound.replace(first, &first[..first.len() - 1]),
        sound.replace(first, ""),
        sound.replacen("\"public_id\":\"a\"", "\"public_id\":\"A\"", 1),
        sound.replace(first, &line),
    ] {
        assert_ne!(damaged, sound);
        fs::write(dir.path().join("log"), damaged).unwrap();
        let refusal = refusal(dir.path());
        assert!(refusal.starts_with("line 2 of ") && refusal.contains(" is damaged "), "{refusal}");
        assert_eq!(names(&dir.path().join("files")).len(), 1);
    }
    fs::write(dir.path().join("log"), sound).unwrap();
    assert_eq!(ids(&Server::in_dir(dir.path()).await).await, ["a", "b"]);
}

#[tokio::test]
async fn a_directory_of_the_release_before_is_refused_and_stays_as_it_is() {
    let dir = TempDir::new().unwrap();
    let id = "0".repeat(32);
    for (folder, name) in [("assets", format!("{id}.json")), ("files", format!("{id}-{id}"))] {
        fs::create_dir(dir.path().join(folder)).unwrap();
        fs::write(dir.path().join(folder).join(name), "{}").unwrap();
    }
    let refusal = refusal(dir.path());
    assert!(refusal.ends_with("is of an older release; use another directory"), "{refusal}");
    assert_eq!(names(&dir.path().join("files")).len(), 1);
}

#[tokio::test]
async fn what_a_crash_left_goes_and_what_is_not_the_emulators_stays() {
    let dir = two_assets().await;
    let mine = ["files/thesis.txt", "assets/thesis.txt", "thesis.txt"];
    fs::create_dir(dir.path().join("assets")).unwrap();
    for path in mine {
        fs::write(dir.path().join(path), b"years of work").unwrap();
    }
    let stray = dir.path().join("files").join("0".repeat(32));
    fs::write(&stray, b"half").unwrap();
    let server = Server::in_dir(dir.path()).await;
    assert!(!stray.exists());
    server.client.delete(server.url("/_emulator/assets")).send().await.unwrap();
    for path in mine {
        assert!(dir.path().join(path).is_file(), "{path}");
    }
}

#[tokio::test]
async fn an_asset_without_its_content_is_gone_and_the_others_are_there() {
    let dir = two_assets().await;
    let server = Server::in_dir(dir.path()).await;
    server.store(UPLOAD, large_png(300_000), "x.png", &[("public_id", "large")]).await;
    server.stop(dir.path()).await;
    for name in names(&dir.path().join("files")) {
        let path = dir.path().join("files").join(name);
        if fs::metadata(&path).unwrap().len() == 300_000 {
            fs::File::options().write(true).open(path).unwrap().set_len(299_999).unwrap();
        }
    }
    let server = Server::in_dir(dir.path()).await;
    assert_eq!(ids(&server).await, ["a", "b"]);
    assert_eq!(names(&dir.path().join("files")).len(), 1);
}

#[tokio::test]
async fn small_files_share_one_until_the_last_of_them_goes() {
    let dir = two_assets().await;
    let files = || names(&dir.path().join("files")).len();
    let server = Server::in_dir(dir.path()).await;
    let delete = async |id: &str| server.call("image/destroy", &[("public_id", id)]).await;
    assert_eq!(files(), 1);
    delete("a").await;
    assert_eq!(files(), 1);
    let delivered = server.get("/emulator/image/upload/b.png").await.bytes().await.unwrap();
    assert_eq!(delivered, png());
    delete("b").await;
    assert_eq!(files(), 0);
    server.store(UPLOAD, png(), "x.png", &[("public_id", "c")]).await;
    assert_eq!(files(), 1);
}

#[tokio::test]
async fn what_is_left_in_a_file_of_many_moves_at_the_start() {
    let dir = TempDir::new().unwrap();
    let server = Server::in_dir(dir.path()).await;
    for length in ["10000", "20000", "30000"] {
        let file = large_png(length.parse().unwrap());
        server.store(UPLOAD, file, "x.png", &[("public_id", length)]).await;
    }
    server.call("image/destroy", &[("public_id", "30000")]).await;
    server.call("image/destroy", &[("public_id", "10000")]).await;
    server.stop(dir.path()).await;

    for _ in 0..2 {
        let server = Server::in_dir(dir.path()).await;
        let [name] = &names(&dir.path().join("files"))[..] else { panic!("more than one file") };
        assert_eq!(fs::metadata(dir.path().join("files").join(name)).unwrap().len(), 20_000);
        let delivered = server.get("/emulator/image/upload/20000.png").await.bytes().await.unwrap();
        assert!(delivered == large_png(20_000), "other bytes came back");
        server.stop(dir.path()).await;
    }
}

#[tokio::test]
async fn an_upload_that_cannot_be_kept_is_refused_and_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let server = Server::in_dir(dir.path()).await;
    server.store(UPLOAD, png(), "a.png", &[("public_id", "a")]).await;
    server.call("image/destroy", &[("public_id", "a")]).await;
    fs::remove_dir(dir.path().join("files")).unwrap();
    for file in [png(), large_png(300_000)] {
        let response = server.upload(UPLOAD, file, "b.png", &[("public_id", "b")]).send().await.unwrap();
        assert_eq!(response.status(), 500);
    }
    assert_eq!(server.get("/emulator/image/upload/b.png").await.status(), 404);
    fs::create_dir(dir.path().join("files")).unwrap();
    server.store(UPLOAD, png(), "c.png", &[("public_id", "c")]).await;
    server.stop(dir.path()).await;
    assert_eq!(ids(&Server::in_dir(dir.path()).await).await, ["c"]);
}

#[tokio::test]
async fn refused_and_deleted_uploads_leave_no_file() {
    let dir = TempDir::new().unwrap();
    let server = Server::in_dir(dir.path()).await;
    for params in [&[("public_id", "a")][..], &[("public_id", "a")], &[("public_id", "a?")]] {
        for length in [1_000, 300_000] {
            server.upload(UPLOAD, large_png(length), "a.png", params).send().await.unwrap();
        }
    }
    server.upload(UPLOAD, b"text".repeat(100_000), "a.png", &[]).send().await.unwrap();
    assert_eq!(names(&dir.path().join("files")).len(), 1, "one asset, its last version");
    let url = server.url("/v1_1/emulator/resources/image/upload");
    let request = server.client.delete(url).basic_auth(KEY, Some(SECRET)).form(&[("public_ids[]", "a")]);
    request.send().await.unwrap();
    assert!(names(&dir.path().join("files")).is_empty());
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
