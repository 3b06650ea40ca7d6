//! `countersign check`: what the configuration says, where from, and whether the provider agrees.

use super::{account, run};
use crate::helpers::{TestApp, TestProcess, command};

#[tokio::test]
async fn every_value_names_its_source_and_no_secret_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join(".env"),
        "CLOUDINARY_URL=cloudinary://123:hush@demo?signature_algorithm=sha256\n",
    )
    .unwrap();
    let output = command(&["check", "--port", "8080"])
        .env("HOST", "::1")
        .current_dir(folder.path())
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @"
    cloud              demo  (CLOUDINARY_URL in .env)
    api key            123  (CLOUDINARY_URL in .env)
    api secret         set, not shown  (CLOUDINARY_URL in .env)
    algorithm          sha256  (CLOUDINARY_URL in .env)
    signature version  2  (default)
    upload prefix      https://api.cloudinary.com  (default)
    listen             [::1]:8080  (HOST, --port)
    callers            everybody who reaches the address  (default)
    profiles           default  (default)
    ledger             sqlite://countersign.db, not opened: no profile needs it  (default)
    notifications      not asked for  (default)
    ");
}

#[tokio::test]
async fn a_wrong_configuration_is_2_with_every_problem() {
    let ran = run("cloudinary://123@demo", &["check", "--port", "x"], "").await;
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("CLOUDINARY_URL: ") && ran.stderr.contains("PORT: "), "{}", ran.stderr);
}

#[tokio::test]
async fn the_provider_is_asked_and_its_refusal_explained() {
    let app = TestApp::spawn().await;
    let right = account(&app);
    for (account, code, expected) in [
        (right.clone(), 0, "cloud, key and secret belong together"),
        (right.replace(":abcd", ":abce"), 1, "the API secret is not this key's"),
        (right.replace("123:", "124:"), 1, "the provider does not know the API key"),
        (right.replace("@demo", "@dema"), 1, "the key is not this cloud's"),
        ("cloudinary://123:abcd@demo?upload_prefix=http://127.0.0.1:9".to_owned(), 1, "could not be reached"),
    ] {
        let ran = run(&account, &["check", "--online"], "").await;
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(ran.stdout.contains(expected), "{}", ran.stdout);
        assert!(!ran.all().contains("abcd") && !ran.all().contains("abce"), "{}", ran.all());
    }
}

#[tokio::test]
async fn profiles_that_no_webhook_could_settle_are_2_and_neither_start_nor_come_into_force() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("profiles.toml");
    let plain = "[profiles.papers]\nprovider = \"uploadcare\"\n";
    std::fs::write(&file, format!("{plain}max_bytes = \"1MB\"\n")).unwrap();
    let file_flag = format!("--profiles-file={}", file.display());
    let flags = ["--uploadcare-public-key=p", "--uploadcare-secret-key=s", &file_flag, "--port=0"];
    let account = "cloudinary://123:hush@demo";
    for action in ["check", "serve"] {
        let ran = run(account, &[&[action][..], &flags].concat(), "").await;
        assert_eq!(ran.code, Some(2));
        assert_eq!(
            ran.stderr,
            "countersign: the configuration has a problem:\n  - UPLOADCARE_WEBHOOK_SECRET: is missing: without it no webhook \
             is believed, and nothing settles what owned, max_bytes and quota ask for in `papers`\n"
        );
    }
    let with_secret = [&["check", "--uploadcare-webhook-secret=hook"][..], &flags].concat();
    assert_eq!(run(account, &with_secret, "").await.code, Some(0));
    // Without a project nobody can ask for the profile.
    assert_eq!(run(account, &["check", &file_flag], "").await.code, Some(0));

    let asks = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, plain).unwrap();
    let account = format!("--cloudinary-url={account}");
    let mut process = TestProcess::spawn(&[&["serve", &account][..], &flags].concat()).await;
    std::fs::write(&file, asks).unwrap();
    process.signal("-HUP");
    let log = process.logged("the profiles from before stay in force").await;
    assert!(log.contains("ERROR") && log.contains("UPLOADCARE_WEBHOOK_SECRET: is missing"), "{log}");
}
