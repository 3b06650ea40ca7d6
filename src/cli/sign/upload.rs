//! One signed upload, and how it is shown: to a person step by step, to a program as JSON.

use crate::signing::cloudinary::TIMESTAMP_WINDOW_SECONDS;
use std::io;

use anstyle::{AnsiColor, Style};
use rand::random;
use serde::Serialize;

use super::SignCommand;
use crate::cli::Usage;
use crate::cli::moments::in_utc;
use crate::cli::output::{Output, say};
use crate::cli::profile;
use crate::clock::UnixSeconds;
use crate::config::CloudinaryAccount;
use crate::profiles::{UploadId, UploadRequest, UploadResourceType};
use crate::signing::cloudinary::string_to_sign;
use crate::signing::{ParamValue, Params, Signature};

/// An upload that may be performed, with everything that a client must send beside the file.
#[derive(Debug, Serialize)]
pub(super) struct SignedUpload {
    pub(super) payload: Params,
    pub(super) string_to_sign: String,
    pub(super) signature: Signature,
    algorithm: &'static str,
    signature_version: u8,
    cloud_name: String,
    pub(super) api_key: String,
    expires_at: UnixSeconds,
    pub(super) upload_url: String,
}

/// What is to be signed, and until when the provider accepts it.
struct Permission {
    params: Params,
    expires_at: UnixSeconds,
    resource_type: UploadResourceType,
}

impl SignedUpload {
    /// Signs what the command asks for.
    pub(super) fn new(
        command: &SignCommand,
        account: &CloudinaryAccount,
        now: UnixSeconds,
    ) -> anyhow::Result<Self> {
        let Permission { params, expires_at, resource_type } = match &command.profile {
            Some(name) => granted(command, name, now)?.with(&command.params)?,
            None => free(command, now)?,
        };
        let signer = command.signer(account);
        let string_to_sign = string_to_sign(&params, signer.version());
        Ok(Self {
            signature: signer.sign_string(&string_to_sign),
            string_to_sign,
            algorithm: signer.algorithm().name(),
            signature_version: signer.version().number(),
            payload: params,
            cloud_name: account.cloud.clone(),
            api_key: account.api_key.clone(),
            expires_at,
            upload_url: format!(
                "{}/v1_1/{}/{}/upload",
                account.upload_prefix,
                account.cloud,
                resource_type.as_str()
            ),
        })
    }

    /// Shows every step on the way to the signature.
    pub(super) fn show(&self, output: &mut Output) -> io::Result<()> {
        let label = Style::new().bold();
        let value = AnsiColor::Green.on_default();
        for (index, (name, text)) in self.payload.iter().enumerate() {
            let head = if index == 0 { "parameters" } else { "" };
            let head = output.paint(label, &format!("{head:<16}"));
            output.line(format!("{head}{name}={text}"))?;
        }
        let hash = format!("{} ({}, version {})", self.signature, self.algorithm, self.signature_version);
        for (head, text) in [
            ("string to sign", self.string_to_sign.clone()),
            ("signature", output.paint(value, &hash)),
            ("api key", self.api_key.clone()),
            ("upload to", self.upload_url.clone()),
            ("accepted until", in_utc(self.expires_at)),
        ] {
            let head = output.paint(label, &format!("{head:<16}"));
            output.line(format!("{head}{text}"))?;
        }
        Ok(())
    }
}

fn granted(command: &SignCommand, name: &str, now: UnixSeconds) -> anyhow::Result<Permission> {
    let profiles = profile::read_file(&command.profiles)?;
    let profile = profiles.get(name).map_err(|error| Usage(error.to_string()))?;
    let request = UploadRequest { resource_type: command.resource_type, ..UploadRequest::default() };
    let caller = command.caller.caller(name);
    let mut grant = profile.grant(&caller, request, now)?;
    if profile.track(&mut grant, &caller, UploadId::new(now.into(), random()), None).is_some() {
        say(format_args!(
            "countersign: the server alone keeps grants: nothing will count, check or own what is uploaded with this one"
        ));
    }
    Ok(Permission {
        expires_at: grant.expires_at(),
        params: grant.params,
        resource_type: grant.resource_type,
    })
}

/// Exactly the parameters given, and the time unless they name it.
fn free(command: &SignCommand, now: UnixSeconds) -> Result<Permission, Usage> {
    let named = command.params.iter().find(|(name, _)| name == "timestamp");
    let timestamp = named.map_or(Ok(now), |(_, text)| parse_timestamp(text, now))?;
    let mut params = Params::with_capacity(command.params.len() + 1);
    if named.is_none() {
        params.push("timestamp", now.0);
    }
    let permission = Permission {
        params,
        expires_at: timestamp.plus(TIMESTAMP_WINDOW_SECONDS),
        resource_type: command.resource_type.unwrap_or_default(),
    };
    permission.with(&command.params)
}

impl Permission {
    /// Adds what the operator, who owns the secret, wants beside. What is empty is neither signed nor sent.
    fn with(mut self, given: &[(String, String)]) -> Result<Self, Usage> {
        for (name, value) in given {
            if self.params.get(name).is_some() {
                return Err(Usage(format!(
                    "--param {name}: there is `{name}` already; give each name once, and leave --profile out to choose what it fixes"
                )));
            }
            if !value.is_empty() {
                self.params.push(name.clone(), ParamValue::from(value.clone()));
            }
        }
        Ok(self)
    }
}

fn parse_timestamp(text: &str, now: UnixSeconds) -> Result<UnixSeconds, Usage> {
    let timestamp = text.parse().map(UnixSeconds);
    timestamp.ok().filter(|timestamp| timestamp.0 < 100 * now.0.max(1)).ok_or_else(|| {
        Usage(format!("--param timestamp: `{text}` is not a time in whole seconds since 1970, such as {now}"))
    })
}
