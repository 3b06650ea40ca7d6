//! Parameters that a client composed itself and asks to have signed, as upload widgets do: held against the profile.

use std::collections::BTreeMap;

use super::{Profile, Refusal};
use crate::auth::Caller;
use crate::clock::UnixSeconds;
use crate::delivery::DeliveryType;
use crate::signing::{ParamValue, Params};

/// How far ahead of the server's clock a client's timestamp may be, in seconds.
const AHEAD_SECONDS: i64 = 60;

impl Profile {
    /// Approves `asked` as it stands, or says which parameter the profile would not sign.
    ///
    /// Every parameter must be what the profile fixes, or opened by it within its rule; everything that the profile
    /// fixes must be there; and the timestamp must be of now, or older by no more than the profile's lifetime.
    pub fn approve(
        &self,
        caller: &Caller,
        asked: BTreeMap<String, ParamValue>,
        now: UnixSeconds,
    ) -> Result<Params, Refusal> {
        self.admit(caller)?;
        if self.is_tracked() {
            return Err(Refusal::NamesUploads { profile: self.name().to_owned() });
        }
        self.check_timestamp(asked.get("timestamp"), now)?;
        let fixed = self.expected(caller, &asked)?;
        for (name, expected) in fixed.iter() {
            self.check_fixed(name, &expected.to_string(), asked.get(name))?;
        }
        for (name, value) in &asked {
            let is_fixed = name == "timestamp" || fixed.get(name).is_some();
            if !is_fixed && !value.is_empty() {
                self.check_client_param(name, &value.to_string())?;
            }
        }
        Ok(asked.into_iter().collect())
    }

    fn check_timestamp(&self, asked: Option<&ParamValue>, now: UnixSeconds) -> Result<(), Refusal> {
        let behind = self.lifetime().seconds();
        let timestamp = asked.and_then(|value| value.to_string().parse::<i64>().ok());
        match timestamp {
            Some(at) if (now.0 - behind..=now.0 + AHEAD_SECONDS).contains(&at) => Ok(()),
            _ => Err(Refusal::Timestamp { ahead: AHEAD_SECONDS, behind }),
        }
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
        let found = found.map(ToString::to_string).unwrap_or_default();
        let agrees = match (name, self.client_params.contains_key(name)) {
            ("tags", true) => holds_all(&found, expected, ','),
            ("context", true) => holds_all(&found, expected, '|'),
            _ => found == expected || is_same_flag(&found, expected),
        };
        if !agrees {
            let (name, profile, expected) = (name.to_owned(), self.name().to_owned(), expected.to_owned());
            return Err(Refusal::DiffersFromProfile { name, profile, expected });
        }
        // What a client added to a list of the profile's must keep the rule, as a whole.
        if found == expected || !self.client_params.contains_key(name) {
            return Ok(());
        }
        self.check_client_param(name, &found)
    }
}

/// Whether every item of `expected` is an item of `found`, and none occurs under a second value.
fn holds_all(found: &str, expected: &str, separator: char) -> bool {
    let items: Vec<_> = found.split(separator).map(str::trim).collect();
    expected.split(separator).all(|item| {
        let key = item.split_once('=').map(|(key, _)| format!("{key}="));
        let same_key = |other: &&&str| key.as_deref().is_some_and(|key| other.starts_with(key));
        items.contains(&item) && items.iter().filter(same_key).count() <= 1
    })
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
