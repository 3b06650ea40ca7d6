//! Uploads in parts.

use futures_util::future::join_all;
use md5::{Digest as _, Md5};
use reqwest::Response;
use serde_json::Value;

use super::media::large_png;
use super::server::{Server, signed_with, told};
use countersign::signing::Algorithm;
use countersign::signing::cloudinary::SignatureVersion;

const UPLOAD: &str = "/v1_1/emulator/image/upload";
const MEGABYTE: usize = 1024 * 1024;
const PART: usize = 5 * MEGABYTE;

async fn send_part(server: &Server, id: &str, range: &str, bytes: &[u8]) -> Response {
    let request = server.upload(UPLOAD, bytes.to_vec(), "big.png", &[("public_id", "big")]);
    let request = request.header("x-unique-upload-id", id).header("content-range", range);
    request.send().await.unwrap()
}

/// Ranges of a file in two parts and a bit, as the Node SDK (total unknown until the end) and the others spell them.
fn parts(file: &[u8], total_is_known: bool) -> Vec<(String, &[u8])> {
    let spell = |start: usize, part: &[u8]| {
        let end = start + part.len();
        let total =
            if total_is_known || end == file.len() { file.len().to_string() } else { "-1".to_owned() };
        format!("bytes {start}-{}/{total}", end - 1)
    };
    file.chunks(PART).enumerate().map(|(index, part)| (spell(index * PART, part), part)).collect()
}

#[tokio::test]
async fn parts_become_one_file() {
    let server = Server::start().await;
    let file = large_png(2 * PART + 100);
    for total_is_known in [true, false] {
        let parts = parts(&file, total_is_known);
        let id = format!("id-{total_is_known}");
        let first = told(send_part(&server, &id, &parts[0].0, parts[0].1).await).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(first, @r#"200 [] {"done":false,"bytes":5242880,"kind":"upload","resource_type":"image","public_id":"big"}"#);
        }
        send_part(&server, &id, &parts[1].0, parts[1].1).await;
        let last: Value = send_part(&server, &id, &parts[2].0, parts[2].1).await.json().await.unwrap();
        assert_eq!(last["done"], true);
        assert_eq!(last["bytes"], file.len());
        let delivered = server.get("/emulator/image/upload/big.png").await.bytes().await.unwrap();
        assert!(delivered == file, "other bytes came back");
    }
}

#[tokio::test]
async fn parts_may_come_in_any_order_and_again() {
    let server = Server::start().await;
    let file = large_png(2 * PART + 100);
    let parts = parts(&file, true);
    for index in [2, 0, 0, 2] {
        let answer: Value =
            send_part(&server, "x", &parts[index].0, parts[index].1).await.json().await.unwrap();
        assert_eq!(answer["done"], false);
    }
    let last: Value = send_part(&server, "x", &parts[1].0, parts[1].1).await.json().await.unwrap();
    assert_eq!(last["bytes"], file.len());
    assert_eq!(last["etag"], hex::encode(Md5::digest(&file)));
    // Across the end of the first part, and across both.
    for (first, last) in [(PART - 1, PART), (PART - 70_000, PART + 70_000), (1, file.len() - 1)] {
        let request = server.client.get(server.url("/emulator/image/upload/big.png"));
        let response = request.header("range", format!("bytes={first}-{last}")).send().await.unwrap();
        assert!(response.bytes().await.unwrap() == file[first..=last], "{first}-{last}");
    }
}

#[tokio::test]
async fn a_part_that_comes_again_with_other_bytes_takes_the_place_of_the_first() {
    let server = Server::start().await;
    let file = large_png(3 * PART + 100);
    let parts = parts(&file, true);
    let mut other = parts[1].1.to_vec();
    other.reverse();
    // At once, and after the part that follows was taken for the next of the first.
    for (id, order) in [("x", [0, 9, 1, 2, 3]), ("y", [0, 9, 2, 1, 3])] {
        let mut last = Value::Null;
        for index in order {
            let (range, part) =
                if index == 9 { (&parts[1].0, &other[..]) } else { (&parts[index].0, parts[index].1) };
            last = send_part(&server, id, range, part).await.json().await.unwrap();
        }
        assert_eq!(last["etag"], hex::encode(Md5::digest(&file)), "{id}");
    }
}

#[tokio::test]
async fn a_stranger_cannot_change_what_an_upload_becomes() {
    let server = Server::start().await;
    let file = large_png(2 * PART + 100);
    let parts = parts(&file, true);
    let forged = signed_with(&[("public_id", "big")], "wrong", Algorithm::Sha1, SignatureVersion::V2);
    send_part(&server, "x", &parts[0].0, parts[0].1).await;
    let request = server.upload_with(UPLOAD, vec![0; PART], "big.png", &forged);
    let request = request.header("x-unique-upload-id", "x").header("content-range", &parts[1].0);
    assert_eq!(request.send().await.unwrap().status(), 401);
    send_part(&server, "x", &parts[1].0, parts[1].1).await;
    let last: Value = send_part(&server, "x", &parts[2].0, parts[2].1).await.json().await.unwrap();
    assert_eq!(last["etag"], hex::encode(Md5::digest(&file)));
}

#[tokio::test]
async fn parts_may_come_at_the_same_time() {
    let server = Server::start().await;
    let file = large_png(3 * PART + 100);
    let parts = parts(&file, true);
    let answers = join_all(parts.iter().map(|(range, part)| send_part(&server, "x", range, part))).await;
    let mut done = Vec::new();
    for answer in answers {
        done.push(answer.json::<Value>().await.unwrap());
    }
    let done: Vec<_> = done.iter().filter(|answer| answer["done"] == true).collect();
    assert_eq!(done.len(), 1);
    assert_eq!(done[0]["etag"], hex::encode(Md5::digest(&file)));
}

#[tokio::test]
async fn parts_may_be_numbered_instead() {
    let server = Server::start().await;
    let file = large_png(PART + 7);
    for (number, part, done) in [("1", &file[..PART], false), ("2", &file[PART..], true)] {
        let request = server
            .upload(UPLOAD, part.to_vec(), "big.png", &[("public_id", "big")])
            .header("x-unique-upload-id", "n")
            .header("x-upload-part-number", number)
            .header("x-upload-total-parts", "2");
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["done"], done);
    }
    let delivered = server.get("/emulator/image/upload/big.png").await.bytes().await.unwrap();
    assert!(delivered == file, "other bytes came back");
}

#[tokio::test]
async fn parts_that_break_a_rule_are_refused() {
    let server = Server::start().await;
    let file = large_png(PART + 100);
    let refused = |id: &'static str, range: &'static str, bytes: &[u8]| {
        let bytes = bytes.to_vec();
        let server = &server;
        async move { told(send_part(server, id, range, &bytes).await).await }
    };
    insta::assert_snapshot!(refused("a", "bytes 0-99/200", &file[..100]).await, @r#"400 [All parts except EOF-chunk must be larger than 5mb] {"error":{"message":"All parts except EOF-chunk must be larger than 5mb"}}"#);
    insta::assert_snapshot!(refused("a", "bytes 0-100/101", &file[..100]).await, @r#"400 [Invalid Content-Range for a part of 100 bytes] {"error":{"message":"Invalid Content-Range for a part of 100 bytes"}}"#);
    insta::assert_snapshot!(refused("a", "bytes 100-200/201", &file[..100]).await, @r#"400 [Invalid Content-Range for a part of 100 bytes] {"error":{"message":"Invalid Content-Range for a part of 100 bytes"}}"#);
    insta::assert_snapshot!(refused("a", "bytes 5-4/9", &file[..100]).await, @r#"400 [Invalid Content-Range bytes 5-4/9] {"error":{"message":"Invalid Content-Range bytes 5-4/9"}}"#);
    insta::assert_snapshot!(refused("", "bytes 5242880-5242979/5242980", &file[..100]).await, @r#"400 [Missing required parameter - public_id] {"error":{"message":"Missing required parameter - public_id"}}"#);
}

#[tokio::test]
async fn parts_that_overlap_do_not_make_a_file() {
    let server = Server::start().await;
    let file = large_png(2 * PART + 100);
    let total = file.len();
    for (start, end) in [(0, PART), (100, PART + 100), (2 * PART, total)] {
        let range = format!("bytes {start}-{}/{total}", end - 1);
        let answer: Value = send_part(&server, "x", &range, &file[start..end]).await.json().await.unwrap();
        assert_eq!(answer["done"], false, "{range}");
    }
}

#[tokio::test]
async fn every_part_is_authenticated() {
    let server = Server::start().await;
    let fields = signed_with(&[("public_id", "big")], "wrong", Algorithm::Sha1, SignatureVersion::V2);
    let request = server.upload_with(UPLOAD, large_png(PART), "big.png", &fields);
    let request = request.header("x-unique-upload-id", "x").header("content-range", "bytes 0-5242879/-1");
    assert_eq!(request.send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_whole_file_in_one_part_is_an_upload() {
    let server = Server::start().await;
    let answer: Value =
        send_part(&server, "x", "bytes 0-99/100", &large_png(100)).await.json().await.unwrap();
    assert_eq!(answer["public_id"], "big");
}

#[tokio::test]
async fn an_upload_that_is_left_alone_is_forgotten_after_a_day() {
    let server = Server::start().await;
    let file = large_png(PART + 100);
    let parts = parts(&file, true);
    send_part(&server, "x", &parts[1].0, parts[1].1).await;
    server.clock.advance(24 * 3_600 + 1);
    let fields = [("public_id", "big"), ("timestamp", "1720086401")];
    let request = server.upload(UPLOAD, parts[0].1.to_vec(), "big.png", &fields);
    let request = request.header("x-unique-upload-id", "x").header("content-range", &parts[0].0);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["done"], false);
    assert_eq!(answer["bytes"], PART);
}
