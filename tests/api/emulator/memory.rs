//! Memory does not grow with the size of what is uploaded.
//!
//! 200 MB; a gigabyte with `COUNTERSIGN_THOROUGH=1` in the environment.

use reqwest::multipart::{Form, Part};
use serde_json::Value;

use crate::helpers::client;

use super::clouds::Process;

const PART: u64 = 20_000_000;

/// The most memory that the process ever had, in kilobytes.
fn peak_kilobytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "how thorough a test is, is not configuration")]
async fn a_large_upload_stays_under_64_megabytes() {
    let parts = if std::env::var("COUNTERSIGN_THOROUGH").is_ok() { 50 } else { 10 };
    let process = Process::start(&[], 1).await;
    let total = parts * PART;
    let mut answer = Value::Null;
    for number in 0..parts {
        let file = Part::bytes(vec![b'x'; usize::try_from(PART).unwrap()]).file_name("x");
        let start = number * PART;
        let request = client()
            .post(format!("{}/v1_1/emulator/raw/upload", process.origin))
            .basic_auth("emulator-key", Some("emulator-secret"))
            .header("x-unique-upload-id", "large")
            .header("content-range", format!("bytes {start}-{}/{total}", start + PART - 1))
            .multipart(Form::new().text("public_id", "large").part("file", file));
        answer = request.send().await.unwrap().json().await.unwrap();
    }
    assert_eq!(answer["bytes"], total, "{answer}");
    let peak = peak_kilobytes(process.child.id().unwrap());
    assert!(peak < 64 * 1024, "{peak} kB");
}
