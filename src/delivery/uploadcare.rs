//! Addresses on Uploadcare's CDN: which file one names, and whether its host delivers for our project.
//!
//! ```text
//! url   = "https://" host path [ "?" … ] [ "#" … ]
//! host  = prefix ".ucarecd.net" | "ucarecdn.com" | a custom domain          prefix: made of the public key
//! path  = "/" uuid "/" [ operations ] [ file name ]                         a file: the uuid alone selects it
//!       | "/" uuid "~" N "/" …                                              a group of N files
//! ```
//!
//! A uuid is believed from a known host only, and a group is never taken for a file.
//!
//! Source: <https://uploadcare.com/docs/delivery/cdn/>.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Authority, BadAuthority};

/// The zone of the hosts that each project has for itself.
const ZONE: &str = "ucarecd.net";
/// The host that every older project shares.
const SHARED_HOST: &str = "ucarecdn.com";
/// How many characters a project's prefix has.
const PREFIX_LENGTH: usize = 10;

/// A file's id: a UUID in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct FileId(String);

/// Text that is not a file's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a file id: it must be a UUID, 8-4-4-4-12 hexadecimal digits")]
pub struct NotAFileId;

/// The hosts that deliver our project's files.
#[derive(Clone, Debug)]
pub struct OurCdn {
    hosts: Vec<Authority>,
    emulator: Option<Authority>,
}

/// Why a URL names no file of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CdnUrlError {
    /// Not `https:`.
    #[error("must begin with https://")]
    NotHttps,
    /// A host that cannot be one.
    #[error(transparent)]
    Authority(#[from] BadAuthority),
    /// A host of somebody else's.
    #[error("has the host `{found}`, which does not deliver for this Uploadcare project")]
    HostIsNotOurs {
        /// The host in the URL.
        found: Authority,
    },
    /// A group, or a file by its place in one.
    #[error("addresses a group of files: name each file by its own URL")]
    Group,
    /// No UUID where it must stand.
    #[error("has no file id (a UUID) as its first segment")]
    NoFileId,
}

impl FileId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FileId {
    type Err = NotAFileId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_right = |(index, byte): (usize, u8)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        };
        if text.len() == 36 && text.bytes().enumerate().all(is_right) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(NotAFileId)
        }
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl OurCdn {
    /// The hosts that the provider gives the project with this public key, and `own_hosts` (custom domains).
    pub fn new(public_key: &str, own_hosts: Vec<Authority>) -> Self {
        let provided = [format!("{}.{ZONE}", cdn_prefix(public_key)), SHARED_HOST.to_owned()];
        let mut hosts: Vec<_> = provided.iter().filter_map(|host| host.parse().ok()).collect();
        hosts.extend(own_hosts);
        Self { hosts, emulator: None }
    }

    /// Accepts the emulator's own origin too, over plain HTTP.
    #[must_use]
    pub fn with_emulator(mut self, origin: Authority) -> Self {
        self.emulator = Some(origin);
        self
    }

    /// Whether `url` is meant for Uploadcare at all, ours or not: by its host, or by a UUID on the emulator's origin.
    pub fn is_meant(&self, url: &str) -> bool {
        let Some((_, authority, path)) = split(url) else { return false };
        let Ok(authority) = authority.parse::<Authority>() else { return false };
        let is_emulated = self.emulator.as_ref() == Some(&authority);
        is_the_providers(&authority)
            || (is_emulated && !matches!(file_of(path), Err(CdnUrlError::NoFileId)))
            || (!is_emulated && self.hosts.contains(&authority))
    }

    /// The file that `url` names on one of our hosts.
    pub fn file(&self, url: &str) -> Result<FileId, CdnUrlError> {
        let (scheme, authority, path) = split(url).ok_or(CdnUrlError::NotHttps)?;
        let authority: Authority = authority.parse()?;
        let is_emulated = self.emulator.as_ref() == Some(&authority);
        let is_plain = is_emulated && scheme.eq_ignore_ascii_case("http");
        if !is_plain && !scheme.eq_ignore_ascii_case("https") {
            return Err(CdnUrlError::NotHttps);
        }
        if !is_emulated && !self.delivers(&authority) {
            return Err(CdnUrlError::HostIsNotOurs { found: authority });
        }
        file_of(path)
    }

    fn delivers(&self, authority: &Authority) -> bool {
        let is_host = |host: &Authority| {
            host == authority
                || (host.port().is_none() && authority.port() == Some(443) && host.host() == authority.host())
        };
        self.hosts.iter().any(is_host)
    }
}

/// What a CDN URL says, on a host of the provider's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CdnUrl<'a> {
    /// The file, or the group.
    pub id: FileId,
    /// How many files the group has; a file by itself has none.
    pub files: Option<u32>,
    /// The place of one file in the group, from 0.
    pub nth: Option<u32>,
    /// The operations, from the first `-/` to the last `/`.
    pub operations: Option<&'a str>,
    /// The name at the end, which selects nothing.
    pub filename: Option<&'a str>,
}

/// Whether `url` is on a host that the provider gives projects, whichever.
pub fn is_on_the_providers_host(url: &str) -> bool {
    let authority = split(url).and_then(|(_, authority, _)| authority.parse::<Authority>().ok());
    authority.is_some_and(|authority| is_the_providers(&authority))
}

fn is_the_providers(authority: &Authority) -> bool {
    let label = authority.host().strip_suffix(ZONE);
    authority.host() == SHARED_HOST || label.is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

impl<'a> CdnUrl<'a> {
    /// Reads a URL; whose it is does not matter.
    pub fn parse(url: &'a str) -> Result<Self, CdnUrlError> {
        let (_, _, path) = split(url).ok_or(CdnUrlError::NotHttps)?;
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let (id, files) = match first.split_once('~') {
            None => (first, None),
            Some((id, files)) => (id, Some(files.parse().map_err(|_source| CdnUrlError::NoFileId)?)),
        };
        let id = id.parse().map_err(|NotAFileId| CdnUrlError::NoFileId)?;
        let (nth, rest) = match rest.strip_prefix("nth/").filter(|_| files.is_some()) {
            Some(nth) => {
                let (nth, rest) = nth.split_once('/').unwrap_or((nth, ""));
                (nth.parse().ok(), rest)
            }
            None => (None, rest),
        };
        let (operations, filename) = match rest.rsplit_once('/') {
            Some((operations, filename)) if rest.starts_with("-/") => {
                (Some(&rest[..=operations.len()]), filename)
            }
            _ => (None, rest),
        };
        Ok(Self { id, files, nth, operations, filename: Some(filename).filter(|name| !name.is_empty()) })
    }
}

/// Scheme, authority and path; the path without its first slash, and nothing behind it.
fn split(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    Some((scheme, authority, path))
}

fn file_of(path: &str) -> Result<FileId, CdnUrlError> {
    let first = path.split('/').next().unwrap_or_default();
    match first.split_once('~') {
        Some((id, _)) if id.parse::<FileId>().is_ok() => Err(CdnUrlError::Group),
        _ => first.parse().map_err(|NotAFileId| CdnUrlError::NoFileId),
    }
}

/// The label that a project's own host begins with: ten digits of the public key's SHA-256 as one number in base 36.
pub fn cdn_prefix(public_key: &str) -> String {
    let mut number: [u8; 32] = Sha256::digest(public_key.as_bytes()).into();
    let mut digits = Vec::new();
    while number.iter().any(|byte| *byte != 0) {
        digits.push(take_digit(&mut number));
    }
    digits.iter().rev().take(PREFIX_LENGTH).map(|digit| char::from(*digit)).collect()
}

/// Divides `number` by 36 and hands out the remainder as a digit.
fn take_digit(number: &mut [u8; 32]) -> u8 {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut remainder = 0_usize;
    for byte in number {
        let value = remainder * 256 + usize::from(*byte);
        *byte = u8::try_from(value / 36).unwrap_or_default();
        remainder = value % 36;
    }
    DIGITS[remainder]
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "52da3bfc-7cd8-4861-8b05-126fef7a6994";

    fn cdn() -> OurCdn {
        OurCdn::new("demopublickey", vec!["media.example.com".parse().unwrap()])
            .with_emulator("127.0.0.1:4000".parse().unwrap())
    }

    #[test]
    fn a_projects_host_is_made_of_its_public_key() {
        assert_eq!(cdn_prefix("demopublickey"), "1s4oyld5dc");
    }

    #[test]
    fn files_on_our_hosts_are_found_under_any_operations() {
        for url in [
            format!("https://1s4oyld5dc.ucarecd.net/{ID}/"),
            format!("https://1S4OYLD5DC.UCARECD.NET/{}/", ID.to_uppercase()),
            format!("https://1s4oyld5dc.ucarecd.net:443/{ID}/-/resize/640x/photo.jpg"),
            format!("https://ucarecdn.com/{ID}"),
            format!("https://media.example.com/{ID}/-/preview/?token=exp=1~acl=/*~hmac=0#top"),
            format!("http://127.0.0.1:4000/{ID}/a~b.txt"),
        ] {
            assert!(cdn().is_meant(&url), "{url}");
            assert_eq!(cdn().file(&url).map(|id| id.to_string()).as_deref(), Ok(ID), "{url}");
        }
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        for (url, expected) in [
            (format!("http://ucarecdn.com/{ID}/"), "must begin with https://"),
            (
                format!("https://ucarecdn.com/{ID}~2/"),
                "addresses a group of files: name each file by its own URL",
            ),
            (
                format!("https://ucarecdn.com/{ID}~2/nth/0/"),
                "addresses a group of files: name each file by its own URL",
            ),
            ("https://ucarecdn.com/".to_owned(), "has no file id (a UUID) as its first segment"),
            (format!("https://ucarecdn.com/x/{ID}/"), "has no file id (a UUID) as its first segment"),
            (format!("https://ucarecdn.com/{}g/", &ID[..35]), "has no file id (a UUID) as its first segment"),
            (
                format!("https://other.ucarecd.net/{ID}/"),
                "has the host `other.ucarecd.net`, which does not deliver for this Uploadcare project",
            ),
        ] {
            assert!(cdn().is_meant(&url), "{url}");
            assert_eq!(cdn().file(&url).unwrap_err().to_string(), expected, "{url}");
        }
    }

    #[test]
    fn a_url_says_file_group_operations_and_name() {
        for (rest, files, nth, operations, filename) in [
            ("", None, None, None, None),
            ("/photo.jpg", None, None, None, Some("photo.jpg")),
            ("/-/resize/640x/", None, None, Some("-/resize/640x/"), None),
            (
                "/-/resize/640x/-/sharp/photo.jpg?x#y",
                None,
                None,
                Some("-/resize/640x/-/sharp/"),
                Some("photo.jpg"),
            ),
            ("~3/", Some(3), None, None, None),
            ("~3/nth/1/-/preview/a.jpg", Some(3), Some(1), Some("-/preview/"), Some("a.jpg")),
        ] {
            let url = format!("https://ucarecdn.com/{ID}{rest}");
            let expected = CdnUrl { id: ID.parse().unwrap(), files, nth, operations, filename };
            assert_eq!(CdnUrl::parse(&url), Ok(expected), "{url}");
        }
        assert_eq!(CdnUrl::parse("https://ucarecdn.com/x/"), Err(CdnUrlError::NoFileId));
    }

    #[test]
    fn a_uuid_on_a_strange_host_is_not_ours() {
        for url in [
            format!("https://evil.example/{ID}/"),
            format!("https://ucarecdn.com@evil.example/{ID}/"),
            format!("https://evilucarecd.net/{ID}/"),
            format!("https://ucarecdn.com.evil.example/{ID}/"),
            format!("http://127.0.0.1:4001/{ID}/"),
            "http://127.0.0.1:4000/demo/image/upload/a.jpg".to_owned(),
            "not a url".to_owned(),
        ] {
            assert!(!cdn().is_meant(&url), "{url}");
        }
        assert!(cdn().file(&format!("https://ucarecdn.com@evil.example/{ID}/")).is_err());
    }
}
