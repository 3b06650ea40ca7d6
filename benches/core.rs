//! The core alone: strings to sign, hashes, delivery URLs. `cargo bench --bench core`.

use countersign::delivery::DeliveryUrl;
use countersign::signing::cloudinary::{SignatureVersion, Signer, string_to_sign};
use countersign::signing::{Algorithm, Params};
use divan::{Bencher, black_box};

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
