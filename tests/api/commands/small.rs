//! The small commands: keys, profiles, completions, manual pages, help.

use std::collections::HashSet;

use countersign::auth::ApiKeys;
use sha2::{Digest, Sha256};

use super::run;

#[tokio::test]
async fn a_new_key_is_printed_once_with_the_line_that_makes_it_known() {
    let mut keys = HashSet::new();
    for _ in 0..3 {
        let arguments = ["api-key", "new", "web-shop", "--scope", "upload:kyc", "--scope", "download"];
        let ran = run("", &arguments, "").await;
        assert_eq!(ran.code, Some(0));
        let (key, line) = ran.stdout.trim_end().split_once('\n').unwrap();
        assert!(key.starts_with("cs_") && key.len() == 46, "{key}");
        assert_eq!(line, format!("web-shop {} upload:kyc,download", hex::encode(Sha256::digest(key))));
        assert!(!ran.stderr.contains(key));
        let known = ApiKeys::parse(line).unwrap();
        assert_eq!(known.find(key).unwrap().name, "key:web-shop");
        keys.insert(key.to_owned());
    }
    assert_eq!(keys.len(), 3);
}

#[tokio::test]
async fn a_name_or_scope_that_would_break_the_file_is_refused() {
    for arguments in [
        &["api-key", "new"][..],
        &["api-key", "new", "two words"],
        &["api-key", "new", "#comment"],
        &["api-key", "new", "a", "--scope", "x,y"],
        &["api-key", "new", "a", "--scope", ""],
    ] {
        assert_eq!(run("", arguments, "").await.code, Some(2), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_profile_says_what_it_would_sign_or_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("profiles.toml");
    std::fs::write(
        &file,
        "[profiles.kyc]\nfolder = \"kyc/{sub}\"\ntype = \"private\"\nexpires_in = \"5m\"\n\
         client_params = { tags = { pattern = \"^[a-z,]{0,60}$\" } }\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    for (arguments, code, expected) in [
        (&["--as", "bob", "--param", "tags=a"][..], 0, "folder=kyc/bob"),
        (&["--as", "bob", "--param", "tags=A"], 1, "refused: tags "),
        (&["--as", "bob", "--param", "eager=x"], 1, "refused: eager"),
        (&[], 1, "refused: the profile `kyc` is for authenticated callers"),
    ] {
        let arguments = [&["profile", "explain", "kyc", "--profiles-file", file], arguments].concat();
        let ran = run("", &arguments, "").await;
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(ran.stdout.contains(expected), "{}", ran.stdout);
    }
    assert_eq!(run("", &["profile", "explain", "nope"], "").await.code, Some(2));
}

#[tokio::test]
async fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run("", &["completions", shell], "").await;
        assert_eq!(ran.code, Some(0));
        for command in
            ["serve", "sign", "explain", "inspect-url", "download-url", "delete", "check", "api-key"]
        {
            assert!(ran.stdout.contains(command), "{shell} {command}");
        }
    }
    let ran = run("", &["completions", "bash"], "").await;
    let parsed = std::process::Command::new("bash").args(["-n", "-c", &ran.stdout]).status().unwrap();
    assert!(parsed.success());
}

#[tokio::test]
async fn manual_pages_come_one_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run("", &["man", folder.path().to_str().unwrap()], "").await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for page in
        ["countersign.1", "countersign-sign.1", "countersign-profile-test.1", "countersign-api-key-new.1"]
    {
        let text = std::fs::read_to_string(folder.path().join(page)).unwrap();
        assert!(text.contains(".TH") && text.contains("SYNOPSIS"), "{page}");
    }
    assert!(run("", &["man"], "").await.stdout.contains(".TH countersign 1"));
}

#[tokio::test]
async fn every_help_teaches_by_example() {
    for command in ["sign", "explain", "download-url", "delete", "inspect-url", "check", "completions", "man"]
    {
        let ran = run("cloudinary://123:hush@demo", &[command, "--help"], "").await;
        assert_eq!(ran.code, Some(0));
        assert!(
            ran.stdout.contains(&format!("\n  countersign {command}")) || ran.stdout.contains("Examples:"),
            "{command}"
        );
        assert!(!ran.stdout.contains("hush") && !ran.stdout.contains('\u{1b}'), "{command}");
    }
}
