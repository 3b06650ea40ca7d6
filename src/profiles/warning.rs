//! What an operator should know of profiles that are valid and may still allow more than they meant.

use super::{Profile, Profiles, tags};

/// One thing to know about a profile, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileWarning {
    /// The profile signs tags that several callers share.
    #[error(
        "profile `{profile}` signs tags that callers share ({shared}): Cloudinary's archives of all files with a tag take \
         the same parameters, so that a signature may open other callers' files; use tags that name the caller, such as \
         \"user:{{sub}}\", or context"
    )]
    SharedTags {
        /// The profile's name.
        profile: String,
        /// The tags, or who chooses them.
        shared: String,
    },
    /// The profile takes files of any format.
    #[error(
        "profile `{profile}` takes files of any format, SVG too, which can run scripts in the browser that opens it: write \
         allowed_formats, such as [\"jpg\", \"png\", \"webp\", \"pdf\"]"
    )]
    AnyFormat {
        /// The profile's name.
        profile: String,
    },
}

impl Profiles {
    /// Everything that an operator should know, profile by profile.
    pub fn warnings(&self) -> Vec<ProfileWarning> {
        self.iter().flat_map(|profile| [profile.shared_tags(), profile.any_format()]).flatten().collect()
    }
}

impl Profile {
    fn shared_tags(&self) -> Option<ProfileWarning> {
        let shared = self.tags.iter().filter(|tag| !tag.names_the_caller());
        let mut shared: Vec<_> = shared.map(|tag| format!("`{}`", tag.as_str())).collect();
        if self.client_params.contains_key(tags::NAME) {
            shared.push("those that clients choose".to_owned());
        }
        let profile = self.name.clone();
        (!shared.is_empty()).then(|| ProfileWarning::SharedTags { profile, shared: shared.join(", ") })
    }

    fn any_format(&self) -> Option<ProfileWarning> {
        let is_limited = self.fixed.iter().any(|(name, _)| name == "allowed_formats");
        (!is_limited).then(|| ProfileWarning::AnyFormat { profile: self.name.clone() })
    }
}
