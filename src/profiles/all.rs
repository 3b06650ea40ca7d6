//! Every profile of this server.

use std::collections::BTreeMap;

use super::{DEFAULT_PROFILE, Profile, ProfilesFileError, UploadcareProfile, file, uploadcare};
use crate::auth::Caller;

/// Every profile of this server, by name.
#[derive(Clone, Debug)]
pub struct Profiles {
    cloudinary: BTreeMap<String, Profile>,
    uploadcare: BTreeMap<String, UploadcareProfile>,
}

/// No profile has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no profile `{0}`")]
pub struct ProfileNotFound(String);

impl Profiles {
    /// The reference app's profile alone.
    pub fn reference() -> Self {
        let profile = Profile::reference();
        let uploadcare = UploadcareProfile::reference();
        Self {
            cloudinary: BTreeMap::from([(profile.name().to_owned(), profile)]),
            uploadcare: BTreeMap::from([(uploadcare.name().to_owned(), uploadcare)]),
        }
    }

    /// The profiles of a TOML file, or everything that is wrong with it.
    pub fn from_toml(text: &str) -> Result<Self, Vec<ProfilesFileError>> {
        file::parse(text).map(|(cloudinary, uploadcare)| Self { cloudinary, uploadcare })
    }

    /// The profile for requests that name none.
    pub fn default_profile(&self) -> Option<&Profile> {
        self.cloudinary.get(DEFAULT_PROFILE)
    }

    /// The profile with this name.
    pub fn get(&self, name: &str) -> Result<&Profile, ProfileNotFound> {
        self.cloudinary.get(name).ok_or_else(|| ProfileNotFound(name.to_owned()))
    }

    /// The Uploadcare profile with this name; without a name the one that is called `uploadcare`.
    pub fn uploadcare(&self, name: Option<&str>) -> Result<&UploadcareProfile, ProfileNotFound> {
        let name = name.unwrap_or(uploadcare::DEFAULT_PROFILE);
        self.uploadcare.get(name).ok_or_else(|| ProfileNotFound(name.to_owned()))
    }

    /// Every Uploadcare profile, in the order of names.
    pub fn iter_uploadcare(&self) -> impl Iterator<Item = &UploadcareProfile> {
        self.uploadcare.values()
    }

    /// Whether the asset `public_id` is `caller`'s: it lies in a folder that one of their profiles gives them, or they
    /// reach everything.
    pub fn owns(&self, caller: &Caller, public_id: &str) -> bool {
        caller.reaches_everything() || self.iter().any(|profile| profile.owns(caller, public_id))
    }

    /// Whether `public_id` lies in the folder that a tracked profile gives some caller.
    pub fn keep_what_lies_in(&self, public_id: &str) -> bool {
        self.iter().any(|profile| profile.is_tracked() && profile.may_hold(public_id))
    }

    /// Whether any profile needs the ledger.
    pub fn need_the_ledger(&self) -> bool {
        self.iter().any(Profile::is_tracked) || self.need_webhooks()
    }

    /// Whether any profile is settled by what Uploadcare tells of its own accord.
    pub fn need_webhooks(&self) -> bool {
        self.iter_uploadcare().any(|profile| profile.terms().is_some())
    }

    /// How many profiles there are.
    pub fn count(&self) -> usize {
        self.cloudinary.len() + self.uploadcare.len()
    }

    /// Every profile, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.cloudinary.values()
    }
}
