//! The keys that ask for the ledger: `single_use`, `max_bytes` and `quota`.

use toml::Value;

use super::super::Terms;
use super::super::quota::{Limit, parse_size};
use super::super::tracking::Tracking;
use super::{ProfileText, Reading};

/// How many unused grants one caller may hold unless the profile says otherwise.
const DEFAULT_MAX_OPEN: u64 = 1_000;
/// The largest number that a profile may say.
const MOST_MAX_OPEN: i64 = 1_000_000;

impl Reading<'_> {
    /// What is used once, held to a size or counted must be known when it comes; the one public id of a grant does that.
    pub(super) fn tracking(&mut self, text: &ProfileText) -> Option<Tracking> {
        let max_bytes = text.max_bytes.as_deref().map(parse_size).transpose();
        let max_bytes = max_bytes.unwrap_or_else(|error| {
            self.wrong("max_bytes", error);
            Some(1)
        });
        let quota = text.quota.clone().unwrap_or_default();
        let mut limit = |key, limit: Option<Result<Limit, _>>| {
            limit.and_then(|limit| limit.map_err(|error| self.wrong(key, error)).ok())
        };
        let uploads = limit("quota.uploads", quota.uploads.as_deref().map(Limit::of_uploads));
        let bytes = limit("quota.bytes", quota.bytes.as_deref().map(Limit::of_bytes));
        match (bytes, max_bytes) {
            (Some(_), None) => {
                self.wrong(
                    "quota.bytes",
                    "needs max_bytes: so much is set aside until a file's size is known",
                );
            }
            (Some(bytes), Some(most)) if most > bytes.most => {
                self.wrong(
                    "quota.bytes",
                    format!("is less than one file may have ({most} bytes): no upload would pass"),
                );
            }
            _ => {}
        }
        let max_open = self.max_open(text);
        let needs_it = max_bytes.is_some() || text.quota.is_some();
        match text.single_use {
            Some(false) if needs_it => self.wrong(
                "single_use",
                "must not be false with max_bytes or quota: what can be used twice cannot be counted",
            ),
            None if !needs_it => return self.without_tracking(text),
            Some(false) => return self.without_tracking(text),
            Some(true) | None => {
                self.require_folder(text);
                self.refuse_other_names(text);
            }
        }
        Some(Tracking { terms: terms(text, max_bytes), uploads, bytes, max_open })
    }

    fn max_open(&mut self, text: &ProfileText) -> Option<u64> {
        const WHY: &str = "must be a whole number from 1 to 1000000, or \"off\"";
        let is_tracked = text.single_use == Some(true) || text.max_bytes.is_some() || text.quota.is_some();
        if text.max_open_grants.is_some() && !is_tracked {
            self.wrong("max_open_grants", "has a meaning with single_use, max_bytes or quota only");
        }
        match &text.max_open_grants {
            None => Some(DEFAULT_MAX_OPEN),
            Some(Value::String(word)) if word == "off" => None,
            Some(Value::Integer(limit @ 1..=MOST_MAX_OPEN)) => Some(limit.unsigned_abs()),
            Some(_) => {
                self.wrong("max_open_grants", WHY);
                None
            }
        }
    }

    /// Without a folder the public id that is signed is the whole one, by which the provider deletes and renames too.
    fn require_folder(&mut self, text: &ProfileText) {
        if text.folder.is_none() {
            self.wrong(
                "folder",
                "is missing: with single_use, max_bytes or quota the public id is signed, and without a folder beside \
                 it that signature would be good for deleting the upload as well; write folder = \"NAME/{sub}\"",
            );
        }
    }

    /// Keys that mean nothing without the ledger are refused.
    fn without_tracking(&mut self, text: &ProfileText) -> Option<Tracking> {
        if text.on_replacement.is_some() {
            self.wrong(
                "on_replacement",
                "needs single_use, max_bytes or quota: only the ledger knows what was uploaded",
            );
        }
        None
    }

    /// The server names what is uploaded once.
    fn refuse_other_names(&mut self, text: &ProfileText) {
        const NAMING: [&str; 5] = [
            "overwrite",
            "public_id_prefix",
            "unique_filename",
            "use_asset_folder_as_public_id_prefix",
            "use_filename",
        ];
        const WHY: &str =
            "has no meaning with single_use, max_bytes or quota: the server makes the public id";
        if text.use_filename.is_some() {
            self.wrong("use_filename", WHY);
        }
        for name in NAMING.iter().filter(|name| text.params.contains_key(**name)) {
            self.wrong(&format!("params.{name}"), WHY);
        }
    }
}

/// What a file must be like once it is stored. A format that the profile converts to is right whatever else is.
fn terms(text: &ProfileText, max_bytes: Option<u64>) -> Terms {
    let mut formats = text.allowed_formats.clone();
    let converted = text.params.get("format").and_then(Value::as_str).filter(|_| !formats.is_empty());
    formats.extend(converted.map(str::to_owned));
    let on_replacement = text.on_replacement.unwrap_or_default();
    Terms { max_bytes, formats, resource_types: text.resource_types.clone(), on_replacement }
}
