//! SIGHUP: a right profiles file is in force at once, a wrong one never.

use std::path::Path;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode};
use serde_json::Value;

use crate::helpers::{TestProcess, client, read_json, text};

/// A profile whose parts tell which file it came from.
fn profile(word: &str, minutes: u8) -> String {
    format!(
        "[profiles.default]\nfolder = \"{word}\"\ntags = [\"{word}\"]\nexpires_in = \"{minutes}m\"\nscopes = []\n"
    )
}

async fn serve(file: Option<&Path>) -> TestProcess {
    let mut arguments =
        vec!["serve", "--emulator", "--port", "0", "--emulator-port", "0", "--rate-limit", "off"];
    if let Some(file) = file {
        arguments.extend(["--profiles-file", file.to_str().unwrap()]);
    }
    TestProcess::spawn(&arguments).await
}

/// A user of the process.
struct User {
    client: Client,
    origin: String,
}

impl User {
    fn of(process: &TestProcess) -> Self {
        Self { client: client(), origin: format!("http://{}", process.address) }
    }

    async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.origin)).send().await.unwrap()
    }

    async fn page(&self, path: &str) -> String {
        self.get(path).await.text().await.unwrap()
    }

    async fn signature(&self) -> Value {
        let (status, mut body) = read_json(self.get("/upload-signature").await).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body["data"].take()
    }

    async fn folder(&self) -> String {
        text(&self.signature().await["payload"]["folder"])
    }
}

const IN_FORCE: &str = "read again and is in force";
const REFUSED: &str = "the profiles from before stay in force";

#[tokio::test]
async fn a_right_file_is_in_force_at_once_on_the_pages_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("profiles.toml");
    std::fs::write(&file, profile("before", 5)).unwrap();
    let mut process = serve(Some(&file)).await;
    let user = User::of(&process);
    assert_eq!(user.folder().await, "before");

    let short = "[profiles.uploadcare]\nprovider = \"uploadcare\"\nexpires_in = \"7m\"\nscopes = []\n";
    std::fs::write(&file, profile("after", 9) + short).unwrap();
    assert_eq!(user.folder().await, "before", "nothing changes without a signal");
    process.signal("-HUP");
    let log = process.logged(IN_FORCE).await;
    assert!(log.contains("INFO") && log.contains("profiles=2") && log.contains("minutes=7"), "{log}");
    assert_eq!(user.folder().await, "after");
    let unsigned = user.page("/unsigned").await;
    assert!(unsigned.contains("9 mins") && !unsigned.contains("5 mins"));
    assert!(user.page("/uploadcare").await.contains("7 min;"));
    process.signal("-TERM");
    assert_eq!(process.finish().await.0, Some(0));
}

#[tokio::test]
async fn a_wrong_file_is_refused_as_a_whole_and_every_problem_named_in_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("profiles.toml");
    std::fs::write(&file, profile("before", 5)).unwrap();
    let mut process = serve(Some(&file)).await;
    let user = User::of(&process);
    let wrong = "[profiles.kyc]\nexpires_in = \"2h\"\nclient_params = { tags = { pattern = \"(\" } }\n";
    std::fs::write(&file, profile("after", 9) + wrong).unwrap();
    process.signal("-HUP");
    let log = process.logged(REFUSED).await;
    for key in ["profiles.kyc.expires_in: ", "profiles.kyc.client_params.tags.pattern: "] {
        assert_eq!(
            log.lines().filter(|line| line.contains("ERROR") && line.contains(key)).count(),
            1,
            "{log}"
        );
    }
    assert!(log.lines().all(|line| line.contains(" ERROR ") || line.contains("request")), "{log}");
    assert_eq!(user.folder().await, "before");

    std::fs::remove_file(&file).unwrap();
    process.signal("-HUP");
    let log = process.logged(REFUSED).await;
    assert!(log.contains("cannot be read"), "{log}");
    assert_eq!(user.folder().await, "before");

    std::fs::write(&file, profile("after", 9)).unwrap();
    process.signal("-HUP");
    process.logged(IN_FORCE).await;
    assert_eq!(user.folder().await, "after");
}

#[tokio::test]
async fn an_answer_is_of_one_file_however_often_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("profiles.toml");
    std::fs::write(&file, profile("even", 2)).unwrap();
    let mut process = serve(Some(&file)).await;
    let user = User::of(&process);
    for round in 0..40 {
        let (word, minutes) = if round % 2 == 0 { ("odd", 3) } else { ("even", 2) };
        std::fs::write(&file, profile(word, minutes)).unwrap();
        process.signal("-HUP");
        let answers = futures_util::future::join_all((0..8).map(|_| user.signature())).await;
        for answer in answers {
            let parts = ["folder", "tags"].map(|name| text(&answer["payload"][name]));
            let expected = if answer["expiresIn"] == "2 mins" { "even" } else { "odd" };
            assert_eq!(parts, [expected, expected], "{answer}");
        }
        process.logged(IN_FORCE).await;
        assert_eq!(user.folder().await, word);
    }
}

#[tokio::test]
async fn without_a_file_there_is_nothing_to_reload_and_the_process_goes_on() {
    let mut process = serve(None).await;
    let user = User::of(&process);
    process.signal("-HUP");
    process.logged("nothing to reload").await;
    assert_eq!(user.folder().await, "kyc/1");
    process.signal("-TERM");
    assert_eq!(process.finish().await.0, Some(0));
}

#[tokio::test]
async fn a_profiles_file_that_cannot_be_read_to_its_end_does_not_keep_the_process_alive() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("profiles.toml");
    std::fs::write(&file, profile("first", 30)).unwrap();
    let process = serve(Some(&file)).await;
    std::fs::remove_file(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    process.signal("-HUP");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(text(&User::of(&process).signature().await["payload"]["folder"]), "first");
    process.signal("-TERM");
    let ended = tokio::time::timeout(Duration::from_secs(10), process.finish()).await;
    let (code, log) = ended.expect("it ends although a thread still waits for the file");
    assert_eq!(code, Some(0), "{log}");
}
