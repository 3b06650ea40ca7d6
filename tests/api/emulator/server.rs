//! An emulator on a free port, and the client that signs for it.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use countersign::clock::{Clock, UnixSeconds};
use countersign::emulator::{Emulator, EmulatorOptions, Limits};
use countersign::signing::cloudinary::{SignatureVersion, string_to_sign};
use countersign::signing::{Algorithm, Params};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, RequestBuilder, Response};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Every test begins at this second.
pub(super) const NOW: i64 = 1_720_000_000;

pub(super) const KEY: &str = "emulator-key";
pub(super) const SECRET: &str = "emulator-secret";

/// A running emulator, stopped when dropped.
pub(super) struct Server {
    pub(super) origin: String,
    pub(super) clock: Clock,
    pub(super) client: Client,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::with(EmulatorOptions::default()).await
    }

    pub(super) async fn in_dir(dir: &Path) -> Self {
        Self::with(EmulatorOptions { dir: Some(dir.to_owned()), ..EmulatorOptions::default() }).await
    }

    pub(super) async fn with_limits(limits: Limits) -> Self {
        Self::with(EmulatorOptions { limits, ..EmulatorOptions::default() }).await
    }

    pub(super) async fn with(options: EmulatorOptions) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let clock = Clock::frozen(UnixSeconds(NOW));
        let emulator =
            Emulator::open(EmulatorOptions { clock: clock.clone(), origin: origin.clone(), ..options })
                .unwrap();
        let service = emulator.router().into_make_service_with_connect_info::<SocketAddr>();
        let task = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self { origin, clock, client: Client::builder().no_proxy().build().unwrap(), task }
    }

    /// Stops it and waits until its last connection has let go of the directory.
    pub(super) async fn stop(mut self, dir: &Path) {
        self.task.abort();
        self.client = Client::builder().no_proxy().build().unwrap();
        let lock = File::open(dir.join("lock")).unwrap();
        while lock.try_lock().is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    pub(super) async fn get(&self, path: &str) -> Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    /// An upload of `file` with signed parameters, ready to be sent.
    pub(super) fn upload(
        &self,
        path: &str,
        file: Vec<u8>,
        name: &str,
        params: &[(&str, &str)],
    ) -> RequestBuilder {
        let fields = signed(params);
        self.upload_with(path, file, name, &fields)
    }

    /// An upload of `file` with exactly these fields.
    pub(super) fn upload_with(
        &self,
        path: &str,
        file: Vec<u8>,
        name: &str,
        fields: &[(String, String)],
    ) -> RequestBuilder {
        let form = Form::new().part("file", Part::bytes(file).file_name(name.to_owned()));
        self.post(path, with_fields(form, fields))
    }

    pub(super) fn post(&self, path: &str, form: Form) -> RequestBuilder {
        self.client.post(self.url(path)).multipart(form)
    }

    /// Uploads a file and expects it to be stored.
    pub(super) async fn store(
        &self,
        path: &str,
        file: Vec<u8>,
        name: &str,
        params: &[(&str, &str)],
    ) -> Value {
        let response = self.upload(path, file, name, params).send().await.unwrap();
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        assert_eq!(status, 200, "{body}");
        body
    }

    /// A signed call of the Upload API without a file: its status and answer.
    pub(super) async fn call(&self, path: &str, params: &[(&str, &str)]) -> (u16, Value) {
        let request = self.client.post(self.url(&format!("/v1_1/emulator/{path}"))).form(&signed(params));
        answer(request.send().await.unwrap()).await
    }

    /// A call of the Admin API: its status and answer.
    pub(super) async fn admin(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let url = self.url(&format!("/v1_1/emulator/{path}"));
        let mut request = self.client.request(method.parse().unwrap(), url).basic_auth(KEY, Some(SECRET));
        if !body.is_null() {
            request = request.json(&body);
        }
        answer(request.send().await.unwrap()).await
    }

    /// Defines the metadata fields `m`, a text, and `l`, a set of `a` and `b`.
    pub(super) async fn define_metadata(&self) {
        let entries = json!([{"external_id": "a", "value": "A"}, {"external_id": "b", "value": "B"}]);
        for field in [
            json!({"external_id": "m", "label": "M", "type": "string"}),
            json!({"external_id": "l", "label": "L", "type": "set", "datasource": {"values": entries}}),
        ] {
            let (status, answer) = self.admin("POST", "metadata_fields", field).await;
            assert_eq!(status, 200, "{answer}");
        }
    }

    pub(super) async fn control(&self, path: &str, body: Value) -> Response {
        let url = self.url(&format!("/_emulator/{path}"));
        self.client.post(url).json(&body).send().await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub(super) fn with_fields(form: Form, fields: &[(String, String)]) -> Form {
    fields.iter().fold(form, |form, (name, value)| form.text(name.clone(), value.clone()))
}

/// The parameters with a timestamp of now, unless they have one, and what authenticates them.
pub(super) fn signed(params: &[(&str, &str)]) -> Vec<(String, String)> {
    signed_with(params, SECRET, Algorithm::Sha1, SignatureVersion::V2)
}

pub(super) fn signed_with(
    params: &[(&str, &str)],
    secret: &str,
    algorithm: Algorithm,
    version: SignatureVersion,
) -> Vec<(String, String)> {
    let now = NOW.to_string();
    let mut all: Vec<(String, String)> =
        params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    if !params.iter().any(|(name, _)| *name == "timestamp") {
        all.push(("timestamp".to_owned(), now));
    }
    let params: Params = all.iter().cloned().collect();
    let text = string_to_sign(&params, version);
    let signature = algorithm.sign(text.as_bytes(), &SecretString::from(secret));
    all.push(("signature".to_owned(), signature.to_string()));
    all.push(("api_key".to_owned(), KEY.to_owned()));
    all
}

/// Status, `X-Cld-Error` and body of an answer, for snapshots.
pub(super) async fn told(response: Response) -> String {
    let status = response.status().as_u16();
    let header = response
        .headers()
        .get("x-cld-error")
        .map_or_else(String::new, |value| value.to_str().unwrap().to_owned());
    let body = response.text().await.unwrap();
    format!("{status} [{header}] {body}")
}
