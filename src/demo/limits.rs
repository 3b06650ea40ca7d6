//! What the page says of a profile whose grants the ledger keeps, in words.

use crate::profiles::{Limit, Measure, Period, Profile};

/// Units of sizes, the largest first.
const UNITS: [(u64, &str); 4] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB"), (1, "B")];

/// The limits of a profile.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Each caller has a folder of their own.
    pub(super) folder_for_each: bool,
    /// `10 MB`.
    pub(super) max_bytes: Option<String>,
    pub(super) quotas: Vec<Quota>,
}

/// One quota.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Quota {
    /// `uploads` or `bytes`, as in the answers of the API.
    pub(super) measure: &'static str,
    /// `20 uploads a day`.
    pub(super) words: String,
}

impl Limits {
    /// The limits of a profile; none where the ledger keeps nothing of it.
    pub(super) fn of(profile: &Profile) -> Option<Self> {
        profile.is_tracked().then(|| Self {
            folder_for_each: profile.has_a_folder_for_each(),
            max_bytes: profile.max_bytes().map(size),
            quotas: profile.quotas().map(|(measure, limit)| Quota::new(measure, limit)).collect(),
        })
    }
}

impl Quota {
    fn new(measure: Measure, Limit { most, period }: Limit) -> Self {
        let amount = match measure {
            Measure::Uploads if most == 1 => "1 upload".to_owned(),
            Measure::Uploads => format!("{most} uploads"),
            Measure::Bytes => size(most),
        };
        let period = match period {
            Period::Hour => "an hour",
            Period::Day => "a day",
            Period::Month => "a month",
        };
        Self { measure: measure.as_str(), words: format!("{amount} {period}") }
    }
}

/// A size in the largest decimal unit that it fills, with two decimals at most; rounded down, since it is a limit.
fn size(bytes: u64) -> String {
    let (unit, name) = UNITS.into_iter().find(|(unit, _)| bytes >= *unit).unwrap_or((1, "B"));
    let whole = bytes / unit;
    let hundredths = u128::from(bytes % unit) * 100 / u128::from(unit);
    match hundredths {
        0 => format!("{whole} {name}"),
        tenths if tenths % 10 == 0 => format!("{whole}.{} {name}", tenths / 10),
        _ => format!("{whole}.{hundredths:02} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profiles::Profiles;

    fn limits(keys: &str) -> Option<Limits> {
        let profiles = Profiles::from_toml(&format!("[profiles.default]\n{keys}")).unwrap();
        Limits::of(profiles.get("default").unwrap())
    }

    #[test]
    fn limits_are_said_as_people_say_them() {
        let found = limits(
            "folder = \"a/{sub}\"\nmax_bytes = \"1MiB\"\nquota = { uploads = \"1/hour\", bytes = \"2500KB/month\" }",
        );
        let quota = |measure, words: &str| Quota { measure, words: words.to_owned() };
        let expected = Limits {
            folder_for_each: true,
            max_bytes: Some("1.04 MB".to_owned()),
            quotas: vec![quota("uploads", "1 upload an hour"), quota("bytes", "2.5 MB a month")],
        };
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn a_profile_that_the_ledger_does_not_keep_has_none() {
        assert_eq!(limits("folder = \"a/{sub}\""), None);
        let once = Limits { folder_for_each: false, max_bytes: None, quotas: Vec::new() };
        assert_eq!(limits("folder = \"a\"\nsingle_use = true"), Some(once));
    }

    #[test]
    fn a_size_never_says_more_than_it_is() {
        for (bytes, words) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1 kB"),
            (1_999, "1.99 kB"),
            (10_050_000, "10.05 MB"),
            (200_000_000, "200 MB"),
            (u64::MAX, "18446744073.7 GB"),
        ] {
            assert_eq!(size(bytes), words);
        }
    }
}
