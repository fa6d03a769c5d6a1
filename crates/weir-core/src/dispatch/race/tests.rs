//! Stories of single races: what happened when, and what was done then.

use super::*;
use crate::dispatch::StatusSet;
use crate::retry::Cause;

fn rule(width: Option<u32>, stagger_millis: u64) -> RaceRule {
    let order = vec![StatusSet::EMPTY.with_code(503), StatusSet::EMPTY.with_class(5)];
    RaceRule {
        usable: StatusSet::USABLE,
        width,
        stagger: Duration::from_millis(stagger_millis),
        otherwise: Otherwise::Best(order),
    }
}

fn start(copy: u32) -> Act {
    Act::Start { copy, to: To::Balanced, reuse: Reuse::Recent }
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

/// Plays a story: at so many milliseconds this happened, and these acts were the answer.
fn check(rule: &RaceRule, servers: usize, first: &[Act], story: &[(u64, Happened, &[Act])]) {
    let mut race = Race::new(rule, servers);
    assert_eq!(race.begin(Duration::ZERO)[..], *first);
    for (millis, happened, expected) in story {
        let acts = race.on(*happened, Duration::from_millis(*millis));
        assert_eq!(acts[..], **expected, "after {happened:?} at {millis} ms");
    }
}

#[test]
fn the_first_usable_answer_wins_and_the_others_are_cancelled() {
    check(
        &rule(None, 0),
        3,
        &[start(0)],
        &[
            (0, picked(0), &[start(1)]),
            (0, picked(1), &[start(2)]),
            (0, picked(2), &[]),
            (1, head(1, 500), &[]),
            (2, head(2, 404), &[cancel(0), cancel(1), answer(2)]),
            (3, head(0, 200), &[]),
            (3, Happened::Timer, &[]),
        ],
    );
}

/// `100` may stand among the usable ones and has no effect; a status that does not exist is not usable.
#[test]
fn what_does_not_exist_is_not_usable() {
    let everything = StatusSet::EMPTY.with_range(0, u16::MAX);
    let rule = RaceRule { usable: everything, ..rule(None, 0) };
    check(&rule, 1, &[start(0)], &[(0, picked(0), &[]), (1, head(0, 600), &[answer(0)])]);
    let story: [(u64, Happened, &[Act]); 4] = [
        (0, picked(0), &[start(1)]),
        (0, picked(1), &[]),
        (1, head(0, 999), &[]),
        (2, head(1, 599), &[cancel(0), answer(1)]),
    ];
    check(&rule, 2, &[start(0)], &story);
}

#[test]
fn without_a_usable_one_the_best_by_the_order_is_passed_on() {
    let all: [(u64, Happened, &[Act]); 3] =
        [(0, picked(0), &[start(1)]), (0, picked(1), &[start(2)]), (0, picked(2), &[])];
    let play = |rest: &[(u64, Happened, &[Act])]| {
        let story: Vec<_> = all.iter().chain(rest).copied().collect();
        check(&rule(None, 0), 3, &[start(0)], &story);
    };
    // The better one replaces what was held back; of equals the first one stays.
    play(&[
        (1, head(0, 500), &[]),
        (2, head(1, 503), &[cancel(0)]),
        (3, head(2, 503), &[cancel(2), answer(1)]),
    ]);
    play(&[(1, head(2, 502), &[]), (2, head(0, 500), &[cancel(0)]), (3, broke(1), &[answer(2)])]);
    // What is in no set comes last.
    play(&[(1, head(2, 700), &[]), (2, head(0, 500), &[cancel(2)]), (3, refused(1), &[answer(0)])]);
    // An answer that broke while it was held back is no answer.
    let gone = Act::GiveUp(Why::Failed(Cause::Reset));
    play(&[
        (1, head(0, 500), &[]),
        (2, Happened::Broken { copy: 0 }, &[]),
        (2, refused(1), &[]),
        (3, broke(2), &[gone]),
    ]);
}

#[test]
fn a_fixed_status_holds_nothing_back() {
    let fixed = RaceRule { otherwise: Otherwise::Status(500), ..rule(None, 0) };
    let end = Act::GiveUp(Why::NothingUsable { status: 500 });
    let story: [(u64, Happened, &[Act]); 4] = [
        (0, picked(0), &[start(1)]),
        (0, picked(1), &[]),
        (1, head(0, 503), &[cancel(0)]),
        (2, head(1, 502), &[cancel(1), end]),
    ];
    check(&fixed, 2, &[start(0)], &story);
    // Nobody answered at all: that is not usable either.
    check(&fixed, 1, &[start(0)], &[(0, picked(0), &[]), (1, refused(0), &[end])]);
    check(&fixed, 1, &[start(0)], &[(0, Happened::NoServer { copy: 0 }, &[Act::GiveUp(Why::NoServer)])]);
}

#[test]
fn who_cannot_be_asked_is_said_as_it_is() {
    check(&rule(None, 0), 0, &[Act::GiveUp(Why::NoServer)], &[]);
    check(
        &rule(None, 0),
        2,
        &[start(0)],
        &[(0, Happened::NoServer { copy: 0 }, &[Act::GiveUp(Why::NoServer)])],
    );
    let timed_out = Happened::NotSent { copy: 1, timed_out: true };
    let end = Act::GiveUp(Why::Unreachable { timed_out: true });
    check(
        &rule(None, 0),
        2,
        &[start(0)],
        &[(0, picked(0), &[start(1)]), (0, picked(1), &[]), (1, refused(0), &[]), (9, timed_out, &[end])],
    );
}

/// `--fanout=false`: one after the other.
#[test]
fn width_is_how_many_are_under_way() {
    for width in [0, 1] {
        check(
            &rule(Some(width), 0),
            3,
            &[start(0)],
            &[
                (0, picked(0), &[]),
                (5, refused(0), &[start(1)]),
                (5, picked(1), &[]),
                (9, head(1, 500), &[start(2)]),
                (9, picked(2), &[]),
                (12, head(2, 200), &[cancel(1), answer(2)]),
            ],
        );
    }
    check(
        &rule(Some(2), 0),
        4,
        &[start(0)],
        &[
            (0, picked(0), &[start(1)]),
            (0, picked(1), &[]),
            (1, broke(1), &[start(2)]),
            (1, picked(2), &[]),
            (2, head(0, 500), &[start(3)]),
            (2, Happened::NoServer { copy: 3 }, &[]),
            (3, head(2, 500), &[cancel(2), answer(0)]),
        ],
    );
}

#[test]
fn stagger_asks_the_next_one_later_or_when_somebody_failed() {
    check(
        &rule(None, 10),
        4,
        &[start(0)],
        &[
            (0, picked(0), &[wake(10)]),
            (4, Happened::Timer, &[wake(10)]),
            (10, Happened::Timer, &[start(1)]),
            (10, picked(1), &[wake(20)]),
            // At once, and the turn of the next one counts from here.
            (13, head(0, 500), &[start(2)]),
            (13, picked(2), &[wake(23)]),
            (25, Happened::Timer, &[start(3)]),
            (25, picked(3), &[]),
            (26, head(3, 204), &[cancel(1), cancel(2), cancel(0), answer(3)]),
        ],
    );
}

#[test]
fn stagger_does_not_go_beyond_width() {
    check(
        &rule(Some(1), 10),
        2,
        &[start(0)],
        &[
            (0, picked(0), &[]),
            (10, Happened::Timer, &[]),
            (11, broke(0), &[start(1)]),
            (11, picked(1), &[]),
            (12, head(1, 200), &[answer(1)]),
        ],
    );
}

/// `semantics.md` §2.5: what can't be sent to everybody is refused, and all copies are aborted.
#[test]
fn a_body_that_cannot_be_kept_ends_it() {
    check(
        &rule(None, 0),
        3,
        &[start(0)],
        &[
            (0, picked(0), &[start(1)]),
            (0, picked(1), &[start(2)]),
            (0, picked(2), &[]),
            (1, head(1, 500), &[]),
            (2, Happened::ReplayLost, &[cancel(0), cancel(2), cancel(1), Act::GiveUp(Why::ReplayLost)]),
            (3, head(0, 200), &[]),
        ],
    );
}

#[test]
fn nobody_is_asked_twice() {
    let rule = rule(None, 0);
    let mut race = Race::new(&rule, 3);
    assert_eq!(race.begin(Duration::ZERO)[..], [start(0)]);
    assert!((0..3).all(|server| race.allows(server)));
    let _ = race.on(Happened::Picked { copy: 0, server: 2 }, Duration::ZERO);
    assert!(race.allows(0) && race.allows(1) && !race.allows(2));
    let _ = race.on(Happened::Picked { copy: 1, server: 0 }, Duration::ZERO);
    let _ = race.on(refused(0), Duration::ZERO);
    assert!(!race.allows(0) && race.allows(1) && !race.allows(2));
    assert_eq!(race.copies(), 2);
}

#[test]
fn a_race_of_four_allocates_nothing() {
    let rule = rule(None, 0);
    let mut race = Race::new(&rule, 4);
    let mut acts = race.begin(Duration::ZERO);
    for copy in 0..4 {
        assert!(!acts.spilled());
        acts = race.on(picked(copy), Duration::ZERO);
    }
    acts = race.on(head(2, 200), Duration::ZERO);
    assert_eq!(acts.len(), 4);
    assert!(!acts.spilled());
}
