//! `countersign profile test`: the cases of a team, held against their profiles.

use super::{Ran, run};

const PROFILES: &str = r#"
[profiles.kyc]
folder = "kyc/{sub}"
type = "private"
expires_in = "5m"
tags = ["kyc"]
resource_types = ["image"]
client_params = { tags = { pattern = "^[a-z,]{0,60}$" } }

[profiles.open]
folder = "open"
scopes = []
use_filename = true
client_may_secure = true

[profiles.risk]
folder = "risk"
scopes = ["team:risk"]

[profiles.uploadcare]
provider = "uploadcare"

[profiles.once]
provider = "uploadcare"
mode = "token"
operations = 1
paths = ["/base/", "/multipart/*"]
scopes = []

[profiles.counted]
provider = "uploadcare"
max_bytes = "1MB"
quota = { uploads = "20/day" }
scopes = []
"#;

/// Runs the cases against [`PROFILES`].
async fn test(cases: &str) -> Ran {
    test_under(PROFILES, cases).await
}

async fn test_under(profiles: &str, cases: &str) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let [profiles_file, cases_file] =
        [("profiles.toml", profiles), ("cases.toml", cases)].map(|(name, text)| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        });
    let mut ran = run("", &["profile", "test", &cases_file, "--profiles-file", &profiles_file], "").await;
    ran.stderr = ran.stderr.replace(&cases_file, "CASES").replace(&profiles_file, "PROFILES");
    ran
}

const HOLDING: &str = r#"
[[case]]
name = "alice's papers are private"
profile = "kyc"
as = "alice"
params = { tags = "passport" }
resource_type = "image"
signed = { folder = "kyc/alice", type = "private", tags = "kyc,passport" }

[[case]]
name = "the timestamp is set back"
profile = "kyc"
as = "alice"
at = 1720003300
signed = { folder = "kyc/alice", type = "private", tags = "kyc", timestamp = 1720000000 }

[[case]]
profile = "open"
should_secure_asset = true
signed = { folder = "open", use_filename = true, type = "private" }

[[case]]
name = "nobody in particular"
profile = "kyc"
refused = "forbidden"
message_contains = "authenticated"

[[case]]
name = "no other tags"
profile = "kyc"
as = "alice"
params = { tags = "UPPER" }
refused = "refused_by_profile"

[[case]]
name = "scopes are the caller's"
profile = "risk"
as = "bob"
scopes = ["team:risk"]
signed = { folder = "risk" }

[[case]]
name = "and only those"
profile = "kyc"
as = "bob"
scopes = []
refused = "forbidden"

[[case]]
name = "no such profile"
profile = "kyb"
refused = "profile_not_found"

[[case]]
name = "half an hour"
profile = "uploadcare"
as = "alice"
signed = { mode = "signature", expires_in_seconds = 1800 }

[[case]]
name = "one file"
profile = "once"
signed = { mode = "token", expires_in_seconds = 1800, operations = 1, paths = ["/base/", "/multipart/*"] }

[[case]]
name = "counted files"
profile = "counted"
signed = { mode = "signature", expires_in_seconds = 1800, owned = true, max_bytes = 1000000 }
"#;

#[tokio::test]
async fn cases_that_hold_are_ok_and_the_exit_code_is_0() {
    let ran = test(HOLDING).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    insta::assert_snapshot!(ran.stdout, @"
    ok   alice's papers are private
    ok   the timestamp is set back
    ok   case[2]
    ok   nobody in particular
    ok   no other tags
    ok   scopes are the caller's
    ok   and only those
    ok   no such profile
    ok   half an hour
    ok   one file
    ok   counted files
    11 passed, 0 failed
    ");
}

const DIFFERING: &str = r#"
[[case]]
name = "missing, extra and different"
profile = "kyc"
as = "bob"
signed = { folder = "kyc/alice", moderation = "manual", type = "private" }

[[case]]
name = "the timestamp where it is named"
profile = "risk"
as = "bob"
scopes = ["team:risk"]
signed = { folder = "risk", timestamp = 1 }

[[case]]
name = "signed after all"
profile = "open"
refused = "forbidden"

[[case]]
name = "refused after all"
profile = "risk"
as = "bob"
signed = { folder = "risk" }

[[case]]
name = "for another reason"
profile = "kyc"
as = "alice"
resource_type = "raw"
refused = "forbidden"

[[case]]
name = "in other words"
profile = "kyc"
as = "alice"
resource_type = "raw"
refused = "refused_by_profile"
message_contains = "video"

[[case]]
name = "holds"
profile = "open"
signed = { folder = "open", use_filename = true }

[[case]]
name = "another lifetime"
profile = "once"
signed = { mode = "token", expires_in_seconds = 60, operations = 1 }
"#;

#[tokio::test]
async fn whatever_differs_is_named_and_the_exit_code_is_1() {
    let ran = test(DIFFERING).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""));
    insta::assert_snapshot!(ran.stdout, @r#"
    FAIL missing, extra and different: folder is "kyc/bob", expected "kyc/alice"; moderation is not signed, expected "manual"; tags is "kyc", expected nothing
    FAIL the timestamp where it is named: timestamp is "1719998200", expected "1"
    FAIL signed after all: signed, expected forbidden
    FAIL refused after all: refused as forbidden: the profile `risk` takes the scope `team:risk`, which the caller does not hold
    FAIL for another reason: refused as refused_by_profile, expected forbidden: resource_type: the profile `kyc` does not take `raw`; it takes image
    FAIL in other words: the message does not contain "video": resource_type: the profile `kyc` does not take `raw`; it takes image
    ok   holds
    FAIL another lifetime: expires_in_seconds is "1800", expected "60"; paths is "/base/,/multipart/*", expected nothing
    1 passed, 7 failed
    "#);
}

const WRONG: &str = r#"
[[case]]
profile = "open"
sign = { folder = "open" }

[[case]]
signed = {}

[[case]]
profile = "open"
signed = {}
refused = "forbidden"

[[case]]
profile = "open"

[[case]]
profile = "open"
refused = "unauthorised"

[[case]]
profile = "open"
scopes = ["a"]
signed = {}

[[case]]
profile = "open"
as = "ann"
scopes = ["not a scope"]
signed = {}

[[case]]
profile = "open"
as = ""
signed = {}

[[case]]
profile = "open"
params = { tags = { a = 1 } }
signed = {}

[[case]]
profile = "open"
resource_type = "picture"
signed = {}

[[case]]
profile = "open"
signed = {}
message_contains = "x"

[[case]]
name = "two\nlines"
profile = "open"
signed = {}
"#;

#[tokio::test]
async fn a_file_that_is_wrong_is_2_with_every_problem_and_its_index() {
    let ran = test(WRONG).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    insta::assert_snapshot!(ran.stderr, @"
    countersign: CASES: the cases are wrong:
      - case[0].sign: unknown field `sign`, expected one of `name`, `profile`, `as`, `scopes`, `params`, `resource_type`, `should_secure_asset`, `at`, `signed`, `refused`, `message_contains`
      - case[1]: missing field `profile`
      - case[2]: must say what to expect: either `signed` or `refused`
      - case[3]: must say what to expect: either `signed` or `refused`
      - case[4].refused: unknown variant `unauthorised`, expected one of `refused_by_profile`, `forbidden`, `profile_not_found`
      - case[5].scopes: are somebody's: say whose with `as`
      - case[6].scopes: `not a scope` is not a scope: 1 to 100 letters, digits and `:._-`
      - case[7].as: must name somebody
      - case[8].params.tags: must be a text, a number, true, false, or a list of these
      - case[9].resource_type: unknown variant `picture`, expected one of `auto`, `image`, `video`, `raw`
      - case[10].message_contains: has a meaning beside `refused` only
      - case[11].name: must be one line
    ");
}

#[tokio::test]
async fn a_file_without_cases_or_that_cannot_be_read_is_2() {
    for (cases, expected) in [
        ("", "the file has no case"),
        ("case = []", "the file has no case"),
        ("[[cases]]\nprofile = \"open\"", "unknown field `cases`"),
        ("[[case]\n", "TOML parse error"),
    ] {
        let ran = test(cases).await;
        assert!(ran.code == Some(2) && ran.stdout.is_empty(), "{ran:?}");
        assert!(ran.stderr.contains("CASES: ") && ran.stderr.contains(expected), "{}", ran.stderr);
    }
    let ran = run("", &["profile", "test", "absent.toml"], "").await;
    assert!(ran.code == Some(2) && ran.stderr.contains("absent.toml: "), "{ran:?}");
    assert_eq!(run("", &["profile", "test"], "").await.code, Some(2));
}

#[tokio::test]
async fn profiles_that_are_wrong_are_2_and_so_is_what_uploadcare_cannot_be_asked() {
    let case =
        "[[case]]\nprofile = \"uploadcare\"\nparams = { tags = \"a\" }\nrefused = \"refused_by_profile\"";
    let ran = test(case).await;
    assert_eq!(ran.code, Some(2));
    insta::assert_snapshot!(ran.stderr, @"countersign: the case `case[0]`: `uploadcare` is an Uploadcare profile, which takes no params, resource_type or should_secure_asset: leave them out");
    let ran = test_under("[profiles.a]\nexpires_in = \"2h\"", case).await;
    assert!(ran.code == Some(2) && ran.stderr.contains("profiles.a.expires_in: "), "{ran:?}");
}

#[tokio::test]
async fn without_a_profiles_file_the_built_in_profile_is_held_to_the_cases() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cases.toml");
    let case = "[[case]]\nprofile = \"default\"\nsigned = { folder = \"kyc/1\", use_filename = true }\n";
    std::fs::write(&file, case).unwrap();
    let ran = run("", &["profile", "test", file.to_str().unwrap()], "").await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "ok   case[0]\n1 passed, 0 failed\n"));
}
