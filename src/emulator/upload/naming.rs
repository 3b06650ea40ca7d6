//! How an upload gets its public id.
//!
//! ```text
//! id      = [folder "/"] [public_id_prefix "/"] base
//! folder  = folder, or asset_folder with use_asset_folder_as_public_id_prefix and neither folder nor prefix given
//! base    = public_id
//!         | <file name> "_" <6 alphanumerics>     use_filename
//!         | <file name>                           use_filename and unique_filename=false
//!         | <20 alphanumerics>                    otherwise
//! ```
//!
//! A raw file keeps its extension in the id unless the client chose the id. In ids that the client writes, the
//! forbidden characters are refused and control characters become `_`; in those made of a file name everything but
//! letters, digits, `-`, `.` and `_` does. White space and slashes around an id fall away.
//!
//! Source: <https://cloudinary.com/documentation/ts_permitted_naming_conventions>.

use rand::RngExt as _;

use super::super::fields::Fields;
use super::super::refusal::Refusal;

/// Longest public id, in characters.
const MAX_CHARACTERS: usize = 255;

/// Refused in public ids and folders.
const FORBIDDEN: &str = "?&#\\%<>+";

/// What random names are made of.
const ALPHANUMERICS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// What an upload asks for by way of a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct NameWishes<'a> {
    public_id: Option<&'a str>,
    folder: Option<&'a str>,
    prefix: Option<&'a str>,
    use_filename: bool,
    unique_filename: bool,
}

impl<'a> NameWishes<'a> {
    pub(super) fn of(fields: &'a Fields) -> Self {
        let prefix = fields.get("public_id_prefix");
        let asset_folder_counts =
            prefix.is_none() && fields.flag("use_asset_folder_as_public_id_prefix") == Some(true);
        let asset_folder = fields.get("asset_folder").filter(|_| asset_folder_counts);
        Self {
            public_id: fields.get("public_id"),
            folder: fields.get("folder").or(asset_folder),
            prefix,
            use_filename: fields.flag("use_filename") == Some(true),
            unique_filename: fields.flag("unique_filename") != Some(false),
        }
    }

    /// The public id for a file; `keep_extension` for raw ones.
    pub(super) fn public_id(&self, file: &FileName, keep_extension: bool) -> Result<String, Refusal> {
        let base = match self.public_id {
            Some(chosen) => checked(chosen)?,
            None => match &file.extension {
                Some(extension) if keep_extension => {
                    format!("{}.{}", self.made_up_base(file), plain(extension))
                }
                _ => self.made_up_base(file),
            },
        };
        let mut id = String::new();
        for part in [self.folder, self.prefix].into_iter().flatten() {
            id.push_str(&checked(part)?);
            id.push('/');
        }
        id.push_str(&base);
        checked_public_id(&id)
    }

    fn made_up_base(&self, file: &FileName) -> String {
        let name = plain(&file.stem);
        match (self.use_filename && !name.is_empty(), self.unique_filename) {
            (false, _) => random(20),
            (true, true) => format!("{name}_{}", random(6)),
            (true, false) => name,
        }
    }
}

/// A file's name as the client gives it, without directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::emulator) struct FileName {
    pub stem: String,
    pub extension: Option<String>,
}

impl FileName {
    /// Splits `name`, which may be a path of either kind; streams have none and count as `file`.
    pub(super) fn parse(name: Option<&str>) -> Self {
        let name = name.and_then(|name| name.rsplit(['/', '\\']).next());
        let name = name.filter(|name| !name.is_empty()).unwrap_or("file");
        match name.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() && !extension.is_empty() => {
                Self { stem: stem.to_owned(), extension: Some(extension.to_owned()) }
            }
            _ => Self { stem: name.to_owned(), extension: None },
        }
    }
}

/// A public id as a client wrote it, with everything that makes one good.
pub(in crate::emulator) fn checked_public_id(text: &str) -> Result<String, Refusal> {
    let id = checked(text)?;
    check_folders(&id)?;
    if id.chars().count() > MAX_CHARACTERS { Err(Refusal::PublicIdTooLong) } else { Ok(id) }
}

/// An id or a folder that a client wrote.
fn checked(text: &str) -> Result<String, Refusal> {
    if text.contains(|c| FORBIDDEN.contains(c)) {
        return Err(Refusal::InvalidPublicId(text.to_owned()));
    }
    let replaced = text.replace(char::is_control, "_");
    let is_edge = |c: char| c.is_whitespace() || c == '/';
    let mut trimmed = replaced.trim_matches(is_edge);
    if replaced != text {
        trimmed = trimmed.trim_matches(|c| is_edge(c) || c == '_');
    }
    let segments: Vec<_> = trimmed.split('/').filter(|part| !part.is_empty()).collect();
    if segments.is_empty() {
        return Err(Refusal::InvalidPublicId(text.to_owned()));
    }
    Ok(segments.join("/"))
}

/// A folder like `v12` would read as a version in delivery URLs.
fn check_folders(id: &str) -> Result<(), Refusal> {
    let is_version = |segment: &&str| {
        segment
            .strip_prefix('v')
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
    };
    let (folders, _) = id.rsplit_once('/').unwrap_or_default();
    match folders.split('/').find(is_version) {
        Some(folder) => Err(Refusal::FolderNotAllowed(folder.to_owned())),
        None => Ok(()),
    }
}

/// A file name as it may stand in an id.
fn plain(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    let replaced = name.replace(|c| !is_plain(c), "_");
    replaced.trim_matches(['_', '.']).to_owned()
}

fn random(length: usize) -> String {
    let mut random = rand::rng();
    let mut letter = || ALPHANUMERICS[random.random_range(..ALPHANUMERICS.len())];
    (0..length).map(|_| char::from(letter())).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(wishes: &str, file: &str, keep_extension: bool) -> Result<String, String> {
        let mut fields = Fields::default();
        fields.add_urlencoded(wishes.as_bytes()).unwrap();
        NameWishes::of(&fields)
            .public_id(&FileName::parse(Some(file)), keep_extension)
            .map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_chosen_id_goes_below_folder_and_prefix() {
        assert_eq!(
            name("public_id=/cat /&folder=kyc/1&public_id_prefix=p", "x.jpg", false).unwrap(),
            "kyc/1/p/cat"
        );
    }

    #[test]
    fn asset_folder_names_the_id_only_when_told_to_and_nothing_else_does() {
        let id = |wishes: &str| name(&format!("public_id=a&{wishes}"), "x.jpg", false).unwrap();
        assert_eq!(id("asset_folder=f"), "a");
        assert_eq!(id("asset_folder=f&use_asset_folder_as_public_id_prefix=1"), "f/a");
        assert_eq!(id("asset_folder=f&use_asset_folder_as_public_id_prefix=true&public_id_prefix=p"), "p/a");
        assert_eq!(id("asset_folder=f&use_asset_folder_as_public_id_prefix=1&folder=g"), "g/a");
    }

    #[test]
    fn a_file_name_is_made_plain_and_unique() {
        let unique = name("use_filename=1", "My photo (1).jpg", false).unwrap();
        let (stem, end) = unique.rsplit_once('_').unwrap();
        assert_eq!(stem, "My_photo__1");
        assert!(end.len() == 6 && end.bytes().all(|b| ALPHANUMERICS.contains(&b)), "{end}");
        assert_eq!(name("use_filename=true&unique_filename=false", r"C:\a\b.c.png", false).unwrap(), "b.c");
    }

    #[test]
    fn a_raw_id_keeps_the_extension_unless_the_client_chose_the_id() {
        let wishes = "use_filename=1&unique_filename=0";
        assert_eq!(name(wishes, "a.docx", true).unwrap(), "a.docx");
        assert!(name("", "a.docx", true).unwrap().contains(".docx"));
        assert_eq!(name("public_id=mine", "a.docx", true).unwrap(), "mine");
    }

    #[test]
    fn a_random_id_has_twenty_lower_case_alphanumerics() {
        let id = name("", "a.jpg", false).unwrap();
        assert!(id.len() == 20 && id.bytes().all(|b| ALPHANUMERICS.contains(&b)), "{id}");
    }

    #[test]
    fn forbidden_characters_long_ids_and_version_folders_are_refused() {
        for forbidden in "?&#\\%<>+".chars() {
            assert!(checked(&format!("a{forbidden}b")).is_err(), "{forbidden}");
        }
        let long = format!("public_id={}", "a".repeat(256));
        insta::assert_snapshot!(name(&long, "", false).unwrap_err(), @"public_id is too long");
        insta::assert_snapshot!(name("public_id=a&folder=v12/b", "", false).unwrap_err(), @"Folder name v12 is not allowed");
        assert_eq!(name("public_id=v12", "", false).unwrap(), "v12");
        insta::assert_snapshot!(name("public_id=%20/", "", false).unwrap_err(), @"public_id ( /) is invalid");
    }

    proptest! {
        #[test]
        fn every_id_given_out_keeps_the_rules(
            id in proptest::option::of(any::<String>()),
            folder in proptest::option::of(any::<String>()),
            file in any::<String>(),
            raw in any::<bool>(),
        ) {
            let mut fields = Fields::default();
            fields.add("use_filename", "1".to_owned()).unwrap();
            for (name, value) in [("public_id", id), ("folder", folder)] {
                if let Some(value) = value {
                    fields.add(name, value).unwrap();
                }
            }
            let name = FileName::parse(Some(&file));
            if let Ok(id) = NameWishes::of(&fields).public_id(&name, raw) {
                prop_assert!(!id.is_empty() && id.chars().count() <= MAX_CHARACTERS);
                prop_assert!(!id.contains(|c: char| FORBIDDEN.contains(c) || c.is_control()), "{id:?}");
                prop_assert!(!id.split('/').any(str::is_empty), "{id:?}");
                prop_assert!(!id.starts_with(char::is_whitespace) && !id.ends_with(char::is_whitespace));
            }
        }
    }
}
