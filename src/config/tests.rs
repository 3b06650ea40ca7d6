//! Configurations as an operator would type them. Environment variables stay out: clap reads them the same way.

use clap::Parser;
use secrecy::ExposeSecret;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    serve: ServeArgs,
}

fn check(flags: &str) -> Result<Config, String> {
    let line = Line::try_parse_from(["countersign"].into_iter().chain(flags.split_whitespace())).unwrap();
    line.serve.check().map_err(|problems| problems.to_string())
}

fn account(url: &str) -> Result<CloudinaryAccount, String> {
    check(&format!("--cloudinary-url {url}")).map(|config| config.cloudinary)
}

#[test]
fn the_emulator_needs_nothing_else() {
    let config = check("--emulator").unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:3000");
    assert_eq!(
        config.cloudinary.published_url().unwrap(),
        "cloudinary://emulator-key:emulator-secret@emulator?upload_prefix=http://127.0.0.1:4000"
    );
}

#[test]
fn without_an_account_both_ways_out_are_named() {
    insta::assert_snapshot!(check("").unwrap_err(), @"
    the configuration has a problem:
      - CLOUDINARY_URL: is not set: put CLOUDINARY_URL=cloudinary://KEY:SECRET@CLOUD into .env to use an account, or start with --emulator to run without one
    ");
}

#[test]
fn all_problems_are_reported_at_once() {
    let flags = "--host here --port 70000 --log-format xml --cors-allowed-origins *,https://a.example/x --cloudinary-url https://x";
    insta::assert_snapshot!(check(flags).unwrap_err(), @"
    the configuration has problems:
      - HOST: `here` is not an IP address such as 127.0.0.1, 0.0.0.0 or ::1
      - PORT: `70000` is not a port number from 0 to 65535
      - CORS_ALLOWED_ORIGINS: `*` is not an origin such as https://app.example.com (scheme, host and port; no path, no wildcard)
      - CORS_ALLOWED_ORIGINS: `https://a.example/x` is not an origin such as https://app.example.com (scheme, host and port; no path, no wildcard)
      - CLOUDINARY_URL: must begin with cloudinary:// — copy it from the console as it stands
      - LOG_FORMAT: `xml` is not a format: use text or json
    ");
}

#[test]
fn further_host_names_are_names_and_nothing_else() {
    let config = check("--emulator --allowed-hosts Box.Example,,web_1,xn--bcher-kva.example.,").unwrap();
    assert_eq!(config.allowed_hosts, ["box.example", "web_1", "xn--bcher-kva.example"]);
    for bad in [
        "a.example:3000",
        "*.example",
        "https://a.example",
        "a.example/",
        "[::1]",
        "a..b",
        "bücher.example",
        "a,.",
    ] {
        let refusal = check(&format!("--emulator --allowed-hosts {bad}")).map(|_| ()).unwrap_err();
        assert!(
            refusal.contains("ALLOWED_HOSTS: ") && refusal.contains("is not a host name"),
            "{bad}: {refusal}"
        );
    }
}

#[test]
fn a_public_address_needs_authentication_or_a_plain_word() {
    insta::assert_snapshot!(check("--emulator --host 0.0.0.0").unwrap_err(), @"
    the configuration has a problem:
      - HOST: 0.0.0.0 can be reached from other machines, and no caller is authenticated; listen on 127.0.0.1, set AUTH=api-key or AUTH=jwt, or AUTH=none to let everybody sign and delete
    ");
    assert!(check("--emulator --host 0.0.0.0 --auth none").is_ok());
    assert!(check("--emulator --host ::1").is_ok());
    insta::assert_snapshot!(check("--emulator --auth jwtt").unwrap_err(), @"
    the configuration has a problem:
      - AUTH: `jwtt` is not a way to authenticate callers: use none, api-key, jwt or api-key,jwt
    ");
}

#[test]
fn the_url_is_read_as_the_node_sdk_reads_it() {
    let account = account(
        "cloudinary://12%2F3:se%2Fcr<t@Demo:99/media.example.com?upload_prefix=http://127.0.0.1:4000&signature_algorithm=sha256&signature_version=1&secure=true",
    )
    .unwrap();
    assert_eq!(account.api_key, "12%2F3");
    assert_eq!(account.api_secret.expose_secret(), "se%2Fcr%3Ct");
    assert_eq!(account.cloud, "Demo");
    assert_eq!(account.own_hosts[0].to_string(), "media.example.com");
    assert_eq!(account.upload_prefix, "http://127.0.0.1:4000");
    assert_eq!((account.algorithm.name(), account.version.number()), ("sha256", 1));
}

#[test]
fn a_wrong_url_says_what_is_wrong_and_never_the_secret() {
    for url in [
        "CLOUDINARY_URL=cloudinary://key:hush@demo",
        "\"cloudinary://key:hush@demo\"",
        "account://key:hush@demo",
        "cloudinary://demo",
        "cloudinary://key@demo",
        "cloudinary://key:hu/sh@demo",
        "cloudinary://<your_api_key>:<your_api_secret>@demo",
        "cloudinary://key:hush@demo?signature_algorithm=md5",
        "cloudinary://key:hush@demo?upload_prefix=ftp://x",
        "cloudinary://key:hush@demo?private_cdn=maybe",
    ] {
        let problems = account(url).unwrap_err();
        assert!(problems.contains("CLOUDINARY_URL: "), "{problems}");
        assert!(!problems.contains("hush") && !problems.contains("hu/sh"), "{problems}");
    }
}

#[test]
fn the_three_parts_are_as_good_as_the_url() {
    let parts = "--cloudinary-cloud-name demo --cloudinary-api-key 123 --cloudinary-api-secret hush";
    assert_eq!(check(parts).unwrap().cloudinary.upload_prefix, "https://api.cloudinary.com");
    insta::assert_snapshot!(check("--cloudinary-api-key 123").unwrap_err(), @"
    the configuration has problems:
      - CLOUDINARY_CLOUD_NAME: is missing: set all three of CLOUDINARY_CLOUD_NAME, CLOUDINARY_API_KEY and CLOUDINARY_API_SECRET, or CLOUDINARY_URL
      - CLOUDINARY_API_SECRET: is missing: set all three of CLOUDINARY_CLOUD_NAME, CLOUDINARY_API_KEY and CLOUDINARY_API_SECRET, or CLOUDINARY_URL
    ");
}

#[test]
fn two_sources_must_agree() {
    let url = "--cloudinary-url cloudinary://123:hush@demo";
    assert!(check(&format!("{url} --cloudinary-api-secret hush")).is_ok());
    insta::assert_snapshot!(check(&format!("{url} --cloudinary-api-secret other")).unwrap_err(), @"
    the configuration has a problem:
      - CLOUDINARY_API_SECRET: disagrees with CLOUDINARY_URL: remove one of them, or make them agree
    ");
}

#[test]
fn the_emulator_refuses_to_stand_beside_a_real_account() {
    let real = "--emulator --cloudinary-url cloudinary://123:hush@demo";
    insta::assert_snapshot!(check(real).unwrap_err(), @"
    the configuration has a problem:
      - CLOUDINARY_URL: names the account of the cloud `demo`, and --emulator runs without one: leave one of them out, or add ?upload_prefix=http://127.0.0.1:4000 to use its names with the emulator
    ");
    assert!(check(&format!("{real}?upload_prefix=http://127.0.0.1:4000")).is_ok());
}

#[test]
fn a_secret_can_come_from_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "cloudinary://123:hush@demo\n").unwrap();
    let config = check(&format!("--cloudinary-url-file {}", file.path().display())).unwrap();
    assert_eq!(config.cloudinary.api_secret.expose_secret(), "hush");
    insta::assert_snapshot!(check("--cloudinary-url-file nowhere").unwrap_err(), @"
    the configuration has a problem:
      - CLOUDINARY_URL_FILE: the file `nowhere` cannot be read: No such file or directory (os error 2)
    ");
}

#[test]
fn debug_shows_no_secret() {
    let config = check("--cloudinary-url cloudinary://123:hush@demo").unwrap();
    assert!(!format!("{config:?}").contains("hush"));
}
