//! Parameters that an upload widget composed itself: compared with the profile, and approved as they stand.

use std::collections::BTreeMap;

use super::{MERGED, Profile, Refusal, context, tags};
use crate::auth::Caller;
use crate::clock::UnixSeconds;
use crate::delivery::DeliveryType;
use crate::signing::cloudinary::TIMESTAMP_WINDOW_SECONDS;
use crate::signing::{ParamValue, Params};

/// How far ahead of the server's clock a widget's timestamp may be, in seconds: it adds to the signature's life.
const AHEAD_SECONDS: i64 = 5;

/// How far behind it may be, in seconds, for computers whose clocks are slow. A minute is left for the upload.
const BEHIND_SECONDS: i64 = TIMESTAMP_WINDOW_SECONDS - 60;

/// What every upload widget says of itself.
const WIDGET_SOURCE: (&str, &str) = ("source", "uw");

/// Parameters that may be signed as they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    /// What is signed.
    pub params: Params,
    /// When the provider stops accepting the signature.
    pub expires_at: UnixSeconds,
}

impl Profile {
    /// Approves `asked` as it stands, or says which parameter the profile would not sign.
    ///
    /// Every parameter must equal what the profile fixes, or be one that it opens and keep the rule; every parameter that
    /// the profile fixes must be there; and the timestamp must be the current time, give or take what clocks differ.
    pub fn approve(
        &self,
        caller: &Caller,
        asked: BTreeMap<String, ParamValue>,
        now: UnixSeconds,
    ) -> Result<Approved, Refusal> {
        self.admit(caller)?;
        if self.is_tracked() {
            return Err(Refusal::NamesUploads { profile: self.name().to_owned() });
        }
        if !self.upload_widget {
            return Err(Refusal::NotForWidgets { profile: self.name().to_owned() });
        }
        let timestamp = check_timestamp(asked.get("timestamp"), now)?;
        let fixed = self.expected(caller, &asked)?;
        for (name, expected) in fixed.iter().filter(|(name, _)| !self.is_merged(name)) {
            self.check_fixed(name, &expected.to_string(), asked.get(name))?;
        }
        self.check_merged(caller, &asked)?;
        for (name, value) in &asked {
            let is_fixed = name == "timestamp" || fixed.get(name).is_some() || self.is_merged(name);
            let text = value.to_string();
            if !is_fixed && !text.is_empty() && (name.as_str(), text.as_str()) != WIDGET_SOURCE {
                self.check_client_param(name, &text)?;
            }
        }
        Ok(Approved {
            params: asked.into_iter().collect(),
            expires_at: timestamp.plus(TIMESTAMP_WINDOW_SECONDS),
        })
    }

    /// Whether clients add to what the profile has under this name.
    fn is_merged(&self, name: &str) -> bool {
        MERGED.contains(&name) && self.client_params.contains_key(name)
    }

    /// Tags and context, where clients may add to them: all of the profile's are there, and what is added keeps the rule.
    fn check_merged(&self, caller: &Caller, asked: &BTreeMap<String, ParamValue>) -> Result<(), Refusal> {
        let text = |name: &str| asked.get(name).map_or_else(String::new, ToString::to_string);
        if self.is_merged(tags::NAME) {
            let fixed = self.fixed_tags(caller)?;
            let added = tags::added_to(&fixed, &text(tags::NAME))
                .ok_or_else(|| self.differs(tags::NAME, &fixed.join(",")))?;
            self.check_added(tags::NAME, &added)?;
            self.check_added_tags(&fixed, &added)?;
        }
        if self.is_merged(context::NAME) {
            let fixed = self.fixed_context(caller)?;
            let added = context::added_to(&fixed, &text(context::NAME))
                .ok_or_else(|| self.differs(context::NAME, &fixed.join("|")))?;
            self.check_added(context::NAME, &added)?;
            self.check_added_context(&added)?;
        }
        Ok(())
    }

    fn check_added(&self, name: &str, added: &str) -> Result<(), Refusal> {
        if added.is_empty() { Ok(()) } else { self.check_client_param(name, added) }
    }

    fn differs(&self, name: &str, expected: &str) -> Refusal {
        let (name, profile, expected) = (name.to_owned(), self.name().to_owned(), expected.to_owned());
        Refusal::DiffersFromProfile { name, profile, expected }
    }

    /// What the profile fixes for this caller, but for the timestamp.
    fn expected(&self, caller: &Caller, asked: &BTreeMap<String, ParamValue>) -> Result<Params, Refusal> {
        let wants_private =
            asked.get("type").is_some_and(|text| text.to_string() == DeliveryType::Private.as_str());
        let should_secure = (wants_private && self.client_may_secure()).then_some(true);
        let mut expected = Params::with_capacity(8);
        self.push_fixed(&mut expected, caller, self.delivery_type(should_secure)?)?;
        self.push_tags_and_context(&mut expected, caller, &BTreeMap::new())?;
        Ok(expected)
    }

    fn check_fixed(&self, name: &str, expected: &str, found: Option<&ParamValue>) -> Result<(), Refusal> {
        let found = found.map_or_else(String::new, ToString::to_string);
        if found == expected || is_same_flag(&found, expected) {
            Ok(())
        } else {
            Err(self.differs(name, expected))
        }
    }
}

fn check_timestamp(asked: Option<&ParamValue>, now: UnixSeconds) -> Result<UnixSeconds, Refusal> {
    let timestamp = asked.and_then(|value| value.to_string().parse::<i64>().ok());
    match timestamp {
        Some(at) if (now.0 - BEHIND_SECONDS..=now.0 + AHEAD_SECONDS).contains(&at) => Ok(UnixSeconds(at)),
        _ => Err(Refusal::Timestamp { ahead: AHEAD_SECONDS, behind: BEHIND_SECONDS }),
    }
}

/// SDKs write flags as `1` and `0`, widgets and this server as `true` and `false`; the provider takes both.
fn is_same_flag(a: &str, b: &str) -> bool {
    let flag = |text: &str| match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    };
    flag(a).is_some() && flag(a) == flag(b)
}
