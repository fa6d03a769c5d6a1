//! What is remembered of a server: peaks, fading, failures, and that it all fits into one word.

#![allow(clippy::unwrap_used)]

use super::*;

const DECAY: Decay = Decay::over(super::DECAY);

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn latency(observed: Observed, now: u64) -> f32 {
    observed.at(at(now), DECAY).latency_micros.unwrap_or(0.0) / 1000.0
}

fn close(got: f32, expected: f32) {
    assert!((got - expected).abs() <= expected.abs() * 0.01 + 0.001, "{got}, not {expected}");
}

fn answered(observed: Observed, now: u64, took: u64) -> Observed {
    observed.succeeded(at(now), at(took), DECAY).unwrap_or(observed)
}

fn failed(observed: Observed, now: u64, took: u64) -> Observed {
    observed.failed(at(now), at(took), DECAY)
}

#[test]
fn a_peak_counts_at_once_and_fades() {
    let quick = answered(Observed::default(), 0, 5);
    close(latency(quick, 0), 5.0);
    let peak = answered(quick, 1, 500);
    close(latency(peak, 1), 500.0);
    // Ten seconds of quick answers.
    let mut after = peak;
    for step in 1..=1000 {
        after = answered(after, 1 + step * 10, 5);
    }
    close(latency(after, 10_001), 5.0 + 495.0 * (-1.0f32).exp());
    // Or of none.
    close(latency(peak, 10_001), 500.0 * (-1.0f32).exp());
}

#[test]
fn the_word_is_written_when_it_says_something_new() {
    let first = answered(Observed::default(), 1000, 5);
    assert_eq!(first.succeeded(at(1005), at(4), DECAY), None);
    assert_eq!(
        first.succeeded(at(1009), Duration::from_micros(5_500), DECAY),
        None,
        "no peak worth the name"
    );
    assert!(first.succeeded(at(1005), at(6), DECAY).is_some());
    assert!(first.succeeded(at(1010), at(4), DECAY).is_some());
    assert_eq!(Observed::from_bits(first.to_bits()), first);
}

#[test]
fn failing_fast_is_not_being_fast() {
    let mut server = answered(Observed::default(), 0, 40);
    for step in 1..=200 {
        server = failed(server, step * 50, 0);
    }
    let standing = server.at(at(10_000), DECAY);
    close(standing.latency_micros.unwrap(), 40_000.0);
    assert!(standing.failing > 0.6, "{}", standing.failing);
    // It fades, and with answers it is gone as soon.
    close(server.at(at(20_000), DECAY).failing, standing.failing * (-1.0f32).exp());
}

#[test]
fn of_a_server_that_never_answered_only_that_is_known() {
    let server = failed(Observed::default(), 100_000, 3);
    let standing = server.at(at(100_000), DECAY);
    assert_eq!(standing.latency_micros, None);
    close(standing.failing, 1.0);
    assert_eq!(Observed::default().at(at(5), DECAY), Standing::default());
}

#[test]
fn one_failure_among_many_answers_costs_little() {
    let mut server = Observed::default();
    for step in 1..=1000 {
        server = if step % 100 == 0 { failed(server, step * 10, 5) } else { answered(server, step * 10, 5) };
    }
    let failing = server.at(at(10_000), DECAY).failing;
    assert!(failing < 0.11, "{failing}");
    for step in 1001..=1040 {
        server = answered(server, step * 10, 5);
    }
    assert!(server.at(at(10_400), DECAY).failing < 0.01);
}

#[test]
fn what_we_end_ourselves_took_at_least_as_long() {
    let server = answered(Observed::default(), 0, 20);
    assert_eq!(server.cut(at(100), at(10), DECAY), None);
    let slower = server.cut(at(100), at(80), DECAY).unwrap();
    close(latency(slower, 100), 80.0);
    assert_eq!(Observed::default().cut(at(0), at(80), DECAY), None);
}

/// Workers look at the clock before they write; and a long time looks like a short one.
#[test]
fn clocks_that_go_backwards_and_around_do_no_harm() {
    let server = answered(Observed::default(), 1000, 20);
    close(latency(server, 990), 20.0);
    assert_eq!(server.succeeded(at(990), at(10), DECAY), None);
    let round = 1u64 << 24;
    close(latency(server, 1000 + round), 20.0);
    close(latency(server, 1000 + round / 4), 0.0);
    close(latency(answered(server, u64::MAX / 2_000_000, 30), u64::MAX / 2_000_000), 30.0);
}

#[test]
fn silly_times_are_kept_within_bounds() {
    let server = Observed::default().succeeded(at(0), Duration::MAX, DECAY).unwrap();
    assert!(server.at(at(0), DECAY).latency_micros.unwrap().is_finite());
    let server = Observed::default().succeeded(at(0), Duration::ZERO, Decay::over(Duration::ZERO)).unwrap();
    assert!(server.at(at(0), Decay::over(Duration::ZERO)).latency_micros.unwrap() >= 1.0);
}

#[test]
fn what_is_kept_is_the_same_by_the_series_and_by_the_function() {
    for elapsed in 0..200 {
        let exact = (-(elapsed as f32) / 10_000.0).exp();
        assert!((kept(elapsed, DECAY) - exact).abs() <= 2.0 * f32::EPSILON, "{elapsed}");
    }
}
