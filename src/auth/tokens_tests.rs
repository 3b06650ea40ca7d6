//! Tokens as issuers make them, and as attackers do.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::super::claims::LEEWAY_SECONDS;
use super::*;

const NOW: UnixSeconds = UnixSeconds(1_720_000_000);
const SECRET: &str = "a secret of more than thirty-two bytes";

fn key() -> PinnedKey {
    PinnedKey::from_secret(&SECRET.into()).unwrap()
}

fn claims() -> Value {
    json!({"sub": "ann", "exp": NOW.0 + 60, "iss": "https://id.example", "aud": "countersign", "scope": "upload:kyc delete"})
}

fn token(header: &Header, claims: &Value) -> String {
    encode(header, claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

fn verify(claims: &Value) -> Result<VerifiedToken, TokenError> {
    let rules = TokenRules {
        issuer: Some("https://id.example".to_owned()),
        audience: Some("countersign".to_owned()),
    };
    verify_with(&key(), &token(&Header::new(Algorithm::HS256), claims), &rules)
}

/// Reads and verifies.
fn verify_with(key: &PinnedKey, token: &str, rules: &TokenRules) -> Result<VerifiedToken, TokenError> {
    key.verify(&UnverifiedToken::read(token)?, rules, NOW)
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

#[test]
fn a_good_token_names_its_subject_and_scopes() {
    let verified = verify(&claims()).unwrap();
    assert_eq!(verified.subject.name, "ann");
    let scopes: Vec<_> = verified.subject.scopes.iter().map(ToString::to_string).collect();
    assert_eq!(scopes, ["delete", "upload:kyc"]);
    assert_eq!(verified.expires_at, NOW.plus(60 + LEEWAY_SECONDS));
    assert!(verify(&with("aud", json!(["other", "countersign"]))).is_ok());
    assert_eq!(verify(&with("scope", json!(["delete"]))).unwrap().subject.scopes.len(), 1);
}

#[test]
fn every_claim_that_does_not_hold_is_refused() {
    for (name, value, expected) in [
        ("exp", json!(NOW.0 - LEEWAY_SECONDS), TokenError::Expired),
        ("exp", Value::Null, TokenError::Expired),
        ("exp", json!(-1), TokenError::Expired),
        ("exp", json!(1e300), TokenError::Expired),
        ("exp", json!("2099"), TokenError::Unreadable),
        ("nbf", json!(NOW.0 + LEEWAY_SECONDS + 1), TokenError::NotYet),
        ("nbf", json!(1e300), TokenError::NotYet),
        ("iss", json!("https://evil.example"), TokenError::Issuer),
        ("iss", Value::Null, TokenError::Issuer),
        ("aud", json!("other"), TokenError::Audience),
        ("aud", json!("countersign other"), TokenError::Audience),
        ("aud", json!([]), TokenError::Audience),
        ("aud", Value::Null, TokenError::Audience),
        ("sub", Value::Null, TokenError::Subject),
        ("sub", json!(""), TokenError::Subject),
        ("sub", json!("a\nb"), TokenError::Subject),
        ("sub", json!("x".repeat(256)), TokenError::Subject),
        ("sub", json!("ann\u{200b}"), TokenError::Subject),
        ("sub", json!("\u{202e}nna"), TokenError::Subject),
        ("sub", json!("ann\u{378}"), TokenError::Subject),
        ("sub", json!("key:web-shop"), TokenError::ReservedSubject),
        ("sub", json!("key:"), TokenError::ReservedSubject),
    ] {
        assert_eq!(verify(&with(name, value.clone())), Err(expected), "{name}={value}");
    }
    assert!(verify(&with("exp", json!(NOW.0 - LEEWAY_SECONDS + 1))).is_ok());
}

#[test]
fn the_token_does_not_choose_its_algorithm() {
    let rules = TokenRules::default();
    let secret = EncodingKey::from_secret(SECRET.as_bytes());
    let other = encode(&Header::new(Algorithm::HS384), &claims(), &secret).unwrap();
    assert_eq!(verify_with(&key(), &other, &rules), Err(TokenError::Algorithm));

    let encoded = |json: Value| base64_url(json.to_string().as_bytes());
    let none = format!("{}.{}.", encoded(json!({"alg": "none", "typ": "JWT"})), encoded(claims()));
    assert_eq!(verify_with(&key(), &none, &rules), Err(TokenError::Unreadable));
}

fn base64_url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The classic confusion: a public key, known to everybody, used as the secret of an HMAC.
#[test]
fn a_public_key_is_no_secret() {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    let jwk = Jwk::from_encoding_key(&EncodingKey::from_ec_der(pkcs8.as_ref()), Algorithm::ES256).unwrap();
    let (_, public) = PinnedKey::from_jwk(&named(jwk.clone())).unwrap();
    let published = serde_json::to_vec(&jwk).unwrap();
    let forged =
        encode(&Header::new(Algorithm::HS256), &claims(), &EncodingKey::from_secret(&published)).unwrap();
    assert_eq!(verify_with(&public, &forged, &TokenRules::default()), Err(TokenError::Algorithm));
}

fn named(mut jwk: Jwk) -> Jwk {
    jwk.common.key_id = Some("k1".to_owned());
    jwk
}

fn pem(pkcs8: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(pkcs8);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

fn ed_jwk(pkcs8: &[u8]) -> Jwk {
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8).unwrap();
    let x = base64_url(pair.public_key().as_ref());
    serde_json::from_value(json!({"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x})).unwrap()
}

#[test]
fn published_keys_of_every_kind_verify_their_own_algorithm_and_no_other() {
    let random = SystemRandom::new();
    let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    let rsa = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap().as_der().unwrap();
    let keys = [
        (Algorithm::ES256, EncodingKey::from_ec_der(ec.as_ref())),
        (Algorithm::EdDSA, EncodingKey::from_ed_der(ed.as_ref())),
        (Algorithm::RS256, EncodingKey::from_rsa_pem(pem(rsa.as_ref()).as_bytes()).unwrap()),
    ];
    for (algorithm, private) in &keys {
        let jwk = match algorithm {
            Algorithm::EdDSA => ed_jwk(ed.as_ref()),
            _ => named(Jwk::from_encoding_key(private, *algorithm).unwrap()),
        };
        let set = KeySet::parse(&serde_json::to_vec(&json!({"keys": [jwk]})).unwrap()).unwrap();
        let public = set.get("k1").unwrap();
        assert_eq!(public.algorithm(), *algorithm);
        for (other, private) in &keys {
            let token = encode(&Header::new(*other), &claims(), private).unwrap();
            let verified = verify_with(public, &token, &TokenRules::default());
            assert_eq!(verified.is_ok(), other == algorithm, "{algorithm:?} {other:?}");
        }
    }
}

#[test]
fn headers_that_ask_for_more_are_refused() {
    let rules = TokenRules::default();
    let with_typ =
        |typ: &str| token(&Header { typ: Some(typ.to_owned()), ..Header::new(Algorithm::HS256) }, &claims());
    assert!(verify_with(&key(), &with_typ("at+JWT"), &rules).is_ok());
    assert_eq!(verify_with(&key(), &with_typ("dpop+jwt"), &rules), Err(TokenError::Header));
    let critical = Header { crit: Some(vec!["exp".to_owned()]), ..Header::new(Algorithm::HS256) };
    assert_eq!(verify_with(&key(), &token(&critical, &claims()), &rules), Err(TokenError::Header));
    for member in [
        r#""crit":null"#,
        r#""crit":[]"#,
        r#""crit":["b64"]"#,
        r#""crit":"exp""#,
        r#""b64":false"#,
        r#""b64":true"#,
        r#""b64":null"#,
    ] {
        let header = format!(r#"{{"alg":"HS256","typ":"JWT",{member}}}"#);
        let message =
            format!("{}.{}", base64_url(header.as_bytes()), base64_url(claims().to_string().as_bytes()));
        let secret = EncodingKey::from_secret(SECRET.as_bytes());
        let signature = crypto::sign(message.as_bytes(), &secret, Algorithm::HS256).unwrap();
        let token = format!("{message}.{signature}");
        assert_eq!(verify_with(&key(), &token, &rules), Err(TokenError::Header), "{member}");
    }
    for text in ["", "a", "a.b.c", "..", &"x".repeat(10_000)] {
        assert_eq!(verify_with(&key(), text, &rules), Err(TokenError::Unreadable));
    }
}

#[test]
fn an_altered_token_does_not_hold() {
    let good = token(&Header::new(Algorithm::HS256), &claims());
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = head.split_once('.').unwrap();
    let forged = base64_url(with("sub", json!("admin")).to_string().as_bytes());
    for altered in [format!("{header}.{forged}.{signature}"), format!("{head}."), format!("{head}.AAAA")] {
        assert!(verify_with(&key(), &altered, &TokenRules::default()).is_err(), "{altered}");
    }
}

#[test]
fn a_secret_that_can_be_guessed_is_refused() {
    assert_eq!(PinnedKey::from_secret(&"secret".into()).unwrap_err(), KeyError::ShortSecret);
}
