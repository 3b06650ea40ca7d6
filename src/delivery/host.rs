//! The authority of a delivery URL, and what it says about the cloud.
//!
//! ```text
//! shared    res.cloudinary.com, res-1 … res-5.cloudinary.com, two retired hosts     the cloud is the first segment
//! private   CLOUD-res.cloudinary.com, CLOUD-res-1 … CLOUD-res-5.cloudinary.com      the cloud is in the host
//! own       any other host                                                          the path decides
//! ```
//!
//! Stricter than WHATWG on purpose, so that no other reader of the same text can see another host in it: no user
//! information, no numeric or bracketed tricks, ASCII letters, digits, dots and hyphens only.

use std::fmt;
use std::str::FromStr;

/// Hosts that once delivered for every cloud; old links still name them.
const RETIRED_SHARED: [&str; 2] = ["d3jpl91pxevbkh.cloudfront.net", "cloudinary-a.akamaihd.net"];

/// Host and port of a URL, the host in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Authority {
    host: String,
    port: Option<u16>,
}

/// Text that is not the authority of a delivery URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAuthority {
    /// A name or password before the host.
    #[error("must not hold a user name or password before the host")]
    UserInformation,
    /// No host at all.
    #[error("has no host")]
    NoHost,
    /// A character that no host name has.
    #[error("has a host with a character other than letters, digits, dots and hyphens")]
    Host,
    /// A port that is not a number from 1 to 65535.
    #[error("has a port that is not a number from 1 to 65535")]
    Port,
}

/// Where a delivery URL names its cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloudPlace<'a> {
    /// In the first segment of the path, whatever that is.
    FirstSegment,
    /// In the host.
    Host(&'a str),
    /// In the first segment, unless that already says what the asset is.
    PathDecides,
}

impl Authority {
    /// The host in lower case.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, where one is written.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether the provider serves every cloud, or this one's private network, from this host.
    pub fn is_the_providers(&self) -> bool {
        self.cloud_place() != CloudPlace::PathDecides
    }

    pub(super) fn cloud_place(&self) -> CloudPlace<'_> {
        if RETIRED_SHARED.contains(&self.host.as_str()) {
            return CloudPlace::FirstSegment;
        }
        let Some(label) = self.host.strip_suffix(".cloudinary.com") else {
            return CloudPlace::PathDecides;
        };
        let unsharded = match label.rsplit_once('-') {
            Some((front, "1" | "2" | "3" | "4" | "5")) if front == "res" || front.ends_with("-res") => front,
            _ => label,
        };
        match unsharded {
            "res" => CloudPlace::FirstSegment,
            // Greedy: `my-res-res` is the cloud `my-res`.
            private => match private.strip_suffix("-res") {
                Some(cloud) if !cloud.is_empty() && !cloud.contains('.') => CloudPlace::Host(cloud),
                _ => CloudPlace::PathDecides,
            },
        }
    }
}

impl FromStr for Authority {
    type Err = BadAuthority;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains('@') {
            return Err(BadAuthority::UserInformation);
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(parse_port(port)?)),
            None => (text, None),
        };
        if host.is_empty() {
            return Err(BadAuthority::NoHost);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        if !host.bytes().all(allowed) || host.split('.').any(str::is_empty) {
            return Err(BadAuthority::Host);
        }
        Ok(Self { host: host.to_ascii_lowercase(), port })
    }
}

fn parse_port(text: &str) -> Result<u16, BadAuthority> {
    match text.parse() {
        Ok(port) if port > 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(port),
        _ => Err(BadAuthority::Port),
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(host: &str) -> String {
        format!("{:?}", host.parse::<Authority>().unwrap().cloud_place())
    }

    #[test]
    fn the_host_tells_where_the_cloud_is() {
        for (host, expected) in [
            ("res.cloudinary.com", "FirstSegment"),
            ("RES-3.Cloudinary.COM", "FirstSegment"),
            ("res-6.cloudinary.com", "PathDecides"),
            ("demo-res.cloudinary.com", "Host(\"demo\")"),
            ("demo-res-2.cloudinary.com", "Host(\"demo\")"),
            ("my-res-res.cloudinary.com", "Host(\"my-res\")"),
            ("a.b-res.cloudinary.com", "PathDecides"),
            ("res.cloudinary.com.evil.example", "PathDecides"),
            ("xres.cloudinary.com", "PathDecides"),
            ("media.example.com", "PathDecides"),
        ] {
            assert_eq!(place(host), expected, "{host}");
        }
    }

    #[test]
    fn every_trick_with_an_authority_is_named() {
        for (text, expected) in [
            ("", BadAuthority::NoHost),
            (":443", BadAuthority::NoHost),
            ("res.cloudinary.com@evil.example", BadAuthority::UserInformation),
            ("[::1]", BadAuthority::Port),
            ("res.cloudinary.com:", BadAuthority::Port),
            ("res.cloudinary.com:+80", BadAuthority::Port),
            ("res.cloudinary.com:0", BadAuthority::Port),
            ("res。cloudinary。com", BadAuthority::Host),
            ("res%2ecloudinary.com", BadAuthority::Host),
            ("res..cloudinary.com", BadAuthority::Host),
            ("res.cloudinary.com.", BadAuthority::Host),
        ] {
            assert_eq!(text.parse::<Authority>(), Err(expected), "{text}");
        }
    }
}
