//! `countersign profile test`: cases that hold the profiles to what a team expects of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use anstyle::AnsiColor;
use clap::Args;

use super::super::output::Output;
use super::super::{Answer, Usage};
use super::case::{self, Case, Expected};
use super::read_file;
use crate::api::ApiError;
use crate::config::ProfilesArgs;
use crate::profiles::{DEFAULT_FILES_PER_SIGNATURE, Profiles, UploadId, UploadcareGrant};
use crate::signing::ParamValue;

const EXAMPLES: &str = "\
Examples:
  countersign profile test cases.toml
  countersign profile test cases.toml --profiles-file profiles.toml

A case in the file:
  [[case]]
  name = \"alice's papers are private\"
  profile = \"kyc\"
  as = \"alice\"
  params = { tags = \"passport\" }
  signed = { folder = \"kyc/alice\", type = \"private\", tags = \"kyc,passport\" }

  [[case]]
  profile = \"kyc\"
  refused = \"forbidden\"

A case may also have scopes, resource_type, should_secure_asset and at (Unix seconds). `signed` must
be all that is signed, but for the timestamp, which is compared where it is named; for an Uploadcare
profile it holds mode and expires_in_seconds, and for tokens operations and paths. `refused` is
forbidden, refused_by_profile or profile_not_found, and message_contains a part of the message.
Nothing is signed, and no account is needed.
Exit code: 0 every case passes, 1 some fail, 2 the file, its cases or the profiles are wrong.";

/// Which cases.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct TestProfiles {
    /// The file with the cases (TOML)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    profiles: ProfilesArgs,
}

pub(super) fn run(command: &TestProfiles) -> anyhow::Result<Answer> {
    let profiles = read_file(&command.profiles)?;
    let cases = case::read(&command.file)?;
    refuse_what_uploadcare_cannot_sign(&cases, &profiles)?;
    let mut output = Output::stdout();
    let mut failed = 0_usize;
    for case in &cases {
        let differences = case.differences(&profiles);
        failed += usize::from(!differences.is_empty());
        show(&case.name, &differences, &mut output)?;
    }
    output.line(format!("{} passed, {failed} failed", cases.len() - failed))?;
    output.finish()?;
    Ok(if failed == 0 { Answer::Yes } else { Answer::No })
}

/// A case that asks for what the route cannot even be asked for proves nothing.
fn refuse_what_uploadcare_cannot_sign(cases: &[Case], profiles: &Profiles) -> Result<(), Usage> {
    let is_uploadcare = |case: &&Case| profiles.uploadcare(Some(&case.profile)).is_ok();
    match cases.iter().filter(is_uploadcare).find(|case| case.asks_for_anything()) {
        None => Ok(()),
        Some(Case { name, profile, .. }) => Err(Usage(format!(
            "the case `{name}`: `{profile}` is an Uploadcare profile, which takes no params, resource_type or \
             should_secure_asset: leave them out"
        ))),
    }
}

fn show(name: &str, differences: &[String], output: &mut Output) -> io::Result<()> {
    if differences.is_empty() {
        let ok = output.paint(AnsiColor::Green.on_default(), "ok");
        return output.line(format!("{ok}   {name}"));
    }
    let fail = output.paint(AnsiColor::Red.on_default(), "FAIL");
    output.line(format!("{fail} {name}: {}", differences.join("; ")))
}

/// What is signed, by name, as it goes over the wire.
type Signed = BTreeMap<String, String>;

impl Case {
    /// What is not as expected.
    fn differences(&self, profiles: &Profiles) -> Vec<String> {
        match (&self.expected, self.signed(profiles)) {
            (Expected::Signed(expected), Ok(signed)) => compare(expected, &signed),
            (Expected::Signed(_), Err(error)) => vec![format!("refused as {}: {error}", error.code())],
            (Expected::Refused { code, .. }, Ok(_)) => {
                vec![format!("signed, expected {}", code.as_str())]
            }
            (Expected::Refused { code, .. }, Err(error)) if error.code() != code.as_str() => {
                vec![format!("refused as {}, expected {}: {error}", error.code(), code.as_str())]
            }
            (Expected::Refused { message_contains, .. }, Err(error)) => {
                let message = error.to_string();
                let missing = message_contains.iter().filter(|part| !message.contains(part.as_str()));
                missing.map(|part| format!("the message does not contain {part:?}: {message}")).collect()
            }
        }
    }

    /// What the service would sign, or the error that it would answer with.
    fn signed(&self, profiles: &Profiles) -> Result<Signed, ApiError> {
        if let Ok(profile) = profiles.uploadcare(Some(&self.profile)) {
            return Ok(facts(&profile.grant(&self.caller, self.at)?));
        }
        let profile = profiles.get(&self.profile)?;
        let mut grant = profile.grant(&self.caller, self.request.clone(), self.at)?;
        profile.track(&mut grant, &self.caller, UploadId::new(self.at.into(), [0; 10]), None);
        Ok(grant.params.iter().map(|(name, value)| (name.to_owned(), value.to_string())).collect())
    }
}

/// A signature of Uploadcare binds only the time, and a token what limits it; files may be held to more later.
fn facts(grant: &UploadcareGrant<'_>) -> Signed {
    let lifetime = grant.expires_at.0 - grant.issued_at.0;
    let mode = if grant.token.is_some() { "token" } else { "signature" };
    let mut facts = Signed::from([
        ("mode".to_owned(), mode.to_owned()),
        ("expires_in_seconds".to_owned(), lifetime.to_string()),
    ]);
    if let Some(limits) = &grant.token {
        facts.extend(limits.operations.map(|operations| ("operations".to_owned(), operations.to_string())));
        if !limits.paths.is_empty() {
            facts.insert("paths".to_owned(), limits.paths.join(","));
        }
    }
    if let Some(owner) = &grant.owner {
        facts.insert("owned".to_owned(), "true".to_owned());
        // Said only where the profile says something, so that cases from before stay valid.
        if owner.files != DEFAULT_FILES_PER_SIGNATURE && !facts.contains_key("operations") {
            facts.insert("files_per_signature".to_owned(), owner.files.to_string());
        }
        facts.extend(owner.terms.max_bytes.map(|most| ("max_bytes".to_owned(), most.to_string())));
    }
    facts
}

/// Every parameter that is missing, too many or another.
fn compare(expected: &BTreeMap<String, ParamValue>, signed: &Signed) -> Vec<String> {
    let names: BTreeSet<_> = expected.keys().chain(signed.keys()).collect();
    let difference = |name: &String| match (expected.get(name).map(ToString::to_string), signed.get(name)) {
        (Some(expected), Some(found)) if expected != *found => {
            Some(format!("{name} is {found:?}, expected {expected:?}"))
        }
        (Some(expected), None) => Some(format!("{name} is not signed, expected {expected:?}")),
        // The server makes these two anew each time.
        (None, Some(found)) if !["timestamp", "public_id"].contains(&name.as_str()) => {
            Some(format!("{name} is {found:?}, expected nothing"))
        }
        _ => None,
    };
    names.into_iter().filter_map(difference).collect()
}
