//! Several replicas as processes, on one database, with one emulator as their provider; and the books they keep.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use countersign::signing::{Algorithm, notification_signature};
use reqwest::multipart::Part;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{Database, id, key_lines};
use crate::emulator::clouds::Process;
use crate::helpers::{client, command, png, read_json, upload_form};

/// `counted` has less than the tests ask for, `crowd` more.
const PROFILES: &str = r#"
[profiles.once]
folder = "once/{sub}"
single_use = true
scopes = []

[profiles.counted]
folder = "counted/{sub}"
quota = { uploads = "40/day" }
scopes = []

[profiles.crowd]
folder = "crowd/{sub}"
max_bytes = "1KB"
quota = { uploads = "1000000/day", bytes = "1000000KB/day" }
scopes = []

[profiles.free]
folder = "free/{sub}"
scopes = []
"#;

/// What replicas share.
pub(super) struct Fleet {
    pub(super) database: Arc<Database>,
    pub(super) emulator: Process,
    dir: TempDir,
}

/// One process of the service; killed when dropped.
pub(super) struct Replica {
    child: Child,
    pub(super) origin: String,
    log: std::path::PathBuf,
}

/// One caller, at one replica.
#[derive(Clone)]
pub(super) struct User {
    client: reqwest::Client,
    origin: String,
    name: &'static str,
}

/// An answer; without one the connection was refused, or broke.
pub(super) type Answer = Result<(StatusCode, Value), reqwest::Error>;

impl Fleet {
    pub(super) async fn on(database: Database) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("profiles.toml"), PROFILES).unwrap();
        std::fs::write(dir.path().join("keys"), key_lines()).unwrap();
        Self { database: Arc::new(database), emulator: Process::start(&[], 1).await, dir }
    }

    /// The binary with what every replica is told; the ledger is elsewhere where `url` says so.
    pub(super) fn command(&self, arguments: &[&str], url: &str) -> Command {
        let mut command = command(arguments);
        let cloudinary = format!(
            "cloudinary://emulator-key:emulator-secret@emulator?upload_prefix={}",
            self.emulator.origin
        );
        command
            .env("DATABASE_URL", url)
            .env("CLOUDINARY_URL", cloudinary)
            .env("RUST_LOG", "warn,sqlx=error,countersign::cli=info");
        command
    }

    /// Starts a replica without waiting for it.
    pub(super) fn launch(&self, url: &str) -> Launched {
        let mut command = self.command(&["serve"], url);
        let log = self.dir.path().join(format!("{:016x}.log", rand::random::<u64>()));
        let child = command
            .env("PORT", "0")
            .env("PROFILES_FILE", self.dir.path().join("profiles.toml"))
            .env("AUTH", "api-key")
            .env("API_KEYS_FILE", self.dir.path().join("keys"))
            .env("RATE_LIMIT", "off")
            .env("SWEEP_EVERY", "off")
            // A pipe that nobody reads would hold the process up.
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Launched { child, log }
    }

    pub(super) async fn replica(&self) -> Replica {
        self.launch(&self.database.url).listening().await
    }

    /// So many, started at once.
    pub(super) async fn replicas(&self, count: usize) -> Vec<Replica> {
        let launched: Vec<_> = (0..count).map(|_| self.launch(&self.database.url)).collect();
        let mut replicas = Vec::new();
        for launched in launched {
            replicas.push(launched.listening().await);
        }
        replicas
    }

    /// `countersign sweep` in so many processes at once; the lines of all of them.
    pub(super) async fn sweep(&self, processes: usize) -> Vec<Value> {
        let sweeps: Vec<_> = (0..processes)
            .map(|_| self.command(&["sweep"], &self.database.url).stdout(Stdio::piped()).spawn().unwrap())
            .collect();
        let mut lines = Vec::new();
        for sweep in sweeps {
            let output = sweep.wait_with_output().await.unwrap();
            assert!(output.status.success(), "{output:?}");
            let text = String::from_utf8(output.stdout).unwrap();
            lines.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        }
        lines
    }

    /// Lets the time of every grant be over, and so much more that the sweep may look at it.
    pub(super) async fn let_time_pass(&self) {
        const HOUR: &str = "UPDATE grants SET issued_at = issued_at - 7200, expires_at = expires_at - 7200, due_at = due_at - 7200";
        self.database.run(HOUR).await;
    }

    /// The public ids that the provider holds.
    pub(super) async fn stored(&self) -> Vec<String> {
        let listed = self.emulator.json("/_emulator/assets").await;
        let name = |entry: &Value| entry["asset"]["public_id"].as_str().unwrap().to_owned();
        let mut names: Vec<_> = listed["assets"].as_array().unwrap().iter().map(name).collect();
        names.sort();
        names
    }
}

/// A process that does not listen yet.
pub(super) struct Launched {
    child: Child,
    log: std::path::PathBuf,
}

impl Launched {
    pub(super) async fn listening(self) -> Replica {
        let Self { mut child, log } = self;
        for _ in 0..1_200 {
            let text = std::fs::read_to_string(&log).unwrap();
            if let Some((_, rest)) = text.split_once("listens on http://") {
                let origin = format!("http://{}", rest.split(' ').next().unwrap());
                return Replica { child, origin, log };
            }
            assert!(child.try_wait().unwrap().is_none(), "the process ended: {text}");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the process does not listen: {}", std::fs::read_to_string(&log).unwrap())
    }
}

impl Replica {
    pub(super) fn user(&self, name: &'static str) -> User {
        User::at(&self.origin, name)
    }

    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Ends it in order; the exit code.
    pub(super) async fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().await.unwrap().code()
    }

    /// SIGKILL.
    pub(super) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

impl User {
    pub(super) fn at(origin: &str, name: &'static str) -> Self {
        Self { client: client(), origin: origin.to_owned(), name }
    }

    /// The same caller at another replica, over the same connections.
    pub(super) fn moved_to(&self, origin: &str) -> Self {
        Self { origin: origin.to_owned(), ..self.clone() }
    }

    /// A caller each of whose requests has a connection of its own.
    pub(super) fn unpooled(origin: &str, name: &'static str) -> Self {
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(Duration::from_mins(1));
        Self { client: client.build().unwrap(), ..Self::at(origin, name) }
    }

    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let request = self.client.request(method, format!("{}{path}", self.origin));
        let mut request = request.bearer_auth(format!("cs_{}", self.name));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap()))
    }

    pub(super) async fn try_sign(&self, profile: &str) -> Answer {
        self.ask(Method::GET, &format!("/upload-signature?profile={profile}"), None).await
    }

    pub(super) async fn try_renew(&self, signed: &Value) -> Answer {
        let body = json!({ "uploadId": id(signed) });
        self.ask(Method::POST, "/upload-signature", Some(&body)).await
    }

    pub(super) async fn try_confirm(&self, signed: &Value, answer: &Value) -> Answer {
        self.ask(Method::POST, &format!("/uploads/{}/confirm", id(signed)), Some(answer)).await
    }

    /// The data of an answer that must be a success.
    pub(super) fn data(answer: Answer) -> Value {
        let (status, mut body) = answer.unwrap();
        assert_eq!(status, StatusCode::OK, "{body}");
        body["data"].take()
    }

    pub(super) async fn sign(&self, profile: &str) -> Value {
        Self::data(self.try_sign(profile).await)
    }

    pub(super) async fn confirm(&self, signed: &Value, answer: &Value) -> Value {
        Self::data(self.try_confirm(signed, answer).await)
    }

    pub(super) async fn state(&self, signed: &Value) -> Value {
        Self::data(self.ask(Method::GET, &format!("/uploads/{}", id(signed)), None).await)
    }

    /// The provider's answer to an upload; it is always there.
    pub(super) async fn upload(&self, signed: &Value) -> Value {
        let url = signed["uploadUrl"].as_str().unwrap();
        let form = upload_form(signed).part("file", Part::bytes(png(2, 2)).file_name("a.png"));
        let (status, body) = read_json(self.client.post(url).multipart(form).send().await.unwrap()).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    /// The notification of an upload, as the provider would send it.
    pub(super) async fn notify(&self, uploaded: &Value) -> Answer {
        let body = json!({
            "notification_type": "upload", "public_id": uploaded["public_id"], "version": uploaded["version"],
            "bytes": uploaded["bytes"], "resource_type": uploaded["resource_type"], "type": uploaded["type"],
            "format": uploaded["format"],
        });
        let (body, timestamp) = (body.to_string(), uploaded["version"].to_string());
        let signature =
            notification_signature(body.as_bytes(), &timestamp, &"emulator-secret".into(), Algorithm::Sha1);
        let request = self
            .client
            .post(format!("{}/webhooks/cloudinary", self.origin))
            .header("content-type", "application/json")
            .header("x-cld-timestamp", timestamp)
            .header("x-cld-signature", signature.to_string());
        Ok(read_json(request.body(body).send().await?).await)
    }
}

impl Database {
    /// Carries a statement out, past the service.
    pub(super) async fn run(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
            sqlx::query(sql).execute(&mut connection).await.unwrap();
        } else {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            sqlx::query(sql).execute(&mut connection).await.unwrap();
        }
    }

    /// What a statement that selects one text answers.
    pub(super) async fn texts(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
            sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
        } else {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
        }
    }

    /// Does what a statement says, as somebody with a client of the database could.
    pub(super) async fn execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(&self.url).await?;
            sqlx::query(sql).execute(&mut connection).await.map(drop)
        } else {
            let mut connection = PgConnection::connect(&self.url).await?;
            sqlx::query(sql).execute(&mut connection).await.map(drop)
        }
    }
}
