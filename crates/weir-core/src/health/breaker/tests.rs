//! What a breaker does with single events, and with many threads at once.

use std::sync::atomic::AtomicUsize;

use super::*;

const RULE: BreakerRule = BreakerRule { consecutive: Some(3), share: None, trials: 2 };

fn zero() -> Duration {
    Duration::ZERO
}

fn fail(breaker: &Breaker, fault: Fault) -> bool {
    breaker.failed(&RULE, breaker.round(), fault, zero)
}

fn succeed(breaker: &Breaker) -> bool {
    breaker.succeeded(&RULE, breaker.round(), zero)
}

/// One that was opened by three resets.
fn opened() -> Breaker {
    let breaker = Breaker::default();
    assert!(!fail(&breaker, Fault::Reset) && !fail(&breaker, Fault::Reset) && fail(&breaker, Fault::Reset));
    breaker
}

/// One that was opened and may be tried.
fn tried() -> Breaker {
    let breaker = opened();
    breaker.half_open();
    breaker
}

#[test]
fn failures_in_a_row_open_it_and_a_success_begins_a_new_row() {
    let breaker = Breaker::default();
    assert!(!fail(&breaker, Fault::Reset) && !fail(&breaker, Fault::Timeout));
    assert!(!succeed(&breaker), "it was closed");
    assert!(!fail(&breaker, Fault::Reset) && !fail(&breaker, Fault::Reset));
    assert_eq!(breaker.state(), BreakerState::Closed);
    assert!(fail(&breaker, Fault::Status(503)));
    let trip = Trip { why: TripWhy::Consecutive { failures: 3 }, fault: Fault::Status(503) };
    assert_eq!(breaker.state(), BreakerState::Open(trip));
    assert_eq!(trip.to_string(), "3 failures in a row, the last: status 503");
}

/// Requests that were on their way when it opened are heard of later.
#[test]
fn nothing_that_is_heard_while_it_is_open_changes_it() {
    let breaker = opened();
    let state = breaker.state();
    assert!(!fail(&breaker, Fault::Timeout) && !succeed(&breaker));
    assert_eq!(breaker.state(), state);
    assert!(breaker.admits(&RULE) && breaker.try_it(&RULE).is_none());
}

#[test]
fn trials_that_succeed_close_it_and_the_row_begins_anew() {
    let breaker = tried();
    let (first, second) = (breaker.try_it(&RULE), breaker.try_it(&RULE));
    assert!(first.is_some() && second.is_some() && !breaker.admits(&RULE));
    assert_eq!(breaker.try_it(&RULE), None, "two at a time");
    assert!(!succeed(&breaker));
    assert_eq!(breaker.state(), BreakerState::HalfOpen { on_trial: 2, succeeded: 1 });
    assert!(succeed(&breaker), "the second success closes it");
    assert_eq!(breaker.state(), BreakerState::Closed);
    for trial in [first, second].into_iter().flatten() {
        breaker.give_back(trial);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
    assert!(!fail(&breaker, Fault::Reset) && !fail(&breaker, Fault::Reset) && fail(&breaker, Fault::Reset));
}

#[test]
fn a_trial_that_fails_opens_it_at_once() {
    let breaker = tried();
    assert!(!succeed(&breaker));
    assert!(fail(&breaker, Fault::Unreachable));
    let trip = Trip { why: TripWhy::Trial, fault: Fault::Unreachable };
    assert_eq!(breaker.state(), BreakerState::Open(trip));
    assert_eq!(trip.to_string(), "a trial failed: no connection");
    breaker.half_open();
    assert_eq!(breaker.state(), BreakerState::HalfOpen { on_trial: 0, succeeded: 0 });
}

/// A client that leaves says nothing about the server; another request tries it then.
#[test]
fn a_trial_without_an_end_makes_room_for_another_one() {
    let breaker = tried();
    let trials: Vec<_> = std::iter::from_fn(|| breaker.try_it(&RULE)).collect();
    assert_eq!(trials.len(), 2);
    breaker.give_back(trials[0]);
    assert!(breaker.admits(&RULE) && breaker.try_it(&RULE).is_some() && !breaker.admits(&RULE));
}

/// Its request took longer than the whole ejection that came after it.
#[test]
fn a_trial_of_an_earlier_time_makes_no_room_in_a_later_one() {
    let breaker = tried();
    let late = breaker.try_it(&RULE);
    assert!(fail(&breaker, Fault::Reset));
    breaker.half_open();
    let now = breaker.try_it(&RULE);
    late.into_iter().for_each(|late| breaker.give_back(late));
    assert_eq!(breaker.state(), BreakerState::HalfOpen { on_trial: 1, succeeded: 0 });
    now.into_iter().for_each(|now| breaker.give_back(now));
    assert_eq!(breaker.state(), BreakerState::HalfOpen { on_trial: 0, succeeded: 0 });
}

/// A request from before may take a minute to fail or to succeed. Share and row, each way of ending, in each state.
#[test]
fn what_began_in_an_earlier_round_changes_nothing() {
    let share = ShareRule { per_mille: 1, window: Duration::from_secs(1000), least: 1 };
    let rule = BreakerRule { consecutive: Some(1), share: Some(share), trials: 1 };
    let ways: [fn(&Breaker, &BreakerRule, Round) -> bool; 3] = [
        |breaker, rule, round| breaker.failed(rule, round, Fault::Timeout, zero),
        |breaker, rule, round| breaker.broke(rule, round, Fault::Timeout, zero),
        |breaker, rule, round| breaker.succeeded(rule, round, zero),
    ];
    for (way, end) in ways.into_iter().enumerate() {
        let breaker = Breaker::default();
        let before = breaker.round();
        assert!(breaker.failed(&rule, before, Fault::Reset, zero));
        breaker.half_open();
        let (tried, trial) = (breaker.state(), breaker.round());
        assert!(!end(&breaker, &rule, before), "{way}");
        assert_eq!(breaker.state(), tried, "{way}: it is tried still");
        assert!(breaker.succeeded(&rule, trial, zero));
        assert!(!end(&breaker, &rule, before), "{way}");
        assert_eq!(breaker.state(), BreakerState::Closed, "{way}: it is back");
        // Nothing of it was counted either: the first failure of this round is one of two.
        assert!(breaker.failed(&BreakerRule { consecutive: None, ..rule }, trial, Fault::Reset, zero));
        let BreakerState::Open(Trip { why: TripWhy::Share { failures, requests }, .. }) = breaker.state()
        else {
            panic!("{way}: {:?}", breaker.state())
        };
        assert_eq!((failures, requests), (1, 2), "{way}");
        assert!(!end(&breaker, &rule, before) && !end(&breaker, &rule, trial), "{way}: it is open");
    }
}

#[test]
fn a_round_ends_when_the_server_is_well_again_unless_it_is_tried() {
    let breaker = Breaker::default();
    let before = breaker.round();
    assert!(!fail(&breaker, Fault::Timeout) && !fail(&breaker, Fault::Timeout));
    breaker.renew();
    assert!(!breaker.failed(&RULE, before, Fault::Timeout, zero));
    assert!(!fail(&breaker, Fault::Timeout) && !fail(&breaker, Fault::Timeout), "a new row");
    assert!(fail(&breaker, Fault::Timeout));
    let (open, round) = (breaker.state(), breaker.round());
    breaker.renew();
    assert_eq!((breaker.state(), breaker.round()), (open, round));
    breaker.half_open();
    let Some(trial) = breaker.try_it(&RULE) else { panic!("it may be tried") };
    breaker.renew();
    assert_eq!(trial.round, breaker.round(), "its outcome counts");
    breaker.give_back(trial);
    assert_eq!(breaker.state(), BreakerState::HalfOpen { on_trial: 0, succeeded: 0 });
}

#[test]
fn a_share_opens_it_without_a_row() {
    let share = ShareRule { per_mille: 400, window: Duration::from_secs(10), least: 10 };
    let rule = BreakerRule { consecutive: None, share: Some(share), trials: 1 };
    let breaker = Breaker::default();
    for number in 0..9 {
        // Every other one fails.
        let opened = match number % 2 {
            0 => breaker.failed(&rule, breaker.round(), Fault::Timeout, zero),
            _ => breaker.succeeded(&rule, breaker.round(), zero),
        };
        assert!(!opened, "{number}: too few to say");
    }
    assert!(breaker.failed(&rule, breaker.round(), Fault::Timeout, zero));
    let trip = Trip { why: TripWhy::Share { failures: 6, requests: 10 }, fault: Fault::Timeout };
    assert_eq!(breaker.state(), BreakerState::Open(trip));
    assert_eq!(trip.to_string(), "6 of 10 requests failed, the last: no answer in time");
    // What was counted before says nothing about what it is now.
    breaker.half_open();
    assert!(breaker.succeeded(&rule, breaker.round(), zero));
    assert!(!breaker.failed(&rule, breaker.round(), Fault::Timeout, zero));
}

#[test]
fn answers_that_break_count_as_failures_of_their_one_request() {
    let share = ShareRule { per_mille: 500, window: Duration::from_secs(10), least: 4 };
    let rule = BreakerRule { consecutive: None, share: Some(share), trials: 1 };
    let breaker = Breaker::default();
    for number in 0..4 {
        assert!(!breaker.succeeded(&rule, breaker.round(), zero), "{number}");
    }
    assert!(!breaker.broke(&rule, breaker.round(), Fault::Reset, zero));
    assert!(breaker.broke(&rule, breaker.round(), Fault::Reset, zero), "two of four");
}

/// Numbers that have no room in the word are as large as it holds.
#[test]
fn what_is_told_of_a_trip_is_what_was_counted() {
    let fault = Fault::Status(599);
    for (why, expected) in [
        (TripWhy::Consecutive { failures: 255 }, TripWhy::Consecutive { failures: 255 }),
        (
            TripWhy::Share { failures: 2046, requests: 2047 },
            TripWhy::Share { failures: 2046, requests: 2047 },
        ),
        (
            TripWhy::Share { failures: 1 << 20, requests: 1 << 20 },
            TripWhy::Share { failures: 65535, requests: 65535 },
        ),
        (TripWhy::Trial, TripWhy::Trial),
    ] {
        let word = open(Trip { why, fault });
        assert_eq!(trip(word), Trip { why: expected, fault });
        assert_eq!(word & ROUND_MASK, 0);
    }
}

/// Whoever opens or closes it tells the keeper, so it must be one thread, whatever all of them do.
#[test]
fn of_many_threads_one_opens_it_one_closes_it_and_no_more_try_it_than_may() {
    let breaker = Breaker::default();
    let rule = BreakerRule { consecutive: Some(200), share: None, trials: 100 };
    let count = |done: &AtomicUsize, changed: bool| {
        done.fetch_add(usize::from(changed), Ordering::Relaxed);
    };
    for _ in 0..50 {
        let (opened, closed, trying) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let each = |work: &(dyn Fn() + Sync)| {
            std::thread::scope(|threads| (0..8).for_each(|_| drop(threads.spawn(work))));
        };
        each(&|| {
            (0..100).for_each(|_| count(&opened, breaker.failed(&rule, breaker.round(), Fault::Reset, zero)));
        });
        assert_eq!(opened.load(Ordering::Relaxed), 1);
        breaker.half_open();
        each(&|| (0..50).for_each(|_| count(&trying, breaker.try_it(&rule).is_some())));
        assert_eq!(trying.load(Ordering::Relaxed), 100);
        each(&|| (0..50).for_each(|_| count(&closed, breaker.succeeded(&rule, breaker.round(), zero))));
        assert_eq!(closed.load(Ordering::Relaxed), 1);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
}
