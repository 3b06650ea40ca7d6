//! `countersign explain`: every mistake is made for real against the emulator, whose answer is fed to the command.

use countersign::clock::Clock;
use countersign::signing::Algorithm;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::{account, run};
use crate::helpers::{TestApp, png, read_json};

const SECRET: &str = "abcd";

/// A plain SHA-1 over what the client hashed, secret included or not.
fn sha1(text: &str) -> String {
    Algorithm::Sha1.sign(text.as_bytes(), &"".into()).to_string()
}

/// `a=1&b=2` as the fields of a form.
fn form(fields: &str) -> Form {
    fields.split('&').map(|pair| pair.split_once('=').unwrap()).fold(Form::new(), |form, (name, value)| {
        form.text(name.to_owned(), value.replace('¦', "&").replace('␤', "\r\n"))
    })
}

/// Uploads with these fields and this signature; the refusal's text as the provider sent it.
async fn refused(app: &TestApp, fields: &str, signature: &str) -> String {
    let form = form(fields).text("api_key", "123").text("signature", signature.to_owned());
    refusal_of(app, "auto", form.part("file", Part::bytes(png(1, 1)).file_name("a.png"))).await
}

async fn refusal_of(app: &TestApp, resource_type: &str, form: Form) -> String {
    let url = format!("{}/v1_1/demo/{resource_type}/upload", app.emulator_origin);
    let (status, body) = read_json(app.client.post(url).multipart(form).send().await.unwrap()).await;
    assert!(status.is_client_error(), "accepted: {body}");
    body.to_string()
}

/// What `explain --json` answers; the exit code must agree, and the secret must not come out.
async fn explained(account: &str, input: &str) -> Value {
    let ran = searched(account, &["explain", "--json"], input).await;
    let found: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    let is_found = found["cause"].is_string();
    assert_eq!(ran.code, Some(i32::from(!is_found)), "{ran:?}");
    assert!(!ran.all().contains(SECRET), "{ran:?}");
    if is_found {
        let sentences = [&found["message"], &found["fix"]].map(|text| text.as_str().unwrap().to_owned());
        assert!(sentences.iter().all(|text| text.len() > 15 && !text.ends_with('.')), "{found}");
    }
    found
}

/// Runs the command until it has tried everything: on a machine with much else to do its time may be up before.
async fn searched(account: &str, arguments: &[&str], input: &str) -> super::Ran {
    const MOST_RUNS: usize = 20;
    let mut ran = run(account, arguments, input).await;
    for _ in 1..MOST_RUNS {
        if !ran.stdout.contains("ended after 0.5 s") {
            break;
        }
        ran = run(account, arguments, input).await;
    }
    ran
}

/// A cause, what was hashed (secret included), and what was sent.
const WITH_SECRET: &[(&str, &str, &str)] = &[
    ("parameter_not_signed", "timestamp=1720000000abcd", "timestamp=1720000000&folder=a&type=private"),
    ("parameter_not_sent", "overwrite=true&timestamp=1720000000abcd", "timestamp=1720000000"),
    ("value_differs", "folder=a&timestamp=1720000000abcd", "folder=a &timestamp=1720000000"),
    ("wrong_order", "timestamp=1720000000&folder=aabcd", "timestamp=1720000000&folder=a"),
    ("wrong_separator", "folder=a,timestamp=1720000000abcd", "timestamp=1720000000&folder=a"),
    ("ampersand_escaping", "folder=a%26timestamp=1720000000abcd", "timestamp=1720000000&folder=a"),
    ("ampersand_escaping", "context=k=x&y&timestamp=1720000000abcd", "context=k=x%26y&timestamp=1720000000"),
    (
        "ampersand_escaping",
        "context=k=x&amp;y&timestamp=1720000000abcd",
        "context=k=x¦y&timestamp=1720000000",
    ),
    ("secret_misplaced", "abcdfolder=a&timestamp=1720000000", "folder=a&timestamp=1720000000"),
    ("secret_misplaced", "folder=a&timestamp=1720000000&abcd", "folder=a&timestamp=1720000000"),
    ("secret_misplaced", "timestamp=1720000000abcd&use_filename=1", "timestamp=1720000000&use_filename=1"),
    ("key_used_as_secret", "timestamp=1720000000123", "timestamp=1720000000"),
    ("secret_quoted", "timestamp=1720000000\"abcd\"", "timestamp=1720000000"),
    ("secret_quoted", "timestamp=1720000000'abcd'", "timestamp=1720000000"),
    ("secret_quoted", "timestamp=1720000000abcd\n", "timestamp=1720000000"),
    ("secret_quoted", "timestamp=1720000000 abcd", "timestamp=1720000000"),
    ("secret_changed", "timestamp=1720000000abc", "timestamp=1720000000"),
    ("secret_missing", "timestamp=1720000000undefined", "timestamp=1720000000"),
    ("wrong_secret", "timestamp=1720000000wholly-other", "timestamp=1720000000"),
    ("boolean_spelling", "timestamp=1720000000&use_filename=trueabcd", "timestamp=1720000000&use_filename=1"),
    (
        "boolean_spelling",
        "overwrite=0&timestamp=1720000000&use_filename=1abcd",
        "overwrite=false&timestamp=1720000000&use_filename=true",
    ),
    (
        "list_joined_differently",
        "tags=[\"a\",\"b\"]&timestamp=1720000000abcd",
        "tags=a,b&timestamp=1720000000",
    ),
    (
        "list_joined_differently",
        "tags[]=a&tags[]=b&timestamp=1720000000abcd",
        "tags[]=a&tags[]=b&timestamp=1720000000",
    ),
    ("empty_value_signed", "folder=&timestamp=1720000000abcd", "folder=&timestamp=1720000000"),
    ("timestamp_in_milliseconds", "timestamp=1720000000123abcd", "timestamp=1720000000"),
    ("timestamp_in_milliseconds", "timestamp=1720000000abcd", "timestamp=1720000000123"),
    ("timestamp_differs", "timestamp=1720000003abcd", "timestamp=1720000000"),
    ("widget_parameter_not_signed", "timestamp=1720000000abcd", "source=uw&timestamp=1720000000"),
    (
        "widget_parameter_not_signed",
        "folder=t&timestamp=1720000000abcd",
        "callback=https://widget.example/c.html&custom_coordinates=1,2,3,4&folder=t&timestamp=1720000000",
    ),
    (
        "transformation_decoded",
        "timestamp=1720000000&transformation=l_text:a%2Fbabcd",
        "timestamp=1720000000&transformation=l_text:a/b",
    ),
    (
        "transformation_decoded",
        "eager=l_text:a b&timestamp=1720000000abcd",
        "eager=l_text:a%20b&timestamp=1720000000",
    ),
    ("percent_encoding", "folder=a%2Fb&timestamp=1720000000abcd", "folder=a/b&timestamp=1720000000"),
    ("percent_encoding", "folder=a+b&timestamp=1720000000abcd", "folder=a b&timestamp=1720000000"),
    ("line_breaks", "context=k=a\nb&timestamp=1720000000abcd", "context=k=a␤b&timestamp=1720000000"),
    ("never_signed_parameter", "resource_type=auto&timestamp=1720000000abcd", "timestamp=1720000000"),
    ("never_signed_parameter", "cloud_name=demo&timestamp=1720000000abcd", "timestamp=1720000000"),
    ("never_signed_parameter", "api_key=123&timestamp=1720000000abcd", "timestamp=1720000000"),
    ("json_signed", "{\"folder\":\"a\",\"timestamp\":1720000000}abcd", "folder=a&timestamp=1720000000"),
];

#[tokio::test]
async fn every_mistake_is_proven_with_the_secret() {
    let app = TestApp::spawn().await;
    for (cause, hashed, sent) in WITH_SECRET {
        let answer = refused(&app, sent, &sha1(hashed)).await;
        let found = explained(&account(&app), &answer).await;
        assert_eq!(found["cause"], *cause, "{hashed} → {answer}: {found}");
    }
}

/// A cause, what the client says it signed, and what was sent.
const WITHOUT_SECRET: &[(&str, &str, &str)] = &[
    ("parameter_not_signed", "timestamp=1720000000", "timestamp=1720000000&folder=a&type=private"),
    ("parameter_not_sent", "overwrite=true\ntimestamp=1720000000", "timestamp=1720000000"),
    ("value_differs", "{\"folder\":\"a\",\"timestamp\":1720000000}", "folder=b&timestamp=1720000000"),
    ("wrong_order", "timestamp=1720000000&folder=a", "timestamp=1720000000&folder=a"),
    (
        "boolean_spelling",
        "{\"timestamp\":1720000000,\"use_filename\":true}",
        "timestamp=1720000000&use_filename=1",
    ),
    ("list_joined_differently", "tags=a, b\ntimestamp=1720000000", "tags=a,b&timestamp=1720000000"),
    ("timestamp_in_milliseconds", "timestamp=1720000000", "timestamp=1720000000123"),
    ("timestamp_in_milliseconds", "", "timestamp=1720000000123"),
    ("widget_parameter_not_signed", "timestamp=1720000000", "source=uw&timestamp=1720000000"),
    ("widget_parameter_not_signed", "", "source=uw&timestamp=1720000000"),
    ("public_id_added", "timestamp=1720000000", "public_id=x&timestamp=1720000000"),
    (
        "transformation_decoded",
        "timestamp=1720000000\ntransformation=l_text:a%2Fb",
        "timestamp=1720000000&transformation=l_text:a/b",
    ),
    ("ampersand_escaping", "context: k=x&amp;y\ntimestamp: 1720000000", "context=k=x¦y&timestamp=1720000000"),
    ("never_signed_parameter", "{\"timestamp\":1720000000,\"cloud_name\":\"demo\"}", "timestamp=1720000000"),
    ("wrong_secret", "{\"timestamp\":1720000000}", "timestamp=1720000000"),
];

#[tokio::test]
async fn without_the_secret_the_two_sides_are_compared() {
    let app = TestApp::spawn().await;
    for (cause, signed, sent) in WITHOUT_SECRET {
        let answer = refused(&app, sent, &sha1("unknown")).await;
        let found = explained("", &format!("{answer}\n{signed}")).await;
        assert_eq!(found["cause"], *cause, "{signed} → {answer}: {found}");
    }
    let answer = refused(&app, "folder=a&timestamp=1720000000", &sha1("unknown")).await;
    let found = explained("", &answer).await;
    assert_eq!(found["cause"], Value::Null, "{found}");
}

#[tokio::test]
async fn sha_1_against_sha_256_is_told() {
    let app = TestApp::spawn().await;
    let sha256 = Algorithm::Sha256.sign(b"timestamp=1720000000", &SECRET.into()).to_string();
    let answer = refused(&app, "timestamp=1720000000", &sha256[..40]).await;
    assert_eq!(explained(&account(&app), &answer).await["cause"], "wrong_algorithm");

    // An account that is locked to SHA-256 refuses a right SHA-1 signature in these words.
    let signature = sha1("timestamp=1720000000abcd");
    let message = format!("Invalid Signature {signature}. String to sign - 'timestamp=1720000000'.");
    let body = json!({"error":{"message":message}}).to_string();
    app.control("faults", json!([{"method":"POST","path":"/upload","status":401,"body":body}])).await;
    let answer = refused(&app, "timestamp=1720000000", &signature).await;
    assert_eq!(explained(&account(&app), &answer).await["cause"], "algorithm_locked");
}

#[tokio::test]
async fn a_public_id_that_a_chunked_upload_adds_is_told() {
    let app = TestApp::spawn().await;
    let signature = sha1("timestamp=1720000000abcd");
    let url = format!("{}/v1_1/demo/raw/upload", app.emulator_origin);
    let mut answers = Vec::new();
    for (fields, range, bytes) in [
        ("timestamp=1720000000", "bytes 0-5242879/5242881", vec![0; 5_242_880]),
        ("timestamp=1720000000&public_id=given", "bytes 5242880-5242880/5242881", vec![0]),
    ] {
        let form = form(fields)
            .text("api_key", "123")
            .text("signature", signature.clone())
            .part("file", Part::bytes(bytes).file_name("a.bin"));
        let request =
            app.client.post(&url).header("x-unique-upload-id", "one").header("content-range", range);
        answers.push(read_json(request.multipart(form).send().await.unwrap()).await);
    }
    assert_eq!(answers[0].1["done"], false);
    let found = explained(&account(&app), &answers[1].1.to_string()).await;
    assert_eq!(found["cause"], "public_id_added");
    // The header that holds the parts together, forgotten.
    let form = form("timestamp=1720000000").text("api_key", "123").text("signature", signature);
    let form = form.part("file", Part::bytes(vec![0]).file_name("a.bin"));
    let request = app.client.post(&url).header("content-range", "bytes 5242880-5242880/5242881");
    let (_, answer) = read_json(request.multipart(form).send().await.unwrap()).await;
    assert_eq!(explained("", &answer.to_string()).await["cause"], "upload_id_not_sent");
}

#[tokio::test]
async fn a_stale_timestamp_is_told_by_how_far_it_is_behind() {
    let app = TestApp::spawn().await;
    let now = Clock::system().now().0;
    app.control("clock", json!({ "set": now })).await;
    for (cause, timestamp) in [
        ("timestamp_expired", now - 4_300),
        ("time_zone", now - 2 * 3_600),
        ("time_zone", now - 19_800),
        ("clock_wrong", now - 3 * 86_400),
        ("timestamp_unit", now / 1_000),
    ] {
        let signature = sha1(&format!("timestamp={timestamp}abcd"));
        let answer = refused(&app, &format!("timestamp={timestamp}"), &signature).await;
        assert!(answer.contains("Stale request"), "{answer}");
        assert_eq!(explained("", &answer).await["cause"], cause, "{answer}");
    }
}

/// Fields that carry the right signature for `string`.
fn signed(key: &str, string: &str) -> Form {
    form(string).text("api_key", key.to_owned()).text("signature", sha1(&format!("{string}{SECRET}")))
}

/// The timestamp alone, with this text for a signature.
fn with_signature(signature: &str) -> Form {
    form(PLAIN).text("api_key", "123").text("signature", signature.to_owned()).part("file", file())
}

const PLAIN: &str = "timestamp=1720000000";
const ONLY_JPG: &str = "allowed_formats=jpg&timestamp=1720000000";

fn file() -> Part {
    Part::bytes(png(1, 1)).file_name("a.png")
}

#[tokio::test]
async fn refusals_that_are_no_signatures_are_explained_as_well() {
    let app = TestApp::spawn().await;
    let bytes = |name: &'static str| Part::bytes(vec![1, 2, 3]).file_name(name);
    for (cause, resource_type, form) in [
        ("unknown_api_key", "auto", signed("124", PLAIN).part("file", file())),
        ("unknown_api_key", "auto", signed("\"123\"", PLAIN).part("file", file())),
        ("unknown_api_key", "auto", signed("undefined", PLAIN).part("file", file())),
        ("signature_not_sent", "auto", Form::new().text("timestamp", "1720000000").part("file", file())),
        ("upload_preset_not_found", "auto", Form::new().text("upload_preset", "x").part("file", file())),
        ("file_not_sent", "auto", signed("123", PLAIN)),
        ("api_key_not_sent", "auto", form(PLAIN).text("signature", sha1("x")).part("file", file())),
        (
            "timestamp_not_sent",
            "auto",
            form("folder=a").text("api_key", "123").text("signature", sha1("x")).part("file", file()),
        ),
        ("format_not_allowed", "auto", signed("123", ONLY_JPG).part("file", file())),
        ("unknown_format", "raw", signed("123", ONLY_JPG).part("file", bytes("a"))),
        ("wrong_resource_type", "image", signed("123", PLAIN).part("file", bytes("a.txt"))),
        ("wrong_resource_type", "video", signed("123", PLAIN).part("file", file())),
        ("signature_not_computed", "auto", with_signature("undefined")),
        ("wrong_algorithm", "auto", with_signature(&"ab".repeat(16))),
        ("signature_encoding", "auto", with_signature(&sha1("timestamp=1720000000abcd").to_uppercase())),
    ] {
        let answer = refusal_of(&app, resource_type, form).await;
        let found = explained(&account(&app), &answer).await;
        assert_eq!(found["cause"], cause, "{answer}: {found}");
    }
}

#[tokio::test]
async fn refusals_that_the_emulator_does_not_give_are_known_by_the_providers_words() {
    for (cause, text) in [
        ("upload_preset_is_signed", "Upload preset must be whitelisted for unsigned uploads"),
        (
            "parameter_needs_signature",
            "Transformation parameter is not allowed when using unsigned upload. Only upload_preset,… upload parameters are allowed.",
        ),
        ("unknown_cloud", "Invalid cloud_name demmo"),
        ("account_disabled", "disabled customer"),
        ("asset_not_found", "Resource not found - a/b"),
    ] {
        assert_eq!(explained("", text).await["cause"], cause);
    }
}

#[tokio::test]
async fn a_person_reads_the_cause_and_the_fix() {
    let app = TestApp::spawn().await;
    let answer = refused(&app, "folder=kyc/1&timestamp=1720000000", &sha1("timestamp=1720000000abcd")).await;
    let ran = run(&account(&app), &["explain"], &answer).await;
    assert_eq!(ran.code, Some(0));
    insta::assert_snapshot!(ran.stdout, @"
    cause  `folder` was sent but not signed
    fix    sign every parameter that is sent, except file, api_key, signature, cloud_name and resource_type, or stop sending it
    ");
    let ran = run("", &["explain"], "hello").await;
    assert_eq!(ran.code, Some(1));
    insta::assert_snapshot!(ran.stdout, @"no cause found: there is neither an error of the provider nor a parameter in the text");
}

#[tokio::test]
async fn a_right_request_is_found_right() {
    let arguments = ["sign", "--json", "--param", "folder=a b"];
    let signed = run("cloudinary://123:abcd@demo", &arguments, "").await.stdout;
    let ran = run("cloudinary://123:abcd@demo", &["explain"], &signed).await;
    assert_eq!((ran.code, ran.stdout.contains("nothing is wrong")), (Some(1), true), "{ran:?}");
    let curl = ["sign", "--curl", "--param", "folder=it's; \"x\""];
    let printed = run("cloudinary://123:abcd@demo", &curl, "").await.stdout;
    let ran = run("cloudinary://123:abcd@demo", &["explain"], &printed).await;
    assert!(ran.stdout.contains("nothing is wrong"), "{ran:?}");
    let ran = searched("cloudinary://123:other@demo", &["explain", "--json"], &printed).await;
    assert!(ran.stdout.contains("\"wrong_secret\""), "{ran:?}");
}
