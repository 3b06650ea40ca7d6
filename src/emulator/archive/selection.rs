//! Which assets an archive holds.
//!
//! ```text
//! public_ids                    at most 1,000
//! tags                          at most 20: assets with any of them
//! prefixes                      at most 20: assets whose public id begins with any of them
//! fully_qualified_public_ids    <resource type>/<type>/<public id>, with the resource types auto and all
//! type                          upload by default; with the resource types auto and all every type
//! allow_missing                 without it an id that does not exist refuses the archive
//! ```
//!
//! An asset that is named in several ways is in the archive once.

use std::collections::HashSet;
use std::sync::Arc;

use crate::delivery::{DeliveryType, ResourceType};

use super::super::attributes::words;
use super::super::fields::Fields;
use super::super::refusal::Refusal;
use super::super::store::{Asset, Store};
use super::super::upload::parse_type;

const MAX_IDS: usize = 1_000;
const MAX_TAGS: usize = 20;
const MAX_PREFIXES: usize = 20;
const MAX_ASSETS: usize = 1_000;

/// What the parameters ask for.
#[derive(Debug)]
pub(super) struct Selection {
    /// `None`: every one.
    resource_type: Option<ResourceType>,
    /// `None`: every one.
    delivery_type: Option<DeliveryType>,
    public_ids: Vec<String>,
    qualified_ids: Vec<String>,
    tags: Vec<String>,
    prefixes: Vec<String>,
    allow_missing: bool,
}

impl Selection {
    pub(super) fn parse(word: &str, fields: &Fields) -> Result<Self, Refusal> {
        let (is_auto, is_all) = (word == "auto", word == "all");
        let resource_type = match word {
            "auto" | "all" => None,
            word => Some(word.parse().ok().ok_or(Refusal::InvalidUploadUrl)?),
        };
        let is_any_type = resource_type.is_none() && fields.get("type").is_none();
        let selection = Self {
            resource_type,
            delivery_type: if is_any_type { None } else { Some(parse_type(fields)?) },
            public_ids: list(fields, "public_ids", MAX_IDS)?,
            qualified_ids: list(fields, "fully_qualified_public_ids", MAX_IDS)?,
            tags: list(fields, "tags", MAX_TAGS)?,
            prefixes: list(fields, "prefixes", MAX_PREFIXES)?,
            allow_missing: fields.flag("allow_missing") == Some(true),
        };
        let by_name = [&selection.public_ids, &selection.tags, &selection.prefixes];
        let is_unqualified = by_name.iter().any(|list| !list.is_empty());
        if is_auto && (is_unqualified || selection.qualified_ids.is_empty()) {
            return Err(Refusal::MissingParameter("fully_qualified_public_ids"));
        }
        if !is_unqualified && selection.qualified_ids.is_empty() {
            return Err(Refusal::MissingParameter("public_ids"));
        }
        if !(is_auto || is_all || selection.qualified_ids.is_empty()) {
            let value = word.to_owned();
            return Err(Refusal::InvalidValue { name: "resource_type", value });
        }
        Ok(selection)
    }

    /// The assets of the cloud that are meant, ordered by their keys.
    pub(super) fn find(&self, store: &Store, cloud: &str) -> Result<Vec<Arc<Asset>>, Refusal> {
        let ids: HashSet<_> = self.public_ids.iter().map(String::as_str).collect();
        let qualified_ids: HashSet<_> = self.qualified_ids.iter().map(String::as_str).collect();
        let mut assets = store.list();
        assets.retain(|asset| {
            asset.key.cloud == cloud
                && (self.is_selected(asset, &ids) || qualified_ids.contains(&*qualified_id(asset)))
        });
        if assets.len() > MAX_ASSETS {
            return Err(Refusal::TooManyOf { name: "assets in an archive", maximum: MAX_ASSETS });
        }
        if !self.allow_missing {
            self.refuse_missing(&assets)?;
        }
        if assets.is_empty() {
            return Err(Refusal::NotFound("no asset for the archive".to_owned()));
        }
        Ok(assets)
    }

    fn is_selected(&self, asset: &Asset, ids: &HashSet<&str>) -> bool {
        let key = &asset.key;
        self.resource_type.is_none_or(|one| one == key.resource_type)
            && self.delivery_type.is_none_or(|one| one == key.delivery_type)
            && (ids.contains(&*key.public_id)
                || self.prefixes.iter().any(|prefix| key.public_id.starts_with(prefix))
                || asset.description.tags.iter().any(|tag| self.tags.contains(tag)))
    }

    fn refuse_missing(&self, found: &[Arc<Asset>]) -> Result<(), Refusal> {
        let ids: HashSet<_> = found.iter().map(|asset| asset.key.public_id.as_str()).collect();
        let qualified_ids: HashSet<_> = found.iter().map(|asset| qualified_id(asset)).collect();
        let missing = self.public_ids.iter().find(|id| !ids.contains(id.as_str()));
        let missing = missing.or_else(|| self.qualified_ids.iter().find(|id| !qualified_ids.contains(*id)));
        missing.map_or(Ok(()), |id| Err(Refusal::NotFound(id.clone())))
    }
}

/// The values under `name`, each once.
fn list(fields: &Fields, name: &'static str, maximum: usize) -> Result<Vec<String>, Refusal> {
    let list = words(&fields.list(name));
    if list.len() > maximum { Err(Refusal::TooManyOf { name, maximum }) } else { Ok(list) }
}

fn qualified_id(asset: &Asset) -> String {
    format!("{}/{}/{}", asset.key.resource_type, asset.key.delivery_type, asset.key.public_id)
}
