//! Refusals that say themselves what is wrong: what they mean, and what to do.

use secrecy::ExposeSecret;

use super::Known;
use super::cause::{Cause, Finding, shown};
use super::refusal::{FixedText, Refusal};
use super::timing;

/// What a refusal means; `None` for one that has nothing to do with signing.
pub(super) fn explain(refusal: &Refusal<'_>, known: &Known<'_>) -> Option<Finding> {
    Some(match refusal {
        Refusal::UnknownApiKey(key) => unknown_key(key, known),
        Refusal::Missing(name) => missing(name),
        Refusal::UnknownCloud(cloud) => unknown_cloud(cloud, known),
        Refusal::NeedsSignature(name) => Finding::new(
            Cause::ParameterNeedsSignature,
            format!(
                "the request carries no signature, and the parameter {} is taken from signed ones only",
                shown(name)
            ),
            "sign the upload, or set the parameter in the upload preset",
        ),
        Refusal::InvalidValue { value, name: "timestamp" } if timing::is_in_milliseconds(value) => {
            timing::in_milliseconds(value)
        }
        Refusal::InvalidValue { value, name: "timestamp" } => Finding::new(
            Cause::TimestampUnit,
            format!("the timestamp {} is not a number of seconds since 1970", shown(value)),
            "send Unix seconds, such as Math.floor(Date.now() / 1000)",
        ),
        Refusal::LinkExpired => Finding::new(
            Cause::TimestampExpired,
            "the link's own end, `expires_at`, has passed",
            "make a new link right before it is used",
        ),
        Refusal::FormatNotAllowed(format) => Finding::new(
            Cause::FormatNotAllowed,
            format!(
                "the file is {}, which the signed `allowed_formats` or the upload preset does not list",
                shown(format)
            ),
            "add the format to allowed_formats (a jpeg is listed as jpg), or upload a file of a listed one",
        ),
        Refusal::InvalidExtension(format) => Finding::new(
            Cause::UnknownFormat,
            format!("{} is no format that a file is stored in", shown(format)),
            "name the stored format, such as jpg; for raw assets leave the format out and use resource_type=raw",
        ),
        Refusal::NotFound(public_id) => Finding::new(
            Cause::AssetNotFound,
            format!("there is no asset {} of this resource type and delivery type", shown(public_id)),
            "name the public id without its format (raw assets with it), and the type it was uploaded with: type=private or authenticated is not the default",
        ),
        Refusal::Fixed(text) => fixed(*text),
        Refusal::InvalidSignature { .. }
        | Refusal::Stale { .. }
        | Refusal::InvalidValue { .. }
        | Refusal::Other => {
            return None;
        }
    })
}

fn unknown_key(key: &str, known: &Known<'_>) -> Finding {
    let new = |message: String, fix: &str| Finding::new(Cause::UnknownApiKey, message, fix);
    let is_secret = known.secret.is_some_and(|secret| secret.expose_secret() == key);
    let bare = key.trim_matches(['"', '\'', '`', ' ']);
    if is_secret {
        return new(
            "the API secret was sent in the place of the API key".to_owned(),
            "send the key as api_key, and make a new secret in the console: this one has left the server",
        );
    }
    if bare != key {
        return new(
            format!("the API key was sent with quotes or white space around it: {}", shown(key)),
            "write the key without quotes into the environment, and restart the process",
        );
    }
    if bare.is_empty() || ["undefined", "null", "None"].contains(&bare) {
        return new(
            "the client sent no API key: the variable that holds it is not set".to_owned(),
            "set the API key where the client is built or configured; it is public and may go into the page",
        );
    }
    if known.cloud == Some(key) {
        return new(
            "the cloud name was sent in the place of the API key".to_owned(),
            "send the number that the console lists as API key",
        );
    }
    match known.api_key {
        Some(configured) if configured != key => new(
            format!(
                "the provider does not know the API key {}, and the configured one is another",
                shown(key)
            ),
            "send the configured API key: the client uses an old or foreign one",
        ),
        _ => new(
            format!("the provider does not know the API key {}", shown(key)),
            "compare it with the console: it was deleted, has a digit too few or too many, or belongs to another account",
        ),
    }
}

fn missing(name: &str) -> Finding {
    match name {
        "api_key" => Finding::new(
            Cause::ApiKeyNotSent,
            "`api_key` was not sent beside the signature",
            "send api_key as a field of the request; it is not signed",
        ),
        "file" => Finding::new(
            Cause::FileNotSent,
            "`file` was not sent, or not as a field of the form",
            "send the file as the field `file` of a multipart form, and let the HTTP client write the Content-Type with its boundary",
        ),
        "timestamp" => Finding::new(
            Cause::TimestampNotSent,
            "`timestamp` was not sent",
            "send the timestamp that was signed",
        ),
        "public_id" => Finding::new(
            Cause::UploadIdNotSent,
            "a part of a chunked upload came without the header that says which upload it belongs to",
            "send the same X-Unique-Upload-Id with every part",
        ),
        other => Finding::new(
            Cause::ParameterMissing,
            format!("{} was not sent", shown(other)),
            "send it as a field of the request, signed like the others",
        ),
    }
}

fn unknown_cloud(cloud: &str, known: &Known<'_>) -> Finding {
    let fix = match known.cloud {
        Some(configured) if configured != cloud => format!("upload to the configured cloud `{configured}`"),
        _ => "copy the cloud name from the console; it is not the name of the account or the e-mail address"
            .to_owned(),
    };
    Finding::new(Cause::UnknownCloud, format!("there is no cloud {}", shown(cloud)), fix)
}

fn fixed(text: FixedText) -> Finding {
    let (cause, message, fix) = about_the_account(text).unwrap_or_else(|| about_the_file(text));
    Finding::new(cause, message, fix)
}

/// A cause, what is wrong and what to do.
type Said = (Cause, &'static str, &'static str);

fn about_the_account(text: FixedText) -> Option<Said> {
    Some(match text {
        FixedText::PresetMissing | FixedText::PresetMissingOldText => (
            Cause::SignatureNotSent,
            "the request carries neither a signature nor an upload preset",
            "send api_key, timestamp and signature with the upload, or name an unsigned upload preset",
        ),
        FixedText::PresetNotFound => (
            Cause::UploadPresetNotFound,
            "there is no upload preset of this name on this cloud",
            "compare the name with the console, and the cloud name with that of the preset",
        ),
        FixedText::PresetIsSigned => (
            Cause::UploadPresetIsSigned,
            "the upload preset is for signed uploads, and the request carries no signature",
            "sign the upload, upload_preset included, or switch the preset to unsigned in the console",
        ),
        FixedText::CloudMismatch => (
            Cause::CloudMismatch,
            "the API key belongs to another cloud than the one in the address",
            "take cloud name, key and secret from the same product environment",
        ),
        FixedText::AdminUnknownKey => (
            Cause::UnknownApiKey,
            "the provider does not know the API key",
            "compare it with the console: it was deleted, or has a digit too few or too many",
        ),
        FixedText::SecretMismatch => (
            Cause::WrongSecret,
            "the API secret is not that of the API key",
            "copy key and secret together from one row of the console's API keys",
        ),
        FixedText::Disabled => (
            Cause::AccountDisabled,
            "the account is disabled",
            "ask the provider's support; no signature helps",
        ),
        _ => return None,
    })
}

fn about_the_file(text: FixedText) -> Said {
    match text {
        FixedText::WrongUrl => (
            Cause::WrongUrl,
            "the address is not that of the upload API",
            "post to https://api.cloudinary.com/v1_1/CLOUD/image/upload (or video, raw, auto)",
        ),
        FixedText::UnknownFormat => (
            Cause::UnknownFormat,
            "the file came without a name that ends in a format",
            "send the part `file` with a file name, such as the third argument of FormData.append",
        ),
        FixedText::NotAnImage | FixedText::NotAVideo => (
            Cause::WrongResourceType,
            "the file is not of the kind that the address takes",
            "post to …/auto/upload, or to the address of the file's kind; resource_type is not signed",
        ),
        FixedText::PartTooSmall => (
            Cause::PartTooSmall,
            "a part other than the last is smaller than 5 MB",
            "cut the file into parts of at least 5 MB, 20 MB as the SDKs do",
        ),
        _ => (
            Cause::FileTooLarge,
            "the file is larger than one request or the plan may carry",
            "upload it in parts of 20 MB under one X-Unique-Upload-Id",
        ),
    }
}
