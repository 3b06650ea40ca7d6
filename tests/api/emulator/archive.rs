//! Archives of many assets: which they hold, who may have them, and what they are called.

use std::io::Write as _;

use reqwest::Response;
use serde_json::{Value, json};

use super::media::png;
use super::server::{KEY, NOW, SECRET, Server, signed, told};

/// Lists of a call are signed as one text and sent as several values, as the SDKs do it.
fn spread(fields: &[(String, String)]) -> Vec<(String, String)> {
    const LISTS: [&str; 5] = ["public_ids", "fully_qualified_public_ids", "tags", "prefixes", "target_tags"];
    let mut sent = Vec::new();
    for (name, value) in fields {
        if LISTS.contains(&name.as_str()) {
            sent.extend(value.split(',').map(|one| (format!("{name}[]"), one.to_owned())));
        } else {
            sent.push((name.clone(), value.clone()));
        }
    }
    sent
}

async fn create(server: &Server, word: &str, params: &[(&str, &str)]) -> Response {
    let url = server.url(&format!("/v1_1/emulator/{word}/generate_archive"));
    server.client.post(url).form(&spread(&signed(params))).send().await.unwrap()
}

async fn created(server: &Server, word: &str, params: &[(&str, &str)]) -> Value {
    let response = create(server, word, params).await;
    let status = response.status();
    let body: Value = response.json().await.unwrap();
    assert_eq!(status, 200, "{body}");
    body
}

async fn download(server: &Server, word: &str, params: &[(&str, &str)]) -> Response {
    let params = [params, &[("mode", "download")]].concat();
    let url = server.url(&format!("/v1_1/emulator/{word}/generate_archive"));
    server.client.get(url).query(&spread(&signed(&params))).send().await.unwrap()
}

async fn names(server: &Server, word: &str, params: &[(&str, &str)]) -> Vec<String> {
    let response = download(server, word, params).await;
    assert_eq!(response.status(), 200, "{params:?}");
    names_in(&response.bytes().await.unwrap())
}

/// What an archive holds, as a reader of our own sees it: Python's, which knows nothing of the writer.
fn names_in(archive: &[u8]) -> Vec<String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(archive).unwrap();
    let script = "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n\
                  print(chr(10).join(z.namelist()))";
    let python =
        std::process::Command::new("python3").args(["-c", script]).arg(file.path()).output().unwrap();
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    String::from_utf8(python.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Two pictures, one of them private, and a text; all with the tag `kyc`.
async fn with_assets() -> Server {
    let server = Server::start().await;
    for (path, file, name, id, kind) in [
        ("image", png(), "First.png", "alice/a", "upload"),
        ("image", png(), "Second.png", "bob/b", "private"),
        ("raw", b"text".to_vec(), "c.txt", "bob/c.txt", "upload"),
    ] {
        let params = [("public_id", id), ("type", kind), ("tags", "kyc"), ("x-file", name)];
        server.store(&format!("/v1_1/emulator/{path}/upload"), file, name, &params[..3]).await;
    }
    server
}

#[tokio::test]
async fn a_signed_call_stores_an_archive_of_everything_with_a_tag() {
    let server = with_assets().await;
    let params = [("tags", "kyc"), ("target_public_id", "mine"), ("target_tags", "x,y")];
    let archive = created(&server, "image", &params).await;
    let said = ["public_id", "resource_type", "type", "resource_count", "file_count", "tags"];
    let said: Vec<_> = said.iter().map(|name| &archive[*name]).collect();
    assert_eq!(json!(said), json!(["mine.zip", "raw", "upload", 1, 1, ["x", "y"]]));
    let stored = server.get("/emulator/raw/upload/mine.zip").await.bytes().await.unwrap();
    assert_eq!(stored.len() as u64, archive["bytes"].as_u64().unwrap());
    assert_eq!(names_in(&stored), ["alice/a.png"]);
}

#[tokio::test]
async fn a_signature_over_tags_and_type_opens_everybodys_private_files() {
    let server = with_assets().await;
    // What a profile with a shared tag signs for an upload.
    let upload = [("tags", "kyc"), ("type", "private"), ("folder", "alice")];
    let archive = created(&server, "image", &upload).await;
    let stored =
        server.get(&format!("/emulator/raw/upload/{}", archive["public_id"].as_str().unwrap())).await;
    assert_eq!(names_in(&stored.bytes().await.unwrap()), ["bob/b.png"]);
}

#[tokio::test]
async fn every_resource_type_can_be_in_one_archive() {
    let server = with_assets().await;
    assert_eq!(names(&server, "all", &[("tags", "kyc")]).await, ["alice/a.png", "bob/b.png", "bob/c.txt"]);
    assert_eq!(names(&server, "all", &[("prefixes", "bob/")]).await, ["bob/b.png", "bob/c.txt"]);
    assert_eq!(names(&server, "raw", &[("prefixes", "bob/,alice/")]).await, ["bob/c.txt"]);
    let ids = ("fully_qualified_public_ids", "image/private/bob/b,raw/upload/bob/c.txt");
    for word in ["auto", "all"] {
        assert_eq!(names(&server, word, &[ids]).await, ["bob/b.png", "bob/c.txt"]);
    }
}

#[tokio::test]
async fn files_can_be_named_in_other_ways() {
    let server = with_assets().await;
    let all = ("prefixes", "alice/,bob/");
    assert_eq!(names(&server, "all", &[all, ("flatten_folders", "1")]).await, ["a.png", "b.png", "c.txt"]);
    let original = names(&server, "all", &[all, ("use_original_filename", "true")]).await;
    assert_eq!(original, ["alice/First.png", "bob/Second.png", "bob/c.txt"]);
    let response = download(&server, "image", &[all, ("transformations", "w_10|w_20")]).await;
    assert_eq!(response.headers()["x-countersign-emulator"], "not applied: transformations");
    assert_eq!(names_in(&response.bytes().await.unwrap()), ["alice/a_w_10.png", "alice/a_w_20.png"]);
}

#[tokio::test]
async fn no_name_leaves_the_folder_that_an_archive_is_unpacked_to() {
    let server = Server::start().await;
    for id in ["../../etc/a", "b/../../c"] {
        server
            .store("/v1_1/emulator/image/upload", png(), "a.png", &[("public_id", id), ("tags", "t")])
            .await;
    }
    assert_eq!(names(&server, "image", &[("tags", "t")]).await, ["etc/a.png", "b/c.png"]);
}

#[tokio::test]
async fn what_is_missing_refuses_the_archive_unless_it_may_be_missing() {
    let server = with_assets().await;
    let ids = ("public_ids", "alice/a,nobody");
    insta::assert_snapshot!(told(download(&server, "image", &[ids]).await).await, @r#"404 [Resource not found - nobody] {"error":{"message":"Resource not found - nobody"}}"#);
    assert_eq!(names(&server, "image", &[ids, ("allow_missing", "1")]).await, ["alice/a.png"]);
    let none = download(&server, "image", &[("tags", "none"), ("allow_missing", "1")]).await;
    assert_eq!(none.status(), 404);
}

#[tokio::test]
async fn a_download_lives_until_the_second_it_names_and_a_stored_archive_does_not() {
    let server = with_assets().await;
    let (old, end) = ((NOW - 100_000).to_string(), (NOW + 60).to_string());
    let params = [("tags", "kyc"), ("timestamp", &*old), ("expires_at", &*end)];
    assert_eq!(download(&server, "image", &params).await.status(), 200);
    assert!(told(create(&server, "image", &params).await).await.starts_with("400 [Stale request"));
    server.clock.advance(60);
    assert!(
        told(download(&server, "image", &params).await).await.starts_with("400 [Stale request - expired")
    );
}

#[tokio::test]
async fn a_download_is_never_kept_and_has_a_name() {
    let server = with_assets().await;
    let response = download(&server, "image", &[("tags", "kyc"), ("target_public_id", "x/mine")]).await;
    let headers = response.headers();
    assert_eq!(headers["content-type"], "application/zip");
    assert_eq!(headers["cache-control"], "private, no-store");
    assert!(
        headers["content-disposition"].to_str().unwrap().starts_with("attachment; filename=\"mine.zip\"")
    );
    let assets: Value = server.get("/_emulator/assets").await.json().await.unwrap();
    assert_eq!(assets["assets"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn values_out_of_range_are_refused() {
    let server = with_assets().await;
    let many = (0..21).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    let thousand = (0..1_001).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    let refusals = async |word: &str, params: &[(&str, &str)]| {
        let answer = told(create(&server, word, params).await).await;
        answer.split(" {").next().unwrap().to_owned()
    };
    let list = [
        refusals("image", &[]).await,
        refusals("auto", &[("tags", "kyc")]).await,
        refusals("image", &[("fully_qualified_public_ids", "image/upload/a")]).await,
        refusals("audio", &[("tags", "kyc")]).await,
        refusals("image", &[("tags", &many)]).await,
        refusals("image", &[("prefixes", &many)]).await,
        refusals("image", &[("public_ids", &thousand)]).await,
        refusals("image", &[("tags", "kyc"), ("type", "fetch")]).await,
        refusals("image", &[("tags", "kyc"), ("mode", "x")]).await,
        refusals("image", &[("tags", "kyc"), ("mode", "create_and_download")]).await,
        refusals("image", &[("tags", "kyc"), ("target_format", "tgz")]).await,
        refusals("image", &[("tags", "kyc"), ("target_format", "rar")]).await,
        refusals("image", &[("tags", "kyc"), ("transformations", "w_abc")]).await,
    ];
    insta::assert_snapshot!(list.join("\n"), @"
    400 [Missing required parameter - public_ids]
    400 [Missing required parameter - fully_qualified_public_ids]
    400 [Invalid value image for parameter resource_type]
    400 [Invalid URL for upload]
    400 [Maximum number of tags is 20]
    400 [Maximum number of prefixes is 20]
    400 [Maximum number of public_ids is 1000]
    400 [Invalid value fetch for parameter type]
    400 [Invalid value x for parameter mode]
    400 [Not emulated: mode create_and_download]
    400 [Not emulated: target_format tgz]
    400 [Invalid value rar for parameter target_format]
    400 [Invalid width in transformation: abc]
    ");
}

#[tokio::test]
async fn an_archive_is_no_larger_than_a_file_may_be() {
    let limits = countersign::emulator::Limits { request_file_bytes: 150, ..Default::default() };
    let server = Server::with_limits(limits).await;
    for id in ["a", "b", "c"] {
        server.store("/v1_1/emulator/raw/upload", vec![b'x'; 60], id, &[("public_id", id)]).await;
    }
    assert_eq!(names(&server, "raw", &[("public_ids", "a,b")]).await, ["a", "b"]);
    let refused = told(create(&server, "raw", &[("public_ids", "a,b,c")]).await).await;
    assert!(refused.starts_with("400 [File size too large. Got 180. Maximum is 150.]"), "{refused}");
}

#[tokio::test]
async fn other_clouds_and_strangers_get_nothing() {
    let server = with_assets().await;
    let forged = create(&server, "image", &[("tags", "kyc"), ("api_key", "nobody")]).await;
    assert_eq!(forged.status(), 401);
    let url = server.url("/v1_1/emulator/image/generate_archive?mode=download&tags=kyc");
    assert_eq!(server.client.get(&url).send().await.unwrap().status(), 400);
    let basic = server.client.get(&url).basic_auth(KEY, Some(SECRET)).send().await.unwrap();
    assert_eq!(basic.status(), 200);
}
