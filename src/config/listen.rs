//! Where the service listens, and whom it hears how often.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use axum::http::HeaderValue;
use clap::Args;

use super::{AuthConfig, NotA, Problems, ProfilesArgs, parse_host, parse_port, present};

#[derive(Args, Clone, Debug, Default)]
#[expect(clippy::doc_markdown, reason = "docs become help")]
pub(super) struct ListenArgs {
    /// Address to listen on; anything but loopback needs authentication, or AUTH=none [default: 127.0.0.1]
    #[arg(long, env = "HOST", value_name = "ADDRESS")]
    host: Option<String>,
    /// Port to listen on; 0 takes any free one [default: 3000]
    #[arg(long, env = "PORT", value_name = "PORT")]
    port: Option<String>,
    #[command(flatten)]
    pub(super) profiles: ProfilesArgs,
    /// How many proxies in front add to X-Forwarded-For and are ours [default: 0]
    #[arg(long, env = "TRUSTED_PROXY_HOPS", value_name = "NUMBER")]
    trusted_proxy_hops: Option<String>,
    /// How often one caller may sign, link and delete, or off [default: 300/min burst 100]
    #[arg(long, env = "RATE_LIMIT", value_name = "LIMIT")]
    rate_limit: Option<String>,
    /// Further host names of this server, comma-separated; without authentication only these, localhost, IP addresses
    /// and the host of PUBLIC_URL are answered [default: none]
    #[arg(long, env = "ALLOWED_HOSTS", value_name = "NAMES")]
    allowed_hosts: Option<String>,
    /// Origins whose pages may call, exactly as browsers send them, comma-separated [default: none]
    #[arg(long, env = "CORS_ALLOWED_ORIGINS", value_name = "ORIGINS")]
    cors_allowed_origins: Option<String>,
}

/// How often one caller may call.
#[derive(Clone, Copy, Debug)]
pub struct RateLimitConfig {
    /// How many requests a minute, in the long run.
    pub per_minute: NonZeroU32,
    /// How many at once.
    pub burst: NonZeroU32,
    /// How many proxies in front are ours.
    pub trusted_proxy_hops: usize,
}

impl ListenArgs {
    pub(super) fn check(&self, auth: &AuthConfig, problems: &mut Problems) -> Option<SocketAddr> {
        let host = problems.take("HOST", parse_host(self.host.as_deref()));
        let port = problems.take("PORT", parse_port(self.port.as_deref(), 3000));
        let is_open = matches!(auth, AuthConfig::Off { said_so: false });
        if let Some(public) = host.filter(|host| !host.is_loopback() && is_open) {
            problems.add(
                "HOST",
                format_args!(
                    "{public} can be reached from other machines, and no caller is authenticated; \
                     listen on 127.0.0.1, set AUTH=api-key or AUTH=jwt, or AUTH=none to let everybody sign and delete"
                ),
            );
        }
        Some(SocketAddr::new(host?, port?))
    }

    pub(super) fn check_rate_limit(&self, problems: &mut Problems) -> Option<RateLimitConfig> {
        let hops = problems.take("TRUSTED_PROXY_HOPS", parse_hops(self.trusted_proxy_hops.as_deref()));
        let limit = problems.take("RATE_LIMIT", parse_rate_limit(self.rate_limit.as_deref()))??;
        Some(RateLimitConfig { per_minute: limit.0, burst: limit.1, trusted_proxy_hops: hops? })
    }

    pub(super) fn check_origins(&self, problems: &mut Problems) -> Vec<HeaderValue> {
        let origins = listed(self.cors_allowed_origins.as_deref());
        origins.filter_map(|origin| problems.take("CORS_ALLOWED_ORIGINS", parse_origin(origin))).collect()
    }

    pub(super) fn check_hosts(&self, problems: &mut Problems) -> Vec<String> {
        let names = listed(self.allowed_hosts.as_deref());
        names.filter_map(|name| problems.take("ALLOWED_HOSTS", parse_host_name(name))).collect()
    }
}

/// The items of a list that is separated by commas.
fn listed(text: Option<&str>) -> impl Iterator<Item = &str> {
    present(text).unwrap_or_default().split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// A host name as it stands in requests, in lower case.
fn parse_host_name(text: &str) -> Result<String, NotA> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if name.len() <= 253 && name.split('.').all(is_label) {
        return Ok(name);
    }
    Err(NotA {
        found: text.to_owned(),
        expected: "a host name such as sign.example.com (no scheme, no port, no wildcard; international names as xn--…)",
    })
}

fn parse_hops(text: Option<&str>) -> Result<usize, NotA> {
    let Some(text) = present(text) else { return Ok(0) };
    let hops = text.parse().ok().filter(|hops| *hops <= 10);
    hops.ok_or_else(|| NotA { found: text.to_owned(), expected: "a number of proxies from 0 to 10" })
}

/// Requests a minute and at once; `None` for `off`.
fn parse_rate_limit(text: Option<&str>) -> Result<Option<(NonZeroU32, NonZeroU32)>, NotA> {
    let text = present(text).unwrap_or("300/min burst 100");
    if text == "off" {
        return Ok(None);
    }
    let parsed = text.split_once("/min burst ").and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    let refusal = || NotA { found: text.to_owned(), expected: "a limit such as `300/min burst 100`, or off" };
    parsed.map(Some).ok_or_else(refusal)
}

/// An origin exactly as a browser would send it.
fn parse_origin(text: &str) -> Result<HeaderValue, NotA> {
    let refusal = || NotA {
        found: text.to_owned(),
        expected: "an origin such as https://app.example.com (scheme, host and port; no path, no wildcard)",
    };
    let parsed = url::Url::parse(text).map_err(|_source| refusal())?;
    let is_web = matches!(parsed.scheme(), "http" | "https");
    if !is_web || parsed.origin().ascii_serialization() != text {
        return Err(refusal());
    }
    HeaderValue::from_str(text).map_err(|_source| refusal())
}
