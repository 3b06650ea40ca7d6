//! The ledger from the command line: what is swept, what the audit says, whether it answers.

use std::process::Output;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Database, PROFILES, Service, id, on_both};
use crate::helpers::{command, png};

on_both!(a_sweep_and_the_audit_by_hand, a_check_asks_the_ledger);

/// The command against the service's provider and ledger.
async fn run(service: &Service, arguments: &[&str]) -> (Option<i32>, String, String) {
    let origin = &service.app.emulator_origin;
    let profiles = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(profiles.path(), PROFILES).unwrap();
    let mut command = command(arguments);
    command
        .env("CLOUDINARY_URL", format!("cloudinary://123:abcd@demo?upload_prefix={origin}"))
        .env("DATABASE_URL", service.database_url());
    if arguments[0] == "check" {
        command.env("PROFILES_FILE", profiles.path());
    }
    let Output { status, stdout, stderr } = command.output().await.unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn a_sweep_and_the_audit_by_hand(database: Database) {
    // The clocks of these tests stand in 2024: to the command everything has ended long ago.
    let service = Service::on(database).await;
    let used = service.sign("ann", "small").await;
    let unused = service.sign("bob", "small").await;
    service.upload_to("image", &used, png(1, 1)).await;
    let (code, dry, _) = run(&service, &["sweep", "--dry-run"]).await;
    assert_eq!((code, lines(&dry).len()), (Some(0), 2), "{dry}");
    assert_eq!(service.state("ann", &used).await["state"], "issued");
    let (code, swept, stderr) = run(&service, &["sweep"]).await;
    assert_eq!((code, lines(&swept)), (Some(0), lines(&dry)), "{stderr}");
    assert_eq!(service.state("ann", &used).await["state"], "used");
    assert_eq!(service.state("bob", &unused).await["state"], "expired");

    let (code, audit, stderr) = run(&service, &["audit", "--subject", "key:ann"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let issued = &lines(&audit)[0];
    let expected = json!({
        "at": 1_720_000_000, "event": "issued", "subject": "key:ann", "upload_id": used["uploadId"],
        "target": format!("small/ann/{}", id(&used)), "detail": "small", "request_id": issued["request_id"],
    });
    assert_eq!(*issued, expected);
    // The sweep is nobody's doing.
    let (_, audit, _) = run(&service, &["audit", "--since", "2026-01-01T00:00:00Z"]).await;
    let mut events: Vec<_> =
        lines(&audit).iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect();
    events.sort();
    assert_eq!(events, ["expired", "used"]);
    assert_eq!(run(&service, &["audit", "--since", "yesterday"]).await.0, Some(2));
    let (status, _) = service.get("ann", "/uploads").await;
    assert_eq!(status, StatusCode::OK);
}

async fn a_check_asks_the_ledger(database: Database) {
    let service = Service::on(database).await;
    let (code, stdout, stderr) = run(&service, &["check", "--online"]).await;
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("for counted, once, shared, small"), "{stdout}");
    assert!(stdout.lines().last().unwrap().ends_with("answers"), "{stdout}");
}

#[tokio::test]
async fn a_ledger_that_does_not_answer_is_no_and_its_password_is_not_shown() {
    let profiles = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(profiles.path(), PROFILES).unwrap();
    let output = command(&["check", "--online"])
        .env("CLOUDINARY_URL", "cloudinary://123:abcd@demo?upload_prefix=http://127.0.0.1:9")
        .env("DATABASE_URL", "postgres://me:hush@127.0.0.1:9/ledger?password=hush")
        .env("PROFILES_FILE", profiles.path())
        .output()
        .await
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert!(stdout.contains("postgres://me:…@127.0.0.1:9/ledger"), "{stdout}");
    assert!(!stdout.contains("hush"), "{stdout}");

    let wrong = command(&["check"])
        .env("CLOUDINARY_URL", "cloudinary://123:abcd@demo")
        .env("DATABASE_URL", "mysql://me:hush@h/d")
        .env("PUBLIC_URL", "sign.example.com")
        .env("SWEEP_EVERY", "often")
        .output()
        .await
        .unwrap();
    let stderr = String::from_utf8(wrong.stderr).unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    for name in ["DATABASE_URL: must be", "PUBLIC_URL: `sign", "SWEEP_EVERY: `often`"] {
        assert!(stderr.contains(name), "{stderr}");
    }
    assert!(!stderr.contains("hush"), "{stderr}");
}

#[tokio::test]
async fn a_profile_explains_and_tests_what_would_be_kept() {
    let profiles = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(profiles.path(), PROFILES).unwrap();
    let file = profiles.path().to_str().unwrap();
    let output = command(&["profile", "explain", "counted", "--as", "ann", "--profiles-file", file]);
    let stdout = String::from_utf8({ output }.output().await.unwrap().stdout).unwrap();
    for part in ["signs    overwrite=false", "takes    1000 bytes at most", "counts   1 of 3 uploads in 2"] {
        assert!(stdout.contains(part), "{stdout}");
    }
    let cases = tempfile::NamedTempFile::new().unwrap();
    let case = "[[case]]\nprofile = \"once\"\nas = \"ann\"\n\
                signed = { folder = \"once/ann\", type = \"private\", overwrite = false }\n";
    std::fs::write(cases.path(), case).unwrap();
    let output = command(&["profile", "test", cases.path().to_str().unwrap(), "--profiles-file", file]);
    let output = { output }.output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}
