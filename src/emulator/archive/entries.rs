//! The files in an archive and their names.
//!
//! ```text
//! <folders of the public id>/<public id, or original file name>[_<transformation>].<format>
//! ```
//!
//! Names stay below the folder that an archive is unpacked to, and no two are the same.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::fields::Fields;
use super::super::refusal::Refusal;
use super::super::store::Asset;
use super::super::transformation;

/// How many files an archive may hold.
const MAX_FILES: usize = 5_000;

/// One file of an archive.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) asset: Arc<Asset>,
}

/// One file for each asset; with `transformations` one for each of them, whose content is the original's.
pub(super) fn list(assets: &[Arc<Asset>], fields: &Fields) -> Result<Vec<Entry>, Refusal> {
    let chains: Vec<_> = fields.get("transformations").into_iter().flat_map(|text| text.split('|')).collect();
    chains.iter().try_for_each(|chain| transformation::check(chain))?;
    if assets.len() * chains.len().max(1) > MAX_FILES {
        return Err(Refusal::TooManyOf { name: "files in an archive", maximum: MAX_FILES });
    }
    let is_set = |name| fields.flag(name) == Some(true);
    let style = Style {
        flat: is_set("flatten_folders"),
        original: is_set("use_original_filename"),
        transformed: !is_set("skip_transformation_name"),
    };
    let mut taken = HashMap::new();
    let mut entries = Vec::new();
    for asset in assets {
        let chains = if chains.is_empty() { &[""][..] } else { &chains };
        for chain in chains {
            let name = unique(&style.name(asset, chain), &mut taken);
            entries.push(Entry { name, asset: Arc::clone(asset) });
        }
    }
    Ok(entries)
}

/// How files are named.
#[derive(Clone, Copy, Debug)]
struct Style {
    /// Without folders.
    flat: bool,
    /// After the file that was uploaded.
    original: bool,
    /// With the transformation, if there is one.
    transformed: bool,
}

impl Style {
    fn name(self, asset: &Asset, chain: &str) -> String {
        let file_name = asset.file_name();
        let segments = safe_segments(&file_name);
        let (last, folders) = segments.split_last().map_or(("_", &[][..]), |(last, rest)| (*last, rest));
        let (stem, extension) = last.rsplit_once('.').map_or((last, None), |(stem, end)| (stem, Some(end)));
        let original = &asset.description.original_filename;
        let original = safe_segments(original).last().map(|name| (*name).to_owned());
        let mut name = match original.filter(|_| self.original) {
            Some(original) => original,
            None => stem.to_owned(),
        };
        if self.transformed && !chain.is_empty() {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_,.".contains(c);
            name = format!("{name}_{}", chain.replace(|c| !is_plain(c), "_"));
        }
        if let Some(extension) = extension {
            name = format!("{name}.{extension}");
        }
        if self.flat || folders.is_empty() { name } else { format!("{}/{name}", folders.join("/")) }
    }
}

/// The parts of a path that lead nowhere else: a public id may hold `..`.
fn safe_segments(path: &str) -> Vec<&str> {
    path.split(['/', '\\']).filter(|segment| !matches!(*segment, "" | "." | "..")).collect()
}

/// The name, with a number before its extension where it is taken. `taken` says of each name which number comes next.
fn unique(name: &str, taken: &mut HashMap<String, usize>) -> String {
    let start = name.rfind('/').map_or(0, |slash| slash + 1);
    let end = name[start..].rfind('.').map_or(name.len(), |dot| start + dot);
    let mut unique = name.to_owned();
    while taken.contains_key(&unique) {
        let number = taken.entry(name.to_owned()).or_default();
        *number += 1;
        unique = format!("{} ({number}){}", &name[..end], &name[end..]);
    }
    taken.insert(unique.clone(), 0);
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_leave_the_folder() {
        assert_eq!(safe_segments("../../a/./b\\..\\c"), ["a", "b", "c"]);
        assert!(safe_segments("..").is_empty());
    }

    #[test]
    fn names_that_are_taken_get_numbers() {
        let mut taken = HashMap::new();
        let names = ["a/b.png", "a/b.png", "a/b.png", "a.b/c", "a.b/c"];
        let names = names.map(|name| unique(name, &mut taken));
        assert_eq!(names, ["a/b.png", "a/b (1).png", "a/b (2).png", "a.b/c", "a.b/c (1)"]);
    }
}
