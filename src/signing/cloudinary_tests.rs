//! The published vectors, string first and hash after it, and properties over what nobody published.

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
        assert_eq!(delivery_signature(source, &secret("b"), Algorithm::Sha1, short), expected, "{source}");
    }
    assert_eq!(delivery_signature("sample.jpg", &secret("b"), Algorithm::Sha256, short), "2hbrSMPO");
    assert_eq!(
        delivery_signature("sample.jpg", &secret("b"), Algorithm::Sha1, DeliverySignatureLength::Long),
        "2hbrSMPOjj5BJ4xV7SgFbRDevFaQNUFf"
    );
}

#[test]
fn a_download_is_signed_with_a_timestamp_an_hour_before_its_end() {
    let signer = Signer::new(secret("abcd"), Algorithm::Sha1, V2);
    let (params, signature) = signer.sign_download(&DownloadRequest {
        public_id: "kyc/1/passport",
        format: "jpg",
        delivery_type: "private",
        attachment: true,
        expires_at: 1_720_000_060,
    });
    let string = string_to_sign(&params, V2);
    assert_eq!(
        string,
        "attachment=true&expires_at=1720000060&format=jpg&public_id=kyc/1/passport&timestamp=1719996460&type=private"
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
        let by_hand = sign_by_hand(&params, &secret(&key));
        for version in [V1, V2] {
            let signer = Signer::new(secret(&key), Algorithm::Sha1, version);
            prop_assert_eq!(signer.sign_with_manual(&params), (signer.sign(&params), Some(by_hand)));
            // Where the account has the stronger hash, nothing is signed with the weaker one.
            let signer = Signer::new(secret(&key), Algorithm::Sha256, version);
            prop_assert_eq!(signer.sign_with_manual(&params), (signer.sign(&params), None));
        }
        let signer = Signer::new(secret(&key), Algorithm::Sha1, V2);
        prop_assert_eq!(signer.sign(&params), by_hand);
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
