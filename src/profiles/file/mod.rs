//! The profiles file: TOML, one table `[profiles.NAME]` for each profile. Anything unknown stops the start.

mod naming;
mod tracking;
mod widget;

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::Deserialize;
use toml::{Table, Value};

use super::context;
use super::parameters::{Standing, standing};
use super::quota::QuotaText;
use super::rule::{ParamRule, RuleText};
use super::template::Template;
use super::uploadcare::UploadcareText;
use super::{Fixed, Lifetime, MERGED, OnReplacement, Profile, UploadResourceType, UploadcareProfile};
use crate::auth::Scope;
use crate::delivery::DeliveryType;

/// One thing that is wrong with a profiles file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {why}")]
pub struct ProfilesFileError {
    /// The key, such as `profiles.kyc.expires_in`; empty for the file as a whole.
    at: String,
    why: String,
}

impl ProfilesFileError {
    fn new(at: impl Into<String>, why: &dyn Display) -> Self {
        Self { at: at.into(), why: why.to_string() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    profiles: BTreeMap<String, Table>,
}

/// One profile as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileText {
    folder: Option<String>,
    #[serde(rename = "type")]
    delivery_type: Option<DeliveryType>,
    #[serde(default)]
    resource_types: Vec<UploadResourceType>,
    #[serde(default)]
    allowed_formats: Vec<String>,
    expires_in: Option<String>,
    use_filename: Option<bool>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    context: BTreeMap<String, String>,
    moderation: Option<String>,
    upload_preset: Option<String>,
    scopes: Option<Vec<String>>,
    #[serde(default)]
    client_params: BTreeMap<String, RuleText>,
    #[serde(default)]
    client_may_secure: bool,
    #[serde(default)]
    upload_widget: bool,
    single_use: Option<bool>,
    max_bytes: Option<String>,
    quota: Option<QuotaText>,
    max_open_grants: Option<Value>,
    on_replacement: Option<OnReplacement>,
    /// Further parameters, the same for every upload.
    #[serde(default)]
    params: Table,
}

/// How long a grant lasts where the profile does not say.
const DEFAULT_LIFETIME: Lifetime = const { Lifetime::minutes(30).unwrap() };

/// The profiles of each provider, by name.
type ByProvider = (BTreeMap<String, Profile>, BTreeMap<String, UploadcareProfile>);

pub(super) fn parse(text: &str) -> Result<ByProvider, Vec<ProfilesFileError>> {
    let file: File =
        toml::from_str(text).map_err(|error| vec![ProfilesFileError::new("the file", &error.message())])?;
    let mut errors = Vec::new();
    let mut profiles = BTreeMap::new();
    let mut uploadcare_profiles = BTreeMap::new();
    for (name, mut table) in file.profiles {
        match table.remove("provider").as_ref().map(Value::as_str) {
            None | Some(Some("cloudinary")) => {}
            Some(Some("uploadcare")) => {
                let reading = &mut Reading { name: &name, errors: &mut errors };
                uploadcare_profiles.extend(reading.uploadcare(table).map(|profile| (name.clone(), profile)));
                continue;
            }
            Some(_) => {
                Reading { name: &name, errors: &mut errors }
                    .wrong("provider", "must be \"cloudinary\" or \"uploadcare\"");
                continue;
            }
        }
        match table.try_into::<ProfileText>() {
            Ok(text) => {
                let before = errors.len();
                let profile = Reading { name: &name, errors: &mut errors }.profile(text);
                if errors.len() == before {
                    profiles.insert(name, profile);
                }
            }
            Err(error) => errors.push(ProfilesFileError::new(format!("profiles.{name}"), &error.message())),
        }
    }
    errors.extend(conflicts(&profiles));
    if profiles.is_empty() && uploadcare_profiles.is_empty() && errors.is_empty() {
        errors.push(ProfilesFileError::new(
            "profiles",
            &"the file has no profile: begin one with [profiles.NAME]",
        ));
    }
    if errors.is_empty() { Ok((profiles, uploadcare_profiles)) } else { Err(errors) }
}

/// Every two profiles whose folders must not stand beside each other.
fn conflicts(profiles: &BTreeMap<String, Profile>) -> Vec<ProfilesFileError> {
    let mut errors = Vec::new();
    for (index, (name, profile)) in profiles.iter().enumerate() {
        let others = profiles.values().skip(index + 1);
        let conflicts = others.filter_map(|other| profile.conflict_with(other));
        errors.extend(
            conflicts.map(|conflict| ProfilesFileError::new(format!("profiles.{name}.folder"), &conflict)),
        );
    }
    errors
}

/// Reads one profile and notes what is wrong with it.
struct Reading<'a> {
    name: &'a str,
    errors: &'a mut Vec<ProfilesFileError>,
}

impl Reading<'_> {
    fn wrong(&mut self, key: &str, why: impl Display) {
        self.errors.push(ProfilesFileError::new(format!("profiles.{}.{key}", self.name), &why));
    }

    /// An Uploadcare profile, unless something is wrong with it.
    fn uploadcare(&mut self, table: Table) -> Option<UploadcareProfile> {
        self.check_name();
        match table.try_into::<UploadcareText>() {
            Ok(text) => {
                let scopes = self.scopes(text.scopes.as_deref());
                let profile = UploadcareProfile::new(self.name, scopes, &text);
                profile.map_err(|error| self.wrong(error.key(), &error)).ok()
            }
            Err(error) => {
                self.errors.push(ProfilesFileError::new(format!("profiles.{}", self.name), &error.message()));
                None
            }
        }
    }

    /// The profile; where something is wrong, the errors matter and the profile does not.
    fn profile(&mut self, text: ProfileText) -> Profile {
        self.check_name();
        let lifetime = text.expires_in.as_deref().map_or(Ok(DEFAULT_LIFETIME), str::parse);
        let lifetime = lifetime.unwrap_or_else(|error| {
            self.wrong("expires_in", error);
            DEFAULT_LIFETIME
        });
        let delivery_type = text.delivery_type.unwrap_or(DeliveryType::Upload);
        if !delivery_type.is_uploaded() {
            self.wrong("type", "must be upload, private or authenticated");
        }
        if text.client_may_secure && delivery_type != DeliveryType::Upload {
            self.wrong(
                "client_may_secure",
                "has a meaning with type = \"upload\" only: leave one of them out",
            );
        }
        Profile {
            name: self.name.to_owned(),
            scopes: self.scopes(text.scopes.as_deref()),
            lifetime,
            delivery_type,
            client_may_secure: text.client_may_secure,
            upload_widget: self.upload_widget(&text, lifetime),
            folder: text.folder.as_deref().map(|folder| self.folder(folder)),
            tags: text.tags.iter().filter_map(|tag| self.template("tags", tag)).collect(),
            context: self.context(&text.context),
            client_params: self.client_params(&text),
            fixed: self.fixed(&text),
            tracking: self.tracking(&text).map(Box::new),
            resource_types: text.resource_types,
        }
    }

    /// A profile's name goes into scopes and queries.
    fn check_name(&mut self) {
        if let Err(error) = format!("upload:{}", self.name).parse::<Scope>() {
            self.errors.push(ProfilesFileError::new(format!("profiles.{}", self.name), &error));
        }
    }

    /// Without `scopes` a caller needs `upload:NAME`; `scopes = []` takes any caller.
    fn scopes(&mut self, scopes: Option<&[String]>) -> Vec<Scope> {
        let Some(scopes) = scopes else { return vec![Scope::upload(self.name)] };
        scopes
            .iter()
            .filter_map(|scope| scope.parse().map_err(|error| self.wrong("scopes", error)).ok())
            .collect()
    }

    fn template(&mut self, key: &str, text: &str) -> Option<Template> {
        if text.is_empty() || text.contains('&') || text.contains("%26") || text.chars().any(char::is_control)
        {
            self.wrong(key, "must not be empty or contain `&`, `%26` or control characters");
        }
        Template::parse(text).map_err(|error| self.wrong(key, error)).ok()
    }

    fn folder(&mut self, folder: &str) -> Template {
        const WRONG: [char; 8] = ['?', '&', '#', '\\', '%', '<', '>', '+'];
        if folder.contains(WRONG)
            || folder
                .split('/')
                .any(|segment| matches!(segment, "" | "." | "..") || segment != segment.trim())
        {
            self.wrong(
                "folder",
                "must be segments joined by `/`, without spaces around them, `. ..` and ? & # \\ % < > +",
            );
        }
        // Beside other text `{sub}` could be read as a version or a transformation, such as `v{sub}` and `w_{sub}`.
        let alone = folder.split('/').all(|segment| segment == "{sub}" || !segment.contains("{sub}"));
        if !alone {
            self.wrong("folder", "must have {sub} as a whole segment");
        }
        self.template("folder", folder).unwrap_or_default()
    }

    fn context(&mut self, pairs: &BTreeMap<String, String>) -> BTreeMap<String, Template> {
        for name in pairs.keys() {
            if let Some(why) = context::wrong_with_name(name) {
                self.wrong("context", format!("the key `{name}` {why}"));
            }
        }
        let pairs = pairs.iter();
        pairs.filter_map(|(key, value)| Some((key.clone(), self.template("context", value)?))).collect()
    }

    fn client_params(&mut self, text: &ProfileText) -> BTreeMap<String, ParamRule> {
        let mut rules = BTreeMap::new();
        for (name, rule) in &text.client_params {
            let key = format!("client_params.{name}");
            match standing(name) {
                None => self.wrong(&key, "is not an upload parameter"),
                Some(Standing::Profile | Standing::Nobody) => self.wrong(&key, "must never be the client's"),
                Some(Standing::Client) if is_fixed(text, name) => {
                    self.wrong(&key, "is fixed by the profile as well: leave one of them out");
                }
                Some(Standing::Client) => match ParamRule::compile(rule.clone()) {
                    Ok(rule) => drop(rules.insert(name.clone(), rule)),
                    Err(error) => self.wrong(&format!("{key}.pattern"), error),
                },
            }
        }
        rules
    }

    fn fixed(&mut self, text: &ProfileText) -> Vec<(String, Fixed)> {
        let mut fixed = Vec::new();
        if let Some(flag) = text.use_filename {
            fixed.push(("use_filename".to_owned(), Fixed::Flag(flag)));
        }
        if !text.allowed_formats.is_empty() {
            let formats = self.formats(&text.allowed_formats);
            fixed.extend(formats.map(|formats| ("allowed_formats".to_owned(), Fixed::Text(formats))));
        }
        for (name, value) in [("moderation", &text.moderation), ("upload_preset", &text.upload_preset)] {
            let value = value.as_deref().and_then(|value| self.template(name, value));
            fixed.extend(value.map(|value| (name.to_owned(), Fixed::Text(value))));
        }
        if text.use_filename.is_some() && text.params.contains_key("use_filename") {
            self.wrong("params.use_filename", "stands beside use_filename: leave one of them out");
        }
        for (name, value) in &text.params {
            let value = self.fixed_param(name, value);
            fixed.extend(value.map(|value| (name.clone(), value)));
        }
        fixed.extend(naming::overwrite(text));
        fixed
    }

    fn formats(&mut self, formats: &[String]) -> Option<Template> {
        if formats
            .iter()
            .any(|format| format.is_empty() || !format.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        {
            self.wrong("allowed_formats", "must be endings of letters and digits, such as \"jpg\"");
        }
        self.template("allowed_formats", &formats.join(","))
    }

    fn fixed_param(&mut self, name: &str, value: &Value) -> Option<Fixed> {
        const OWN_KEYS: [&str; 7] =
            ["folder", "type", "allowed_formats", "moderation", "upload_preset", "tags", "context"];
        let key = format!("params.{name}");
        match standing(name) {
            None => self.wrong(&key, "is not an upload parameter"),
            Some(Standing::Nobody) => {
                self.wrong(&key, "is never signed: it would reach other assets, or is no parameter");
            }
            Some(_) if OWN_KEYS.contains(&name) => {
                self.wrong(&key, "has a key of its own in the profile: use that");
            }
            Some(Standing::Profile | Standing::Client) => {
                if let Some(flag) = self.naming_flag(name, value) {
                    return Some(flag);
                }
                return match value {
                    Value::Boolean(flag) => Some(Fixed::Flag(*flag)),
                    Value::String(text) => self.template(&key, text).map(Fixed::Text),
                    Value::Integer(number) => self.template(&key, &number.to_string()).map(Fixed::Text),
                    _ => {
                        self.wrong(&key, "must be a text, a whole number, true or false");
                        None
                    }
                };
            }
        }
        None
    }
}

/// Whether the profile fixes `name` so that no client can add to it; tags and context take both.
fn is_fixed(text: &ProfileText, name: &str) -> bool {
    let is_listed = text.params.contains_key(name) || (name == "use_filename" && text.use_filename.is_some());
    is_listed && !MERGED.contains(&name)
}
