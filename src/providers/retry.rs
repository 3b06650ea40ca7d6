//! When to try a call again, and how long to wait before.

use std::time::{Duration, UNIX_EPOCH};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use tokio::time::Instant;

use crate::clock::UnixSeconds;

/// How often one call is made at most.
const MAX_ATTEMPTS: u32 = 4;
/// The first wait's upper end; it doubles with every attempt.
const BASE_WAIT: Duration = Duration::from_millis(200);
/// The longest wait that is not asked for by the provider.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Whether a status says that the same call may succeed later: rate limits and faults of the server's own.
pub(super) fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 420 | 429) || status.is_server_error()
}

/// Attempts of one call against a deadline.
#[derive(Debug)]
pub(super) struct Attempts {
    made: u32,
    deadline: Instant,
}

impl Attempts {
    pub(super) const fn until(deadline: Instant) -> Self {
        Self { made: 0, deadline }
    }

    /// The time that is left for the next attempt; `None` once there is none.
    pub(super) fn time_left(&self) -> Option<Duration> {
        self.deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// Waits until the call may be made again: as long as the provider asked for, or a random part of a doubling time.
    /// Answers whether to try again: not after the last attempt, and not when the wait would outlast the deadline.
    pub(super) async fn wait(&mut self, asked: Option<Duration>) -> bool {
        self.made += 1;
        if self.made >= MAX_ATTEMPTS {
            return false;
        }
        let wait = asked.unwrap_or_else(|| backoff(self.made));
        if self.time_left().is_none_or(|left| wait >= left) {
            return false;
        }
        tokio::time::sleep(wait).await;
        true
    }
}

/// Full jitter: anything up to the doubling bound, so that callers who failed together do not return together.
fn backoff(attempts_made: u32) -> Duration {
    let bound = BASE_WAIT.saturating_mul(1 << attempts_made.min(8)).min(MAX_WAIT);
    bound.mul_f64(rand::random_range(0.1..=1.0))
}

/// How long the provider asks to wait: `Retry-After` in seconds or as a date, or the end of the rate-limit window.
pub(super) fn asked_wait(headers: &HeaderMap, now: UnixSeconds) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(after) = text(RETRY_AFTER.as_str()) {
        return match after.trim().parse() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => until(after, now),
        };
    }
    let exhausted = text("x-featureratelimit-remaining").is_none_or(|left| left.trim() == "0");
    text("x-featureratelimit-reset").filter(|_| exhausted).and_then(|reset| until(reset, now))
}

fn until(http_date: &str, now: UnixSeconds) -> Option<Duration> {
    let at = httpdate::parse_http_date(http_date).ok()?;
    let now = UNIX_EPOCH + Duration::from_secs(now.0.try_into().ok()?);
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_540_368_000 - 30);

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_provider_says_how_long_to_wait() {
        let reset = ("x-featureratelimit-reset", "Wed, 24 Oct 2018 08:00:00 GMT");
        for (given, expected) in [
            (vec![("retry-after", "7")], Some(7)),
            (vec![("retry-after", "Wed, 24 Oct 2018 08:00:00 GMT")], Some(30)),
            (vec![reset], Some(30)),
            (vec![reset, ("x-featureratelimit-remaining", "0")], Some(30)),
            (vec![reset, ("x-featureratelimit-remaining", "400")], None),
            (vec![reset, ("retry-after", "2")], Some(2)),
            (vec![("retry-after", "soon")], None),
            (vec![], None),
        ] {
            assert_eq!(asked_wait(&headers(&given), NOW), expected.map(Duration::from_secs), "{given:?}");
        }
    }

    #[test]
    fn a_reset_in_the_past_means_at_once() {
        let given = headers(&[("retry-after", "Wed, 24 Oct 2018 07:00:00 GMT")]);
        assert_eq!(asked_wait(&given, NOW), Some(Duration::ZERO));
    }

    #[test]
    fn only_passing_faults_are_tried_again() {
        for (status, expected) in [
            (420, true),
            (429, true),
            (500, true),
            (503, true),
            (400, false),
            (401, false),
            (404, false),
            (409, false),
        ] {
            assert_eq!(is_passing(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_end_with_the_deadline() {
        let mut attempts = Attempts::until(Instant::now() + Duration::from_secs(10));
        assert!(attempts.wait(Some(Duration::from_secs(9))).await);
        assert!(!attempts.wait(Some(Duration::from_secs(2))).await);
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_end_after_the_fourth() {
        let mut attempts = Attempts::until(Instant::now() + Duration::from_mins(1));
        for _ in 0..3 {
            assert!(attempts.wait(None).await);
        }
        assert!(!attempts.wait(None).await);
    }
}
