//! Twelve promises that the Express app of the same routes breaks; each is kept here, and each test performs the break.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::helpers::{TestApp, png, text};

#[tokio::test]
async fn defect_1_should_secure_asset_true_makes_the_asset_private() {
    let app = TestApp::spawn().await;
    let (_, asset) = app.upload("?should_secure_asset=true", "passport.png", png(2, 2)).await;
    assert_eq!(asset["type"], "private");
    let answer = app.client.get(text(&asset["secure_url"])).send().await.unwrap();
    assert!(answer.status().is_client_error(), "{}", answer.status());
}

#[tokio::test]
async fn defect_2_the_demo_page_uploads_with_a_signature_and_says_what_happens() {
    let app = TestApp::spawn().await;
    let page = app.get("/unsigned").send().await.unwrap().text().await.unwrap();
    for part in ["type=\"file\"", "multiple", "<progress", "aria-live", "/static/demo.js"] {
        assert!(page.contains(part) || script(&app, "demo.js").await.contains(part), "{part}");
    }
    let library = script(&app, "countersign.js").await;
    for part in ["/upload-signature", "api_key", "signature", "XMLHttpRequest"] {
        assert!(library.contains(part), "{part}");
    }
}

async fn script(app: &TestApp, name: &str) -> String {
    app.get(&format!("/static/{name}")).send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn defect_3_cloud_name_and_api_key_are_in_the_answer() {
    let app = TestApp::spawn().await;
    let data = app.data("/upload-signature").await;
    assert_eq!((&data["cloudname"], &data["apiKey"]), (&json!("demo"), &json!("123")));
}

#[tokio::test]
async fn defect_4_deletion_addresses_the_delivery_type_of_the_url() {
    let app = TestApp::spawn().await;
    let (_, asset) = app.upload("?should_secure_asset=true", "passport.png", png(2, 2)).await;
    let (_, body) = app.delete_urls(&[&text(&asset["secure_url"])]).await;
    assert_eq!(body["data"]["deleteResponse"][0]["type"], "private");
    assert_eq!(body["data"]["results"][0]["outcome"], "deleted");
}

#[tokio::test]
async fn defect_5_only_urls_of_our_cloud_on_its_own_hosts_are_accepted() {
    let app = TestApp::spawn().await;
    for url in
        ["https://example.com/demo/image/upload/a.jpg", "https://res.cloudinary.com/other/image/upload/a.jpg"]
    {
        let (status, _) = app.delete_urls(&[url]).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{url}");
    }
    assert_eq!(app.provider_requests().await, Vec::<String>::new());
}

#[tokio::test]
async fn defect_6_the_public_id_is_right_in_every_form_of_url() {
    let app = TestApp::spawn().await;
    for (path, public_id) in [
        ("image/upload/c_fill,w_100/v1/my_folder/x.png", "my_folder/x"),
        ("image/upload/my_folder/x.png", "my_folder/x"),
        ("image/upload/v1/w_100/logo.png", "w_100/logo"),
        ("image/authenticated/s--Ai4Znfl3--/v1234/image.jpg", "image"),
        ("images/v1/test/hello.jpg", "test"),
        ("raw/upload/v1/reports/final.v2.pdf", "reports/final.v2.pdf"),
        ("image/upload/v1/caf%C3%A9/a%20b.jpg", "café/a b"),
    ] {
        let (_, body) = app.delete_urls(&[&format!("https://res.cloudinary.com/demo/{path}")]).await;
        assert_eq!(body["data"]["results"][0]["publicId"], public_id, "{path}");
    }
}

#[tokio::test]
async fn defect_7_a_failed_call_loses_no_other_outcome_and_no_call_is_too_long() {
    let app = TestApp::spawn().await;
    app.control(
        "faults",
        json!([{"method": "DELETE", "path": "/resources/video/", "status": 401, "body": "{}"}]),
    )
    .await;
    let mut urls: Vec<_> = (0..150)
        .map(|index| format!("https://res.cloudinary.com/demo/image/upload/v1/a/{index}.jpg"))
        .collect();
    urls.push("https://res.cloudinary.com/demo/video/upload/v1/a.mp4".to_owned());
    let urls: Vec<_> = urls.iter().map(String::as_str).collect();
    let (status, body) = app.delete_urls(&urls).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    let outcomes: Vec<&Value> =
        body["data"]["results"].as_array().unwrap().iter().map(|result| &result["outcome"]).collect();
    assert!(outcomes[..150].iter().all(|outcome| *outcome == "not_found"));
    assert_eq!(outcomes[150], "failed");
    assert_eq!(app.provider_requests().await.len(), 3, "100 + 50 images, 1 video");
}

#[tokio::test]
async fn defect_8_a_download_link_names_resource_type_and_delivery_type() {
    let app = TestApp::spawn().await;
    let (_, asset) = app.upload("?should_secure_asset=true", "passport.png", png(2, 2)).await;
    let path = format!("/download-url?public_id={}&format=png", text(&asset["public_id"]));
    let url = text(&app.data(&path).await["downloadUrl"]);
    assert!(url.contains("/image/download?") && url.contains("type=private"), "{url}");
    assert_eq!(app.client.get(&url).send().await.unwrap().status(), 200);
}

/// The recipe itself is held against the signer by a property test beside it; here, what it guards.
#[tokio::test]
async fn defect_9_no_value_that_a_client_chooses_can_smuggle_a_parameter() {
    let app = TestApp::spawn().await;
    for path in [
        "/download-url?public_id=a%26type%3Dupload&format=jpg",
        "/download-url?public_id=a&format=jpg%26expires_at%3D9999999999",
        "/upload-signature?resource_type=image%26overwrite%3Dtrue",
        "/upload-signature?should_secure_asset=true%26public_id%3Dx",
    ] {
        assert_eq!(app.get_json(path).await.0, StatusCode::BAD_REQUEST, "{path}");
    }
}

// Defect 10, URLs and bodies in the log, is performed on a whole process in `logs`.

#[tokio::test]
async fn defect_11_arrays_and_objects_in_the_query_do_not_become_text() {
    let app = TestApp::spawn().await;
    for path in [
        "/download-url?public_id[]=a&format=jpg",
        "/download-url?public_id=a&public_id=b&format=jpg",
        "/download-url?public_id[a]=b&format=jpg",
        "/upload-signature?should_secure_asset[]=true",
    ] {
        assert_eq!(app.get_json(path).await.0, StatusCode::BAD_REQUEST, "{path}");
    }
}

#[tokio::test]
async fn defect_12_no_url_keeps_the_server_busy_or_names_another_file() {
    let app = TestApp::spawn().await;
    let began = Instant::now();
    for repeats in [30, 300, 3_000] {
        let url = format!("https://res.cloudinary.com/demo/image/upload/{}!", "a_b-c/".repeat(repeats));
        app.delete_urls(&[&url]).await;
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let (_, body) = app.delete_urls(&["https://res.cloudinary.com/demo/image/upload/my_folder/x.png"]).await;
    assert_eq!(body["data"]["results"][0]["publicId"], "my_folder/x");
}
