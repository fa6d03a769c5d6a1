//! What the checks of a server have said, for people who ask.
//!
//! Written by whoever checks, once for each check, so that nothing is locked for the many that change nothing.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use weir_core::health::CheckOutcome;

/// The figures of one server's checks.
#[derive(Debug, Default)]
pub struct CheckRecord {
    by_outcome: [AtomicU64; CheckOutcome::ALL.len()],
    failures_in_a_row: AtomicU32,
    /// In milliseconds since 1970; 0 for never.
    last_success: AtomicU64,
}

impl CheckRecord {
    /// Counts a check that has ended. `since_epoch` is the time of day.
    pub(crate) fn note(&self, outcome: CheckOutcome, failures_in_a_row: u32, since_epoch: Duration) {
        self.by_outcome[outcome as usize].fetch_add(1, Ordering::Relaxed);
        self.failures_in_a_row.store(failures_in_a_row, Ordering::Relaxed);
        if outcome == CheckOutcome::Passed {
            let milliseconds = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
            self.last_success.store(milliseconds.max(1), Ordering::Relaxed);
        }
    }

    /// Checks by what came of them, in the order of [`CheckOutcome::ALL`].
    pub fn by_outcome(&self) -> [u64; CheckOutcome::ALL.len()] {
        self.by_outcome.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// How many of the last checks have failed; 0 after one that passed.
    pub fn failures_in_a_row(&self) -> u32 {
        self.failures_in_a_row.load(Ordering::Relaxed)
    }

    /// When a check passed last, in time since 1970.
    pub fn last_success(&self) -> Option<Duration> {
        let milliseconds = self.last_success.load(Ordering::Relaxed);
        (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_counted_in_their_order_and_successes_dated() {
        let record = CheckRecord::default();
        assert_eq!((record.by_outcome(), record.last_success()), ([0; 4], None));
        for (number, outcome) in CheckOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, number);
            record.note(outcome, number as u32, Duration::from_secs(number as u64 + 7));
        }
        record.note(CheckOutcome::Answer, 4, Duration::from_secs(20));
        assert_eq!(record.by_outcome(), [1, 1, 1, 2]);
        assert_eq!(record.last_success(), Some(Duration::from_secs(7)));
        assert_eq!(record.failures_in_a_row(), 4);
    }
}
