//! Timestamps that the provider does not accept, and what made them so.

use super::cause::{Cause, Finding, shown};
use super::report::Report;

/// How long the provider accepts a timestamp, in seconds.
const WINDOW: i64 = 3_600;
const DAY: i64 = 86_400;
/// Time zones are whole multiples of this many seconds from UTC, but for a few.
const ZONE_STEP: i64 = 1_800;
/// No time zone is further from UTC.
const FURTHEST_ZONE: i64 = 14 * 3_600;
/// How far from a multiple a time may be and still be off by a time zone, in seconds.
const ZONE_TOLERANCE: i64 = 60;
/// No upload was signed before this moment (2011-01-01); what claims so does not count seconds.
const FIRST_PLAUSIBLE: i64 = 1_293_840_000;
/// Nothing that counts seconds has more digits in this age.
const FIRST_MILLISECONDS: i64 = 100_000_000_000;

/// Why the provider calls a request stale.
pub(super) fn stale(reported: &str, now: i64) -> Finding {
    let Some(moment) = parse(reported) else {
        return expired("the signature was older than one hour when it arrived".to_owned());
    };
    if moment < FIRST_PLAUSIBLE {
        return Finding::new(
            Cause::TimestampUnit,
            format!("the timestamp says {reported}, so that it does not count seconds since 1970"),
            "send Unix seconds, such as Math.floor(Date.now() / 1000)",
        );
    }
    age(moment, now).unwrap_or_else(|| {
        Finding::new(
            Cause::ClockWrong,
            format!("the timestamp {moment} is less than an hour old by the clock of this machine, and more by the provider's"),
            "set the clock of this machine by NTP, or the clock of the one that signs",
        )
    })
}

/// Why a signature of `moment` is no longer accepted at `now`; `None` while it is.
fn age(moment: i64, now: i64) -> Option<Finding> {
    let behind = now.saturating_sub(moment);
    if behind <= WINDOW {
        return None;
    }
    let off_a_zone = behind % ZONE_STEP;
    let is_zone = behind > 2 * WINDOW - ZONE_TOLERANCE
        && behind <= FURTHEST_ZONE + ZONE_TOLERANCE
        && off_a_zone.min(ZONE_STEP - off_a_zone) <= ZONE_TOLERANCE;
    Some(if is_zone {
        let hours = (behind + ZONE_TOLERANCE) / ZONE_STEP;
        Finding::new(
            Cause::TimeZone,
            format!(
                "the timestamp is {}.{} hours behind, almost to the minute: local time was taken for UTC, or the other way round",
                hours / 2,
                hours % 2 * 5
            ),
            "take the time as seconds since 1970 in UTC, such as Date.now() / 1000 or time.time(), never from a local date",
        )
    } else if behind > DAY {
        Finding::new(
            Cause::ClockWrong,
            format!(
                "the timestamp is {} days old: it is written down somewhere, cached, or the clock is wrong",
                behind / DAY
            ),
            "take the time anew for every signature, and check the clock of the machine that signs",
        )
    } else {
        expired(format!("the signature is {} minutes old, and the provider accepts it for 60", behind / 60))
    })
}

fn expired(message: String) -> Finding {
    Finding::new(
        Cause::TimestampExpired,
        message,
        "ask for a fresh signature right before every upload, not when the page is loaded; if it was fresh, the clock or the time zone of the machine that signs is off",
    )
}

/// `2016-12-15 04:02:46 +0000`, or bare seconds.
fn parse(reported: &str) -> Option<i64> {
    let reported = reported.trim();
    let spelled = jiff::Timestamp::strptime("%Y-%m-%d %H:%M:%S %z", reported);
    spelled.map(jiff::Timestamp::as_second).ok().or_else(|| reported.parse().ok())
}

/// A timestamp that cannot be seconds.
pub(super) fn unit_of(report: &Report) -> Option<Finding> {
    let text = report.timestamp()?;
    match text.parse::<i64>() {
        Ok(number) if number >= FIRST_MILLISECONDS => Some(in_milliseconds(&text)),
        Ok(number) if number >= FIRST_PLAUSIBLE => None,
        _ => Some(Finding::new(
            Cause::TimestampUnit,
            format!("the timestamp {} is not a number of seconds since 1970", shown(&text)),
            "send Unix seconds, such as Math.floor(Date.now() / 1000)",
        )),
    }
}

/// What a timestamp of thirteen digits means.
pub(super) fn in_milliseconds(timestamp: &str) -> Finding {
    Finding::new(
        Cause::TimestampInMilliseconds,
        format!("the timestamp {} counts milliseconds", shown(timestamp)),
        "divide it by 1000 and drop the fraction before signing, and send that very number: Math.floor(Date.now() / 1000)",
    )
}

/// Whether a text is a timestamp in milliseconds.
pub(super) fn is_in_milliseconds(text: &str) -> bool {
    text.parse().is_ok_and(|number: i64| number >= FIRST_MILLISECONDS)
}

/// A right signature that is too old.
pub(super) fn too_old(report: &Report, now: i64) -> Option<Finding> {
    let number = |name: &str| report.params.get(name)?.to_string().parse::<i64>().ok();
    match number("expires_at") {
        Some(end) if end <= now => Some(Finding::new(
            Cause::TimestampExpired,
            format!("the link expired {} minutes ago", now.saturating_sub(end) / 60),
            "make a new link; they are meant to be used at once",
        )),
        Some(_) => None,
        None => age(number("timestamp")?, now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_a_timestamp_is_behind_tells_why() {
        let now = 1_720_000_000;
        for (behind, expected) in [
            (3_601, Cause::TimestampExpired),
            (5_000, Cause::TimestampExpired),
            (7_203, Cause::TimeZone),
            (19_801, Cause::TimeZone),
            (20_500, Cause::TimestampExpired),
            (3 * DAY, Cause::ClockWrong),
            (600, Cause::ClockWrong),
            (-600, Cause::ClockWrong),
            (1_718_000_000, Cause::TimestampUnit),
        ] {
            let reported = jiff::Timestamp::from_second(now - behind).unwrap();
            let reported = reported.strftime("%Y-%m-%d %H:%M:%S +0000").to_string();
            assert_eq!(stale(&reported, now).cause, expected, "{behind}");
        }
    }
}
