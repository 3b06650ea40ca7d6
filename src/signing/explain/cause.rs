//! Causes by name, and what is said about one.

use std::fmt::{self, Write as _};

use serde::Serialize;

/// Why an upload was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A parameter was sent that the signature does not cover.
    ParameterNotSigned,
    /// A parameter was signed and then not sent.
    ParameterNotSent,
    /// A parameter was signed with one value and sent with another.
    ValueDiffers,
    /// The parameters were not sorted by name before signing.
    WrongOrder,
    /// The parameters were not joined with `&`.
    WrongSeparator,
    /// An `&` inside a value was escaped on one side only.
    AmpersandEscaping,
    /// The signature is a hash other than SHA-1 or SHA-256, or one cut short.
    WrongAlgorithm,
    /// The account takes SHA-256 only.
    AlgorithmLocked,
    /// A hash, but not in lower-case hexadecimal.
    SignatureEncoding,
    /// Not a hash at all.
    SignatureNotComputed,
    /// HMAC instead of a plain hash.
    HmacInsteadOfHash,
    /// The secret stands elsewhere than at the end.
    SecretMisplaced,
    /// The secret was empty or a placeholder when the client signed.
    SecretMissing,
    /// The API key was used for the secret.
    KeyUsedAsSecret,
    /// Quotes or white space around the secret.
    SecretQuoted,
    /// A part of the secret is missing, or it was changed on the way.
    SecretChanged,
    /// Another secret.
    WrongSecret,
    /// `true` against `1`.
    BooleanSpelling,
    /// A list joined in another way than with commas.
    ListJoinedDifferently,
    /// An empty value was signed, which is never sent.
    EmptyValueSigned,
    /// Milliseconds instead of seconds.
    TimestampInMilliseconds,
    /// The time was taken twice.
    TimestampDiffers,
    /// Percent-encoding on one side only.
    PercentEncoding,
    /// The same for a transformation.
    TransformationDecoded,
    /// Line breaks changed on the way.
    LineBreaks,
    /// A public id that was added after signing, as chunked uploads of some SDKs do.
    PublicIdAdded,
    /// A parameter that the upload widget adds.
    WidgetParameterNotSigned,
    /// A parameter that is never signed was.
    NeverSignedParameter,
    /// The parameters were signed as JSON.
    JsonSigned,
    /// The signature is older than the provider accepts.
    TimestampExpired,
    /// Off by hours: local time was taken for UTC.
    TimeZone,
    /// The clock is wrong.
    ClockWrong,
    /// The timestamp does not count seconds.
    TimestampUnit,
    /// The provider does not know the API key.
    UnknownApiKey,
    /// The API key was not sent.
    ApiKeyNotSent,
    /// The file was not sent.
    FileNotSent,
    /// The timestamp was not sent.
    TimestampNotSent,
    /// The header that holds the parts of an upload together was not sent.
    UploadIdNotSent,
    /// Another parameter was not sent.
    ParameterMissing,
    /// The request carries no signature.
    SignatureNotSent,
    /// There is no such upload preset.
    UploadPresetNotFound,
    /// The preset is for signed uploads.
    UploadPresetIsSigned,
    /// The parameter is for signed uploads.
    ParameterNeedsSignature,
    /// There is no such cloud.
    UnknownCloud,
    /// Key and cloud belong to different accounts.
    CloudMismatch,
    /// The account is disabled.
    AccountDisabled,
    /// The address is not the upload API's.
    WrongUrl,
    /// The file's format is not among the allowed ones.
    FormatNotAllowed,
    /// The file's name has no known ending.
    UnknownFormat,
    /// The file is not what the endpoint takes.
    WrongResourceType,
    /// A part of a chunked upload is too small.
    PartTooSmall,
    /// The file is too large.
    FileTooLarge,
    /// There is no such asset.
    AssetNotFound,
}

/// A cause, in one sentence, and what to do about it, in another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The cause by name.
    pub cause: Cause,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: String,
}

impl Finding {
    pub(super) fn new(cause: Cause, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { cause, message: message.into(), fix: fix.into() }
    }

    /// This finding, and one more thing that is wrong beside it.
    pub(super) fn and(self, other: &Self) -> Self {
        Self {
            cause: self.cause,
            message: format!("{}; also, {}", self.message, other.message),
            fix: format!("{}; {}", self.fix, other.fix),
        }
    }

    /// This finding, with a remark about how it was found.
    pub(super) fn noting(mut self, remark: impl fmt::Display) -> Self {
        // Writing to a String cannot fail.
        let _ = write!(self.message, "; {remark}");
        self
    }

    /// The finding as it may be shown: the secret, which may stand in what was pasted, is blanked before anything is cut.
    pub(super) fn fit_to_show(self, secret: Option<&str>) -> Self {
        let fit = |text: String| shortened(&without(text, secret.unwrap_or_default()));
        Self { cause: self.cause, message: fit(self.message), fix: fit(self.fix) }
    }
}

/// The text without the secret, as it stands or as [`shown`] spells it.
fn without(text: String, secret: &str) -> String {
    if secret.is_empty() {
        return text;
    }
    text.replace(&escaped(secret), "…").replace(secret, "…")
}

/// Every value in the text cut to a length that is easy to read.
fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    let cut = |(index, piece): (usize, &str)| match piece.char_indices().nth(MOST) {
        Some((end, _)) if index % 2 == 1 => format!("{}…", &piece[..end]),
        _ => piece.to_owned(),
    };
    text.split('`').enumerate().map(cut).collect::<Vec<_>>().join("`")
}

/// A value as a message shows it: on one line, between backticks.
pub(super) fn shown(value: &str) -> String {
    format!("`{}`", escaped(value))
}

fn escaped(value: &str) -> String {
    let escaped: String = value.chars().flat_map(char::escape_debug).collect();
    escaped.replace("\\'", "'").replace("\\\"", "\"").replace('`', "'")
}

/// Names as a sentence lists them, a few of them if there are many.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const MOST: usize = 10;
    let mut names = names.into_iter();
    let mut first: Vec<_> = names.by_ref().take(MOST).map(|name| format!("`{name}`")).collect();
    let more = names.count();
    if more > 0 {
        first.push(format!("{more} more"));
    }
    match first.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [front @ .., last] => format!("{} and {last}", front.join(", ")),
    }
}
