//! Stories of single votes.

use super::*;
use crate::dispatch::StatusSet;

fn best() -> MajorityRule {
    let order = vec![StatusSet::EMPTY.with_class(2), StatusSet::EMPTY.with_class(4)];
    MajorityRule { otherwise: Otherwise::Best(order) }
}

fn fixed() -> MajorityRule {
    MajorityRule { otherwise: Otherwise::Status(502) }
}

fn head(copy: u32, status: u16) -> Happened {
    Happened::Head { copy, status }
}

fn whole(copy: u32, digest: u64) -> Happened {
    Happened::Whole { copy, digest }
}

fn failed(copy: u32) -> Happened {
    Happened::Failed { copy, cause: Cause::Timeout, bytes_sent: 3 }
}

fn cancel(copy: u32) -> Act {
    Act::Cancel { copy }
}

fn answer(copy: u32) -> Act {
    Act::Answer { copy }
}

const NONE: Act = Act::GiveUp(Why::NoMajority { status: 502 });

/// Plays a story on servers that can all be asked.
fn check(rule: &MajorityRule, servers: usize, story: &[(Happened, &[Act])]) {
    let mut machine = Majority::new(rule, servers, |_| true);
    let starts: Vec<Act> = (0..servers)
        .map(|server| Act::Start { copy: server as u32, to: To::Server(server), reuse: Reuse::Recent })
        .collect();
    assert_eq!(machine.begin(Duration::ZERO)[..], starts);
    for (happened, expected) in story {
        let acts = machine.on(*happened, Duration::ZERO);
        assert_eq!(acts[..], **expected, "after {happened:?}");
    }
}

#[test]
fn more_than_half_decide_and_nobody_waits_for_the_rest() {
    check(
        &fixed(),
        3,
        &[
            (head(2, 200), &[]),
            (whole(2, 7), &[]),
            (head(0, 200), &[]),
            (whole(0, 7), &[cancel(0), cancel(1), answer(2)]),
            (head(1, 200), &[]),
        ],
    );
    check(&fixed(), 1, &[(head(0, 500), &[]), (whole(0, 0), &[answer(0)])]);
    // Half of four are not more than half.
    check(
        &fixed(),
        4,
        &[
            (head(0, 200), &[]),
            (head(1, 200), &[]),
            (whole(0, 7), &[]),
            (whole(1, 7), &[cancel(1)]),
            (failed(2), &[]),
            (head(3, 200), &[]),
            (whole(3, 7), &[cancel(3), answer(0)]),
        ],
    );
}

#[test]
fn status_and_body_both_count() {
    let story: [(Happened, &[Act]); 6] = [
        (head(0, 200), &[]),
        (head(1, 201), &[]),
        (whole(0, 7), &[]),
        (whole(1, 7), &[]),
        (head(2, 200), &[cancel(1)]),
        (whole(2, 8), &[cancel(0), cancel(2), NONE]),
    ];
    check(&fixed(), 3, &story);
}

#[test]
fn it_ends_as_soon_as_no_majority_is_possible() {
    check(&fixed(), 3, &[(failed(0), &[]), (failed(2), &[cancel(1), NONE])]);
    check(&fixed(), 2, &[(head(0, 200), &[]), (failed(1), &[cancel(0), NONE])]);
    // Three statuses of three servers: the bodies don't matter any more.
    let story: [(Happened, &[Act]); 3] =
        [(head(0, 200), &[]), (head(1, 404), &[]), (head(2, 500), &[cancel(0), cancel(1), cancel(2), NONE])];
    check(&fixed(), 3, &story);
    check(
        &fixed(),
        3,
        &[(head(0, 200), &[]), (Happened::Broken { copy: 0 }, &[]), (failed(1), &[cancel(2), NONE])],
    );
}

#[test]
fn without_a_majority_the_best_is_passed_on_when_nothing_better_can_come() {
    // The best of all: nobody waits for the rest.
    check(
        &best(),
        3,
        &[(head(0, 200), &[]), (whole(0, 1), &[]), (failed(1), &[]), (failed(2), &[answer(0)])],
    );
    check(
        &best(),
        4,
        &[(failed(1), &[]), (head(0, 200), &[]), (whole(0, 1), &[]), (failed(2), &[cancel(3), answer(0)])],
    );
    // Only a better one is worth waiting for; an equal one is cancelled while it is read.
    check(
        &best(),
        3,
        &[(head(0, 404), &[]), (whole(0, 1), &[]), (failed(1), &[]), (head(2, 403), &[cancel(2), answer(0)])],
    );
    check(
        &best(),
        3,
        &[
            (head(0, 404), &[]),
            (whole(0, 1), &[]),
            (failed(1), &[]),
            (head(2, 200), &[]),
            (whole(2, 1), &[cancel(0), answer(2)]),
        ],
    );
    // Nobody has answered: that is said as it is.
    let timeout = Act::GiveUp(Why::Failed(Cause::Timeout));
    check(&best(), 2, &[(Happened::NotSent { copy: 0, timed_out: false }, &[]), (failed(1), &[timeout])]);
}

/// More than half of the configured servers, not of those that happen to be up.
#[test]
fn servers_that_are_down_have_no_voice_and_still_count() {
    let rule = fixed();
    let mut machine = Majority::new(&rule, 4, |server| server != 1);
    let start = |copy, server| Act::Start { copy, to: To::Server(server), reuse: Reuse::Recent };
    assert_eq!(machine.begin(Duration::ZERO)[..], [start(0, 0), start(1, 2), start(2, 3)]);
    assert_eq!(machine.on(failed(0), Duration::ZERO)[..], [cancel(1), cancel(2), NONE]);
    // Too few from the start: nobody is asked in vain, unless the best one is wanted.
    assert_eq!(Majority::new(&rule, 4, |server| server < 2).begin(Duration::ZERO)[..], [NONE]);
    let rule = best();
    assert_eq!(Majority::new(&rule, 4, |server| server == 2).begin(Duration::ZERO)[..], [start(0, 2)]);
    for servers in [0, 3] {
        let acts = Majority::new(&rule, servers, |_| false).begin(Duration::ZERO);
        assert_eq!(acts[..], [Act::GiveUp(Why::NoServer)]);
    }
}

#[test]
fn a_body_that_cannot_be_kept_ends_it() {
    let end = Act::GiveUp(Why::ReplayLost);
    check(
        &best(),
        3,
        &[
            (head(1, 200), &[]),
            (whole(1, 1), &[]),
            (Happened::ReplayLost, &[cancel(0), cancel(2), cancel(1), end]),
        ],
    );
}
