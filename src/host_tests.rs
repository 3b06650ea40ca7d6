use super::*;

/// A server behind a proxy that ends TLS, with one more name, which the pages of one origin may call.
fn rules() -> HostRules {
    let origins = [HeaderValue::from_static("https://app.example")];
    HostRules::new(&["Box.Example".to_owned()], Some("https://sign.example/base"), &origins)
}

/// What becomes of a request, in one word.
fn verdict(method: &str, target: &str, headers: &[(&str, &str)]) -> &'static str {
    let request = axum::http::Request::builder().method(method).uri(target);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    rules().check(&request.body(()).unwrap()).err().map_or("heard", |refusal| refusal.code())
}

#[test]
fn names_of_this_server_are_heard_and_no_other() {
    for host in [
        "localhost",
        "LocalHost:3000",
        "localhost.",
        "localhost.:3000",
        "app.localhost",
        "a.B.LOCALHOST.:1",
        "127.0.0.1",
        "127.0.0.1:3000",
        "127.0.0.1.",
        "10.1.2.3:80",
        "203.0.113.7",
        "[::1]",
        "[::1]:3000",
        "[2001:db8::1]:443",
        "[::ffff:127.0.0.1]",
        "sign.example",
        "SIGN.example:3000",
        "sign.example.",
        "box.example:8080",
    ] {
        assert_eq!(verdict("GET", "/upload-signature", &[("host", host)]), "heard", "{host}");
    }
    for host in [
        "",
        ".",
        "evil.example",
        "evil.example:3000",
        "localhost.evil.example",
        "notlocalhost",
        ".localhost",
        "localhost..",
        "localhost:evil",
        "localhost:3000:1",
        "127.0.0.1.nip.io",
        "127.0.0.1.evil.example:3000",
        "127.1",
        "0x7f.1",
        "::1",
        "[::1",
        "[::1]evil.example",
        "[evil.example]",
        "app.sign.example",
        "sign.example.evil.example",
        "localhost@evil.example",
        "evil.example@localhost",
        "ünlocalhost",
    ] {
        assert_eq!(verdict("GET", "/upload-signature", &[("host", host)]), "host_not_allowed", "{host}");
    }
}

#[test]
fn every_name_in_a_request_counts_and_none_is_needed() {
    assert_eq!(verdict("GET", "/upload-signature", &[]), "heard");
    let two = [("host", "localhost"), ("host", "evil.example")];
    assert_eq!(verdict("GET", "/upload-signature", &two), "host_not_allowed");
    let absolute = "http://evil.example/upload-signature";
    assert_eq!(verdict("GET", absolute, &[("host", "localhost")]), "host_not_allowed");
}

#[test]
fn pages_of_this_server_and_of_allowed_origins_may_call_and_no_other() {
    const HERE: &str = "localhost:3000";
    for (host, origin, expected) in [
        (HERE, "http://localhost:3000", "heard"),
        (HERE, "http://LOCALHOST:3000", "heard"),
        (HERE, "http://localhost", "origin_not_allowed"),
        (HERE, "http://localhost:3001", "origin_not_allowed"),
        (HERE, "https://localhost:3000", "origin_not_allowed"),
        (HERE, "http://127.0.0.1:3000", "origin_not_allowed"),
        (HERE, "http://evil.example", "origin_not_allowed"),
        (HERE, "http://evil.example:3000", "origin_not_allowed"),
        (HERE, "http://localhost:3000.evil.example", "origin_not_allowed"),
        (HERE, "null", "origin_not_allowed"),
        (HERE, "", "origin_not_allowed"),
        (HERE, "file://", "origin_not_allowed"),
        (HERE, "https://app.example", "heard"),
        (HERE, "http://app.example", "origin_not_allowed"),
        (HERE, "https://app.example:8443", "origin_not_allowed"),
        ("[::1]:3000", "http://[::1]:3000", "heard"),
        ("localhost", "http://localhost", "heard"),
        ("localhost:80", "http://localhost", "heard"),
        // A proxy ends TLS, and keeps the name or not.
        ("sign.example", "https://sign.example", "heard"),
        ("127.0.0.1:3000", "https://sign.example", "heard"),
        ("box.example", "https://box.example", "origin_not_allowed"),
        ("evil.example", "http://evil.example", "host_not_allowed"),
        ("evil.example", "https://app.example", "host_not_allowed"),
    ] {
        let headers = [("host", host), ("origin", origin)];
        assert_eq!(verdict("GET", "/upload-signature", &headers), expected, "{host} {origin}");
    }
    let two = [("host", HERE), ("origin", "http://localhost:3000"), ("origin", "http://evil.example")];
    assert_eq!(verdict("GET", "/upload-signature", &two), "origin_not_allowed");
}

#[test]
fn a_request_of_another_site_without_an_origin_is_refused() {
    for (site, expected) in [
        ("cross-site", "origin_not_allowed"),
        ("same-site", "heard"),
        ("same-origin", "heard"),
        ("none", "heard"),
    ] {
        let headers = [("host", "localhost:3000"), ("sec-fetch-site", site)];
        assert_eq!(verdict("GET", "/upload-signature", &headers), expected, "{site}");
    }
    let allowed =
        [("host", "localhost:3000"), ("sec-fetch-site", "cross-site"), ("origin", "https://app.example")];
    assert_eq!(verdict("GET", "/upload-signature", &allowed), "heard");
}

#[test]
fn links_assets_monitors_and_providers_are_exempt() {
    let evil = [("host", "evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")];
    for (method, path, expected) in [
        ("GET", "/", "heard"),
        ("GET", "/unsigned", "heard"),
        ("GET", "/uploadcare?profile=a", "heard"),
        ("HEAD", "/unsigned", "heard"),
        ("POST", "/unsigned", "host_not_allowed"),
        ("GET", "/static/demo.js", "heard"),
        ("GET", "/static", "host_not_allowed"),
        ("GET", "/livez", "heard"),
        ("GET", "/readyz", "heard"),
        ("POST", "/webhooks/cloudinary", "heard"),
        ("POST", "/webhooks/uploadcare", "heard"),
        ("GET", "/upload-signature", "host_not_allowed"),
        ("DELETE", "/delete-files", "host_not_allowed"),
        ("OPTIONS", "/delete-files", "host_not_allowed"),
        ("GET", "/nowhere", "host_not_allowed"),
    ] {
        assert_eq!(verdict(method, path, &evil), expected, "{method} {path}");
    }
    let link = [("host", "localhost"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    assert_eq!(verdict("GET", "/unsigned", &link), "heard");
    let image = [("host", "localhost"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")];
    assert_eq!(verdict("GET", "/unsigned", &image), "origin_not_allowed");
}

#[test]
fn what_is_exempt_exists() {
    let routes: Vec<_> = crate::api::PATHS.iter().chain(crate::demo::PATHS).collect();
    assert!(PAGES.iter().chain(&CALLED_FROM_ELSEWHERE).all(|path| routes.contains(&path)), "{routes:?}");
}
