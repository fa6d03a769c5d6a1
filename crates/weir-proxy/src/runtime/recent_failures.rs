//! Requests of a worker that failed lately, the last of them, for people.
//!
//! Failing is no reason to be slow: when very many fail, a few of each second are kept and the others are only counted, and a
//! reader never makes a worker wait.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use weir_core::ports::failures::RecentFailure;

use super::counter::Counter;

/// As many are kept of each worker, and told of all of them together.
pub const FAILURES_MAX: usize = 100;

/// Of each second so many are kept.
const KEPT_PER_SECOND: u64 = 20;

/// The failures of one worker.
#[derive(Debug, Default)]
pub struct RecentFailures {
    ring: Mutex<VecDeque<RecentFailure>>,
    /// The second in which the last ones were kept, and how many of it.
    second: Counter,
    kept: Counter,
}

impl RecentFailures {
    /// Whether another one of this moment, in time since 1970, may be kept; only ever called by its own worker.
    fn has_room(&self, at: Duration) -> bool {
        if self.second.value() != at.as_secs() {
            self.second.set(at.as_secs());
            self.kept.set(0);
        }
        self.kept.value() < KEPT_PER_SECOND
    }

    /// Keeps one, unless there are many; only ever called by its own worker.
    pub fn note(&self, at: Duration, failure: impl FnOnce() -> RecentFailure) {
        if !self.has_room(at) {
            return;
        }
        // Somebody reads at this moment; one less is known then.
        let Ok(mut ring) = self.ring.try_lock() else { return };
        self.kept.add(1);
        if ring.len() >= FAILURES_MAX {
            ring.pop_front();
        }
        ring.push_back(failure());
    }

    /// Adds them to others.
    pub fn add_to(&self, all: &mut Vec<RecentFailure>) {
        all.extend(self.ring.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
    }
}

/// Those of several workers: the newest first, and no more than one of them may keep.
pub fn newest<'w>(workers: impl Iterator<Item = &'w RecentFailures>) -> Vec<RecentFailure> {
    let mut all = Vec::new();
    workers.for_each(|worker| worker.add_to(&mut all));
    all.sort_by_key(|failure| std::cmp::Reverse(failure.at));
    all.truncate(FAILURES_MAX);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(failures: &RecentFailures, millis: u64) {
        let at = Duration::from_millis(millis);
        failures.note(at, || RecentFailure { at, ..RecentFailure::default() });
    }

    #[test]
    fn the_newest_are_kept_and_told_first() {
        let workers = [RecentFailures::default(), RecentFailures::default()];
        for second in 0..150 {
            note(&workers[second as usize % 2], second * 1000);
            note(&workers[0], second * 1000 + 1);
        }
        let told = newest(workers.iter());
        assert_eq!(told.len(), FAILURES_MAX);
        assert_eq!(told[0].at, Duration::from_millis(149_001));
        assert!(told.is_sorted_by(|newer, older| newer.at >= older.at));
    }

    #[test]
    fn of_very_many_a_few_are_kept() {
        let failures = RecentFailures::default();
        (0..100_000).for_each(|turn| note(&failures, 5000 + turn % 1000));
        assert_eq!(newest(std::iter::once(&failures)).len() as u64, KEPT_PER_SECOND);
        note(&failures, 6000);
        assert_eq!(newest(std::iter::once(&failures)).len() as u64, KEPT_PER_SECOND + 1);
    }

    #[test]
    fn a_reader_never_makes_a_worker_wait() {
        let failures = RecentFailures::default();
        let reading = failures.ring.lock();
        note(&failures, 1000);
        drop(reading);
        assert!(newest(std::iter::once(&failures)).is_empty());
    }
}
