//! The commands, for Uploadcare.

use countersign::signing::uploadcare::upload_signature;
use serde_json::{Value, json};

use crate::helpers::{command, text};

async fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = command(arguments).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn sign_makes_the_pair_that_clients_send() {
    let keys = ["--uploadcare-public-key", "demopublickey", "--uploadcare-secret-key", "demosecretkey"];
    let (code, out, _) = run(&[&["sign", "--provider", "uploadcare", "--json"][..], &keys].concat()).await;
    let signed: Value = serde_json::from_str(&out).unwrap();
    let expire = text(&signed["expire"]);
    assert_eq!(code, Some(0));
    assert_eq!(signed["signature"], upload_signature(&"demosecretkey".into(), &expire).as_str());
    assert_eq!(signed["public_key"], "demopublickey");
    let (_, shown, _) = run(&[&["sign", "--provider", "uploadcare"][..], &keys].concat()).await;
    assert!(shown.contains("string to sign") && !shown.contains("demosecretkey"), "{shown}");
}

#[tokio::test]
async fn sign_without_keys_or_with_parameters_is_wrong_usage() {
    for (arguments, expected) in [
        (&["sign", "--provider", "uploadcare"][..], "UPLOADCARE_PUBLIC_KEY: is not set"),
        (&["sign", "--provider", "uploadcare", "--param", "folder=a"], "nothing but the time"),
        (&["sign", "--provider", "s3"], "invalid value"),
    ] {
        let (code, _, error) = run(arguments).await;
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn inspect_url_reads_cdn_urls() {
    let url = "https://1s4oyld5dc.ucarecd.net/52da3bfc-7cd8-4861-8b05-126fef7a6994~3/nth/1/-/preview/a.jpg";
    let (code, out, _) = run(&["inspect-url", url, "https://ucarecdn.com/no-uuid/"]).await;
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(code, Some(1));
    assert_eq!(
        lines[0],
        json!({"url": url, "provider": "uploadcare", "uuid": "52da3bfc-7cd8-4861-8b05-126fef7a6994",
            "files": 3, "nth": 1, "operations": "-/preview/", "filename": "a.jpg"})
    );
    assert_eq!(lines[1]["error"], "the URL has no file id (a UUID) as its first segment");
}
