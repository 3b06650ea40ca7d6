//! What a process writes while it works, at its most talkative: one line a request, and nothing that opens a door.

use percent_encoding::NON_ALPHANUMERIC;
use reqwest::multipart::Part;
use serde_json::{Value, json};

use crate::helpers::{TestProcess, client, png, read_json, text, upload_form};

/// A whole story against a process: signing, upload, download, refusals, deletion. Everything that must not be logged.
async fn story(origin: &str) -> Vec<String> {
    let client = client();
    let get =
        async |path: &str| read_json(client.get(format!("{origin}{path}")).send().await.unwrap()).await.1;
    let signed = get("/upload-signature?should_secure_asset=true").await["data"].take();
    let form = upload_form(&signed).part("file", Part::bytes(png(2, 2)).file_name("top secret ünï.png"));
    let asset = client.post(text(&signed["uploadUrl"])).multipart(form).send().await.unwrap();
    let (_, asset) = read_json(asset).await;
    assert!(asset["public_id"].is_string(), "{asset}");
    let public_id =
        percent_encoding::utf8_percent_encode(asset["public_id"].as_str().unwrap(), NON_ALPHANUMERIC);
    let download = get(&format!("/download-url?public_id={public_id}&format=png")).await;
    let link = text(&download["data"]["downloadUrl"]);
    assert_eq!(client.get(&link).send().await.unwrap().status(), 200);

    get("/upload-signature?should_secure_asset=hunter2").await;
    get("/download-url?public_id=hunter2%0a2026-01-01%20ERROR%20forged&format=jpg").await;
    let unsigned = client.post(text(&signed["uploadUrl"])).body("signature=hunter2").send().await.unwrap();
    assert!(unsigned.status().is_client_error());
    let request = client.delete(format!("{origin}/delete-files")).header("content-type", "application/json");
    let body = json!({"urls": [{"type": "image", "url": asset["secure_url"]}]}).to_string();
    let answer = request.header("authorization", "Bearer hunter2").body(body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let odd = client.request(reqwest::Method::from_bytes(b"HUNTER2").unwrap(), origin).send().await.unwrap();
    assert_eq!(odd.status(), 405);

    let query = link.split_once('?').unwrap().1.to_owned();
    let link_signature = query.split("signature=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let texts = [&signed["signature"], &signed["manualSignature"], &asset["signature"]].map(text);
    let mut never =
        vec!["emulator-secret".to_owned(), "hunter2".to_owned(), "HUNTER2".to_owned(), query, link_signature];
    never.extend(texts);
    never.push("top secret".to_owned());
    never.push("ZW11bGF0b3Ita2V5OmVtdWxhdG9yLXNlY3JldA".to_owned()); // the credentials as HTTP Basic spells them
    never
}

async fn logs_of_a_story(format: &str) -> (Vec<String>, String) {
    let arguments = [
        "serve",
        "--emulator",
        "--port",
        "0",
        "--emulator-port",
        "0",
        "--log-format",
        format,
        "--rust-log",
        "trace",
    ];
    let process = TestProcess::spawn(&arguments).await;
    let never = story(&format!("http://{}", process.address)).await;
    process.signal("-TERM");
    let (code, log) = process.finish().await;
    assert_eq!(code, Some(0), "{log}");
    (never, log)
}

#[tokio::test]
async fn defect_10_no_secret_signature_query_or_body_reaches_the_log_at_any_level() {
    for format in ["text", "json"] {
        let (never, log) = logs_of_a_story(format).await;
        assert!(log.lines().count() > 8, "{log}");
        for text in never {
            let line = log.lines().find(|line| line.contains(&text));
            assert_eq!(line, None, "{text}");
        }
    }
}

#[tokio::test]
async fn every_request_leaves_one_json_line_with_route_status_duration_and_id() {
    let (_, log) = logs_of_a_story("json").await;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let requests: Vec<_> = lines.iter().filter(|line| line["target"] == "countersign::request").collect();
    let routes: Vec<_> =
        requests.iter().map(|line| (text(&line["method"]), text(&line["route"]), &line["status"])).collect();
    insta::assert_snapshot!(serde_json::to_string(&routes).unwrap(), @r#"[["GET","/upload-signature",200],["GET","/download-url",200],["GET","/upload-signature",400],["GET","/download-url",400],["DELETE","/delete-files",200],["-","/",405]]"#);
    for line in requests {
        assert!(line["duration_us"].is_u64() && line["request_id"].as_str().unwrap().len() == 16, "{line}");
    }
}
