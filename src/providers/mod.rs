//! The outside: calls to the providers' own APIs. Only here is there an HTTP client.

mod budget;
mod call;
pub mod cloudinary;
pub mod jwks;
mod retry;
pub mod uploadcare;

pub use budget::CallBudget;
pub use call::CallError;

use std::time::Duration;

/// How long a connection may take, in seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one call may take from start to end.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// A client that cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be made")]
pub struct NoClient(#[source] reqwest::Error);

/// The one HTTP client: bounded in time, never redirected (a redirect would carry credentials elsewhere).
fn client() -> Result<reqwest::Client, NoClient> {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(NoClient)
}

/// The whole body; `None` if the connection breaks or the body is longer than `max_bytes`.
async fn read_bounded(mut response: reqwest::Response, max_bytes: usize) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > max_bytes {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}
