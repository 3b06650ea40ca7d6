//! Cloudinary's signatures: the string to sign, the hash over it, and what else the provider signs with the same secret.
//!
//! ```text
//! string to sign = join("&", sort by name(name "=" value))      nothing is percent-encoded
//! signature      = lower-case hex(HASH(string to sign + API secret))      a plain hash, not an HMAC
//! ```
//!
//! - Empty values are left out; a list is joined with commas, in the order given.
//! - Version 2 writes `&` inside a name or a value as `%26`, so that no value can pass for further parameters
//!   (CVE-2025-12613); version 1 leaves it. The provider accepts both.
//! - [`NOT_SIGNED`] names what a request carries beside its signed parameters.
//!
//! Source: <https://cloudinary.com/documentation/authentication_signatures>.

use std::fmt::Write as _;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use super::{Algorithm, ParamValue, Params, Signature};

/// Fields of an Upload API request that are not part of its string to sign.
pub const NOT_SIGNED: [&str; 5] = ["file", "cloud_name", "resource_type", "api_key", "signature"];

/// How `&` inside a parameter is written in the string to sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignatureVersion {
    /// As it stands: a value that contains `&` reads like further parameters.
    V1,
    /// As `%26`: the SDKs' default since 2025.
    #[default]
    V2,
}

impl SignatureVersion {
    /// The number as configuration and SDKs spell it.
    pub const fn number(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }
}

/// A version that is neither `1` nor `2`.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a signature version: use 1 or 2")]
pub struct UnknownVersion(String);

impl FromStr for SignatureVersion {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "1" => Ok(Self::V1),
            "2" => Ok(Self::V2),
            other => Err(UnknownVersion(other.to_owned())),
        }
    }
}

/// Signs for one product environment: its secret, and the algorithm and version chosen for it.
#[derive(Clone, Debug)]
pub struct Signer {
    secret: SecretString,
    algorithm: Algorithm,
    version: SignatureVersion,
}

impl Signer {
    /// A signer with this API secret.
    pub const fn new(secret: SecretString, algorithm: Algorithm, version: SignatureVersion) -> Self {
        Self { secret, algorithm, version }
    }

    /// The hash behind this signer's signatures.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The version of this signer's strings to sign.
    pub const fn version(&self) -> SignatureVersion {
        self.version
    }

    /// The secret, for the debugger that tries it in wrong places.
    pub(in crate::signing) const fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// Signs every parameter given: leave out [`NOT_SIGNED`] before.
    pub fn sign(&self, params: &Params) -> Signature {
        self.sign_string(&string_to_sign(params, self.version))
    }

    /// Signs a string to sign that was made before.
    pub fn sign_string(&self, string: &str) -> Signature {
        self.algorithm.sign(string.as_bytes(), &self.secret)
    }

    /// The signature as configured, and beside it the one of the recipe that tutorials teach: sort, join, append the
    /// secret, SHA-1. There `&` inside a parameter is escaped whatever is configured, or a value could smuggle others in.
    pub fn sign_with_manual(&self, params: &Params) -> (Signature, Signature) {
        let signature = self.sign(params);
        let is_the_recipe = self.algorithm == Algorithm::Sha1 && self.version == SignatureVersion::V2;
        let manual = if is_the_recipe {
            signature
        } else {
            Algorithm::Sha1.sign(string_to_sign(params, SignatureVersion::V2).as_bytes(), &self.secret)
        };
        (signature, manual)
    }

    /// Signs a download of a stored original; see [`DownloadRequest`].
    pub fn sign_download(&self, request: &DownloadRequest<'_>) -> (Params, Signature) {
        let params = request.params();
        let signature = self.sign(&params);
        (params, signature)
    }

    /// The query of a download link: what is signed, the signature, and the key that tells whose it is.
    pub fn download_query(&self, request: &DownloadRequest<'_>, api_key: &str) -> String {
        let (params, signature) = self.sign_download(request);
        let mut query = form_urlencoded::Serializer::new(String::with_capacity(256));
        for (name, value) in params.iter() {
            query.append_pair(name, &value.to_string());
        }
        query.append_pair("signature", signature.as_str()).append_pair("api_key", api_key);
        query.finish()
    }

    /// Whether `signature` is the provider's own, over an upload response with this public id and version.
    pub fn verifies_upload_response(&self, public_id: &str, version: u64, signature: &str) -> bool {
        Algorithm::of_hex_length(signature.len()).is_some_and(|algorithm| {
            upload_response_signature(public_id, version, &self.secret, algorithm).matches(signature)
        })
    }
}

/// The string to sign for `params`, in one allocation when it fits a typical upload.
pub fn string_to_sign(params: &Params, version: SignatureVersion) -> String {
    let mut text = String::with_capacity(160);
    write_string_to_sign(&mut text, params.iter(), version);
    text
}

/// Appends the string to sign for the parameters to `text`.
pub fn write_string_to_sign<'a>(
    text: &mut String,
    params: impl Iterator<Item = (&'a str, &'a ParamValue)>,
    version: SignatureVersion,
) {
    let mut sorted: Vec<_> = params.filter(|(_, value)| !value.is_empty()).collect();
    sorted.sort_by_key(|(name, _)| *name);
    for (index, (name, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            text.push('&');
        }
        let start = text.len();
        text.push_str(name);
        text.push('=');
        // Writing to a String cannot fail.
        let _ = write!(text, "{value}");
        if version == SignatureVersion::V2 && text[start..].contains('&') {
            let escaped = text[start..].replace('&', "%26");
            text.truncate(start);
            text.push_str(&escaped);
        }
    }
}

/// The provider's signature in an upload response: always over the version-1 string of public id and version.
pub fn upload_response_signature(
    public_id: &str,
    version: u64,
    secret: &SecretString,
    algorithm: Algorithm,
) -> Signature {
    algorithm.sign(format!("public_id={public_id}&version={version}").as_bytes(), secret)
}

/// A download of one stored original through the `download` endpoint.
#[derive(Clone, Debug)]
pub struct DownloadRequest<'a> {
    /// Without the format, except for raw assets.
    pub public_id: &'a str,
    /// The stored format; empty for raw assets.
    pub format: &'a str,
    /// The delivery type; without it the provider looks among public uploads.
    pub delivery_type: &'static str,
    /// Whether the answer asks the browser to save the file.
    pub attachment: bool,
    /// When the link was made.
    pub timestamp: i64,
    /// When the link dies.
    pub expires_at: i64,
}

impl DownloadRequest<'_> {
    /// The signed parameters, in the order in which they go into the query.
    fn params(&self) -> Params {
        let mut params = Params::with_capacity(6);
        params.push("timestamp", self.timestamp);
        params.push("public_id", self.public_id.to_owned());
        if !self.format.is_empty() {
            params.push("format", self.format.to_owned());
        }
        params.push("type", self.delivery_type);
        if self.attachment {
            params.push("attachment", true);
        }
        params.push("expires_at", self.expires_at);
        params
    }
}

/// How many characters of a delivery URL's signature are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliverySignatureLength {
    /// Eight characters, of the configured algorithm.
    Short,
    /// Thirty-two characters, always of SHA-256.
    Long,
}

/// The text between `s--` and `--` of a signed delivery URL.
///
/// `source` is the still percent-encoded rest of the path: transformations and public id with its format, joined with
/// slashes, without version and SEO suffix. Neither resource type, delivery type, version nor host is signed.
pub fn delivery_signature(
    source: &str,
    secret: &SecretString,
    algorithm: Algorithm,
    length: DeliverySignatureLength,
) -> String {
    let (algorithm, characters) = match length {
        DeliverySignatureLength::Short => (algorithm, 8),
        DeliverySignatureLength::Long => (Algorithm::Sha256, 32),
    };
    let secret = secret.expose_secret();
    let mut text = match algorithm {
        Algorithm::Sha1 => {
            URL_SAFE_NO_PAD.encode(Sha1::new().chain_update(source).chain_update(secret).finalize())
        }
        Algorithm::Sha256 => {
            URL_SAFE_NO_PAD.encode(Sha256::new().chain_update(source).chain_update(secret).finalize())
        }
    };
    // The SDKs swap `/` for `_` and `+` for `-`, which is the URL-safe alphabet.
    text.truncate(characters);
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const V1: SignatureVersion = SignatureVersion::V1;
    const V2: SignatureVersion = SignatureVersion::V2;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    /// One published vector: the string first, then the hash over it.
    struct Vector {
        secret: &'static str,
        params: Params,
        version: SignatureVersion,
        string: &'static str,
        sha1: Option<&'static str>,
        sha256: Option<&'static str>,
    }

    impl Vector {
        fn check(&self) {
            assert_eq!(string_to_sign(&self.params, self.version), self.string);
            for (algorithm, expected) in [(Algorithm::Sha1, self.sha1), (Algorithm::Sha256, self.sha256)] {
                if let Some(expected) = expected {
                    let signer = Signer::new(secret(self.secret), algorithm, self.version);
                    assert_eq!(signer.sign(&self.params).as_str(), expected, "{}", algorithm.name());
                }
            }
        }
    }

    #[test]
    fn the_documented_upload_is_signed_as_published() {
        Vector {
            secret: "abcd",
            params: [("timestamp", "1315060510"), ("public_id", "sample_image")].into_iter().collect(),
            version: V2,
            string: "public_id=sample_image&timestamp=1315060510",
            sha1: Some("b4ad47fb4e25c7bf5f92a20089f9db59bc302313"),
            sha256: None,
        }
        .check();
    }

    #[test]
    fn eager_transformations_are_signed_as_published() {
        Vector {
            secret: "abcd",
            params: [
                ("timestamp", "1315060510"),
                ("public_id", "sample_image"),
                ("eager", "w_400,h_300,c_pad|w_260,h_200,c_crop"),
            ]
            .into_iter()
            .collect(),
            version: V2,
            string: "eager=w_400,h_300,c_pad|w_260,h_200,c_crop&public_id=sample_image&timestamp=1315060510",
            sha1: Some("bfd09f95f331f558cbd1320e67aa8d488770583e"),
            sha256: Some("cc927e1290f9e3ae4c1a741eda21a4630b4ce80f9ce0bc0296337d25cf40f91e"),
        }
        .check();
    }

    #[test]
    fn the_function_signs_every_parameter_it_is_given() {
        Vector {
            secret: "hdcixPpR2iKERPwqvH6sHdK9cyac",
            params: [
                ("cloud_name", "dn6ot3ged"),
                ("timestamp", "1568810420"),
                ("username", "user@cloudinary.com"),
            ]
            .into_iter()
            .collect(),
            version: V2,
            string: "cloud_name=dn6ot3ged&timestamp=1568810420&username=user@cloudinary.com",
            sha1: Some("14c00ba6d0dfdedbc86b316847d95b9e6cd46d94"),
            sha256: Some("45ddaa4fa01f0c2826f32f669d2e4514faf275fe6df053f1a150e7beae58a3bd"),
        }
        .check();
    }

    fn smuggling() -> Params {
        [
            ("cloud_name", "dn6ot3ged"),
            ("timestamp", "1568810420"),
            ("notification_url", "https://fake.com/callback?a=1&tags=hello,world"),
        ]
        .into_iter()
        .collect()
    }

    #[test]
    fn version_2_escapes_an_ampersand_inside_a_value() {
        Vector {
            secret: "hdcixPpR2iKERPwqvH6sHdK9cyac",
            params: smuggling(),
            version: V2,
            string: "cloud_name=dn6ot3ged&notification_url=https://fake.com/callback?a=1%26tags=hello,world\
                     &timestamp=1568810420",
            sha1: Some("4fdf465dd89451cc1ed8ec5b3e314e8a51695704"),
            sha256: None,
        }
        .check();
    }

    #[test]
    fn version_1_reads_the_smuggled_parameter_as_its_own() {
        Vector {
            secret: "hdcixPpR2iKERPwqvH6sHdK9cyac",
            params: smuggling(),
            version: V1,
            string: "cloud_name=dn6ot3ged&notification_url=https://fake.com/callback?a=1&tags=hello,world\
                     &timestamp=1568810420",
            sha1: Some("7b4e3a539ff1fa6e6700c41b3a2ee77586a025f9"),
            sha256: None,
        }
        .check();
    }

    #[test]
    fn lists_are_joined_with_commas_and_empty_values_left_out() {
        let params: Params = [
            ("public_ids", ParamValue::List(vec!["cat".into(), "dog".into(), "lion".into()])),
            ("tags", "".into()),
            ("allowed_formats", ParamValue::List(Vec::new())),
            ("use_filename", true.into()),
            ("overwrite", false.into()),
            ("timestamp", 1_315_060_510.into()),
        ]
        .into_iter()
        .collect();
        assert_eq!(
            string_to_sign(&params, V2),
            "overwrite=false&public_ids=cat,dog,lion&timestamp=1315060510&use_filename=true"
        );
    }

    #[test]
    fn upload_responses_are_signed_as_published() {
        for (key, public_id, version, expected) in [
            ("b", "folder/file", 1234, "7a3349cbb373e4812118d625047ede50b90e7b67"),
            ("X7qLTrsES31MzxxkxPPA-pAGGfU", "tests/logo.png", 1, "08d3107a5b2ad82e7d82c0b972218fbf20b5b1e0"),
        ] {
            let signature = upload_response_signature(public_id, version, &secret(key), Algorithm::Sha1);
            assert_eq!(signature.as_str(), expected);
            let signer = Signer::new(secret(key), Algorithm::Sha1, V2);
            assert!(signer.verifies_upload_response(public_id, version, expected));
            assert!(!signer.verifies_upload_response(public_id, version + 1, expected));
            assert!(!signer.verifies_upload_response(public_id, version, ""));
        }
    }

    #[test]
    fn delivery_urls_are_signed_as_published() {
        let short = DeliverySignatureLength::Short;
        for (source, expected) in [
            ("c_crop,h_20,w_10/image.jpg", "Ai4Znfl3"),
            ("image.jpg", "--SjmNDA"),
            ("http://google.com/path/to/image.png", "hH_YcbiS"),
            ("co_red,l_text:Times_70_bold:Cool%25F0%259F%2598%258D/image.jpg", "Uqk1a-5W"),
            ("sample.jpg", "v2fTPYTu"),
        ] {
            assert_eq!(
                delivery_signature(source, &secret("b"), Algorithm::Sha1, short),
                expected,
                "{source}"
            );
        }
        assert_eq!(delivery_signature("sample.jpg", &secret("b"), Algorithm::Sha256, short), "2hbrSMPO");
        assert_eq!(
            delivery_signature("sample.jpg", &secret("b"), Algorithm::Sha1, DeliverySignatureLength::Long),
            "2hbrSMPOjj5BJ4xV7SgFbRDevFaQNUFf"
        );
    }

    #[test]
    fn a_download_names_both_types_and_its_end() {
        let signer = Signer::new(secret("abcd"), Algorithm::Sha1, V2);
        let (params, signature) = signer.sign_download(&DownloadRequest {
            public_id: "kyc/1/passport",
            format: "jpg",
            delivery_type: "private",
            attachment: true,
            timestamp: 1_720_000_000,
            expires_at: 1_720_000_060,
        });
        let string = string_to_sign(&params, V2);
        assert_eq!(
            string,
            "attachment=true&expires_at=1720000060&format=jpg&public_id=kyc/1/passport&timestamp=1720000000&type=private"
        );
        assert_eq!(signature, Algorithm::Sha1.sign(string.as_bytes(), &secret("abcd")));
    }

    #[test]
    fn a_signature_is_not_shown_by_debug() {
        let signature = Algorithm::Sha1.sign(b"a=b", &secret("abcd"));
        assert!(!format!("{signature:?}").contains(&signature.as_str()[..8]));
    }

    /// Sort, join, append the secret, SHA-1: spelled out on its own, so that it checks the code above. An `&` inside a parameter is escaped, or a value could smuggle parameters in.
    fn sign_by_hand(params: &Params, secret: &SecretString) -> Signature {
        let mut pairs: Vec<String> = params
            .iter()
            .map(|(name, value)| (name, value.to_string()))
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={value}").replace('&', "%26"))
            .collect();
        pairs.sort();
        Algorithm::Sha1.sign(pairs.join("&").as_bytes(), secret)
    }

    fn any_params() -> impl Strategy<Value = Params> {
        proptest::collection::btree_map("[a-z_]{1,12}", "\\PC{0,20}", 0..6)
            .prop_map(|map| map.into_iter().collect())
    }

    /// Short names, and values that try to pass for further parameters.
    fn smugglers() -> impl Strategy<Value = Params> {
        proptest::collection::btree_map("[ab]", "(&?[ab]=?|%26){0,4}", 0..3)
            .prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        #[test]
        fn the_recipe_by_hand_agrees_with_the_signer(params in any_params(), key in "[ -~]{1,32}") {
            let signer = Signer::new(secret(&key), Algorithm::Sha1, V2);
            let by_hand = sign_by_hand(&params, &secret(&key));
            prop_assert_eq!(signer.sign_with_manual(&params), (by_hand, by_hand));
            let other = Signer::new(secret(&key), Algorithm::Sha256, V1);
            prop_assert_eq!(other.sign_with_manual(&params), (other.sign(&params), by_hand));
        }

        /// Version 2 tells every two sets of field names apart, whatever their values hold.
        #[test]
        fn two_sets_of_fields_never_share_a_string(a in smugglers(), b in smugglers()) {
            let names = |params: &Params| -> Vec<String> {
                params.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.to_owned()).collect()
            };
            if names(&a) != names(&b) {
                prop_assert_ne!(string_to_sign(&a, V2), string_to_sign(&b, V2));
            }
        }
    }
}
