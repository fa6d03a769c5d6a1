//! What an option takes, and what it says to the rest.
#![allow(clippy::unwrap_used)]

use super::*;

#[track_caller]
fn check<T: FromStr<Err = OptionError> + fmt::Debug + PartialEq>(text: &str, expected: Result<T, &str>) {
    match (text.parse::<T>(), expected) {
        (Ok(value), Ok(expected)) => assert_eq!(value, expected, "{text}"),
        (Err(error), Err(why)) => {
            let message = error.to_string();
            assert!(message.starts_with(&format!("`{text}` is no ")), "{message}");
            assert!(message.contains(why) && message.contains("\n\nhint: "), "{message}");
        }
        (value, expected) => panic!("`{text}`: {value:?}, expected {expected:?}"),
    }
}

#[test]
fn shares() {
    check("50%", Ok(Share(0.5)));
    check("0%", Ok(Share(0.0)));
    check("100%", Ok(Share(1.0)));
    check("0.5%", Ok(Share(0.005)));
    for text in ["", "50", "0.5", "50 percent"] {
        check::<Share>(text, Err("does not end in `%`"));
    }
    for text in ["%", ".%", "1.2.3%", "-1%", "+1%", "1e1%", "inf%", "NaN%", " 5%", "5 %", "5%%", "٥%"] {
        check::<Share>(text, Err("no plain number"));
    }
    for text in ["100.1%", "101%", "99999999999999999999%"] {
        check::<Share>(text, Err("more than everything"));
    }
}

#[test]
fn a_share_of_nothing_never_holds_and_of_everything_always() {
    let nearly_one = 1.0 - f64::EPSILON;
    assert!(!Share(0.0).holds(0.0));
    assert!(Share(1.0).holds(nearly_one));
    assert!(Share(0.5).holds(0.499) && !Share(0.5).holds(0.5));
}

fn range(shortest: u64, longest: u64) -> Delay {
    Delay { shortest: Duration::from_millis(shortest), longest: Duration::from_millis(longest) }
}

#[test]
fn delays() {
    check("20ms", Ok(range(20, 20)));
    check("2s", Ok(range(2000, 2000)));
    check("0", Ok(range(0, 0)));
    check("1h", Ok(range(3_600_000, 3_600_000)));
    check("0..1000ms", Ok(range(0, 1000)));
    check("5..10s", Ok(range(5000, 10_000)));
    check("5ms..1s", Ok(range(5, 1000)));
    check("7ms..7ms", Ok(range(7, 7)));
    check::<Delay>("10..5ms", Err("ends before it begins"));
    check::<Delay>("1s..5ms", Err("ends before it begins"));
}

#[track_caller]
fn check_duration(text: &str, why: &str) {
    let message = text.parse::<Delay>().unwrap_err().to_string();
    assert!(message.contains(why), "{text}: {message}");
}

#[test]
fn delays_that_are_none() {
    for text in ["", "ms", "-1ms", " 1ms", "..", "5..", "..5ms", ".5s", "0..1..2ms"] {
        check_duration(
            text,
            if text == "0..1..2ms" { "unit is none of" } else { "does not begin with a digit" },
        );
    }
    for text in ["20", "1..2"] {
        check_duration(text, "has no unit");
    }
    for text in ["20 ms", "1d", "1.5s", "20MS", "20ms ", "20µs"] {
        check_duration(text, "unit is none of");
    }
    for text in ["61m", "2h", "3600001ms", "18446744073709551615h", "99999999999999999999999ms"] {
        check_duration(text, "longer than an hour");
    }
}

#[test]
fn a_picked_delay_stays_in_its_range() {
    let delay = range(10, 30);
    assert_eq!(delay.pick(0.0), Duration::from_millis(10));
    assert_eq!(delay.pick(0.5), Duration::from_millis(20));
    assert_eq!(delay.pick(1.0), Duration::from_millis(30));
    assert!(delay.range().contains(&delay.pick(7.0)) && delay.range().contains(&delay.pick(-7.0)));
    assert_eq!(Delay::fixed(Duration::MAX).pick(0.3), DELAY_MAX);
}

#[test]
fn statuses() {
    check("200", Ok(AnswerStatus(200)));
    check("503", Ok(AnswerStatus(503)));
    check("599", Ok(AnswerStatus(599)));
    for text in ["", "20", "2000", "+20", "2 0", "abc", "0200"] {
        check::<AnswerStatus>(text, Err("three digits"));
    }
    for text in ["100", "101", "199", "600", "999", "000"] {
        check::<AnswerStatus>(text, Err("no status of a final answer"));
    }
}

#[test]
fn what_is_shown_can_be_written() {
    for text in ["0%", "50%", "100%", "0.5%", "7%", "33.333333%"] {
        assert_eq!(text.parse::<Share>().unwrap().to_string(), text);
    }
    for (text, shown) in [("0", "0ms"), ("2s", "2000ms"), ("0..1000ms", "0..1000ms"), ("7ms..7ms", "7ms")] {
        let delay: Delay = text.parse().unwrap();
        assert_eq!(delay.to_string(), shown);
        assert_eq!(shown.parse(), Ok(delay));
    }
}
