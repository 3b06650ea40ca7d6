//! Failures on demand: the next requests that match answer with an error, late, in part or not at all; the next
//! notifications go out late, twice or out of order.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};

use super::refusal::{X_CLD_ERROR, error_body};

/// How many faults may be set at once.
const MAX_FAULTS: usize = 1_000;

/// Longest delay.
const MAX_DELAY_MS: u64 = 600_000;

/// How late a late notification is unless the fault says otherwise.
const LATE_SECONDS: i64 = 60;

/// One failure, and which requests it happens to.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    /// The method of the requests it happens to; any, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// Part of the path, without the query, of the requests it happens to; any, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// How many more times it happens; for ever, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    times: Option<u32>,
    /// The status to answer with; without one (and without `reset`) the request is only delayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Seconds in the header `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(default)]
    delay_ms: u64,
    /// The body to answer with; without one it is the provider's error shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// Drop the connection without an answer.
    #[serde(default)]
    reset: bool,
    /// Let the request do its work first, so that only the answer is lost.
    #[serde(default)]
    after_effect: bool,
    /// Send only half of the answer's body, then drop the connection.
    #[serde(default)]
    truncated: bool,
    /// Happen to this share of the requests that match, from 0 to 1; to each, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probability: Option<f64>,
    /// Happen to notifications instead of requests; `path` is then part of their address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    notification: Option<Misdelivery>,
    /// How long a late notification is held back, by the emulator's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delay_seconds: Option<i64>,
}

/// What happens to a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Misdelivery {
    Late,
    Twice,
    OutOfOrder,
}

/// What happens to a notification, with its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotificationFault {
    /// Sent so much later by the emulator's clock.
    Late { seconds: i64 },
    /// Sent two times.
    Twice,
    /// Sent after the next one to the same address.
    OutOfOrder,
}

/// A fault that cannot be set.
#[derive(Debug, thiserror::Error)]
pub(super) enum FaultError {
    #[error("at most {MAX_FAULTS} faults can be set")]
    TooMany,
    #[error("[{0}].status must be 200 to 599")]
    Status(usize),
    #[error("[{0}].delay_ms must be at most {MAX_DELAY_MS}")]
    Delay(usize),
    #[error("[{0}].probability must be from 0 to 1")]
    Probability(usize),
    #[error("[{0}] does nothing: give a status, delay_ms, reset, truncated or notification")]
    Nothing(usize),
}

impl Fault {
    fn check(&self, index: usize) -> Result<(), FaultError> {
        if self.status.is_some_and(|status| !(200..600).contains(&status)) {
            return Err(FaultError::Status(index));
        }
        if self.delay_ms > MAX_DELAY_MS {
            return Err(FaultError::Delay(index));
        }
        if self.probability.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err(FaultError::Probability(index));
        }
        let is_effective = self.reset || self.truncated || self.notification.is_some();
        if self.status.is_none() && self.delay_ms == 0 && !is_effective {
            return Err(FaultError::Nothing(index));
        }
        Ok(())
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        let method_fits = |wanted: &str| wanted.eq_ignore_ascii_case(method);
        self.times != Some(0)
            && self.method.as_deref().is_none_or(method_fits)
            && self.path.as_deref().is_none_or(|part| path.contains(part))
            && self.probability.is_none_or(|share| rand::random::<f64>() < share)
    }

    /// How long to wait before anything else.
    pub(super) const fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }

    /// Whether the request does its work although its answer is lost.
    pub(super) const fn is_after_effect(&self) -> bool {
        self.after_effect
    }

    /// Whether the answer breaks off half-way.
    pub(super) const fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Whether the connection is dropped.
    pub(super) const fn is_reset(&self) -> bool {
        self.reset
    }

    /// What the client gets instead of an answer; `None` if the fault only delays.
    pub(super) fn answer(self) -> Option<Response> {
        if self.reset {
            return Some(broken_connection());
        }
        let status = StatusCode::from_u16(self.status?).ok()?;
        let mut response = match self.body {
            Some(body) => with_body(status, body),
            None => error_body(status, "General Error"),
        };
        let headers = response.headers_mut();
        headers.insert(X_CLD_ERROR, HeaderValue::from_static("injected fault"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        Some(response)
    }
}

fn with_body(status: StatusCode, body: String) -> Response {
    let content_type = match serde_json::from_str::<serde::de::IgnoredAny>(&body) {
        Ok(_) => "application/json",
        Err(_) => "text/plain; charset=utf-8",
    };
    (status, [(CONTENT_TYPE, content_type)], body).into_response()
}

/// An answer whose body fails before its head was sent: the server drops the connection.
fn broken_connection() -> Response {
    let failure = Err::<Bytes, _>(std::io::Error::other("injected fault"));
    Body::from_stream(stream::iter([failure])).into_response()
}

/// The faults that are set, in order: the first that matches happens.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    /// Puts these faults in the place of those before.
    pub(super) fn set(&self, faults: Vec<Fault>) -> Result<(), FaultError> {
        if faults.len() > MAX_FAULTS {
            return Err(FaultError::TooMany);
        }
        for (index, fault) in faults.iter().enumerate() {
            fault.check(index)?;
        }
        *self.lock() = faults;
        Ok(())
    }

    /// The faults, with the times that are left.
    pub(super) fn list(&self) -> Vec<Fault> {
        self.lock().clone()
    }

    /// The fault that happens to this request; it has one time less after that.
    pub(super) fn strike(&self, method: &str, path: &str) -> Option<Fault> {
        self.take(|fault| fault.notification.is_none() && fault.matches(method, path))
    }

    /// What happens to this notification.
    pub(super) fn strike_notification(&self, kind: &str, url: &str) -> Option<NotificationFault> {
        let fault = self.take(|fault| {
            let is_about = fault.notification.is_some();
            is_about && (fault.matches("POST", url) || fault.matches("POST", kind))
        })?;
        Some(match fault.notification? {
            Misdelivery::Late => {
                NotificationFault::Late { seconds: fault.delay_seconds.unwrap_or(LATE_SECONDS) }
            }
            Misdelivery::Twice => NotificationFault::Twice,
            Misdelivery::OutOfOrder => NotificationFault::OutOfOrder,
        })
    }

    fn take(&self, is_meant: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut faults = self.lock();
        let fault = faults.iter_mut().find(|fault| is_meant(fault))?;
        if let Some(times) = &mut fault.times {
            *times -= 1;
        }
        Some(fault.clone())
    }

    /// The list is whole after every statement, so a poisoned lock still guards a good one.
    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
