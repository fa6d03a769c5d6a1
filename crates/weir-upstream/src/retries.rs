//! Repeats of the requests of an upstream: what they are paid from, and how many there were.
//!
//! It outlives a snapshot: a reload that leaves the budget as it is goes on with what has been spent. Whether a request is
//! repeated is decided elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use weir_core::retry::{RetryBudget, RetryPolicy, RetryReason};

/// The repeats of one upstream, over all workers.
#[derive(Debug, Default)]
pub struct Retries {
    budget: Option<RetryBudget>,
    by_reason: [AtomicU64; RetryReason::ALL.len()],
    unpaid: AtomicU64,
}

impl Retries {
    /// None yet. `now` is counted from a moment that is the same for all callers. Where nothing is repeated there is no
    /// budget either, so that nobody counts requests for it.
    pub fn new(policy: &RetryPolicy, now: Duration) -> Self {
        let rule = policy.budget.filter(|_| policy.repeats());
        Self { budget: rule.map(|rule| RetryBudget::new(rule, now)), ..Self::default() }
    }

    /// Whether it can go on under this policy.
    pub fn fits(&self, policy: &RetryPolicy) -> bool {
        let rule = policy.budget.filter(|_| policy.repeats());
        self.budget.as_ref().map(RetryBudget::rule) == rule
    }

    /// What repeats are paid from, if that is limited.
    #[inline]
    pub fn budget(&self) -> Option<&RetryBudget> {
        self.budget.as_ref()
    }

    /// Counts a repeat.
    pub fn count(&self, reason: RetryReason) {
        self.by_reason[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a repeat that was not made because the budget could not pay it.
    pub fn count_unpaid(&self) {
        self.unpaid.fetch_add(1, Ordering::Relaxed);
    }

    /// Repeats, in the order of [`RetryReason::ALL`].
    pub fn by_reason(&self) -> [u64; RetryReason::ALL.len()] {
        RetryReason::ALL.map(|reason| self.by_reason[reason as usize].load(Ordering::Relaxed))
    }

    /// Repeats that were not made because the budget could not pay them.
    pub fn unpaid(&self) -> u64 {
        self.unpaid.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use weir_core::retry::BudgetRule;

    use super::*;

    #[test]
    fn each_reason_has_its_own_count() {
        let retries = Retries::default();
        for (number, reason) in RetryReason::ALL.into_iter().enumerate() {
            (0..=number).for_each(|_| retries.count(reason));
        }
        retries.count_unpaid();
        assert_eq!((retries.by_reason(), retries.unpaid()), ([1, 2, 3], 1));
    }

    #[test]
    fn there_is_a_budget_where_something_is_repeated_and_it_goes_on_while_its_rule_is_the_same() {
        let usual = RetryPolicy::default();
        let never = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
        let unlimited = RetryPolicy { budget: None, ..RetryPolicy::default() };
        let other_rule = BudgetRule { least: 11, ..BudgetRule::default() };
        let other = RetryPolicy { budget: Some(other_rule), ..RetryPolicy::default() };
        let made = Retries::new(&usual, Duration::ZERO);
        assert!(made.budget().is_some() && made.fits(&usual));
        assert!(made.fits(&RetryPolicy { attempts: 9, ..RetryPolicy::default() }));
        assert!(!made.fits(&never) && !made.fits(&unlimited) && !made.fits(&other));
        assert!(Retries::new(&never, Duration::ZERO).budget().is_none());
        assert!(Retries::new(&unlimited, Duration::ZERO).fits(&never));
    }
}
