//! The budget by hand, and under threads.

use std::thread;

use super::*;

fn taken(budget: &Budget) -> u64 {
    (0..).take_while(|_| budget.take()).count() as u64
}

#[test]
fn it_starts_full_and_never_gets_fuller() {
    for share in [0.0, 0.05, 1.0] {
        let budget = Budget::new(share);
        (0..1000).for_each(|_| budget.request());
        budget.give_back();
        assert_eq!(taken(&budget), 10, "{share}");
    }
}

/// Not by the part of a token either.
#[test]
fn what_would_overflow_is_lost() {
    let budget = Budget::new(0.7);
    assert!(budget.take());
    (0..2).for_each(|_| budget.request());
    assert_eq!(taken(&budget), 10);
    budget.request();
    assert_eq!(taken(&budget), 0);
    budget.request();
    assert_eq!(taken(&budget), 1);
}

#[test]
fn requests_bring_their_share() {
    let after = |share: f64, requests: u64| {
        let budget = Budget::new(share);
        taken(&budget);
        (0..requests).for_each(|_| budget.request());
        taken(&budget)
    };
    assert_eq!(after(0.05, 19), 0);
    assert_eq!(after(0.05, 20), 1);
    assert_eq!(after(0.05, 199), 9);
    assert_eq!(after(0.1, 10), 1);
    assert_eq!(after(0.000_001, 999_999), 0);
    assert_eq!(after(0.000_001, 1_000_000), 1);
    assert_eq!(after(0.0, 1000), 0);
    assert_eq!(after(1.0, 3), 3);
}

#[test]
fn shares_that_make_no_sense_do_no_harm() {
    for (share, expected) in [(-1.0, 0), (f64::NAN, 0), (f64::NEG_INFINITY, 0), (7.0, 3), (f64::INFINITY, 3)]
    {
        let budget = Budget::new(share);
        taken(&budget);
        (0..3).for_each(|_| budget.request());
        assert_eq!(taken(&budget), expected, "{share}");
    }
}

#[test]
fn a_token_that_comes_back_can_be_taken_again() {
    let budget = Budget::new(0.0);
    assert_eq!(taken(&budget), 10);
    budget.give_back();
    assert_eq!(taken(&budget), 1);
}

/// All workers ask at the same time; nobody gets a token twice, and none is lost.
#[test]
fn it_is_never_exceeded_by_many_at_a_time() {
    const THREADS: u64 = 4;
    const REQUESTS: u64 = 50_000;
    let budget = Budget::new(0.05);
    let launched: u64 = thread::scope(|scope| {
        let worker = || {
            (0..REQUESTS)
                .map(|number| {
                    budget.request();
                    let taken = budget.take();
                    // Some find no server for it.
                    if taken && number % 3 == 0 {
                        budget.give_back();
                        return 0;
                    }
                    u64::from(taken)
                })
                .sum::<u64>()
        };
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join().expect("no worker panics")).sum()
    });
    let left = taken(&budget);
    // Exactly, but for what the full budget did not take: at most the ten at the start.
    let earned = THREADS * REQUESTS / 20;
    assert!(launched + left <= 10 + earned, "{launched} launched, {left} left, {earned} earned");
    assert!(launched + left >= earned, "{launched} launched, {left} left, {earned} earned");
}
