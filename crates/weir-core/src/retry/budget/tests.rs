//! What a budget gives, told by hand, drawn by seeds, and asked for by many threads.

#![allow(clippy::unwrap_used)]

use std::thread;

use proptest::prelude::{Strategy, prop, prop_assert, prop_oneof, proptest};

use super::*;

fn budget(share_millionths: u32, least: u32) -> RetryBudget {
    RetryBudget::new(BudgetRule { share_millionths, least }, Duration::ZERO)
}

/// How many there are now.
fn drained(budget: &RetryBudget, now: Duration) -> u64 {
    (0..).take_while(|_| budget.take(now)).count() as u64
}

fn requests(budget: &RetryBudget, count: u64) {
    (0..count).for_each(|_| {
        budget.request();
    });
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn it_begins_with_what_ten_seconds_bring() {
    assert_eq!(drained(&budget(200_000, 10), Duration::ZERO), 100);
    assert_eq!(drained(&budget(200_000, 0), Duration::ZERO), 0);
    assert_eq!(drained(&budget(0, 1), Duration::ZERO), 10);
}

#[test]
fn requests_and_time_bring_more() {
    let budget = budget(200_000, 10);
    assert_eq!(drained(&budget, Duration::ZERO), 100);
    requests(&budget, 4);
    assert!(!budget.take(Duration::ZERO), "four fifths");
    requests(&budget, 1);
    assert!(budget.take(Duration::ZERO) && !budget.take(Duration::ZERO), "one in five");
    assert!(!budget.take(Duration::from_millis(99)));
    assert!(budget.take(Duration::from_millis(100)) && !budget.take(Duration::from_millis(199)));
    requests(&budget, 1000);
    assert_eq!(drained(&budget, Duration::from_millis(200)), 201);
}

#[test]
fn what_is_not_used_is_kept_for_ten_seconds_of_the_average() {
    let busy = budget(200_000, 10);
    requests(&busy, 100_000);
    assert_eq!(drained(&busy, seconds(100)), 100 + 2_000, "10 s of 10, and of 20 % of 1,000");
    requests(&busy, 5);
    assert_eq!(drained(&busy, seconds(100)), 1);
    let idle = budget(200_000, 10);
    assert_eq!(drained(&idle, seconds(1_000_000)), 100);
    assert_eq!(drained(&idle, seconds(1_000_001)), 10);
}

/// With few requests, ten seconds of them bring less than a repeat.
#[test]
fn a_proxy_that_is_hardly_used_can_pay_for_one() {
    let budget = budget(200_000, 0);
    requests(&budget, 50);
    assert_eq!(drained(&budget, seconds(1_000_000)), 1);
    requests(&budget, 4);
    assert_eq!(drained(&budget, seconds(1_000_000)), 0);
    requests(&budget, 1);
    assert_eq!(drained(&budget, seconds(1_000_001)), 1);
}

#[test]
fn it_counts_from_its_beginning_and_a_clock_that_goes_back_gives_nothing() {
    let late = RetryBudget::new(BudgetRule::default(), seconds(5_000));
    assert_eq!(drained(&late, seconds(5_000)), 100);
    assert!(!late.take(seconds(4_000)) && !late.take(Duration::ZERO));
    assert_eq!(drained(&late, seconds(5_001)), 10);
    assert_eq!(late.request(), 0);
    assert_eq!(late.request(), 1);
}

#[test]
fn nothing_overflows() {
    let most = budget(1_000_000, u32::MAX);
    most.requests.store(u64::MAX - 1, Ordering::Relaxed);
    assert!(most.take(Duration::MAX) || !most.take(Duration::MAX));
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Requests(u64),
    Wait(u64),
    Take(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u64..200).prop_map(Step::Requests),
        (0u64..20_000).prop_map(Step::Wait),
        (1u64..300).prop_map(Step::Take),
    ]
}

proptest! {
    /// Never more than earned: since the beginning, and between any two steps of what may be remembered.
    #[test]
    fn it_is_never_exceeded(
        share in 0u32..=1_000_000,
        least in 0u32..50,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let budget = budget(share, least);
        let (mut came, mut millis, mut taken) = (0u64, 0u64, 0u64);
        // After each step: parts earned, repeats taken, the largest reserve so far.
        let mut history = vec![(0u64, 0u64)];
        let mut reserve_max = 0;
        for step in steps {
            match step {
                Step::Requests(count) => {
                    requests(&budget, count);
                    came += count;
                }
                Step::Wait(count) => millis += count,
                Step::Take(count) => {
                    taken += (0..count).filter(|_| budget.take(Duration::from_millis(millis))).count() as u64;
                }
            }
            let average = u128::from(came * u64::from(share)) * 10_000 / u128::from(millis.max(10_000));
            let reserve = (u64::try_from(average).unwrap() + u64::from(least) * 10 * REPEAT).max(REPEAT);
            reserve_max = reserve_max.max(reserve);
            let earned = came * u64::from(share) + millis * 1_000 * u64::from(least);
            prop_assert!(taken * REPEAT <= earned + u64::from(least) * 10 * REPEAT, "since the beginning");
            for (earned_before, taken_before) in &history {
                let between = (taken - taken_before) * REPEAT;
                prop_assert!(between <= earned - earned_before + reserve_max, "between two moments");
            }
            history.push((earned, taken));
        }
    }
}

/// All workers together get what one would get.
#[test]
fn it_is_exact_over_all_threads() {
    let shared = budget(500_000, 10);
    let taken: u64 = thread::scope(|scope| {
        let asking = (0..4).map(|_| {
            scope.spawn(|| {
                let mut taken = 0;
                for _ in 0..10_000 {
                    shared.request();
                    taken += u64::from(shared.take(Duration::ZERO));
                }
                taken
            })
        });
        let asking: Vec<_> = asking.collect();
        asking.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(taken + drained(&shared, Duration::ZERO), 100 + 20_000);
}
