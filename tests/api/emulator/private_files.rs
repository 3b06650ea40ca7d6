//! What the emulator keeps is its user's own, whatever the umask says.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use countersign::emulator::EmulatorOptions;

use super::clouds::Process;
use super::media::png;
use super::server::Server;

/// Every file and folder at and below `root`, with its permissions.
fn modes(root: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = vec![(root.to_owned(), mode(root))];
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(modes(&path));
        } else {
            found.push((path.clone(), mode(&path)));
        }
    }
    found
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

fn assert_private(root: &Path, at_least: usize) {
    let modes = modes(root);
    assert!(modes.len() >= at_least, "{modes:?}");
    for (path, mode) in modes {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{} is {mode:o}", path.display());
    }
}

#[tokio::test]
async fn a_folder_that_is_kept_is_private() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("a/b");
    let options = EmulatorOptions { dir: Some(dir.clone()), ..EmulatorOptions::default() };
    let server = Server::with(options).await;
    server.store("/v1_1/emulator/image/upload", png(), "a.png", &[("public_id", "small")]).await;
    let large = vec![b'x'; 1_000_000];
    server.store("/v1_1/emulator/raw/upload", large, "a.bin", &[("public_id", "large")]).await;
    assert_private(&dir, 6);
}

#[tokio::test]
async fn a_folder_that_was_there_keeps_its_permissions_and_what_is_in_it_is_private() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = Server::in_dir(dir.path()).await;
    server.store("/v1_1/emulator/image/upload", png(), "a.png", &[]).await;
    assert_eq!(mode(dir.path()), 0o755);
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), expected, "{}", path.display());
    }
}

#[tokio::test]
async fn the_temporary_folder_is_private() {
    let parent = tempfile::tempdir().unwrap();
    let process = Process::start_in(parent.path()).await;
    let folders: Vec<_> =
        std::fs::read_dir(parent.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(folders.len(), 2, "one for each provider");
    for folder in folders {
        assert_private(&folder, 3);
    }
    drop(process);
}
