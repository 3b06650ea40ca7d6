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
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @r#"
    cloud              demo  (CLOUDINARY_URL in .env)
    api key            123  (CLOUDINARY_URL in .env)
    api secret         set, not shown  (CLOUDINARY_URL in .env)
    algorithm          sha256  (CLOUDINARY_URL in .env)
    signature version  2  (default)
    upload prefix      https://api.cloudinary.com  (default)
    download key       the account's own: links live 10 minutes at most  (default)
    listen             [::1]:8080  (HOST, --port)
    callers            everybody who reaches the address  (default)
    profiles           default  (default)
    ledger             sqlite://countersign.db, not opened: no profile needs it  (default)
    rate limit         300 a minute, 100 at once, for each caller  (default)
    sweep's budget     400 Admin API calls an hour  (default)
    ledger retention   400 days  (default)
    notifications      not asked for  (default)
    warning            profile `default` takes files of any format, SVG too, which can run scripts in the browser that opens it: write allowed_formats, such as ["jpg", "png", "webp", "pdf"]
    "#);
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

#[tokio::test]
async fn profiles_whose_folders_meet_are_2_and_neither_start_nor_come_into_force() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("profiles.toml");
    let kyc = "[profiles.kyc]\nfolder = \"kyc/{sub}\"\nsingle_use = true\n";
    let home = "[profiles.home]\nfolder = \"{sub}\"\n[profiles.web]\nfolder = \"kyc\"\n";
    std::fs::write(&file, format!("{kyc}{home}")).unwrap();
    let file_flag = format!("--profiles-file={}", file.display());
    for action in ["check", "serve"] {
        let ran = run("cloudinary://123:hush@demo", &[action, &file_flag], "").await;
        assert_eq!(ran.code, Some(2));
        let stderr = ran.stderr.replace(&file.display().to_string(), "FILE");
        insta::allow_duplicates! { insta::assert_snapshot!(stderr, @"
        countersign: the configuration has problems:
          - PROFILES_FILE FILE: profiles.home.folder: `{sub}` conflicts with `kyc/{sub}` of profiles.kyc: for a caller named `kyc` one folder can equal or contain another caller's; let the two folders begin with different words
          - PROFILES_FILE FILE: profiles.home.folder: `{sub}` conflicts with `kyc` of profiles.web: for a caller named `kyc` one folder can equal or contain another caller's; let the two folders begin with different words
          - PROFILES_FILE FILE: profiles.kyc.folder: `kyc/{sub}` conflicts with `kyc` of profiles.web: one caller's folder can equal or contain another caller's; let the two folders begin with different words
        "); }
    }

    std::fs::write(&file, kyc).unwrap();
    let account = "--cloudinary-url=cloudinary://123:hush@demo";
    let database = format!("--database-url=sqlite://{}/ledger.db", folder.path().display());
    let mut process = TestProcess::spawn(&["serve", account, &database, &file_flag, "--port=0"]).await;
    std::fs::write(&file, format!("{kyc}{home}")).unwrap();
    process.signal("-HUP");
    let log = process.logged("the profiles from before stay in force").await;
    for both in
        ["profiles.home.folder: `{sub}` conflicts with `kyc/{sub}` of profiles.kyc", "of profiles.web"]
    {
        assert!(log.contains("ERROR") && log.contains(both), "{log}");
    }
}

#[tokio::test]
async fn a_check_warns_of_what_a_profile_may_allow_unmeant() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("profiles.toml");
    let profiles = "[profiles.apart]\ntags = [\"user:{sub}\"]\nallowed_formats = [\"svg\"]\n\
                    [profiles.any]\ntags = [\"kyc\", \"user:{sub}\"]\n\
                    [profiles.open]\nclient_params = { tags = {} }\nallowed_formats = [\"png\"]\n";
    std::fs::write(&file, profiles).unwrap();
    let file_flag = format!("--profiles-file={}", file.display());
    let ran = run("cloudinary://123:hush@demo", &["check", &file_flag], "").await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let warnings: Vec<_> = ran.stdout.lines().filter(|line| line.starts_with("warning")).collect();
    insta::assert_snapshot!(warnings.join("\n"), @r#"
    warning            profile `any` signs tags that callers share (`kyc`): Cloudinary's archives of all files with a tag take the same parameters, so that a signature may open other callers' files; use tags that name the caller, such as "user:{sub}", or context
    warning            profile `any` takes files of any format, SVG too, which can run scripts in the browser that opens it: write allowed_formats, such as ["jpg", "png", "webp", "pdf"]
    warning            profile `open` signs tags that callers share (those that clients choose): Cloudinary's archives of all files with a tag take the same parameters, so that a signature may open other callers' files; use tags that name the caller, such as "user:{sub}", or context
    "#);
}

#[tokio::test]
async fn a_second_key_for_links_must_be_another_key_of_the_same_cloud() {
    for (url, expected) in [
        ("cloudinary://456:efgh@other", "names the cloud `other`, and CLOUDINARY_URL the cloud `demo`"),
        ("cloudinary://123:abcd@demo", "names the same key as CLOUDINARY_URL"),
        ("cloudinary://456@demo", "names no API key and secret"),
    ] {
        let output = command(&["check"])
            .env("CLOUDINARY_URL", "cloudinary://123:abcd@demo")
            .env("CLOUDINARY_DOWNLOAD_URL", url)
            .output()
            .await
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{url}");
        assert!(stderr.contains("CLOUDINARY_DOWNLOAD_URL: ") && stderr.contains(expected), "{stderr}");
        assert!(!stderr.contains("efgh"), "{stderr}");
    }
}
