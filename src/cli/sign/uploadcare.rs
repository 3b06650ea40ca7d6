//! `countersign sign --provider uploadcare`: what uploads need until a time.

use std::io;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::SignCommand;
use crate::cli::moments::in_utc;
use crate::cli::output::Output;
use crate::cli::{Answer, Usage, profile};
use crate::clock::{Clock, UnixSeconds};
use crate::config::{Problems, UploadcareAccount};
use crate::signing::Signature;
use crate::signing::uploadcare::upload_signature;

/// A signature with what it was made of.
#[derive(Debug, Serialize)]
struct SignedUploads {
    string_to_sign: String,
    signature: Signature,
    expire: String,
    public_key: String,
    expires_at: UnixSeconds,
    upload_url: String,
}

/// Signs and shows it.
pub(super) fn run(command: &SignCommand) -> anyhow::Result<Answer> {
    let account = account(command)?;
    let signed = SignedUploads::new(command, account, Clock::system().now())?;
    let mut output = Output::stdout();
    if command.json {
        output.json(&signed)?;
    } else {
        signed.show(&mut output)?;
    }
    output.finish()?;
    Ok(Answer::Yes)
}

fn account(command: &SignCommand) -> anyhow::Result<UploadcareAccount> {
    if !command.params.is_empty() || command.resource_type.is_some() || command.file.is_some() || command.curl
    {
        let text = "--param, --resource-type, --file and --curl are for Cloudinary: a signature of Uploadcare holds nothing but the time";
        return Err(Usage(text.to_owned()).into());
    }
    let mut problems = Problems::default();
    let account = command.uploadcare.check(&mut problems);
    if account.is_none() && problems.is_empty() {
        problems.add("UPLOADCARE_PUBLIC_KEY", "is not set: set it and UPLOADCARE_SECRET_KEY");
    }
    Ok(problems.finish(account)?)
}

impl SignedUploads {
    fn new(command: &SignCommand, account: UploadcareAccount, now: UnixSeconds) -> anyhow::Result<Self> {
        let profiles = profile::read_file(&command.profiles)?;
        let profile = profiles.uploadcare(command.profile.as_deref());
        let profile = profile.map_err(|error| Usage(error.to_string()))?;
        let grant = profile.grant(&command.caller.caller(profile.name()), now)?;
        if grant.token.is_some() {
            return Err(
                Usage(format!("the profile `{}` makes tokens, not signatures", profile.name())).into()
            );
        }
        let expire = grant.expires_at.to_string();
        Ok(Self {
            signature: upload_signature(&account.secret_key, &expire),
            string_to_sign: expire.clone(),
            expire,
            expires_at: grant.expires_at,
            upload_url: format!("{}/base/", account.upload_base),
            public_key: account.public_key,
        })
    }

    fn show(&self, output: &mut Output) -> io::Result<()> {
        let value = AnsiColor::Green.on_default();
        let signature = format!("{} (HMAC-SHA256)", self.signature);
        for (head, text) in [
            ("string to sign", self.string_to_sign.clone()),
            ("signature", output.paint(value, &signature)),
            ("expire", self.expire.clone()),
            ("public key", self.public_key.clone()),
            ("upload to", self.upload_url.clone()),
            ("accepted until", in_utc(self.expires_at)),
        ] {
            let head = output.paint(Style::new().bold(), &format!("{head:<16}"));
            output.line(format!("{head}{text}"))?;
        }
        Ok(())
    }
}
