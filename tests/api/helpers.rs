//! A whole service for one test: port 0, frozen clocks, the emulator as provider; and the binary as a process.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use axum::http::HeaderValue;
use countersign::api::{Authentication, RateLimit};
use countersign::app;
use countersign::clock::{Clock, UnixSeconds};
use countersign::config::{AuthConfig, CloudinaryAccount, LedgerConfig, UploadcareAccount};
use countersign::connections::{self, ConnectionLimits};
use countersign::emulator::{CloudAccount, Emulator, EmulatorOptions, KeyRole, Outgoing};
use countersign::ledger::Ledger;
use countersign::profiles::Profiles;
use countersign::signing::AuthTokenKey;
use countersign::state::{AppSettings, AppState};
use reqwest::multipart::{Form, Part};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use url::Url;

/// When every frozen clock stands: 2024-07-03T09:46:40Z.
pub(crate) const NOW: UnixSeconds = UnixSeconds(1_720_000_000);

/// A service and its provider, each on a port of its own, for as long as the value lives.
pub(crate) struct TestApp {
    pub(crate) address: SocketAddr,
    pub(crate) emulator_origin: String,
    pub(crate) clock: Clock,
    pub(crate) client: reqwest::Client,
    pub(crate) state: AppState,
    _ledger: Option<TempDir>,
}

/// What a service is made of, where a test wants something else than the rest.
pub(crate) struct Setup {
    pub(crate) auth: AuthConfig,
    pub(crate) profiles: Profiles,
    pub(crate) origins: Vec<HeaderValue>,
    /// Where the ledger is; without it in a folder of its own.
    pub(crate) database_url: Option<String>,
    /// How many proxies in front are ours.
    pub(crate) trusted_proxy_hops: usize,
    /// Whether the provider is told where to send notifications.
    pub(crate) is_notified: bool,
    /// Where the provider may send notifications beside the service.
    pub(crate) notified: Vec<Url>,
    /// What is different about the Uploadcare project.
    pub(crate) uploadcare: fn(&mut UploadcareAccount),
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            auth: AuthConfig::Off { said_so: false },
            profiles: Profiles::reference(),
            origins: Vec::new(),
            database_url: None,
            trusted_proxy_hops: 0,
            is_notified: false,
            notified: Vec::new(),
            uploadcare: |_| {},
        }
    }
}

impl TestApp {
    /// Signs for the cloud `demo` (key `123`, secret `abcd`) with the emulator as provider.
    pub(crate) async fn spawn() -> Self {
        Self::spawn_with(|account| account, Vec::new()).await
    }

    /// The same under the profiles of a TOML file.
    pub(crate) async fn spawn_under(profiles: &str) -> Self {
        let profiles = Profiles::from_toml(profiles).unwrap();
        Self::start(|account| account, Setup { profiles, ..Setup::default() }).await
    }

    /// The same for callers who prove who they are.
    pub(crate) async fn spawn_for(auth: AuthConfig, profiles: &str) -> Self {
        let profiles = Profiles::from_toml(profiles).unwrap();
        Self::start(|account| account, Setup { auth, profiles, ..Setup::default() }).await
    }

    /// The same with an account changed by `change`, and with these origins allowed.
    pub(crate) async fn spawn_with(
        change: impl FnOnce(CloudinaryAccount) -> CloudinaryAccount,
        origins: Vec<HeaderValue>,
    ) -> Self {
        Self::start(change, Setup { origins, ..Setup::default() }).await
    }

    /// The same as `setup` says.
    pub(crate) async fn spawn_as(setup: Setup) -> Self {
        Self::start(|account| account, setup).await
    }

    pub(crate) async fn start(
        change: impl FnOnce(CloudinaryAccount) -> CloudinaryAccount,
        setup: Setup,
    ) -> Self {
        let account = CloudinaryAccount::new("demo".to_owned(), "123".to_owned(), "abcd".into());
        let emulator = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let account = change(account.at_emulator(emulator.local_addr().unwrap()));
        let emulator_origin = format!("http://{}", emulator.local_addr().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut notified = setup.notified;
        notified.push(format!("http://{address}").parse().unwrap());
        spawn_emulator(emulator, &account, emulator_origin.clone(), notified);
        let mut uploadcare = UploadcareAccount::emulator(emulator_origin[7..].parse().unwrap());
        (setup.uploadcare)(&mut uploadcare);
        let clock = Clock::frozen(NOW);
        let dir = setup.database_url.is_none().then(|| tempfile::tempdir().unwrap());
        let file = dir.as_ref().map(|dir| format!("sqlite://{}/ledger.db", dir.path().display()));
        let ledger = LedgerConfig::at(setup.database_url.or(file).unwrap());
        let state = AppState::new(AppSettings {
            account,
            uploadcare: Some(uploadcare),
            emulated: true,
            authentication: Authentication::new(setup.auth).unwrap(),
            rate_limit: RateLimit::new(None, setup.trusted_proxy_hops),
            profiles: setup.profiles,
            ledger: Ledger::new(&ledger).unwrap(),
            public_url: setup.is_notified.then(|| format!("http://{address}")),
            allowed_hosts: Vec::new(),
            clock: clock.clone(),
        })
        .unwrap();
        tokio::spawn(app::serve(listener, state.clone(), setup.origins, std::future::pending()));
        Self { address, emulator_origin, clock, client: client(), state, _ledger: dir }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.url(path))
    }

    /// The answer's status and JSON.
    pub(crate) async fn get_json(&self, path: &str) -> (StatusCode, Value) {
        read_json(self.get(path).send().await.unwrap()).await
    }

    /// The answer's `data`, which must be a success.
    pub(crate) async fn data(&self, path: &str) -> Value {
        let (status, mut body) = self.get_json(path).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body["data"].take()
    }

    /// Deletes the URLs, each with the resource type it names.
    pub(crate) async fn delete_urls(&self, urls: &[&str]) -> (StatusCode, Value) {
        let items: Vec<_> = urls.iter().map(|url| json!({"type": resource_type(url), "url": url})).collect();
        self.delete_body(&json!({ "urls": items })).await
    }

    pub(crate) async fn delete_body(&self, body: &Value) -> (StatusCode, Value) {
        let request = self.client.delete(self.url("/delete-files"));
        let request = request.header("content-type", "application/json").body(body.to_string());
        read_json(request.send().await.unwrap()).await
    }

    /// Uploads `bytes` as a browser would, with a signature that the service gave for `query`.
    pub(crate) async fn upload(&self, query: &str, name: &str, bytes: Vec<u8>) -> (StatusCode, Value) {
        let signed = self.data(&format!("/upload-signature{query}")).await;
        let form = upload_form(&signed).part("file", Part::bytes(bytes).file_name(name.to_owned()));
        let request = self.client.post(signed["uploadUrl"].as_str().unwrap()).multipart(form);
        read_json(request.send().await.unwrap()).await
    }

    /// The provider's answer to an upload of `bytes` with a signature that was given.
    pub(crate) async fn upload_signed(&self, signed: &Value, bytes: Vec<u8>) -> Value {
        let form = upload_form(signed).part("file", Part::bytes(bytes).file_name("a.png"));
        let request = self.client.post(signed["uploadUrl"].as_str().unwrap()).multipart(form);
        let (status, body) = read_json(request.send().await.unwrap()).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    /// Posts a JSON body.
    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = self.client.post(self.url(path)).header("content-type", "application/json");
        read_json(request.body(body.to_string()).send().await.unwrap()).await
    }

    /// Calls the emulator's control API.
    pub(crate) async fn control(&self, path: &str, body: Value) -> Value {
        let request = self.client.post(format!("{}/_emulator/{path}", self.emulator_origin));
        let request = request.header("content-type", "application/json").body(body.to_string());
        let (status, answer) = read_json(request.send().await.unwrap()).await;
        assert!(status.is_success(), "{answer}");
        answer
    }

    /// Every request that the emulator was sent, as `METHOD path`.
    pub(crate) async fn provider_requests(&self) -> Vec<String> {
        let request = self.client.get(format!("{}/_emulator/requests", self.emulator_origin));
        let (_, journal) = read_json(request.send().await.unwrap()).await;
        let entries = journal["requests"].as_array().or(journal.as_array()).unwrap().clone();
        entries.iter().map(|entry| format!("{} {}", text(&entry["method"]), text(&entry["path"]))).collect()
    }
}

fn spawn_emulator(listener: TcpListener, account: &CloudinaryAccount, origin: String, notified: Vec<Url>) {
    let own = CloudAccount {
        token_key: account.auth_token_key.as_ref().map(AuthTokenKey::to_hex),
        ..CloudAccount::new(account.cloud.clone(), account.api_key.clone(), account.api_secret.clone())
    };
    let download = account.download_key.as_ref().map(|key| CloudAccount {
        role: KeyRole::Read,
        ..CloudAccount::new(account.cloud.clone(), key.api_key.clone(), key.api_secret.clone())
    });
    let options = EmulatorOptions {
        accounts: std::iter::once(own).chain(download).collect(),
        clock: Clock::frozen(NOW),
        origin,
        outgoing: Outgoing { notified, ..Outgoing::default() },
        ..EmulatorOptions::default()
    };
    let router = Emulator::open(options).unwrap().router();
    tokio::spawn(connections::serve(listener, router, ConnectionLimits::default(), std::future::pending()));
}

/// The signed fields as a client sends them, without the file.
pub(crate) fn upload_form(signed: &Value) -> Form {
    let mut form = Form::new();
    for (name, value) in signed["payload"].as_object().unwrap() {
        form = form.text(name.clone(), text(value));
    }
    form.text("api_key", text(&signed["apiKey"])).text("signature", text(&signed["signature"]))
}

/// A value as it goes over the wire.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(crate) fn client() -> reqwest::Client {
    let no_redirects = reqwest::redirect::Policy::none();
    reqwest::Client::builder().redirect(no_redirects).timeout(Duration::from_mins(1)).build().unwrap()
}

pub(crate) async fn read_json(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let body = response.text().await.unwrap();
    let json = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{status} {error}: {body}"));
    (status, json)
}

fn resource_type(url: &str) -> &'static str {
    ["video", "raw"].into_iter().find(|word| url.contains(&format!("/{word}/"))).unwrap_or("image")
}

/// The message of a failure, with everything that changes from run to run left out.
pub(crate) fn failure(answer: &(StatusCode, Value)) -> String {
    let (status, body) = answer;
    assert_eq!(body["status"], "failed", "{body}");
    assert!(!text(&body["requestId"]).is_empty(), "{body}");
    format!("{} {}: {}", status.as_u16(), text(&body["code"]), text(&body["message"]))
}

/// The smallest picture that every reader takes for one: `width` × `height` grey pixels as PNG.
pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    let mut picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    picture.extend(width.to_be_bytes());
    picture.extend(height.to_be_bytes());
    picture.extend(b"\x08\0\0\0\0\0\0\0\0\0\0\0\0IEND\xaeB`\x82");
    picture
}

/// A running `countersign` process; killed when dropped.
pub(crate) struct TestProcess {
    pub(crate) child: Child,
    pub(crate) address: String,
    stderr: BufReader<tokio::process::ChildStderr>,
    log: String,
}

impl TestProcess {
    /// Starts the binary with `arguments` and waits until it says where it listens.
    pub(crate) async fn spawn(arguments: &[&str]) -> Self {
        let mut child = command(arguments).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut log = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).await.unwrap() > 0, "the process ended: {log}");
            log.push_str(&line);
            if let Some((_, rest)) = line.split_once("listens on http://") {
                break rest.split([' ', '/', '"']).next().unwrap().to_owned();
            }
        };
        Self { child, address, stderr, log }
    }

    /// Waits for a line of the log that holds `text`; everything that was logged since the last wait.
    pub(crate) async fn logged(&mut self, text: &str) -> String {
        let mut lines = String::new();
        while !lines.contains(text) {
            assert!(self.stderr.read_line(&mut lines).await.unwrap() > 0, "the process ended: {lines}");
        }
        self.log.push_str(&lines);
        lines
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Waits for the end; the exit code and everything that was logged.
    pub(crate) async fn finish(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().await.unwrap();
        self.stderr.read_to_string(&mut self.log).await.unwrap();
        (status.code(), self.log)
    }
}

/// Whether tests take their long turn.
#[expect(clippy::disallowed_methods, reason = "how thorough a test is, is not configuration")]
pub(crate) fn is_thorough() -> bool {
    std::env::var("COUNTERSIGN_THOROUGH").is_ok()
}

/// The binary with `arguments`, in an empty environment and folder, so that no `.env` and no variable leaks in.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(arguments).env_clear().current_dir(env!("CARGO_TARGET_TMPDIR")).kill_on_drop(true);
    command
}
