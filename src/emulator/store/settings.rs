//! What a cloud holds beside its assets: upload presets, folders that were made before anything was in them, the
//! fields of structured metadata, named transformations, and upload mappings.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::super::metadata::MetadataFields;
use super::super::named::Transformations;

/// What every cloud holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::emulator) struct Settings(BTreeMap<String, CloudSettings>);

/// What one cloud holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::emulator) struct CloudSettings {
    /// By name.
    #[serde(default)]
    pub presets: BTreeMap<String, Preset>,
    /// By path, without a slash at either end.
    #[serde(default)]
    pub folders: BTreeSet<String>,
    #[serde(default)]
    pub metadata: MetadataFields,
    #[serde(default)]
    pub transformations: Transformations,
    /// Addresses that folders stand for.
    #[serde(default)]
    pub mappings: BTreeMap<String, String>,
}

/// Upload parameters under a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::emulator) struct Preset {
    /// Whether uploads without a signature may use it.
    #[serde(default)]
    pub unsigned: bool,
    /// The parameters as an upload would send them.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

impl Settings {
    /// What there is of `cloud`.
    pub(in crate::emulator) fn of(&self, cloud: &str) -> Option<&CloudSettings> {
        self.0.get(cloud)
    }

    /// The metadata fields of `cloud`.
    pub(in crate::emulator) fn metadata_of(&self, cloud: &str) -> MetadataFields {
        self.of(cloud).map(|cloud| cloud.metadata.clone()).unwrap_or_default()
    }

    /// What there is of `cloud`, to be changed.
    pub(in crate::emulator) fn of_mut(&mut self, cloud: &str) -> &mut CloudSettings {
        self.0.entry(cloud.to_owned()).or_default()
    }
}
