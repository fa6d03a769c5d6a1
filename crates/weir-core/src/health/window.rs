//! The share of requests that failed lately, in one word.
//!
//! A window is counted in two halves, of which the older one is forgotten as a whole; so what is looked at is between half a
//! window and a whole one. A half counts up to 1023 requests. When one more comes, both of its numbers are halved, which
//! keeps their share: at thousands of requests per second the window becomes the last thousand or two.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Which share of failures is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShareRule {
    /// Failures of a thousand requests that are too many, from 1 to 1000.
    pub per_mille: u32,
    /// How far back requests are counted; at least a millisecond.
    pub window: Duration,
    /// Requests in the window below which nothing is said, from 1 to [`ShareRule::LEAST_MAX`].
    pub least: u32,
}

impl ShareRule {
    /// Of this many requests a half of the window never forgets.
    pub const LEAST_MAX: u32 = COUNT_MAX as u32 / 2;

    /// Whether these are too many failures.
    pub(super) fn is_over(&self, sum: Sum) -> bool {
        let (failures, requests) = (u64::from(sum.failures), u64::from(sum.requests));
        sum.failures > 0
            && sum.requests >= self.least
            && failures * 1000 >= requests * u64::from(self.per_mille)
    }

    fn tick(&self, now: Duration) -> u64 {
        let half_millis = (self.window.as_millis() / 2).max(1);
        u64::try_from(now.as_millis() / half_millis).unwrap_or(u64::MAX) & TICK_MASK
    }
}

/// What was counted in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sum {
    /// Those that failed.
    pub failures: u32,
    /// All requests.
    pub requests: u32,
}

const COUNT_BITS: u32 = 10;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;
const TICK_BITS: u32 = u64::BITS - 4 * COUNT_BITS;
const TICK_MASK: u64 = (1 << TICK_BITS) - 1;

/// A half of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Half {
    failures: u64,
    requests: u64,
}

impl Half {
    fn of(bits: u64) -> Self {
        Self { failures: bits & COUNT_MAX, requests: bits >> COUNT_BITS & COUNT_MAX }
    }

    fn bits(self) -> u64 {
        self.requests << COUNT_BITS | self.failures
    }

    fn with_request(mut self, failed: bool) -> Self {
        if self.requests == COUNT_MAX {
            self = Self { failures: self.failures / 2, requests: self.requests / 2 };
        }
        Self { failures: self.failures + u64::from(failed), requests: self.requests + 1 }
    }

    /// One of its requests has failed after all.
    fn with_failure(self) -> Self {
        Self {
            failures: (self.failures + 1).min(COUNT_MAX),
            requests: self.requests.max(self.failures + 1).min(COUNT_MAX),
        }
    }
}

/// Counts a request, and says what the window holds.
pub(super) fn count(window: &AtomicU64, rule: &ShareRule, failed: bool, now: Duration) -> Sum {
    change(window, rule.tick(now), |half| half.with_request(failed))
}

/// Says of a request that was counted as a success that it has failed.
pub(super) fn recount(window: &AtomicU64, rule: &ShareRule, now: Duration) -> Sum {
    change(window, rule.tick(now), Half::with_failure)
}

fn change(window: &AtomicU64, tick: u64, change: impl Fn(Half) -> Half) -> Sum {
    let next = |word: u64| {
        let (tick, newer, older) = at(word, tick);
        (tick, change(newer), older)
    };
    let pack = |(tick, newer, older): (u64, Half, Half)| {
        tick << (4 * COUNT_BITS) | older.bits() << (2 * COUNT_BITS) | newer.bits()
    };
    let changed = window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| Some(pack(next(word))));
    // It always changes, so both arms hold what was there before.
    let (_, newer, older) = next(changed.unwrap_or_else(|word| word));
    let sum = |newer: u64, older: u64| u32::try_from(newer + older).unwrap_or(u32::MAX);
    Sum { failures: sum(newer.failures, older.failures), requests: sum(newer.requests, older.requests) }
}

/// The halves at this tick. A caller whose look at the clock is a little old counts into the newer one all the same.
fn at(word: u64, tick: u64) -> (u64, Half, Half) {
    let (known, newer, older) =
        (word >> (4 * COUNT_BITS), Half::of(word), Half::of(word >> (2 * COUNT_BITS)));
    match tick.wrapping_sub(known) & TICK_MASK {
        0 => (known, newer, older),
        1 => (tick, Half::default(), newer),
        passed if passed > TICK_MASK / 2 => (known, newer, older),
        _ => (tick, Half::default(), Half::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: ShareRule = ShareRule { per_mille: 500, window: Duration::from_secs(10), least: 20 };

    /// Counts so many requests at this second, of which so many failed.
    fn add(window: &AtomicU64, second: u64, requests: u32, failures: u32) -> Sum {
        let mut sum = Sum::default();
        for number in 0..requests {
            sum = count(window, &RULE, number < failures, Duration::from_secs(second));
        }
        sum
    }

    #[test]
    fn two_halves_are_counted_and_what_is_older_is_forgotten() {
        let window = AtomicU64::new(0);
        assert_eq!(add(&window, 0, 10, 4), Sum { failures: 4, requests: 10 });
        assert_eq!(add(&window, 4, 10, 0), Sum { failures: 4, requests: 20 });
        assert_eq!(add(&window, 5, 1, 1), Sum { failures: 5, requests: 21 });
        assert_eq!(add(&window, 9, 1, 1), Sum { failures: 6, requests: 22 });
        assert_eq!(add(&window, 10, 1, 0), Sum { failures: 2, requests: 3 }, "the first half is gone");
        assert_eq!(add(&window, 30, 1, 0), Sum { failures: 0, requests: 1 }, "nothing for a whole window");
    }

    /// Two workers look at the clock in one order and count in the other.
    #[test]
    fn a_look_at_the_clock_that_is_a_little_old_forgets_nothing() {
        let window = AtomicU64::new(0);
        add(&window, 10, 5, 5);
        assert_eq!(add(&window, 9, 1, 1), Sum { failures: 6, requests: 6 });
        assert_eq!(add(&window, 10, 1, 0), Sum { failures: 6, requests: 7 });
    }

    /// A machine that slept wakes up with a clock that has leapt; years later the ticks come around.
    #[test]
    fn a_leap_of_the_clock_empties_the_window() {
        for leap in [20, 3600, 24 * 3600 * 365, 5 * (TICK_MASK / 2)] {
            let window = AtomicU64::new(0);
            add(&window, 0, 100, 100);
            assert_eq!(add(&window, leap, 1, 0), Sum { failures: 0, requests: 1 }, "{leap}");
        }
    }

    #[test]
    fn numbers_that_grow_too_large_keep_their_share() {
        let window = AtomicU64::new(0);
        for number in 0..100_000_u32 {
            let sum = count(&window, &RULE, number % 4 == 0, Duration::ZERO);
            assert!(sum.requests <= COUNT_MAX as u32);
            if sum.requests > 500 {
                let share = f64::from(sum.failures) / f64::from(sum.requests);
                assert!((0.24..0.26).contains(&share), "{sum:?}");
            }
        }
    }

    #[test]
    fn an_answer_that_broke_is_one_request() {
        let window = AtomicU64::new(0);
        add(&window, 0, 10, 0);
        assert_eq!(recount(&window, &RULE, Duration::ZERO), Sum { failures: 1, requests: 10 });
        let empty = AtomicU64::new(0);
        assert_eq!(recount(&empty, &RULE, Duration::ZERO), Sum { failures: 1, requests: 1 });
    }

    #[test]
    fn a_share_is_too_much_from_its_threshold_on_and_not_of_a_few_requests() {
        let check = |failures, requests, expected| {
            assert_eq!(RULE.is_over(Sum { failures, requests }), expected, "{failures} of {requests}");
        };
        check(19, 19, false);
        check(10, 20, true);
        check(9, 20, false);
        check(500, 1000, true);
        check(499, 1000, false);
        check(0, 1000, false);
    }
}
