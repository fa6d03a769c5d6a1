//! Moments as the log formats write them, always in UTC.
//!
//! A few divisions per line are cheaper than a calendar crate and than a cache per worker. Years have four digits up to
//! 9999; moments before 1970 are written as 1970, which only a wrong clock can see.

use std::time::{SystemTime, UNIX_EPOCH};

use super::number::padded;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const SECONDS_PER_DAY: u64 = 86_400;

/// A moment of the Gregorian calendar in UTC.
struct Civil {
    year: u64,
    /// 1 to 12
    month: u64,
    /// 1 to 31
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    millisecond: u32,
}

impl Civil {
    fn of(moment: SystemTime) -> Self {
        let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (days, second) = (since.as_secs() / SECONDS_PER_DAY, since.as_secs() % SECONDS_PER_DAY);
        // Years are counted from March, so that the leap day is the last day of a year, and from a year 0 that begins a
        // period of 400 years: 719,468 days lie between the first of March of year 0 and 1970.
        let days = days + 719_468;
        let (period, day_of_period) = (days / 146_097, days % 146_097);
        let year_of_period =
            (day_of_period - day_of_period / 1460 + day_of_period / 36_524 - day_of_period / 146_096) / 365;
        let day_of_year = day_of_period - (365 * year_of_period + year_of_period / 4 - year_of_period / 100);
        // From March on months have 31, 30, 31, 30, 31 days over and over, which is 153 days in five months.
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Self {
            year: period * 400 + year_of_period + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            millisecond: since.subsec_millis(),
        }
    }
}

/// `21/Nov/2026:14:05:00 +0000`, as the NCSA formats write it.
pub(super) fn ncsa(moment: SystemTime, out: &mut Vec<u8>) {
    let civil = Civil::of(moment);
    padded(civil.day, 2, out);
    out.push(b'/');
    // A month is 1 to 12, so the index is in bounds.
    out.extend_from_slice(MONTHS[(civil.month - 1) as usize].as_bytes());
    out.push(b'/');
    padded(civil.year, 4, out);
    out.push(b':');
    time_of_day(&civil, out);
    out.extend_from_slice(b" +0000");
}

/// `2026-11-21T14:05:00.123Z` (RFC 3339 §5.6).
pub(super) fn rfc3339(moment: SystemTime, out: &mut Vec<u8>) {
    let civil = Civil::of(moment);
    padded(civil.year, 4, out);
    out.push(b'-');
    padded(civil.month, 2, out);
    out.push(b'-');
    padded(civil.day, 2, out);
    out.push(b'T');
    time_of_day(&civil, out);
    out.push(b'.');
    padded(civil.millisecond.into(), 3, out);
    out.push(b'Z');
}

/// `2026/11/21`
pub(super) fn date(moment: SystemTime, out: &mut Vec<u8>) {
    let civil = Civil::of(moment);
    padded(civil.year, 4, out);
    out.push(b'/');
    padded(civil.month, 2, out);
    out.push(b'/');
    padded(civil.day, 2, out);
}

/// `14:05:00`, or `14:05:00.123456`.
pub(super) fn time(moment: SystemTime, microseconds: bool, out: &mut Vec<u8>) {
    time_of_day(&Civil::of(moment), out);
    if microseconds {
        let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        out.push(b'.');
        padded(since.subsec_micros().into(), 6, out);
    }
}

fn time_of_day(civil: &Civil, out: &mut Vec<u8>) {
    padded(civil.hour, 2, out);
    out.push(b':');
    padded(civil.minute, 2, out);
    out.push(b':');
    padded(civil.second, 2, out);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;

    #[track_caller]
    fn check(milliseconds: u64, expected_ncsa: &str, expected_rfc3339: &str) {
        let moment = UNIX_EPOCH + Duration::from_millis(milliseconds);
        let mut out = Vec::new();
        ncsa(moment, &mut out);
        assert_eq!(String::from_utf8(std::mem::take(&mut out)).unwrap(), expected_ncsa);
        rfc3339(moment, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected_rfc3339);
    }

    #[test]
    fn moments() {
        check(0, "01/Jan/1970:00:00:00 +0000", "1970-01-01T00:00:00.000Z");
        check(1_795_269_900_123, "21/Nov/2026:14:05:00 +0000", "2026-11-21T14:05:00.123Z");
        check(951_782_399_999, "28/Feb/2000:23:59:59 +0000", "2000-02-28T23:59:59.999Z");
        check(951_782_400_000, "29/Feb/2000:00:00:00 +0000", "2000-02-29T00:00:00.000Z");
        check(951_868_800_000, "01/Mar/2000:00:00:00 +0000", "2000-03-01T00:00:00.000Z");
        check(4_107_542_400_000, "01/Mar/2100:00:00:00 +0000", "2100-03-01T00:00:00.000Z");
        check(253_402_300_799_000, "31/Dec/9999:23:59:59 +0000", "9999-12-31T23:59:59.000Z");
    }

    #[test]
    fn a_clock_before_1970_does_not_panic() {
        let mut out = Vec::new();
        rfc3339(UNIX_EPOCH - Duration::from_secs(1), &mut out);
        assert_eq!(out, b"1970-01-01T00:00:00.000Z");
    }

    /// Against the other way to count: an independent walk over every day of eight centuries.
    #[test]
    fn every_day_from_1970_to_2770() {
        let mut day = 0;
        for year in 1970..2770_u64 {
            let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
            let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            for (month, length) in (1..).zip(lengths) {
                for day_of_month in 1..=length {
                    let civil = Civil::of(UNIX_EPOCH + Duration::from_secs(day * SECONDS_PER_DAY));
                    assert_eq!((civil.year, civil.month, civil.day), (year, month, day_of_month));
                    day += 1;
                }
            }
        }
    }
}
