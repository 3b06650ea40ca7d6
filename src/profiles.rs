//! Profiles: what may be uploaded, fixed on the server. Profile + caller + request → grant, or a refusal that says why.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::auth::Caller;
use crate::clock::UnixSeconds;
use crate::delivery::{DeliveryType, ResourceType};
use crate::signing::Params;

/// How long the provider honours a signature after its timestamp, in seconds.
///
/// Source: <https://cloudinary.com/documentation/authentication_signatures>.
pub const PROVIDER_WINDOW_SECONDS: i64 = 3_600;

/// The name of the profile that is used when a request names none.
pub const DEFAULT_PROFILE: &str = "default";

/// The upload endpoint a client may be sent to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UploadResourceType {
    /// Whatever the provider finds in the file.
    #[default]
    Auto,
    /// Images, or a refusal.
    Image,
    /// Video and audio, or a refusal.
    Video,
    /// Any file, stored as it is.
    Raw,
}

impl UploadResourceType {
    /// The word in the upload URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Image => ResourceType::Image.as_str(),
            Self::Video => ResourceType::Video.as_str(),
            Self::Raw => ResourceType::Raw.as_str(),
        }
    }
}

/// A word that is not an upload resource type.
#[derive(Debug, thiserror::Error)]
#[error("must be image, video, raw or auto")]
pub struct NotAnUploadResourceType;

impl FromStr for UploadResourceType {
    type Err = NotAnUploadResourceType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "image" => Ok(Self::Image),
            "video" => Ok(Self::Video),
            "raw" => Ok(Self::Raw),
            _ => Err(NotAnUploadResourceType),
        }
    }
}

/// How long a grant can be used: 1 to 60 minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime(i64);

impl Lifetime {
    /// A lifetime of whole minutes; `None` outside 1 to 60, which the provider could not keep.
    pub const fn minutes(minutes: i64) -> Option<Self> {
        match minutes {
            1..=60 => Some(Self(minutes * 60)),
            _ => None,
        }
    }

    /// The lifetime in seconds.
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// The timestamp to sign at `now`, set back so that the provider's window ends with this lifetime.
    pub const fn timestamp(self, now: UnixSeconds) -> UnixSeconds {
        now.plus(self.0 - PROVIDER_WINDOW_SECONDS)
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 / 60 {
            1 => f.write_str("1 min"),
            minutes => write!(f, "{minutes} mins"),
        }
    }
}

/// What may be uploaded under one name.
#[derive(Clone, Debug)]
pub struct Profile {
    name: String,
    folder: String,
    use_filename: bool,
    lifetime: Lifetime,
    client_may_secure: bool,
}

/// What a client asks for beside the profile.
#[derive(Clone, Copy, Debug, Default)]
pub struct UploadRequest {
    /// Asks for private delivery; only a profile with `client_may_secure` hears it.
    pub should_secure_asset: Option<bool>,
    /// Asks for an upload endpoint.
    pub resource_type: UploadResourceType,
}

/// One permission to upload.
#[derive(Clone, Debug)]
pub struct Grant {
    /// What is signed, and what the client must send: neither more nor less.
    pub params: Params,
    /// The upload endpoint.
    pub resource_type: UploadResourceType,
    /// How long it lasts.
    pub lifetime: Lifetime,
    /// When the server signed.
    pub issued_at: UnixSeconds,
}

impl Grant {
    /// When the provider stops accepting it.
    pub const fn expires_at(&self) -> UnixSeconds {
        self.issued_at.plus(self.lifetime.seconds())
    }
}

/// Why a well-formed request is not granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The profile fixes the delivery type.
    #[error(
        "should_secure_asset: the profile `{profile}` does not let the client choose; leave the parameter out"
    )]
    ClientMayNotSecure {
        /// The profile's name.
        profile: String,
    },
}

impl Profile {
    /// The reference app's one profile: folder `kyc/1`, file names kept, 30 minutes, private on request.
    fn reference() -> Self {
        Self {
            name: DEFAULT_PROFILE.to_owned(),
            folder: "kyc/1".to_owned(),
            use_filename: true,
            lifetime: const { Lifetime::minutes(30).unwrap() },
            client_may_secure: true,
        }
    }

    /// The name under which clients ask for it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder that uploads land in.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// How long a grant under this profile lasts.
    pub const fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    /// Whether a client may ask for private delivery.
    pub const fn client_may_secure(&self) -> bool {
        self.client_may_secure
    }

    /// Grants `caller` one upload at `now`, or says why not.
    pub fn grant(&self, caller: &Caller, request: UploadRequest, now: UnixSeconds) -> Result<Grant, Refusal> {
        let Caller::Anonymous = caller;
        let delivery_type = self.delivery_type(request)?;
        let mut params = Params::with_capacity(4);
        params.push("timestamp", self.lifetime.timestamp(now).0);
        params.push("folder", self.folder.clone());
        if self.use_filename {
            params.push("use_filename", true);
        }
        if delivery_type != DeliveryType::Upload {
            params.push("type", delivery_type.as_str());
        }
        Ok(Grant { params, resource_type: request.resource_type, lifetime: self.lifetime, issued_at: now })
    }

    fn delivery_type(&self, request: UploadRequest) -> Result<DeliveryType, Refusal> {
        match request.should_secure_asset {
            Some(_) if !self.client_may_secure => {
                Err(Refusal::ClientMayNotSecure { profile: self.name.clone() })
            }
            Some(true) => Ok(DeliveryType::Private),
            Some(false) | None => Ok(DeliveryType::Upload),
        }
    }
}

/// Every profile of this server, by name.
#[derive(Clone, Debug)]
pub struct Profiles(BTreeMap<String, Profile>);

/// No profile has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no profile `{0}`")]
pub struct ProfileNotFound(String);

impl Profiles {
    /// The reference app's profile alone.
    pub fn reference() -> Self {
        let profile = Profile::reference();
        Self(BTreeMap::from([(profile.name.clone(), profile)]))
    }

    /// The profile for requests that name none.
    pub fn default_profile(&self) -> Option<&Profile> {
        self.0.get(DEFAULT_PROFILE)
    }

    /// The profile with this name.
    pub fn get(&self, name: &str) -> Result<&Profile, ProfileNotFound> {
        self.0.get(name).ok_or_else(|| ProfileNotFound(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::cloudinary::{SignatureVersion, string_to_sign};

    const NOW: UnixSeconds = UnixSeconds(1_720_000_000);

    fn grant(should_secure_asset: Option<bool>) -> Grant {
        let request = UploadRequest { should_secure_asset, ..UploadRequest::default() };
        Profile::reference().grant(&Caller::Anonymous, request, NOW).unwrap()
    }

    #[test]
    fn the_reference_profile_signs_what_the_reference_app_signs() {
        let string = string_to_sign(&grant(None).params, SignatureVersion::V2);
        assert_eq!(string, "folder=kyc/1&timestamp=1719998200&use_filename=true");
    }

    #[test]
    fn a_secured_upload_is_private() {
        let string = string_to_sign(&grant(Some(true)).params, SignatureVersion::V2);
        assert_eq!(string, "folder=kyc/1&timestamp=1719998200&type=private&use_filename=true");
        assert!(grant(Some(false)).params.get("type").is_none());
    }

    #[test]
    fn the_providers_hour_ends_with_the_grant() {
        for minutes in 1..=60 {
            let lifetime = Lifetime::minutes(minutes).unwrap();
            let refused_from = lifetime.timestamp(NOW).plus(PROVIDER_WINDOW_SECONDS);
            assert_eq!(refused_from, NOW.plus(minutes * 60));
        }
        assert_eq!(Lifetime::minutes(0), None);
        assert_eq!(Lifetime::minutes(61), None);
    }

    #[test]
    fn a_profile_that_fixes_the_delivery_type_hears_no_client() {
        let profile = Profile { client_may_secure: false, ..Profile::reference() };
        for asked in [true, false] {
            let request = UploadRequest { should_secure_asset: Some(asked), ..UploadRequest::default() };
            let refusal = profile.grant(&Caller::Anonymous, request, NOW).unwrap_err();
            assert_eq!(refusal, Refusal::ClientMayNotSecure { profile: "default".to_owned() });
        }
    }
}
