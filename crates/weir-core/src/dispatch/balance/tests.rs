//! Stories of single requests, and a simulation of many that looks at the promises after each step.

use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::retry::{BudgetRule, RetryOn};

const GET: RequestFacts = RequestFacts { safe: true, body_survives: true };
const PUT_STREAM: RequestFacts = RequestFacts { safe: true, body_survives: false };
const POST: RequestFacts = RequestFacts { safe: false, body_survives: false };

/// What happens to the attempt on a server.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Refused,
    Unanswered,
    Deadline,
    /// Broke before a byte was sent.
    Unsent,
    /// Failed after the head was sent, with the body still whole.
    Broke(Cause),
    /// The same after the body was partly sent.
    BrokeInBody(Cause),
    Status(u16),
    /// 503 with a Retry-After of so many seconds.
    Later(u64),
}

impl Fate {
    fn event(self, attempt: Attempt) -> Event {
        let progress = |bytes_sent, body_whole| Progress { bytes_sent, body_whole, answer_begun: false };
        match self {
            Self::Refused => Event::ConnectFailed { attempt, timed_out: false },
            Self::Unanswered => Event::ConnectFailed { attempt, timed_out: true },
            Self::Deadline => Event::ConnectDeadline { attempt },
            Self::Unsent => Event::Failed { attempt, progress: progress(0, true), cause: Cause::Reset },
            Self::Broke(cause) => Event::Failed { attempt, progress: progress(1, true), cause },
            Self::BrokeInBody(cause) => Event::Failed { attempt, progress: progress(9_000, false), cause },
            Self::Status(status) => {
                Event::Head { attempt, progress: progress(1, true), status, retry_after: None }
            }
            Self::Later(seconds) => {
                let retry_after = Some(Duration::from_secs(seconds));
                Event::Head { attempt, progress: progress(1, true), status: 503, retry_after }
            }
        }
    }
}

fn policy(attempts: u32, on: &[RetryOn]) -> RetryPolicy {
    RetryPolicy { attempts, on: on.to_vec(), budget: None, ..RetryPolicy::default() }
}

/// What a machine is told that has so many servers.
fn moment(servers: usize) -> impl Fn(&Balance<'_>) -> Moment {
    moment_at(servers, Duration::ZERO)
}

fn moment_at(servers: usize, now: Duration) -> impl Fn(&Balance<'_>) -> Moment {
    move |machine| Moment {
        now,
        left: Duration::MAX,
        others: (0..servers).any(|server| machine.allows(server)),
        random: 0,
    }
}

/// Plays a story on servers that are picked in order: `story` says which server shall be asked and what happens there.
fn check(policy: &RetryPolicy, request: RequestFacts, servers: usize, story: &[(usize, Fate)], end: Action) {
    let mut machine = Balance::new(policy, None, request);
    let mut action = machine.begin();
    let mut story = story.iter();
    while let Action::Start { number, .. } = action {
        let Some(server) = (0..servers).find(|server| machine.allows(*server)) else {
            action = machine.on(Event::NoServer { number }, moment(servers));
            continue;
        };
        let Some((expected, fate)) = story.next() else {
            panic!("one start too many, on {server}");
        };
        assert_eq!(server, *expected);
        action = machine.on(fate.event(Attempt { number, server }), moment(servers));
    }
    assert_eq!(story.len(), 0, "the story goes on");
    assert_eq!(std::mem::discriminant(&action), std::mem::discriminant(&end));
    if let Action::GiveUp(_) = end {
        assert_eq!(action, end);
    }
}

const ANSWER: Action = Action::Answer { number: 0 };
const RESET: Fate = Fate::Broke(Cause::Reset);

#[test]
fn the_first_answer_is_the_answer() {
    for request in [GET, PUT_STREAM, POST] {
        check(&RetryPolicy::default(), request, 3, &[(0, Fate::Status(200))], ANSWER);
        check(&RetryPolicy::default(), request, 3, &[(0, Fate::Status(503))], ANSWER);
    }
}

#[test]
fn without_servers_nothing_is_tried() {
    check(&RetryPolicy::default(), GET, 0, &[], Action::GiveUp(Why::NoServer));
}

/// `semantics.md` §2.1: passing over is free, once per server, whatever the request and the policy.
#[test]
fn servers_that_cannot_be_connected_to_are_passed_over() {
    let refused = |servers: usize| (0..servers).map(|server| (server, Fate::Refused)).collect::<Vec<_>>();
    let unreachable = |timed_out| Action::GiveUp(Why::Unreachable { timed_out });
    for request in [GET, PUT_STREAM, POST] {
        for policy in [RetryPolicy::default(), policy(1, &[])] {
            check(&policy, request, 300, &refused(300), unreachable(false));
            let mut story = refused(9);
            story.push((9, Fate::Status(200)));
            check(&policy, request, 10, &story, ANSWER);
            check(&policy, request, 2, &[(0, Fate::Refused), (1, Fate::Unanswered)], unreachable(true));
            check(&policy, request, 2, &[(0, Fate::Deadline)], unreachable(true));
        }
    }
}

/// `semantics.md` §2.2 (a): what was not sent goes on, and costs no attempt.
#[test]
fn a_dead_kept_connection_costs_nothing() {
    for request in [GET, PUT_STREAM, POST] {
        for policy in [RetryPolicy::default(), policy(1, &[])] {
            check(&policy, request, 2, &[(0, Fate::Unsent), (1, Fate::Status(200))], ANSWER);
            check(&policy, request, 1, &[(0, Fate::Unsent), (0, Fate::Status(200))], ANSWER);
            let gone = Action::GiveUp(Why::Failed(Cause::Reset));
            check(&policy, request, 1, &[(0, Fate::Unsent), (0, Fate::Unsent)], gone);
            check(&policy, request, 2, &[(0, Fate::Unsent), (1, Fate::Unsent), (0, Fate::Unsent)], gone);
        }
    }
}

/// `semantics.md` §2.2 (b), and the default policy of §4.4: one repeat on reset.
#[test]
fn a_reset_is_repeated_once_where_that_is_safe() {
    let usual = RetryPolicy::default();
    let reset = Action::GiveUp(Why::Failed(Cause::Reset));
    check(&usual, GET, 3, &[(0, RESET), (1, Fate::Status(200))], ANSWER);
    check(&usual, GET, 3, &[(0, RESET), (1, RESET)], reset);
    check(&usual, POST, 3, &[(0, RESET)], reset);
    check(&usual, PUT_STREAM, 3, &[(0, RESET), (1, Fate::Status(200))], ANSWER);
    check(&usual, PUT_STREAM, 3, &[(0, Fate::BrokeInBody(Cause::Reset))], reset);
    check(&policy(1, &[RetryOn::Reset]), GET, 3, &[(0, RESET)], reset);
    check(&policy(5, &[]), GET, 3, &[(0, RESET)], reset);
    check(&usual, GET, 3, &[(0, RESET), (1, Fate::Refused), (2, Fate::Status(200))], ANSWER);
}

#[test]
fn one_server_is_asked_again_and_of_several_the_last_one_last() {
    let three = policy(3, &[RetryOn::Reset]);
    let four = policy(4, &[RetryOn::Reset]);
    check(&three, GET, 1, &[(0, RESET), (0, RESET), (0, Fate::Status(200))], ANSWER);
    check(&three, GET, 2, &[(0, RESET), (1, RESET), (0, Fate::Status(200))], ANSWER);
    check(&four, GET, 2, &[(0, RESET), (1, RESET), (0, RESET), (1, Fate::Status(200))], ANSWER);
    check(&three, GET, 2, &[(0, Fate::Refused), (1, RESET), (1, Fate::Status(200))], ANSWER);
    check(&three, GET, 2, &[(0, RESET), (1, Fate::Refused), (0, Fate::Status(200))], ANSWER);
    let unreachable = Action::GiveUp(Why::Unreachable { timed_out: false });
    check(&three, GET, 1, &[(0, RESET), (0, Fate::Refused)], unreachable);
}

#[test]
fn timeouts_and_statuses_are_repeated_when_the_policy_says_so() {
    let patient = policy(3, &[RetryOn::Timeout, RetryOn::Status(503)]);
    let late = Fate::Broke(Cause::Timeout);
    check(&patient, GET, 3, &[(0, late), (1, Fate::Status(503)), (2, Fate::Status(200))], ANSWER);
    check(&patient, GET, 3, &[(0, late), (1, late), (2, Fate::Status(503))], ANSWER);
    check(&patient, GET, 3, &[(0, late), (1, late), (2, late)], Action::GiveUp(Why::Failed(Cause::Timeout)));
    check(&patient, POST, 3, &[(0, late)], Action::GiveUp(Why::Failed(Cause::Timeout)));
    check(&patient, POST, 3, &[(0, Fate::Status(503))], ANSWER);
    check(&patient, GET, 3, &[(0, Fate::Status(500))], ANSWER);
    check(&patient, GET, 3, &[(0, RESET)], Action::GiveUp(Why::Failed(Cause::Reset)));
    check(&RetryPolicy::default(), GET, 3, &[(0, late)], Action::GiveUp(Why::Failed(Cause::Timeout)));
}

#[test]
fn garbage_is_never_repeated() {
    let all = policy(9, &[RetryOn::ConnectFailure, RetryOn::Reset, RetryOn::Timeout]);
    check(&all, GET, 3, &[(0, Fate::Broke(Cause::Garbage))], Action::GiveUp(Why::Failed(Cause::Garbage)));
}

#[test]
fn an_answer_thrown_away_is_told_when_nobody_is_left() {
    let on_503 = policy(2, &[RetryOn::Status(503)]);
    let mut machine = Balance::new(&on_503, None, GET);
    let Action::Start { number, .. } = machine.begin() else { panic!("it starts") };
    let action = machine.on(Fate::Status(503).event(Attempt { number, server: 0 }), moment(1));
    assert!(matches!(action, Action::Start { number: 1, .. }));
    // The server that answered has become unusable meanwhile, and there is no other.
    assert!(matches!(machine.on(Event::NoServer { number: 1 }, moment(1)), Action::Start { number: 2, .. }));
    assert_eq!(
        machine.on(Event::NoServer { number: 2 }, moment(1)),
        Action::GiveUp(Why::Discarded { status: 503 })
    );
}

#[test]
fn kept_connections_are_taken_only_where_a_dead_one_does_no_harm() {
    let first = |policy: &RetryPolicy, request| match Balance::new(policy, None, request).begin() {
        Action::Start { reuse, .. } => reuse,
        other => panic!("{other:?}"),
    };
    let usual = RetryPolicy::default();
    assert_eq!(first(&usual, GET), Reuse::Any);
    assert_eq!(first(&usual, PUT_STREAM), Reuse::Recent);
    assert_eq!(first(&usual, POST), Reuse::Recent);
    assert_eq!(first(&usual, RequestFacts { safe: false, body_survives: true }), Reuse::Recent);
    assert_eq!(first(&policy(1, &[RetryOn::Reset]), GET), Reuse::Recent);
    assert_eq!(first(&policy(2, &[RetryOn::Timeout]), GET), Reuse::Recent);
    let second = |policy: &RetryPolicy, fate: Fate| {
        let mut machine = Balance::new(policy, None, GET);
        let Action::Start { number, .. } = machine.begin() else { panic!("it starts") };
        match machine.on(fate.event(Attempt { number, server: 0 }), moment(2)) {
            Action::Start { reuse, .. } => reuse,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(second(&usual, Fate::Refused), Reuse::Any);
    assert_eq!(second(&usual, RESET), Reuse::Never);
    assert_eq!(second(&usual, Fate::Unsent), Reuse::Never);
    let more = policy(3, &[RetryOn::Reset, RetryOn::Status(503)]);
    assert_eq!(second(&more, Fate::Status(503)), Reuse::Any);
    let last = policy(2, &[RetryOn::Reset, RetryOn::Status(503)]);
    assert_eq!(second(&last, Fate::Status(503)), Reuse::Recent);
}

/// What the machine waits before its second, third … start, in milliseconds at the least.
#[test]
fn passing_over_waits_for_nothing_and_repeats_wait_when_they_come_back() {
    let waits = |policy: &RetryPolicy, servers: usize, story: &[Fate]| {
        let mut machine = Balance::new(policy, None, GET);
        let (mut action, mut story, mut waits) = (machine.begin(), story.iter(), Vec::new());
        let (mut waited, mut now) = (Duration::ZERO, Duration::ZERO);
        while let Action::Start { number, wait, .. } = action {
            waited += wait;
            now += wait;
            let Some(server) = (0..servers).find(|server| machine.allows(*server)) else {
                action = machine.on(Event::NoServer { number }, moment_at(servers, now));
                continue;
            };
            waits.push(std::mem::take(&mut waited).as_micros() as u64);
            let Some(fate) = story.next() else { break };
            action = machine.on(fate.event(Attempt { number, server }), moment_at(servers, now));
        }
        waits
    };
    let all = policy(9, &[RetryOn::Reset, RetryOn::Timeout, RetryOn::Status(503)]);
    let late = Fate::Broke(Cause::Timeout);
    assert_eq!(waits(&all, 3, &[Fate::Refused, Fate::Unsent, RESET]), [0, 0, 0, 0]);
    assert_eq!(waits(&all, 4, &[RESET, late, Fate::Refused]), [0, 0, 12_500, 0]);
    assert_eq!(waits(&all, 1, &[RESET, RESET, late]), [0, 0, 12_500, 25_000]);
    assert_eq!(waits(&all, 2, &[late, Fate::Refused]), [0, 0, 12_500], "back to the one that was late");
    assert_eq!(waits(&all, 2, &[Fate::Later(2), Fate::Refused]), [0, 0, 2_000_000]);
    assert_eq!(waits(&all, 2, &[Fate::Later(2), late]), [0, 0, 2_000_000]);
    assert_eq!(waits(&all, 3, &[Fate::Later(2), late, RESET]), [0, 0, 12_500, 1_987_500]);
    assert_eq!(waits(&all, 2, &[Fate::Later(60), Fate::Refused]), [0, 0], "it is not asked again so soon");
    assert_eq!(waits(&all, 1, &[Fate::Later(60)]), [0]);
}

#[test]
fn what_the_budget_can_not_pay_is_passed_on_or_given_up() {
    let policy = policy(9, &[RetryOn::Reset, RetryOn::Status(503)]);
    let budget = RetryBudget::new(BudgetRule { share_millionths: 0, least: 0 }, Duration::ZERO);
    for (fate, is_unpaid) in [(RESET, true), (Fate::Status(503), true), (Fate::Status(502), false)] {
        let mut machine = Balance::new(&policy, Some(&budget), GET);
        let Action::Start { number, .. } = machine.begin() else { panic!("it starts") };
        let end = machine.on(fate.event(Attempt { number, server: 0 }), moment(3));
        assert!(matches!(end, Action::Answer { .. } | Action::GiveUp(Why::Failed(Cause::Reset))), "{end:?}");
        assert_eq!(machine.is_unpaid(), is_unpaid, "{fate:?}");
        assert_eq!(machine.take_granted(), None);
    }
    // Passing over is free.
    let mut machine = Balance::new(&policy, Some(&budget), GET);
    let Action::Start { number, .. } = machine.begin() else { panic!("it starts") };
    let next = machine.on(Fate::Refused.event(Attempt { number, server: 0 }), moment(3));
    assert!(matches!(next, Action::Start { .. }));
}

/// A request that is answered early may not have been sent at all; the server has still decided.
#[test]
fn a_head_counts_as_an_attempt_even_if_nothing_was_sent() {
    let early = policy(2, &[RetryOn::Status(408)]);
    let mut machine = Balance::new(&early, None, GET);
    let progress = Progress { bytes_sent: 0, body_whole: true, answer_begun: false };
    let mut action = machine.begin();
    while let Action::Start { number, .. } = action {
        action = match machine.allows(0) {
            true => {
                let attempt = Attempt { number, server: 0 };
                machine.on(Event::Head { attempt, progress, status: 408, retry_after: None }, moment(1))
            }
            false => machine.on(Event::NoServer { number }, moment(1)),
        };
    }
    assert!(matches!(action, Action::Answer { .. }));
    assert_eq!(machine.attempts(), 2);
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::Refused),
        Just(Fate::Unanswered),
        Just(Fate::Unsent),
        Just(RESET),
        Just(Fate::Broke(Cause::Timeout)),
        Just(Fate::Broke(Cause::Garbage)),
        Just(Fate::BrokeInBody(Cause::Reset)),
        Just(Fate::Status(503)),
        (0u64..10).prop_map(Fate::Later),
    ]
}

fn any_policy() -> impl Strategy<Value = RetryPolicy> {
    let word = prop_oneof![Just(RetryOn::Reset), Just(RetryOn::Timeout), Just(RetryOn::Status(503))];
    (1u32..6, prop::collection::vec(word, 0..4)).prop_map(|(attempts, on)| policy(attempts, &on))
}

proptest! {
    /// Servers fail in every way and order; after each step the promises of `semantics.md` §2.1 and §2.2 hold.
    #[test]
    fn the_promises_hold_whatever_happens(
        policy in any_policy(),
        safe in any::<bool>(),
        body_survives in any::<bool>(),
        servers in 0usize..5,
        tokens in 0u8..2,
        fates in prop::collection::vec((any_fate(), any::<prop::sample::Index>()), 64),
    ) {
        let budget = RetryBudget::new(BudgetRule { share_millionths: 0, least: u32::from(tokens) }, Duration::ZERO);
        let (mut granted, mut rests) = (0u32, vec![Duration::ZERO; servers]);
        let mut machine = Balance::new(&policy, Some(&budget), RequestFacts { safe, body_survives });
        let mut action = machine.begin();
        let mut now = Duration::ZERO;
        let (mut sent, mut asked, mut unreachable) = (0u32, vec![0u32; servers], vec![false; servers]);
        let mut fates = fates.into_iter();
        let mut must_repeat = false;
        loop {
            prop_assert_eq!(machine.attempts(), sent);
            prop_assert!(sent <= policy.attempts);
            granted += u32::from(machine.take_granted().is_some());
            prop_assert!(granted <= u32::from(tokens) * 10, "more than the budget");
            prop_assert!(sent <= granted + 1, "each repeat is paid for");
            let Action::Start { number, reuse, wait } = action else { break };
            prop_assert!(sent > 0 || wait.is_zero(), "passing over waits for nothing");
            prop_assert!(wait <= policy.backoff.at_most.max(policy.backoff.retry_after));
            now += wait;
            prop_assert!(sent == 0 || safe, "what is not safe is never sent twice");
            prop_assert!(sent < policy.attempts);
            let allowed: Vec<usize> = (0..servers).filter(|server| machine.allows(*server)).collect();
            prop_assert!(allowed.iter().all(|server| !unreachable[*server]), "passed over once and for all");
            let news = (0..servers).filter(|server| asked[*server] == 0 && !unreachable[*server]).count();
            prop_assert!(
                news == 0 || allowed.iter().all(|server| asked[*server] == 0),
                "nobody twice while another is left"
            );
            prop_assert!(news == 0 || !allowed.is_empty(), "whoever is left may be asked");
            if allowed.is_empty() {
                action = machine.on(Event::NoServer { number }, moment_at(servers, now));
                continue;
            }
            must_repeat = false;
            let Some((fate, index)) = fates.next() else { panic!("it does not end") };
            let server = *index.get(&allowed);
            prop_assert!(now >= rests[server], "it asked to be left alone");
            match fate {
                Fate::Refused | Fate::Unanswered | Fate::Deadline => unreachable[server] = true,
                Fate::Unsent if reuse == Reuse::Never => unreachable[server] = true,
                Fate::Unsent => asked[server] += 1,
                Fate::Broke(_) | Fate::BrokeInBody(_) | Fate::Status(_) | Fate::Later(_) => {
                    asked[server] += 1;
                    sent += 1;
                    if let Fate::Later(seconds) = fate {
                        rests[server] = now + Duration::from_secs(seconds);
                    }
                    must_repeat = reuse == Reuse::Any && matches!(fate, Fate::Broke(Cause::Reset))
                        && granted < u32::from(tokens) * 10;
                }
            }
            action = machine.on(fate.event(Attempt { number, server }), moment_at(servers, now));
            prop_assert!(!must_repeat || matches!(action, Action::Start { .. }), "`Any` promises a repeat on reset");
        }
        match action {
            Action::GiveUp(Why::NoServer) => prop_assert!(servers == 0),
            Action::GiveUp(Why::Unreachable { .. }) => {
                let usable_again = (0..servers).any(|server| !unreachable[server]);
                // One that wants to be left alone for longer than is waited for holds up the others of its round too.
                let patience = policy.backoff.at_most.max(policy.backoff.retry_after);
                let left_alone = rests.iter().any(|rest| *rest > now + patience);
                prop_assert!(!usable_again || left_alone, "gives up only when nobody is left");
            }
            _ => prop_assert!(!must_repeat),
        }
    }
}
