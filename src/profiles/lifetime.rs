//! How long a signature can be used, on top of the provider's one hour.

use std::fmt;
use std::str::FromStr;

use crate::clock::UnixSeconds;
use crate::signing::cloudinary::TIMESTAMP_WINDOW_SECONDS;

/// How long a grant can be used: 1 to 60 minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime(i64);

/// Text that is not a lifetime.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a lifetime: write 1m to 60m")]
pub struct NotALifetime(String);

impl Lifetime {
    /// A lifetime of whole minutes; `None` outside 1 to 60, which the provider could not keep.
    pub const fn minutes(minutes: i64) -> Option<Self> {
        match minutes {
            1..=60 => Some(Self(minutes * 60)),
            _ => None,
        }
    }

    /// The lifetime in seconds.
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// The timestamp to sign at `now`, set back so that the provider's window ends with this lifetime.
    pub const fn timestamp(self, now: UnixSeconds) -> UnixSeconds {
        now.plus(self.0 - TIMESTAMP_WINDOW_SECONDS)
    }
}

impl FromStr for Lifetime {
    type Err = NotALifetime;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let minutes =
            text.strip_suffix('m').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let lifetime = minutes.and_then(|digits| Self::minutes(digits.parse().ok()?));
        lifetime.ok_or_else(|| NotALifetime(text.to_owned()))
    }
}

/// `1 min`, `30 mins`.
impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 / 60 {
            1 => f.write_str("1 min"),
            minutes => write!(f, "{minutes} mins"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_720_000_000);

    #[test]
    fn the_providers_hour_ends_with_the_grant() {
        for minutes in 1..=60 {
            let lifetime = Lifetime::minutes(minutes).unwrap();
            assert_eq!(lifetime.timestamp(NOW).plus(TIMESTAMP_WINDOW_SECONDS), NOW.plus(minutes * 60));
        }
    }

    #[test]
    fn only_1m_to_60m_can_be_kept() {
        assert_eq!("5m".parse(), Ok(Lifetime(300)));
        for text in ["0m", "61m", "-5m", "+5m", "5", "5s", "1h", "", "m"] {
            assert_eq!(text.parse::<Lifetime>(), Err(NotALifetime(text.to_owned())), "{text}");
        }
    }
}
