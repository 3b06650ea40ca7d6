//! Moments as people read them.

use crate::clock::UnixSeconds;

/// `2024-07-03T09:46:40Z (1720000000)`, or the bare number where no calendar reaches.
pub(super) fn in_utc(moment: UnixSeconds) -> String {
    match jiff::Timestamp::from_second(moment.0) {
        Ok(timestamp) => format!("{timestamp} ({moment})"),
        Err(_) => moment.to_string(),
    }
}
