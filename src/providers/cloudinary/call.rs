//! One call of the Admin API.

use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{AdminApi, CallError};
use crate::providers::call::Calls;

/// The provider's envelope for errors.
#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorMessage,
}

#[derive(Deserialize)]
struct ErrorMessage {
    message: String,
}

impl AdminApi {
    /// Makes a call until it succeeds, is refused for good, or `deadline` leaves no room for another attempt.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        form: &[(&str, &str)],
        deadline: Instant,
    ) -> Result<T, CallError> {
        self.calls().make(deadline, || self.request(method.clone(), path).form(form)).await
    }

    /// Reads, in the same way.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        deadline: Instant,
    ) -> Result<T, CallError> {
        let query = serde_urlencoded::to_string(query).unwrap_or_default();
        self.calls().make(deadline, || self.request(Method::GET, &format!("{path}?{query}"))).await
    }

    fn calls(&self) -> Calls<'_> {
        Calls {
            clock: &self.clock,
            budget: self.budget.as_ref(),
            credentials: [self.api_secret.expose_secret(), &self.api_key],
            message: |body| Some(serde_json::from_slice::<ErrorBody>(body).ok()?.error.message),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.base))
            .basic_auth(&self.api_key, Some(self.api_secret.expose_secret()))
    }
}
