//! API keys: 256 random bits each, kept as their SHA-256.
//!
//! ```text
//! file = *(line LF)
//! line = NAME SP SHA256-HEX SP SCOPE *("," SCOPE)  /  "#" comment  /  empty
//! ```
//!
//! A name may stand on two lines, so that a key can be replaced while the old one still works. A key is looked up by the
//! beginning of its hash and the whole hash is compared in constant time; what is stored opens nothing by itself.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{KEY_SUBJECT_PREFIX, NotAScope, Scope, Subject, folder_name};

/// What every key begins with, so that scanners find a leaked one and it is never taken for a token.
pub const KEY_PREFIX: &str = "cs_";

/// How much of a hash a key is looked up by, in bytes.
const LOOKUP_BYTES: usize = 8;

/// Every key of the file.
#[derive(Clone, Default)]
pub struct ApiKeys {
    keys: HashMap<[u8; LOOKUP_BYTES], Vec<StoredKey>>,
    names: BTreeSet<String>,
}

#[derive(Clone)]
struct StoredKey {
    sha256: [u8; 32],
    subject: Arc<Subject>,
}

/// A line of the file that is not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadKeyLine {
    line: usize,
    why: BadKey,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum BadKey {
    #[error("must be NAME SHA256-HEX SCOPE[,SCOPE…], separated by single spaces")]
    Shape,
    #[error("the name must be 1 to 100 letters, digits and `._-`")]
    Name,
    #[error("the second word must be the 64 hexadecimal digits of the key's SHA-256, never the key itself")]
    Hash,
    #[error(transparent)]
    Scope(#[from] NotAScope),
}

impl ApiKeys {
    /// Reads a file, or says what is wrong with each of its lines.
    pub fn parse(text: &str) -> Result<Self, Vec<BadKeyLine>> {
        let mut keys = Self::default();
        let mut errors = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match parse_line(line) {
                Ok(key) => keys.add(key),
                Err(why) => errors.push(BadKeyLine { line: index + 1, why }),
            }
        }
        if errors.is_empty() { Ok(keys) } else { Err(errors) }
    }

    fn add(&mut self, key: StoredKey) {
        self.names.insert(folder_name(&key.subject.name).to_owned());
        self.keys.entry(lookup(&key.sha256)).or_default().push(key);
    }

    /// The names of the keys, as the file spells them.
    pub const fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// Whose key this is.
    pub fn find(&self, key: &str) -> Option<&Arc<Subject>> {
        let sha256: [u8; 32] = Sha256::digest(key).into();
        let candidates = self.keys.get(&lookup(&sha256))?;
        candidates.iter().find(|stored| stored.sha256.ct_eq(&sha256).into()).map(|stored| &stored.subject)
    }
}

/// How many keys there are; what they hash to is nobody's business.
impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeys({})", self.keys.values().map(Vec::len).sum::<usize>())
    }
}

fn lookup(sha256: &[u8; 32]) -> [u8; LOOKUP_BYTES] {
    std::array::from_fn(|index| sha256[index])
}

fn parse_line(line: &str) -> Result<StoredKey, BadKey> {
    let mut words = line.split(' ');
    let (Some(name), Some(hash), Some(scopes), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(BadKey::Shape);
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.len() > 100 || !name.bytes().all(plain) {
        return Err(BadKey::Name);
    }
    let mut sha256 = [0; 32];
    hex::decode_to_slice(hash, &mut sha256).map_err(|_source| BadKey::Hash)?;
    let scopes = scopes.split(',').map(str::parse::<Scope>).collect::<Result<BTreeSet<_>, _>>()?;
    Ok(StoredKey {
        sha256,
        subject: Arc::new(Subject { name: format!("{KEY_SUBJECT_PREFIX}{name}"), scopes }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, key: &str, scopes: &str) -> String {
        format!("{name} {} {scopes}\n", hex::encode(Sha256::digest(key)))
    }

    #[test]
    fn two_keys_of_one_name_work_side_by_side() {
        let text = [
            "# callers\n\n".to_owned(),
            line("app", "cs_old", "delete"),
            line("app", "cs_new", "delete,upload:kyc"),
        ];
        let keys = ApiKeys::parse(&text.concat()).unwrap();
        assert_eq!(keys.find("cs_old").unwrap().name, "key:app");
        assert_eq!(keys.find("cs_new").unwrap().scopes.len(), 2);
        for wrong in ["", "cs_", "cs_ol", "cs_old ", "CS_OLD"] {
            assert!(keys.find(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn every_bad_line_is_named() {
        let text =
            format!("app\napp cs_key delete\na/b {0} delete\napp {0} a b\napp {0} ä\n", "0".repeat(64));
        let errors = ApiKeys::parse(&text).unwrap_err();
        let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(lines.join("\n"), @"
        line 1: must be NAME SHA256-HEX SCOPE[,SCOPE…], separated by single spaces
        line 2: the second word must be the 64 hexadecimal digits of the key's SHA-256, never the key itself
        line 3: the name must be 1 to 100 letters, digits and `._-`
        line 4: must be NAME SHA256-HEX SCOPE[,SCOPE…], separated by single spaces
        line 5: `ä` is not a scope: 1 to 100 letters, digits and `:._-`
        ");
    }
}
