//! The program as an operator starts it.

use crate::helpers::command;

async fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = command(arguments).output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn without_an_account_it_stops_with_2_and_names_both_ways_out() {
    for arguments in [&[][..], &["serve"]] {
        let (code, text) = run(arguments).await;
        assert_eq!(code, Some(2), "{text}");
        assert!(
            text.contains("CLOUDINARY_URL=cloudinary://KEY:SECRET@CLOUD") && text.contains("--emulator"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn an_unknown_flag_or_a_bad_value_stops_the_start() {
    for arguments in [&["serve", "--emulater"][..], &["serve", "--emulator", "--port", "x"], &["sing"]] {
        assert_eq!(run(arguments).await.0, Some(2), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_and_ends_with_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, text) = run(&["serve", "--emulator", "--port", &port, "--emulator-port", "0"]).await;
    assert_eq!(code, Some(1));
    assert!(text.contains("cannot listen on"), "{text}");
}

#[tokio::test]
async fn variables_count_as_flags_and_an_empty_one_as_absent() {
    let start = async |name: &str, value: &str| {
        let output = command(&["serve", "--port", "x"]).env(name, value).output().await.unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(start("EMULATOR_PORT", "y").await.contains("EMULATOR_PORT: `y`"));
    assert!(!start("EMULATOR_PORT", "").await.contains("EMULATOR_PORT"));
    let text = start("CLOUDINARY_URL", "cloudinary://key:hush").await;
    assert!(text.contains("CLOUDINARY_URL: ") && !text.contains("hush"), "{text}");
}

#[tokio::test]
async fn the_help_shows_no_secret_of_the_environment() {
    let output = command(&["serve", "--help"])
        .env("CLOUDINARY_URL", "cloudinary://key:hush@demo")
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("CLOUDINARY_URL") && !text.contains("hush"), "{text}");
}

#[tokio::test]
async fn a_dot_env_file_is_read_and_a_broken_one_named_without_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let start = async |text: &str| {
        std::fs::write(folder.path().join(".env"), text).unwrap();
        let output = command(&["serve", "--port", "x"]).current_dir(folder.path()).output().await.unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = start("EMULATOR_PORT=y\n").await;
    assert!(code == Some(2) && text.contains("EMULATOR_PORT: `y`"), "{text}");
    let (code, text) = start("CLOUDINARY_API_SECRET='hush\n").await;
    assert!(code == Some(2) && text.contains(".env") && !text.contains("hush"), "{text}");
}

#[tokio::test]
async fn the_emulator_alone_prints_the_url_to_use() {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let mut child =
        command(&["emulator", "--emulator-port", "0"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    let (url, origin) = line.trim().split_once("?upload_prefix=").unwrap();
    assert_eq!(url, "CLOUDINARY_URL=cloudinary://emulator-key:emulator-secret@emulator");
    let ping = crate::helpers::client().get(format!("{origin}/v1_1/emulator/ping"));
    let answer = ping.basic_auth("emulator-key", Some("emulator-secret")).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), r#"{"status":"ok"}"#);
}

#[tokio::test]
async fn an_origin_with_a_wildcard_stops_the_start() {
    for origins in ["*", "https://*.example.com", "https://app.example.com,*", "https://app.example.com:*"] {
        let output =
            command(&["serve", "--emulator", "--cors-allowed-origins", origins]).output().await.unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{origins}: {stderr}");
        assert!(stderr.contains("CORS_ALLOWED_ORIGINS") && stderr.contains("wildcards"), "{stderr}");
    }
}

#[tokio::test]
async fn limits_that_are_none_stop_the_start() {
    let bad = [("--admin-api-budget", "9/h"), ("--admin-api-budget", "400"), ("--ledger-retention", "0d")];
    for (flag, value) in bad {
        let output = command(&["serve", "--emulator", flag, value]).output().await.unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flag} {value}: {stderr}");
        assert!(stderr.contains(&format!("`{value}` is not")), "{stderr}");
    }
}

#[tokio::test]
async fn the_ledgers_files_are_for_their_owner_alone_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt as _;

    for umask in ["000", "022", "0777"] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("profiles.toml"),
            "[profiles.default]\nfolder = \"a\"\nsingle_use = true\nscopes = []\n",
        )
        .unwrap();
        let script = format!(
            "umask {umask}; exec {} serve --emulator --emulator-dir {} --port 0 --emulator-port 0 --database-url sqlite://{}/a.db --profiles-file {}/profiles.toml",
            env!("CARGO_BIN_EXE_countersign"),
            dir.path().join("emulator").display(),
            dir.path().display(),
            dir.path().display(),
        );
        std::fs::create_dir(dir.path().join("emulator")).unwrap();
        let mut child = tokio::process::Command::new("sh")
            .args(["-c", &script])
            .env_clear()
            .kill_on_drop(true)
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let files = ["a.db", "a.db-wal", "a.db-shm"].map(|name| dir.path().join(name));
        for _ in 0..500 {
            if files.iter().all(|file| file.exists()) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        for file in files {
            let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{} under umask {umask}", file.display());
        }
        child.kill().await.unwrap();
    }
}
