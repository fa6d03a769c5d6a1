//! Durations as programs in Go take them: `10s`, `1m30s`, `1.5h`, `500ms`.
//!
//! Those of a configuration have one number and one unit; these are only for options that another program had first.

use std::time::Duration;

use crate::complaint::Complaint;
use crate::node::shortened;

/// Units with their length in nanoseconds; longer names first where one begins with another.
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// A sum of numbers with units. `0` needs none.
///
/// # Errors
/// When the text is no duration, or a longer one than 64 bits of nanoseconds hold.
pub fn duration(text: &str) -> Result<Duration, Complaint> {
    let not = |hint: &str| Complaint::new(format!("`{}` is not a duration", shortened(text))).hint(hint);
    const USUAL: &str = "write `10s`, `1m30s`, `500ms` or `1h`";
    if text.starts_with('-') {
        return Err(not("a time in the past can't be waited for"));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(not(USUAL));
    }
    let mut sum: u128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|sign: char| !sign.is_ascii_digit() && sign != '.').unwrap_or(rest.len());
        let (number, behind) = rest.split_at(end);
        let unit_end = behind.find(|sign: char| sign.is_ascii_digit() || sign == '.').unwrap_or(behind.len());
        let (unit, next) = behind.split_at(unit_end);
        let unit = match UNITS.iter().find(|(name, _)| *name == unit) {
            Some((_, nanoseconds)) => *nanoseconds,
            None if unit.is_empty() && !number.is_empty() => {
                return Err(not("each number needs a unit: `ns`, `us`, `ms`, `s`, `m` or `h`"));
            }
            None => return Err(not(USUAL)),
        };
        let part = nanoseconds(number, unit).ok_or_else(|| not(USUAL))?;
        sum = sum.saturating_add(part);
        rest = next;
    }
    u64::try_from(sum).map(Duration::from_nanos).map_err(|_| not("it is too long"))
}

/// `1`, `1.5`, `.5` or `1.` units; rounded down.
fn nanoseconds(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    // More digits are less than a nanosecond of the longest unit.
    let fraction = &fraction[..fraction.len().min(18)];
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u128>().ok() };
    digits(whole)?.checked_mul(unit)?.checked_add(digits(fraction)? * unit / scale)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn check(text: &str, nanoseconds: u64) {
        assert_eq!(duration(text).unwrap(), Duration::from_nanos(nanoseconds), "{text}");
    }

    fn check_refused(text: &str, hint: &str) {
        let complaint = duration(text).unwrap_err().to_string();
        assert!(complaint.contains("hint: ") && complaint.contains(hint), "{text}: {complaint}");
    }

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn durations_are_sums() {
        check("10s", 10 * SECOND);
        check("1m30s", 90 * SECOND);
        check("1h", 3600 * SECOND);
        check("1h2m3s4ms5us6ns", 3723 * SECOND + 4_005_006);
        check("1.5h", 5400 * SECOND);
        check(".5s", SECOND / 2);
        check("1.s", SECOND);
        check("500ms", SECOND / 2);
        check("3µs", 3_000);
        check("0", 0);
        check("0s", 0);
        check("+2s", 2 * SECOND);
        check("30s1m", 90 * SECOND);
        check("0.0000000000000000000001h", 0);
    }

    #[test]
    fn what_is_none_is_refused() {
        check_refused("", "10s");
        check_refused("10", "unit");
        check_refused("1m30", "unit");
        check_refused("s", "10s");
        check_refused(".s", "10s");
        check_refused("1..5s", "10s");
        check_refused("1d", "10s");
        check_refused("1 s", "10s");
        check_refused("1s ", "10s");
        check_refused("1Ms", "10s");
        check_refused("-5s", "past");
        check_refused("ten", "10s");
        check_refused("600000h1s9999999999999999h", "too long");
        check_refused(&format!("{}h", "9".repeat(40)), "10s");
    }
}
