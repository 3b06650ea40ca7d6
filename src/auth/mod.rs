//! Who asks, and what they may do. Knows no HTTP framework.

mod api_keys;
mod claims;
mod tokens;
mod visible;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub use api_keys::{ApiKeys, BadKeyLine, KEY_PREFIX};
pub use tokens::{KeyError, KeySet, PinnedKey, TokenError, TokenRules, UnverifiedToken, VerifiedToken};

/// What the name of a caller with an API key begins with; no token's subject may.
pub const KEY_SUBJECT_PREFIX: &str = "key:";

/// Who asks for a signature, a download or a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody in particular: callers are not told apart (`AUTH=none`), and each may reach every asset of the cloud.
    Anonymous,
    /// Somebody who proved who they are.
    Known(Arc<Subject>),
}

/// Somebody known, and what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// `key:NAME` for an API key; for a token its subject, exactly as it is spelled. Never empty.
    pub name: String,
    /// What they may do.
    pub scopes: BTreeSet<Scope>,
}

impl Caller {
    /// The name, if there is one.
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::Anonymous => None,
            Self::Known(subject) => Some(&subject.name),
        }
    }

    /// Whether the caller may do `action`. Where callers are not told apart, everybody may do all but administer.
    pub fn may(&self, action: Action) -> Result<(), Forbidden> {
        match self {
            Self::Anonymous if action == Action::Administer => Err(Forbidden { scope: action.scope() }),
            Self::Known(subject) if !subject.has_scope(action.scope()) && !subject.is_admin() => {
                Err(Forbidden { scope: action.scope() })
            }
            Self::Anonymous | Self::Known(_) => Ok(()),
        }
    }

    /// Whether the caller reaches every asset: an administrator, or anybody where callers are not told apart.
    pub fn reaches_everything(&self) -> bool {
        match self {
            Self::Anonymous => true,
            Self::Known(subject) => subject.is_admin(),
        }
    }

    /// Whether the caller is a known administrator.
    pub fn is_admin(&self) -> bool {
        matches!(self, Self::Known(subject) if subject.is_admin())
    }

    /// Whether the caller holds `scope`; nobody in particular holds none.
    pub fn holds(&self, scope: &Scope) -> bool {
        match self {
            Self::Anonymous => false,
            Self::Known(subject) => subject.scopes.contains(scope),
        }
    }
}

impl Subject {
    fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|held| held.0 == scope)
    }

    fn is_admin(&self) -> bool {
        self.has_scope("admin")
    }
}

/// The name that stands for a caller in folders: an API key's is its own, without the prefix.
pub fn folder_name(subject: &str) -> &str {
    subject.strip_prefix(KEY_SUBJECT_PREFIX).unwrap_or(subject)
}

/// What a caller may do beside uploading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Get a link to an original.
    Download,
    /// Delete assets.
    Delete,
    /// Learn why a signature was refused, from the API secret.
    Explain,
    /// Reach what is another's, and erase a person.
    Administer,
}

impl Action {
    const fn scope(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Delete => "delete",
            Self::Explain => "explain",
            Self::Administer => "admin",
        }
    }
}

/// A known caller who lacks a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this takes the scope `{scope}`, which the caller does not hold")]
pub struct Forbidden {
    scope: &'static str,
}

/// One thing a caller may do, such as `upload:kyc`, `download`, `delete` or `admin`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(String);

/// Text that cannot be a scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a scope: 1 to 100 letters, digits and `:._-`")]
pub struct NotAScope(String);

impl Scope {
    /// The scope for uploads under a profile.
    pub fn upload(profile: &str) -> Self {
        Self(format!("upload:{profile}"))
    }
}

impl FromStr for Scope {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":._-".contains(&byte);
        if (1..=100).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAScope(text.to_owned()))
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
