//! How long to wait before a repeat.

use std::time::Duration;

/// Waits between the attempts of one request.
///
/// Each is drawn evenly from the upper half of a span that begins with `first` and doubles up to `at_most`: so a server gets
/// at least half of the time that is meant for it, and requests that failed in one moment don't come back in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Backoff {
    /// The span of the first wait. Zero waits for nothing, ever.
    pub first: Duration,
    /// The longest span.
    pub at_most: Duration,
    /// The longest Retry-After that is waited for. An answer that asks for more is passed on.
    pub retry_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(25),
            at_most: Duration::from_millis(250),
            retry_after: Duration::from_secs(5),
        }
    }
}

impl Backoff {
    /// The wait behind so many earlier ones. `random` is even over all of `u64`.
    pub fn wait(&self, before: u32, random: u64) -> Duration {
        let span = self.first.saturating_mul(1 << before.min(16)).min(self.at_most);
        let half = span / 2;
        let nanos = u64::try_from((span - half).as_nanos()).unwrap_or(u64::MAX);
        // The upper half of the product is the random share of it.
        let share = (u128::from(nanos) * u128::from(random)) >> u64::BITS;
        half + Duration::from_nanos(u64::try_from(share).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(backoff: Backoff, before: u32, least_millis: u64, most_millis: u64) {
        let least = backoff.wait(before, 0);
        let most = backoff.wait(before, u64::MAX);
        assert_eq!(least, Duration::from_millis(least_millis), "{backoff:?} {before}");
        let difference = most.abs_diff(Duration::from_millis(most_millis));
        assert!(difference < Duration::from_micros(1) && most >= least, "{backoff:?} {before}: {most:?}");
    }

    #[test]
    fn waits_double_up_to_the_longest_and_never_beyond() {
        let backoff = |first, at_most| Backoff {
            first: Duration::from_millis(first),
            at_most: Duration::from_millis(at_most),
            ..Backoff::default()
        };
        check(backoff(20, 200), 0, 10, 20);
        check(backoff(20, 200), 1, 20, 40);
        check(backoff(20, 200), 3, 80, 160);
        check(backoff(20, 200), 4, 100, 200);
        check(backoff(20, 200), u32::MAX, 100, 200);
        check(backoff(400, 200), 0, 100, 200);
        check(backoff(0, 200), 9, 0, 0);
        let forever = Backoff { first: Duration::MAX, at_most: Duration::MAX, ..Backoff::default() };
        assert!(forever.wait(9, u64::MAX) >= Duration::MAX / 2, "nothing overflows");
    }
}
