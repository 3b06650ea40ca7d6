//! Uploads that succeed, and what is said about them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::signing::Algorithm;
use countersign::signing::cloudinary::{SignatureVersion, upload_response_signature};
use reqwest::multipart::{Form, Part};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::media::{book, film, jpeg, mp4, pdf, png, sound, svg, wav};
use super::server::{KEY, SECRET, Server, signed, signed_with, told, with_fields};

const UPLOAD: &str = "/v1_1/emulator/image/upload";

#[tokio::test]
async fn a_signed_upload_is_answered_as_the_provider_does() {
    let server = Server::start().await;
    let params = [
        ("public_id", "cat"),
        ("folder", "kyc/1"),
        ("tags", "a, b"),
        ("context", r"alt=x\=y|caption=z"),
        ("moderation", "manual"),
        ("display_name", "The cat"),
        ("asset_folder", "animals"),
    ];
    let mut answer = server.store(UPLOAD, png(), "My Cat.PNG", &params).await;
    hide_what_varies(&mut answer, &server.origin);
    insta::assert_json_snapshot!(answer, @r#"
    {
      "access_mode": "public",
      "api_key": "emulator-key",
      "asset_folder": "animals",
      "asset_id": "<32 hex>",
      "bytes": 45,
      "context": {
        "custom": {
          "alt": "x=y",
          "caption": "z"
        }
      },
      "created_at": "2024-07-03T09:46:40Z",
      "display_name": "The cat",
      "etag": "8f9c0345d2bfc22b919e91482689f000",
      "folder": "kyc/1",
      "format": "png",
      "height": 2,
      "moderation": [
        {
          "kind": "manual",
          "status": "pending"
        }
      ],
      "original_filename": "My Cat",
      "placeholder": false,
      "public_id": "kyc/1/cat",
      "resource_type": "image",
      "secure_url": "<origin>/emulator/image/upload/v1720000000/kyc/1/cat.png",
      "signature": "dd5ed0dd13c675af7aa9da0e33eaad39aebe80ff",
      "tags": [
        "a",
        "b"
      ],
      "type": "upload",
      "url": "<origin>/emulator/image/upload/v1720000000/kyc/1/cat.png",
      "version": 1720000000,
      "version_id": "<32 hex>",
      "width": 3
    }
    "#);
}

/// Puts words in the place of random ids and of the port.
fn hide_what_varies(answer: &mut Value, origin: &str) {
    for id in ["asset_id", "version_id"] {
        let text = answer[id].as_str().unwrap().to_owned();
        assert!(text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()), "{text}");
        answer[id] = json!("<32 hex>");
    }
    for url in ["url", "secure_url"] {
        let text = answer[url].as_str().unwrap().replace(origin, "<origin>");
        answer[url] = json!(text);
    }
}

#[tokio::test]
async fn the_answer_is_signed_with_the_callers_hash() {
    let server = Server::start().await;
    for algorithm in [Algorithm::Sha1, Algorithm::Sha256] {
        let fields = signed_with(&[("public_id", "a")], SECRET, algorithm, SignatureVersion::V1);
        let response = server.upload_with(UPLOAD, png(), "a.png", &fields).send().await.unwrap();
        let answer: Value = response.json().await.unwrap();
        let version = answer["version"].as_u64().unwrap();
        let ours = upload_response_signature("a", version, &SecretString::from(SECRET), algorithm);
        assert_eq!(answer["signature"], ours.as_str());
    }
}

#[tokio::test]
async fn both_hashes_and_both_versions_of_the_string_are_accepted() {
    let server = Server::start().await;
    for algorithm in [Algorithm::Sha1, Algorithm::Sha256] {
        for version in [SignatureVersion::V1, SignatureVersion::V2] {
            let params = [("context", "alt=a&b"), ("tags", "x&y")];
            let fields = signed_with(&params, SECRET, algorithm, version);
            let response = server.upload_with(UPLOAD, png(), "a.png", &fields).send().await.unwrap();
            assert_eq!(response.status(), 200, "{algorithm:?} {version:?}");
        }
    }
}

#[tokio::test]
async fn fields_may_come_before_the_file_after_it_or_in_the_query() {
    let server = Server::start().await;
    let fields = signed(&[("folder", "f")]);
    let file = || Part::bytes(png()).file_name("a.png");

    let before = with_fields(Form::new(), &fields).part("file", file());
    assert_eq!(server.post(UPLOAD, before).send().await.unwrap().status(), 200);

    let only_file = Form::new().part("file", file());
    let request = server.post(UPLOAD, only_file).query(&fields);
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn http_basic_stands_in_for_a_signature() {
    let server = Server::start().await;
    let form = || Form::new().part("file", Part::bytes(png()).file_name("a.png"));
    let request = server.post(UPLOAD, form()).basic_auth(KEY, Some(SECRET));
    assert_eq!(request.send().await.unwrap().status(), 200);

    let request = server.post(UPLOAD, form()).basic_auth(KEY, Some("wrong"));
    insta::assert_snapshot!(told(request.send().await.unwrap()).await, @r#"401 [api_secret mismatch] {"error":{"message":"api_secret mismatch"}}"#);
}

#[tokio::test]
async fn auto_tells_the_resource_type_by_content() {
    let server = Server::start().await;
    let cases = [
        (png(), "x", json!(["image", "png"])),
        (jpeg(), "x.txt", json!(["image", "jpg"])),
        (pdf(), "x", json!(["image", "pdf"])),
        (svg(), "x", json!(["image", "svg"])),
        (mp4(), "x", json!(["video", "mp4"])),
        (wav(), "x", json!(["video", "wav"])),
        (b"text".to_vec(), "x.png", json!(["raw", null])),
    ];
    for path in ["/v1_1/emulator/auto/upload", "/v1_1/emulator/upload"] {
        for (file, name, expected) in cases.clone() {
            let answer = server.store(path, file, name, &[]).await;
            assert_eq!(json!([answer["resource_type"], answer["format"]]), expected);
        }
    }
}

#[tokio::test]
async fn pictures_have_width_and_height_and_raw_files_have_not() {
    let server = Server::start().await;
    let answer = server.store(UPLOAD, jpeg(), "a.jpg", &[]).await;
    assert_eq!(json!([answer["width"], answer["height"]]), json!([5, 4]));
    let answer = server.store("/v1_1/emulator/raw/upload", png(), "a.png", &[]).await;
    assert!(answer.get("width").is_none() && answer.get("format").is_none(), "{answer}");
    let extension = answer["public_id"].as_str().unwrap().rsplit('.').next();
    assert_eq!(extension, Some("png"), "{answer}");
}

#[tokio::test]
async fn use_filename_names_the_asset_and_filename_override_the_file() {
    let server = Server::start().await;
    let params = [("use_filename", "true"), ("unique_filename", "false"), ("filename_override", "b.png")];
    let answer = server.store(UPLOAD, png(), "a.png", &params).await;
    assert_eq!(json!([answer["public_id"], answer["original_filename"]]), json!(["b", "b"]));
}

#[tokio::test]
async fn a_second_upload_overwrites_and_keeps_the_asset_id() {
    let server = Server::start().await;
    let first = server.store(UPLOAD, png(), "a.png", &[("public_id", "a")]).await;
    server.clock.advance(10);
    let second = server.store(UPLOAD, jpeg(), "a.jpg", &[("public_id", "a")]).await;
    assert_eq!(second["asset_id"], first["asset_id"]);
    assert_ne!(second["version_id"], first["version_id"]);
    assert_eq!(second["overwritten"], true);
    assert_eq!(second["version"].as_u64(), first["version"].as_u64().map(|v| v + 10));
}

#[tokio::test]
async fn without_overwrite_the_stored_asset_comes_back() {
    let server = Server::start().await;
    let params = [("public_id", "a"), ("overwrite", "0")];
    let first = server.store(UPLOAD, png(), "a.png", &params).await;
    assert!(first.get("existing").is_none(), "{first}");
    let second = server.store(UPLOAD, jpeg(), "a.jpg", &params).await;
    assert_eq!(second["existing"], true);
    assert_eq!(second["etag"], first["etag"]);
}

#[tokio::test]
async fn fifty_uploads_without_overwrite_at_once_create_one_asset() {
    let server = Server::start().await;
    let params = [("public_id", "a"), ("overwrite", "false")];
    let uploads = (0..50).map(|_| server.store(UPLOAD, png(), "a.png", &params));
    let answers = futures_util::future::join_all(uploads).await;
    let created = answers.iter().filter(|answer| answer.get("existing").is_none());
    assert_eq!(created.count(), 1);
}

#[tokio::test]
async fn a_data_uri_is_a_file() {
    let server = Server::start().await;
    let uri = format!("data:image/png;base64,{}", STANDARD.encode(png()));
    let fields = signed(&[]);
    let form = with_fields(Form::new().text("file", uri.clone()), &fields);
    let answer: Value = server.post(UPLOAD, form).send().await.unwrap().json().await.unwrap();
    assert_eq!(
        json!([answer["format"], answer["bytes"], answer["original_filename"]]),
        json!(["png", png().len(), "file"])
    );

    let mut urlencoded = fields;
    urlencoded.push(("file".to_owned(), uri));
    let request = server.client.post(server.url(UPLOAD)).form(&urlencoded);
    let again: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(again["etag"], answer["etag"]);
}

#[tokio::test]
async fn what_is_not_applied_is_named() {
    let server = Server::start().await;
    let params = [("transformation", "w_10"), ("eager", "w_20")];
    let response = server.upload(UPLOAD, png(), "a.png", &params).send().await.unwrap();
    assert_eq!(response.headers()["x-countersign-emulator"], "not applied: eager, transformation");
}

#[tokio::test]
async fn any_page_may_upload_and_read_the_answer() {
    let server = Server::start().await;
    let request = server
        .client
        .request(reqwest::Method::OPTIONS, server.url(UPLOAD))
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "x-unique-upload-id,content-range,x-requested-with");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let allowed = response.headers()["access-control-allow-headers"].to_str().unwrap();
    for name in ["x-unique-upload-id", "content-range", "x-requested-with", "content-type"] {
        assert!(allowed.contains(name), "{allowed}");
    }
    assert!(!allowed.contains("authorization"), "{allowed}");

    let refused = server.client.post(server.url(UPLOAD)).header("origin", "https://shop.example");
    let response = refused.send().await.unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let exposed = response.headers()["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.contains("x-cld-error") && exposed.contains("x-request-id"), "{exposed}");
    assert_eq!(response.headers()["x-request-id"].len(), 32);
}

#[tokio::test]
async fn films_sounds_and_documents_tell_how_long_they_are() {
    let server = Server::start().await;
    let told = async |file: Vec<u8>| {
        let stored = server.store("/v1_1/emulator/auto/upload", file, "a.bin", &[]).await;
        ["width", "height", "duration", "is_audio", "pages"].map(|name| stored.get(name).cloned())
    };
    let some = |value: Value| Some(value);
    assert_eq!(
        told(film()).await,
        [some(json!(640)), some(json!(360)), some(json!(2.5)), some(json!(false)), None]
    );
    assert_eq!(told(sound()).await, [None, None, some(json!(0.5)), some(json!(true)), None]);
    assert_eq!(told(book()).await, [None, None, None, None, some(json!(3))]);
    assert_eq!(told(mp4()).await, [None, None, None, some(json!(false)), None], "it has no tracks");
    assert_eq!(told(pdf()).await, [None, None, None, None, None], "it has no pages");
}
