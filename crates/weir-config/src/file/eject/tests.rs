//! What is taken, what is refused, and what is said about it.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::*;
use crate::load;

type Found = (Option<EjectionRule>, Vec<String>);

/// The rule of an upstream with these keys, and what was said about them.
fn outcome(keys: &str) -> Result<Found, Vec<String>> {
    let text = format!("services: [{{host: a, upstream: {{servers: [\"b:1\", \"b:2\"]{keys}}}}}]");
    let shown = |problems: &[Problem]| {
        let shown = |problem: &Problem| {
            format!("{} | {}", problem.message, problem.hint.as_deref().unwrap_or_default())
        };
        problems.iter().map(shown).collect::<Vec<_>>()
    };
    match load::parse("t", text.as_bytes(), &|_| None, Path::new("")) {
        Ok(loaded) => Ok((loaded.model.upstreams[0].eject, shown(loaded.warnings.problems()))),
        Err(report) => Err(shown(report.problems())),
    }
}

fn check(eject: &str, expected: EjectionRule) {
    assert_eq!(outcome(&format!(", eject: {eject}")), Ok((Some(expected), vec![])), "{eject}");
}

fn check_refused(eject: &str, expected: &str) {
    let problems = outcome(&format!(", eject: {eject}")).unwrap_err();
    assert!(problems.len() == 1 && problems[0].contains(expected), "{eject}: {problems:?}");
}

#[test]
fn what_is_written_as_default_is_what_holds_without_a_word() {
    let usual = EjectionRule::default();
    assert_eq!(outcome("").unwrap().0, Some(usual));
    check("{}", usual);
    let written = "{consecutive: 5, on: [connect_failure, reset, timeout, garbage, 502, 503, 504], time: 10s, \
                   time_max: 5m, at_most: 50%, trials: 3}";
    check(written, usual);
    assert_eq!(outcome(", eject: off").unwrap().0, None);
}

#[test]
fn a_share_has_a_window_and_a_least_number() {
    let usual = EjectionRule::default();
    let with = |consecutive, per_mille, window, least| {
        let share = Some(ShareRule { per_mille, window: Duration::from_secs(window), least });
        EjectionRule { breaker: BreakerRule { consecutive, share, trials: 3 }, ..usual }
    };
    check("{share: 40%}", with(Some(5), 400, 10, 20));
    check("{share: 0.1%, window: 1m, least: 500, consecutive: off}", with(None, 1, 60, 500));
    check("{share: 100%, window: 2s, least: 1}", with(Some(5), 1000, 2, 1));
}

#[test]
fn what_counts_is_said_in_words_and_statuses() {
    let on = |on| EjectionRule { on, ..EjectionRule::default() };
    check("{on: reset}", on(Faults::NONE.with(Fault::Reset)));
    let mixed = Faults {
        statuses: weir_core::dispatch::StatusSet::EMPTY.with_class(5).with_code(429),
        ..Faults::NONE
    };
    check("{on: [5xx, 429, timeout]}", on(mixed.with(Fault::Timeout)));
    check_refused("{on: [resets]}", "`resets` is no kind of failure | did you mean `reset`?");
    check_refused("{on: []}", "kinds of failures");
    check_refused("{on: 700}", "700");
}

#[test]
fn bounds_and_contradictions_are_told() {
    check_refused("{consecutive: 0}", "`consecutive` is 1 to 255, found 0");
    check_refused("{consecutive: 256}", "1 to 255");
    check_refused("{share: 0%}", "`0%` is not from `0.1%` to `100%`");
    check_refused("{share: 50}", "write `50%`");
    check_refused("{share: 50%, least: 501}", "1 to 500");
    check_refused("{at_most: 0%}", "`0%`");
    check_refused("{trials: 0}", "1 to 100");
    check_refused("{consecutive: off}", "does not say when");
    check_refused("{time: 10m, time_max: 1m}", "`time_max` is shorter than `time` | `time` is `10m`");
    check_refused("{conseqtive: 1}", "did you mean `consecutive`?");
    check_refused("5", "expected a mapping (`eject`)");
}

#[test]
fn a_first_time_may_be_longer_than_the_usual_bound() {
    let time = Duration::from_secs(600);
    check("{time: 10m}", EjectionRule { time, time_max: time, ..EjectionRule::default() });
}

#[test]
fn keys_of_a_share_without_a_share_are_warned_of() {
    let (rule, warnings) = outcome(", eject: {window: 5s, least: 3}").unwrap();
    assert_eq!(rule, Some(EjectionRule::default()));
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings.iter().all(|warning| warning.contains("has no effect without `share`")), "{warnings:?}");
}

#[test]
fn a_server_starts_slowly_where_it_is_written() {
    let slow = |keys: &str| {
        let text = format!("services: [{{host: a, upstream: {{servers: [\"b:1\"]{keys}}}}}]");
        let loaded = load::parse("t", text.as_bytes(), &|_| None, Path::new(""));
        loaded.map(|loaded| loaded.model.upstreams[0].slow_start).map_err(|_| ())
    };
    assert_eq!(slow(""), Ok(None));
    assert_eq!(slow(", slow_start: off"), Ok(None));
    assert_eq!(slow(", slow_start: 30s"), Ok(Some(Duration::from_secs(30))));
    assert_eq!(slow(", slow_start: 10ms"), Err(()));
    assert_eq!(slow(", slow_start: 2h"), Err(()));
}
