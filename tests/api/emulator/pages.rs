//! What a page in a browser can do, which names the emulator answers to, and who controls it.

use std::net::Ipv4Addr;

use countersign::emulator::{ControlAccess, EmulatorOptions, Exposure};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::media::png;
use super::server::{KEY, SECRET, Server, signed, told, with_fields};

const UPLOAD: &str = "/v1_1/emulator/image/upload";
const ALLOWED: &str = "access-control-allow-origin";

fn from_page(request: RequestBuilder) -> RequestBuilder {
    request.header("origin", "https://evil.example").header("sec-fetch-site", "cross-site")
}

async fn preflight(server: &Server, method: &str, path: &str, headers: &str) -> Response {
    let request = server.client.request(Method::OPTIONS, server.url(path));
    let request = request.header("access-control-request-method", method);
    let request = request.header("access-control-request-headers", headers);
    request.header("origin", "https://evil.example").send().await.unwrap()
}

/// Calls of the Admin API, of control and of Uploadcare's REST API, with everything that they need but a page.
const CLOSED: [(&str, &str); 9] = [
    ("GET", "/v1_1/emulator/resources/image/upload"),
    ("DELETE", "/v1_1/emulator/resources/image/upload?all=true"),
    ("POST", "/v1_1/emulator/folders/x"),
    ("GET", "/v1_1/emulator/triggers"),
    ("GET", "/v2/emulator/notifications"),
    ("GET", "/_emulator/assets"),
    ("DELETE", "/_emulator/assets"),
    ("POST", "/_emulator/seed"),
    ("DELETE", "/uploadcare/files/storage/"),
];

#[tokio::test]
async fn a_page_reads_and_changes_nothing_through_admin_and_control() {
    let server = Server::start().await;
    server.store(UPLOAD, png(), "a.png", &[("public_id", "a")]).await;
    for (method, path) in CLOSED {
        let request = server.client.request(method.parse().unwrap(), server.url(path));
        let request = request.basic_auth(KEY, Some(SECRET)).header("content-type", "text/plain");
        let response = from_page(request).body("{}").send().await.unwrap();
        assert_eq!(response.status(), 403, "{method} {path}");
        assert!(!response.headers().contains_key(ALLOWED), "{method} {path}");

        let response = preflight(&server, method, path, "authorization").await;
        assert!(!response.headers().contains_key(ALLOWED), "{method} {path}");
    }
    assert_eq!(server.get("/emulator/image/upload/a.png").await.status(), 200);
}

#[tokio::test]
async fn a_request_without_an_origin_from_another_site_is_refused_too() {
    let server = Server::start().await;
    for (path, site, expected) in [
        ("/v1_1/emulator/resources/image/upload", "cross-site", 403),
        ("/v1_1/emulator/resources/image/upload", "same-site", 403),
        ("/v1_1/emulator/resources/image/upload", "none", 200),
        ("/_emulator/assets", "cross-site", 403),
        ("/_emulator/assets", "none", 200),
    ] {
        let request = server.client.get(server.url(path)).basic_auth(KEY, Some(SECRET));
        let response = request.header("sec-fetch-site", site).send().await.unwrap();
        assert_eq!(response.status(), expected, "{path} {site}");
    }
}

#[tokio::test]
async fn a_page_uploads_whole_and_in_parts_and_looks_at_pictures() {
    let server = Server::start().await;
    let upload =
        from_page(server.upload(UPLOAD, png(), "a.png", &[("public_id", "a")])).send().await.unwrap();
    assert_eq!((upload.status().as_u16(), upload.headers()[ALLOWED].to_str().unwrap()), (200, "*"));
    let refused = server.post(UPLOAD, with_fields(reqwest::multipart::Form::new(), &[]));
    let refused = from_page(refused).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()[ALLOWED].to_str().unwrap()), (400, "*"));
    let token = server.url("/v1_1/emulator/delete_by_token");
    let token = from_page(server.client.post(token).form(&[("token", "x")])).send().await.unwrap();
    assert_eq!(token.headers()[ALLOWED], "*");
    let picture =
        from_page(server.client.get(server.url("/emulator/image/upload/a.png"))).send().await.unwrap();
    assert_eq!((picture.status().as_u16(), picture.headers()[ALLOWED].to_str().unwrap()), (200, "*"));

    let headers = "content-range,x-unique-upload-id,x-requested-with";
    let parts = preflight(&server, "POST", UPLOAD, headers).await;
    assert_eq!(parts.headers()[ALLOWED], "*");
    let allowed = parts.headers()["access-control-allow-headers"].to_str().unwrap();
    assert!(headers.split(',').all(|name| allowed.contains(name)) && !allowed.contains("authorization"));
}

#[tokio::test]
async fn an_answer_that_a_fault_makes_can_be_read_by_the_page_that_uploads() {
    let server = Server::start().await;
    server.control("faults", json!([{"path": "/upload", "status": 503}])).await;
    let response = from_page(server.upload(UPLOAD, png(), "a.png", &[])).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()[ALLOWED].to_str().unwrap()), (503, "*"));
}

#[tokio::test]
async fn signed_calls_that_are_no_uploads_share_nothing_with_pages() {
    let server = Server::start().await;
    for path in ["image/destroy", "image/rename", "image/explicit", "image/generate_archive", "image/explode"]
    {
        let url = server.url(&format!("/v1_1/emulator/{path}"));
        let response = from_page(server.client.post(url).form(&signed(&[]))).send().await.unwrap();
        assert!(!response.headers().contains_key(ALLOWED), "{path}");
    }
    for path in ["/v1_1/emulator/image/download", "/v1_1/emulator/none", "/v2/emulator/none"] {
        let response = from_page(server.client.get(server.url(path))).send().await.unwrap();
        assert!(!response.headers().contains_key(ALLOWED), "{path}");
    }
}

#[tokio::test]
async fn on_loopback_only_names_of_this_machine_are_answered() {
    let server = Server::start().await;
    for path in [
        "/",
        "/v1_1/emulator/ping",
        UPLOAD,
        "/emulator/image/upload/a",
        "/_emulator/clock",
        "/uploadcare/info/",
    ] {
        let as_host = async |host: &str| {
            let request = server.client.get(server.url(path)).header("host", host);
            request.send().await.unwrap().status().as_u16()
        };
        for foreign in ["evil.example", "evil.example:4000", "localhost.evil.example", "127.0.0.1.nip.io"] {
            assert_eq!(as_host(foreign).await, 421, "{path} {foreign}");
        }
        for local in ["localhost:4000", "127.0.0.1", "[::1]:4000", "x.localhost", "localhost.:4000"] {
            assert_ne!(as_host(local).await, 421, "{path} {local}");
        }
    }
    let request = server.client.get(server.url("/v1_1/emulator/ping")).header("host", "evil.example");
    insta::assert_snapshot!(told(request.send().await.unwrap()).await, @r#"421 [The emulator answers to localhost and IP addresses only while it listens on loopback: start it with --emulator-host to reach it by another name] {"error":{"message":"The emulator answers to localhost and IP addresses only while it listens on loopback: start it with --emulator-host to reach it by another name"}}"#);
}

#[tokio::test]
async fn on_a_network_answers_have_the_name_that_the_request_was_sent_to() {
    let options = EmulatorOptions { exposure: Exposure::Network, ..EmulatorOptions::default() };
    let server = Server::with(options).await;
    for host in ["cloudinary:4000", "emulator.test"] {
        let request = server.upload(UPLOAD, png(), "a.png", &[("public_id", "a"), ("eager", "w_1")]);
        let answer: Value = request.header("host", host).send().await.unwrap().json().await.unwrap();
        let origin = format!("http://{host}/emulator/image/upload/");
        for url in [&answer["url"], &answer["secure_url"], &answer["eager"][0]["url"]] {
            assert!(url.as_str().unwrap().starts_with(&origin), "{url}");
        }
        let request = server.client.get(server.url("/v1_1/emulator/resources/image/upload/a"));
        let request = request.basic_auth(KEY, Some(SECRET)).header("host", host);
        let asset: Value = request.send().await.unwrap().json().await.unwrap();
        assert!(asset["url"].as_str().unwrap().starts_with(&origin), "{asset}");
    }
    for host in ["cloudinary:4000", "evil.example"] {
        let request = server.client.get(server.url("/_emulator/clock")).header("host", host);
        assert_eq!(request.send().await.unwrap().status(), 403, "{host}");
    }
}

#[tokio::test]
async fn control_is_for_this_machine_and_not_for_what_a_proxy_passes_on() {
    let server = Server::start().await;
    for name in ["x-forwarded-for", "forwarded", "via", "x-real-ip", "x-forwarded-host"] {
        let request = server.client.get(server.url("/_emulator/clock")).header(name, "127.0.0.1");
        assert_eq!(request.send().await.unwrap().status(), 403, "{name}");
    }
    assert_eq!(server.get("/_emulator/clock").await.status(), 200);
}

#[tokio::test]
async fn control_can_be_opened_to_whoever_reaches_the_emulator_but_not_to_pages() {
    let (exposure, control) = (Exposure::Network, ControlAccess::Any);
    let server = Server::with(EmulatorOptions { exposure, control, ..EmulatorOptions::default() }).await;
    let clock = || server.client.get(server.url("/_emulator/clock")).header("host", "cloudinary:4000");
    assert_eq!(clock().send().await.unwrap().status(), 200);
    assert_eq!(clock().header("x-forwarded-for", "10.0.0.1").send().await.unwrap().status(), 200);
    assert_eq!(clock().header("origin", "http://cloudinary:4000").send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn a_start_on_a_network_with_a_published_secret_warns() {
    for (host, expected) in [(Ipv4Addr::UNSPECIFIED, true), (Ipv4Addr::LOCALHOST, false)] {
        let host = host.to_string();
        let arguments = ["emulator", "--emulator-host", &host, "--emulator-port", "0", "--seed", "/none"];
        let output = crate::helpers::command(&arguments).output().await.unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(text.contains("its secret is published"), expected, "{text}");
        assert!(!text.contains(SECRET), "{text}");
    }
}
