//! Links to stored originals that expire: through the `download` endpoint, or, for authenticated assets of an account with
//! token authentication, through delivery.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::clock::UnixSeconds;
use crate::config::CloudinaryAccount;
use crate::delivery::{AssetAddress, DeliveryType, ResourceType};
use crate::signing::AuthTokenKey;
use crate::signing::cloudinary::{DownloadRequest, Signer};

/// The longest that a link signed with the account's own key may live, in seconds: its signature is accepted by every
/// endpoint until then.
const MAX_LIFETIME_SECONDS: i64 = 600;
/// The longest life of a link that is signed with a key for downloads alone, in seconds.
const MAX_LIFETIME_WITH_DOWNLOAD_KEY_SECONDS: i64 = 3_600;

/// Everything but what RFC 3986 calls unreserved, and the slash.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Signs links to the originals of one account.
#[derive(Debug)]
pub struct LinkSigner {
    api_base: String,
    delivery_base: String,
    api_key: String,
    signer: Signer,
    max_lifetime_seconds: i64,
    auth_token_key: Option<AuthTokenKey>,
}

/// What to link to.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// The asset.
    pub asset: &'a AssetAddress,
    /// The stored format; empty for raw assets.
    pub format: &'a str,
    /// Whether the browser is asked to save the file.
    pub attachment: bool,
    /// When the link expires.
    pub expires_at: UnixSeconds,
}

impl LinkSigner {
    /// Signs with the account's key for downloads, or with its only one.
    pub fn new(account: &CloudinaryAccount) -> Self {
        let (api_key, api_secret, max_lifetime_seconds) = match &account.download_key {
            Some(key) => (&key.api_key, &key.api_secret, MAX_LIFETIME_WITH_DOWNLOAD_KEY_SECONDS),
            None => (&account.api_key, &account.api_secret, MAX_LIFETIME_SECONDS),
        };
        Self {
            api_base: format!("{}/v1_1/{}", account.upload_prefix, account.cloud),
            delivery_base: account.delivery_base(),
            api_key: api_key.clone(),
            signer: Signer::new(api_secret.clone(), account.algorithm, account.version),
            max_lifetime_seconds,
            auth_token_key: account.auth_token_key.clone(),
        }
    }

    /// The longest that a link may live, in seconds.
    pub const fn max_lifetime_seconds(&self) -> i64 {
        self.max_lifetime_seconds
    }

    /// The URL of a link.
    pub fn sign(&self, link: &Link<'_>) -> String {
        match &self.auth_token_key {
            Some(key) if link.asset.delivery_type == DeliveryType::Authenticated => {
                self.delivery_link(key, link)
            }
            _ => self.download_link(link),
        }
    }

    fn download_link(&self, link: &Link<'_>) -> String {
        let AssetAddress { resource_type, delivery_type, public_id } = link.asset;
        let request = DownloadRequest {
            public_id: public_id.as_str(),
            format: link.format,
            delivery_type: delivery_type.as_str(),
            attachment: link.attachment,
            expires_at: link.expires_at.0,
        };
        let query = self.signer.download_query(&request, &self.api_key);
        format!("{}/{resource_type}/download?{query}", self.api_base)
    }

    fn delivery_link(&self, key: &AuthTokenKey, link: &Link<'_>) -> String {
        let AssetAddress { resource_type, delivery_type, public_id } = link.asset;
        let mut url = format!("{}/{resource_type}/{}/", self.delivery_base, delivery_type.as_str());
        // A raw file is never changed on its way, so it takes no flag.
        if link.attachment && *resource_type != ResourceType::Raw {
            url.push_str("fl_attachment/");
        }
        // A version keeps the first folder from being read as a transformation.
        let name = utf8_percent_encode(public_id.as_str(), PATH);
        write!(url, "v1/{name}").expect("writing to a string cannot fail");
        if !link.format.is_empty() && *resource_type != ResourceType::Raw {
            url.push('.');
            url.push_str(link.format);
        }
        let token = key.token(path_of(&url), link.expires_at.0);
        format!("{url}?{token}")
    }
}

/// The path of an absolute URL.
fn path_of(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |scheme| scheme + 3);
    url[authority..].find('/').map_or("/", |slash| &url[authority + slash..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(url: &str) -> CloudinaryAccount {
        let mut account: CloudinaryAccount = CloudinaryAccount::parse(url).unwrap();
        account.auth_token_key = Some(AuthTokenKey::parse("00112233445566778899aabbccddeeff").unwrap());
        account
    }

    fn token_link(url: &str, public_id: &str, attachment: bool) -> String {
        let asset = AssetAddress {
            resource_type: ResourceType::Image,
            delivery_type: DeliveryType::Authenticated,
            public_id: public_id.parse().unwrap(),
        };
        let expires_at = UnixSeconds(11_111_411);
        LinkSigner::new(&account(url)).sign(&Link { asset: &asset, format: "jpg", attachment, expires_at })
    }

    #[test]
    fn authenticated_assets_get_the_url_that_the_sdk_makes() {
        // cloudinary.url(id, {type: "authenticated", format: "jpg", sign_url: true, auth_token, …}) of the Node SDK, 2.11.
        let shared = "cloudinary://123:abcd@demo";
        assert_eq!(
            token_link(shared, "a b/ü", false),
            "https://res.cloudinary.com/demo/image/authenticated/v1/a%20b/%C3%BC.jpg\
             ?__cld_token__=exp=11111411~hmac=b7211cb4bcf1f946e6c946bd03dadff7d72cfed22d344e1d492e9ec13699bdd2"
        );
        assert_eq!(
            token_link(shared, "kyc/a b", true),
            "https://res.cloudinary.com/demo/image/authenticated/fl_attachment/v1/kyc/a%20b.jpg\
             ?__cld_token__=exp=11111411~hmac=171837ae4931aa072143d90edcd7784465c8188551b7710f7848108d01b672be"
        );
        assert_eq!(
            token_link("cloudinary://123:abcd@demo?private_cdn=true", "kyc/a b", false),
            "https://demo-res.cloudinary.com/image/authenticated/v1/kyc/a%20b.jpg\
             ?__cld_token__=exp=11111411~hmac=0810e4f34a7cfc861743db2322466dd9f0860f59ff30866b6cfe7b44b893397a"
        );
    }

    #[test]
    fn delivery_hosts_follow_the_account() {
        for (url, expected) in [
            ("cloudinary://1:a@demo", "https://res.cloudinary.com/demo"),
            ("cloudinary://1:a@demo?private_cdn=true", "https://demo-res.cloudinary.com"),
            ("cloudinary://1:a@demo?secure_distribution=m.example.com", "https://m.example.com/demo"),
            (
                "cloudinary://1:a@demo?private_cdn=true&secure_distribution=m.example.com",
                "https://m.example.com",
            ),
            ("cloudinary://1:a@demo/m.example.com?private_cdn=1", "https://m.example.com"),
            ("cloudinary://1:a@demo?upload_prefix=http://127.0.0.1:4000", "http://127.0.0.1:4000/demo"),
        ] {
            assert_eq!(CloudinaryAccount::parse(url).unwrap().delivery_base(), expected, "{url}");
        }
    }
}
