//! The emulator's own calls: notifications, and files at remote addresses. The one place here that speaks HTTP to others.
//!
//! A name is resolved once, every address it has is judged, and the connection goes to a judged address and nowhere
//! else; redirects are judged like first addresses. So no name that changes its mind leads into a private network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::body::Bytes;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Client, Response, redirect};
use tokio::net::lookup_host;
use url::{Host, Url};

use super::refusal::Refusal;
use super::store::{Incoming, Store};

/// How long a call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How many redirects a file may be behind.
const MAX_REDIRECTS: usize = 3;

/// Whom the emulator may call. The default is nobody.
///
/// Clients name addresses for notifications, and a client may be a page in a browser, which could not post JSON to other
/// ports of this machine by itself. So notifications go where the operator wants them, and nowhere else.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    /// Whether uploads may name a remote address as their file.
    pub remote_files: bool,
    /// The addresses that may be notified, by scheme, host and port; all loopback names are one host.
    pub notified: Vec<Url>,
    /// Whether any address may be notified.
    pub notifications: bool,
    /// Whether remote files may be at private addresses, too; else only at public ones.
    pub private_addresses: bool,
}

/// Which addresses a call may go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Public,
    Anywhere,
}

impl Reach {
    fn includes(self, address: IpAddr) -> bool {
        match self {
            Self::Public => is_public(address),
            Self::Anywhere => true,
        }
    }
}

/// Why a call does not happen, or fails.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("is not an http or https address")]
    NotHttp,
    #[error("cannot be resolved")]
    NotResolved(#[source] std::io::Error),
    #[error("is at an address that must not be called")]
    Forbidden,
    #[error("is not an address that the emulator was told to notify: see --allow")]
    NotNotified,
    #[error("cannot be reached")]
    Failed(#[source] reqwest::Error),
}

impl Outgoing {
    /// Whether the operator wants notifications at this address.
    pub(super) fn may_notify(&self, url: &Url) -> bool {
        self.notifications || self.notified.iter().any(|known| is_same_server(known, url))
    }

    /// Posts a JSON body to an address that may be notified; the answer's status.
    pub(super) async fn notify(
        &self,
        url: &str,
        headers: [(&'static str, String); 2],
        body: Bytes,
    ) -> Result<u16, CallError> {
        let url = parse(url)?;
        if !self.may_notify(&url) {
            return Err(CallError::NotNotified);
        }
        let client = client(&url, Reach::Anywhere).await?;
        let mut request = client.post(url).header(CONTENT_TYPE, "application/json").body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = request.send().await.map_err(CallError::Failed)?;
        Ok(response.status().as_u16())
    }

    /// Streams the file at `address` to disk, if that is allowed.
    pub(super) async fn fetch(
        &self,
        address: &str,
        store: &Store,
        max_bytes: u64,
    ) -> Result<(Incoming, String), Refusal> {
        if !self.remote_files {
            return Err(Refusal::RemoteFile(address.to_owned()));
        }
        let failed = |reason: String| Refusal::RemoteFailed { url: address.to_owned(), reason };
        let mut response = self.follow(address).await.map_err(|cause| failed(cause.to_string()))?;
        let status = response.status();
        if status.as_u16() == 404 {
            return Err(Refusal::RemoteNotFound { url: address.to_owned() });
        }
        if !status.is_success() {
            return Err(failed(status.to_string()));
        }
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if content_type.is_some_and(|text| text.starts_with("text/html")) {
            return Err(failed("HTML response".to_owned()));
        }
        let name = response.url().path().rsplit('/').next().unwrap_or_default().to_owned();
        let mut file = store.incoming(max_bytes, false);
        let mut got = 0;
        while let Some(piece) =
            response.chunk().await.map_err(|_cause| failed("the body broke off".to_owned()))?
        {
            got += piece.len() as u64;
            if got > max_bytes {
                return Err(Refusal::FileTooLarge { got, maximum: max_bytes });
            }
            file.write(piece).await?;
        }
        Ok((file.finish().await?, name))
    }

    async fn follow(&self, address: &str) -> Result<Response, CallError> {
        let reach = if self.private_addresses { Reach::Anywhere } else { Reach::Public };
        let mut url = parse(address)?;
        for _ in 0..MAX_REDIRECTS {
            let response =
                client(&url, reach).await?.get(url.clone()).send().await.map_err(CallError::Failed)?;
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            match location.filter(|_| response.status().is_redirection()) {
                None => return Ok(response),
                Some(location) => url = parse(url.join(location).ok().ok_or(CallError::NotHttp)?.as_str())?,
            }
        }
        Err(CallError::Forbidden)
    }
}

/// Whether two addresses are the same port of the same machine.
fn is_same_server(one: &Url, other: &Url) -> bool {
    let is_same_host = one.host() == other.host() || (is_loopback(one) && is_loopback(other));
    is_same_host
        && one.scheme() == other.scheme()
        && one.port_or_known_default() == other.port_or_known_default()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn parse(text: &str) -> Result<Url, CallError> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or(CallError::NotHttp)
}

/// A client that connects to the judged addresses of `url` alone.
async fn client(url: &Url, reach: Reach) -> Result<Client, CallError> {
    let host = url.host_str().ok_or(CallError::NotHttp)?.trim_matches(['[', ']']);
    let port = url.port_or_known_default().ok_or(CallError::NotHttp)?;
    let addresses: Vec<SocketAddr> =
        lookup_host((host, port)).await.map_err(CallError::NotResolved)?.collect();
    if addresses.is_empty() || !addresses.iter().all(|address| reach.includes(address.ip())) {
        return Err(CallError::Forbidden);
    }
    Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .timeout(CALL_TIMEOUT)
        .resolve_to_addrs(host, &addresses)
        .build()
        .map_err(CallError::Failed)
}

/// Whether an address is anybody's on the internet. What is not known to be public is taken for private.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_reserved = matches!(
        (a, b, c),
        (0 | 240.., ..) | (100, 64..=127, _) | (192, 0, 0) | (192, 88, 99) | (198, 18..=19, _)
    );
    !(is_reserved
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast())
}

/// Only `2000::/3` is given out; within it, addresses that carry an IPv4 address are as public as that one.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(address) = address.to_ipv4_mapped() {
        return is_public_v4(address);
    }
    let [first, second, third, ..] = address.segments();
    let is_documentation = (first, second) == (0x2001, 0xdb8) || first == 0x3fff;
    match first {
        0x2002 => is_public_v4(Ipv4Addr::from((u32::from(second) << 16) | u32::from(third))),
        0x2001 if second < 0x200 => false,
        0x2000..=0x3fff => !is_documentation,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_private_in_every_spelling() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "2002:7f00:1::",
            "64:ff9b::a00:1",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn only_named_servers_are_notified() {
        let known = Url::parse("http://127.0.0.1:3000").unwrap();
        let outgoing = Outgoing { notified: vec![known], ..Outgoing::default() };
        for (url, expected) in [
            ("http://127.0.0.1:3000/webhooks?a=1", true),
            ("http://localhost:3000/", true),
            ("http://[::1]:3000/", true),
            ("http://127.0.0.1:3001/", false),
            ("https://127.0.0.1:3000/", false),
            ("http://192.0.2.1:3000/", false),
            ("http://127.0.0.1.nip.io:3000/", false),
            ("http://127.0.0.1:3000@192.0.2.1/", false),
        ] {
            assert_eq!(outgoing.may_notify(&Url::parse(url).unwrap()), expected, "{url}");
        }
        assert!(!Outgoing::default().may_notify(&Url::parse("http://127.0.0.1:3000/").unwrap()));
    }

    #[tokio::test]
    async fn a_name_that_leads_home_is_not_public() {
        for url in ["http://localhost/", "http://127.1/", "http://0x7f000001/", "http://[::1]/"] {
            let outcome = client(&parse(url).unwrap(), Reach::Public).await;
            assert!(matches!(outcome, Err(CallError::Forbidden)), "{url}");
        }
    }
}
