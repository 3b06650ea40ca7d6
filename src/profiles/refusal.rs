//! Why a well-formed request is not granted.

use super::UploadResourceType;
use crate::auth::Scope;

/// Why a well-formed request is not granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The profile is for known callers.
    #[error("the profile `{profile}` is for authenticated callers")]
    NeedsCaller {
        /// The profile's name.
        profile: String,
    },
    /// The caller may not use the profile.
    #[error("the profile `{profile}` takes the scope `{scope}`, which the caller does not hold")]
    MissingScope {
        /// The profile's name.
        profile: String,
        /// What is missing.
        scope: Scope,
    },
    /// The profile fixes the delivery type.
    #[error(
        "should_secure_asset: the profile `{profile}` does not let the client choose; leave the parameter out"
    )]
    ClientMayNotSecure {
        /// The profile's name.
        profile: String,
    },
    /// The profile does not take such files.
    #[error("resource_type: the profile `{profile}` does not take `{found}`; it takes {allowed}")]
    ResourceType {
        /// The profile's name.
        profile: String,
        /// What was asked for.
        found: UploadResourceType,
        /// What would have been granted.
        allowed: String,
    },
    /// A parameter that the client may not choose.
    #[error("{name}: the profile `{profile}` does not open this parameter to clients; leave it out")]
    NotOpened {
        /// The parameter.
        name: String,
        /// The profile's name.
        profile: String,
    },
    /// A value that breaks the profile's rule.
    #[error("{name} {rule}")]
    BreaksRule {
        /// The parameter.
        name: String,
        /// What the rule says.
        rule: String,
    },
    /// A parameter to sign that the profile fixes to something else.
    #[error("{name}: the profile `{profile}` fixes this parameter to `{expected}`")]
    DiffersFromProfile {
        /// The parameter.
        name: String,
        /// The profile's name.
        profile: String,
        /// What it must be.
        expected: String,
    },
    /// A widget's own parameters under a profile whose uploads the server names.
    #[error(
        "paramsToSign: the profile `{profile}` names each upload itself, which no widget can do: ask for the \
         signature of one upload and send its payload, or use a profile without single_use, max_bytes and quota"
    )]
    NamesUploads {
        /// The profile's name.
        profile: String,
    },
    /// A widget's own parameters under a profile that is not for widgets.
    #[error(
        "paramsToSign: the profile `{profile}` does not sign parameters that a client composed; write \
         `upload_widget = true` and `expires_in = \"60m\"` in [profiles.{profile}] of PROFILES_FILE to allow it"
    )]
    NotForWidgets {
        /// The profile's name.
        profile: String,
    },
    /// A timestamp to sign that is not the current time.
    #[error(
        "timestamp must be Unix seconds, at most {ahead} s ahead of this server's clock and {behind} s behind it"
    )]
    Timestamp {
        /// How far ahead it may be, in seconds.
        ahead: i64,
        /// How far behind it may be, in seconds.
        behind: i64,
    },
}

impl Refusal {
    /// Whether it is the caller who is refused, and not what they ask for.
    pub const fn concerns_the_caller(&self) -> bool {
        matches!(self, Self::NeedsCaller { .. } | Self::MissingScope { .. })
    }
}
