//! The core alone: strings to sign, hashes, delivery URLs, callers' tokens. `cargo bench --bench core`.
#![expect(clippy::unwrap_used, reason = "a bench stops where it cannot go on")]

use std::cell::Cell;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use countersign::api::Authentication;
use countersign::auth::{Caller, PinnedKey, TokenRules};
use countersign::clock::UnixSeconds;
use countersign::config::{AuthConfig, TokenKeyConfig, TokensConfig};
use countersign::delivery::DeliveryUrl;
use countersign::signing::cloudinary::{SignatureVersion, Signer, string_to_sign};
use countersign::signing::{Algorithm, Params};
use divan::{Bencher, black_box};
use futures_util::FutureExt as _;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

fn main() {
    divan::main();
}

fn params() -> Params {
    let mut params = Params::with_capacity(4);
    params.push("timestamp", 1_720_000_000);
    params.push("folder", "kyc/1");
    params.push("use_filename", true);
    params.push("type", "private");
    params
}

#[divan::bench]
fn string_to_sign_of_four_parameters(bencher: Bencher<'_, '_>) {
    let params = params();
    bencher.bench(|| string_to_sign(black_box(&params), SignatureVersion::V2));
}

#[divan::bench(args = [Algorithm::Sha1, Algorithm::Sha256])]
fn string_and_hash(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let signer = Signer::new("abcdefghijklmnopqrstuvwxyza".into(), algorithm, SignatureVersion::V2);
    let params = params();
    bencher.bench(|| signer.sign(black_box(&params)));
}

#[divan::bench(args = [
    "https://res.cloudinary.com/demo/image/upload/v1312461204/sample.jpg",
    "https://res.cloudinary.com/demo/image/upload/s--Ai4Znfl3--/c_crop,h_20,w_10/f_auto/v1234/folder/im%20age.jpg",
])]
fn delivery_url(url: &str) -> DeliveryUrl {
    black_box(url).parse().unwrap_or_else(|error| panic!("{error}"))
}

/// From a request's headers to its caller: with 40,000 tokens, of which the server remembers a quarter, and with one that it
/// has verified before.
#[divan::bench(args = [40_000, 1], sample_size = 1_000)]
fn caller_with_one_of_so_many_hs256_tokens(bencher: Bencher<'_, '_>, tokens: usize) {
    const SECRET: &str = "a secret of more than thirty-two bytes";
    const NOW: UnixSeconds = UnixSeconds(1_720_000_000);
    let headers = |number: usize| {
        let claims = json!({"sub": "ann", "aud": "bench", "jti": number, "exp": NOW.0 + 60, "scope": "upload:default"});
        let token =
            encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap();
        HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())])
    };
    let requests: Vec<_> = (0..tokens).map(headers).collect();
    let rules = TokenRules { issuer: None, audience: Some("bench".to_owned()) };
    let key = TokenKeyConfig::Pinned(PinnedKey::from_secret(&SECRET.into()).unwrap());
    let config = AuthConfig::Required { api_keys: None, tokens: Some(TokensConfig { key, rules }) };
    let authentication = Authentication::new(config).unwrap();
    let next = Cell::new(0);
    bencher.bench_local(|| -> Caller {
        let number = next.replace((next.get() + 1) % requests.len());
        // With a key at hand there is nothing to wait for.
        authentication.identify(&requests[number], NOW).now_or_never().unwrap().unwrap()
    });
}
