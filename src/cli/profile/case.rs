//! The file of `countersign profile test`: one TOML table `[[case]]` for each case. Anything unknown is refused.
//!
//! ```toml
//! [[case]]
//! name = "alice's papers are private"    # case[INDEX] without it
//! profile = "kyc"
//! as = "alice"                           # without it nobody in particular
//! scopes = ["upload:kyc"]                # without it upload:PROFILE, where there is an `as`
//! params = { tags = "passport" }         # these three are what the client asks for
//! resource_type = "image"
//! should_secure_asset = true
//! at = 1720000000                        # matters where `signed` names the timestamp
//! signed = { folder = "kyc/alice" }      # either all that is signed, but for the timestamp,
//! refused = "refused_by_profile"         # or why nothing is
//! message_contains = "tags"
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use toml::{Table, Value};

use super::super::Usage;
use crate::auth::{Caller, Scope, Subject};
use crate::clock::UnixSeconds;
use crate::profiles::{UploadRequest, UploadResourceType};
use crate::signing::ParamValue;

/// When a case plays that does not say: 2024-07-03T09:46:40Z.
const DEFAULT_MOMENT: i64 = 1_720_000_000;

/// Somebody asks for something, and what must come of it.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) profile: String,
    pub(super) caller: Caller,
    pub(super) request: UploadRequest,
    pub(super) at: UnixSeconds,
    pub(super) expected: Expected,
}

/// What must come of a case.
#[derive(Debug)]
pub(super) enum Expected {
    /// Exactly these parameters are signed; the timestamp counts only where it is named.
    Signed(BTreeMap<String, ParamValue>),
    /// Nothing is.
    Refused { code: Code, message_contains: Option<String> },
}

/// The codes with which the API answers when a profile does not sign.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Code {
    RefusedByProfile,
    Forbidden,
    ProfileNotFound,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    case: Vec<Table>,
}

/// One case as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseText {
    name: Option<String>,
    profile: String,
    #[serde(rename = "as")]
    subject: Option<String>,
    scopes: Option<Vec<String>>,
    #[serde(default)]
    params: BTreeMap<String, ParamValue>,
    resource_type: Option<UploadResourceType>,
    should_secure_asset: Option<bool>,
    at: Option<i64>,
    signed: Option<BTreeMap<String, ParamValue>>,
    refused: Option<Code>,
    message_contains: Option<String>,
}

/// Every case of the file, or everything that is wrong with it.
pub(super) fn read(path: &Path) -> Result<Vec<Case>, Usage> {
    let wrong = |why: &dyn std::fmt::Display| Usage(format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    let file: File = toml::from_str(&text).map_err(|error| wrong(&error.to_string().trim_end()))?;
    if file.case.is_empty() {
        return Err(wrong(&"the file has no case: begin one with [[case]]"));
    }
    let mut cases = Vec::with_capacity(file.case.len());
    let mut problems = Vec::new();
    for (index, table) in file.case.into_iter().enumerate() {
        match Case::read(index, table) {
            Ok(case) => cases.push(case),
            Err(why) => problems.push(format!("\n  - case[{index}]{why}")),
        }
    }
    if problems.is_empty() {
        return Ok(cases);
    }
    Err(wrong(&format_args!("the cases are wrong:{}", problems.concat())))
}

impl Case {
    /// The case, or what is wrong with it, beginning with the key.
    fn read(index: usize, table: Table) -> Result<Self, String> {
        let text: CaseText = serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
            match error.path().to_string().as_str() {
                "." | "?" => format!(": {}", error.inner().message()),
                path => format!(".{path}: {}", error.inner().message()),
            }
        })?;
        let name = text.name.clone().unwrap_or_else(|| format!("case[{index}]"));
        if name.trim().is_empty() || name.chars().any(char::is_control) {
            return Err(".name: must be one line".to_owned());
        }
        Ok(Self {
            name,
            caller: text.caller()?,
            expected: text.expected()?,
            profile: text.profile,
            at: UnixSeconds(text.at.unwrap_or(DEFAULT_MOMENT)),
            request: UploadRequest {
                should_secure_asset: text.should_secure_asset,
                resource_type: text.resource_type,
                params: text.params,
            },
        })
    }

    /// Whether the client asks for anything of its own.
    pub(super) fn asks_for_anything(&self) -> bool {
        let UploadRequest { should_secure_asset, resource_type, params } = &self.request;
        should_secure_asset.is_some() || resource_type.is_some() || !params.is_empty()
    }
}

impl CaseText {
    fn caller(&self) -> Result<Caller, String> {
        let scopes = match &self.scopes {
            Some(scopes) => scopes.iter().map(|scope| scope.parse()).collect::<Result<_, _>>(),
            None => Ok([Scope::upload(&self.profile)].into()),
        };
        let scopes = scopes.map_err(|error| format!(".scopes: {error}"))?;
        match &self.subject {
            Some(name) if name.is_empty() => Err(".as: must name somebody".to_owned()),
            Some(name) => Ok(Caller::Known(Arc::new(Subject { name: name.clone(), scopes }))),
            None if self.scopes.is_some() => Err(".scopes: are somebody's: say whose with `as`".to_owned()),
            None => Ok(Caller::Anonymous),
        }
    }

    fn expected(&self) -> Result<Expected, String> {
        match (&self.signed, self.refused) {
            (Some(_), None) if self.message_contains.is_some() => {
                Err(".message_contains: has a meaning beside `refused` only".to_owned())
            }
            (Some(signed), None) => Ok(Expected::Signed(signed.clone())),
            (None, Some(code)) => {
                Ok(Expected::Refused { code, message_contains: self.message_contains.clone() })
            }
            _ => Err(": must say what to expect: either `signed` or `refused`".to_owned()),
        }
    }
}

impl Code {
    /// The code as the API writes it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::RefusedByProfile => "refused_by_profile",
            Self::Forbidden => "forbidden",
            Self::ProfileNotFound => "profile_not_found",
        }
    }
}
