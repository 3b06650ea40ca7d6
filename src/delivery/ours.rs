//! Whether a delivery URL addresses our cloud, on a host that delivers for it.

use super::{Authority, DeliveryUrl, Scheme};

/// The cloud we sign for and the hosts that deliver its assets.
#[derive(Clone, Debug)]
pub struct OurDelivery {
    cloud: String,
    own_hosts: Vec<Authority>,
    emulator: Option<Authority>,
}

/// Why a URL is not one of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOurs {
    /// Not `https:`.
    #[error("must begin with https://")]
    NotHttps,
    /// A host that does not deliver for our cloud.
    #[error("has the host `{found}`, which does not deliver for the cloud `{ours}`")]
    HostIsNotOurs {
        /// The host in the URL.
        found: Authority,
        /// Our cloud.
        ours: String,
    },
    /// Another cloud.
    #[error("is on the cloud `{found}`, not on `{ours}`")]
    CloudIsNotOurs {
        /// The cloud in the URL.
        found: String,
        /// Our cloud.
        ours: String,
    },
}

impl OurDelivery {
    /// Delivery of `cloud` by the provider's hosts and by `own_hosts` (a custom domain).
    pub const fn new(cloud: String, own_hosts: Vec<Authority>) -> Self {
        Self { cloud, own_hosts, emulator: None }
    }

    /// Accepts the emulator's own origin too, over plain HTTP.
    #[must_use]
    pub fn with_emulator(mut self, origin: Authority) -> Self {
        self.emulator = Some(origin);
        self
    }

    /// Refuses a URL whose scheme, host or cloud is not ours.
    pub fn check(&self, url: &DeliveryUrl) -> Result<(), NotOurs> {
        let from_emulator = self.emulator.as_ref() == Some(url.authority());
        if url.scheme() != Scheme::Https && !from_emulator {
            return Err(NotOurs::NotHttps);
        }
        if !from_emulator && !self.delivers(url.authority()) {
            return Err(NotOurs::HostIsNotOurs { found: url.authority().clone(), ours: self.cloud.clone() });
        }
        match url.cloud() {
            Some(cloud) if cloud != self.cloud => {
                Err(NotOurs::CloudIsNotOurs { found: cloud.to_owned(), ours: self.cloud.clone() })
            }
            _ => Ok(()),
        }
    }

    fn delivers(&self, authority: &Authority) -> bool {
        let standard_port = matches!(authority.port(), None | Some(443));
        (authority.is_the_providers() && standard_port) || self.own_hosts.contains(authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str) -> Result<(), String> {
        let ours = OurDelivery::new("demo".to_owned(), vec!["media.example.com".parse().unwrap()])
            .with_emulator("127.0.0.1:4000".parse().unwrap());
        let url: DeliveryUrl = url.parse().map_err(|error| format!("{error}"))?;
        ours.check(&url).map_err(|error| format!("{error}"))
    }

    #[test]
    fn our_hosts_pass() {
        for url in [
            "https://res.cloudinary.com/demo/image/upload/v1/a/b.jpg",
            "https://res-2.cloudinary.com/demo/image/upload/v1/a/b.jpg",
            "https://demo-res.cloudinary.com/image/upload/v1/a/b.jpg",
            "https://media.example.com/image/upload/v1/a/b.jpg",
            "https://media.example.com/demo/image/upload/v1/a/b.jpg",
            "http://127.0.0.1:4000/demo/image/upload/v1/a/b.jpg",
        ] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        for (url, expected) in [
            ("http://res.cloudinary.com/demo/image/upload/a.jpg", "must begin with https://"),
            ("//res.cloudinary.com/demo/image/upload/a.jpg", "must begin with https://"),
            ("https://res.cloudinary.com/other/image/upload/a.jpg", "is on the cloud `other`, not on `demo`"),
            ("https://other-res.cloudinary.com/image/upload/a.jpg", "is on the cloud `other`, not on `demo`"),
            (
                "https://evil.example/demo/image/upload/a.jpg",
                "has the host `evil.example`, which does not deliver for the cloud `demo`",
            ),
            (
                "https://res.cloudinary.com:8443/demo/image/upload/a.jpg",
                "has the host `res.cloudinary.com:8443`, which does not deliver for the cloud `demo`",
            ),
            ("http://127.0.0.1:4001/demo/image/upload/a.jpg", "must begin with https://"),
            (
                "https://res.cloudinary.com@evil.example/demo/image/upload/a.jpg",
                "must not hold a user name or password before the host",
            ),
        ] {
            assert_eq!(check(url), Err(expected.to_owned()), "{url}");
        }
    }
}
