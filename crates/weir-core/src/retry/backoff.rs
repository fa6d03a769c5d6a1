//! How long a write waits before it is tried again on a server that did not take it.
//!
//! Truncated exponential backoff with full jitter: anything from nothing to the bound is equally likely, so that many
//! writers that failed together do not come back together. The random number is an argument.

use std::time::Duration;

/// The bound after the first failure; it doubles with each one.
const FIRST: Duration = Duration::from_millis(100);
/// The bound never grows beyond this.
const LONGEST: Duration = Duration::from_secs(10);
/// The longest Retry-After that is believed. A server may be wrong about itself, and its backlog waits for this.
const RETRY_AFTER_LONGEST: Duration = Duration::from_secs(3600);

/// How long to wait after so many failures in a row, the last one included; 0 counts as 1.
///
/// `retry_after` is what the server has asked for: it is not asked sooner than that, or than in an hour. `random` is uniform
/// over all 64 bits.
pub fn delay(failures: u32, retry_after: Option<Duration>, random: u64) -> Duration {
    let bound = 2_u32
        .checked_pow(failures.saturating_sub(1))
        .and_then(|factor| FIRST.checked_mul(factor))
        .map_or(LONGEST, |bound| bound.min(LONGEST));
    let parts = u128::from(random) * (bound.as_nanos() + 1);
    let jittered = Duration::from_nanos(u64::try_from(parts >> 64).unwrap_or(u64::MAX));
    jittered.max(retry_after.unwrap_or_default().min(RETRY_AFTER_LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least and the most, in milliseconds.
    fn check(failures: u32, retry_after_seconds: Option<u64>, least: u64, most: u64) {
        let retry_after = retry_after_seconds.map(Duration::from_secs);
        let bounds = [0, u64::MAX].map(|random| delay(failures, retry_after, random));
        assert_eq!(bounds, [least, most].map(Duration::from_millis), "{failures} {retry_after:?}");
    }

    #[test]
    fn the_bound_doubles_up_to_ten_seconds() {
        for (failures, most) in [
            (0, 100),
            (1, 100),
            (2, 200),
            (3, 400),
            (7, 6_400),
            (8, 10_000),
            (9, 10_000),
            (32, 10_000),
            (33, 10_000),
            (u32::MAX, 10_000),
        ] {
            check(failures, None, 0, most);
        }
    }

    #[test]
    fn a_server_that_asks_for_time_gets_it() {
        check(1, Some(0), 0, 100);
        check(1, Some(3), 3_000, 3_000);
        check(20, Some(3), 3_000, 10_000);
        check(1, Some(60), 60_000, 60_000);
        check(20, Some(u64::MAX), 3_600_000, 3_600_000);
    }

    /// Full jitter: every part of the time up to the bound is as likely as any other.
    #[test]
    fn every_moment_is_as_likely_as_any_other() {
        let step = u64::MAX / 1000;
        let mut tenths = [0_u32; 10];
        for number in 0..1000 {
            let waited = delay(3, None, number * step + step / 2).as_micros();
            tenths[(waited / 40_000) as usize] += 1;
        }
        assert_eq!(tenths, [100; 10]);
    }
}
