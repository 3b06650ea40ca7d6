//! What a cloud holds beside its assets: upload presets, and folders that were made before anything was in them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Presets and folders of every cloud.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::emulator) struct Settings(BTreeMap<String, CloudSettings>);

/// Presets and folders of one cloud.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::emulator) struct CloudSettings {
    /// By name.
    #[serde(default)]
    pub presets: BTreeMap<String, Preset>,
    /// By path, without a slash at either end.
    #[serde(default)]
    pub folders: BTreeSet<String>,
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

    /// What there is of `cloud`, to be changed.
    pub(in crate::emulator) fn of_mut(&mut self, cloud: &str) -> &mut CloudSettings {
        self.0.entry(cloud.to_owned()).or_default()
    }
}
