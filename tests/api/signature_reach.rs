//! Every signature that countersign gives out, sent to every endpoint of the Upload API: what each is good for beside its
//! purpose, and until when. docs/threat-model.md explains each line of the snapshot that is not a refusal.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use countersign::config::DownloadKey;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::helpers::{NOW, Setup, TestApp, client, png, read_json, text};

const PROFILES: &str = r#"
[profiles.plain]
scopes = []
folder = "plain"
expires_in = "5m"
tags = ["plain"]

[profiles.once]
scopes = []
folder = "once"
type = "private"
expires_in = "5m"
single_use = true

[profiles.default]
scopes = []
folder = "open"
type = "private"
"#;

const ENDPOINTS: [&str; 12] = [
    "upload",
    "destroy",
    "rename",
    "explicit",
    "tags",
    "context",
    "metadata",
    "generate_archive",
    "text",
    "multi",
    "explode",
    "sprite",
];

/// Something signed: the parameters, signature and key among them, as a client holds them.
struct Credential {
    name: &'static str,
    fields: Vec<(String, String)>,
    /// How long it is meant to live, in seconds.
    lifetime: i64,
}

impl Credential {
    fn of_upload(name: &'static str, signed: &Value) -> Self {
        let payload = signed["payload"].as_object().unwrap().iter();
        let mut fields: Vec<_> = payload.map(|(name, value)| (name.clone(), text(value))).collect();
        fields.push(("signature".to_owned(), text(&signed["signature"])));
        fields.push(("api_key".to_owned(), text(&signed["apiKey"])));
        Self { name, fields, lifetime: 300 }
    }

    fn of_link(name: &'static str, link: &Value) -> Self {
        let url: reqwest::Url = text(&link["downloadUrl"]).parse().unwrap();
        let pairs = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned()));
        Self { name, fields: pairs.collect(), lifetime: 60 }
    }

    /// What the endpoint says: `refused`, or the status of a call whose signature was accepted.
    async fn try_at(&self, app: &TestApp, endpoint: &str) -> String {
        let mut form = Form::new();
        for (name, value) in &self.fields {
            form = form.text(name.clone(), value.clone());
        }
        if endpoint == "upload" {
            form = form.part("file", Part::bytes(png(7, 7)).file_name("evil.png"));
        }
        let url = format!("{}/v1_1/demo/image/{endpoint}", app.emulator_origin);
        let (status, body) = read_json(client().post(url).multipart(form).send().await.unwrap()).await;
        let message = text(&body["error"]["message"]);
        let refusals = ["Invalid Signature", "Stale request", "not permitted", "not allowed", "permission"];
        if status == 401 || status == 403 || refusals.iter().any(|words| message.contains(words)) {
            return "refused".to_owned();
        }
        match body["result"].as_str() {
            _ if message.contains("Not emulated") => "accepted, not emulated".to_owned(),
            Some(result) => format!("{} {result}", status.as_u16()),
            None if body["overwritten"] == true => format!("{} overwritten", status.as_u16()),
            None => status.as_u16().to_string(),
        }
    }
}

async fn spawn(with_download_key: bool) -> TestApp {
    let setup =
        Setup { profiles: countersign::profiles::Profiles::from_toml(PROFILES).unwrap(), ..Setup::default() };
    let key = || DownloadKey { api_key: "456".to_owned(), api_secret: "efgh".into() };
    TestApp::start(
        |account| countersign::config::CloudinaryAccount {
            download_key: with_download_key.then(key),
            ..account
        },
        setup,
    )
    .await
}

/// Every kind of signature, with the assets that they are about in place.
async fn credentials(app: &TestApp) -> Vec<Credential> {
    let (_, plain) = app.upload("?profile=plain", "a.png", png(1, 1)).await;
    let (_, open) = app.upload("", "a.png", png(1, 1)).await;
    let used = app.data("/upload-signature?profile=once").await;
    let once = app.upload_signed(&used, png(1, 1)).await;
    let confirm = format!("/uploads/{}/confirm", text(&used["uploadId"]));
    assert_eq!(app.post_json(&confirm, &once).await.0, 200);
    let unused = app.data("/upload-signature?profile=once").await;
    let renewed = app.post_json("/upload-signature", &json!({"uploadId": unused["uploadId"]})).await.1;
    let bulk = app.post_json("/upload-signature", &json!({"uploads": [{"profile": "plain"}]})).await.1;
    let mut all = vec![
        Credential::of_upload("upload, plain profile", &app.data("/upload-signature?profile=plain").await),
        Credential::of_upload("upload, one of many", &bulk["data"][0]),
        Credential::of_upload("upload, single use, used", &used),
        Credential::of_upload("upload, single use, renewed", &renewed["data"]),
    ];
    for (name, asset, delivery_type) in [
        ("link, public file", &plain, "upload"),
        ("link, private file", &open, "private"),
        ("link, file of the ledger", &once, "private"),
    ] {
        let id = text(&asset["public_id"]);
        let link = app.data(&format!("/download-url?public_id={id}&format=png&type={delivery_type}")).await;
        all.push(Credential::of_link(name, &link));
    }
    all
}

/// What each endpoint says to a signature, endpoints with the same answer together.
async fn answers(app: &TestApp, credential: &Credential) -> String {
    let mut by_answer = BTreeMap::<_, Vec<_>>::new();
    for endpoint in ENDPOINTS {
        by_answer.entry(credential.try_at(app, endpoint).await).or_default().push(endpoint);
    }
    let lines = by_answer.iter().map(|(answer, endpoints)| format!("    {answer}: {}", endpoints.join(" ")));
    lines.collect::<Vec<_>>().join("\n")
}

/// What became of each signature at once, at its end, and half an hour later.
async fn table(with_download_key: bool) -> String {
    let mut table = String::new();
    // A service of its own for each: what one call does must not decide about the next.
    for index in 0..7 {
        let app = spawn(with_download_key).await;
        let credential = credentials(&app).await.swap_remove(index);
        writeln!(table, "{}, at once\n{}", credential.name, answers(&app, &credential).await).unwrap();
    }
    let app = spawn(with_download_key).await;
    let mut all = credentials(&app).await;
    all.sort_by_key(|credential| credential.lifetime);
    for (moment, later) in [("when it has expired", 1), ("30 min later", 1_801)] {
        for credential in &all {
            app.control("clock", json!({"set": NOW.0 + credential.lifetime + later})).await;
            writeln!(table, "{}, {moment}\n{}", credential.name, answers(&app, credential).await).unwrap();
        }
    }
    table
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "the table is the test")]
async fn with_one_key_a_signature_works_elsewhere_until_it_expires_and_never_after() {
    insta::assert_snapshot!(table(false).await, @"
    upload, plain profile, at once
        200: upload generate_archive
        400: destroy rename explicit tags context metadata
        accepted, not emulated: text multi explode sprite
    upload, one of many, at once
        200: upload generate_archive
        400: destroy rename explicit tags context metadata
        accepted, not emulated: text multi explode sprite
    upload, single use, used, at once
        200: upload
        200 not found: destroy
        400: rename tags context metadata generate_archive
        404: explicit
        accepted, not emulated: text multi explode sprite
    upload, single use, renewed, at once
        200: upload
        200 not found: destroy
        400: rename tags context metadata generate_archive
        404: explicit
        accepted, not emulated: text multi explode sprite
    link, public file, at once
        200 ok: destroy
        200 overwritten: upload
        400: rename tags context metadata generate_archive
        404: explicit
        accepted, not emulated: text multi explode sprite
    link, private file, at once
        200 ok: destroy
        200 overwritten: upload
        400: rename tags context metadata generate_archive
        404: explicit
        accepted, not emulated: text multi explode sprite
    link, file of the ledger, at once
        200 ok: destroy
        200 overwritten: upload
        400: rename tags context metadata generate_archive
        404: explicit
        accepted, not emulated: text multi explode sprite
    link, public file, when it has expired
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    link, private file, when it has expired
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    link, file of the ledger, when it has expired
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    upload, plain profile, when it has expired
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    upload, one of many, when it has expired
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    upload, single use, used, when it has expired
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    upload, single use, renewed, when it has expired
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    link, public file, 30 min later
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    link, private file, 30 min later
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    link, file of the ledger, 30 min later
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    upload, plain profile, 30 min later
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    upload, one of many, 30 min later
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    upload, single use, used, 30 min later
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    upload, single use, renewed, 30 min later
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    ");
}

#[tokio::test]
async fn with_a_second_key_a_link_only_downloads() {
    insta::assert_snapshot!(table(true).await, @"
    upload, plain profile, at once
        200: upload generate_archive
        400: destroy rename explicit tags context metadata
        accepted, not emulated: text multi explode sprite
    upload, one of many, at once
        200: upload generate_archive
        400: destroy rename explicit tags context metadata
        accepted, not emulated: text multi explode sprite
    upload, single use, used, at once
        200: upload
        200 not found: destroy
        400: rename tags context metadata generate_archive
        404: explicit
        accepted, not emulated: text multi explode sprite
    upload, single use, renewed, at once
        200: upload
        200 not found: destroy
        400: rename tags context metadata generate_archive
        404: explicit
        accepted, not emulated: text multi explode sprite
    link, public file, at once
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    link, private file, at once
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    link, file of the ledger, at once
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    link, public file, when it has expired
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    link, private file, when it has expired
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    link, file of the ledger, when it has expired
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    upload, plain profile, when it has expired
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    upload, one of many, when it has expired
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    upload, single use, used, when it has expired
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    upload, single use, renewed, when it has expired
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    link, public file, 30 min later
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    link, private file, 30 min later
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    link, file of the ledger, 30 min later
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    upload, plain profile, 30 min later
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    upload, one of many, 30 min later
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    upload, single use, used, 30 min later
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    upload, single use, renewed, 30 min later
        refused: upload destroy rename explicit tags context metadata generate_archive text multi explode sprite
    ");
}
