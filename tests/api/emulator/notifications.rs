//! Notifications, as a receiver on this machine meets them; and files that the emulator fetches.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use countersign::emulator::{EmulatorOptions, Outgoing};
use countersign::signing::Algorithm;
use countersign::signing::cloudinary::SignatureVersion;
use reqwest::multipart::Form;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::media::png;
use super::server::{NOW, SECRET, Server, signed, signed_with, told, with_fields};

const UPLOAD: &str = "/v1_1/emulator/image/upload";

/// Somebody who is told, and answers as he was told to.
#[derive(Clone)]
struct Receiver {
    url: String,
    address: SocketAddr,
    heard: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    answers: Arc<Mutex<Vec<u16>>>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("http://{address}/told?a=1&b=2");
        let receiver = Self { url, address, heard: Arc::default(), answers: Arc::default() };
        let hearing = receiver.clone();
        let hear = move |headers: HeaderMap, body: Bytes| {
            hearing.heard.lock().unwrap().push((headers, body));
            let status = hearing.answers.lock().unwrap().pop().unwrap_or(200);
            async move { StatusCode::from_u16(status).unwrap() }
        };
        let file = get(|| async { png() });
        let html = get(|| async { ([("content-type", "text/html")], "<p>") });
        let router = Router::new().route("/told", post(hear)).route("/a.png", file).route("/page", html);
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    /// What has been heard, once it is `count` things.
    async fn heard(&self, count: usize) -> Vec<Value> {
        for _ in 0..200 {
            if self.heard.lock().unwrap().len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
        let heard = self.heard.lock().unwrap();
        assert_eq!(heard.len(), count);
        heard.iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect()
    }

    /// Lets an emulator notify it.
    fn allowed(&self) -> Outgoing {
        Outgoing { notified: vec![self.url.parse().unwrap()], ..Outgoing::default() }
    }

    fn kinds(bodies: &[Value]) -> Vec<&str> {
        bodies.iter().map(|body| body["notification_type"].as_str().unwrap()).collect()
    }
}

async fn with_receiver() -> (Server, Receiver) {
    let receiver = Receiver::start().await;
    let options = EmulatorOptions { outgoing: receiver.allowed(), ..EmulatorOptions::default() };
    (Server::with(options).await, receiver)
}

async fn upload(server: &Server, id: &str, url: &str) {
    let params = [("public_id", id), ("notification_url", url), ("moderation", "manual")];
    server.store(UPLOAD, png(), "a.png", &params).await;
}

#[tokio::test]
async fn a_notification_is_signed_over_its_very_bytes_with_the_callers_algorithm() {
    let (server, receiver) = with_receiver().await;
    for algorithm in [Algorithm::Sha1, Algorithm::Sha256] {
        let params = [("notification_url", receiver.url.as_str())];
        let fields = signed_with(&params, SECRET, algorithm, SignatureVersion::V2);
        assert_eq!(server.upload_with(UPLOAD, png(), "a.png", &fields).send().await.unwrap().status(), 200);
    }
    receiver.heard(2).await;
    let heard = receiver.heard.lock().unwrap();
    for ((headers, body), algorithm) in heard.iter().zip([Algorithm::Sha1, Algorithm::Sha256]) {
        let message = [body, headers["x-cld-timestamp"].as_bytes()].concat();
        let expected = algorithm.sign(&message, &SecretString::from(SECRET));
        assert!(expected.matches(headers["x-cld-signature"].to_str().unwrap()));
        assert_eq!(headers["x-cld-timestamp"], NOW.to_string());
        let body: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(body["notification_type"], "upload");
        assert!(body.get("signature").is_none() && body["asset_id"].is_string(), "{body}");
    }
}

#[tokio::test]
async fn every_change_is_told() {
    let (server, receiver) = with_receiver().await;
    let url = receiver.url.as_str();
    upload(&server, "a", url).await;
    let update = json!({"moderation_status": "rejected", "tags": "t", "notification_url": url});
    server.admin("POST", "resources/image/upload/a", update).await;
    let tags = [("command", "add"), ("tag", "u"), ("public_ids", "a"), ("notification_url", url)];
    server.call("image/tags", &tags).await;
    let context = [("command", "add"), ("context", "k=v"), ("public_ids", "a"), ("notification_url", url)];
    server.call("image/context", &context).await;
    let rename = [("from_public_id", "a"), ("to_public_id", "b"), ("notification_url", url)];
    server.call("image/rename", &rename).await;
    server.call("image/destroy", &[("public_id", "b"), ("notification_url", url)]).await;
    // What is not there is no event.
    server.call("image/destroy", &[("public_id", "b"), ("notification_url", url)]).await;
    let heard = receiver.heard(7).await;
    assert_eq!(
        Receiver::kinds(&heard),
        [
            "upload",
            "moderation",
            "resource_tags_changed",
            "resource_tags_changed",
            "resource_context_changed",
            "rename",
            "delete",
        ]
    );
    assert_eq!(heard[1]["moderation_status"], "rejected");
    assert_eq!(json!([heard[5]["from_public_id"], heard[5]["to_public_id"]]), json!(["a", "b"]));
    assert_eq!(heard[6]["resources"][0]["public_id"], "b");
}

#[tokio::test]
async fn a_refused_notification_comes_again_at_3_6_and_9_minutes_and_then_no_more() {
    let (server, receiver) = with_receiver().await;
    *receiver.answers.lock().unwrap() = vec![500; 10];
    upload(&server, "a", &receiver.url).await;
    receiver.heard(1).await;
    for (seconds, count) in [(179, 1), (1, 2), (179, 2), (1, 3), (180, 4), (10_000, 4)] {
        server.control("clock", json!({"advance_seconds": seconds})).await;
        receiver.heard(count).await;
    }
    let list: Value = server.get("/_emulator/notifications").await.json().await.unwrap();
    assert_eq!(json!([list["sent"][3]["attempt"], list["waiting"]]), json!([4, []]));
}

#[tokio::test]
async fn notifications_can_be_late_doubled_and_out_of_order() {
    let (server, receiver) = with_receiver().await;
    let ids = |heard: &[Value]| {
        heard.iter().map(|body| body["public_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    server.control("faults", json!([{"notification": "twice", "times": 1}])).await;
    upload(&server, "a", &receiver.url).await;
    assert_eq!(ids(&receiver.heard(2).await), ["a", "a"]);
    server.control("faults", json!([{"notification": "out_of_order", "times": 1}])).await;
    upload(&server, "b", &receiver.url).await;
    upload(&server, "c", &receiver.url).await;
    assert_eq!(ids(&receiver.heard(4).await)[2..], ["c", "b"]);
    server.control("faults", json!([{"notification": "late", "delay_seconds": 30, "times": 1}])).await;
    upload(&server, "d", &receiver.url).await;
    receiver.heard(4).await;
    server.control("clock", json!({"advance_seconds": 30})).await;
    assert_eq!(ids(&receiver.heard(5).await)[4..], ["d"]);
}

#[tokio::test]
async fn only_addresses_that_the_operator_named_are_notified() {
    let (server, receiver) = with_receiver().await;
    let stranger = Receiver::start().await;
    for url in ["http://192.0.2.1/told", &stranger.url] {
        upload(&server, "a", url).await;
        server.control("clock", json!({"advance_seconds": 1})).await;
    }
    upload(&server, "b", &receiver.url).await;
    receiver.heard(1).await;
    assert_eq!(stranger.heard.lock().unwrap().len(), 0);
    let list: Value = server.get("/_emulator/notifications").await.json().await.unwrap();
    for refused in [&list["sent"][0], &list["sent"][1]] {
        let problem = "is not an address that the emulator was told to notify: see --allow";
        assert_eq!(json!([refused["problem"], refused["status"]]), json!([problem, null]));
    }
    assert_eq!(list["waiting"], json!([]));
}

#[tokio::test]
async fn an_operator_may_allow_notifications_to_anybody() {
    let receiver = Receiver::start().await;
    let outgoing = Outgoing { notifications: true, ..Outgoing::default() };
    let server = Server::with(EmulatorOptions { outgoing, ..EmulatorOptions::default() }).await;
    upload(&server, "a", &receiver.url).await;
    receiver.heard(1).await;
}

async fn fetch(server: &Server, address: &str) -> String {
    let form = with_fields(Form::new().text("file", address.to_owned()), &signed(&[]));
    let answer = told(server.post(UPLOAD, form).send().await.unwrap()).await;
    answer.split(" {").next().unwrap().to_owned()
}

#[tokio::test]
async fn remote_files_are_fetched_only_where_that_is_allowed() {
    let receiver = Receiver::start().await;
    let port = receiver.address.port();
    let with =
        async |outgoing| Server::with(EmulatorOptions { outgoing, ..EmulatorOptions::default() }).await;
    let public = with(Outgoing { remote_files: true, ..Outgoing::default() }).await;
    for host in ["127.0.0.1", "localhost", "[::1]", "0x7f000001", "[::ffff:127.0.0.1]"] {
        let answer = fetch(&public, &format!("http://{host}:{port}/a.png")).await;
        assert!(answer.starts_with("400 [Error in loading http://"), "{answer}");
    }
    assert_eq!(receiver.heard.lock().unwrap().len(), 0);
    let private = with(Outgoing { remote_files: true, private_addresses: true, ..Outgoing::default() }).await;
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    assert!(fetch(&private, &url("/a.png?x=1,2")).await.starts_with("200"));
    assert!(fetch(&private, &url("/none")).await.starts_with("400 [Resource not found - http://"));
    assert!(fetch(&private, &url("/page")).await.ends_with("- HTML response]"));
}
