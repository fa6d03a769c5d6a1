//! Moments as people read them in messages about certificates: in UTC, which is what certificates are written in.

use std::time::{Duration, SystemTime};

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// One day.
pub const DAY: Duration = Duration::from_secs(DAY_SECONDS);

/// `2026-11-21 14:03 UTC`
pub fn moment(time: SystemTime) -> String {
    let (year, month, day, second) = civil(time);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", second / 3600, second / 60 % 60)
}

/// `2026-11-21T14:03:00Z` (RFC 3339)
pub fn rfc3339(time: SystemTime) -> String {
    let (year, month, day, second) = civil(time);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
}

/// Seconds since 1970, negative before.
pub fn unix_seconds(time: SystemTime) -> i64 {
    let seconds = |length: Duration| i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => seconds(since),
        Err(before) => -seconds(before.duration()),
    }
}

/// A time between two moments as people say it: `12 days`, `1 day`, `5 hours`, `less than an hour`.
pub fn span(length: Duration) -> String {
    let counted = |count: u64, noun: &str| match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    };
    let hours = length.as_secs() / 3600;
    match hours {
        0 => "less than an hour".to_owned(),
        hours if hours < 48 => counted(hours, "hour"),
        hours => counted(hours / 24, "day"),
    }
}

/// Year, month, day, and the second of the day.
fn civil(time: SystemTime) -> (i64, i64, i64, i64) {
    let seconds = unix_seconds(time);
    let day_seconds = DAY_SECONDS.cast_signed();
    // Years begin in March here, so that a leap day is the last day of one (the usual algorithm for the civil calendar).
    let days = seconds.div_euclid(day_seconds) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day, seconds.rem_euclid(day_seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seconds: i64, expected: &str) {
        let distance = Duration::from_secs(seconds.unsigned_abs());
        let time =
            if seconds < 0 { SystemTime::UNIX_EPOCH - distance } else { SystemTime::UNIX_EPOCH + distance };
        assert_eq!(rfc3339(time), expected, "{seconds}");
        assert!(moment(time).starts_with(&expected[..10]), "{}", moment(time));
    }

    #[test]
    fn moments_are_those_of_the_calendar() {
        check(0, "1970-01-01T00:00:00Z");
        check(-1, "1969-12-31T23:59:59Z");
        check(951_782_400, "2000-02-29T00:00:00Z");
        check(951_868_799, "2000-02-29T23:59:59Z");
        check(951_868_800, "2000-03-01T00:00:00Z");
        check(1_709_210_096, "2024-02-29T12:34:56Z");
        check(4_107_542_400, "2100-03-01T00:00:00Z");
        check(253_402_300_799, "9999-12-31T23:59:59Z");
    }

    #[test]
    fn spans_are_told_in_one_unit() {
        for (seconds, expected) in [
            (0, "less than an hour"),
            (3600, "1 hour"),
            (2 * 3600, "2 hours"),
            (47 * 3600, "47 hours"),
            (48 * 3600, "2 days"),
            (400 * 86400, "400 days"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), expected);
        }
    }
}
