//! `countersign profile`: what a profile would sign for a caller, or why not; and whether it still does.

mod case;
mod test;

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::{Args, Subcommand};
use rand::random;
use secrecy::SecretString;

use super::output::Output;
use super::{Answer, Usage};
use crate::auth::{Caller, Scope, Subject};
use crate::clock::Clock;
use crate::config::{Problems, ProfilesArgs, ProfilesFile};
use crate::profiles::{Grant, Profiles, Reservation, Tracked, UploadId, UploadRequest};
use crate::signing::ParamValue;

const EXAMPLES: &str = "\
Examples:
  countersign profile explain default --param should_secure_asset=true
  countersign profile explain kyc --as user-42 --param tags=passport
  countersign profile explain kyc --as user-42 --scope upload:kyc --scope team:risk

Says what a client that asks for this would be granted. Nothing is signed, and no account is
needed. Exit code 1: the profile refuses, and the line says why.";

/// Profiles, looked at from outside.
#[derive(Args, Debug)]
pub(super) struct ProfileCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say what a profile would sign for a caller, or why it would not
    Explain(ExplainProfile),
    /// Hold the profiles to a file of cases: what they must sign, and what they must refuse
    Test(test::TestProfiles),
}

/// What a caller would ask for.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::doc_markdown, reason = "docs become help")]
struct ExplainProfile {
    /// The profile's name
    #[arg(value_name = "PROFILE")]
    name: String,
    #[command(flatten)]
    caller: CallerArgs,
    /// What the client asks for: a parameter, should_secure_asset or resource_type; can be given again
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    #[command(flatten)]
    profiles: ProfilesArgs,
}

/// For whom a profile is tried.
#[derive(Args, Debug)]
pub(super) struct CallerArgs {
    /// Try it as this caller, who holds the profile's own upload scope; without it as nobody in particular
    #[arg(long = "as", value_name = "SUBJECT")]
    subject: Option<String>,
    /// A further scope that the caller holds; can be given again
    #[arg(long = "scope", value_name = "SCOPE", requires = "subject")]
    scopes: Vec<Scope>,
}

impl CallerArgs {
    /// The caller to grant `profile` to.
    pub(super) fn caller(&self, profile: &str) -> Caller {
        let Some(name) = &self.subject else { return Caller::Anonymous };
        let scopes = self.scopes.iter().cloned().chain([Scope::upload(profile)]).collect();
        Caller::Known(Arc::new(Subject { name: name.clone(), scopes }))
    }
}

/// The profiles of the file, or the reference app's one.
pub(super) fn read(file: Option<&ProfilesFile>) -> Result<Profiles, Problems> {
    let Some(file) = file else { return Ok(Profiles::reference()) };
    let name = format!("PROFILES_FILE {}", file.path.display());
    Profiles::from_toml(&file.text).map_err(|errors| Problems::of_each(&name, errors))
}

/// Refuses profiles that nothing would ever settle: what Uploadcare tells of files is believed if it is signed.
pub(super) fn check_webhooks(
    profiles: &Profiles,
    webhook_secret: Option<&SecretString>,
) -> Result<(), Problems> {
    if webhook_secret.is_some() || !profiles.need_webhooks() {
        return Ok(());
    }
    let kept = profiles.iter_uploadcare().filter(|profile| profile.terms().is_some());
    let names: Vec<_> = kept.map(|profile| format!("`{}`", profile.name())).collect();
    let why = format!(
        "is missing: without it no webhook is believed, and nothing settles what owned, max_bytes and quota ask for in {}",
        names.join(", ")
    );
    Err(Problems::of_each("UPLOADCARE_WEBHOOK_SECRET", [why]))
}

/// The profiles for a command that reads nothing else of the configuration.
pub(super) fn read_file(args: &ProfilesArgs) -> Result<Profiles, Problems> {
    let mut problems = Problems::default();
    let file = args.read(&mut problems);
    read(problems.finish(Some(file))?.as_ref())
}

pub(super) fn run(command: &ProfileCommand) -> anyhow::Result<Answer> {
    match &command.action {
        Action::Explain(command) => explain(command),
        Action::Test(command) => test::run(command),
    }
}

fn explain(command: &ExplainProfile) -> anyhow::Result<Answer> {
    let profiles = read_file(&command.profiles)?;
    let profile = profiles.get(&command.name).map_err(|error| Usage(error.to_string()))?;
    let request = command.request()?;
    let mut output = Output::stdout();
    let caller = command.caller.caller(&command.name);
    let now = Clock::system().now();
    let answer = match profile.grant(&caller, request, now) {
        Ok(mut grant) => {
            let tracked = profile.track(&mut grant, &caller, UploadId::new(now.into(), random()), None);
            show(&grant, &mut output)?;
            tracked.map_or(Ok(()), |tracked| show_tracked(&tracked, &mut output))?;
            Answer::Yes
        }
        Err(refusal) => output.line(format!("refused: {refusal}")).map(|()| Answer::No)?,
    };
    output.finish()?;
    Ok(answer)
}

impl ExplainProfile {
    fn request(&self) -> Result<UploadRequest, Usage> {
        let wrong = |name: &str, why: &dyn std::fmt::Display| Usage(format!("--param {name}: {why}"));
        let mut request = UploadRequest { params: BTreeMap::new(), ..UploadRequest::default() };
        for param in &self.params {
            let Some((name, value)) = param.split_once('=') else {
                return Err(wrong(param, &"must be NAME=VALUE"));
            };
            match name {
                "should_secure_asset" => {
                    let asked = value.parse().map_err(|_source| wrong(name, &"must be true or false"))?;
                    request.should_secure_asset = Some(asked);
                }
                "resource_type" => {
                    request.resource_type = Some(value.parse().map_err(|error| wrong(name, &error))?);
                }
                _ => {
                    request.params.insert(name.to_owned(), ParamValue::from(value.to_owned()));
                }
            }
        }
        Ok(request)
    }
}

fn show(grant: &Grant, output: &mut Output) -> std::io::Result<()> {
    for (name, value) in grant.params.iter() {
        output.line(format!("signs    {name}={value}"))?;
    }
    output.line(format!("for      {}", grant.lifetime))?;
    output.line(format!("at       …/{}/upload", grant.resource_type))
}

/// What the ledger would keep.
fn show_tracked(tracked: &Tracked, output: &mut Output) -> std::io::Result<()> {
    output.line("keeps    the grant in the ledger: one upload, under this public id")?;
    if let Some(most) = tracked.terms.max_bytes {
        output.line(format!("takes    {most} bytes at most"))?;
    }
    for Reservation { measure, amount, limit, window } in &tracked.reservations {
        let (measure, period) = (measure.as_str(), &window.name);
        output.line(format!("counts   {amount} of {limit} {measure} in {period}"))?;
    }
    Ok(())
}
