//! Callers' tokens for the load: one that comes again and again, and so many that each is new to the server.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;
use tempfile::TempDir;

/// More than the server remembers, so that one that comes round again is new once more.
const MANY: usize = 40_000;

const AUDIENCE: &str = "bench";

const SECRET: &str = "a secret of more than thirty-two bytes";

/// What precedes the point of a P-256 key in DER: SEQUENCE { SEQUENCE { ecPublicKey, prime256v1 }, BIT STRING }.
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Files of tokens, one a line, and the variables of the servers that take them.
pub(crate) struct Tokens {
    dir: TempDir,
    public_key: String,
}

impl Tokens {
    pub(crate) fn make() -> Self {
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let secret = EncodingKey::from_secret(SECRET.as_bytes());
        let many: Vec<_> = (0..MANY).map(|number| token(Algorithm::HS256, &secret, number)).collect();
        fs::write(dir.path().join("hs256"), &many[0]).unwrap();
        fs::write(dir.path().join("hs256-many"), many.join("\n")).unwrap();
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
        let private = EncodingKey::from_ec_der(pkcs8.as_ref());
        fs::write(dir.path().join("es256"), token(Algorithm::ES256, &private, 0)).unwrap();
        let der = [&P256_PREFIX, pair.public_key().as_ref()].concat();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
        let public_key = dir.path().join("es256.pem");
        fs::write(&public_key, pem).unwrap();
        Self { public_key: public_key.to_str().unwrap().to_owned(), dir }
    }

    /// The file of this name.
    pub(crate) fn file(&self, name: &str) -> String {
        let path: &Path = self.dir.path();
        path.join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn hs256() -> [(&'static str, &'static str); 3] {
        [("AUTH", "jwt"), ("JWT_AUDIENCE", AUDIENCE), ("JWT_SECRET", SECRET)]
    }

    pub(crate) fn es256(&self) -> [(&'static str, &str); 4] {
        let key = ("JWT_PUBLIC_KEY", self.public_key.as_str());
        [("AUTH", "jwt"), ("JWT_AUDIENCE", AUDIENCE), key, ("JWT_ALGORITHMS", "ES256")]
    }
}

#[expect(clippy::disallowed_methods, reason = "the server verifies against the machine's clock")]
fn token(algorithm: Algorithm, key: &EncodingKey, number: usize) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    // One caller, so that the rate limit has one bucket as it has without tokens.
    let claims = json!({ "sub": "ann", "aud": AUDIENCE, "jti": number, "exp": now + 3_600, "scope": "upload:default" });
    encode(&Header::new(algorithm), &claims, key).unwrap()
}
