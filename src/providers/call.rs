//! One call of a provider's API, tried again while that may help.

use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::budget::CallBudget;
use super::read_bounded;
use super::retry::{Attempts, asked_wait, is_passing};
use crate::clock::Clock;

/// The most bytes read of an answer: a deletion of 100 long ids takes some 100 kB.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// The most characters quoted of the provider's own message.
const MAX_MESSAGE_CHARACTERS: usize = 300;

/// Why a call did not succeed, after all retries. The text is fit for callers: no URL, no credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No connection, or it broke.
    #[error("the provider could not be reached")]
    Unreachable,
    /// No answer in time.
    #[error("the provider did not answer in time")]
    TimedOut,
    /// No call is left for now, so that none was made.
    #[error("the budget of {limit} calls an hour is used up; there is room again in {retry_after_seconds} s")]
    BudgetUsedUp {
        /// How many calls there are in an hour.
        limit: u32,
        /// When there is room for what was asked.
        retry_after_seconds: u64,
    },
    /// The provider said no.
    #[error("the provider answered {status}: {message}")]
    Refused {
        /// Its status.
        status: u16,
        /// Its message, shortened and without credentials.
        message: String,
    },
    /// An answer that is not what the API documents.
    #[error("the provider answered {status} with something that is not its documented JSON")]
    Garbled {
        /// Its status.
        status: u16,
    },
}

/// What one attempt came to.
enum Attempt<T> {
    Done(T),
    Final(CallError),
    Passing(CallError, Option<Duration>),
}

/// Makes calls of one API.
pub(super) struct Calls<'a> {
    /// Tells how far off a rate limit's end is.
    pub(super) clock: &'a Clock,
    /// What must not be quoted from the provider's messages.
    pub(super) credentials: [&'a str; 2],
    /// What every attempt is taken from, if there is a bound.
    pub(super) budget: Option<&'a CallBudget>,
    /// The message in the body of a refusal.
    pub(super) message: fn(&[u8]) -> Option<String>,
}

impl Calls<'_> {
    /// Makes a call until it succeeds (an empty body reads as `null`), is refused for good, or `deadline` leaves no room for another attempt.
    pub(super) async fn make<T: DeserializeOwned>(
        &self,
        deadline: Instant,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<T, CallError> {
        let mut attempts = Attempts::until(deadline);
        loop {
            let Some(time_left) = attempts.time_left() else { return Err(CallError::TimedOut) };
            if let Some(budget) = self.budget {
                budget.take(self.clock.now())?;
            }
            let attempt = tokio::time::timeout(time_left, self.attempt(request())).await;
            match attempt.unwrap_or(Attempt::Final(CallError::TimedOut)) {
                Attempt::Done(answer) => return Ok(answer),
                Attempt::Final(error) => return Err(error),
                Attempt::Passing(error, asked) => {
                    tracing::debug!(%error, "the provider failed; trying again if time allows");
                    if !attempts.wait(asked).await {
                        return Err(error);
                    }
                }
            }
        }
    }

    async fn attempt<T: DeserializeOwned>(&self, request: RequestBuilder) -> Attempt<T> {
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_timeout() => return Attempt::Passing(CallError::TimedOut, None),
            Err(_) => return Attempt::Passing(CallError::Unreachable, None),
        };
        let status = response.status();
        let asked = asked_wait(response.headers(), self.clock.now());
        let Some(body) = read_bounded(response, MAX_ANSWER_BYTES).await else {
            return Attempt::Passing(CallError::Unreachable, None);
        };
        if status.is_success() {
            let body = if body.is_empty() { b"null" } else { &body[..] };
            return match serde_json::from_slice(body) {
                Ok(answer) => Attempt::Done(answer),
                Err(_) => Attempt::Passing(CallError::Garbled { status: status.as_u16() }, None),
            };
        }
        let error = self.refusal(status, &body);
        if is_passing(status) { Attempt::Passing(error, asked) } else { Attempt::Final(error) }
    }

    /// The provider's message, made safe to pass on.
    fn refusal(&self, status: StatusCode, body: &[u8]) -> CallError {
        let status = status.as_u16();
        match (self.message)(body) {
            Some(message) => CallError::Refused { status, message: self.without_credentials(&message) },
            None => CallError::Garbled { status },
        }
    }

    /// Shortens `message`, drops control characters, and blanks credentials and anything that looks like a signature.
    fn without_credentials(&self, message: &str) -> String {
        let is_digest = |word: &str| {
            let hex = word.trim_matches(|character: char| !character.is_ascii_alphanumeric());
            hex.len() >= 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let words = message.split_whitespace().map(|word| if is_digest(word) { "…" } else { word });
        let mut text = words.collect::<Vec<_>>().join(" ");
        for credential in self.credentials {
            text = text.replace(credential, "…");
        }
        text.chars().filter(|character| !character.is_control()).take(MAX_MESSAGE_CHARACTERS).collect()
    }
}
