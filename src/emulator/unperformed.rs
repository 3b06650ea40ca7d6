//! Calls that the emulator does not perform: verified like any other, and only then refused as not emulated. So a test
//! can tell a call that the provider would have accepted from one that it would have refused.
//!
//! ```text
//! /v1_1/<cloud>/<resource type>/…  /v1_1/<cloud>/download_backup   Upload API: signature, age of the timestamp, role
//! /v1_1/<cloud>/…  /v2/…                                            Admin API: key and secret, role
//! anything else                                                     nothing to verify
//! ```

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Method;

use super::Backend;
use super::accounts::Operation;
use super::admin::Admin;
use super::form::Form;
use super::refusal::Refusal;
use super::verify::{Call, Lifetime, authenticate};

/// What follows the cloud in the paths of the Upload API.
const UPLOAD_API: [&str; 9] =
    ["image", "video", "raw", "auto", "all", "asset", "upload", "delete_by_token", "download_backup"];

/// Refuses the call: in the provider's words if it would refuse it, too, and else by its path.
pub(super) async fn refuse(State(backend): State<Arc<Backend>>, request: Request) -> Refusal {
    let call = format!("{} {}", request.method(), request.uri().path());
    match verify(&backend, request).await {
        Ok(()) => Refusal::NotEmulated(call),
        Err(refusal) => refusal,
    }
}

async fn verify(backend: &Backend, request: Request) -> Result<(), Refusal> {
    let path = request.uri().path().to_owned();
    let segments: Vec<_> = path.split('/').skip(1).collect();
    match segments[..] {
        ["v1_1", cloud, word, ..] if UPLOAD_API.contains(&word) => {
            verify_signed(backend, cloud, request).await
        }
        ["v1_1", cloud, ..] => verify_admin(backend, cloud, &request),
        // Some paths of the second version name a module before the cloud.
        ["v2", first, second, ..] => {
            let is_module = !backend.accounts.has_cloud(first) && backend.accounts.has_cloud(second);
            verify_admin(backend, if is_module { second } else { first }, &request)
        }
        _ => Ok(()),
    }
}

async fn verify_signed(backend: &Backend, cloud: &str, request: Request) -> Result<(), Refusal> {
    let headers = request.headers().clone();
    let form = Form::read(backend, request).await?;
    let call = Call {
        cloud,
        headers: &headers,
        fields: &form.fields,
        now: backend.clock.now(),
        lifetime: Lifetime::Hour,
        // Whether the provider lets a key that only reads do it is not known.
        operation: Operation::Write,
    };
    authenticate(&backend.accounts, call).map(drop)
}

fn verify_admin(backend: &Backend, cloud: &str, request: &Request) -> Result<(), Refusal> {
    let method: &Method = request.method();
    Admin::verify(backend, cloud, method, request.headers()).map(drop)
}
