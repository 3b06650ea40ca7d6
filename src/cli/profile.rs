//! `countersign profile explain`: what a profile would sign, or why not.

use clap::{Args, Subcommand};

use super::output::Output;
use super::{Answer, Usage};
use crate::auth::Caller;
use crate::clock::Clock;
use crate::profiles::{Grant, Profiles, UploadRequest};

const EXAMPLES: &str = "\
Examples:
  countersign profile explain default
  countersign profile explain default --param should_secure_asset=true

Nothing is signed and no account is needed. Exit code 1: the profile refuses, and the line says why.";

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
}

/// What a caller would ask for.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::doc_markdown, reason = "docs become help")]
struct ExplainProfile {
    /// The profile's name
    #[arg(value_name = "PROFILE")]
    name: String,
    /// What the client asks for, such as should_secure_asset=true or resource_type=image; can be given again
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
}

pub(super) fn run(command: &ProfileCommand) -> anyhow::Result<Answer> {
    let Action::Explain(command) = &command.action;
    let profiles = Profiles::reference();
    let profile = profiles.get(&command.name).map_err(|error| Usage(error.to_string()))?;
    let mut output = Output::stdout();
    let grant = command.request().and_then(|request| {
        profile
            .grant(&Caller::Anonymous, request, Clock::system().now())
            .map_err(|refusal| refusal.to_string())
    });
    let answer = match grant {
        Ok(grant) => show(&grant, &mut output).map(|()| Answer::Yes)?,
        Err(refusal) => output.line(format!("refused: {refusal}")).map(|()| Answer::No)?,
    };
    output.finish()?;
    Ok(answer)
}

impl ExplainProfile {
    fn request(&self) -> Result<UploadRequest, String> {
        let mut request = UploadRequest::default();
        for param in &self.params {
            match param.split_once('=') {
                Some(("should_secure_asset", "true")) => request.should_secure_asset = Some(true),
                Some(("should_secure_asset", "false")) => request.should_secure_asset = Some(false),
                Some(("should_secure_asset", _)) => {
                    return Err("should_secure_asset: must be true or false".to_owned());
                }
                Some(("resource_type", word)) => {
                    request.resource_type =
                        word.parse().map_err(|error| format!("resource_type: {error}"))?;
                }
                _ => {
                    let name = param.split('=').next().unwrap_or_default();
                    return Err(format!(
                        "{name}: the profile `{}` does not let the client choose it",
                        self.name
                    ));
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
    output.line(format!("at       …/{}/upload", grant.resource_type.as_str()))
}
