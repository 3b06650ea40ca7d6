//! How callers are authenticated: API keys, tokens, both, or not at all.

use std::net::IpAddr;
use std::path::Path;

use clap::Args;
use jsonwebtoken::Algorithm;
use secrecy::SecretString;
use url::{Host, Url};

use super::cloudinary::secret_or_file;
use super::{Problems, present};
use crate::auth::{ApiKeys, PinnedKey, TokenRules};

/// Authentication, as flags and variables name it.
#[derive(Args, Clone, Debug, Default)]
#[expect(clippy::doc_markdown, reason = "docs become help")]
pub(super) struct AuthArgs {
    /// Who may call: none (everybody), api-key, jwt, or api-key,jwt [default: none, on loopback only]
    #[arg(long, env = "AUTH", value_name = "HOW")]
    auth: Option<String>,
    #[command(flatten)]
    api_keys: ApiKeysArgs,
    /// Secret that signs tokens with HS256
    #[arg(long, env = "JWT_SECRET", value_name = "SECRET", hide_env_values = true)]
    jwt_secret: Option<String>,
    /// File that holds the secret
    #[arg(long, env = "JWT_SECRET_FILE", value_name = "FILE")]
    jwt_secret_file: Option<String>,
    /// Where the issuer publishes its keys
    #[arg(long, env = "JWKS_URL", value_name = "URL")]
    jwks_url: Option<String>,
    /// File with the issuer's public key in PEM, or the PEM itself
    #[arg(long, env = "JWT_PUBLIC_KEY", value_name = "PEM")]
    jwt_public_key: Option<String>,
    /// What a token's `iss` must be
    #[arg(long, env = "JWT_ISSUER", value_name = "ISSUER")]
    jwt_issuer: Option<String>,
    /// What a token's `aud` must name
    #[arg(long, env = "JWT_AUDIENCE", value_name = "AUDIENCE")]
    jwt_audience: Option<String>,
    /// The algorithm of JWT_PUBLIC_KEY: RS256, PS256, ES256, ES384 or EdDSA
    #[arg(long, env = "JWT_ALGORITHMS", value_name = "ALGORITHM")]
    jwt_algorithms: Option<String>,
}

/// Where API keys are, as flags and variables name it.
#[derive(Args, Clone, Debug, Default)]
pub struct ApiKeysArgs {
    /// File of API keys: lines NAME SHA256-HEX SCOPE[,SCOPE…], made by `countersign api-key new NAME`
    #[arg(long, env = "API_KEYS_FILE", value_name = "FILE")]
    api_keys_file: Option<String>,
}

/// Authentication, checked.
#[derive(Clone, Debug)]
pub enum AuthConfig {
    /// Callers are not told apart; `said_so` where AUTH=none says it in so many words.
    Off {
        /// Whether the operator said so.
        said_so: bool,
    },
    /// Every caller must prove who they are.
    Required {
        /// By an API key.
        api_keys: Option<ApiKeys>,
        /// By a token.
        tokens: Option<TokensConfig>,
    },
}

/// How tokens are verified.
#[derive(Clone, Debug)]
pub struct TokensConfig {
    /// With which key.
    pub key: TokenKeyConfig,
    /// Whose they must be, and for whom.
    pub rules: TokenRules,
}

/// Where the key comes from.
#[derive(Clone, Debug)]
pub enum TokenKeyConfig {
    /// It is configured, with its algorithm.
    Pinned(PinnedKey),
    /// It is published at this URL.
    Published(String),
}

impl AuthArgs {
    pub(super) fn check(&self, problems: &mut Problems) -> AuthConfig {
        let Some(ways) = present(self.auth.as_deref()) else {
            self.refuse_settings_without_auth(problems);
            return AuthConfig::Off { said_so: false };
        };
        let (mut keys, mut tokens) = (false, false);
        for way in ways.split(',').map(str::trim) {
            match way {
                "api-key" => keys = true,
                "jwt" => tokens = true,
                "none" if ways == "none" => return AuthConfig::Off { said_so: true },
                other => {
                    let why = format_args!(
                        "`{other}` is not a way to authenticate callers: use none, api-key, jwt or api-key,jwt"
                    );
                    problems.add("AUTH", why);
                }
            }
        }
        let api_keys = keys.then(|| self.api_keys.read(problems)).flatten();
        let tokens = tokens.then(|| self.tokens(problems)).flatten();
        AuthConfig::Required { api_keys, tokens }
    }

    /// Keys without AUTH would look like protection and be none.
    fn refuse_settings_without_auth(&self, problems: &mut Problems) {
        for (name, value, way) in [
            ("API_KEYS_FILE", &self.api_keys.api_keys_file, "api-key"),
            ("JWT_SECRET", &self.jwt_secret, "jwt"),
            ("JWT_SECRET_FILE", &self.jwt_secret_file, "jwt"),
            ("JWKS_URL", &self.jwks_url, "jwt"),
            ("JWT_PUBLIC_KEY", &self.jwt_public_key, "jwt"),
        ] {
            if present(value.as_deref()).is_some() {
                problems
                    .add(name, format_args!("is set, but nobody is authenticated: set AUTH={way} as well"));
            }
        }
    }

    fn tokens(&self, problems: &mut Problems) -> Option<TokensConfig> {
        let secret = secret_or_file(
            "JWT_SECRET",
            self.jwt_secret.as_deref(),
            self.jwt_secret_file.as_deref(),
            problems,
        );
        let (public_key, jwks_url) =
            (present(self.jwt_public_key.as_deref()), present(self.jwks_url.as_deref()));
        let key = match (secret, public_key, jwks_url) {
            (Some(secret), None, None) => self.secret_key(&secret, problems),
            (None, Some(pem), None) => self.public_key(pem, problems),
            (None, None, Some(url)) => published(url, problems),
            (None, None, None) => {
                problems.add(
                    "JWT_SECRET",
                    "is not set, and AUTH=jwt needs one of JWT_SECRET, JWT_PUBLIC_KEY and JWKS_URL",
                );
                None
            }
            _ => {
                problems.add(
                    "JWT_SECRET",
                    "JWT_SECRET, JWT_PUBLIC_KEY and JWKS_URL exclude each other: keep one",
                );
                None
            }
        };
        let rules = TokenRules {
            issuer: present(self.jwt_issuer.as_deref()).map(str::to_owned),
            audience: present(self.jwt_audience.as_deref()).map(str::to_owned),
        };
        let is_shared_issuer = public_key.is_some() || jwks_url.is_some();
        if is_shared_issuer && rules.audience.is_none() {
            problems.add(
                "JWT_AUDIENCE",
                "is not set: without it, tokens that the issuer made for other services would be accepted",
            );
        }
        Some(TokensConfig { key: key?, rules })
    }

    fn secret_key(&self, secret: &SecretString, problems: &mut Problems) -> Option<TokenKeyConfig> {
        if present(self.jwt_algorithms.as_deref()).is_some_and(|name| name != "HS256") {
            problems.add("JWT_ALGORITHMS", "must be HS256 with JWT_SECRET, or be left out");
        }
        problems.take("JWT_SECRET", PinnedKey::from_secret(secret)).map(TokenKeyConfig::Pinned)
    }

    fn public_key(&self, pem: &str, problems: &mut Problems) -> Option<TokenKeyConfig> {
        let algorithm = match present(self.jwt_algorithms.as_deref()).unwrap_or("RS256") {
            "RS256" => Algorithm::RS256,
            "PS256" => Algorithm::PS256,
            "ES256" => Algorithm::ES256,
            "ES384" => Algorithm::ES384,
            "EdDSA" => Algorithm::EdDSA,
            other => {
                problems.add(
                    "JWT_ALGORITHMS",
                    format_args!("`{other}` is not one of RS256, PS256, ES256, ES384 and EdDSA"),
                );
                return None;
            }
        };
        let pem = if pem.starts_with("-----BEGIN") {
            pem.to_owned()
        } else {
            let text = std::fs::read_to_string(pem)
                .map_err(|error| format!("the file `{pem}` cannot be read: {error}"));
            problems.take("JWT_PUBLIC_KEY", text)?
        };
        problems
            .take("JWT_PUBLIC_KEY", PinnedKey::from_pem(pem.as_bytes(), algorithm))
            .map(TokenKeyConfig::Pinned)
    }
}

impl ApiKeysArgs {
    /// Reads the file, which must be named.
    pub fn read(&self, problems: &mut Problems) -> Option<ApiKeys> {
        let Some(path) = present(self.api_keys_file.as_deref()) else {
            problems.add(
                "API_KEYS_FILE",
                "is not set: name the file of the API keys, whose lines `countersign api-key new NAME` makes",
            );
            return None;
        };
        let text = std::fs::read_to_string(Path::new(path))
            .map_err(|error| format!("the file `{path}` cannot be read: {error}"));
        match ApiKeys::parse(&problems.take("API_KEYS_FILE", text)?) {
            Ok(keys) => Some(keys),
            Err(lines) => {
                for line in lines {
                    problems.add("API_KEYS_FILE", line);
                }
                None
            }
        }
    }
}

/// Keys that travel unencrypted could be anybody's.
fn published(text: &str, problems: &mut Problems) -> Option<TokenKeyConfig> {
    let is_safe = |url: &Url| match url.host() {
        Some(Host::Domain(name)) => url.scheme() == "https" || name == "localhost",
        Some(Host::Ipv4(address)) => url.scheme() == "https" || IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => url.scheme() == "https" || IpAddr::V6(address).is_loopback(),
        None => false,
    };
    let Some(url) = Url::parse(text).ok().filter(is_safe) else {
        problems.add("JWKS_URL", "must be an https:// URL (http:// on this machine only)");
        return None;
    };
    Some(TokenKeyConfig::Published(url.to_string()))
}
