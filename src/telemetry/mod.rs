//! What the process tells its operator: one line for each request, and what went wrong.
//!
//! A line holds the route's template, never the path or the query: those carry public ids and signatures.

mod json_lines;
mod log_writer;

use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd as _;
use std::sync::OnceLock;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use tracing_subscriber::EnvFilter;

use crate::config::LogConfig;
use crate::panics;
use json_lines::JsonLines;
use log_writer::LogWriter;

/// The target of request lines: `RUST_LOG=info,countersign::request=off` silences them.
const TARGET: &str = "countersign::request";

/// How long the end of the process waits for the last lines to be written.
const FLUSH_PATIENCE: Duration = Duration::from_secs(1);

/// The log of this process, once it has been started.
static LOG: OnceLock<LogWriter> = OnceLock::new();

/// Starts logging to standard error, panics included. A second call changes nothing.
pub fn start(config: &LogConfig) -> io::Result<()> {
    if LOG.get().is_some() {
        return Ok(());
    }
    let log = LogWriter::start(standard_error(), |lines| {
        tracing::warn!(lines, "log lines were dropped, as they could not be written");
    })?;
    let log = LOG.get_or_init(|| log).clone();
    let filter = EnvFilter::new(&config.filter);
    // A line that cannot be formatted would be reported on standard error, which may block.
    let lines = tracing_subscriber::fmt().log_internal_errors(false).with_env_filter(filter).with_writer(log);
    let started = if config.json {
        lines.event_format(JsonLines).try_init()
    } else {
        lines.with_ansi(io::stderr().is_terminal()).try_init()
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
    panics::log_panics();
    Ok(())
}

/// Waits until what was logged is written, for a second at most.
pub fn flush() {
    if let Some(log) = LOG.get() {
        log.flush(FLUSH_PATIENCE);
    }
}

/// How many log lines were dropped since the start, because nobody read them or they could not be written.
pub fn dropped_lines() -> u64 {
    LOG.get().map_or(0, LogWriter::dropped)
}

/// A descriptor of its own: a thread that blocks on it must not hold the lock of [`io::Stderr`].
fn standard_error() -> Box<dyn Write + Send> {
    match io::stderr().as_fd().try_clone_to_owned() {
        Ok(descriptor) => Box::new(File::from(descriptor)),
        Err(_) => Box::new(io::stderr()),
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
