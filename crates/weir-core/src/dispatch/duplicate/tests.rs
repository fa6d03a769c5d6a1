//! Stories of single writes.

use super::*;
use crate::dispatch::Full;
use crate::retry::Cause;

const TIMEOUT: Duration = Duration::from_secs(10);
const WAKE: Act = Act::WakeAt(TIMEOUT);
const NOT_YET: Act = Act::GiveUp(Why::NotAcknowledged);

fn rule(acknowledge: Acknowledge, catch_up: CatchUp) -> DuplicateRule {
    DuplicateRule {
        acknowledge,
        answer_timeout: TIMEOUT,
        strict_order: false,
        catch_up,
        keep: Duration::from_secs(86_400),
        backlog_max: 1000,
        backlog_bytes_max: 1 << 20,
        dead_letters_max: 1000,
        dead_letters_bytes_max: 1 << 20,
        full: Full::Reject,
    }
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

fn delivered(server: usize) -> Happened {
    Happened::Delivered { server, status: 200 }
}

fn cancel(copy: u32) -> Act {
    Act::Cancel { copy }
}

fn keep(copy: u32) -> Act {
    Act::Keep { copy }
}

fn answer(copy: u32) -> Act {
    Act::Answer { copy }
}

fn done(server: usize) -> Act {
    Act::Done { server }
}

fn queue(server: usize, why: QueueWhy) -> Act {
    Act::Queue { server, why }
}

fn dead(server: usize, status: u16) -> Act {
    Act::DeadLetter { server, status }
}

const RESET: QueueWhy = QueueWhy::Failed(Cause::Reset);
const UNREACHABLE: QueueWhy = QueueWhy::Unreachable { timed_out: false };

/// Plays a story on three servers, of which these are gated; copies go to the others. Everything happens at once, but the
/// timer, which is in time.
fn check(rule: &DuplicateRule, gated: &[usize], body_whole: bool, story: &[(Happened, &[Act])]) -> Duplicate {
    let mut machine = Duplicate::new(rule, Targets { servers: 3, primary: 0, gated, body_whole });
    let mut first: Vec<Act> = Vec::new();
    if rule.catch_up != CatchUp::Off {
        first.extend(gated.iter().map(|server| queue(*server, QueueWhy::Gated)));
    }
    let live = (0..3).filter(|server| !gated.contains(server));
    first.extend((0..).zip(live).map(|(copy, server)| Act::Start {
        copy,
        to: To::Server(server),
        reuse: Reuse::Recent,
    }));
    first.extend(body_whole.then_some(WAKE));
    assert_eq!(machine.begin(Duration::ZERO)[..], first);
    for (happened, expected) in story {
        let now = if *happened == Happened::Timer { TIMEOUT } else { Duration::ZERO };
        let acts = machine.on(*happened, now);
        assert_eq!(acts[..], **expected, "after {happened:?}");
    }
    machine
}

/// The first system's way: the first success is the answer, and whoever failed gets the write later.
#[test]
fn the_first_success_is_the_answer_and_delivery_goes_on() {
    let rule = rule(Acknowledge::First, CatchUp::Memory);
    let machine = check(
        &rule,
        &[],
        true,
        &[
            (refused(0), &[queue(0, UNREACHABLE)]),
            (head(2, 201), &[done(2), keep(1), answer(2)]),
            (head(1, 503), &[queue(1, QueueWhy::Status(503))]),
            (delivered(0), &[]),
        ],
    );
    assert!(machine.is_over());
    let machine = check(&rule, &[], true, &[(head(2, 201), &[done(2), keep(0), keep(1), answer(2)])]);
    assert!(!machine.is_over(), "two copies are still under way");
}

#[test]
fn the_last_success_that_is_needed_is_the_answer() {
    let first_two: [(Happened, &[Act]); 2] =
        [(head(1, 200), &[done(1), keep(1)]), (head(0, 200), &[done(0), keep(2), answer(0)])];
    check(&rule(Acknowledge::Quorum, CatchUp::Memory), &[], true, &first_two);
    check(&rule(Acknowledge::Number(2), CatchUp::Memory), &[], true, &first_two);
    let all: [(Happened, &[Act]); 3] = [
        (head(1, 200), &[done(1), keep(1)]),
        (head(0, 302), &[done(0), keep(0)]),
        (head(2, 204), &[done(2), answer(2)]),
    ];
    check(&rule(Acknowledge::All, CatchUp::Memory), &[], true, &all);
    check(&rule(Acknowledge::Number(3), CatchUp::Memory), &[], true, &all);
}

/// Also when that success came from the catch-up.
#[test]
fn the_catch_up_may_bring_the_answer() {
    check(
        &rule(Acknowledge::All, CatchUp::Memory),
        &[1],
        true,
        &[
            (head(0, 200), &[done(0), keep(0)]),
            (broke(1), &[queue(2, RESET)]),
            (delivered(2), &[]),
            (delivered(2), &[]),
            (delivered(1), &[Act::AnswerDelivered { server: 1 }]),
        ],
    );
}

#[test]
fn a_refusal_is_passed_on_only_when_no_success_can_come() {
    let memory = rule(Acknowledge::First, CatchUp::Memory);
    // The first refusal is the answer; the others were not needed.
    check(
        &memory,
        &[],
        true,
        &[
            (head(1, 409), &[dead(1, 409)]),
            (head(0, 400), &[dead(0, 400), cancel(0)]),
            (head(2, 422), &[dead(2, 422), cancel(2), answer(1)]),
        ],
    );
    // One that is repeated may still succeed.
    check(
        &memory,
        &[],
        true,
        &[
            (head(1, 409), &[dead(1, 409)]),
            (head(0, 429), &[queue(0, QueueWhy::Status(429)), cancel(0)]),
            (head(2, 400), &[dead(2, 400), cancel(2)]),
            (delivered(0), &[cancel(1), Act::AnswerDelivered { server: 0 }]),
        ],
    );
    // The rule can't be met any more, whoever else takes it.
    check(
        &rule(Acknowledge::All, CatchUp::Memory),
        &[],
        true,
        &[(head(1, 409), &[dead(1, 409), keep(0), keep(2), answer(1)]), (head(0, 200), &[done(0)])],
    );
    // The catch-up was refused, too.
    check(
        &memory,
        &[0, 1],
        true,
        &[
            (broke(0), &[queue(2, RESET)]),
            (Happened::Dropped { server: 0 }, &[]),
            (Happened::Refused { server: 2, status: 400 }, &[]),
            (Happened::Refused { server: 1, status: 409 }, &[Act::AnswerDelivered { server: 2 }]),
        ],
    );
}

/// `semantics.md` §3.1: 503 means "not yet".
#[test]
fn who_has_waited_long_enough_is_told_not_yet_and_delivery_goes_on() {
    let machine = check(
        &rule(Acknowledge::Quorum, CatchUp::Durable),
        &[2],
        true,
        &[
            (head(0, 400), &[dead(0, 400)]),
            (Happened::Timer, &[keep(1), cancel(0), NOT_YET]),
            (head(1, 200), &[done(1)]),
            (delivered(2), &[]),
            (Happened::Timer, &[]),
        ],
    );
    assert!(machine.is_over() && machine.successes() == 2);
}

#[test]
fn the_time_counts_from_the_end_of_the_body() {
    let rule = rule(Acknowledge::First, CatchUp::Memory);
    let mut machine =
        Duplicate::new(&rule, Targets { servers: 1, primary: 0, gated: &[0], body_whole: false });
    let secs = Duration::from_secs;
    assert_eq!(machine.begin(secs(0))[..], [queue(0, QueueWhy::Gated)]);
    assert!(machine.on(Happened::Timer, secs(20)).is_empty());
    assert_eq!(machine.on(Happened::BodyWhole, secs(30))[..], [Act::WakeAt(secs(40))]);
    assert!(machine.on(Happened::BodyWhole, secs(35)).is_empty());
    assert_eq!(machine.on(Happened::Timer, secs(39))[..], [Act::WakeAt(secs(40))]);
    assert_eq!(machine.on(Happened::Timer, secs(40))[..], [NOT_YET]);
}

/// A server that answers before it has read the write: if the client broke off now, the others would never get it.
#[test]
fn nothing_is_acknowledged_before_the_body_is_whole() {
    let rule = rule(Acknowledge::First, CatchUp::Memory);
    check(
        &rule,
        &[],
        false,
        &[
            (head(0, 200), &[done(0)]),
            (head(1, 200), &[done(1), keep(1)]),
            (head(2, 500), &[queue(2, QueueWhy::Status(500)), cancel(2)]),
            (Happened::BodyWhole, &[WAKE, answer(0)]),
        ],
    );
    // The answer broke while it was held back; the next one will do.
    check(
        &rule,
        &[],
        false,
        &[
            (head(0, 200), &[done(0)]),
            (Happened::Broken { copy: 0 }, &[]),
            (Happened::BodyWhole, &[WAKE]),
            (broke(1), &[queue(1, RESET)]),
            (head(2, 200), &[done(2), answer(2)]),
        ],
    );
    // Nobody will have it: the client need not send the rest.
    check(
        &rule,
        &[],
        false,
        &[
            (head(0, 401), &[dead(0, 401)]),
            (head(1, 401), &[dead(1, 401), cancel(1)]),
            (head(2, 401), &[dead(2, 401), cancel(2), answer(0)]),
        ],
    );
}

#[test]
fn a_body_that_cannot_be_kept_is_no_write() {
    let machine = check(
        &rule(Acknowledge::First, CatchUp::Memory),
        &[],
        false,
        &[
            (head(1, 200), &[done(1)]),
            (Happened::ReplayLost, &[cancel(0), cancel(2), cancel(1), Act::GiveUp(Why::ReplayLost)]),
            (head(0, 200), &[]),
        ],
    );
    assert!(machine.is_over());
    // When the body is whole, all is kept.
    check(&rule(Acknowledge::First, CatchUp::Memory), &[], true, &[(Happened::ReplayLost, &[])]);
}

/// `semantics.md` §3.1: if the primary fails, its answer, or 503.
#[test]
fn the_primary_decides() {
    let rule = rule(Acknowledge::Primary, CatchUp::Memory);
    let others: [(Happened, &[Act]); 2] =
        [(head(1, 200), &[done(1), keep(1)]), (head(2, 400), &[dead(2, 400), cancel(2)])];
    let play = |gated: &[usize], rest: &[(Happened, &[Act])]| {
        let story: Vec<_> = others.iter().chain(rest).copied().collect();
        check(&rule, gated, true, &story);
    };
    play(&[], &[(head(0, 201), &[done(0), answer(0)])]);
    play(&[], &[(head(0, 409), &[dead(0, 409), answer(0)])]);
    play(&[], &[(head(0, 500), &[queue(0, QueueWhy::Status(500)), answer(0)])]);
    play(&[], &[(broke(0), &[queue(0, RESET), NOT_YET]), (delivered(0), &[])]);
    play(&[], &[(refused(0), &[queue(0, UNREACHABLE), NOT_YET])]);
    let gated: [(Happened, &[Act]); 3] = [
        (head(0, 200), &[done(1), keep(0)]),
        (head(1, 400), &[dead(2, 400), cancel(1)]),
        (delivered(0), &[Act::AnswerDelivered { server: 0 }]),
    ];
    check(&rule, &[0], true, &gated);
    let refused: [(Happened, &[Act]); 1] = [(
        Happened::Refused { server: 0, status: 409 },
        &[keep(0), keep(1), Act::AnswerDelivered { server: 0 }],
    )];
    check(&rule, &[0], true, &refused);
    check(&rule, &[0], true, &[(Happened::Dropped { server: 0 }, &[keep(0), keep(1), NOT_YET])]);
    check(&rule, &[0], true, &[(Happened::Timer, &[keep(0), keep(1), NOT_YET])]);
}

#[test]
fn the_failure_of_the_primary_waits_for_the_body() {
    let rule = rule(Acknowledge::Primary, CatchUp::Memory);
    let kept: &[Act] = &[WAKE, keep(1), keep(2), answer(0)];
    check(
        &rule,
        &[],
        false,
        &[(head(0, 500), &[queue(0, QueueWhy::Status(500))]), (Happened::BodyWhole, kept)],
    );
    let lost: &[Act] = &[WAKE, keep(1), keep(2), NOT_YET];
    check(&rule, &[], false, &[(broke(0), &[queue(0, RESET)]), (Happened::BodyWhole, lost)]);
}

#[test]
fn without_a_catch_up_failures_only_count() {
    let rule = rule(Acknowledge::First, CatchUp::Off);
    check(&rule, &[], true, &[(broke(0), &[]), (head(1, 500), &[cancel(1)]), (refused(2), &[NOT_YET])]);
    check(&rule, &[], true, &[(head(0, 400), &[]), (head(1, 500), &[cancel(1)]), (refused(2), &[answer(0)])]);
    check(&rule, &[1], true, &[(broke(0), &[]), (head(1, 200), &[done(2), answer(1)])]);
}

#[test]
fn what_cannot_be_met_is_not_waited_for() {
    let begin = |acknowledge, catch_up, servers, gated: &[usize]| {
        let targets = Targets { servers, primary: 0, gated, body_whole: true };
        Duplicate::new(&rule(acknowledge, catch_up), targets).begin(Duration::ZERO).last().copied()
    };
    let nobody = Some(Act::GiveUp(Why::NoServer));
    assert_eq!(begin(Acknowledge::First, CatchUp::Memory, 0, &[]), nobody);
    assert_eq!(begin(Acknowledge::Primary, CatchUp::Off, 2, &[0, 1]), nobody);
    assert_eq!(begin(Acknowledge::All, CatchUp::Off, 2, &[1]), Some(NOT_YET));
    assert_eq!(begin(Acknowledge::Primary, CatchUp::Off, 2, &[0]), Some(NOT_YET));
    assert_eq!(begin(Acknowledge::Number(3), CatchUp::Memory, 2, &[]), Some(NOT_YET));
    assert_eq!(begin(Acknowledge::Number(0), CatchUp::Memory, 2, &[]), Some(WAKE));
    assert_eq!(begin(Acknowledge::All, CatchUp::Memory, 2, &[0, 1]), Some(WAKE));
}
