//! Grants that are kept: the same story on SQLite and on a real PostgreSQL.

mod batches;
mod books;
mod commands;
mod crash;
mod erasure;
mod files;
mod fleet;
mod key_subjects;
mod labels;
mod notifications;
mod open_grants;
mod outage;
mod quotas;
mod replacement;
mod replicas;
mod retention;
mod story;
mod sweep;

use std::env;

use countersign::auth::ApiKeys;
use countersign::config::{AuthConfig, SecureDelivery};
use countersign::profiles::Profiles;
use countersign::providers::{CallBudget, CallError};
use reqwest::multipart::Part;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use tempfile::TempDir;

use crate::helpers::{Setup, TestApp, png, read_json, upload_form};

/// Runs each of the named stories on either database.
macro_rules! on_both {
    ($($story:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $story() {
                super::$story(crate::ledger::Database::sqlite()).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $story() {
                super::$story(crate::ledger::Database::postgres().await).await;
            })+
        }
    };
}
use on_both;

/// An empty database for one test.
pub(crate) struct Database {
    pub(crate) url: String,
    _dir: Option<TempDir>,
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { url: format!("sqlite://{}/ledger.db", dir.path().display()), _dir: Some(dir) }
    }

    /// A database of its own on the server that `tests/run` starts.
    pub(crate) async fn postgres() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a setting of the tests, not of the product")]
        let Ok(server) = env::var("COUNTERSIGN_TEST_POSTGRES") else {
            panic!(
                "needs a PostgreSQL server: run `tests/run rust`, which starts one, or set COUNTERSIGN_TEST_POSTGRES"
            )
        };
        let name = format!("test_{:016x}", rand::random::<u64>());
        let options: PgConnectOptions = server.parse().unwrap();
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::query(create).execute(&mut connection).await.unwrap();
        Self { url: options.database(&name).to_url_lossy().to_string(), _dir: None }
    }
}

const ALL: &str = "upload:once,upload:strict,upload:small,upload:counted,upload:shared,upload:mine,upload:metered,upload:pair,download,delete";

/// Ann and Bob with everything, and an administrator: the lines of a keys file.
fn key_lines() -> String {
    let admin = format!("{ALL},admin");
    let line = |(name, scopes): &(&str, &str)| {
        format!("{name} {} {scopes}\n", hex::encode(Sha256::digest(format!("cs_{name}"))))
    };
    [("ann", ALL), ("bob", ALL), ("root", &admin)].iter().map(line).collect()
}

fn keys() -> AuthConfig {
    AuthConfig::Required { api_keys: Some(ApiKeys::parse(&key_lines()).unwrap()), tokens: None }
}

const PROFILES: &str = r#"
[profiles.once]
folder = "once/{sub}"
type = "private"
expires_in = "5m"
single_use = true
client_params = { tags = {} }

[profiles.small]
folder = "small/{sub}"
resource_types = ["image"]
max_bytes = "200"

[profiles.counted]
folder = "counted/{sub}"
max_bytes = "1KB"
quota = { uploads = "3/day", bytes = "2500/hour" }

[profiles.strict]
folder = "strict/{sub}"
type = "private"
single_use = true
on_replacement = "delete"

[profiles.shared]
folder = "shared"
single_use = true

[profiles.mine]
provider = "uploadcare"
owned = true

[profiles.metered]
provider = "uploadcare"
max_bytes = "100"
quota = { uploads = "3/day", bytes = "150/hour" }

[profiles.pair]
provider = "uploadcare"
quota = { uploads = "20/day" }
files_per_signature = 2
"#;

/// What Uploadcare's webhooks are signed with.
pub(crate) const WEBHOOK_SECRET: &str = "7kMVZivndx0ErgvhRKAr";

/// What signed delivery is signed with.
const DELIVERY_KEY: &str = "73636b61519adede42191efe1e73f02a67c7b692e3765f90c250c230be095211";

/// A service with a ledger, as callers use it.
pub(crate) struct Service {
    pub(crate) app: TestApp,
    database: Database,
}

impl Service {
    pub(crate) async fn on(database: Database) -> Self {
        Self::start(database, false).await
    }

    /// The same where the provider sends notifications.
    async fn notified_on(database: Database) -> Self {
        Self::start(database, true).await
    }

    async fn start(database: Database, is_notified: bool) -> Self {
        let profiles = Profiles::from_toml(PROFILES).unwrap();
        Self::start_as(database, Setup { auth: keys(), profiles, is_notified, ..Setup::default() }).await
    }

    async fn start_as(database: Database, setup: Setup) -> Self {
        let setup = Setup {
            database_url: Some(database.url.clone()),
            uploadcare: |project| {
                project.webhook_secret = Some(WEBHOOK_SECRET.into());
                let key = DELIVERY_KEY.parse().unwrap();
                project.secure_delivery =
                    Some(SecureDelivery { base: "https://cdn.example".to_owned(), key });
            },
            ..setup
        };
        Self { app: TestApp::spawn_as(setup).await, database }
    }

    /// Where its ledger is.
    fn database_url(&self) -> &str {
        &self.database.url
    }

    async fn ask(&self, who: &str, request: RequestBuilder) -> (StatusCode, Value) {
        read_json(request.bearer_auth(format!("cs_{who}")).send().await.unwrap()).await
    }

    async fn get(&self, who: &str, path: &str) -> (StatusCode, Value) {
        self.ask(who, self.app.get(path)).await
    }

    async fn post(&self, who: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = self.app.client.post(self.app.url(path)).header("content-type", "application/json");
        self.ask(who, request.body(body.to_string())).await
    }

    async fn delete(&self, who: &str, path: &str) -> (StatusCode, Value) {
        self.ask(who, self.app.client.delete(self.app.url(path))).await
    }

    /// A signature that is given.
    async fn sign(&self, who: &str, profile: &str) -> Value {
        let (status, mut body) = self.get(who, &format!("/upload-signature?profile={profile}")).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body["data"].take()
    }

    /// What became of a grant.
    async fn state(&self, who: &str, signed: &Value) -> Value {
        let (status, mut body) = self.get(who, &format!("/uploads/{}", id(signed))).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body["data"].take()
    }

    /// The provider's answer to an upload of `bytes` to this endpoint.
    async fn upload_to(&self, endpoint: &str, signed: &Value, bytes: Vec<u8>) -> Value {
        let url = signed["uploadUrl"].as_str().unwrap();
        let base = url.rsplitn(3, '/').nth(2).unwrap();
        let form = upload_form(signed).part("file", Part::bytes(bytes).file_name("a.png"));
        let request = self.app.client.post(format!("{base}/{endpoint}/upload")).multipart(form);
        let (status, body) = read_json(request.send().await.unwrap()).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    async fn upload(&self, signed: &Value) -> Value {
        self.upload_to("auto", signed, png(2, 2)).await
    }

    async fn confirm(&self, who: &str, signed: &Value, answer: &Value) -> (StatusCode, Value) {
        self.post(who, &format!("/uploads/{}/confirm", id(signed)), answer).await
    }

    /// The public ids that the provider holds, each with its resource type.
    async fn stored(&self) -> Vec<String> {
        let assets = self.app.client.get(format!("{}/_emulator/assets", self.app.emulator_origin));
        let (_, body) = read_json(assets.send().await.unwrap()).await;
        let name = |entry: &Value| {
            let asset = &entry["asset"];
            format!("{} {}", asset["resource_type"].as_str().unwrap(), asset["public_id"].as_str().unwrap())
        };
        let mut names: Vec<_> = body["assets"].as_array().unwrap().iter().map(name).collect();
        names.sort();
        names
    }

    /// Lets so many seconds pass for the service; the provider goes along.
    async fn pass(&self, seconds: i64) {
        self.app.clock.advance(seconds);
        self.app.control("clock", json!({ "advance_seconds": seconds })).await;
    }

    /// What the sweep still did before it had made so many calls, and why it ended, if it was made to.
    async fn sweep_within(&self, budget: &CallBudget) -> (usize, Option<CallError>) {
        let mut settling = self.app.state.settling();
        settling.admin = settling.admin.within(Some(budget.clone()));
        let swept = settling.sweep(false).await.unwrap();
        (swept.lines.len(), swept.error)
    }

    async fn sweep(&self) -> Vec<Value> {
        let swept = self.app.state.settling().sweep(false).await.unwrap();
        assert_eq!(swept.error, None);
        swept.lines.iter().map(|line| serde_json::to_value(line).unwrap()).collect()
    }
}

fn id(signed: &Value) -> &str {
    signed["uploadId"].as_str().unwrap()
}
