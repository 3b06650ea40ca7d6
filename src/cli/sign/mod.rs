//! `countersign sign`: signs one upload and shows every step, or signs JSON lines by the million.

mod batch;
mod curl;
mod upload;
mod uploadcare;

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};

use super::output::{Output, say};
use super::profile::CallerArgs;
use super::{Answer, Usage};
use crate::clock::Clock;
use crate::config::{CloudinaryAccount, CloudinaryArgs, ProfilesArgs, UploadcareArgs};
use crate::profiles::UploadResourceType;
use crate::signing::Algorithm;
use crate::signing::cloudinary::{NOT_SIGNED, SignatureVersion, Signer};
use upload::SignedUpload;

const EXAMPLES: &str = "\
Examples:
  countersign sign --param folder=kyc/1 --param tags=a,b
  countersign sign --profile default --json
  countersign sign --profile default --file photo.jpg --curl | sh
  countersign sign --batch < params.jsonl > signatures.jsonl
  countersign sign --provider uploadcare --json

How a signature is made: the parameters are sorted by name and joined as name=value with `&`
(an `&` inside a value becomes %26 in version 2), the API secret is appended, and the whole is
hashed with SHA-1 or SHA-256. Every parameter that is sent must be signed, except file, api_key,
signature, cloud_name and resource_type, which never are. The provider accepts a signature for
one hour from its timestamp; a profile sets the timestamp back, so that it ends sooner.

With --curl the output is one complete command for bash or sh (curl 7.76 or later). A file over
100 MB goes up in parts of 20 MB under the same signature.

With --batch every line of standard input is a JSON object and is signed as it stands, like
api_sign_request of the official SDKs: {\"string_to_sign\":\"…\",\"signature\":\"…\"}. A line that cannot
be signed answers {\"error\":\"line 3: …\"} in its place, and the exit code is 1 at the end.";

/// What to sign, and how to show it.
#[derive(Args, Debug)]
#[command(
    after_help = EXAMPLES,
    group = ArgGroup::new("one upload").multiple(true).conflicts_with("batch")
)]
pub(super) struct SignCommand {
    /// Whose uploads to sign
    #[arg(long, value_name = "PROVIDER", default_value = "cloudinary", conflicts_with = "batch")]
    provider: Provider,
    /// Sign what this profile grants; without it, exactly the parameters given and the time
    #[arg(long, value_name = "PROFILE", group = "one upload")]
    profile: Option<String>,
    #[command(flatten)]
    caller: CallerArgs,
    /// A parameter to sign and send, such as folder=kyc/1; can be given again
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parse_param, group = "one upload")]
    params: Vec<(String, String)>,
    /// Where to upload to: auto, image, video or raw [default: auto]
    #[arg(long, value_name = "TYPE", group = "one upload")]
    resource_type: Option<UploadResourceType>,
    /// The file that --curl uploads
    #[arg(long, value_name = "FILE", group = "one upload", allow_hyphen_values = true)]
    file: Option<PathBuf>,
    /// Print the cURL command that performs the upload
    #[arg(long, conflicts_with = "json", group = "one upload")]
    curl: bool,
    /// Print one JSON object
    #[arg(long, group = "one upload")]
    json: bool,
    /// Sign JSON objects from standard input, one a line
    #[arg(long)]
    batch: bool,
    /// Hash: sha1 or sha256 [default: the account's, else sha1]
    #[arg(long, value_name = "ALGORITHM")]
    algorithm: Option<Algorithm>,
    /// Whether `&` inside a value is signed as %26 (2) or as it stands (1) [default: the account's, else 2]
    #[arg(long, value_name = "VERSION")]
    signature_version: Option<SignatureVersion>,
    /// File with the API secret to sign with, instead of the account's
    #[arg(long, value_name = "FILE", requires = "batch")]
    secret_file: Option<PathBuf>,
    #[command(flatten)]
    profiles: ProfilesArgs,
    #[command(flatten, next_help_heading = "Account")]
    account: CloudinaryArgs,
    #[command(flatten, next_help_heading = "Uploadcare")]
    uploadcare: UploadcareArgs,
}

/// Whose uploads are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Provider {
    Cloudinary,
    Uploadcare,
}

pub(super) fn run(command: &SignCommand) -> anyhow::Result<Answer> {
    if command.batch {
        return batch::run(command.batch_signer()?);
    }
    if command.provider == Provider::Uploadcare {
        return uploadcare::run(command);
    }
    let account = command.account.require()?;
    let upload = SignedUpload::new(command, &account, Clock::system().now())?;
    let mut output = Output::stdout();
    if command.curl {
        output.line(curl::command(&upload, command.file.as_deref())?)?;
        if command.file.is_none() {
            say(format_args!("put the name of your file in for {}", curl::PLACEHOLDER));
        }
    } else if command.json {
        output.json(&upload)?;
    } else {
        upload.show(&mut output)?;
    }
    output.finish()?;
    Ok(Answer::Yes)
}

impl SignCommand {
    fn signer(&self, account: &CloudinaryAccount) -> Signer {
        Signer::new(
            account.api_secret.clone(),
            self.algorithm.unwrap_or(account.algorithm),
            self.signature_version.unwrap_or(account.version),
        )
    }

    /// A secret in a file stands alone; otherwise the account is asked, and how it is set to sign.
    fn batch_signer(&self) -> anyhow::Result<Signer> {
        let Some(file) = &self.secret_file else {
            return Ok(self.signer(&self.account.require()?));
        };
        let text = std::fs::read_to_string(file)
            .map_err(|error| Usage(format!("the file `{}` cannot be read: {error}", file.display())))?;
        if text.trim().is_empty() {
            return Err(Usage(format!("the file `{}` holds no secret", file.display())).into());
        }
        let algorithm = self.algorithm.unwrap_or_default();
        Ok(Signer::new(text.trim().into(), algorithm, self.signature_version.unwrap_or_default()))
    }
}

/// `NAME=VALUE`, unless the name is one that is never signed.
fn parse_param(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE, such as folder=kyc/1")?;
    if name.is_empty() {
        return Err("has no name before the `=`".to_owned());
    }
    if NOT_SIGNED.contains(&name) {
        return Err(never_signed(name).to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn never_signed(name: &str) -> &'static str {
    match name {
        "file" => "`file` is never signed: it goes beside the parameters; name it with --file",
        "resource_type" => {
            "`resource_type` is never signed: it is part of the upload URL; name it with --resource-type"
        }
        "cloud_name" => {
            "`cloud_name` is never signed: it is part of the upload URL and comes from the account"
        }
        "api_key" => "`api_key` is never signed: it goes beside the parameters and comes from the account",
        _ => "`signature` is never signed: it is what this command makes",
    }
}
