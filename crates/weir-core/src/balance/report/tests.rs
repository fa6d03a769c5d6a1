//! Reports: what is understood, how they are smoothed, and how they grow old.

#![allow(clippy::unwrap_used)]

use super::*;

fn check(text: &str, expected: Option<f32>) {
    assert_eq!(parse(text.as_bytes()), expected, "{text}");
}

#[test]
fn the_larger_of_two_shares_counts() {
    check("cpu=0.7, mem=0.4", Some(0.7));
    check("mem=0.4,cpu=0.7", Some(0.7));
    check("cpu=0.1 ,\tmem=0.9", Some(0.9));
    check("cpu=0", Some(0.0));
    check("mem=1", Some(1.0));
    check("cpu=1.000", Some(1.0));
    check("  cpu=0.5  ", Some(0.5));
}

#[test]
fn what_is_not_in_the_grammar_says_nothing() {
    for text in [
        "",
        " ",
        ",",
        "cpu",
        "cpu=",
        "=0.5",
        "cpu=0.5,",
        ",cpu=0.5",
        "cpu=0.5,,mem=0.1",
        "cpu=0.5 mem=0.1",
        "cpu=0.5;mem=0.1",
        "cpu=1.1",
        "cpu=2",
        "cpu=-0.5",
        "cpu=+0.5",
        "cpu=.5",
        "cpu=5.",
        "cpu=0.",
        "cpu=00.5",
        "cpu=1e-1",
        "cpu=NaN",
        "cpu=inf",
        "cpu=0x1",
        "cpu=50%",
        "cpu=0,5",
        "CPU=0.5",
        "cpu =0.5",
        "cpu= 0.5",
        "cpu=0.5,cpu=0.5",
        "disk=0.5",
        "cpu=0.5, disk=0.1",
        "cpu=\"0.5\"",
        "cpu=0.5\0",
    ] {
        check(text, None);
    }
    check(&format!("cpu=0.{}", "1".repeat(60)), None);
    assert_eq!(parse(b"cpu=0.\xff"), None);
}

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn close(got: f32, expected: f32) {
    assert!((got - expected).abs() < 0.01, "{got}, not {expected}");
}

#[test]
fn reports_are_smoothed_over_a_second() {
    let first = Reports::default().noted(at(0), 0.2, FORGET).unwrap();
    close(first.at(at(0), FORGET).unwrap().load, 0.2);
    assert_eq!(first.noted(at(5), 0.9, FORGET), None, "too soon to say something new");
    let second = first.noted(at(100), 0.9, FORGET).unwrap();
    close(second.at(at(100), FORGET).unwrap().load, 0.2 + 0.7 * (1.0 - (-0.1f32).exp()));
    // A hundred reports in a second are worth as much as two.
    let mut many = first;
    for step in 1..=100 {
        many = many.noted(at(step * 10), 0.9, FORGET).unwrap_or(many);
    }
    close(many.at(at(1000), FORGET).unwrap().load, 0.2 + 0.7 * (1.0 - (-1.0f32).exp()));
}

#[test]
fn a_report_grows_old_and_is_forgotten() {
    let report = Reports::default().noted(at(1000), 0.8, FORGET).unwrap();
    let trust = |millis| report.at(at(millis), FORGET).map(|reported| reported.trust);
    assert_eq!(trust(1000), Some(1.0));
    assert_eq!(trust(6000), Some(1.0));
    close(trust(8500).unwrap(), 0.5);
    assert_eq!(trust(11_000), None);
    assert_eq!(trust(0), Some(1.0), "another worker's clock is a moment ahead");
    assert_eq!(Reports::default().at(at(0), FORGET), None);
    // What was forgotten is not smoothed with.
    let fresh = report.noted(at(20_000), 0.1, FORGET).unwrap();
    close(fresh.at(at(20_000), FORGET).unwrap().load, 0.1);
}
