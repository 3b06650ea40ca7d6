//! `countersign sign`: one upload, step by step.

use serde_json::Value;

use super::run;

const ACCOUNT: &str = "cloudinary://123:abcd@demo";

#[tokio::test]
async fn every_step_from_parameters_to_signature_is_shown() {
    let arguments = ["sign", "--param", "public_id=sample_image", "--param", "timestamp=1315060510"];
    let ran = run(ACCOUNT, &arguments, "").await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    insta::assert_snapshot!(ran.stdout, @"
    parameters      public_id=sample_image
                    timestamp=1315060510
    string to sign  public_id=sample_image&timestamp=1315060510
    signature       b4ad47fb4e25c7bf5f92a20089f9db59bc302313 (sha1, version 2)
    api key         123
    upload to       https://api.cloudinary.com/v1_1/demo/auto/upload
    accepted until  2011-09-03T15:35:10Z (1315064110)
    ");
    assert!(!ran.all().contains("abcd") && ran.stderr.is_empty());
}

#[tokio::test]
async fn json_holds_everything_a_client_sends() {
    let arguments = [
        "sign",
        "--json",
        "--algorithm",
        "sha256",
        "--signature-version",
        "1",
        "--resource-type",
        "raw",
        "--param",
        "timestamp=1315060510",
        "--param",
        "public_id=sample_image",
        "--param",
        "eager=w_400,h_300,c_pad|w_260,h_200,c_crop",
    ];
    let ran = run(ACCOUNT, &arguments, "").await;
    insta::assert_snapshot!(ran.stdout, @r#"{"payload":{"timestamp":"1315060510","public_id":"sample_image","eager":"w_400,h_300,c_pad|w_260,h_200,c_crop"},"string_to_sign":"eager=w_400,h_300,c_pad|w_260,h_200,c_crop&public_id=sample_image&timestamp=1315060510","signature":"cc927e1290f9e3ae4c1a741eda21a4630b4ce80f9ce0bc0296337d25cf40f91e","algorithm":"sha256","signature_version":1,"cloud_name":"demo","api_key":"123","expires_at":1315064110,"upload_url":"https://api.cloudinary.com/v1_1/demo/raw/upload"}"#);
}

#[tokio::test]
async fn a_profile_sets_the_timestamp_back_and_takes_further_parameters() {
    let ran = run(ACCOUNT, &["sign", "--profile", "default", "--param", "tags=a", "--json"], "").await;
    let signed: Value = serde_json::from_str(&ran.stdout).unwrap();
    let payload = &signed["payload"];
    assert_eq!(payload["folder"], "kyc/1");
    assert_eq!(payload["tags"], "a");
    let timestamp = payload["timestamp"].as_i64().unwrap();
    assert_eq!(signed["expires_at"].as_i64().unwrap(), timestamp + 3_600);
}

#[tokio::test]
async fn without_a_profile_the_time_is_signed_beside_what_is_given() {
    let ran = run(ACCOUNT, &["sign", "--json", "--param", "tags=", "--param", "folder=a"], "").await;
    let signed: Value = serde_json::from_str(&ran.stdout).unwrap();
    let payload = signed["payload"].as_object().unwrap();
    assert_eq!(payload.keys().map(String::as_str).collect::<Vec<_>>(), ["folder", "timestamp"]);
    assert!(payload["timestamp"].as_i64().unwrap() > 1_720_000_000);
}

#[tokio::test]
async fn what_is_never_signed_is_refused_with_the_place_it_belongs_to() {
    for (param, expected) in [
        ("file=a.jpg", "--file"),
        ("resource_type=raw", "--resource-type"),
        ("cloud_name=demo", "account"),
        ("api_key=123", "account"),
        ("signature=ab", "what this command makes"),
        ("folder", "NAME=VALUE"),
        ("=x", "no name"),
        ("timestamp=soon", "whole seconds"),
        ("timestamp=1720000000000000", "whole seconds"),
    ] {
        let ran = run(ACCOUNT, &["sign", "--param", param], "").await;
        assert_eq!(ran.code, Some(2), "{param}");
        assert!(ran.stderr.contains(expected) && ran.stdout.is_empty(), "{param}: {}", ran.stderr);
    }
}

#[tokio::test]
async fn a_name_that_is_given_twice_is_refused() {
    for arguments in [
        &["sign", "--param", "a=1", "--param", "a=2"][..],
        &["sign", "--profile", "default", "--param", "folder=x"],
    ] {
        let ran = run(ACCOUNT, arguments, "").await;
        assert!(ran.code == Some(2) && ran.stderr.contains("already"), "{}", ran.stderr);
    }
}

#[tokio::test]
async fn an_unknown_profile_and_a_missing_account_are_usage() {
    let ran = run(ACCOUNT, &["sign", "--profile", "nope"], "").await;
    assert!(ran.code == Some(2) && ran.stderr.contains("there is no profile `nope`"), "{}", ran.stderr);
    let ran = run("", &["sign"], "").await;
    assert!(ran.code == Some(2) && ran.stderr.contains("CLOUDINARY_URL"), "{}", ran.stderr);
}
