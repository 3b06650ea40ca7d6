//! Delivery URLs that nobody wrote: the published ones, cut, spliced and garbled by the hundred thousand.

use countersign::delivery::{DeliveryUrl, DeliveryUrlError};

use super::run;

/// Pieces that mean something somewhere in a URL.
const PIECES: [&str; 32] = [
    "/",
    "//",
    "..",
    ".",
    "%",
    "%2F",
    "%2e",
    "%00",
    "%25",
    "%zz",
    "?",
    "#",
    "@",
    ":",
    "\\",
    " ",
    "é",
    "\u{202e}",
    "image",
    "raw",
    "upload",
    "private",
    "fetch",
    "iu",
    "images",
    "files",
    "v1",
    "v12",
    "w_100",
    "s--Ai4Znfl3--",
    ",",
    ".jpg",
];

/// A generator without surprises: the same URLs in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    fn mutate(&mut self, url: &str, other: &str) -> String {
        let mut characters: Vec<char> = url.chars().collect();
        for _ in 0..=self.below(3) {
            let at = self.below(characters.len() + 1);
            match self.below(5) {
                0 => drop(
                    characters
                        .drain(at.min(characters.len())..(at + 1 + self.below(6)).min(characters.len())),
                ),
                1 => {
                    let piece = PIECES[self.below(PIECES.len())];
                    characters.splice(at..at, piece.chars());
                }
                2 => {
                    let other: Vec<char> = other.chars().collect();
                    let from = self.below(other.len());
                    characters.truncate(at);
                    characters.extend(&other[from..]);
                }
                3 if at + 1 < characters.len() => characters.swap(at, at + 1),
                _ => {
                    let copy: Vec<char> = characters[at..(at + 8).min(characters.len())].to_vec();
                    characters.splice(at..at, copy);
                }
            }
        }
        characters.into_iter().collect()
    }
}

fn mutated(count: usize) -> impl Iterator<Item = String> {
    let table = include_str!("../../vectors/delivery_urls.tsv");
    let seeds: Vec<&str> = table.lines().skip(1).filter_map(|line| line.split('\t').nth(1)).collect();
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    (0..count).map(move |_| {
        let (url, other) = (seeds[chance.below(seeds.len())], seeds[chance.below(seeds.len())]);
        chance.mutate(url, other)
    })
}

/// What makes two URLs the address of one asset; a version of 1 is what is written where there is none.
fn asset(url: &DeliveryUrl) -> [Option<String>; 7] {
    [
        Some(url.authority().to_string()),
        url.cloud().map(str::to_owned),
        Some(format!("{}/{}", url.resource_type(), url.delivery_type())),
        Some(url.public_id().to_owned()),
        url.format().map(str::to_owned),
        url.version().filter(|version| *version != "1").map(str::to_owned),
        url.seo_suffix().map(str::to_owned),
    ]
}

#[test]
fn a_mutated_url_prints_back_to_the_same_asset_or_is_refused_by_name() {
    let is_thorough = std::env::vars().any(|(name, _)| name == "COUNTERSIGN_THOROUGH");
    let (mut read, mut refused) = (0_u32, 0_u32);
    for text in mutated(if is_thorough { 1_000_000 } else { 200_000 }) {
        let parsed: Result<DeliveryUrl, DeliveryUrlError> = text.parse();
        match parsed {
            Ok(url) => {
                let printed = url.to_string();
                let again: DeliveryUrl =
                    printed.parse().unwrap_or_else(|error| panic!("{text} → {printed}: {error}"));
                assert_eq!(asset(&url), asset(&again), "{text} → {printed}");
                read += 1;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
        }
    }
    assert!(read > 10_000 && refused > 10_000, "{read} read, {refused} refused");
}

#[tokio::test]
async fn the_command_answers_every_mutated_line() {
    let urls: Vec<_> =
        mutated(20_000).filter(|url| !url.trim().is_empty() && !url.contains(['\n', '\r'])).collect();
    let ran = run("", &["inspect-url"], &urls.join("\n")).await;
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert_eq!(ran.stdout.lines().count(), urls.len());
    for (url, line) in urls.iter().zip(ran.stdout.lines()) {
        let found: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(found["url"], url.trim());
        assert!(found["public_id"].is_string() != found["error"].is_string(), "{line}");
    }
}
