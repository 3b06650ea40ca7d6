//! Uploadcare's REST API, as far as countersign calls it: deletion of files and of a key of their metadata.
//!
//! Calls are signed, so that the secret key never travels.
//!
//! Sources: <https://uploadcare.com/docs/api/rest/file/delete-files-storage/>,
//! <https://uploadcare.com/docs/api/rest/file-metadata/delete-file-metadata-key/>.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, UNIX_EPOCH};

use futures_util::{StreamExt, stream};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE};
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::time::Instant;

use super::call::{CallError, Calls};
use super::{NoClient, client};
use crate::clock::Clock;
use crate::config::UploadcareAccount;
use crate::delivery::uploadcare::FileId;
use crate::signing::uploadcare::RestRequest;

/// The version of the API, without which it refuses every call.
const API_VERSION: &str = "application/vnd.uploadcare-v0.7+json";
/// The most ids the provider takes in one call.
const MAX_IDS_A_CALL: usize = 100;
/// How many calls are under way at once.
const MAX_CALLS_IN_FLIGHT: usize = 8;
/// The provider's word for a file that is not there.
const MISSING: &str = "Missing in the project";

/// The REST API of one project. Clones share connections.
#[derive(Clone, Debug)]
pub struct RestApi {
    client: reqwest::Client,
    clock: Clock,
    base: String,
    /// The path of `base`, which is signed along.
    base_path: String,
    public_key: String,
    secret_key: SecretString,
}

/// What became of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileOutcome {
    /// It was there and is gone.
    Deleted,
    /// There was no such file in the project.
    NotFound,
    /// It may still be there.
    Failed(String),
}

/// What became of one batch.
#[derive(Clone, Debug)]
pub struct FileBatch {
    /// Each file's own outcome.
    pub outcomes: BTreeMap<FileId, FileOutcome>,
    /// Why the batch could not be finished.
    pub error: Option<CallError>,
}

impl FileBatch {
    /// The report that the provider would give if it had none of `files`.
    pub fn all_not_found(files: impl IntoIterator<Item = FileId>) -> Self {
        Self { outcomes: files.into_iter().map(|file| (file, FileOutcome::NotFound)).collect(), error: None }
    }
}

#[derive(Deserialize)]
struct BatchAnswer {
    #[serde(default)]
    result: Vec<FileAnswer>,
    #[serde(default)]
    problems: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct FileAnswer {
    uuid: String,
}

#[derive(Deserialize)]
struct ErrorBody {
    detail: String,
}

impl RestApi {
    /// The REST API of `account`; `clock` dates the calls.
    pub fn new(account: &UploadcareAccount, clock: Clock) -> Result<Self, NoClient> {
        let base = account.rest_base.clone();
        let authority_and_path = base.split_once("://").map_or("", |(_, rest)| rest);
        let base_path = authority_and_path.find('/').map_or("", |at| &authority_and_path[at..]).to_owned();
        Ok(Self {
            client: client()?,
            clock,
            base,
            base_path,
            public_key: account.public_key.clone(),
            secret_key: account.secret_key.clone(),
        })
    }

    /// Deletes `files`, in calls of at most 100 ids, eight at a time.
    ///
    /// Never fails as a whole: every batch reports for itself what became of each of its files. No call begins, and no
    /// retry waits, beyond `time_limit`.
    pub async fn delete(&self, files: &[FileId], time_limit: Duration) -> Vec<FileBatch> {
        let deadline = Instant::now() + time_limit;
        let files: Vec<_> = files.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect();
        let calls = files.chunks(MAX_IDS_A_CALL).map(|batch| self.delete_batch(batch, deadline));
        stream::iter(calls.collect::<Vec<_>>()).buffered(MAX_CALLS_IN_FLIGHT).collect().await
    }

    /// How many calls the deletion of `files` takes, retries apart.
    pub fn calls_to_delete(files: &[FileId]) -> usize {
        files.iter().collect::<BTreeSet<_>>().len().div_ceil(MAX_IDS_A_CALL)
    }

    async fn delete_batch(&self, files: &[FileId], deadline: Instant) -> FileBatch {
        let ids: Vec<_> = files.iter().map(FileId::as_str).collect();
        // A list of texts always becomes JSON.
        let body = serde_json::to_vec(&ids).unwrap_or_default();
        let answer =
            self.calls().make(deadline, || self.request(Method::DELETE, "/files/storage/", &body)).await;
        let outcomes = files.iter().map(|file| (file.clone(), outcome(file, answer.as_ref()))).collect();
        FileBatch { outcomes, error: answer.err() }
    }

    /// Deletes a key of a file's metadata. Neither a file nor a key that is not there is an error.
    pub async fn remove_metadata(
        &self,
        file: &FileId,
        key: &str,
        time_limit: Duration,
    ) -> Result<(), CallError> {
        let path = format!("/files/{file}/metadata/{key}/");
        let deadline = Instant::now() + time_limit;
        let answer = self.calls().make(deadline, || self.request(Method::DELETE, &path, b"")).await;
        match answer {
            Ok(IgnoredAny)
            | Err(CallError::Refused { status: 404, .. } | CallError::Garbled { status: 404 }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn calls(&self) -> Calls<'_> {
        Calls {
            clock: &self.clock,
            budget: None,
            credentials: [self.secret_key.expose_secret(), &self.public_key],
            message: |body| Some(serde_json::from_slice::<ErrorBody>(body).ok()?.detail),
        }
    }

    fn request(&self, method: Method, path: &str, body: &[u8]) -> RequestBuilder {
        let now = Duration::from_secs(self.clock.now().0.try_into().unwrap_or_default());
        let date = httpdate::fmt_http_date(UNIX_EPOCH + now);
        let signature = RestRequest {
            method: method.as_str(),
            body,
            content_type: "application/json",
            date: &date,
            path_and_query: &format!("{}{path}", self.base_path),
        }
        .sign(&self.secret_key);
        self.client
            .request(method, format!("{}{path}", self.base))
            .header(ACCEPT, API_VERSION)
            .header(CONTENT_TYPE, "application/json")
            .header(DATE, &date)
            .header(AUTHORIZATION, format!("Uploadcare {}:{signature}", self.public_key))
            .body(body.to_vec())
    }
}

/// Only what the provider says of a file counts; silence is no deletion.
fn outcome(file: &FileId, answer: Result<&BatchAnswer, &CallError>) -> FileOutcome {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return FileOutcome::Failed(error.to_string()),
    };
    let is_file = |id: &str| id.eq_ignore_ascii_case(file.as_str());
    let problem = answer.problems.iter().find(|(id, _)| is_file(id)).map(|(_, problem)| problem.as_str());
    match problem {
        Some(MISSING) => FileOutcome::NotFound,
        Some(problem) => FileOutcome::Failed(format!("the provider says: {problem}")),
        None if answer.result.iter().any(|result| is_file(&result.uuid)) => FileOutcome::Deleted,
        None => FileOutcome::Failed("the provider did not say what became of it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_gets_the_outcome_that_the_provider_names() {
        let file = |digit: char| digit.to_string().repeat(36).parse::<FileId>();
        assert!(file('0').is_err());
        let ids = ["0", "1", "2", "3"].map(|digit| {
            format!("{}-0000-4000-8000-000000000000", digit.repeat(8)).parse::<FileId>().unwrap()
        });
        let text = r#"{"status":"ok","result":[{"uuid":"11111111-0000-4000-8000-000000000000"}],
            "problems":{"00000000-0000-4000-8000-000000000000":"Missing in the project",
                        "22222222-0000-4000-8000-000000000000":"Invalid"}}"#;
        let answer: BatchAnswer = serde_json::from_str(text).unwrap();
        let outcomes = ids.map(|id| outcome(&id, Ok(&answer)));
        assert_eq!(outcomes[..2], [FileOutcome::NotFound, FileOutcome::Deleted]);
        assert!(outcomes[2..].iter().all(|outcome| matches!(outcome, FileOutcome::Failed(_))));
    }
}
