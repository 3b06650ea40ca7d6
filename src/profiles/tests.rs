//! Profiles as operators write them, and what they grant.

use std::sync::Arc;

use super::*;
use crate::auth::Subject;
use crate::signing::cloudinary::{SignatureVersion, string_to_sign};

const NOW: UnixSeconds = UnixSeconds(1_720_000_000);

fn known(name: &str, scopes: &[&str]) -> Caller {
    let scopes = scopes.iter().map(|scope| scope.parse().unwrap()).collect();
    Caller::Known(Arc::new(Subject { name: name.to_owned(), scopes }))
}

fn string(grant: &Grant) -> String {
    string_to_sign(&grant.params, SignatureVersion::V2)
}

fn reference(should_secure_asset: Option<bool>) -> Grant {
    let request = UploadRequest { should_secure_asset, ..UploadRequest::default() };
    Profile::reference().grant(&Caller::Anonymous, request, NOW).unwrap()
}

#[test]
fn the_reference_profile_signs_what_the_reference_app_signs() {
    assert_eq!(string(&reference(None)), "folder=kyc/1&timestamp=1719998200&use_filename=true");
}

#[test]
fn a_secured_upload_is_private() {
    let expected = "folder=kyc/1&timestamp=1719998200&type=private&use_filename=true";
    assert_eq!(string(&reference(Some(true))), expected);
    assert!(reference(Some(false)).params.get("type").is_none());
}

/// The example of the documentation, but for what a ledger keeps.
const KYC: &str = r#"
[profiles.kyc]
folder = "kyc/{sub}"
type = "private"
resource_types = ["image", "raw"]
allowed_formats = ["jpg", "png", "pdf"]
expires_in = "5m"
tags = ["kyc", "user:{sub}"]
context = { source = "web" }
moderation = "manual"
upload_preset = "kyc"
scopes = ["upload:kyc"]
client_params = { context = { max_length = 200 }, tags = { pattern = "^[a-z0-9,]{0,60}$" } }
client_may_secure = false
"#;

fn kyc(params: &[(&str, &str)]) -> Result<Grant, Refusal> {
    let params =
        params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned().into())).collect();
    let request = UploadRequest { params, ..UploadRequest::default() };
    Profiles::from_toml(KYC).unwrap().get("kyc").unwrap().grant(
        &known("ann@x", &["upload:kyc"]),
        request,
        NOW,
    )
}

#[test]
fn the_profile_of_the_documentation_signs_all_that_it_fixes() {
    insta::assert_snapshot!(string(&kyc(&[]).unwrap()), @"allowed_formats=jpg,png,pdf&context=source=web&folder=kyc/ann-40x&moderation=manual&tags=kyc,user:ann-40x&timestamp=1719996700&type=private&upload_preset=kyc");
    assert_eq!(kyc(&[]).unwrap().resource_type, UploadResourceType::Image);
}

#[test]
fn the_clients_tags_and_context_are_added_to_the_profiles() {
    let grant = kyc(&[("tags", "a,b"), ("context", "alt=cat")]).unwrap();
    assert_eq!(grant.params.get("tags").unwrap().to_string(), "kyc,user:ann-40x,a,b");
    assert_eq!(grant.params.get("context").unwrap().to_string(), "source=web|alt=cat");
}

#[test]
fn every_parameter_that_is_not_opened_is_refused_by_name() {
    for name in [
        "public_id",
        "overwrite",
        "type",
        "notification_url",
        "eval",
        "on_success",
        "proxy",
        "access_mode",
        "folder",
        "access_control",
        "return_delete_token",
        "invalidate",
        "upload_preset",
        "headers",
        "callback",
        "async",
        "timestamp",
        "api_key",
        "file",
        "metadata",
        "no_such_parameter",
        "",
    ] {
        let expected = Refusal::NotOpened { name: name.to_owned(), profile: "kyc".to_owned() };
        assert_eq!(kyc(&[(name, "x")]).unwrap_err(), expected);
    }
}

#[test]
fn every_value_that_breaks_a_rule_is_refused_by_name() {
    for (name, value, rule) in [
        ("tags", "A", "does not match the profile's pattern"),
        ("tags", "a&overwrite=true", "must not contain `&` or `%26`"),
        ("context", "k=a%26b", "must not contain `&` or `%26`"),
        ("context", "k=a\nb", "must not contain control characters"),
        ("context", &"k".repeat(201), "must have at most 200 characters, not 201"),
        ("context", "a=b|source=forged", "must not hold the key `source`, which the profile fixes"),
    ] {
        let expected = Refusal::BreaksRule { name: name.to_owned(), rule: rule.to_owned() };
        assert_eq!(kyc(&[(name, value)]).unwrap_err(), expected);
    }
}

#[test]
fn callers_without_a_name_or_the_scope_are_refused() {
    let profiles = Profiles::from_toml(KYC).unwrap();
    let grant = |caller| profiles.get("kyc").unwrap().grant(&caller, UploadRequest::default(), NOW);
    assert!(matches!(grant(Caller::Anonymous), Err(Refusal::NeedsCaller { .. })));
    assert!(matches!(grant(known("ann", &["upload:other"])), Err(Refusal::MissingScope { .. })));
    let open = Profiles::from_toml("[profiles.open]\nfolder = \"u/{sub}\"\nscopes = []").unwrap();
    let refusal =
        open.get("open").unwrap().grant(&Caller::Anonymous, UploadRequest::default(), NOW).unwrap_err();
    assert!(refusal.concerns_the_caller());
}

#[test]
fn a_profile_that_fixes_type_and_resource_types_hears_no_client() {
    let profiles = Profiles::from_toml(KYC).unwrap();
    let grant = |request| profiles.get("kyc").unwrap().grant(&known("ann", &["upload:kyc"]), request, NOW);
    for asked in [true, false] {
        let request = UploadRequest { should_secure_asset: Some(asked), ..UploadRequest::default() };
        assert_eq!(grant(request).unwrap_err(), Refusal::ClientMayNotSecure { profile: "kyc".to_owned() });
    }
    let request =
        UploadRequest { resource_type: Some(UploadResourceType::Video), ..UploadRequest::default() };
    insta::assert_snapshot!(grant(request).unwrap_err(), @"resource_type: the profile `kyc` does not take `video`; it takes image, raw");
}

#[test]
fn everything_wrong_with_a_file_is_named_at_once() {
    let text = r#"
        [profiles.a]
        folder = "a/../{sub}x"
        expires_in = "2h"
        type = "fetch"
        scopes = ["not a scope"]
        tags = ["{name}", "a&b"]
        client_params = { public_id = {}, notification_url = {}, colour = {}, tags = { pattern = "(" } }
        params = { proxy = "http://x", eager = "w_100", folder = "x", colours = true }
        [profiles.b]
        single = true
        ["profiles"."c d"]
    "#;
    let errors = Profiles::from_toml(text).unwrap_err();
    let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    profiles.a.expires_in: `2h` is not a lifetime: write 1m to 60m
    profiles.a.type: must be upload, private or authenticated
    profiles.a.scopes: `not a scope` is not a scope: 1 to 100 letters, digits and `:._-`
    profiles.a.folder: must be segments joined by `/`, without spaces around them, `. ..` and ? & # \ % < > +
    profiles.a.folder: must have {sub} as a whole segment
    profiles.a.tags: `{name}` has braces that are not {sub}, the only placeholder there is
    profiles.a.tags: must not be empty or contain `&`, `%26` or control characters
    profiles.a.client_params.colour: is not an upload parameter
    profiles.a.client_params.notification_url: must never be the client's
    profiles.a.client_params.public_id: must never be the client's
    profiles.a.client_params.tags.pattern: regex parse error:
        (
        ^
    error: unclosed group
    profiles.a.params.colours: is not an upload parameter
    profiles.a.params.folder: has a key of its own in the profile: use that
    profiles.a.params.proxy: is never signed: it would reach other assets, or is no parameter
    profiles.b: unknown field `single`, expected one of `folder`, `type`, `resource_types`, `allowed_formats`, `expires_in`, `use_filename`, `tags`, `context`, `moderation`, `upload_preset`, `scopes`, `client_params`, `client_may_secure`, `upload_widget`, `single_use`, `max_bytes`, `quota`, `max_open_grants`, `on_replacement`, `params`
    profiles.c d: `upload:c d` is not a scope: 1 to 100 letters, digits and `:._-`
    ");
}

fn approve(asked: &[(&str, &str)]) -> Result<Params, Refusal> {
    let asked = asked.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned().into())).collect();
    let text = "[profiles.w]\nscopes = []\nfolder = \"web\"\nuse_filename = true\ntags = [\"web\"]\n\
                upload_widget = true\nexpires_in = \"60m\"\nclient_params = { tags = { pattern = \"^[a-z,]*$\" } }";
    let profiles = Profiles::from_toml(text).unwrap();
    profiles.get("w").unwrap().approve(&Caller::Anonymous, asked, NOW).map(|approved| approved.params)
}

#[test]
fn a_widgets_parameters_are_approved_only_if_they_are_the_profiles() {
    let fine = [
        ("timestamp", "1720000000"),
        ("folder", "web"),
        ("use_filename", "1"),
        ("tags", "web,cat"),
        ("source", "uw"),
    ];
    assert_eq!(
        string_to_sign(&approve(&fine).unwrap(), SignatureVersion::V2),
        "folder=web&source=uw&tags=web,cat&timestamp=1720000000&use_filename=1"
    );
    for (name, value) in [
        ("folder", "elsewhere"),
        ("folder", ""),
        ("tags", "cat"),
        ("tags", "web,CAT"),
        ("source", "evil"),
        ("public_id", "x"),
        ("overwrite", "true"),
        ("use_filename", "false"),
        ("type", "private"),
        ("timestamp", "1720000006"),
        ("timestamp", "1719996459"),
        ("timestamp", "soon"),
        ("timestamp", "1720000000000"),
    ] {
        let mut asked: Vec<_> = fine.iter().copied().filter(|(other, _)| *other != name).collect();
        asked.push((name, value));
        assert!(approve(&asked).is_err(), "{name}={value}");
    }
    for left_out in ["timestamp", "folder", "use_filename", "tags"] {
        let asked: Vec<_> = fine.iter().copied().filter(|(name, _)| *name != left_out).collect();
        assert!(approve(&asked).is_err(), "without {left_out}");
    }
}

#[test]
fn what_the_ledger_is_asked_for_must_make_sense() {
    let lines = [
        ("single_use", "folder = \"a\"\nquota = { uploads = \"2/day\" }\nsingle_use = false"),
        ("size", "folder = \"a\"\nmax_bytes = \"10 apples\""),
        ("limit", "folder = \"a\"\nquota = { uploads = \"20\" }"),
        ("no size", "folder = \"a\"\nquota = { bytes = \"1MB/day\" }"),
        ("too little", "folder = \"a\"\nmax_bytes = \"2MB\"\nquota = { bytes = \"1MB/day\" }"),
        ("unknown", "folder = \"a\"\nquota = { files = \"1/day\" }"),
        ("names", "folder = \"a\"\nsingle_use = true\nuse_filename = true\nparams = { overwrite = true }"),
        ("no folder", "single_use = true"),
    ];
    let errors = lines.map(|(name, text)| {
        let errors = Profiles::from_toml(&format!("[profiles.a]\n{text}")).unwrap_err();
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        format!("{name}: {}", errors.join("; "))
    });
    insta::assert_snapshot!(errors.join("\n"), @r#"
    single_use: profiles.a.single_use: must not be false with max_bytes or quota: what can be used twice cannot be counted
    size: profiles.a.max_bytes: `10 apples` is not a size: write bytes, or such as 500KB, 10MB, 2GB (KiB, MiB, GiB for powers of 1,024)
    limit: profiles.a.quota.uploads: `20` is not a limit: write 20/day, with hour, day or month
    no size: profiles.a.quota.bytes: needs max_bytes: so much is set aside until a file's size is known
    too little: profiles.a.quota.bytes: is less than one file may have (2000000 bytes): no upload would pass
    unknown: profiles.a: unknown field `files`, expected `uploads` or `bytes`
    names: profiles.a.use_filename: has no meaning with single_use, max_bytes or quota: the server makes the public id; profiles.a.params.overwrite: has no meaning with single_use, max_bytes or quota: the server makes the public id
    no folder: profiles.a.folder: is missing: with single_use, max_bytes or quota the public id is signed, and without a folder beside it that signature would be good for deleting the upload as well; write folder = "NAME/{sub}"
    "#);
}

#[test]
fn a_tracked_grant_is_good_for_one_public_id() {
    let profiles =
        Profiles::from_toml("[profiles.a]\nfolder = \"a/{sub}\"\nscopes = []\nmax_bytes = \"1MB\"").unwrap();
    let (profile, caller) = (profiles.get("a").unwrap(), known("ann", &[]));
    let mut grant = profile.grant(&caller, UploadRequest::default(), NOW).unwrap();
    let id = UploadId::new(NOW.into(), [7; 10]);
    let tracked = profile.track(&mut grant, &caller, id, Some("https://sign.example.com/hook")).unwrap();
    assert_eq!(tracked.public_id, format!("a/ann/{id}"));
    let expected = format!(
        "folder=a/ann&notification_url=https://sign.example.com/hook&overwrite=false&public_id={id}&timestamp=1719998200"
    );
    assert_eq!(string(&grant), expected);
    let refusal = profile.approve(&caller, BTreeMap::from([("timestamp".to_owned(), NOW.0.into())]), NOW);
    assert_eq!(refusal, Err(Refusal::NamesUploads { profile: "a".to_owned() }));
}

#[test]
fn a_folder_that_callers_share_is_nobodys_where_the_ledger_knows_whose_each_asset_is() {
    let toml = |more: &str| format!("[profiles.a]\nfolder = \"a\"\nscopes = []\n{more}");
    let owns = |text: &str| Profiles::from_toml(text).unwrap().owns(&known("ann", &[]), "a/b");
    assert!(owns(&toml("")));
    assert!(!owns(&toml("single_use = true")));
}

fn widget(text: &str) -> String {
    let errors = Profiles::from_toml(&format!("[profiles.w]\nfolder = \"w\"\nupload_widget = true\n{text}"));
    let errors: Vec<_> = errors.err().unwrap_or_default().iter().map(ToString::to_string).collect();
    errors.join("\n")
}

#[test]
fn a_profile_for_widgets_promises_only_what_it_can_keep() {
    assert_eq!(widget("expires_in = \"60m\""), "");
    insta::assert_snapshot!(widget(""), @r#"profiles.w.upload_widget: needs expires_in = "60m": a widget sends the current time as its timestamp, so that its signature is valid for the provider's whole hour"#);
    assert_eq!(widget("expires_in = \"59m\""), widget(""));
    insta::assert_snapshot!(widget("expires_in = \"60m\"\nquota = { uploads = \"1/day\" }"), @"profiles.w.upload_widget: does not go with single_use, max_bytes or quota: they need a public id that the server makes, and a widget sends its own parameters");
}

#[test]
fn no_upload_replaces_another_because_it_has_its_name() {
    for (keys, expected) in [
        ("use_filename = true", "use_filename=true"),
        ("params = { unique_filename = false }", "overwrite=false&unique_filename=false"),
        ("params = { unique_filename = \"0\" }", "overwrite=false&unique_filename=false"),
        (
            "use_filename = true\nparams = { unique_filename = 0, filename_override = \"contract\" }",
            "filename_override=contract&overwrite=false&unique_filename=false&use_filename=true",
        ),
        ("params = { unique_filename = false, overwrite = true }", "overwrite=true&unique_filename=false"),
        ("params = { overwrite = false }", "overwrite=false"),
    ] {
        let profiles = Profiles::from_toml(&format!("[profiles.a]\nscopes = []\n{keys}")).unwrap();
        let grant =
            profiles.get("a").unwrap().grant(&Caller::Anonymous, UploadRequest::default(), NOW).unwrap();
        assert_eq!(
            string(&grant).replace("timestamp=1719998200", "").replace("&&", "&").trim_matches('&'),
            expected
        );
    }
    for name in ["unique_filename", "use_filename", "filename_override", "overwrite"] {
        let text = format!("[profiles.a]\nclient_params = {{ {name} = {{}} }}");
        let errors = Profiles::from_toml(&text).unwrap_err();
        assert_eq!(
            errors[0].to_string(),
            format!("profiles.a.client_params.{name}: must never be the client's")
        );
    }
    let errors = Profiles::from_toml("[profiles.a]\nparams = { unique_filename = \"no\" }").unwrap_err();
    assert_eq!(errors[0].to_string(), "profiles.a.params.unique_filename: must be true or false");
}
