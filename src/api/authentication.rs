//! From a request's headers to its caller.

use std::fmt;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

use super::ApiError;
use crate::auth::{
    ApiKeys, Caller, KEY_PREFIX, PinnedKey, TokenError, TokenRules, UnverifiedToken, VerifiedToken,
};
use crate::clock::UnixSeconds;
use crate::config::{AuthConfig, TokenKeyConfig};
use crate::providers::NoClient;
use crate::providers::jwks::Jwks;

/// How many verified tokens are remembered until they expire.
const REMEMBERED_TOKENS: usize = 10_000;

/// How callers prove who they are.
#[derive(Debug)]
pub enum Authentication {
    /// Callers are not told apart.
    Off,
    /// Every caller must prove who they are, in one of these ways.
    Required {
        /// By an API key.
        api_keys: Option<ApiKeys>,
        /// By a token.
        tokens: Option<Tokens>,
    },
}

/// How tokens are verified.
pub struct Tokens {
    keys: TokenKeys,
    rules: TokenRules,
    /// Verified tokens by their SHA-256: nothing here can be used as a token.
    verified: Cache<[u8; 32], VerifiedToken>,
}

#[derive(Debug)]
enum TokenKeys {
    Pinned(PinnedKey),
    Published(Jwks),
}

impl Authentication {
    /// The ways that the configuration names.
    pub fn new(config: AuthConfig) -> Result<Self, NoClient> {
        let AuthConfig::Required { api_keys, tokens } = config else { return Ok(Self::Off) };
        let tokens = tokens.map(|tokens| {
            let keys = match tokens.key {
                TokenKeyConfig::Pinned(key) => TokenKeys::Pinned(key),
                TokenKeyConfig::Published(url) => TokenKeys::Published(Jwks::new(url)?),
            };
            Ok(Tokens { keys, rules: tokens.rules, verified: Cache::new(REMEMBERED_TOKENS) })
        });
        Ok(Self::Required { api_keys, tokens: tokens.transpose()? })
    }

    /// Who sent a request with these headers at `now`.
    pub async fn identify(&self, headers: &HeaderMap, now: UnixSeconds) -> Result<Caller, ApiError> {
        let Self::Required { api_keys, tokens } = self else { return Ok(Caller::Anonymous) };
        let credential = credential(headers).ok_or(ApiError::Unauthenticated)?;
        match (credential.starts_with(KEY_PREFIX), api_keys, tokens) {
            (true, Some(keys), _) => {
                keys.find(credential).cloned().map(Caller::Known).ok_or(ApiError::CredentialRefused)
            }
            (false, keys, Some(tokens)) => {
                let caller = tokens.verify(credential, now).await?;
                refuse_names_of_keys(caller, keys.as_ref())
            }
            _ => Err(ApiError::CredentialRefused),
        }
    }
}

/// A token whose subject is spelled like a key's name would share the key's folders.
fn refuse_names_of_keys(caller: Caller, keys: Option<&ApiKeys>) -> Result<Caller, ApiError> {
    match (caller.subject(), keys) {
        (Some(subject), Some(keys)) if keys.names().contains(subject) => {
            Err(refused(TokenError::ReservedSubject))
        }
        _ => Ok(caller),
    }
}

/// What stands in `Authorization: Bearer …` or `X-API-Key`.
fn credential(headers: &HeaderMap) -> Option<&str> {
    if let Some(key) = headers.get("x-api-key") {
        return key.to_str().ok();
    }
    let (scheme, credential) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(credential.trim())
}

impl Tokens {
    async fn verify(&self, token: &str, now: UnixSeconds) -> Result<Caller, ApiError> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(verified) = self.verified.get(&hash) {
            return verified.at(now);
        }
        let token = UnverifiedToken::read(token).map_err(refused)?;
        let key = self.key_of(&token).await?;
        let verified = key.verify(&token, &self.rules, now).map_err(refused)?;
        let caller = verified.at(now);
        self.verified.insert(hash, verified);
        caller
    }

    async fn key_of(&self, token: &UnverifiedToken<'_>) -> Result<PinnedKey, ApiError> {
        match &self.keys {
            TokenKeys::Pinned(key) => Ok(key.clone()),
            TokenKeys::Published(jwks) => {
                let kid = token.kid.as_deref().ok_or(ApiError::CredentialRefused)?;
                let key = jwks.key(kid).await.map_err(|_source| ApiError::IssuerUnreachable)?;
                key.ok_or_else(|| refused(TokenError::UnknownKey))
            }
        }
    }
}

impl VerifiedToken {
    fn at(&self, now: UnixSeconds) -> Result<Caller, ApiError> {
        if now < self.expires_at {
            Ok(Caller::Known(Arc::clone(&self.subject)))
        } else {
            Err(refused(TokenError::Expired))
        }
    }
}

/// The operator is told why; the caller only that it is not accepted, or that it is time for a new one.
fn refused(error: TokenError) -> ApiError {
    if error == TokenError::ReservedSubject {
        // Nobody gets such a token by accident or by waiting: an issuer lets users choose who they are.
        tracing::warn!(%error, "a token was refused");
    } else {
        tracing::debug!(%error, "a token was refused");
    }
    match error {
        TokenError::Expired => ApiError::TokenExpired,
        _ => ApiError::CredentialRefused,
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("keys", &self.keys).field("rules", &self.rules).finish_non_exhaustive()
    }
}
