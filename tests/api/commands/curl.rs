//! `countersign sign --curl`: what it prints is pasted into bash and into sh, and the file arrives.

use std::path::Path;

use serde_json::Value;
use tokio::process::Command;

use super::account;
use crate::helpers::{TestApp, command, png};

/// Prints the command for `file` in `folder` and runs it in `shell`, pasted as a user would.
async fn upload(app: &TestApp, shell: &str, folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let arguments = [&["sign", "--curl", "--param", "use_filename=true"], arguments].concat();
    let printed =
        command(&arguments).env("CLOUDINARY_URL", account(app)).current_dir(folder).output().await.unwrap();
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let ran = Command::new(shell)
        .arg("-c")
        .arg(std::ffi::OsStr::new(&*String::from_utf8_lossy(&printed.stdout)))
        .env("no_proxy", "127.0.0.1")
        .current_dir(folder)
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{shell}: {text}{}", String::from_utf8_lossy(&ran.stderr));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_file_of_any_name_arrives_from_bash_and_from_sh() {
    let app = TestApp::spawn().await;
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "plain.png",
        "we'ird \"name\" ünï.jpg",
        "-dash.png",
        "@at.png",
        "semi;type=text.png",
        "a,b c$HOME`id`\\!.png",
        "two\nlines.png",
        "<less>.png",
    ] {
        std::fs::write(folder.path().join(name), png(3, 2)).unwrap();
        for shell in ["bash", "sh"] {
            let answers = upload(&app, shell, folder.path(), &["--file", name]).await;
            assert_eq!(answers.len(), 1, "{name:?}");
            assert_eq!(answers[0]["width"], 3, "{name:?} {shell}: {}", answers[0]);
            assert_eq!(answers[0]["bytes"], png(3, 2).len(), "{name:?}");
        }
    }
}

#[tokio::test]
async fn a_file_over_100_mb_goes_up_in_parts() {
    const BYTES: u64 = 120_000_001;
    let app = TestApp::spawn().await;
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(folder.path().join("bi'g.bin")).unwrap();
    file.set_len(BYTES).unwrap();
    let answers = upload(&app, "sh", folder.path(), &["--resource-type", "raw", "--file", "bi'g.bin"]).await;
    assert_eq!(answers.len(), 7);
    assert_eq!(answers[5]["bytes"], 120_000_000);
    assert_eq!(answers[6]["bytes"], BYTES);
    assert_eq!(answers[6]["original_filename"], "bi'g");
}

#[tokio::test]
async fn a_refused_upload_ends_the_command_with_an_error() {
    let app = TestApp::spawn().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.png"), png(1, 1)).unwrap();
    let printed = command(&["sign", "--curl", "--file", "a.png"])
        .env("CLOUDINARY_URL", account(&app).replace(":abcd", ":other"))
        .current_dir(folder.path())
        .output()
        .await
        .unwrap();
    let script = String::from_utf8(printed.stdout).unwrap();
    let ran = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().await.unwrap();
    assert!(!ran.status.success());
    assert!(String::from_utf8(ran.stdout).unwrap().contains("Invalid Signature"));
}

#[tokio::test]
async fn without_a_file_the_place_for_its_name_is_plain() {
    let ran =
        super::run("cloudinary://123:abcd@demo", &["sign", "--curl", "--param", "timestamp=1"], "").await;
    insta::assert_snapshot!(ran.stdout, @r#"
    curl --fail-with-body --silent --show-error \
      --form-string 'timestamp=1' \
      --form-string 'api_key=123' \
      --form-string 'signature=03a17aa62f47c9551054dc4c090f70c32dcd69eb' \
      --form 'file=@"PATH/TO/FILE"' \
      'https://api.cloudinary.com/v1_1/demo/auto/upload'
    "#);
    assert!(ran.stderr.contains("PATH/TO/FILE"));
}

#[tokio::test]
async fn a_file_that_is_not_there_is_said_before_anything_is_printed() {
    for file in ["nowhere.jpg", "."] {
        let ran = super::run("cloudinary://123:abcd@demo", &["sign", "--curl", "--file", file], "").await;
        assert!(ran.code == Some(2) && ran.stdout.is_empty() && ran.stderr.contains("cannot be read"));
    }
}
