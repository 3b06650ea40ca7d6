//! docs/emulator.md says what is emulated, and every row is tried on the emulator.

use reqwest::multipart::{Form, Part};

use super::media::png;
use super::server::{KEY, SECRET, Server};

const DOCS: &str = include_str!("../../../docs/emulator.md");
const ROUTES: &str = include_str!("../../../src/emulator/routes.rs");

/// The rows under a heading of the docs, each with its cells.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = DOCS.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = |row: &'static str| {
        row.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect()
    };
    rows.map(cells).collect()
}

#[tokio::test]
async fn every_endpoint_is_what_the_docs_say_it_is() {
    let server = Server::start().await;
    let rows = rows("Endpoints");
    assert!(rows.len() > 40);
    for row in rows {
        let [method, path, support] = row[..] else { panic!("{row:?}") };
        let path = path.replace("<cloud>", "emulator").replace("<rt>", "image").replace("<type>", "upload");
        let path = path.replace(['<', '>'], "");
        let request = server.client.request(method.parse().unwrap(), server.url(&path));
        let response = request.basic_auth(KEY, Some(SECRET)).send().await.unwrap();
        let text = response.text().await.unwrap_or_default();
        let is_refused = text.contains("Not emulated: ");
        assert_eq!(is_refused, support == "refused", "{method} {path}: {support}, but {text}");
    }
}

#[test]
fn every_route_is_in_the_docs() {
    let documented: Vec<_> = rows("Endpoints").iter().map(|row| shape(row[1])).collect();
    let routes = ROUTES.split('"').filter(|text| text.starts_with("/v1_1/"));
    for route in routes.filter(|route| !route.contains('%')) {
        assert!(documented.contains(&shape(route)), "{route} is not in docs/emulator.md");
    }
}

/// A path without the names of its parameters.
fn shape(path: &str) -> String {
    let shape =
        |segment: &str| if segment.starts_with(['{', '<']) { "*".to_owned() } else { segment.to_owned() };
    path.split('/').map(shape).collect::<Vec<_>>().join("/")
}

/// A value that each parameter takes.
fn value(name: &str) -> &'static str {
    match name {
        "type" => "upload",
        "allowed_formats" | "format" => "png",
        "moderation" => "manual",
        "access_control" => "[]",
        "face_coordinates" | "custom_coordinates" => "1,2,3,4",
        "eager" | "transformation" => "w_10",
        "context" => "a=b",
        "metadata" => "m=1",
        "upload_preset" => "p",
        "detection" | "raw_convert" | "ocr" | "categorization" | "background_removal" => "illegal",
        name if name.ends_with("_url") => "http://192.0.2.1/",
        _ => "1",
    }
}

#[tokio::test]
async fn every_upload_parameter_is_what_the_docs_say_it_is() {
    let server = Server::start().await;
    server.admin("POST", "upload_presets", serde_json::json!({"name": "p"})).await;
    server.define_metadata().await;
    for row in rows("Upload parameters") {
        let (name, support) = (row[0], row[1]);
        let form = Form::new().part("file", Part::bytes(png()).file_name("a.png")).text(name, value(name));
        let request = server.post("/v1_1/emulator/image/upload", form).basic_auth(KEY, Some(SECRET));
        let response = request.send().await.unwrap();
        let (status, note) = (response.status(), response.headers().get("x-countersign-emulator").cloned());
        let is_named = note.is_some_and(|note| note.to_str().unwrap().contains(name));
        match support {
            "emulated" => assert!(status == 200 && !is_named, "{name}: {status}"),
            "recorded only" => assert!(status == 200 && is_named, "{name}: {status}"),
            "not applied" => assert!(status == 200 && (is_named || name == "invalidate"), "{name}: {status}"),
            "refused" => assert_eq!(status, 400, "{name}"),
            other => panic!("{name} is {other}"),
        }
    }
}
