//! When a server wants to be asked again: its Retry-After (RFC 9110 §10.2.3).
//!
//! It comes as seconds or as a date. How long a wait may be at most is said by whoever waits.

use std::time::{Duration, SystemTime};

use weir_http::field::KnownName as K;
use weir_http::head::Head;

use crate::runtime::clock::time_of_day;

/// The time that the server asks for, from now on; `None` where it asks for none, or for one that can't be understood.
pub(super) fn retry_after(head: &Head) -> Option<Duration> {
    read(head.get(K::RetryAfter)?, time_of_day)
}

/// The same where it says something of repeats: of too many requests, or of a server that can't serve now.
pub(super) fn of_overload(head: &Head) -> Option<Duration> {
    matches!(head.status(), 429 | 503).then(|| retry_after(head)).flatten()
}

/// The value as a time from `now` on. A date that is over means at once.
fn read(value: &[u8], now: impl FnOnce() -> SystemTime) -> Option<Duration> {
    let text = str::from_utf8(value.trim_ascii()).ok()?;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number without end is one all the same.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 9110 §5.6.7, as seconds since 1970.
    const DATE: u64 = 784_111_777;

    fn check(value: &str, now: u64, expected: Option<u64>) {
        let now = || SystemTime::UNIX_EPOCH + Duration::from_secs(now);
        assert_eq!(read(value.as_bytes(), now), expected.map(Duration::from_secs), "{value:?}");
    }

    /// A server that named a date was asked again within seconds: only numbers were understood.
    #[test]
    fn a_wait_is_seconds_or_a_date_of_any_form() {
        check("0", DATE, Some(0));
        check("120", DATE, Some(120));
        check(" 7 ", DATE, Some(7));
        for date in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            check(date, DATE - 90, Some(90));
            check(date, DATE, Some(0));
            check(date, DATE + 1, Some(0));
        }
    }

    #[test]
    fn only_overload_says_something_of_repeats() {
        for (status, expected) in [(503, Some(7)), (429, Some(7)), (500, None), (301, None)] {
            let mut head = Head::answer(status);
            head.append(K::RetryAfter, b" 7 ");
            assert_eq!(of_overload(&head), expected.map(Duration::from_secs), "{status}");
        }
    }

    #[test]
    fn nonsense_is_no_wait_and_a_huge_one_does_not_overflow() {
        for value in
            ["", " ", "-1", "+5", "1.5", "5s", "soon", "1, 2", "Sun, 06 Nov 1994 08:49:37", "\u{ff15}"]
        {
            check(value, DATE, None);
        }
        check("99999999999999999999999999", DATE, Some(u64::MAX));
    }
}
