//! The names that the emulator answers to.
//!
//! On loopback it answers to `localhost`, names below it and IP addresses. Any other name may be one that a page on the
//! internet has pointed at this machine (DNS rebinding), and the browser would take the emulator for that page's own
//! server.
//!
//! On any other address it is reached by names that it cannot know, such as a container's, and puts the name that a
//! request was sent to into the addresses of its answers.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::Response;

use super::Backend;
use super::refusal::Refusal;

/// Who can reach an emulator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exposure {
    /// Programs on this machine.
    #[default]
    Loopback,
    /// Other machines or containers, too.
    Network,
}

tokio::task_local! {
    /// The origin that the request in hand was sent to, where it decides the addresses in the answer.
    static ADDRESSED: String;
}

/// Refuses names that are not this machine's; on a network notes the name for the answer.
pub(super) async fn check(
    State(backend): State<Arc<Backend>>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    match backend.exposure {
        Exposure::Loopback if !is_local(&request) => Err(Refusal::HostNotAllowed),
        Exposure::Loopback => Ok(next.run(request).await),
        Exposure::Network => match addressed(&request) {
            Some(origin) => Ok(ADDRESSED.scope(origin, next.run(request)).await),
            None => Ok(next.run(request).await),
        },
    }
}

impl Backend {
    /// Scheme, host and port that the addresses in an answer begin with.
    pub(super) fn origin(&self) -> String {
        ADDRESSED.try_with(String::clone).unwrap_or_else(|_no_request| self.origin.clone())
    }
}

/// Whether every name that a request gives its receiver is this machine's. HTTP/1.0 may give none.
pub(super) fn is_local(request: &Request) -> bool {
    let in_target = request.uri().authority().map(Authority::as_str);
    let mut hosts = request.headers().get_all(HOST).iter().map(|host| host.to_str().unwrap_or_default());
    in_target.is_none_or(is_local_name) && hosts.all(is_local_name)
}

fn is_local_name(text: &str) -> bool {
    let Ok(authority) = text.parse::<Authority>() else { return false };
    let host = authority.host().to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.ends_with(".localhost") || address.parse::<IpAddr>().is_ok()
}

/// The origin that a request was sent to.
fn addressed(request: &Request) -> Option<String> {
    let host = request.headers().get(HOST)?.to_str().ok()?.parse::<Authority>().ok()?;
    // What stands before an `@` is no part of the name.
    let port = host.port().map_or_else(String::new, |port| format!(":{port}"));
    Some(format!("http://{}{port}", host.host()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        for local in [
            "localhost",
            "LOCALHOST:4000",
            "localhost.:1",
            "a.b.localhost",
            "127.0.0.1:4000",
            "127.0.0.1.",
            "[::1]:4000",
            "10.0.0.1",
        ] {
            assert!(is_local_name(local), "{local}");
        }
        for foreign in [
            "",
            "evil.example",
            "evil.example:4000",
            "localhost.evil.example",
            "notlocalhost",
            "127.0.0.1.nip.io",
            "localhost..",
            "[::1",
            "a b",
            "localhost@evil.example",
        ] {
            assert!(!is_local_name(foreign), "{foreign}");
        }
    }
}
