//! Numbers and times in the few columns that there are for them.

use std::time::Duration;

/// A number in at most five columns: `1234`, `12.3k`, `4.5M`.
pub fn number(count: u64) -> String {
    match count {
        0..100_000 => count.to_string(),
        _ => scaled(count as f64),
    }
}

fn scaled(mut value: f64) -> String {
    for unit in ["", "k", "M", "G", "T"] {
        if value < 999.5 {
            return if value < 99.95 { format!("{value:.1}{unit}") } else { format!("{value:.0}{unit}") };
        }
        value /= 1000.0;
    }
    "many".to_owned()
}

/// A rate in at most five columns: `0`, `0.5`, `12.3`, `1234`, `123k`.
pub fn rate(per_second: f64) -> String {
    match per_second {
        rate if !rate.is_finite() || rate < 0.05 => "0".to_owned(),
        rate if rate < 99.95 => format!("{rate:.1}"),
        rate if rate < 99_999.5 => format!("{rate:.0}"),
        rate => scaled(rate),
    }
}

/// How long an answer takes, in at most five columns: `250us`, `1.5ms`, `120ms`, `3.4s`.
pub fn latency(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        micros if micros < 999.5 => format!("{micros:.0}us"),
        micros if micros < 9_950.0 => format!("{:.1}ms", micros / 1e3),
        micros if micros < 999_500.0 => format!("{:.0}ms", micros / 1e3),
        micros if micros < 99_950_000.0 => format!("{:.1}s", micros / 1e6),
        _ => span(time),
    }
}

/// A time that has passed, to the unit that matters, in at most four columns: `5s`, `12m`, `3h`, `40d`.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", (seconds / 86_400).min(999)),
    }
}

/// A time that has passed, with two units: `5s`, `12m 5s`, `3h 12m`, `40d 3h`.
pub fn long_span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {}s", seconds % 60),
        3600..86_400 => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit() {
        for (count, expected) in [
            (0, "0"),
            (99_999, "99999"),
            (100_000, "100k"),
            (123_456, "123k"),
            (12_345_678, "12.3M"),
            (u64::MAX, "many"),
        ] {
            assert_eq!(number(count), expected);
        }
        for (value, expected) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (99.94, "99.9"),
            (99.96, "100"),
            (1234.4, "1234"),
            (123_456.0, "123k"),
            (f64::NAN, "0"),
            (f64::INFINITY, "0"),
            (-1.0, "0"),
        ] {
            assert_eq!(rate(value), expected);
        }
    }

    #[test]
    fn times_fit() {
        for (micros, expected) in [
            (0, "0us"),
            (250, "250us"),
            (999, "999us"),
            (1_500, "1.5ms"),
            (9_960, "10ms"),
            (120_400, "120ms"),
            (999_600, "1.0s"),
            (3_400_000, "3.4s"),
            (200_000_000, "3m"),
        ] {
            assert_eq!(latency(Duration::from_micros(micros)), expected);
        }
        for (seconds, short, long) in [
            (5, "5s", "5s"),
            (125, "2m", "2m 5s"),
            (11_520, "3h", "3h 12m"),
            (90_000, "1d", "1d 1h"),
            (1 << 40, "999d", "12725829d 0h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), short);
            assert_eq!(
                long_span(Duration::from_secs(seconds)),
                long.replace("0h", &format!("{}h", seconds / 3600 % 24))
            );
        }
        for micros in (0..40).map(|bits| 1_u64 << bits) {
            assert!(latency(Duration::from_micros(micros)).len() <= 5);
            assert!(span(Duration::from_micros(micros)).len() <= 4);
            assert!(rate(micros as f64).len() <= 5 && number(micros).len() <= 5);
        }
    }
}
