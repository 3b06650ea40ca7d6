//! What the process tells its operator: one line for each request, and what went wrong.
//!
//! A line holds the route's template, never the path or the query: those carry public ids and signatures.

mod json_lines;

use std::time::Duration;

use axum::http::{Method, StatusCode};
use tracing_subscriber::EnvFilter;

use crate::config::LogConfig;
use json_lines::JsonLines;

/// The target of request lines: `RUST_LOG=info,countersign::request=off` silences them.
const TARGET: &str = "countersign::request";

/// Starts logging to standard error. A second call changes nothing.
pub fn start(config: &LogConfig) {
    let filter = EnvFilter::new(&config.filter);
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if config.json {
        lines.event_format(JsonLines).try_init()
    } else {
        lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init()
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}

/// One answered request.
#[derive(Debug)]
pub struct RequestLine<'a> {
    /// The method, or `-` for one that is not standard (it is the client's text).
    pub method: &'a Method,
    /// The route's template, or `-` where no route matched.
    pub route: &'a str,
    /// The answer's status.
    pub status: StatusCode,
    /// The failure in one word, if it is one.
    pub code: Option<&'a str>,
    /// How long it took to answer.
    pub duration: Duration,
    /// The id that the answer carries.
    pub request_id: &'a str,
    /// Our own id of the request, where the answer carries the client's: the audit knows it by this one.
    pub own_id: Option<&'a str>,
}

impl RequestLine<'_> {
    /// Writes the line: refusals to sign or to delete as warnings, faults of our own as errors.
    pub fn log(&self) {
        let Self { route, request_id, own_id, .. } = *self;
        let status = self.status.as_u16();
        let method = standard_method(self.method);
        let duration_us = u64::try_from(self.duration.as_micros()).unwrap_or(u64::MAX);
        match self.code {
            Some(code) if self.status.is_server_error() => {
                tracing::error!(target: TARGET, method, route, status, code, duration_us, request_id, own_id, "request");
            }
            Some(code) => {
                tracing::warn!(target: TARGET, method, route, status, code, duration_us, request_id, own_id, "request");
            }
            None => {
                tracing::info!(target: TARGET, method, route, status, duration_us, request_id, own_id, "request");
            }
        }
    }
}

fn standard_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        _ => "-",
    }
}
