//! Mistakes as clients make them: signed wrong on purpose, refused as the provider would, explained.

use std::time::{Duration, Instant};

use super::*;
use crate::signing::Algorithm;

/// The same with all the time in the world.
fn explain(text: &str, known: &Known<'_>) -> Result<Finding, Unexplained> {
    super::explain(text, known, &Budget::until(Instant::now() + Duration::from_hours(1), &|| false))
}

const SECRET: &str = "s3cr3t-Abcdef0123456789";
const NOW: i64 = 1_720_000_000;

fn sign(string: &str) -> String {
    Algorithm::Sha1.sign(string.as_bytes(), &SecretString::from(SECRET)).to_string()
}

/// What is said about a client that sent a signature over `signed` while the provider received `received`.
fn cause(signed: &str, received: &str) -> Result<Cause, Unexplained> {
    refused(&sign(signed), received, "", true)
}

fn refused(signature: &str, received: &str, claim: &str, with_secret: bool) -> Result<Cause, Unexplained> {
    let secret = SecretString::from(SECRET);
    let known = Known {
        cloud: Some("demo"),
        api_key: Some("123456"),
        secret: with_secret.then_some(&secret),
        now: NOW,
    };
    let text = format!(
        "{}\n{claim}",
        serde_json::json!({"error":{"message":
            format!("Invalid Signature {signature}. String to sign - '{received}'.")}})
    );
    let found = explain(&text, &known);
    if let Ok(finding) = &found {
        for text in [&finding.message, &finding.fix] {
            assert!(!text.contains(SECRET) && !text.contains(&SECRET[..8]), "{text}");
        }
    }
    found.map(|finding| finding.cause)
}

#[test]
fn a_wrong_string_is_proven_with_the_secret() {
    let sent = "folder=a b&tags=x,y&timestamp=1720000000&use_filename=1";
    for (signed, received, expected) in [
        ("timestamp=1720000000", sent, Cause::ParameterNotSigned),
        ("folder=a b&tags=x,y&timestamp=1720000000", sent, Cause::ParameterNotSigned),
        ("timestamp=1720000000", "source=uw&timestamp=1720000000", Cause::WidgetParameterNotSigned),
        ("folder=a&timestamp=1", "folder=a&public_id=x&timestamp=1", Cause::PublicIdAdded),
        (
            "folder=a b&resource_type=auto&tags=x,y&timestamp=1720000000&use_filename=1",
            sent,
            Cause::NeverSignedParameter,
        ),
        ("cloud_name=demo&timestamp=1", "timestamp=1", Cause::NeverSignedParameter),
        ("api_key=123456&timestamp=1", "timestamp=1", Cause::NeverSignedParameter),
        ("timestamp=1720000000&folder=a b&tags=x,y&use_filename=1", sent, Cause::WrongOrder),
        ("folder=a b,tags=x,y,timestamp=1720000000,use_filename=1", sent, Cause::WrongSeparator),
        ("folder=a b&tags=x,y&timestamp=1720000000&use_filename=true", sent, Cause::BooleanSpelling),
        ("folder=a b&tags=x, y&timestamp=1720000000&use_filename=1", sent, Cause::ListJoinedDifferently),
        (
            "folder=a b&tags=[\"x\",\"y\"]&timestamp=1720000000&use_filename=1",
            sent,
            Cause::ListJoinedDifferently,
        ),
        (
            "folder=a b&tags[]=x&tags[]=y&timestamp=1720000000&use_filename=1",
            sent,
            Cause::ListJoinedDifferently,
        ),
        ("folder=a%20b&tags=x%2Cy&timestamp=1720000000&use_filename=1", sent, Cause::PercentEncoding),
        ("folder=a+b&tags=x,y&timestamp=1720000000&use_filename=1", sent, Cause::PercentEncoding),
        ("timestamp=1720000000123", "timestamp=1720000000", Cause::TimestampInMilliseconds),
        ("timestamp=1720000000", "timestamp=1720000000123", Cause::TimestampInMilliseconds),
        ("timestamp=1720000002", "timestamp=1720000000", Cause::TimestampDiffers),
        ("folder=&timestamp=1", "timestamp=1", Cause::EmptyValueSigned),
        ("folder=undefined&timestamp=1", "timestamp=1", Cause::EmptyValueSigned),
        ("overwrite=true&timestamp=1", "timestamp=1", Cause::ParameterNotSent),
        (
            "timestamp=1&transformation=l_text:a b",
            "timestamp=1&transformation=l_text:a%20b",
            Cause::TransformationDecoded,
        ),
        (
            "notification_url=https://x?a=1&amp;b=2&timestamp=1",
            "notification_url=https://x?a=1&b=2&timestamp=1",
            Cause::AmpersandEscaping,
        ),
        ("folder=a%26timestamp=1", "folder=a&timestamp=1", Cause::AmpersandEscaping),
        ("context=a=1\nb&timestamp=1", "context=a=1\r\nb&timestamp=1", Cause::LineBreaks),
        ("{\"folder\":\"a\",\"timestamp\":1}", "folder=a&timestamp=1", Cause::JsonSigned),
    ] {
        assert_eq!(cause(signed, received), Ok(expected), "{signed} → {received}");
    }
}

#[test]
fn a_wrong_secret_is_proven_with_the_right_one() {
    let sent = "folder=a&timestamp=1";
    let hash = |text: String| Algorithm::Sha1.sign(text.as_bytes(), &SecretString::from("")).to_string();
    for (signature, expected) in [
        (hash(format!("{sent}123456")), Cause::KeyUsedAsSecret),
        (hash(format!("{sent}\"{SECRET}\"")), Cause::SecretQuoted),
        (hash(format!("{sent}{SECRET}\n")), Cause::SecretQuoted),
        (hash(format!("{sent}{}", &SECRET[..SECRET.len() - 1])), Cause::SecretChanged),
        (hash(format!("{sent}undefined")), Cause::SecretMissing),
        (hash(sent.to_owned()), Cause::SecretMissing),
        (hash(format!("{SECRET}{sent}")), Cause::SecretMisplaced),
        (hash(format!("{sent}&api_secret={SECRET}")), Cause::SecretMisplaced),
        (hash(format!("timestamp=1{SECRET}&folder=a")), Cause::SecretMisplaced),
        (sign(sent).to_uppercase(), Cause::SignatureEncoding),
        (hash("x".to_owned()), Cause::WrongSecret),
        (sign("source=other&timestamp=1"), Cause::WrongSecret),
        ("d41d8cd98f00b204e9800998ecf8427e".to_owned(), Cause::WrongAlgorithm),
        ("undefined".to_owned(), Cause::SignatureNotComputed),
        (sign(sent), Cause::AlgorithmLocked),
    ] {
        assert_eq!(refused(&signature, sent, "", true), Ok(expected), "{signature}");
    }
}

#[test]
fn two_mistakes_at_once_are_both_named() {
    let sent = "folder=a&timestamp=1";
    let text = format!("timestamp=1\"{SECRET}\"");
    let signature = Algorithm::Sha1.sign(text.as_bytes(), &SecretString::from("")).to_string();
    let secret = SecretString::from(SECRET);
    let known = Known { cloud: None, api_key: None, secret: Some(&secret), now: NOW };
    let text = format!("Invalid Signature {signature}. String to sign - '{sent}'.");
    let finding = explain(&text, &known).unwrap();
    assert_eq!(finding.cause, Cause::SecretQuoted);
    assert!(finding.message.contains("`folder` was sent but not signed"), "{}", finding.message);
}

#[test]
fn without_the_secret_both_sides_are_compared() {
    let signature = &"ab".repeat(20);
    for (claim, received, expected) in [
        ("timestamp=1", "folder=a&timestamp=1", Ok(Cause::ParameterNotSigned)),
        (
            "{\"timestamp\":1,\"folder\":\"a\",\"tags\":\"\"}",
            "folder=a&timestamp=1",
            Ok(Cause::EmptyValueSigned),
        ),
        ("timestamp=1&folder=a", "folder=a&timestamp=1", Ok(Cause::WrongOrder)),
        ("folder=b&timestamp=1", "folder=a&timestamp=1", Ok(Cause::ValueDiffers)),
        ("{\"timestamp\":1,\"use_filename\":true}", "timestamp=1&use_filename=1", Ok(Cause::BooleanSpelling)),
        ("{\"timestamp\":1,\"resource_type\":\"auto\"}", "timestamp=1", Ok(Cause::NeverSignedParameter)),
        ("folder=a&timestamp=1", "folder=a&timestamp=1", Ok(Cause::WrongSecret)),
        ("", "timestamp=1720000000123", Ok(Cause::TimestampInMilliseconds)),
        ("", "source=uw&timestamp=1", Ok(Cause::WidgetParameterNotSigned)),
        ("", "folder=a&timestamp=1", Err(Unexplained::NothingToCompare)),
    ] {
        assert_eq!(refused(signature, received, claim, false), expected, "{claim} → {received}");
    }
}

#[test]
fn a_signed_request_is_checked_without_any_error() {
    let secret = SecretString::from(SECRET);
    let known = Known { cloud: None, api_key: None, secret: Some(&secret), now: NOW };
    let request = |timestamp: i64| {
        let string = format!("folder=a&timestamp={timestamp}");
        format!("{string}&api_key=1&signature={}", sign(&string))
    };
    assert_eq!(explain(&request(NOW), &known), Err(Unexplained::NothingWrong));
    assert_eq!(explain(&request(NOW - 4_000), &known).unwrap().cause, Cause::TimestampExpired);
    let unsorted = format!(
        "folder=a&timestamp={NOW}&api_key=1&signature={}",
        sign(&format!("timestamp={NOW}&folder=a"))
    );
    assert_eq!(explain(&unsorted, &known).unwrap().cause, Cause::WrongOrder);
    assert_eq!(explain("", &known), Err(Unexplained::NothingToRead));
    assert_eq!(explain("folder=a\ntimestamp=1720000000", &known), Err(Unexplained::NoSignature));
}

#[test]
fn a_secret_in_the_input_does_not_come_out() {
    let claim = format!("folder={SECRET}\ntimestamp=1");
    let found = refused(&"ab".repeat(20), "folder=a&timestamp=1", &claim, true);
    assert_eq!(found, Ok(Cause::ValueDiffers));
}

#[test]
fn a_long_value_is_cut_and_no_part_of_a_long_secret_is_left() {
    let long = "0123456789'\"\\".repeat(9);
    let secret = SecretString::from(long.as_str());
    let known = Known { cloud: None, api_key: None, secret: Some(&secret), now: NOW };
    let refusal = format!("Invalid Signature {}. String to sign - 'folder=a&timestamp=1'.", "ab".repeat(20));
    let finding = explain(&format!("{refusal}\nfolder={long}\ntimestamp=1"), &known).unwrap();
    assert_eq!(finding.message, "`folder` was signed as `…` and sent as `a`");
    let finding = explain(&format!("{refusal}\nfolder={}\ntimestamp=1", "x".repeat(99)), &known).unwrap();
    assert_eq!(finding.message, format!("`folder` was signed as `{}…` and sent as `a`", "x".repeat(60)));
}

/// `count` parameters of which the last is the time, and what the client says it signed of them: all but that.
fn with_many_params(count: usize) -> (String, String) {
    let others: Vec<_> = (1..count).map(|number| format!("p{number:03}=1")).collect();
    (format!("{}&timestamp={NOW}", others.join("&")), others.join("\n"))
}

#[test]
fn what_is_too_large_for_a_search_is_compared_and_says_so() {
    let signature = "ab".repeat(20);
    let (sent, claim) = with_many_params(60);
    assert_eq!(refused(&sign(&sent.replace("p001=1&", "")), &sent, "", true), Ok(Cause::ParameterNotSigned));
    assert_eq!(refused(&signature, &sent, &claim, true), Ok(Cause::ParameterNotSigned));

    let (sent, claim) = with_many_params(61);
    let nothing = Err(Unexplained::NotSearched(Unsearched::TooLarge));
    assert_eq!(refused(&sign(&sent.replace("p001=1&", "")), &sent, "", true), nothing);
    assert_eq!(refused(&signature, &sent, &claim, true), Ok(Cause::ParameterNotSigned));
    // The right signature is known without a search.
    assert_eq!(refused(&sign(&sent), &sent, "", true), Ok(Cause::AlgorithmLocked));

    let long = format!("context=k={}&timestamp=1", "x".repeat(16 * 1024));
    assert_eq!(refused(&signature, &long, "", true), nothing);
    let secret = SecretString::from(SECRET);
    let known = Known { cloud: None, api_key: None, secret: Some(&secret), now: NOW };
    let text = format!("Invalid Signature {signature}. String to sign - '{long}'.\ntimestamp=1");
    assert_eq!(
        explain(&text, &known).unwrap().message,
        "`context` was sent but not signed; the search with the API secret takes at most 60 parameters and 16 KB, and there is more here"
    );
}

#[test]
fn a_search_that_may_not_go_on_does_not_say_that_it_tried_everything() {
    let secret = SecretString::from(SECRET);
    let known = Known { cloud: None, api_key: None, secret: Some(&secret), now: NOW };
    let text = format!("Invalid Signature {}. String to sign - 'folder=a&timestamp=1'.", "ab".repeat(20));
    let now = Instant::now();
    let late = super::explain(&text, &known, &Budget::until(now, &|| false));
    assert_eq!(late, Err(Unexplained::NotSearched(Unsearched::OutOfTime)));
    let left = super::explain(&text, &known, &Budget::until(now + Duration::from_hours(1), &|| true));
    assert_eq!(left, Err(Unexplained::NotSearched(Unsearched::Cancelled)));
    let compared = super::explain(&format!("{text}\ntimestamp=1"), &known, &Budget::until(now, &|| false));
    let message = compared.unwrap().message;
    assert!(
        message.starts_with("`folder` was sent but not signed; the search") && message.contains("0.5 s"),
        "{message}"
    );
}

/// What pasted texts are made of, and what ends where a slice might begin.
const PIECES: &[&str] = &[
    "Invalid Signature ",
    ". String to sign - '",
    "'.",
    "Stale request - reported time is ",
    "Unknown API key ",
    "Missing required parameter",
    "upload preset not found",
    "Invalid value ",
    " for parameter ",
    " file format ",
    " not allowed",
    "0123456789abcdef0123456789abcdef01234567",
    "curl -F ",
    "--data ",
    "https://a/b?",
    "://",
    "{\"error\":{\"message\":\"",
    "{\"data\":{\"payload\":{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "`",
    "\\",
    "folder=a",
    "tags[]=b",
    "tags[0]=c,d",
    "timestamp=",
    "timestamp: ",
    "expires_at=",
    "-9223372036854775808",
    "9223372036854775807",
    "1720000000123",
    "signature=",
    "api_key=1",
    "string to sign: ",
    "&",
    "=",
    "?",
    "%",
    "%26",
    "+",
    ",",
    ": ",
    " ",
    "\u{a0}",
    "\u{2028}",
    "\r\n",
    "\n",
    "é",
    "😀",
];

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..24),
        noise in "\\PC{0,12}",
        at in 0..24_usize,
        has_secret: bool,
    ) {
        let mut text: Vec<&str> = pieces;
        text.insert(at.min(text.len()), &noise);
        let secret = SecretString::from(SECRET);
        let known = Known { cloud: Some("demo"), api_key: Some("1"), secret: has_secret.then_some(&secret), now: NOW };
        let soon = Instant::now() + Duration::from_millis(3);
        let _ = super::explain(&text.concat(), &known, &Budget::until(soon, &|| false));
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(60))]

    #[test]
    fn no_text_panics(text in "(Invalid Signature [a-f0-9]{0,40}. String to sign - '|\\PC|[&=?{}'\"\\n\\[\\]]|timestamp|curl -F ){0,40}") {
        let secret = SecretString::from(SECRET);
        let known = Known { cloud: None, api_key: None, secret: Some(&secret), now: NOW };
        let _ = explain(&text, &known);
    }
}
