//! `CLOUDINARY_URL`, as the console shows it and the SDKs read it.
//!
//! ```text
//! cloudinary://KEY:SECRET@CLOUD[/SECURE_DISTRIBUTION][?upload_prefix=…&secure_distribution=…&private_cdn=true
//!              &signature_algorithm=sha1|sha256&signature_version=1|2]
//! ```
//!
//! Read as the official Node SDK reads it: key and secret are not percent-decoded, the cloud keeps its case, a port is
//! dropped, a path names a distribution of one's own. One difference: `private_cdn=false` means false (the SDK takes
//! any text for true).
//!
//! Source: <https://cloudinary.com/documentation/node_integration#configuration>.

use secrecy::SecretString;
use url::Url;

use super::CloudinaryAccount;
use crate::delivery::{Authority, BadAuthority};
use crate::signing::UnknownAlgorithm;
use crate::signing::cloudinary::UnknownVersion;

/// What can be wrong with a `CLOUDINARY_URL`. No variant repeats any part of the secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloudinaryUrlError {
    /// The variable's name in its own value.
    #[error("the value begins with `CLOUDINARY_URL=`: leave the name out")]
    NameInValue,
    /// Quotes that a shell would have removed.
    #[error("the value is in quotes: remove them")]
    Quoted,
    /// Another scheme.
    #[error("must begin with cloudinary:// — copy it from the console as it stands")]
    Scheme,
    /// A character that has a meaning in URLs.
    #[error(
        "cannot be read as a URL: a `/` or `#` in the secret must be written as %2F or %23 (and then signs as such)"
    )]
    Unreadable,
    /// The placeholders of the documentation.
    #[error("still holds the placeholders of the documentation: put key, secret and cloud name in")]
    Placeholder,
    /// No `KEY:SECRET@`.
    #[error("names no API key and secret, and signing needs both: cloudinary://KEY:SECRET@CLOUD")]
    NoCredentials,
    /// No cloud.
    #[error("names no cloud after the `@`")]
    NoCloud,
    /// An option's value is wrong.
    #[error("the option `{name}` {why}")]
    Option {
        /// Which option.
        name: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

/// Reads a `CLOUDINARY_URL`.
pub(super) fn parse_url(text: &str) -> Result<CloudinaryAccount, CloudinaryUrlError> {
    if text.starts_with("CLOUDINARY_URL=") {
        return Err(CloudinaryUrlError::NameInValue);
    }
    if text.starts_with(['"', '\'', '`']) {
        return Err(CloudinaryUrlError::Quoted);
    }
    if !text.get(..13).is_some_and(|start| start.eq_ignore_ascii_case("cloudinary://")) {
        return Err(CloudinaryUrlError::Scheme);
    }
    if text.contains("<your_") {
        return Err(CloudinaryUrlError::Placeholder);
    }
    let url = Url::parse(text).map_err(|_source| CloudinaryUrlError::Unreadable)?;
    let api_secret = url.password().unwrap_or_default();
    if url.username().is_empty() || api_secret.is_empty() {
        // `KEY:SE/CRET@CLOUD` reads as the host `KEY`: the credentials are there, but not where a URL has them.
        let displaced = url.username().is_empty() && text[13..].contains('@');
        return Err(if displaced {
            CloudinaryUrlError::Unreadable
        } else {
            CloudinaryUrlError::NoCredentials
        });
    }
    let cloud = url.host_str().filter(|cloud| !cloud.is_empty()).ok_or(CloudinaryUrlError::NoCloud)?;
    let mut account =
        CloudinaryAccount::new(cloud.to_owned(), url.username().to_owned(), SecretString::from(api_secret));
    let distribution = url.path().trim_start_matches('/');
    if !distribution.is_empty() {
        account.own_hosts.push(parse_own_host("secure_distribution", distribution)?);
    }
    for (name, value) in url.query_pairs() {
        account.apply_option(&name, &value)?;
    }
    Ok(account)
}

impl CloudinaryAccount {
    /// Options that concern other parts of an SDK are left alone, so that one variable serves them all.
    fn apply_option(&mut self, name: &str, value: &str) -> Result<(), CloudinaryUrlError> {
        match name {
            "upload_prefix" => self.upload_prefix = parse_upload_prefix(value)?,
            "secure_distribution" => self.own_hosts.push(parse_own_host("secure_distribution", value)?),
            "cname" => self.own_hosts.push(parse_own_host("cname", value)?),
            "signature_algorithm" => {
                self.algorithm = value
                    .parse()
                    .map_err(|error: UnknownAlgorithm| option("signature_algorithm", error.to_string()))?;
            }
            "signature_version" => {
                self.version = value
                    .parse()
                    .map_err(|error: UnknownVersion| option("signature_version", error.to_string()))?;
            }
            "private_cdn" => {
                self.private_cdn = match value {
                    "true" | "1" => true,
                    "false" | "0" => false,
                    _ => return Err(option("private_cdn", "must be true or false")),
                };
            }
            _ => {}
        }
        Ok(())
    }
}

fn option(name: &'static str, why: impl Into<String>) -> CloudinaryUrlError {
    CloudinaryUrlError::Option { name, why: why.into() }
}

fn parse_own_host(name: &'static str, text: &str) -> Result<Authority, CloudinaryUrlError> {
    text.parse().map_err(|error: BadAuthority| option(name, error.to_string()))
}

fn parse_upload_prefix(text: &str) -> Result<String, CloudinaryUrlError> {
    let refusal = || option("upload_prefix", "must be https://HOST or http://HOST:PORT, without a path");
    let url = Url::parse(text).map_err(|_source| refusal())?;
    let is_origin = matches!(url.scheme(), "http" | "https")
        && matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty();
    if is_origin { Ok(url.origin().ascii_serialization()) } else { Err(refusal()) }
}
