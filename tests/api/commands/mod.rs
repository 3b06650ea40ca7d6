//! The commands as their users run them: the real program, its standard streams and its exit codes.

mod batch;
mod check;
mod curl;
mod explain;
mod files;
mod inspect_url;
mod mutated_urls;
mod profile_test;
mod sign;
mod small;

use std::process::Stdio;

use tokio::io::AsyncWriteExt;

use crate::helpers::{TestApp, command};

/// What a command did.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    /// Everything that a user sees.
    fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Runs the program with `input` on standard input, signing for `account` if there is one.
async fn run(account: &str, arguments: &[&str], input: &str) -> Ran {
    let mut command = command(arguments);
    if !account.is_empty() {
        command.env("CLOUDINARY_URL", account);
    }
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let feeding = tokio::spawn(async move {
        // A command that stops early reads no further.
        let _ = stdin.write_all(input.as_bytes()).await;
    });
    let output = child.wait_with_output().await.unwrap();
    feeding.await.unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The account that [`TestApp`] signs for, with its emulator.
fn account(app: &TestApp) -> String {
    format!("cloudinary://123:abcd@demo?upload_prefix={}", app.emulator_origin)
}
