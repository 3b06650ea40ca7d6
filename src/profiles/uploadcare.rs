//! Profiles for Uploadcare: `provider = "uploadcare"` in the profiles file.
//!
//! ```text
//! expires_in  "1m" … "1440m", "1h" … "24h"     how long a signature or a token is good
//! mode        "signature" | "token"            token: a JWT, which the provider counts and limits itself
//! operations  1 … 100000                       with tokens only: how many files one lets in
//! paths       ["/base/", "/multipart/*"]       with tokens only: what one opens
//! scopes      ["upload:NAME"]                  what a caller must hold
//! owned       true | false                     whether the ledger keeps whose each file is
//! max_bytes   "10MB"                           what is larger is deleted; asks for the ledger too
//! quota       { uploads = "20/day", bytes = "200MB/day" }                 the same for what is over it
//! files_per_signature  1 … 1000                with the ledger only: how many files one signature's label covers
//! ```
//!
//! A signature binds nothing but the time. What the last four ask for is carried by a label that clients send along in
//! the upload's metadata, and settled when the provider tells of the file.

use serde::Deserialize;

use super::file_terms::FileTerms;
use super::quota::{NotALimit, NotASize, QuotaText};
use super::{Refusal, Reservation};
use crate::auth::{Caller, Scope};
use crate::clock::UnixSeconds;

/// The name of the profile that is used when a request names none.
pub(super) const DEFAULT_PROFILE: &str = "uploadcare";
/// How long a grant lasts where the profile does not say, in seconds.
const DEFAULT_LIFETIME_SECONDS: i64 = 30 * 60;
/// The longest life of a grant; tokens cannot live longer.
const MAX_LIFETIME_MINUTES: i64 = 24 * 60;
/// The component asks for another signature when one has less than this left, and so for every file if all have.
const COMPONENT_THRESHOLD_SECONDS: i64 = 600;
/// How many files a token may let in at most.
const MAX_OPERATIONS: u32 = 100_000;
/// How many files the label of one signature covers where the profile does not say.
pub const DEFAULT_FILES_PER_SIGNATURE: u32 = 25;
/// How many files it may cover at most.
const MAX_FILES_PER_SIGNATURE: u32 = 1_000;
/// How many paths a token may name.
const MAX_PATHS: usize = 16;

/// One profile as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UploadcareText {
    expires_in: Option<String>,
    #[serde(default)]
    mode: Mode,
    operations: Option<u32>,
    #[serde(default)]
    paths: Vec<String>,
    pub(super) scopes: Option<Vec<String>>,
    pub(super) owned: Option<bool>,
    pub(super) max_bytes: Option<String>,
    pub(super) quota: Option<QuotaText>,
    files_per_signature: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Signature,
    Token,
}

/// What may be uploaded to Uploadcare under one name.
#[derive(Clone, Debug)]
pub struct UploadcareProfile {
    name: String,
    scopes: Vec<Scope>,
    lifetime_seconds: i64,
    mode: Mode,
    operations: Option<u32>,
    paths: Vec<String>,
    /// What the ledger holds its files to; without it nobody knows of them.
    terms: Option<FileTerms>,
    files_per_signature: u32,
}

/// One permission to upload to Uploadcare.
#[derive(Clone, Debug)]
pub struct UploadcareGrant<'a> {
    /// When the server granted it.
    pub issued_at: UnixSeconds,
    /// When the provider stops accepting it.
    pub expires_at: UnixSeconds,
    /// Set for a token, with what restricts it; absent for a signature.
    pub token: Option<TokenLimits<'a>>,
    /// Set where the ledger is to know of the files.
    pub owner: Option<FileOwner<'a>>,
}

/// Whose the files of a grant will be, and what they are held to.
#[derive(Clone, Debug)]
pub struct FileOwner<'a> {
    /// The caller; empty where callers are not told apart.
    pub subject: String,
    /// The profile.
    pub profile: &'a str,
    /// What the files are held to.
    pub terms: &'a FileTerms,
    /// What one more file, of whatever size, takes of quotas.
    pub reservations: Vec<Reservation>,
    /// How many files the grant's label covers.
    pub files: u32,
}

/// What restricts a token.
#[derive(Clone, Debug)]
pub struct TokenLimits<'a> {
    /// How many files it lets in; unlimited if absent.
    pub operations: Option<u32>,
    /// The paths it opens; all if empty.
    pub paths: &'a [String],
}

/// What is wrong with a profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UploadcareProfileError {
    #[error("`{0}` is not a lifetime: write 1m to 1440m, or 1h to 24h")]
    Lifetime(String),
    #[error("has a meaning with mode = \"token\" only: a signature cannot be restricted")]
    SignatureWithOperations,
    #[error("has a meaning with mode = \"token\" only: a signature opens every path")]
    SignatureWithPaths,
    #[error("must be 1 to {MAX_OPERATIONS}")]
    Operations,
    #[error(transparent)]
    Size(#[from] NotASize),
    #[error("{1}")]
    Limit(&'static str, NotALimit),
    #[error("must not be false with max_bytes or quota: what is nobody's cannot be counted")]
    Unowned,
    #[error("must be 1 to {MAX_FILES_PER_SIGNATURE}")]
    FilesPerSignature,
    #[error("needs owned, max_bytes or quota: only the ledger counts files")]
    FilesWithoutLedger,
    #[error("has no meaning beside operations, which already says how many files a token lets in")]
    FilesBesideOperations,
    #[error("must be at most {MAX_PATHS} paths such as /base/ or /multipart/*, with `*` as a whole segment")]
    Paths,
}

impl UploadcareProfileError {
    /// The key of the profile that is wrong.
    pub(super) const fn key(&self) -> &'static str {
        match self {
            Self::Lifetime(_) => "expires_in",
            Self::SignatureWithOperations | Self::Operations => "operations",
            Self::SignatureWithPaths | Self::Paths => "paths",
            Self::Size(_) => "max_bytes",
            Self::Limit(key, _) => key,
            Self::Unowned => "owned",
            Self::FilesPerSignature | Self::FilesWithoutLedger | Self::FilesBesideOperations => {
                "files_per_signature"
            }
        }
    }
}

impl UploadcareProfile {
    /// The profile of a server without a profiles file: 30 minutes, for every caller.
    pub(super) fn reference() -> Self {
        Self {
            name: DEFAULT_PROFILE.to_owned(),
            scopes: Vec::new(),
            lifetime_seconds: DEFAULT_LIFETIME_SECONDS,
            mode: Mode::Signature,
            operations: None,
            paths: Vec::new(),
            terms: None,
            files_per_signature: DEFAULT_FILES_PER_SIGNATURE,
        }
    }

    pub(super) fn new(
        name: &str,
        scopes: Vec<Scope>,
        text: &UploadcareText,
    ) -> Result<Self, UploadcareProfileError> {
        let lifetime = text.expires_in.as_deref().map_or(Ok(DEFAULT_LIFETIME_SECONDS), parse_lifetime);
        check_limits(text)?;
        let terms = FileTerms::read(text)?;
        Ok(Self {
            files_per_signature: files_per_signature(text, terms.is_some())?,
            name: name.to_owned(),
            scopes,
            lifetime_seconds: lifetime?,
            mode: text.mode,
            operations: text.operations,
            paths: text.paths.clone(),
            terms,
        })
    }

    /// The name under which clients ask for it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How long a grant under this profile lasts, in whole minutes.
    pub const fn lifetime_minutes(&self) -> i64 {
        self.lifetime_seconds / 60
    }

    /// Whether the component, with its own settings, would take every signature for expired and ask for each file.
    pub fn is_shorter_than_the_components_threshold(&self) -> bool {
        self.mode == Mode::Signature && self.lifetime_seconds <= COMPONENT_THRESHOLD_SECONDS
    }

    /// What the ledger holds its files to, if it is to know of them.
    pub const fn terms(&self) -> Option<&FileTerms> {
        self.terms.as_ref()
    }

    /// Grants `caller` uploads from `now` on, or says why not.
    pub fn grant(&self, caller: &Caller, now: UnixSeconds) -> Result<UploadcareGrant<'_>, Refusal> {
        self.admit(caller)?;
        let limits = TokenLimits { operations: self.operations, paths: &self.paths };
        Ok(UploadcareGrant {
            issued_at: now,
            expires_at: now.plus(self.lifetime_seconds),
            token: (self.mode == Mode::Token).then_some(limits),
            owner: self.terms.as_ref().map(|terms| FileOwner {
                subject: caller.subject().unwrap_or_default().to_owned(),
                profile: &self.name,
                reservations: terms.reservations(1, now),
                terms,
                files: self.files_per_signature,
            }),
        })
    }

    fn admit(&self, caller: &Caller) -> Result<(), Refusal> {
        let profile = || self.name.clone();
        match self.scopes.iter().find(|scope| !caller.holds(scope)) {
            None => Ok(()),
            Some(_) if *caller == Caller::Anonymous => Err(Refusal::NeedsCaller { profile: profile() }),
            Some(scope) => Err(Refusal::MissingScope { profile: profile(), scope: scope.clone() }),
        }
    }
}

fn check_limits(text: &UploadcareText) -> Result<(), UploadcareProfileError> {
    match (text.mode, text.operations) {
        (Mode::Signature, Some(_)) => return Err(UploadcareProfileError::SignatureWithOperations),
        (Mode::Token, Some(0)) => return Err(UploadcareProfileError::Operations),
        (Mode::Token, Some(operations)) if operations > MAX_OPERATIONS => {
            return Err(UploadcareProfileError::Operations);
        }
        _ => {}
    }
    if text.mode == Mode::Signature && !text.paths.is_empty() {
        return Err(UploadcareProfileError::SignatureWithPaths);
    }
    if text.paths.len() > MAX_PATHS || !text.paths.iter().all(|path| is_token_path(path)) {
        return Err(UploadcareProfileError::Paths);
    }
    Ok(())
}

/// How many files a label covers: what the profile says, or as many as its tokens let in.
fn files_per_signature(text: &UploadcareText, uses_ledger: bool) -> Result<u32, UploadcareProfileError> {
    match (text.files_per_signature, text.operations) {
        (None, operations) => Ok(operations.unwrap_or(DEFAULT_FILES_PER_SIGNATURE)),
        (Some(_), Some(_)) => Err(UploadcareProfileError::FilesBesideOperations),
        (Some(_), None) if !uses_ledger => Err(UploadcareProfileError::FilesWithoutLedger),
        (Some(files @ 1..=MAX_FILES_PER_SIGNATURE), None) => Ok(files),
        (Some(_), None) => Err(UploadcareProfileError::FilesPerSignature),
    }
}

/// `/base/`, `/multipart/*`: segments of small letters and `_`, or a `*` alone.
fn is_token_path(path: &str) -> bool {
    let is_segment = |segment: &str| {
        segment == "*"
            || (!segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
    };
    let inner = path.strip_prefix('/').map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    inner.is_some_and(|inner| inner.split('/').all(is_segment))
}

/// `5m`, `2h`, in seconds.
fn parse_lifetime(text: &str) -> Result<i64, UploadcareProfileError> {
    let refusal = || UploadcareProfileError::Lifetime(text.to_owned());
    let (digits, minutes_each) = match (text.strip_suffix('m'), text.strip_suffix('h')) {
        (Some(digits), _) => (digits, 1),
        (None, Some(digits)) => (digits, 60),
        (None, None) => return Err(refusal()),
    };
    let is_number = !digits.is_empty() && digits.len() <= 4 && digits.bytes().all(|b| b.is_ascii_digit());
    let number = if is_number { digits.parse::<i64>().unwrap_or_default() } else { 0 };
    match number * minutes_each {
        minutes @ 1..=MAX_LIFETIME_MINUTES => Ok(minutes * 60),
        _ => Err(refusal()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Profiles;
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_720_000_000);

    fn wrong(text: &str) -> String {
        let errors = Profiles::from_toml(&format!("[profiles.p]\nprovider = \"uploadcare\"\n{text}"));
        errors.unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn without_a_file_everybody_gets_half_an_hour() {
        let profiles = Profiles::reference();
        let grant = profiles.uploadcare(None).unwrap().grant(&Caller::Anonymous, NOW).unwrap();
        assert_eq!(grant.expires_at, NOW.plus(1_800));
        assert!(grant.token.is_none());
    }

    #[test]
    fn lifetimes_go_from_a_minute_to_a_day() {
        for (text, seconds) in [("1m", 60), ("90m", 5_400), ("1440m", 86_400), ("1h", 3_600), ("24h", 86_400)]
        {
            assert_eq!(parse_lifetime(text), Ok(seconds), "{text}");
        }
        for text in ["0m", "1441m", "25h", "0h", "", "m", "h", "5", "5s", "-5m", "+5m", "1.5h", "99999h"] {
            assert!(parse_lifetime(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_does_not_belong_stops_the_start() {
        insta::assert_snapshot!(wrong("expires_in = \"2d\""), @"profiles.p.expires_in: `2d` is not a lifetime: write 1m to 1440m, or 1h to 24h");
        insta::assert_snapshot!(wrong("operations = 1"), @r#"profiles.p.operations: has a meaning with mode = "token" only: a signature cannot be restricted"#);
        insta::assert_snapshot!(wrong("mode = \"token\"\noperations = 0"), @"profiles.p.operations: must be 1 to 100000");
        insta::assert_snapshot!(wrong("mode = \"token\"\npaths = [\"/ba*/\"]"), @"profiles.p.paths: must be at most 16 paths such as /base/ or /multipart/*, with `*` as a whole segment");
        insta::assert_snapshot!(wrong("folder = \"kyc\""), @"profiles.p: unknown field `folder`, expected one of `expires_in`, `mode`, `operations`, `paths`, `scopes`, `owned`, `max_bytes`, `quota`, `files_per_signature`");
        insta::assert_snapshot!(wrong("max_bytes = \"big\""), @"profiles.p.max_bytes: `big` is not a size: write bytes, or such as 500KB, 10MB, 2GB (KiB, MiB, GiB for powers of 1,024)");
        insta::assert_snapshot!(wrong("quota = { bytes = \"2GB\" }"), @"profiles.p.quota.bytes: `2GB` is not a limit: write 200MB/day, with hour, day or month");
        insta::assert_snapshot!(wrong("owned = false\nmax_bytes = \"1MB\""), @"profiles.p.owned: must not be false with max_bytes or quota: what is nobody's cannot be counted");
        for files in ["0", "1001"] {
            let text = format!("owned = true\nfiles_per_signature = {files}");
            assert_eq!(wrong(&text), "profiles.p.files_per_signature: must be 1 to 1000");
        }
        insta::assert_snapshot!(wrong("files_per_signature = 5"), @"profiles.p.files_per_signature: needs owned, max_bytes or quota: only the ledger counts files");
        insta::assert_snapshot!(wrong("owned = true\nmode = \"token\"\noperations = 5\nfiles_per_signature = 5"), @"profiles.p.files_per_signature: has no meaning beside operations, which already says how many files a token lets in");
        let other = Profiles::from_toml("[profiles.p]\nprovider = \"s3\"").unwrap_err();
        assert_eq!(other[0].to_string(), "profiles.p.provider: must be \"cloudinary\" or \"uploadcare\"");
    }

    #[test]
    fn a_profile_asks_for_the_ledger_by_any_of_three_keys() {
        for (text, is_kept) in [
            ("", false),
            ("owned = false", false),
            ("owned = true", true),
            ("max_bytes = \"1MB\"", true),
            ("mode = \"token\"\nquota = { uploads = \"2/day\" }", true),
        ] {
            let text = format!("[profiles.p]\nprovider = \"uploadcare\"\nscopes = []\n{text}");
            let profiles = Profiles::from_toml(&text).unwrap();
            assert_eq!(profiles.need_the_ledger(), is_kept, "{text}");
            let profile = profiles.uploadcare(Some("p")).unwrap();
            assert_eq!(profile.grant(&Caller::Anonymous, NOW).unwrap().owner.is_some(), is_kept, "{text}");
        }
    }

    #[test]
    fn a_label_covers_as_many_files_as_the_profile_says() {
        for (text, files) in [
            ("owned = true", 25),
            ("owned = true\nfiles_per_signature = 1", 1),
            ("max_bytes = \"1MB\"\nfiles_per_signature = 1000", 1_000),
            ("owned = true\nmode = \"token\"", 25),
            ("owned = true\nmode = \"token\"\noperations = 100000", 100_000),
        ] {
            let text = format!("[profiles.p]\nprovider = \"uploadcare\"\nscopes = []\n{text}");
            let profiles = Profiles::from_toml(&text).unwrap();
            let grant = profiles.uploadcare(Some("p")).unwrap().grant(&Caller::Anonymous, NOW).unwrap();
            assert_eq!(grant.owner.unwrap().files, files, "{text}");
        }
    }

    #[test]
    fn providers_do_not_mix() {
        let text = "[profiles.a]\nprovider = \"cloudinary\"\n[profiles.b]\nprovider = \"uploadcare\"\nexpires_in = \"10m\"";
        let profiles = Profiles::from_toml(text).unwrap();
        assert!(profiles.get("a").is_ok() && profiles.uploadcare(Some("a")).is_err());
        assert!(profiles.get("b").is_err() && profiles.uploadcare(None).is_err());
        assert!(profiles.uploadcare(Some("b")).unwrap().is_shorter_than_the_components_threshold());
    }

    #[test]
    fn a_profile_of_a_file_is_for_those_who_hold_its_scope() {
        let profiles =
            Profiles::from_toml("[profiles.b]\nprovider = \"uploadcare\"\nmode = \"token\"\noperations = 1")
                .unwrap();
        let refusal = profiles.uploadcare(Some("b")).unwrap().grant(&Caller::Anonymous, NOW).unwrap_err();
        assert!(refusal.concerns_the_caller());
    }
}
