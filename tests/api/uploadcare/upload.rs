//! The emulator's Upload API and CDN.

use countersign::signing::uploadcare::upload_signature;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::client::{PUBLIC_KEY, SECRET_KEY};
use crate::helpers::{NOW, TestApp, png, text};

/// `code: content` of a refusal in a 200.
fn refusal((status, body): &(reqwest::StatusCode, Value)) -> String {
    assert_eq!(status.as_u16(), 200, "{body}");
    let error = &body["error"];
    format!("{} {}: {}", error["status_code"], text(&error["error_code"]), text(&error["content"]))
}

#[tokio::test]
async fn a_file_is_described_and_delivered_as_it_was_sent() {
    let app = TestApp::spawn().await;
    let picture = png(3, 2);
    let id = app.upload_file("cat picture.png", picture.clone()).await;
    let (_, mut info) = app.get_upload(&format!("/info/?pub_key={PUBLIC_KEY}&file_id={id}")).await;
    assert_eq!((&info["uuid"], &info["file_id"]), (&json!(id), &json!(id)));
    info["uuid"].take();
    info["file_id"].take();
    insta::assert_json_snapshot!(info, @r#"
    {
      "content_info": {
        "image": {
          "color_mode": "RGB",
          "datetime_original": null,
          "dpi": null,
          "format": "PNG",
          "geo_location": null,
          "height": 2,
          "orientation": null,
          "sequence": false,
          "width": 3
        },
        "mime": {
          "mime": "image/png",
          "subtype": "png",
          "type": "image"
        }
      },
      "done": 45,
      "file_id": null,
      "filename": "cat_picture.png",
      "image_info": {
        "color_mode": "RGB",
        "datetime_original": null,
        "dpi": null,
        "format": "PNG",
        "geo_location": null,
        "height": 2,
        "orientation": null,
        "sequence": false,
        "width": 3
      },
      "is_image": true,
      "is_ready": true,
      "is_stored": true,
      "metadata": {},
      "mime_type": "image/png",
      "original_filename": "cat picture.png",
      "size": 45,
      "total": 45,
      "uuid": null,
      "video_info": null
    }
    "#);
    for path in [format!("/{id}/"), format!("/{id}/cat.png"), format!("/{id}/-/resize/1x/cat.png")] {
        let answer = app.client.get(app.provider(&path)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["content-type"], "image/png");
        assert_eq!(answer.headers().contains_key("x-countersign-emulator"), path.contains("/-/"));
        assert_eq!(answer.bytes().await.unwrap(), picture);
    }
}

#[tokio::test]
async fn the_answer_names_each_file_by_its_field() {
    let app = TestApp::spawn().await;
    let part = |name: &str| Part::bytes(b"text".to_vec()).file_name(name.to_owned());
    let form = app.signed_form().await.part("a.txt", part("one")).part("b.txt", part("two"));
    let form = form
        .text("metadata[user id]", "left out")
        .text("metadata[user_id]", "7")
        .text("UPLOADCARE_STORE", "0");
    let (_, body) = app.post_upload("/base/", form).await;
    let id = text(&body["b.txt"]);
    assert_eq!(body.as_object().unwrap().len(), 2);
    let (_, info) = app.get_upload(&format!("/info/?pub_key={PUBLIC_KEY}&file_id={id}")).await;
    assert_eq!((&info["metadata"], &info["is_stored"]), (&json!({"user_id": "7"}), &json!(false)));
}

#[tokio::test]
async fn checks_come_in_the_order_of_the_documentation() {
    let app = TestApp::spawn().await;
    let sign = |expire: i64| upload_signature(&SECRET_KEY.into(), &expire.to_string()).to_string();
    let mut seen = Vec::new();
    for fields in [
        vec![("file", "no file".to_owned())],
        vec![("UPLOADCARE_PUB_KEY", "other".to_owned())],
        vec![("UPLOADCARE_PUB_KEY", PUBLIC_KEY.to_owned())],
        vec![("UPLOADCARE_PUB_KEY", PUBLIC_KEY.to_owned()), ("signature", "x".to_owned())],
        vec![
            ("UPLOADCARE_PUB_KEY", PUBLIC_KEY.to_owned()),
            ("signature", sign(NOW.0 * 1_000)),
            ("expire", (NOW.0 * 1_000).to_string()),
        ],
        vec![
            ("UPLOADCARE_PUB_KEY", PUBLIC_KEY.to_owned()),
            ("signature", sign(NOW.0 - 1)),
            ("expire", (NOW.0 - 1).to_string()),
        ],
        vec![
            ("UPLOADCARE_PUB_KEY", PUBLIC_KEY.to_owned()),
            ("signature", sign(NOW.0 + 1)),
            ("expire", (NOW.0 + 2).to_string()),
        ],
        vec![
            ("UPLOADCARE_PUB_KEY", PUBLIC_KEY.to_owned()),
            ("signature", sign(NOW.0)),
            ("expire", NOW.0.to_string()),
        ],
    ] {
        let form = fields.into_iter().fold(Form::new(), |form, (name, value)| form.text(name, value));
        seen.push(refusal(&app.post_upload("/base/", form).await));
    }
    insta::assert_snapshot!(seen.join("\n"), @"
    403 ProjectPublicKeyRequiredError: UPLOADCARE_PUB_KEY is required.
    403 ProjectPublicKeyInvalidError: UPLOADCARE_PUB_KEY is invalid.
    400 SignatureRequiredError: `signature` is required.
    400 SignatureExpirationRequiredError: `expire` is required.
    400 SignatureExpirationInvalidError: `expire` must be a UNIX timestamp.
    403 SignatureExpirationError: Expired signature.
    403 SignatureInvalidError: Invalid signature.
    400 FilesRequiredError: Request does not contain files.
    ");
}

#[tokio::test]
async fn without_jsonerrors_a_refusal_is_plain_text_with_its_own_status() {
    let app = TestApp::spawn().await;
    let form = Form::new().text("UPLOADCARE_PUB_KEY", PUBLIC_KEY).text("signature", "x").text("expire", "60");
    let request = app.client.post(app.provider("/uploadcare/base/")).multipart(form);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 403);
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(answer.text().await.unwrap(), "Expired signature.");
}

#[tokio::test]
async fn any_page_may_upload() {
    let app = TestApp::spawn().await;
    let request = app
        .client
        .request(reqwest::Method::OPTIONS, app.provider("/uploadcare/base/?jsonerrors=1"))
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "x-uc-user-agent");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    assert!(answer.headers()["access-control-allow-headers"].to_str().unwrap().contains("x-uc-user-agent"));
}

/// Starts a multipart upload of `size` bytes.
async fn start(app: &TestApp, size: u64, part_size: u64) -> (reqwest::StatusCode, Value) {
    let form = app
        .signed_form()
        .await
        .text("filename", "film.bin")
        .text("size", size.to_string())
        .text("part_size", part_size.to_string())
        .text("content_type", "application/x-film");
    app.post_upload("/multipart/start/", form).await
}

async fn complete(app: &TestApp, id: &Value) -> (reqwest::StatusCode, Value) {
    let form = Form::new().text("uuid", text(id)).text("UPLOADCARE_PUB_KEY", PUBLIC_KEY);
    app.post_upload("/multipart/complete/", form).await
}

async fn put_part(app: &TestApp, address: &Value, bytes: &[u8]) -> u16 {
    let request = app.client.put(text(address)).body(bytes.to_vec());
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_large_file_comes_in_parts_in_any_order() {
    const PART: usize = 5_242_880;
    let app = TestApp::spawn().await;
    let mut film = vec![0; 2 * PART + 1_000_000];
    rand::fill(&mut film[..]);
    let (_, started) = start(&app, film.len() as u64, PART as u64).await;
    let parts = started["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 3, "{started}");
    for index in [2, 0] {
        let end = film.len().min((index + 1) * PART);
        assert_eq!(put_part(&app, &parts[index], &film[index * PART..end]).await, 200);
    }
    assert_eq!(
        refusal(&complete(&app, &started["uuid"]).await),
        "400 MultipartUploadSizeTooSmallError: File size mismatch. Not all parts uploaded?"
    );
    assert_eq!(put_part(&app, &parts[1], &film[PART..2 * PART]).await, 200);
    let (_, info) = complete(&app, &started["uuid"]).await;
    assert_eq!((&info["uuid"], &info["is_ready"]), (&started["uuid"], &json!(true)), "{info}");
    assert_eq!((&info["mime_type"], &info["size"]), (&json!("application/x-film"), &json!(film.len())));
    let answer = app.client.get(app.provider(&format!("/{}/", text(&info["uuid"])))).send().await.unwrap();
    assert!(answer.bytes().await.unwrap() == film);
    assert_eq!(
        refusal(&complete(&app, &started["uuid"]).await),
        "400 MultipartFileAlreadyUploadedError: File is already uploaded."
    );
}

#[tokio::test]
async fn sizes_and_parts_that_cannot_be_are_refused() {
    let app = TestApp::spawn().await;
    let mut seen = Vec::new();
    for (size, part_size) in [(10_485_759, 5_242_880), (10_485_760, 5_242_879), (1 << 40, 5_242_880)] {
        seen.push(refusal(&start(&app, size, part_size).await));
    }
    seen.push(refusal(&complete(&app, &json!("no uuid")).await));
    seen.push(refusal(&complete(&app, &json!("52da3bfc-7cd8-4861-8b05-126fef7a6994")).await));
    insta::assert_snapshot!(seen.join("\n"), @"
    400 MultipartFileSizeTooSmallError: File size can not be less than 10485760 bytes. Please use direct upload instead of multipart.
    400 MultipartPartSizeTooSmallError: Multipart Upload Part Size can not be less than 5242880 bytes.
    400 MultipartFileSizeLimitExceededError: File size exceeds project limit.
    400 UUIDInvalidError: uuid is invalid.
    404 MultipartFileNotFoundError: File is not found.
    ");
    let (_, started) = start(&app, 10_485_760, 5_242_880).await;
    assert_eq!(put_part(&app, &started["parts"][0], &vec![0; 5_242_881]).await, 400);
    let strange = format!("{}2", text(&started["parts"][1]).strip_suffix('1').unwrap());
    assert_eq!(put_part(&app, &json!(strange), b"x").await, 404);
}

#[tokio::test]
async fn groups_hold_files_that_are_there() {
    let app = TestApp::spawn().await;
    let first = app.upload_file("a.txt", b"first".to_vec()).await;
    let second = app.upload_file("b.txt", b"second".to_vec()).await;
    let form = |files: [String; 2]| async {
        let form = app.signed_form().await.text("pub_key", PUBLIC_KEY);
        files.into_iter().fold(form, |form, file| form.text("files[]", file))
    };
    let effects = format!("{second}/-/resize/1x/");
    let (_, group) = app.post_upload("/group/", form([first.clone(), effects]).await).await;
    assert!(text(&group["id"]).ends_with("~2"), "{group}");
    assert_eq!(group["files"][1]["default_effects"], "resize/1x/");
    let id = text(&group["id"]);
    let (_, shown) = app.get_upload(&format!("/group/info/?pub_key={PUBLIC_KEY}&group_id={id}")).await;
    assert_eq!(shown, group);
    let answer = app.client.get(app.provider(&format!("/{id}/nth/1/"))).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "second");

    let strange = "52da3bfc-7cd8-4861-8b05-126fef7a6994".to_owned();
    let refused = app.post_upload("/group/", form([first, strange]).await).await;
    assert_eq!(refusal(&refused), "400 GroupFilesNotFoundError: Some files not found.");
}

#[tokio::test]
async fn uploads_from_urls_are_checked_and_refused() {
    let app = TestApp::spawn().await;
    let form = app.signed_form().await.text("pub_key", PUBLIC_KEY).text("source_url", "http://127.0.0.1/");
    let refused = app.post_upload("/from_url/", form).await;
    assert_eq!(refusal(&refused), "400 NotEmulatedError: Not emulated: uploads from URLs");
    let unsigned = app.post_upload("/from_url/", Form::new().text("pub_key", PUBLIC_KEY)).await;
    assert_eq!(refusal(&unsigned), "400 SignatureRequiredError: `signature` is required.");
}
