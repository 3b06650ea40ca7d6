//! What a client of Uploadcare does, with the service's signatures.

use reqwest::multipart::{Form, Part};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::helpers::{TestApp, read_json, text};

pub(super) const PUBLIC_KEY: &str = "emulator-public-key";
pub(super) const SECRET_KEY: &str = "emulator-secret-key";
const ACCEPT: &str = "application/vnd.uploadcare-v0.7+json";

impl TestApp {
    /// An address of the emulator.
    pub(super) fn provider(&self, path: &str) -> String {
        format!("{}{path}", self.emulator_origin)
    }

    /// A form with public key, signature and expiry.
    pub(super) async fn signed_form(&self) -> Form {
        let (_, signed) = self.get_json("/uploadcare-signature").await;
        Form::new()
            .text("UPLOADCARE_PUB_KEY", PUBLIC_KEY)
            .text("signature", text(&signed["signature"]))
            .text("expire", text(&signed["expire"]))
    }

    /// Uploads a file in one request; its id.
    pub(super) async fn upload_file(&self, name: &str, bytes: Vec<u8>) -> String {
        let part = Part::bytes(bytes).file_name(name.to_owned());
        let form = self.signed_form().await.part("file", part);
        let (status, body) = self.post_upload("/base/", form).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        text(&body["file"])
    }

    /// Posts a form to the Upload API as the browser client does.
    pub(super) async fn post_upload(&self, path: &str, form: Form) -> (StatusCode, Value) {
        let request = self.client.post(self.provider(&format!("/uploadcare{path}?jsonerrors=1")));
        read_json(request.multipart(form).send().await.unwrap()).await
    }

    /// Asks the Upload API.
    pub(super) async fn get_upload(&self, path_and_query: &str) -> (StatusCode, Value) {
        let request = self.client.get(self.provider(&format!("/uploadcare{path_and_query}&jsonerrors=1")));
        read_json(request.send().await.unwrap()).await
    }

    /// A call of the REST API under the simple scheme.
    pub(super) fn rest(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, self.provider(&format!("/uploadcare{path}")));
        let credentials = format!("Uploadcare.Simple {PUBLIC_KEY}:{SECRET_KEY}");
        request.header("accept", ACCEPT).header("authorization", credentials)
    }

    /// Deletes the URLs without saying of what type they are.
    pub(super) async fn delete_files(&self, urls: &[String]) -> (StatusCode, Value) {
        let items: Vec<_> = urls.iter().map(|url| json!({ "url": url })).collect();
        self.delete_body(&json!({ "urls": items })).await
    }
}
