//! The only place that asks the time. The core gets [`UnixSeconds`] as arguments; tests freeze the clock, so that
//! signatures are constants; the emulator owns a clock of its own that its control API moves.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A moment in whole seconds since 1970-01-01T00:00:00Z: the unit of every Cloudinary timestamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixSeconds(pub i64);

impl UnixSeconds {
    /// This moment moved by `seconds` (backwards if negative), held at the ends of the range.
    #[must_use]
    pub const fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

/// A moment in milliseconds since 1970-01-01T00:00:00Z: for what is sorted by its making, and for nothing that is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixMilliseconds(pub i64);

impl From<UnixSeconds> for UnixMilliseconds {
    fn from(moment: UnixSeconds) -> Self {
        Self(moment.0.saturating_mul(1_000))
    }
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Tells the time. Clones share one clock.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Source>);

#[derive(Debug)]
enum Source {
    /// The machine's clock, moved by this many seconds.
    Machine { ahead_seconds: AtomicI64 },
    /// Stands still until it is moved.
    Frozen { at: AtomicI64 },
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Arc::new(Source::Machine { ahead_seconds: AtomicI64::new(0) }))
    }

    /// A clock that stands still at `at`.
    pub fn frozen(at: UnixSeconds) -> Self {
        Self(Arc::new(Source::Frozen { at: AtomicI64::new(at.0) }))
    }

    /// The time by this clock.
    pub fn now(&self) -> UnixSeconds {
        match &*self.0 {
            Source::Machine { ahead_seconds } => machine_now().plus(ahead_seconds.load(Ordering::Relaxed)),
            Source::Frozen { at } => UnixSeconds(at.load(Ordering::Relaxed)),
        }
    }

    /// The same to the millisecond; a clock that stands still does so on a whole second.
    pub fn milliseconds(&self) -> UnixMilliseconds {
        match &*self.0 {
            Source::Machine { ahead_seconds } => {
                let UnixMilliseconds(ahead) = UnixSeconds(ahead_seconds.load(Ordering::Relaxed)).into();
                let now = i64::try_from(since_epoch().as_millis()).unwrap_or(i64::MAX);
                UnixMilliseconds(now.saturating_add(ahead))
            }
            Source::Frozen { at } => UnixSeconds(at.load(Ordering::Relaxed)).into(),
        }
    }

    /// Moves the clock by `seconds` (backwards if negative); it goes on from there.
    pub fn advance(&self, seconds: i64) {
        self.set(self.now().plus(seconds));
    }

    /// Sets the clock to `to`; a running clock goes on from there.
    pub fn set(&self, to: UnixSeconds) {
        match &*self.0 {
            Source::Machine { ahead_seconds } => {
                ahead_seconds.store(to.0.saturating_sub(machine_now().0), Ordering::Relaxed);
            }
            Source::Frozen { at } => at.store(to.0, Ordering::Relaxed),
        }
    }
}

fn machine_now() -> UnixSeconds {
    UnixSeconds(i64::try_from(since_epoch().as_secs()).unwrap_or(i64::MAX))
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_one_clock() {
        let clock = Clock::frozen(UnixSeconds(1_720_000_000));
        clock.clone().advance(60);
        assert_eq!(clock.now(), UnixSeconds(1_720_000_060));
    }

    #[test]
    fn a_running_clock_goes_on_from_where_it_was_set() {
        let clock = Clock::system();
        clock.set(UnixSeconds(1_000));
        assert!((1_000..1_010).contains(&clock.now().0));
        clock.advance(-500);
        assert!((500..510).contains(&clock.now().0));
    }
}
