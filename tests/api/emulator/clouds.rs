//! The emulator started with flags: several clouds, first assets, faults, a clock.

use std::path::Path;
use std::process::Stdio;

use reqwest::StatusCode;
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::helpers::{client, command};

use super::media::png;

/// The emulator as a process of its own; killed when dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) origin: String,
    /// Everything it printed at the start.
    pub(crate) told: Vec<String>,
}

impl Process {
    /// Starts it and waits for as many lines as it has clouds.
    pub(crate) async fn start(flags: &[&str], lines: usize) -> Self {
        let arguments = [&["emulator", "--emulator-port", "0"], flags].concat();
        Self::run(command(&arguments), lines).await
    }

    /// The same with another folder for temporary files.
    pub(crate) async fn start_in(temporary: &Path) -> Self {
        let mut command = command(&["emulator", "--emulator-port", "0"]);
        command.env("TMPDIR", temporary);
        Self::run(command, 1).await
    }

    async fn run(mut command: Command, lines: usize) -> Self {
        // Errors only, and on the test's own output: they tell why it did not start.
        let mut child = command.env("RUST_LOG", "error").stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = Vec::new();
        while told.len() < lines {
            told.push(out.next_line().await.unwrap().unwrap());
        }
        let (_, origin) = told[0].split_once("?upload_prefix=").unwrap();
        let origin = origin.split(' ').next().unwrap().to_owned();
        Self { child, origin, told }
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        client().get(format!("{}{path}", self.origin)).send().await.unwrap().json().await.unwrap()
    }
}

const CLOUDS: &str = r#"
[[clouds]]
name = "shop"
keys = [{ key = "123", secret = "abcd" }, { key = "456", secret = "efgh" }]
signature_algorithm = "sha256"
token_key = "00112233FF99"

[clouds.presets.web]
unsigned = true
folder = "web"
tags = ["a", "b"]

[[clouds]]
name = "other"
keys = [{ key = "789", secret = "ijkl" }, { key = "012", secret = "mnop", role = "read" }]
"#;

async fn status(process: &Process, cloud: &str, key: &str, secret: &str) -> StatusCode {
    let request = client().get(format!("{}/v1_1/{cloud}/ping", process.origin)).basic_auth(key, Some(secret));
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn clouds_of_a_file_have_their_own_keys_presets_and_assets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clouds.toml");
    std::fs::write(&file, CLOUDS).unwrap();
    let process = Process::start(&["--clouds", file.to_str().unwrap()], 2).await;
    assert!(process.told[0].starts_with("the cloud `shop` is at") && !process.told.concat().contains("abcd"));
    for (cloud, key, secret, expected) in [
        ("shop", "123", "abcd", 200),
        ("shop", "456", "efgh", 200),
        ("other", "789", "ijkl", 200),
        ("other", "012", "mnop", 200),
        ("shop", "123", "efgh", 401),
        ("shop", "789", "ijkl", 401),
        ("emulator", "emulator-key", "emulator-secret", 401),
    ] {
        assert_eq!(status(&process, cloud, key, secret).await, expected, "{cloud} {key}");
    }
    let folder = format!("{}/v1_1/other/folders/x", process.origin);
    for (key, secret, expected) in [("012", "mnop", 403), ("789", "ijkl", 200)] {
        let request = client().post(&folder).basic_auth(key, Some(secret));
        assert_eq!(request.send().await.unwrap().status(), expected, "{key}");
    }
    for (cloud, expected) in [("shop", 200), ("other", 400)] {
        let form = Form::new().text("upload_preset", "web").text("public_id", "x");
        let form = form.part("file", Part::bytes(png()).file_name("a.png"));
        let request = client().post(format!("{}/v1_1/{cloud}/image/upload", process.origin)).multipart(form);
        assert_eq!(request.send().await.unwrap().status(), expected, "{cloud}");
    }
    let shop = client().get(format!("{}/shop/image/upload/web/x.png", process.origin)).send().await.unwrap();
    assert_eq!(shop.status(), 200);
}

#[tokio::test]
async fn a_cloud_needs_a_key_that_may_do_everything_and_a_role_must_be_known() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clouds.toml");
    for (role, why) in [("read", "needs a key without role"), ("write", "unknown variant `write`")] {
        let key = format!("{{ key = \"k\", secret = \"hush\", role = \"{role}\" }}");
        std::fs::write(&file, format!("[[clouds]]\nname = \"a\"\nkeys = [{key}]\n")).unwrap();
        let output = command(&["emulator", "--clouds", file.to_str().unwrap()]).output().await.unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(why) && !text.contains("hush"), "{text}");
    }
}

#[tokio::test]
async fn it_starts_with_assets_faults_and_a_clock() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir_all(path("seed/animals")).unwrap();
    std::fs::write(path("seed/animals/cat.png"), png()).unwrap();
    std::fs::write(path("seed/notes.txt"), "text").unwrap();
    std::fs::write(path("faults.json"), r#"[{"path": "/ping", "times": 1, "status": 420}]"#).unwrap();
    let flags = ["--seed", &path("seed"), "--faults", &path("faults.json"), "--clock", "1720000000"];
    let process = Process::start(&flags, 1).await;
    assert_eq!(process.json("/_emulator/clock").await["now"].as_i64().unwrap() / 100, 17_200_000);
    let cat = client().get(format!("{}/emulator/image/upload/animals/cat.png", process.origin)).send();
    assert_eq!(cat.await.unwrap().bytes().await.unwrap(), png());
    let notes = client().get(format!("{}/emulator/raw/upload/notes.txt", process.origin)).send();
    assert_eq!(notes.await.unwrap().text().await.unwrap(), "text");
    for expected in [420, 200] {
        assert_eq!(status(&process, "emulator", "emulator-key", "emulator-secret").await.as_u16(), expected);
    }
}

#[tokio::test]
async fn what_cannot_be_started_with_stops_the_start_and_keeps_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad");
    std::fs::write(
        &file,
        "[[clouds]]\nname = \"a\"\nkeys = [{ key = \"k\", secret = \"hush\", extra = 1 }]\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    for flags in [
        ["--clouds", file],
        ["--clouds", "/none"],
        ["--clock", "noon"],
        ["--allow", "everything"],
        ["--faults", "/none"],
    ] {
        let output = command(&[&["emulator"][..], &flags].concat()).output().await.unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?} {text}");
        assert!(text.contains("EMULATOR_") && !text.contains("hush"), "{text}");
    }
    for flags in [["--faults", file], ["--seed", "/none"]] {
        let output =
            command(&[&["emulator", "--emulator-port", "0"][..], &flags].concat()).output().await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{flags:?}");
    }
}
