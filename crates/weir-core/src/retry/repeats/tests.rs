//! When a repeat comes, and when there is none.

use super::super::{Backoff, BudgetRule, RetryOn};
use super::*;

const RESET: Ended = Ended::Failed(Cause::Reset);
const LATE: Ended = Ended::Failed(Cause::Timeout);
const SENT: Progress = Progress { bytes_sent: 1, body_whole: true, answer_begun: false };
/// Waits are drawn as long as they can be.
const MOMENT: Moment = Moment { now: Duration::ZERO, left: Duration::MAX, others: true, random: u64::MAX };
const ALONE: Moment = Moment { others: false, ..MOMENT };

fn answered(status: u16, retry_after_seconds: Option<u64>) -> Ended {
    Ended::Answered { status, retry_after: retry_after_seconds.map(Duration::from_secs) }
}

fn policy() -> RetryPolicy {
    let on = vec![RetryOn::Reset, RetryOn::Timeout, RetryOn::Status(429), RetryOn::Status(503)];
    let backoff = Backoff {
        first: Duration::from_millis(20),
        at_most: Duration::from_millis(100),
        retry_after: Duration::from_secs(3),
    };
    RetryPolicy { attempts: 9, on, budget: None, backoff, per_try_timeout: None }
}

/// The waits before the repeats after attempts that ended so, in milliseconds; the last one may have none.
fn check(story: &[(Ended, Moment)], expected: &[Option<u64>]) {
    let policy = policy();
    let mut repeats = Repeats::new(&policy, None, true);
    let waits: Vec<_> = (1..)
        .zip(story)
        .map(|(attempts, (ended, moment))| {
            assert!(repeats.wants(*ended, attempts, SENT), "{ended:?}");
            repeats.decide(*ended, attempts, *moment).map(|wait| (wait.as_nanos() + 1) as u64 / 1_000_000)
        })
        .collect();
    assert_eq!(waits, expected, "{story:?}");
}

#[test]
fn the_first_repeat_goes_to_another_server_at_once_and_later_ones_wait() {
    for ended in [RESET, LATE, answered(503, None), answered(429, None)] {
        check(&[(ended, MOMENT), (ended, MOMENT)], &[Some(0), Some(20)]);
    }
    check(&[(RESET, MOMENT), (LATE, ALONE), (RESET, MOMENT)], &[Some(0), Some(20), Some(40)]);
    check(&[(LATE, MOMENT); 6], &[Some(0), Some(20), Some(40), Some(80), Some(100), Some(100)]);
}

/// A server that closes idle connections does so at any moment, also when there is only one of them.
#[test]
fn a_server_that_is_alone_is_asked_again_at_once_after_a_reset_only() {
    check(&[(RESET, ALONE), (RESET, ALONE)], &[Some(0), Some(20)]);
    check(&[(LATE, ALONE), (RESET, ALONE)], &[Some(20), Some(40)]);
    check(&[(answered(503, None), ALONE)], &[Some(20)]);
}

#[test]
fn retry_after_of_503_holds_for_its_server_and_of_429_for_all() {
    check(&[(answered(503, Some(2)), MOMENT)], &[Some(0)]);
    check(&[(answered(503, Some(2)), ALONE)], &[Some(2_000)]);
    check(&[(answered(503, Some(9)), MOMENT)], &[Some(0)]);
    check(&[(answered(503, Some(0)), ALONE)], &[Some(20)]);
    check(&[(answered(429, Some(2)), MOMENT)], &[Some(2_000)]);
    check(&[(answered(429, Some(0)), MOMENT)], &[Some(0)]);
}

#[test]
fn an_answer_that_asks_for_too_much_patience_is_passed_on() {
    check(&[(answered(503, Some(3)), ALONE)], &[Some(3_000)]);
    for seconds in [4, u64::MAX] {
        check(&[(answered(503, Some(seconds)), ALONE)], &[None]);
        check(&[(answered(429, Some(seconds)), MOMENT)], &[None]);
    }
    let short = |left| Moment { left: Duration::from_millis(left), ..ALONE };
    check(&[(answered(503, Some(2)), short(2_000))], &[None]);
    check(&[(answered(503, Some(2)), short(2_001))], &[Some(2_000)]);
    check(&[(LATE, short(19))], &[None]);
    check(&[(RESET, short(0))], &[None]);
}

/// The server that said so is the only one that can be connected to.
#[test]
fn whoever_asked_to_be_left_alone_is_not_asked_before() {
    let policy = policy();
    let again = |ended, moment, after_millis| {
        let mut repeats = Repeats::new(&policy, None, true);
        assert_eq!(repeats.again(moment), Some(Duration::ZERO), "nothing has happened");
        assert!(repeats.decide(ended, 1, moment).is_some());
        let later = Moment { now: moment.now + Duration::from_millis(after_millis), ..moment };
        repeats.again(later).map(|wait| (wait.as_nanos() + 1) / 1_000_000)
    };
    assert_eq!(again(answered(503, Some(2)), MOMENT, 0), Some(2_000));
    assert_eq!(again(answered(503, Some(2)), MOMENT, 1_500), Some(500));
    assert_eq!(again(answered(503, Some(9)), MOMENT, 0), None);
    assert_eq!(again(answered(503, Some(9)), MOMENT, 7_000), Some(2_000));
    assert_eq!(again(answered(503, Some(2)), Moment { left: Duration::from_secs(1), ..MOMENT }, 0), None);
    assert_eq!(again(answered(503, None), MOMENT, 0), Some(20));
    assert_eq!(again(answered(503, None), MOMENT, 30), Some(0));
    assert_eq!(again(RESET, MOMENT, 0), Some(0));
    assert_eq!(again(answered(429, Some(2)), MOMENT, 2_000), Some(0), "that was waited for");
    // What a server has said holds also when it was not the last one that was asked.
    let mut repeats = Repeats::new(&policy, None, true);
    assert_eq!(repeats.decide(answered(503, Some(2)), 1, MOMENT), Some(Duration::ZERO));
    assert_eq!(repeats.decide(LATE, 2, ALONE), Some(Duration::from_secs(2)));
    let mut repeats = Repeats::new(&policy, None, true);
    assert_eq!(repeats.decide(answered(503, Some(9)), 1, MOMENT), Some(Duration::ZERO));
    assert_eq!(repeats.decide(LATE, 2, ALONE), None);
}

#[test]
fn what_is_not_wanted_or_not_safe_is_not_asked_of_the_budget() {
    let policy = RetryPolicy { attempts: 2, ..policy() };
    let repeats = Repeats::new(&policy, None, true);
    assert!(repeats.wants(RESET, 1, SENT) && !repeats.wants(RESET, 2, SENT));
    assert!(!repeats.wants(Ended::Failed(Cause::Garbage), 1, SENT));
    assert!(!repeats.wants(answered(502, None), 1, SENT));
    assert!(!repeats.wants(RESET, 1, Progress { body_whole: false, ..SENT }));
    assert!(!Repeats::new(&policy, None, false).wants(RESET, 1, SENT));
}

#[test]
fn what_the_budget_does_not_pay_is_not_repeated_and_costs_nothing_where_it_is_not_made() {
    let policy = policy();
    let budget = RetryBudget::new(BudgetRule { share_millionths: 0, least: 1 }, Duration::ZERO);
    let decide = |ended, moment| {
        let mut repeats = Repeats::new(&policy, Some(&budget), true);
        let is_made = repeats.decide(ended, 1, moment).is_some();
        assert_eq!(repeats.take_granted().is_some(), is_made);
        assert_eq!(repeats.take_granted(), None);
        (is_made, repeats.is_unpaid())
    };
    for _ in 0..20 {
        assert_eq!(decide(answered(429, Some(60)), MOMENT), (false, false));
    }
    for _ in 0..10 {
        assert_eq!(decide(RESET, MOMENT), (true, false));
    }
    assert_eq!(decide(RESET, MOMENT), (false, true));
    assert_eq!(decide(LATE, Moment { now: Duration::from_secs(1), ..MOMENT }), (true, false));
}

#[test]
fn reasons_have_names_of_their_own() {
    let policy = policy();
    let mut repeats = Repeats::new(&policy, None, true);
    for (ended, name) in [(RESET, "reset"), (LATE, "timeout"), (answered(503, None), "status")] {
        repeats.decide(ended, 1, MOMENT);
        assert_eq!(repeats.take_granted().map(RetryReason::name), Some(name));
    }
    for (place, reason) in RetryReason::ALL.into_iter().enumerate() {
        assert_eq!(reason as usize, place);
    }
}
