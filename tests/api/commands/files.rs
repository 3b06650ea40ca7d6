//! `countersign download-url` and `countersign delete`, on files that are there.

use serde_json::Value;

use super::{account, run};
use crate::helpers::{TestApp, png};

/// Uploads a private picture; its public id and its URL.
async fn stored(app: &TestApp) -> (String, String) {
    let (_, answer) = app.upload("?should_secure_asset=true", "a.png", png(2, 2)).await;
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    (text("public_id"), text("secure_url"))
}

#[tokio::test]
async fn a_download_link_opens_the_private_original_and_dies() {
    let app = TestApp::spawn().await;
    let (public_id, _) = stored(&app).await;
    let ran = run(&account(&app), &["download-url", &public_id, "png", "--expires-in", "120"], "").await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let url = ran.stdout.trim();
    let answer = app.client.get(url).send().await.unwrap();
    assert_eq!(answer.bytes().await.unwrap(), png(2, 2));
    let end = url::Url::parse(url).unwrap();
    let end = end.query_pairs().find(|(name, _)| name == "expires_at").unwrap().1.parse::<i64>().unwrap();
    app.control("clock", serde_json::json!({ "set": end })).await;
    assert_eq!(app.client.get(url).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_download_that_cannot_be_is_usage() {
    for arguments in [
        &["download-url"][..],
        &["download-url", "a"],
        &["download-url", "a/../b", "jpg"],
        &["download-url", "a", "j/pg"],
        &["download-url", "a", "jpg", "--type", "fetch"],
        &["download-url", "a", "jpg", "--resource-type", "auto"],
        &["download-url", "a", "jpg", "--expires-in", "0"],
        &["download-url", "a", "jpg", "--expires-in", "3601"],
    ] {
        let ran = run("cloudinary://1:2@demo", arguments, "").await;
        assert!(ran.code == Some(2) && ran.stdout.is_empty(), "{arguments:?} {ran:?}");
    }
    let raw = ["download-url", "a.docx", "--resource-type", "raw"];
    assert_eq!(run("cloudinary://1:2@demo", &raw, "").await.code, Some(0));
}

#[tokio::test]
async fn a_deletion_says_what_became_of_every_url_and_can_be_repeated() {
    let app = TestApp::spawn().await;
    let (first_id, first) = stored(&app).await;
    let (second_id, second) = stored(&app).await;
    let ran = run(&account(&app), &["delete", &first], "").await;
    assert_eq!((ran.code, ran.stdout), (Some(0), format!("deleted  {first_id}  {first}\n")));
    let ran = run(&account(&app), &["delete", &first, &second, "--json"], "").await;
    assert_eq!(ran.code, Some(0));
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0], serde_json::json!({"url":first,"public_id":first_id,"outcome":"not_found"}));
    assert_eq!(lines[1], serde_json::json!({"url":second,"public_id":second_id,"outcome":"deleted"}));
}

#[tokio::test]
async fn a_file_that_may_still_be_there_makes_the_exit_code_1() {
    let app = TestApp::spawn().await;
    let (_, url) = stored(&app).await;
    let fault = serde_json::json!([{"method":"DELETE","path":"/resources/","status":400,"body":"{\"error\":{\"message\":\"no\"}}"}]);
    app.control("faults", fault).await;
    let ran = run(&account(&app), &["delete", &url], "").await;
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stdout.starts_with("failed  ") && ran.stdout.contains("the provider answered 400: no"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn one_bad_url_keeps_all_the_others() {
    let app = TestApp::spawn().await;
    let (_, url) = stored(&app).await;
    let other = "https://res.cloudinary.com/theirs/image/upload/v1/a.jpg";
    let ran = run(&account(&app), &["delete", &url, other, "nonsense"], "").await;
    assert_eq!(ran.code, Some(2));
    insta::assert_snapshot!(ran.stderr, @"
    countersign: nothing was deleted:
      - https://res.cloudinary.com/theirs/image/upload/v1/a.jpg is on the cloud `theirs`, not on `demo`
      - nonsense must begin with https://
    ");
    assert!(app.provider_requests().await.iter().all(|request| !request.starts_with("DELETE")));
}
