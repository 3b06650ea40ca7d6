//! What is left after a restart and after a crash.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use countersign::emulator::{Emulator, EmulatorOptions};
use serde_json::Value;
use tempfile::TempDir;

use super::media::{large_png, png};
use super::server::{KEY, SECRET, Server};

const UPLOAD: &str = "/v1_1/emulator/image/upload";

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The names of the content files.
pub(super) fn contents(dir: &Path) -> Vec<String> {
    names(&dir.join("contents"))
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

pub(super) fn refusal(dir: &Path) -> String {
    let options = EmulatorOptions { dir: Some(dir.to_owned()), ..EmulatorOptions::default() };
    Emulator::open(options).unwrap_err().to_string()
}

/// A folder with two assets, `a` and `b`.
pub(super) async fn two_assets() -> TempDir {
    let dir = TempDir::new().unwrap();
    let server = Server::in_dir(dir.path()).await;
    for id in ["a", "b"] {
        server.store(UPLOAD, png(), "x.png", &[("public_id", id)]).await;
    }
    server.stop(dir.path()).await;
    dir
}

pub(super) async fn ids(server: &Server) -> Vec<String> {
    let assets: Value = server.get("/_emulator/assets").await.json().await.unwrap();
    let assets = assets["assets"].as_array().unwrap().iter();
    assets.map(|asset| asset["asset"]["public_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_folder_of_an_older_version_is_refused_and_stays_as_it_is() {
    let id = "0".repeat(32);
    for (file, content) in
        [("log".to_owned(), format!("files/{id}")), (format!("assets/{id}.json"), format!("files/{id}-{id}"))]
    {
        let dir = TempDir::new().unwrap();
        for path in [&file, &content] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "{}").unwrap();
        }
        let refusal = refusal(dir.path());
        let told = "was written by an older version: delete it, or choose another with --emulator-dir";
        assert!(refusal.ends_with(told), "{refusal}");
        assert!(dir.path().join(&file).is_file() && dir.path().join(&content).is_file());
    }
}

#[tokio::test]
async fn interrupted_uploads_are_deleted_at_the_start_and_everything_else_stays() {
    let dir = two_assets().await;
    let stays = ["contents/thesis.txt", "contents/thesis.incoming", "thesis.txt"];
    let unlisted = format!("contents/{}", "0".repeat(32));
    for path in stays.iter().chain([&unlisted.as_str()]) {
        fs::write(dir.path().join(path), b"years of work").unwrap();
    }
    let interrupted = dir.path().join(format!("contents/{}.incoming", "1".repeat(32)));
    fs::write(&interrupted, b"half").unwrap();
    let server = Server::in_dir(dir.path()).await;
    assert!(!interrupted.exists());
    server.client.delete(server.url("/_emulator/assets")).send().await.unwrap();
    for path in stays.iter().chain([&unlisted.as_str()]) {
        assert!(dir.path().join(path).is_file(), "{path}");
    }
}

#[tokio::test]
async fn an_asset_whose_file_was_not_renamed_before_a_crash_is_there() {
    let dir = two_assets().await;
    for name in contents(dir.path()) {
        let path = dir.path().join("contents").join(name);
        fs::rename(&path, path.with_extension("incoming")).unwrap();
    }
    let server = Server::in_dir(dir.path()).await;
    for id in ["a", "b"] {
        let delivered = server.get(&format!("/emulator/image/upload/{id}.png")).await.bytes().await.unwrap();
        assert_eq!(delivered, png());
    }
}

#[tokio::test]
async fn only_the_owner_can_read_what_is_stored() {
    let parent = TempDir::new().unwrap();
    let dir = parent.path().join("new");
    let server = Server::in_dir(&dir).await;
    server.store(UPLOAD, png(), "a.png", &[("public_id", "a")]).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let [content] = &contents(&dir)[..] else { panic!("more than one file") };
    for (path, expected) in [
        (dir.clone(), 0o700),
        (dir.join("contents"), 0o700),
        (dir.join("contents").join(content), 0o600),
        (dir.join("index.sqlite"), 0o600),
        (dir.join("index.sqlite-wal"), 0o600),
    ] {
        assert_eq!(mode(&path), expected, "{}", path.display());
    }
}

#[tokio::test]
async fn an_upload_that_cannot_be_kept_is_refused_and_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let server = Server::in_dir(dir.path()).await;
    server.store(UPLOAD, png(), "a.png", &[("public_id", "a")]).await;
    server.call("image/destroy", &[("public_id", "a")]).await;
    fs::remove_dir(dir.path().join("contents")).unwrap();
    for file in [png(), large_png(300_000)] {
        let response = server.upload(UPLOAD, file, "b.png", &[("public_id", "b")]).send().await.unwrap();
        assert_eq!(response.status(), 500);
    }
    assert_eq!(server.get("/emulator/image/upload/b.png").await.status(), 404);
    fs::create_dir(dir.path().join("contents")).unwrap();
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
    assert_eq!(contents(dir.path()).len(), 1, "one asset, its last version");
    let url = server.url("/v1_1/emulator/resources/image/upload");
    let request = server.client.delete(url).basic_auth(KEY, Some(SECRET)).form(&[("public_ids[]", "a")]);
    request.send().await.unwrap();
    assert!(contents(dir.path()).is_empty());
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
