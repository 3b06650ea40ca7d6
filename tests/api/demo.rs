//! The demo page and its assets; what they do in a browser is tested in a browser.

use crate::helpers::TestApp;

#[tokio::test]
async fn the_root_leads_to_the_page() {
    let app = TestApp::spawn().await;
    let answer = app.get("/").send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()),
        (302, "/unsigned")
    );
}

#[tokio::test]
async fn the_page_allows_nothing_inline_and_no_frames() {
    let app = TestApp::spawn().await;
    let answer = app.get("/unsigned").send().await.unwrap();
    let policy = answer.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .replace(&app.emulator_origin, "PROVIDER");
    insta::assert_snapshot!(policy, @"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: PROVIDER; media-src 'self' blob: PROVIDER; connect-src 'self' PROVIDER; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    let page = answer.text().await.unwrap();
    for inline in ["<style", " style=", " onclick=", " onload=", "javascript:"] {
        assert!(!page.contains(inline), "{inline}");
    }
    assert!(page.matches("<script").all(|tag| !tag.is_empty()));
    assert_eq!(page.matches("<script").count(), page.matches("<script type=\"module\" src=").count());
}

#[tokio::test]
async fn limits_and_grants_are_shown_only_where_the_ledger_keeps_them() {
    const OF_THE_LEDGER: [&str; 5] =
        ["folder-owner", "max-bytes", "data-testid=\"quota\"", "id=\"grants\"", "id=\"grant-template\""];
    let page_under = async |profile: &str| {
        let app =
            TestApp::spawn_under(&format!("[profiles.default]\nfolder = \"a/{{sub}}\"\n{profile}")).await;
        app.get("/unsigned").send().await.unwrap().text().await.unwrap()
    };
    let page = page_under("").await;
    assert_eq!(OF_THE_LEDGER.into_iter().find(|hook| page.contains(hook)), None);
    let page = page_under("max_bytes = \"10MB\"\nquota = { uploads = \"20/day\" }").await;
    assert_eq!(OF_THE_LEDGER.into_iter().find(|hook| !page.contains(hook)), None);
    for words in ["yours alone: {sub} is you", "10 MB at most", "20 uploads a day"] {
        assert!(page.contains(words), "{words}");
    }
}

#[tokio::test]
async fn every_asset_that_the_page_names_is_served_and_kept_for_ever() {
    let app = TestApp::spawn().await;
    let page = app.get("/unsigned").send().await.unwrap().text().await.unwrap();
    let assets: Vec<_> =
        page.split("\"/static/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(assets.len() >= 4, "{assets:?}");
    for asset in assets {
        let path = format!("/static/{asset}");
        let answer = app.get(&path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let is_versioned = asset.contains("?v=");
        let cached = answer.headers()["cache-control"].to_str().unwrap().contains("immutable");
        assert_eq!(cached, is_versioned, "{path}");
        let tag = answer.headers()["etag"].clone();
        let again = app.get(&path).header("if-none-match", tag).send().await.unwrap();
        assert_eq!(again.status(), 304, "{path}");
    }
}

#[tokio::test]
async fn nothing_else_is_served_from_the_static_folder() {
    let app = TestApp::spawn().await;
    for path in ["/static/", "/static/nothing.js", "/static/..%2fCargo.toml", "/static/%2e%2e/Cargo.toml"] {
        assert_eq!(app.get(path).send().await.unwrap().status(), 404, "{path}");
    }
}

#[tokio::test]
async fn no_page_and_no_script_holds_the_secret() {
    let app = TestApp::spawn().await;
    for path in ["/unsigned", "/static/demo.js", "/static/countersign.js", "/upload-signature", "/readyz"] {
        let text = app.get(path).send().await.unwrap().text().await.unwrap();
        // The test account's secret; four letters that no word of the page contains.
        assert!(!text.contains("abcd"), "{path}");
    }
}

#[tokio::test]
async fn the_uploadcare_page_takes_the_component_from_the_public_cdn_by_its_hash() {
    let app = TestApp::spawn().await;
    let answer = app.get("/uploadcare").send().await.unwrap();
    let policy = answer.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .replace(&app.emulator_origin, "PROVIDER");
    insta::assert_snapshot!(policy, @"default-src 'none'; script-src 'self' https://cdn.jsdelivr.net/npm/@uploadcare/file-uploader@1.33.2/web/; style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net/npm/@uploadcare/file-uploader@1.33.2/web/; img-src 'self' blob: data: PROVIDER; media-src 'self' blob:; connect-src 'self' PROVIDER; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    let page = answer.text().await.unwrap();
    let component = "https://cdn.jsdelivr.net/npm/@uploadcare/file-uploader@1.33.2/web/";
    assert_eq!(page.matches(component).count(), 2);
    assert_eq!(page.matches(" integrity=\"sha384-").count(), 2);
    assert!(page.contains("quality-insights=\"false\""));
    for inline in ["<style", " style=", " onclick=", " onload=", "javascript:", "emulator-secret-key"] {
        assert!(!page.contains(inline), "{inline}");
    }
    let without_copy = app.get("/uploadcare/component/file-uploader.iife.min.js").send().await.unwrap();
    assert_eq!(without_copy.status(), 404);
}
