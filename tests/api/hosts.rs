//! Who is heard while callers are not authenticated: names that a request is addressed to, origins it comes from.

use countersign::auth::ApiKeys;
use countersign::config::AuthConfig;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::helpers::{Setup, TestApp, TestProcess, client, failure, read_json};

/// Every route that does something for a page.
const ROUTES: [(&str, &str); 12] = [
    ("GET", "/upload-signature"),
    ("POST", "/upload-signature"),
    ("GET", "/download-url?public_id=a&format=jpg"),
    ("DELETE", "/delete-files"),
    ("GET", "/uploadcare-signature"),
    ("GET", "/api/uploadcare-signature"),
    ("GET", "/uploads"),
    ("GET", "/uploads/0000"),
    ("POST", "/uploads/0000/confirm"),
    ("DELETE", "/callers/ann/assets"),
    ("POST", "/explain"),
    ("GET", "/nowhere"),
];

fn request(app: &TestApp, method: &str, path: &str) -> RequestBuilder {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    app.client.request(method, app.url(path)).header("content-type", "application/json").body("{}")
}

async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    read_json(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_name_that_was_pointed_at_this_machine_reaches_no_route() {
    let app = TestApp::spawn().await;
    for (method, path) in ROUTES {
        let rebound = request(&app, method, path).header("host", "evil.example:3000");
        assert_eq!(
            failure(&answer(rebound.header("origin", "http://evil.example:3000")).await),
            "421 host_not_allowed: this server does not answer to the host name of the request: add it to ALLOWED_HOSTS, or use localhost or an IP address",
            "{method} {path}"
        );
    }
    assert!(app.provider_requests().await.is_empty());
}

#[tokio::test]
async fn a_page_of_another_origin_reaches_no_route() {
    let app = TestApp::spawn().await;
    for (method, path) in ROUTES {
        for (name, value) in
            [("origin", "http://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")]
        {
            assert_eq!(
                failure(&answer(request(&app, method, path).header(name, value)).await),
                "403 origin_not_allowed: pages of this origin may not call this server: add the origin to CORS_ALLOWED_ORIGINS, or set PUBLIC_URL if it is this server's own behind a proxy",
                "{method} {path}"
            );
        }
    }
    assert!(app.provider_requests().await.is_empty());
}

#[tokio::test]
async fn pages_of_this_server_call_it_by_every_name_it_has() {
    let app = TestApp::spawn().await;
    let port = app.address.port();
    for name in ["localhost", "127.0.0.1", "[::1]", "app.localhost", "localhost."] {
        let host = format!("{name}:{port}");
        let request =
            app.get("/upload-signature").header("origin", format!("http://{host}")).header("host", &host);
        assert_eq!(request.send().await.unwrap().status(), 200, "{host}");
    }
}

#[tokio::test]
async fn links_assets_monitors_and_providers_are_heard_from_anywhere() {
    let app = TestApp::spawn().await;
    for path in ["/unsigned", "/uploadcare", "/static/demo.js", "/livez", "/readyz"] {
        let request = app.get(path).header("host", "evil.example").header("sec-fetch-site", "cross-site");
        assert_eq!(request.send().await.unwrap().status(), 200, "{path}");
    }
    for path in ["/webhooks/cloudinary", "/webhooks/uploadcare"] {
        let (status, body) = answer(request(&app, "POST", path).header("host", "evil.example")).await;
        assert!(![421, 403].contains(&status.as_u16()), "{path}: {body}");
    }
}

#[tokio::test]
async fn pictures_on_another_site_do_not_use_up_a_quota() {
    let app = TestApp::spawn_under(
        "[profiles.default]\nscopes = []\nfolder = \"a\"\nexpires_in = \"5m\"\nquota = { uploads = \"5/day\" }\n",
    )
    .await;
    let picture = || {
        let request = app.get("/upload-signature").header("sec-fetch-site", "cross-site");
        request.header("sec-fetch-mode", "no-cors").header("sec-fetch-dest", "image")
    };
    for _ in 0..5 {
        assert_eq!(answer(picture()).await.0, 403);
    }
    for left in (0..5).rev() {
        assert_eq!(app.data("/upload-signature").await["quota"]["uploads"]["remaining"], left);
    }
    assert_eq!(app.get_json("/upload-signature").await.0, 429);
}

#[tokio::test]
async fn authenticated_callers_are_heard_under_any_name() {
    let auth = AuthConfig::Required {
        api_keys: Some(ApiKeys::parse(&format!("ann {} download", "0".repeat(64))).unwrap()),
        tokens: None,
    };
    let app = TestApp::spawn_as(Setup { auth, ..Setup::default() }).await;
    let request = app.get("/upload-signature").header("host", "sign.example").header("origin", "null");
    assert_eq!(answer(request).await.0, 401);
}

#[tokio::test]
async fn the_start_names_the_variable_that_adds_names() {
    let arguments =
        ["serve", "--emulator", "--port", "0", "--emulator-port", "0", "--allowed-hosts", "Sign.example"];
    let mut process = TestProcess::spawn(&arguments).await;
    let client = client();
    let ask = async |host: &str| {
        let request = client.get(format!("http://{}/upload-signature", process.address));
        request.header("host", host).send().await.unwrap().status()
    };
    assert_eq!(ask("sign.example:3000").await, 200);
    assert_eq!(ask("app.sign.example").await, 421);
    let log = process.logged("421").await;
    assert!(log.contains("host_not_allowed"), "{log}");
    process.signal("-TERM");
    let (_, log) = process.finish().await;
    assert!(log.contains("other host names than localhost need ALLOWED_HOSTS"), "{log}");
}

#[tokio::test]
async fn a_deletion_by_a_rebound_page_deletes_nothing() {
    let app = TestApp::spawn().await;
    let (_, uploaded) = app.upload("", "a.png", crate::helpers::png(1, 1)).await;
    let url = uploaded["secure_url"].as_str().unwrap();
    let body = json!({ "urls": [{ "type": "image", "url": url }] });
    let request = app.client.delete(app.url("/delete-files")).json(&body).header("host", "evil.example");
    assert_eq!(answer(request).await.0, 421);
    assert_eq!(app.client.get(url).send().await.unwrap().status(), 200);
}
