//! A budget of calls: so many in any hour.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::call::CallError;
use crate::clock::UnixSeconds;

/// How long a call counts.
const WINDOW_SECONDS: i64 = 3_600;

/// So many calls in any hour. Clones share them.
#[derive(Clone, Debug)]
pub struct CallBudget {
    limit: NonZeroU32,
    spent: Arc<Mutex<Spent>>,
}

#[derive(Debug, Default)]
struct Spent {
    /// When each call of the last hour was made, the oldest first.
    calls: VecDeque<UnixSeconds>,
    /// Whether it was said that nothing is left.
    is_announced: bool,
}

impl CallBudget {
    /// A budget of `limit` calls an hour.
    pub fn new(limit: NonZeroU32) -> Self {
        Self { limit, spent: Arc::default() }
    }

    /// Takes one call, if one is left.
    pub(super) fn take(&self, now: UnixSeconds) -> Result<(), CallError> {
        let mut spent = self.spent_until(now);
        self.look(&spent, 1, now)?;
        spent.calls.push_back(now);
        Ok(())
    }

    /// Whether so many calls are left; all of them where more were asked for than there ever are.
    pub(super) fn check(&self, calls: usize, now: UnixSeconds) -> Result<(), CallError> {
        self.look(&self.spent_until(now), calls, now)
    }

    fn look(&self, spent: &Spent, calls: usize, now: UnixSeconds) -> Result<(), CallError> {
        let limit = self.limit();
        let calls = calls.min(limit);
        let missing = (spent.calls.len() + calls).saturating_sub(limit);
        match missing.checked_sub(1).and_then(|last| spent.calls.get(last)) {
            None => Ok(()),
            Some(free) => {
                let wait = free.plus(WINDOW_SECONDS).0.saturating_sub(now.0);
                let retry_after_seconds = u64::try_from(wait).unwrap_or(1).max(1);
                Err(CallError::BudgetUsedUp { limit: self.limit.get(), retry_after_seconds })
            }
        }
    }

    /// How many calls are left.
    pub fn left(&self, now: UnixSeconds) -> usize {
        self.limit().saturating_sub(self.spent_until(now).calls.len())
    }

    /// Whether it is news that nothing is left: it was not said since half of the budget was there.
    pub fn is_news(&self) -> bool {
        !std::mem::replace(&mut self.lock().is_announced, true)
    }

    fn limit(&self) -> usize {
        usize::try_from(self.limit.get()).unwrap_or(usize::MAX)
    }

    fn spent_until(&self, now: UnixSeconds) -> MutexGuard<'_, Spent> {
        let mut spent = self.lock();
        while spent.calls.front().is_some_and(|at| at.plus(WINDOW_SECONDS) <= now) {
            spent.calls.pop_front();
        }
        if spent.calls.len() <= self.limit() / 2 {
            spent.is_announced = false;
        }
        spent
    }

    fn lock(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_720_000_000);

    #[test]
    fn so_many_calls_are_made_in_any_hour() {
        let budget = CallBudget::new(NonZeroU32::new(4).unwrap());
        for second in 0..4 {
            budget.take(NOW.plus(second * 600)).unwrap();
        }
        let used_up = |retry_after_seconds| Err(CallError::BudgetUsedUp { limit: 4, retry_after_seconds });
        assert_eq!(budget.take(NOW.plus(1_800)), used_up(1_800));
        assert_eq!(budget.check(2, NOW.plus(1_800)), used_up(2_400));
        assert_eq!(budget.check(100, NOW.plus(1_800)), used_up(3_600));
        assert_eq!(budget.take(NOW.plus(3_599)), used_up(1));
        assert_eq!(budget.take(NOW.plus(3_600)), Ok(()));
        assert_eq!(budget.left(NOW.plus(3_600)), 0);
        assert_eq!(budget.left(NOW.plus(10_000)), 4);
    }

    #[test]
    fn that_nothing_is_left_is_said_once() {
        let budget = CallBudget::new(NonZeroU32::new(2).unwrap());
        assert!(budget.is_news() && !budget.is_news());
        budget.take(NOW).unwrap();
        budget.take(NOW).unwrap();
        assert!(budget.is_news() && !budget.is_news());
        assert_eq!(budget.left(NOW.plus(3_600)), 2);
        assert!(budget.is_news());
    }
}
