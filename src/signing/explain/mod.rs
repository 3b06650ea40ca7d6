//! The signature debugger: from what the provider said, and what the client signed or sent, to the cause and its fix.
//!
//! Reads whatever was pasted: the provider's error as text or JSON, parameters as JSON, as `name=value` lines, as a query
//! or form body, as a cURL command, and the client's own string to sign.
//!
//! - Without the secret the provider's string to sign is held against the parameters that the client says it signed.
//! - With it, strings that clients sign by mistake are signed one after another until one gives the signature that
//!   was sent: a hit is proof. Time, work and size of the search are bounded ([`Budget`]), and the secret never enters
//!   a message.
//!
//! Source of the mistakes: <https://cloudinary.com/documentation/authentication_signatures> and the public threads of
//! people who met `Invalid Signature`.

mod answers;
mod budget;
mod case;
mod cause;
mod compare;
mod curl_command;
mod objects;
mod refusal;
mod report;
mod sealing;
mod search;
mod spelling;
mod steps;
mod timing;
mod values;

use secrecy::{ExposeSecret, SecretString};

pub use budget::{Budget, MAX_SEARCH_TIME};
pub use cause::{Cause, Finding};

use case::{Case, MAX_SEARCHED_BYTES, MAX_SEARCHED_PARAMS};
use refusal::Refusal;
use report::Report;

use crate::signing::cloudinary::Signer;

/// The most bytes of text that anybody should hand in.
pub const MAX_INPUT_BYTES: usize = 256 * 1024;

/// What is known beside the text.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The cloud that is configured.
    pub cloud: Option<&'a str>,
    /// The API key that is configured.
    pub api_key: Option<&'a str>,
    /// The API secret that is configured.
    pub secret: Option<&'a SecretString>,
    /// The time, in Unix seconds.
    pub now: i64,
}

impl<'a> Known<'a> {
    /// What is known of the account that `signer` signs for.
    pub const fn of(signer: &'a Signer, cloud: &'a str, api_key: &'a str, now: i64) -> Self {
        Self { cloud: Some(cloud), api_key: Some(api_key), secret: Some(signer.secret()), now }
    }
}

/// Why there is no finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unexplained {
    /// Neither an error nor parameters in the text.
    #[error("there is neither an error of the provider nor a parameter in the text")]
    NothingToRead,
    /// Parameters without a signature say little.
    #[error(
        "the parameters show nothing wrong by themselves; add the provider's error, or the signature that was sent"
    )]
    NoSignature,
    /// The signature is right.
    #[error("nothing is wrong: the signature is right and still accepted")]
    NothingWrong,
    /// The error is none that is known.
    #[error("the provider's error is none that has to do with signing")]
    UnknownError,
    /// A wrong signature, and nothing to hold it against.
    #[error(
        "the error alone does not tell what was signed; add the parameters that the client signed, or the API secret"
    )]
    NothingToCompare,
    /// Nothing can be said without the search, and the search did not try everything.
    #[error("no cause can be told without a search: {0}")]
    NotSearched(Unsearched),
}

/// Why not every mistake was tried with the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsearched {
    /// More than a search takes in.
    #[error(
        "the search with the API secret takes at most {MAX_SEARCHED_PARAMS} parameters and {} KB, and there is more here",
        MAX_SEARCHED_BYTES / 1024
    )]
    TooLarge,
    /// The time is up.
    #[error(
        "the search with the API secret ended after {} s, before everything was tried; fewer and shorter parameters take less time",
        MAX_SEARCH_TIME.as_secs_f32()
    )]
    OutOfTime,
    /// Nobody waits for it any more.
    #[error("the search with the API secret was called off")]
    Cancelled,
}

/// Finds the cause of what `text` shows, as far as `budget` goes.
pub fn explain(text: &str, known: &Known<'_>, budget: &Budget<'_>) -> Result<Finding, Unexplained> {
    let report = Report::read(text);
    let finding = examine(&report, known, budget)?;
    Ok(finding.fit_to_show(known.secret.map(ExposeSecret::expose_secret)))
}

fn examine(report: &Report, known: &Known<'_>, budget: &Budget<'_>) -> Result<Finding, Unexplained> {
    match report.refusal.as_deref().map(Refusal::parse) {
        Some(Refusal::InvalidSignature { given, string }) => {
            Case::refused(given, string, report).explain(known, budget)
        }
        Some(Refusal::Stale { reported }) => Ok(timing::stale(reported, known.now)),
        Some(refusal) => answers::explain(&refusal, known).ok_or(Unexplained::UnknownError),
        None => examine_params(report, known, budget),
    }
}

/// Without an error the parameters must speak for themselves.
fn examine_params(report: &Report, known: &Known<'_>, budget: &Budget<'_>) -> Result<Finding, Unexplained> {
    if report.is_empty() {
        return Err(Unexplained::NothingToRead);
    }
    if let Some(finding) = timing::unit_of(report) {
        return Ok(finding);
    }
    match &report.signature {
        None => Err(Unexplained::NoSignature),
        Some(given) => {
            let string = report.received_string();
            let found = Case::sent(given, &string, report).explain(known, budget);
            match found {
                Err(Unexplained::NothingWrong) => {
                    timing::too_old(report, known.now).ok_or(Unexplained::NothingWrong)
                }
                other => other,
            }
        }
    }
}

#[cfg(test)]
mod tests;
