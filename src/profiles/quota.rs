//! Quotas: how many uploads, and how many bytes, one caller may make under a profile in an hour, a day or a month.
//!
//! ```text
//! uploads  "20/day"         bytes  "200MB/day"
//! size     digits [KB | MB | GB | KiB | MiB | GiB]       period  hour | day | month, by the calendar in UTC
//! ```

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::Deserialize;

use crate::clock::UnixSeconds;

/// One quota as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QuotaText {
    pub(super) uploads: Option<String>,
    pub(super) bytes: Option<String>,
}

/// So many of something in each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The most in one period.
    pub most: u64,
    /// How long a period is.
    pub period: Period,
}

/// A stretch of the calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// From a full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From the first of a month to the first of the next.
    Month,
}

/// One period of the calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// `2026-11-22T15`, `2026-11-22` or `2026-11`.
    pub name: String,
    /// When the next one begins.
    pub ends_at: UnixSeconds,
}

/// Text that is no limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a limit: write {example}, with hour, day or month")]
pub(super) struct NotALimit {
    found: String,
    example: &'static str,
}

/// Text that is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a size: write bytes, or such as 500KB, 10MB, 2GB (KiB, MiB, GiB for powers of 1,024)")]
pub(super) struct NotASize(String);

impl Limit {
    /// `20/day`.
    pub(super) fn of_uploads(text: &str) -> Result<Self, NotALimit> {
        Self::parse(text, |most| most.parse().ok(), "20/day")
    }

    /// `200MB/day`.
    pub(super) fn of_bytes(text: &str) -> Result<Self, NotALimit> {
        Self::parse(text, |most| parse_size(most).ok(), "200MB/day")
    }

    fn parse(
        text: &str,
        most: impl Fn(&str) -> Option<u64>,
        example: &'static str,
    ) -> Result<Self, NotALimit> {
        let parsed = text.split_once('/').and_then(|(amount, period)| {
            let most = most(amount.trim()).filter(|most| *most > 0)?;
            Some(Self { most, period: Period::parse(period.trim())? })
        });
        parsed.ok_or_else(|| NotALimit { found: text.to_owned(), example })
    }
}

impl Period {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "hour" => Some(Self::Hour),
            "day" => Some(Self::Day),
            "month" => Some(Self::Month),
            _ => None,
        }
    }

    /// The period that `now` lies in.
    pub fn window(self, now: UnixSeconds) -> Window {
        let now = Timestamp::from_second(now.0).unwrap_or_default().to_zoned(TimeZone::UTC).datetime();
        let (start, span, format) = match self {
            Self::Hour => (now.date().at(now.hour(), 0, 0, 0), 1.hour(), "%Y-%m-%dT%H"),
            Self::Day => (now.date().at(0, 0, 0, 0), 1.day(), "%Y-%m-%d"),
            Self::Month => (now.date().first_of_month().at(0, 0, 0, 0), 1.month(), "%Y-%m"),
        };
        let end = start.checked_add(span).unwrap_or(DateTime::MAX);
        let ends_at = end.to_zoned(TimeZone::UTC).map_or(i64::MAX, |end| end.timestamp().as_second());
        Window { name: start.strftime(format).to_string(), ends_at: UnixSeconds(ends_at) }
    }
}

/// Bytes, in decimal or binary units; more than an `i64` holds is no size, since that is what databases keep.
pub(super) fn parse_size(text: &str) -> Result<u64, NotASize> {
    const UNITS: [(&str, u64); 6] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
    ];
    let unit = UNITS.iter().find_map(|(name, factor)| Some((text.strip_suffix(name)?, *factor)));
    let (digits, factor) = unit.unwrap_or((text, 1));
    let digits = digits.trim_end();
    let size = Some(digits)
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse::<u64>().ok()?.checked_mul(factor));
    size.filter(|size| i64::try_from(*size).is_ok()).ok_or_else(|| NotASize(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_a_stretch_of_the_calendar() {
        // 2024-07-03T09:46:40Z
        let now = UnixSeconds(1_720_000_000);
        for (period, name, ends_at) in [
            (Period::Hour, "2024-07-03T09", 1_720_000_800),
            (Period::Day, "2024-07-03", 1_720_051_200),
            (Period::Month, "2024-07", 1_722_470_400),
        ] {
            assert_eq!(period.window(now), Window { name: name.to_owned(), ends_at: UnixSeconds(ends_at) });
            assert_eq!(period.window(UnixSeconds(ends_at - 1)).name, name);
            assert_ne!(period.window(UnixSeconds(ends_at)).name, name);
        }
        assert_eq!(Period::Month.window(UnixSeconds(1_735_689_599)).name, "2024-12");
    }

    #[test]
    fn limits_are_read_as_they_are_said() {
        assert_eq!(Limit::of_uploads("20/day"), Ok(Limit { most: 20, period: Period::Day }));
        assert_eq!(Limit::of_bytes("200MB/month"), Ok(Limit { most: 200_000_000, period: Period::Month }));
        assert_eq!(Limit::of_bytes("1 GiB / hour"), Ok(Limit { most: 1 << 30, period: Period::Hour }));
        for text in ["", "20", "0/day", "-1/day", "20/week", "20MB/day", "/day", "20/day/day"] {
            assert!(Limit::of_uploads(text).is_err(), "{text}");
        }
        for text in ["MB", "1TB", "1.5MB", "+1MB", "10 mb", "99999999999GB", "9223372036854775808"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
