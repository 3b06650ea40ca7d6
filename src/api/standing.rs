//! How a caller stands with the rate limit, told in the headers `RateLimit-Policy` and `RateLimit`.
//!
//! ```text
//! RateLimit-Policy: "default";q=100;w=20    100 requests at once, and as many again in 20 seconds
//! RateLimit: "default";r=97;t=1             97 are left; in 1 second the quota is whole again
//! RateLimit: "default";r=0;t=2              none is left; in 2 seconds the next one passes
//! ```
//!
//! Source: <https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-11>. A request is counted deep inside,
//! where its caller becomes known, and the headers are written by the outermost layer; a cell that travels with the request
//! takes the one to the other.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::ApiError;
use super::rate_limit::Bucket;
use crate::config::RateLimitConfig;

/// What a caller has left.
pub(crate) const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// What every caller gets.
pub(crate) const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What every caller gets: a bucket of requests that fills up again.
#[derive(Debug)]
pub(super) struct Policy {
    per_minute: u32,
    burst: u32,
    header: HeaderValue,
}

/// How a caller stands after a request.
#[derive(Debug)]
pub(super) struct Standing {
    is_refused: bool,
    remaining: u32,
    seconds: u64,
    policy: HeaderValue,
}

/// Where a request's standing is left for its answer; empty for a request that is not counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct StandingCell(Arc<Mutex<Option<(Bucket, Standing)>>>);

impl Policy {
    pub(super) fn new(config: RateLimitConfig) -> Self {
        let (per_minute, burst) = (config.per_minute.get(), config.burst.get());
        let text = format!("\"default\";q={burst};w={}", seconds_to_fill(burst, per_minute));
        // Digits and a constant are always a header value.
        let header = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("\"default\""));
        Self { per_minute, burst, header }
    }

    /// How many cells a bucket holds.
    pub(super) const fn burst(&self) -> u32 {
        self.burst
    }

    /// How long a bucket takes to gain one cell.
    pub(super) fn cell(&self) -> Duration {
        Duration::from_mins(1) / self.per_minute
    }

    /// The standing of a caller who was heard and has `remaining` requests left.
    pub(super) fn heard(&self, remaining: u32) -> Standing {
        // With none left, what counts is when there will be one; otherwise when there will be all of them.
        let missing = if remaining == 0 { 1 } else { self.burst.saturating_sub(remaining) };
        let seconds = seconds_to_fill(missing, self.per_minute);
        Standing { is_refused: false, remaining, seconds, policy: self.header.clone() }
    }

    /// The standing of a caller who is heard again in `seconds`.
    pub(super) fn refused(&self, seconds: u64) -> Standing {
        Standing { is_refused: true, remaining: 0, seconds, policy: self.header.clone() }
    }
}

/// Rounded up: a client that comes back earlier would be refused.
fn seconds_to_fill(requests: u32, per_minute: u32) -> u64 {
    (u64::from(requests) * 60).div_ceil(u64::from(per_minute))
}

impl Standing {
    /// Refuses the request if it was one too many.
    pub(super) const fn admit(&self) -> Result<(), ApiError> {
        if self.is_refused {
            return Err(ApiError::TooManyRequests { retry_after_seconds: self.seconds });
        }
        Ok(())
    }

    fn header(&self) -> HeaderValue {
        // Two numbers of 10 and 20 digits at most, and 15 characters around them: there is always room.
        let mut text = [0; 48];
        let mut rest = &mut text[..];
        let _ = write!(rest, "\"default\";r={};t={}", self.remaining, self.seconds);
        let length = 48 - rest.len();
        HeaderValue::from_bytes(&text[..length]).unwrap_or(HeaderValue::from_static("\"default\";r=0"))
    }
}

impl StandingCell {
    /// Leaves the standing of `bucket` for the answer.
    pub(super) fn set(&self, bucket: Bucket, standing: Standing) {
        *self.lock() = Some((bucket, standing));
    }

    /// Changes the standing, if the request was counted.
    pub(super) fn update(
        &self,
        change: impl FnOnce(&Bucket, &mut Standing) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        match &mut *self.lock() {
            Some((bucket, standing)) => change(bucket, standing),
            None => Ok(()),
        }
    }

    /// Writes both headers, if the request was counted.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        if let Some((_, standing)) = &*self.lock() {
            headers.insert(RATELIMIT_POLICY, standing.policy.clone());
            headers.insert(RATELIMIT, standing.header());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Bucket, Standing)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(per_minute: u32, burst: u32) -> Policy {
        let (per_minute, burst) = (per_minute.try_into().unwrap(), burst.try_into().unwrap());
        Policy::new(RateLimitConfig { per_minute, burst })
    }

    #[test]
    fn a_window_is_how_long_the_bucket_takes_to_fill() {
        for ((per_minute, burst), expected) in [
            ((300, 100), "\"default\";q=100;w=20"),
            ((60, 1), "\"default\";q=1;w=1"),
            ((1, 1), "\"default\";q=1;w=60"),
            ((7, 5), "\"default\";q=5;w=43"),
            ((u32::MAX, 1), "\"default\";q=1;w=1"),
            ((1, u32::MAX), "\"default\";q=4294967295;w=257698037700"),
        ] {
            assert_eq!(policy(per_minute, burst).header, expected);
        }
    }

    #[test]
    fn what_is_left_comes_with_the_time_until_there_is_more() {
        let policy = policy(300, 100);
        for (standing, expected) in [
            (policy.heard(99), "\"default\";r=99;t=1"),
            (policy.heard(50), "\"default\";r=50;t=10"),
            (policy.heard(1), "\"default\";r=1;t=20"),
            (policy.heard(0), "\"default\";r=0;t=1"),
            (policy.refused(3), "\"default\";r=0;t=3"),
            (policy.heard(u32::MAX), "\"default\";r=4294967295;t=0"),
            (policy.refused(u64::MAX), "\"default\";r=0;t=18446744073709551615"),
        ] {
            assert_eq!(standing.header(), expected);
        }
        assert!(policy.heard(0).admit().is_ok() && policy.refused(3).admit().is_err());
    }
}
