//! `countersign sign --batch`: JSON lines, signed one by one in constant memory.

use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use super::run;

const ACCOUNT: &str = "cloudinary://123:abcd@demo";

#[tokio::test]
async fn every_line_answers_in_its_place_and_a_bad_one_makes_the_exit_code_1() {
    let input = "{\"timestamp\":1315060510,\"public_id\":\"sample_image\"}\n\nnope\n[1]\n{\"a\":{\"b\":1}}\n\
                 {\"b\":[\"x\",\"y\"],\"a\":\"p&q\",\"c\":null,\"d\":\"\",\"file\":\"f\"}\n";
    let ran = run(ACCOUNT, &["sign", "--batch"], input).await;
    assert_eq!(ran.code, Some(1));
    insta::assert_snapshot!(ran.stdout, @r#"
    {"string_to_sign":"public_id=sample_image&timestamp=1315060510","signature":"b4ad47fb4e25c7bf5f92a20089f9db59bc302313"}
    {"error":"line 3: is not JSON: expected ident (column 2)"}
    {"error":"line 4: is not a JSON object"}
    {"error":"line 5: `a` holds an object, which is not signed: write it as the text that is sent, such as k=v|k2=v2"}
    {"string_to_sign":"a=p%26q&b=x,y&file=f","signature":"a87a42bcd1aecde350bad0a6b2537f1f7ad558d3"}
    "#);
}

#[tokio::test]
async fn algorithm_version_and_secret_can_be_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "hdcixPpR2iKERPwqvH6sHdK9cyac\n").unwrap();
    let secret = secret.to_str().unwrap();
    let input =
        "{\"cloud_name\":\"dn6ot3ged\",\"timestamp\":1568810420,\"username\":\"user@cloudinary.com\"}";
    let ran = run("", &["sign", "--batch", "--algorithm", "sha256", "--secret-file", secret], input).await;
    assert!(
        ran.stdout.contains("45ddaa4fa01f0c2826f32f669d2e4514faf275fe6df053f1a150e7beae58a3bd"),
        "{ran:?}"
    );
    let input = "{\"cloud_name\":\"dn6ot3ged\",\"timestamp\":1568810420,\"notification_url\":\"https://fake.com/callback?a=1&tags=hello,world\"}";
    let arguments = ["sign", "--batch", "--signature-version", "1", "--secret-file", secret];
    let ran = run("", &arguments, input).await;
    assert!(ran.stdout.contains("7b4e3a539ff1fa6e6700c41b3a2ee77586a025f9"), "{ran:?}");
}

#[tokio::test]
async fn a_missing_secret_and_mixed_ways_are_usage() {
    for arguments in [
        &["sign", "--batch"][..],
        &["sign", "--batch", "--secret-file", "nowhere"],
        &["sign", "--batch", "--secret-file", "/dev/null"],
        &["sign", "--secret-file", "/dev/null"],
        &["sign", "--batch", "--param", "a=1"],
        &["sign", "--batch", "--algorithm", "md5"],
        &["sign", "--batch", "--signature-version", "3"],
    ] {
        let ran = run("", arguments, "{}").await;
        assert!(ran.code == Some(2) && ran.stdout.is_empty(), "{arguments:?} {ran:?}");
    }
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_error() {
    let input = "{\"a\":1}\n".repeat(100_000);
    let ran = Command::new("sh")
        .args(["-c", "\"$0\" sign --batch | head -n 1; exit 0", env!("CARGO_BIN_EXE_countersign")])
        .env("CLOUDINARY_URL", ACCOUNT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = ran.unwrap();
    // The command stops reading once nobody reads what it writes.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1);
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn memory_stays_flat_however_many_lines_come() {
    let is_thorough = std::env::vars().any(|(name, _)| name == "COUNTERSIGN_THOROUGH");
    let lines = if is_thorough { 1_000_000 } else { 200_000 };
    let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["sign", "--batch"])
        .env("CLOUDINARY_URL", ACCOUNT)
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    exchange(&mut stdin, &mut stdout, 1_000);
    let after_few = peak_kilobytes(child.id());
    exchange(&mut stdin, &mut stdout, lines);
    let after_all = peak_kilobytes(child.id());
    assert!(
        after_all < after_few + 1_024,
        "{after_few} kB after 1,000 lines, {after_all} kB after {lines} more"
    );
    assert!(after_all < 32 * 1024, "{after_all} kB");
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

/// Sends so many lines and reads so many answers.
fn exchange(stdin: &mut ChildStdin, stdout: &mut BufReader<ChildStdout>, count: usize) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut stdin = BufWriter::new(stdin);
            for number in 0..count {
                let tags = r#"["a","b&c"]"#;
                writeln!(stdin, r#"{{"timestamp":{number},"public_id":"folder/é{number}","tags":{tags}}}"#)
                    .unwrap();
            }
        });
        let mut line = String::new();
        for _ in 0..count {
            line.clear();
            assert!(stdout.read_line(&mut line).unwrap() > 0);
        }
    });
}

/// The most memory that a process has held.
fn peak_kilobytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}
