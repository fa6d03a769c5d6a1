//! When a delivery that failed is tried again.

use std::time::Duration;

/// The longest wait between two deliveries, unless the server asks for more.
pub const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// The longest Retry-After that is honoured. A server that asks for more is asked again then; it can repeat itself.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// The span from which the first wait is drawn. It doubles with each failure.
const FIRST: Duration = Duration::from_millis(250);

/// How long to wait after so many failures in a row, at least one.
///
/// Truncated exponential backoff with full jitter: `random`, even over all of `u64`, picks a point in the span, so that
/// several proxies do not come back to a server at one moment. A server that says when it wants to be asked again is not asked
/// before.
pub(super) fn delay(failures: u32, retry_after: Option<Duration>, random: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let span = (FIRST * (1 << doublings)).min(BACKOFF_MAX);
    // The upper half of the product is the random share of the span.
    let share = (span.as_nanos() * u128::from(random)) >> u64::BITS;
    let wait = Duration::from_nanos(u64::try_from(share).unwrap_or(u64::MAX));
    wait.max(retry_after.unwrap_or_default().min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(failures: u32, retry_after_seconds: Option<u64>, random: u64, expected: Duration) {
        let wait = delay(failures, retry_after_seconds.map(Duration::from_secs), random);
        let difference = wait.abs_diff(expected);
        assert!(difference < Duration::from_micros(1), "{failures} {retry_after_seconds:?}: {wait:?}");
    }

    #[test]
    fn the_span_doubles_up_to_ten_seconds() {
        check(1, None, u64::MAX, Duration::from_millis(250));
        check(2, None, u64::MAX, Duration::from_millis(500));
        check(3, None, u64::MAX / 2, Duration::from_millis(500));
        check(6, None, u64::MAX, Duration::from_secs(8));
        check(7, None, u64::MAX, Duration::from_secs(10));
        check(u32::MAX, None, u64::MAX, Duration::from_secs(10));
        check(u32::MAX, None, 0, Duration::ZERO);
        check(0, None, u64::MAX, Duration::from_millis(250));
    }

    #[test]
    fn a_server_that_says_when_is_not_asked_before() {
        check(1, Some(7), 0, Duration::from_secs(7));
        check(1, Some(60), u64::MAX, Duration::from_secs(60));
        check(9, Some(1), u64::MAX, Duration::from_secs(10));
        check(9, Some(u64::MAX), u64::MAX, RETRY_AFTER_MAX);
    }
}
