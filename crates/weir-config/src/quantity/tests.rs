//! Texts and the quantities they are, or what is said of them.

use std::time::Duration;

use weir_core::limit::Rate;

use super::{duration, duration_text, rate, share, size, size_text};
use crate::complaint::Complaint;

fn check<T: PartialEq + std::fmt::Debug>(
    parse: fn(&str) -> Result<T, Complaint>,
    text: &str,
    expected: Result<T, &str>,
) {
    match (parse(text), expected) {
        (Ok(value), Ok(expected)) => assert_eq!(value, expected, "{text}"),
        (Err(complaint), Err(part)) => {
            assert!(complaint.to_string().contains(part), "{text}: {complaint}");
        }
        (got, expected) => panic!("{text}: got {got:?}, expected {expected:?}"),
    }
}

#[test]
fn durations() {
    check(duration, "250ms", Ok(Duration::from_millis(250)));
    check(duration, "2s", Ok(Duration::from_secs(2)));
    check(duration, "1.5s", Ok(Duration::from_millis(1500)));
    check(duration, "0.001s", Ok(Duration::from_millis(1)));
    check(duration, "1m", Ok(Duration::from_secs(60)));
    check(duration, "1h", Ok(Duration::from_secs(3600)));
    check(duration, "0s", Ok(Duration::ZERO));
    check(duration, "2 s", Ok(Duration::from_secs(2)));
    check(duration, "2", Err("write `2s`"));
    check(duration, "2.5", Err("write `2.5s`"));
    check(duration, "2sec", Err("units are"));
    check(duration, "1d", Err("a day is `24h`"));
    check(duration, "", Err("is not a duration"));
    check(duration, "s", Err("is not a duration"));
    check(duration, "-2s", Err("is not a duration"));
    check(duration, "1.s", Err("is not a duration"));
    check(duration, ".5s", Err("is not a duration"));
    check(duration, "1.2.3s", Err("is not a duration"));
    check(duration, "1m30s", Err("is not a duration"));
    check(duration, "٢s", Err("is not a duration"));
    check(duration, "99999999999999999999h", Err("too long"));
    check(duration, "18446744073709551615h", Err("too long"));
}

#[test]
fn sizes() {
    check(size, "64KiB", Ok(65536));
    check(size, "10MB", Ok(10_000_000));
    check(size, "1MiB", Ok(1 << 20));
    check(size, "1.5KiB", Ok(1536));
    check(size, "0.1KiB", Ok(102));
    check(size, "0B", Ok(0));
    check(size, "512", Err("write `512B`"));
    check(size, "64k", Err("write `64KiB`"));
    check(size, "64kb", Err("write `64KiB`"));
    check(size, "1M", Err("write `1MiB`"));
    check(size, "x", Err("is not a size"));
    check(size, "-1B", Err("is not a size"));
    check(size, "99999999999999999999GiB", Err("too large"));
}

#[test]
fn rates() {
    let per = |count, seconds| Ok(Rate { count, per: Duration::from_secs(seconds) });
    check(rate, "100/s", per(100, 1));
    check(rate, "10/m", per(10, 60));
    check(rate, "1000/h", per(1000, 3600));
    check(rate, "1/d", per(1, 86_400));
    check(rate, "1000000/s", per(1_000_000, 1));
    check(rate, "100 / s", per(100, 1));
    check(rate, "100", Err("write `100/s`"));
    check(rate, "100/", Err("write `100/s`"));
    check(rate, "100/sec", Err("write `100/s`"));
    check(rate, "100/minute", Err("write `100/m`"));
    check(rate, "100/w", Err("units are"));
    check(rate, "100r/s", Err("is not a rate"));
    check(rate, "0.5/s", Err("a whole number"));
    check(rate, "-1/s", Err("a whole number"));
    check(rate, "/s", Err("a whole number"));
    check(rate, "", Err("a whole number"));
    check(rate, "0/s", Err("nobody may ask"));
    check(rate, "1000001/s", Err("at most 1000000"));
    check(rate, "99999999999/s", Err("at most 1000000"));
    check(rate, "1/s/s", Err("write `1/s`"));
}

#[test]
fn shares() {
    check(share, "5%", Ok(0.05));
    check(share, "100%", Ok(1.0));
    check(share, "0%", Ok(0.0));
    check(share, "101%", Err("at most"));
    check(share, "5", Err("write `5%`"));
    check(share, "%", Err("is not a share"));
    check(share, "-5%", Err("is not a share"));
}

#[test]
fn values_are_written_back_shortest() {
    for text in ["250ms", "2s", "90s", "1m", "1h", "24h"] {
        assert_eq!(duration(text).map(duration_text).as_deref(), Ok(text));
    }
    for text in ["1B", "1000B", "64KiB", "1MiB", "3GiB"] {
        assert_eq!(size(text).map(size_text).as_deref(), Ok(text));
    }
}
