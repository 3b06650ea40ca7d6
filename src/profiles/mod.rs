//! Profiles: what may be uploaded, fixed on the server. Profile + caller + request → grant, or a refusal that says why.

mod all;
mod approve;
mod context;
mod file;
mod file_terms;
mod lifetime;
mod overlap;
mod parameters;
mod quota;
mod refusal;
mod resource_type;
mod rule;
mod tags;
mod template;
mod terms;
mod tracking;
mod upload_id;
mod uploadcare;
mod warning;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::auth::{Caller, Scope};
use crate::clock::UnixSeconds;
use crate::delivery::DeliveryType;
use crate::signing::{ParamValue, Params};

pub use all::{ProfileNotFound, Profiles};
pub use approve::Approved;
pub use file::ProfilesFileError;
pub use file_terms::FileTerms;
pub use lifetime::{Lifetime, NotALifetime};
pub use quota::{Limit, Period, Window};
pub use refusal::Refusal;
pub use resource_type::{NotAnUploadResourceType, UploadResourceType};
pub use rule::ParamRule;
use template::Template;
pub use terms::{OnReplacement, StoredFile, Terms};
use tracking::Tracking;
pub use tracking::{Measure, Reservation, Tracked};
pub use upload_id::{NotAnUploadId, UploadId};
pub use uploadcare::{
    DEFAULT_FILES_PER_SIGNATURE, FileOwner, TokenLimits, UploadcareGrant, UploadcareProfile,
};
pub use warning::ProfileWarning;

/// The name of the profile that is used when a request names none.
pub const DEFAULT_PROFILE: &str = "default";

/// What may be uploaded under one name.
#[derive(Clone, Debug)]
pub struct Profile {
    name: String,
    /// What a caller must hold; without authentication nobody holds anything.
    scopes: Vec<Scope>,
    lifetime: Lifetime,
    delivery_type: DeliveryType,
    client_may_secure: bool,
    /// Whether upload widgets may compose their parameters themselves.
    upload_widget: bool,
    /// Empty: any.
    resource_types: Vec<UploadResourceType>,
    folder: Option<Template>,
    /// Further parameters that are the same for every upload, in the order in which they are signed.
    fixed: Vec<(String, Fixed)>,
    tags: Vec<Template>,
    context: BTreeMap<String, Template>,
    client_params: BTreeMap<String, ParamRule>,
    /// What the ledger keeps of its grants; without it they are forgotten once they are signed.
    tracking: Option<Box<Tracking>>,
}

/// The value of a parameter that the profile fixes.
#[derive(Clone, Debug)]
enum Fixed {
    Flag(bool),
    Text(Template),
}

/// What a client asks for beside the profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UploadRequest {
    /// Asks for private delivery; only a profile with `client_may_secure` hears it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub should_secure_asset: Option<bool>,
    /// Asks for an upload endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<UploadResourceType>,
    /// Parameters of the client's own; only those that the profile opens are granted.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, ParamValue>,
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

impl Profile {
    /// The reference app's one profile: folder `kyc/1`, file names kept, 30 minutes, private on request.
    fn reference() -> Self {
        Self {
            name: DEFAULT_PROFILE.to_owned(),
            scopes: Vec::new(),
            lifetime: const { Lifetime::minutes(30).unwrap() },
            delivery_type: DeliveryType::Upload,
            client_may_secure: true,
            upload_widget: false,
            resource_types: Vec::new(),
            folder: Template::parse("kyc/1").ok(),
            fixed: vec![("use_filename".to_owned(), Fixed::Flag(true))],
            tags: Vec::new(),
            context: BTreeMap::new(),
            client_params: BTreeMap::new(),
            tracking: None,
        }
    }

    /// The name under which clients ask for it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder that uploads land in, `{sub}` standing for the caller; empty for none.
    pub fn folder(&self) -> &str {
        self.folder.as_ref().map_or("", Template::as_str)
    }

    /// Whether each caller has a folder of their own.
    pub fn has_a_folder_for_each(&self) -> bool {
        self.folder.as_ref().is_some_and(Template::names_the_caller)
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
        self.admit(caller)?;
        let delivery_type = self.delivery_type(request.should_secure_asset)?;
        let resource_type = self.resource_type(request.resource_type)?;
        self.check_client_params(&request.params)?;
        let mut params = Params::with_capacity(4 + self.fixed.len() + request.params.len());
        params.push("timestamp", self.lifetime.timestamp(now).0);
        self.push_fixed(&mut params, caller, delivery_type)?;
        self.push_tags_and_context(&mut params, caller, &request.params)?;
        for (name, value) in request.params {
            if !MERGED.contains(&name.as_str()) && !value.is_empty() {
                params.push(name, value);
            }
        }
        Ok(Grant { params, resource_type, lifetime: self.lifetime, issued_at: now })
    }

    /// Whether `public_id` lies in the folder that this profile gives `caller`: by whole segments, so that `kyc/1` does
    /// not own `kyc/10/…`.
    fn owns(&self, caller: &Caller, public_id: &str) -> bool {
        let folder = self
            .folder
            .as_ref()
            .filter(|folder| self.admit(caller).is_ok() && self.gives_away(folder))
            .and_then(|folder| folder.fill(caller));
        folder.is_some_and(|folder| {
            public_id.strip_prefix(&folder).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'))
        })
    }

    /// Whether `public_id` lies in the folder of some caller.
    fn may_hold(&self, public_id: &str) -> bool {
        self.folder.as_ref().is_some_and(|folder| folder.may_hold(public_id))
    }

    /// Whether all that lies in `folder` is the caller's. Where callers share one and the ledger knows whose each asset
    /// is, what it says counts.
    fn gives_away(&self, folder: &Template) -> bool {
        self.tracking.is_none() || folder.names_the_caller()
    }

    /// The folder that is `subject`'s alone, if the profile gives each caller one.
    pub fn folder_of(&self, subject: &str) -> Option<String> {
        self.folder.as_ref().filter(|folder| folder.names_the_caller()).map(|folder| folder.fill_for(subject))
    }

    /// Refuses a caller who may not use this profile.
    fn admit(&self, caller: &Caller) -> Result<(), Refusal> {
        match self.scopes.iter().find(|scope| !caller.holds(scope)) {
            Some(_) if *caller == Caller::Anonymous => Err(self.needs_caller()),
            Some(scope) => Err(Refusal::MissingScope { profile: self.name.clone(), scope: scope.clone() }),
            None => Ok(()),
        }
    }

    fn needs_caller(&self) -> Refusal {
        Refusal::NeedsCaller { profile: self.name.clone() }
    }

    fn delivery_type(&self, should_secure_asset: Option<bool>) -> Result<DeliveryType, Refusal> {
        match should_secure_asset {
            Some(_) if !self.client_may_secure => {
                Err(Refusal::ClientMayNotSecure { profile: self.name.clone() })
            }
            Some(true) => Ok(DeliveryType::Private),
            Some(false) | None => Ok(self.delivery_type),
        }
    }

    fn resource_type(&self, asked: Option<UploadResourceType>) -> Result<UploadResourceType, Refusal> {
        let Some(first) = self.resource_types.first() else { return Ok(asked.unwrap_or_default()) };
        match asked {
            None => Ok(*first),
            Some(asked) if self.resource_types.contains(&asked) => Ok(asked),
            Some(found) => {
                let allowed: Vec<_> = self.resource_types.iter().map(|allowed| allowed.as_str()).collect();
                Err(Refusal::ResourceType { profile: self.name.clone(), found, allowed: allowed.join(", ") })
            }
        }
    }

    fn check_client_params(&self, params: &BTreeMap<String, ParamValue>) -> Result<(), Refusal> {
        params.iter().try_for_each(|(name, value)| self.check_client_param(name, &value.to_string()))
    }

    fn check_client_param(&self, name: &str, value: &str) -> Result<(), Refusal> {
        let Some(rule) = self.client_params.get(name) else {
            return Err(Refusal::NotOpened { name: name.to_owned(), profile: self.name.clone() });
        };
        match rule.broken_by(value) {
            Some(rule) => Err(Refusal::BreaksRule { name: name.to_owned(), rule }),
            None => Ok(()),
        }
    }

    /// Adds what the profile fixes, but for tags and context.
    fn push_fixed(
        &self,
        params: &mut Params,
        caller: &Caller,
        delivery_type: DeliveryType,
    ) -> Result<(), Refusal> {
        let fill = |template: &Template| template.fill(caller).ok_or_else(|| self.needs_caller());
        if let Some(folder) = &self.folder {
            params.push("folder", fill(folder)?);
        }
        for (name, value) in &self.fixed {
            match value {
                Fixed::Flag(flag) => params.push(name.clone(), *flag),
                Fixed::Text(template) => params.push(name.clone(), fill(template)?),
            }
        }
        if delivery_type != DeliveryType::Upload {
            params.push("type", delivery_type.as_str());
        }
        Ok(())
    }

    /// Adds tags and context: the profile's own first, then the client's.
    fn push_tags_and_context(
        &self,
        params: &mut Params,
        caller: &Caller,
        asked: &BTreeMap<String, ParamValue>,
    ) -> Result<(), Refusal> {
        let asked_text =
            |name: &str| asked.get(name).map(ToString::to_string).filter(|text| !text.is_empty());
        let mut tags = self.fixed_tags(caller)?;
        if let Some(added) = asked_text(tags::NAME) {
            self.check_added_tags(&tags, &added)?;
            tags.push(added);
        }
        if !tags.is_empty() {
            params.push(tags::NAME, tags.join(","));
        }
        let mut context = self.fixed_context(caller)?;
        if let Some(added) = asked_text(context::NAME) {
            self.check_added_context(&added)?;
            context.push(added);
        }
        if !context.is_empty() {
            params.push(context::NAME, context.join("|"));
        }
        Ok(())
    }
}

/// Parameters in which the client's value is added to the profile's.
const MERGED: [&str; 2] = [tags::NAME, context::NAME];

#[cfg(test)]
mod tests;
