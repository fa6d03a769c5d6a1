//! Stories of single requests, and a comparison with `balance`, which a hedge is as long as nobody is slow.

use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::dispatch::{Action, After, Attempt, Balance, Event};
use crate::retry::{Backoff, RetryOn};

const SAFE: RequestFacts = RequestFacts { safe: true, body_survives: true };
const POST: RequestFacts = RequestFacts { safe: false, body_survives: false };
const DELAY: u64 = 20;
const RESET: Why = Why::Failed(Cause::Reset);

fn policy(attempts: u32, on: &[RetryOn]) -> RetryPolicy {
    // What comes at once is told at once; waits have their own story.
    let backoff = Backoff { first: Duration::ZERO, ..Backoff::default() };
    RetryPolicy { attempts, on: on.to_vec(), backoff, ..RetryPolicy::default() }
}

fn usual() -> RetryPolicy {
    RetryPolicy::default()
}

fn start(copy: u32, reuse: Reuse) -> Act {
    Act::Start { copy, to: To::Balanced, reuse }
}

fn cancel(copy: u32) -> Act {
    Act::Cancel { copy }
}

fn answer(copy: u32) -> Act {
    Act::Answer { copy }
}

fn wake(millis: u64) -> Act {
    Act::WakeAt(Duration::from_millis(millis))
}

/// Server and copy have the same number.
fn picked(copy: u32) -> Happened {
    Happened::Picked { copy, server: copy as usize }
}

fn head(copy: u32, status: u16) -> Happened {
    Happened::Head { copy, status }
}

fn refused(copy: u32) -> Happened {
    Happened::NotSent { copy, timed_out: false }
}

fn broke(copy: u32) -> Happened {
    Happened::Failed { copy, cause: Cause::Reset, bytes_sent: 9 }
}

fn nobody(copy: u32) -> Happened {
    Happened::NoServer { copy }
}

fn facts(request: RequestFacts, servers: usize) -> HedgeFacts {
    let (began, time_max) = (Duration::ZERO, Duration::MAX);
    HedgeFacts { request, servers, percentile: None, body_whole: true, began, time_max, random: 0 }
}

fn rule() -> HedgeRule {
    HedgeRule {
        after: After::Fixed(Duration::from_millis(DELAY)),
        at_most: Duration::from_secs(1),
        budget_share: 0.0,
    }
}

/// Plays a story with so many tokens; says how many are left.
fn check(
    tokens: usize,
    policy: &RetryPolicy,
    request: RequestFacts,
    first: &[Act],
    story: &[(u64, Happened, &[Act])],
) -> usize {
    let budget = Budget::new(0.0);
    (tokens..10).for_each(|_| assert!(budget.take()));
    let facts = facts(request, 3);
    let rule = rule();
    let mut machine = Hedge::new(&rule, policy, &budget, None, facts);
    assert_eq!(machine.begin(Duration::ZERO)[..], *first);
    for (millis, happened, expected) in story {
        let acts = machine.on(*happened, Duration::from_millis(*millis));
        assert_eq!(acts[..], **expected, "after {happened:?} at {millis} ms");
    }
    (0..).take_while(|_| budget.take()).count()
}

const FIRST: &[Act] =
    &[Act::Start { copy: 0, to: To::Balanced, reuse: Reuse::Any }, Act::WakeAt(Duration::from_millis(DELAY))];
const HEDGE: &[Act] = &[Act::Start { copy: 1, to: To::Balanced, reuse: Reuse::Recent }];

#[test]
fn a_quick_answer_costs_nothing() {
    let left = check(10, &usual(), SAFE, FIRST, &[(0, picked(0), &[]), (9, head(0, 200), &[answer(0)])]);
    assert_eq!(left, 10);
}

#[test]
fn the_first_answer_wins_whoever_gave_it() {
    for (winner, loser) in [(0, 1), (1, 0)] {
        let story: [(u64, Happened, &[Act]); 6] = [
            (0, picked(0), &[]),
            (19, Happened::Timer, &[wake(DELAY)]),
            (20, Happened::Timer, HEDGE),
            (20, picked(1), &[]),
            (21, Happened::Timer, &[]),
            // Also one that is an error: the policy does not name it.
            (25, head(winner, 500), &[cancel(loser), answer(winner)]),
        ];
        assert_eq!(check(10, &usual(), SAFE, FIRST, &story), 9);
    }
}

/// A client that took its time over a body made its server look slow: a second one was asked before the first could have
/// answered.
#[test]
fn the_wait_counts_from_the_end_of_the_clients_body() {
    let budget = Budget::new(0.0);
    let (rule, policy) = (rule(), usual());
    let at = Duration::from_millis;
    let facts = HedgeFacts { body_whole: false, ..facts(SAFE, 3) };
    let mut machine = Hedge::new(&rule, &policy, &budget, None, facts);
    assert_eq!(machine.begin(at(0))[..], [start(0, Reuse::Any)]);
    assert!(machine.on(picked(0), at(0)).is_empty());
    assert!(machine.on(Happened::Timer, at(1000)).is_empty(), "of an exchange before");
    assert_eq!(machine.on(Happened::BodyWhole, at(5000))[..], [wake(5000 + DELAY)]);
    assert!(machine.on(Happened::BodyWhole, at(5001)).is_empty(), "told twice");
    assert_eq!(machine.on(Happened::Timer, at(5001))[..], [wake(5000 + DELAY)]);
    assert_eq!(machine.on(Happened::Timer, at(5000 + DELAY))[..], *HEDGE);
    // A copy that begins later has its own time.
    let mut machine = Hedge::new(&rule, &policy, &budget, None, facts);
    assert_eq!(machine.begin(at(0)).len(), 1);
    assert!(machine.on(picked(0), at(0)).is_empty());
    assert_eq!(machine.on(refused(0), at(10))[..], [start(1, Reuse::Any)]);
    assert!(machine.on(picked(1), at(10)).is_empty());
    assert_eq!(machine.on(Happened::BodyWhole, at(30))[..], [wake(30 + DELAY)]);
    assert_eq!(machine.on(refused(1), at(40))[..], [start(2, Reuse::Any), wake(40 + DELAY)]);
}

#[test]
fn there_is_no_hedge_where_it_could_do_harm_or_cannot_be_paid() {
    let slow: [(u64, Happened, &[Act]); 3] =
        [(0, picked(0), &[]), (20, Happened::Timer, &[]), (25, head(0, 200), &[answer(0)])];
    check(10, &usual(), POST, &[start(0, Reuse::Recent)], &slow);
    check(0, &usual(), SAFE, FIRST, &slow);
    let mut lost = slow.to_vec();
    lost.insert(1, (9, Happened::ReplayLost, &[]));
    check(10, &usual(), SAFE, FIRST, &lost);
    let budget = Budget::new(0.0);
    let (rule, policy) = (rule(), usual());
    let facts = facts(SAFE, 1);
    let mut alone = Hedge::new(&rule, &policy, &budget, None, facts);
    assert_eq!(alone.begin(Duration::ZERO)[..], [start(0, Reuse::Any)], "there is nobody else");
}

/// What was not launched is not paid.
#[test]
fn a_hedge_that_finds_no_server_is_paid_back() {
    let story: [(u64, Happened, &[Act]); 4] = [
        (0, picked(0), &[]),
        (20, Happened::Timer, HEDGE),
        (20, nobody(1), &[]),
        (30, head(0, 200), &[answer(0)]),
    ];
    assert_eq!(check(10, &usual(), SAFE, FIRST, &story), 10);
    // Passed over, and then nobody else.
    let story: [(u64, Happened, &[Act]); 6] = [
        (0, picked(0), &[]),
        (20, Happened::Timer, HEDGE),
        (20, picked(1), &[]),
        (21, refused(1), &[start(2, Reuse::Recent)]),
        (21, nobody(2), &[]),
        (30, head(0, 200), &[answer(0)]),
    ];
    assert_eq!(check(10, &usual(), SAFE, FIRST, &story), 10);
    // Passed over, and then somebody: paid once.
    let story: [(u64, Happened, &[Act]); 6] = [
        (0, picked(0), &[]),
        (20, Happened::Timer, HEDGE),
        (20, picked(1), &[]),
        (21, refused(1), &[start(2, Reuse::Recent)]),
        (21, picked(2), &[]),
        (30, head(2, 200), &[cancel(0), answer(2)]),
    ];
    assert_eq!(check(10, &usual(), SAFE, FIRST, &story), 9);
}

#[test]
fn a_copy_that_is_under_way_is_the_repeat() {
    // Both broke: that was two attempts.
    let end = Act::GiveUp(RESET);
    let both: [(u64, Happened, &[Act]); 5] = [
        (0, picked(0), &[]),
        (20, Happened::Timer, HEDGE),
        (20, picked(1), &[]),
        (21, broke(0), &[]),
        (22, broke(1), &[end]),
    ];
    check(10, &usual(), SAFE, FIRST, &both);
    // A third one is allowed.
    let third: [(u64, Happened, &[Act]); 3] =
        [(22, broke(1), &[start(2, Reuse::Never)]), (22, picked(2), &[]), (23, head(2, 200), &[answer(2)])];
    let story: Vec<_> = both[..4].iter().chain(&third).copied().collect();
    check(10, &policy(3, &[RetryOn::Reset]), SAFE, FIRST, &story);
}

/// The other server is asked at once; the one that wants to be left alone is, and its answer is better than none.
#[test]
fn a_server_that_wants_to_be_left_alone_is_not_asked_before() {
    let picky = policy(5, &[RetryOn::Reset, RetryOn::Status(503)]);
    let later = |copy, seconds| Happened::RetryAfter { copy, wait: Duration::from_secs(seconds) };
    let begin: [(u64, Happened, &[Act]); 7] = [
        (0, picked(0), &[]),
        (1, later(0, 2), &[]),
        (1, head(0, 503), &[start(1, Reuse::Any), wake(21)]),
        (1, picked(1), &[]),
        (9, refused(1), &[start(2, Reuse::Any), wake(29)]),
        (9, picked(2), &[]),
        (9, refused(2), &[start(3, Reuse::Any), wake(29)]),
    ];
    let again: [(u64, Happened, &[Act]); 4] = [
        (9, nobody(3), &[wake(2_001)]),
        (500, Happened::Timer, &[wake(2_001)]),
        (2_001, Happened::Timer, &[start(4, Reuse::Any), wake(2_021)]),
        (2_002, head(4, 200), &[cancel(0), answer(4)]),
    ];
    let story: Vec<_> = begin.iter().chain(&again).copied().collect();
    check(10, &picky, SAFE, FIRST, &story);
    let mut story = begin.to_vec();
    story[1].1 = later(0, 60);
    let end = [answer(0)];
    story.push((9, nobody(3), &end));
    check(10, &picky, SAFE, FIRST, &story);
}

/// An answer that the policy would repeat waits for the other copy, and is better than none.
#[test]
fn an_unwanted_answer_is_held_back_and_passed_on_if_nothing_better_comes() {
    let picky = policy(2, &[RetryOn::Reset, RetryOn::Status(503)]);
    let begin: [(u64, Happened, &[Act]); 4] =
        [(0, picked(0), &[]), (20, Happened::Timer, HEDGE), (20, picked(1), &[]), (21, head(0, 503), &[])];
    let play = |rest: &[(u64, Happened, &[Act])]| {
        let story: Vec<_> = begin.iter().chain(rest).copied().collect();
        check(10, &picky, SAFE, FIRST, &story);
    };
    play(&[(25, head(1, 200), &[cancel(0), answer(1)])]);
    play(&[(25, head(1, 503), &[cancel(0), answer(1)])]);
    play(&[(25, broke(1), &[answer(0)])]);
    play(&[(23, Happened::Broken { copy: 0 }, &[]), (25, broke(1), &[Act::GiveUp(RESET)])]);
    // Without a hedge it is held back just so.
    let story: [(u64, Happened, &[Act]); 5] = [
        (0, picked(0), &[]),
        (1, head(0, 503), &[start(1, Reuse::Recent), wake(21)]),
        (1, picked(1), &[]),
        (3, head(1, 503), &[cancel(0), answer(1)]),
        (4, head(1, 200), &[]),
    ];
    check(10, &picky, SAFE, FIRST, &story);
    let one = policy(1, &[RetryOn::Status(503)]);
    let first = [start(0, Reuse::Recent), wake(DELAY)];
    check(10, &one, SAFE, &first, &[(0, picked(0), &[]), (1, head(0, 503), &[answer(0)])]);
}

#[test]
fn a_repeat_may_be_hedged_too_but_only_once() {
    let three = policy(3, &[RetryOn::Reset]);
    let again: &[Act] = &[start(1, Reuse::Never), wake(25)];
    let story: [(u64, Happened, &[Act]); 8] = [
        (0, picked(0), &[]),
        (5, broke(0), again),
        (5, picked(1), &[]),
        (25, Happened::Timer, &[start(2, Reuse::Never)]),
        (25, picked(2), &[]),
        (26, broke(2), &[]),
        (90, Happened::Timer, &[]),
        (91, head(1, 200), &[answer(1)]),
    ];
    assert_eq!(check(10, &three, SAFE, FIRST, &story), 9);
}

#[test]
fn what_was_sent_is_known_for_the_log() {
    let (rule, policy, budget) = (rule(), usual(), Budget::new(0.0));
    let mut machine = Hedge::new(&rule, &policy, &budget, None, facts(SAFE, 2));
    let _ = machine.begin(Duration::ZERO);
    let _ = machine.on(picked(0), Duration::ZERO);
    assert_eq!((machine.attempts(), machine.hedge()), (1, None));
    let _ = machine.on(Happened::Timer, Duration::from_millis(DELAY));
    let _ = machine.on(picked(1), Duration::from_millis(DELAY));
    assert!(!machine.allows(0) && !machine.allows(1) && machine.allows(2));
    assert_eq!((machine.attempts(), machine.hedge()), (2, Some(1)));
    let _ = machine.on(head(1, 200), Duration::from_millis(DELAY));
    assert_eq!((machine.attempts(), machine.hedge()), (2, Some(1)));
}

/// What becomes of an attempt.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Refused,
    Broke(Cause),
    Status(u16),
}

impl Fate {
    fn event(self, attempt: Attempt) -> Event {
        let progress = Progress { bytes_sent: 1, body_whole: true, answer_begun: false };
        match self {
            Self::Refused => Event::ConnectFailed { attempt, timed_out: false },
            Self::Broke(cause) => Event::Failed { attempt, progress, cause },
            Self::Status(status) => Event::Head { attempt, progress, status, retry_after: None },
        }
    }

    fn happened(self, copy: u32) -> Happened {
        match self {
            Self::Refused => refused(copy),
            Self::Broke(cause) => Happened::Failed { copy, cause, bytes_sent: 1 },
            Self::Status(status) => head(copy, status),
        }
    }
}

/// Which servers were asked, over which connections, and what came of it: the copy whose answer is passed on, or why not.
type Course = (Vec<(usize, Reuse)>, Result<u32, Why>);

fn balance(policy: &RetryPolicy, request: RequestFacts, servers: usize, fates: &[(Fate, usize)]) -> Course {
    let mut machine = Balance::new(policy, None, request);
    let (mut asked, mut action, mut now) = (Vec::new(), machine.begin(), Duration::ZERO);
    loop {
        let (number, reuse) = match action {
            Action::Start { number, reuse, wait } => {
                now += wait;
                (number, reuse)
            }
            Action::Answer { number } => return (asked, Ok(number)),
            Action::GiveUp(why) => return (asked, Err(why)),
        };
        let allowed: Vec<usize> = (0..servers).filter(|server| machine.allows(*server)).collect();
        let moment = |machine: &Balance<'_>| {
            let others = (0..servers).any(|server| machine.allows(server));
            Moment { now, left: Duration::MAX, others, random: 0 }
        };
        let (fate, which) = fates[asked.len()];
        action = match allowed.is_empty() {
            true => machine.on(Event::NoServer { number }, moment),
            false => {
                let server = allowed[which % allowed.len()];
                asked.push((server, reuse));
                machine.on(fate.event(Attempt { number, server }), moment)
            }
        };
    }
}

fn hedge(policy: &RetryPolicy, request: RequestFacts, servers: usize, fates: &[(Fate, usize)]) -> Course {
    let (rule, budget) = (rule(), Budget::new(0.0));
    let facts = facts(request, servers);
    let mut machine = Hedge::new(&rule, policy, &budget, None, facts);
    let (mut asked, mut acts, mut now) = (Vec::new(), machine.begin(Duration::ZERO), Duration::ZERO);
    loop {
        if let [Act::WakeAt(moment)] | [Act::Cancel { .. }, Act::WakeAt(moment)] = acts[..] {
            now = moment;
            acts = machine.on(Happened::Timer, now);
        }
        let act = acts.iter().find(|act| !matches!(act, Act::WakeAt(_) | Act::Cancel { .. }));
        let (copy, reuse) = match *act.expect("it goes on") {
            Act::Start { copy, reuse, .. } => (copy, reuse),
            Act::Answer { copy } => return (asked, Ok(copy)),
            Act::GiveUp(why) => return (asked, Err(why)),
            other => panic!("{other:?}"),
        };
        let allowed: Vec<usize> = (0..servers).filter(|server| machine.allows(*server)).collect();
        let (fate, which) = fates[asked.len()];
        acts = match allowed.is_empty() {
            true => machine.on(nobody(copy), now),
            false => {
                let server = allowed[which % allowed.len()];
                asked.push((server, reuse));
                assert!(machine.on(Happened::Picked { copy, server }, now).is_empty());
                machine.on(fate.happened(copy), now)
            }
        };
    }
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::Refused),
        Just(Fate::Broke(Cause::Reset)),
        Just(Fate::Broke(Cause::Timeout)),
        Just(Fate::Broke(Cause::Garbage)),
        Just(Fate::Status(503)),
        Just(Fate::Status(500)),
    ]
}

proptest! {
    /// As long as nobody is slow, both ask the same servers over the same connections and come to the same end; but an answer
    /// that was not wanted is better than none.
    #[test]
    fn while_nobody_is_slow_it_is_a_balance(
        attempts in 1_u32..6,
        words in prop::collection::vec(
            prop_oneof![Just(RetryOn::Reset), Just(RetryOn::Timeout), Just(RetryOn::Status(503))], 0..4),
        safe in any::<bool>(),
        body_survives in any::<bool>(),
        servers in 0_usize..5,
        fates in prop::collection::vec((any_fate(), any::<usize>()), 64),
    ) {
        let policy = policy(attempts, &words);
        let request = RequestFacts { safe, body_survives };
        let (asked, end) = balance(&policy, request, servers, &fates);
        let (hedge_asked, hedge_end) = hedge(&policy, request, servers, &fates);
        prop_assert_eq!(&asked, &hedge_asked);
        let held = asked.iter().zip(&fates).any(|(_, (fate, _))| matches!(fate, Fate::Status(503)));
        match end {
            Err(_) if held && policy.wants_status(503) => prop_assert_eq!(hedge_end.is_ok(), true),
            end => prop_assert_eq!(end, hedge_end),
        }
    }
}
