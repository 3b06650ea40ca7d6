//! Folders of different profiles that meet, so that one caller would own what another uploads.
//!
//! ```text
//! folder = segment *( "/" segment )      segment = "{sub}" | text
//! ```
//!
//! Two folders meet if one can equal or contain the other. They are compared segment by segment, each with a caller of its
//! own: a text equals the same text, `{sub}` any text that is some caller's encoded name, and two `{sub}` are equal if
//! the callers are the same.

use std::fmt;

use super::template::{PLACEHOLDER, decode_subject};
use super::{Profile, Template};

/// Two profiles that must not stand beside each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    folder: String,
    other_profile: String,
    other_folder: String,
    cause: Cause,
}

/// What is wrong about two folders that meet.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    /// One caller's can equal or contain another caller's; for a caller with this name, if only for one.
    Callers(Option<String>),
    /// Only one profile uses the ledger.
    Ledger,
}

/// The callers for whom two folders meet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Meeting<'a> {
    /// What the first caller's name must be encoded as.
    first: Option<&'a str>,
    /// The same for the second.
    second: Option<&'a str>,
    /// Both are one caller.
    is_one_caller: bool,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, other_profile, other_folder, cause } = self;
        write!(f, "`{folder}` conflicts with `{other_folder}` of profiles.{other_profile}: ")?;
        match cause {
            Cause::Callers(Some(name)) => {
                write!(f, "for a caller named `{name}` one folder can equal or contain another caller's")?;
            }
            Cause::Callers(None) => f.write_str("one caller's folder can equal or contain another caller's")?,
            Cause::Ledger => f.write_str(
                "the folders meet, and only one of the profiles uses the ledger (single_use, max_bytes or quota)",
            )?,
        }
        f.write_str("; let the two folders begin with different words")
    }
}

impl Profile {
    /// Why the two profiles must not stand beside each other, if they must not.
    pub(super) fn conflict_with(&self, other: &Self) -> Option<Conflict> {
        let (folder, other_folder) = (self.folder.as_ref()?, other.folder.as_ref()?);
        let meeting = Meeting::of(folder, other_folder)?;
        let is_shared_by_all = folder == other_folder && !folder.names_the_caller();
        let cause = if !is_shared_by_all && meeting.may_be_of_two_callers() {
            Cause::Callers(meeting.first.or(meeting.second).and_then(decode_subject))
        } else if self.is_tracked() == other.is_tracked() {
            return None;
        } else {
            Cause::Ledger
        };
        Some(Conflict {
            folder: folder.as_str().to_owned(),
            other_profile: other.name.clone(),
            other_folder: other_folder.as_str().to_owned(),
            cause,
        })
    }
}

impl<'a> Meeting<'a> {
    /// The callers for whom one folder equals or contains the other; `None` if there are none.
    fn of(first: &'a Template, second: &'a Template) -> Option<Self> {
        let segments = first.as_str().split('/').zip(second.as_str().split('/'));
        let mut meeting = Self::default();
        for pair in segments {
            match pair {
                (PLACEHOLDER, PLACEHOLDER) => meeting.is_one_caller = true,
                (PLACEHOLDER, text) => set(&mut meeting.first, text)?,
                (text, PLACEHOLDER) => set(&mut meeting.second, text)?,
                (first, second) if first == second => {}
                _ => return None,
            }
        }
        let differ =
            matches!((meeting.first, meeting.second), (Some(first), Some(second)) if first != second);
        (!(meeting.is_one_caller && differ)).then_some(meeting)
    }

    /// Whether the folders also meet for two different callers.
    fn may_be_of_two_callers(&self) -> bool {
        let is_one_name = self.first.is_some() && self.first == self.second;
        !self.is_one_caller && !is_one_name
    }
}

/// Notes that a caller's name must be encoded as `text`; `None` if no caller's is, or it must be another text already.
fn set<'a>(name: &mut Option<&'a str>, text: &'a str) -> Option<()> {
    decode_subject(text)?;
    (*name.get_or_insert(text) == text).then_some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Profiles;
    use super::*;

    /// Callers whose encoded names are the segments below, and two others.
    const SUBJECTS: [&str; 6] = ["a", "kyc", "1", "A", "ann", "bob"];
    /// `-41` is how `A` is encoded; no caller's name is encoded as `v1` or `x_y`.
    const SEGMENTS: [&str; 8] = ["{sub}", "{sub}", "a", "kyc", "1", "-41", "v1", "x_y"];

    fn conflicts(first: &str, second: &str) -> String {
        let toml = format!("[profiles.p]\n{first}\n[profiles.q]\n{second}\n");
        let errors = Profiles::from_toml(&toml).err().unwrap_or_default();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    /// Whether one path equals or contains the other.
    fn meet(a: &str, b: &str) -> bool {
        a == b || a.starts_with(&format!("{b}/")) || b.starts_with(&format!("{a}/"))
    }

    fn folder() -> impl Strategy<Value = String> {
        proptest::collection::vec(proptest::sample::select(&SEGMENTS[..]), 1..4)
            .prop_map(|segments| segments.join("/"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn folders_meet_for_the_callers_for_whom_they_do(first in folder(), second in folder()) {
            let (first, second) = (Template::parse(&first).unwrap(), Template::parse(&second).unwrap());
            let pairs = || SUBJECTS.iter().flat_map(|a| SUBJECTS.map(|b| (*a, b)));
            let meet = |(a, b): &(&str, &str)| meet(&first.fill_for(a), &second.fill_for(b));
            let meeting = Meeting::of(&first, &second);
            prop_assert_eq!(meeting.is_some(), pairs().any(|pair| meet(&pair)));
            let of_two = meeting.is_some_and(|meeting| meeting.may_be_of_two_callers());
            prop_assert_eq!(of_two, pairs().filter(|(a, b)| a != b).any(|pair| meet(&pair)));
        }
    }

    #[test]
    fn folders_that_give_one_caller_anothers_are_refused() {
        for (first, second) in [
            ("{sub}", "kyc/{sub}"),
            ("kyc", "kyc/{sub}"),
            ("kyc/1", "kyc/{sub}"),
            ("{sub}/public", "web/{sub}"),
            ("kyc", "kyc/private"),
            ("{sub}/{sub}", "a/a"),
        ] {
            let [first, second] = [first, second].map(|folder| format!("folder = \"{folder}\""));
            assert!(conflicts(&first, &second).contains("conflicts with"), "{first} {second}");
        }
    }

    #[test]
    fn folders_that_stay_apart_or_are_the_same_callers_are_not() {
        for (first, second) in [
            ("{sub}", "{sub}"),
            ("{sub}", "{sub}/private"),
            ("kyc/{sub}", "web/{sub}"),
            ("kyc/1", "kyc/1"),
            ("kyc/1", "kyc/10"),
            ("{sub}", "User_Files/{sub}"),
            // Nobody's name is `a` and `b`, encoded as `v1`, or holds a capital letter or an underscore when encoded.
            ("{sub}/{sub}", "a/b/{sub}"),
            ("{sub}", "v1"),
        ] {
            let [first, second] = [first, second].map(|folder| format!("folder = \"{folder}\""));
            assert_eq!(conflicts(&first, &second), "", "{first} {second}");
        }
        assert_eq!(conflicts("tags = []", "folder = \"{sub}\""), "");
    }

    #[test]
    fn the_ledger_keeps_all_that_lies_in_a_folder_or_nothing() {
        let once = "single_use = true";
        for (folder, other, is_refused) in [
            ("kyc/1", "kyc/1", true),
            ("{sub}", "{sub}", true),
            ("{sub}", "{sub}/private", true),
            ("kyc/{sub}", "web/{sub}", false),
        ] {
            let [folder, other] = [folder, other].map(|folder| format!("folder = \"{folder}\""));
            let found = conflicts(&format!("{folder}\n{once}"), &other);
            assert_eq!(found.contains("only one of the profiles uses the ledger"), is_refused, "{found}");
            assert_eq!(conflicts(&format!("{folder}\n{once}"), &format!("{other}\n{once}")), "");
        }
    }

    #[test]
    fn all_conflicts_are_named_at_once() {
        let toml = "[profiles.home]\nfolder = \"{sub}\"\n[profiles.kyc]\nfolder = \"kyc/{sub}\"\n\
                    [profiles.once]\nfolder = \"kyc/{sub}\"\nsingle_use = true\n\
                    [profiles.web]\nfolder = \"web\"\n[profiles.wrong]\nfolder = \"web//a\"\n";
        let errors = Profiles::from_toml(toml).unwrap_err();
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(errors.join("\n"), @r"
        profiles.wrong.folder: must be segments joined by `/`, without spaces around them, `. ..` and ? & # \ % < > +
        profiles.home.folder: `{sub}` conflicts with `kyc/{sub}` of profiles.kyc: for a caller named `kyc` one folder can equal or contain another caller's; let the two folders begin with different words
        profiles.home.folder: `{sub}` conflicts with `kyc/{sub}` of profiles.once: for a caller named `kyc` one folder can equal or contain another caller's; let the two folders begin with different words
        profiles.home.folder: `{sub}` conflicts with `web` of profiles.web: for a caller named `web` one folder can equal or contain another caller's; let the two folders begin with different words
        profiles.kyc.folder: `kyc/{sub}` conflicts with `kyc/{sub}` of profiles.once: the folders meet, and only one of the profiles uses the ledger (single_use, max_bytes or quota); let the two folders begin with different words
        ");
    }
}
