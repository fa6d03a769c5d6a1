//! What becomes of one server.

use super::super::breaker::TripWhy;
use super::super::fault::Fault;
use super::*;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn rule() -> EjectionRule {
    EjectionRule { time: seconds(10), time_max: seconds(35), ..EjectionRule::default() }
}

/// A server, its breaker and a clock.
struct Scene {
    rule: EjectionRule,
    breaker: Breaker,
    ejection: Ejection,
    now: Duration,
}

impl Scene {
    fn new() -> Self {
        Self {
            rule: rule(),
            breaker: Breaker::default(),
            ejection: Ejection::new(seconds(100)),
            now: seconds(100),
        }
    }

    fn review(&mut self) -> Option<EjectionChange> {
        self.ejection.review(&self.rule, &self.breaker, true, self.now)
    }

    fn fail(&self, times: usize) -> usize {
        (0..times)
            .filter(|_| {
                self.breaker.failed(&self.rule.breaker, self.breaker.round(), Fault::Reset, || self.now)
            })
            .count()
    }

    fn succeed(&self, times: usize) {
        for _ in 0..times {
            let _ = self.breaker.succeeded(&self.rule.breaker, self.breaker.round(), || self.now);
        }
    }

    /// Fails until it is ejected, and says for how long and how often lately.
    fn ejected(&mut self) -> (u64, u32) {
        assert_eq!(self.fail(5), 1);
        match self.review() {
            Some(EjectionChange::Ejected { time, times, .. }) => (time.as_secs(), times),
            other => panic!("{other:?}"),
        }
    }

    /// Comes back from an ejection.
    fn returned(&mut self) {
        self.now = self.ejection.due().unwrap_or(self.now);
        assert_eq!(self.review(), Some(EjectionChange::Tried));
        self.succeed(3);
        assert_eq!(self.review(), Some(EjectionChange::Returned));
        assert_eq!(self.review(), None);
    }
}

#[test]
fn a_server_is_out_then_tried_then_back() {
    let mut scene = Scene::new();
    assert_eq!(scene.review(), None);
    assert_eq!(scene.fail(5), 1);
    let trip = Trip { why: TripWhy::Consecutive { failures: 5 }, fault: Fault::Reset };
    let ejected = EjectionChange::Ejected { trip, time: seconds(10), times: 1 };
    assert_eq!(scene.review(), Some(ejected));
    assert!(scene.ejection.is_out() && scene.ejection.is_doubted());
    assert_eq!(scene.ejection.due(), Some(seconds(110)));
    scene.now = seconds(110) - Duration::from_nanos(1);
    assert_eq!(scene.review(), None);
    scene.now = seconds(110);
    assert_eq!(scene.review(), Some(EjectionChange::Tried));
    assert!(!scene.ejection.is_out() && scene.ejection.is_doubted());
    scene.succeed(2);
    assert_eq!(scene.review(), None);
    scene.succeed(1);
    assert_eq!(scene.review(), Some(EjectionChange::Returned));
    assert!(!scene.ejection.is_doubted());
    assert_eq!((scene.review(), scene.ejection.due()), (None, None));
}

#[test]
fn times_grow_up_to_their_bound_and_shrink_while_it_is_good() {
    let mut scene = Scene::new();
    for expected in [(10, 1), (20, 2), (30, 3), (35, 4), (35, 5)] {
        assert_eq!(scene.ejected(), expected);
        scene.returned();
    }
    // Each ten seconds without an ejection take one back.
    scene.now += seconds(9);
    assert_eq!(scene.ejection.times(&scene.rule, scene.now), 5);
    scene.now += seconds(21);
    assert_eq!(scene.ejection.times(&scene.rule, scene.now), 2);
    assert_eq!(scene.ejected(), (30, 3));
    scene.returned();
    scene.now += seconds(3600);
    assert_eq!(scene.ejected(), (10, 1));
}

#[test]
fn a_trial_that_fails_ejects_it_for_longer() {
    let mut scene = Scene::new();
    scene.ejected();
    scene.now = seconds(110);
    assert_eq!(scene.review(), Some(EjectionChange::Tried));
    assert_eq!(scene.fail(1), 1);
    let trip = Trip { why: TripWhy::Trial, fault: Fault::Reset };
    assert_eq!(scene.review(), Some(EjectionChange::Ejected { trip, time: seconds(20), times: 2 }));
}

/// It returned and failed again before anybody looked.
#[test]
fn what_happens_between_two_looks_is_seen_as_what_is_left_of_it() {
    let mut scene = Scene::new();
    scene.ejected();
    scene.now = seconds(110);
    assert_eq!(scene.review(), Some(EjectionChange::Tried));
    scene.succeed(3);
    assert_eq!(scene.fail(5), 1);
    assert!(matches!(scene.review(), Some(EjectionChange::Ejected { times: 2, .. })));
}

#[test]
fn one_that_is_spared_takes_part_until_there_is_room_or_its_failures_are_old() {
    let mut scene = Scene::new();
    scene.fail(5);
    let review =
        |scene: &mut Scene, has_room| scene.ejection.review(&scene.rule, &scene.breaker, has_room, scene.now);
    assert!(matches!(review(&mut scene, false), Some(EjectionChange::Spared { .. })));
    // It goes on failing, and nobody is woken for it.
    assert_eq!(scene.fail(100), 0);
    assert_eq!(review(&mut scene, false), None);
    assert!(!scene.ejection.is_doubted());
    assert_eq!(scene.ejection.due(), Some(seconds(110)));
    let mut later = Scene { breaker: Breaker::default(), ..scene };
    later.fail(5);
    assert!(matches!(review(&mut later, true), Some(EjectionChange::Ejected { times: 1, .. })));
    scene.now = seconds(110);
    assert_eq!(review(&mut scene, false), None);
    assert_eq!((scene.breaker.state(), scene.ejection.due()), (BreakerState::Closed, None));
    assert_eq!(scene.fail(5), 1, "a new row");
    assert_eq!(review(&mut scene, false), None, "it was told of");
    scene.now = seconds(200);
    assert_eq!(review(&mut scene, false), None);
    assert_eq!(scene.fail(5), 1);
    assert!(
        matches!(review(&mut scene, false), Some(EjectionChange::Spared { .. })),
        "it was good meanwhile"
    );
}

/// A server that is out because of this, after so many ejections before, hears of these checks: `!` one that fails, `<` one
/// that passes and was begun before, `.` one that passes, `,` one that passes and is not enough to say that the server is
/// well. Says after which of them it is tried.
fn tried_after(fault: Fault, before: u32, checks: &str, healthy_after: u32) -> Option<usize> {
    let mut scene = Scene::new();
    for _ in 0..before {
        scene.ejected();
        scene.returned();
    }
    let mut heard = checks.chars().enumerate();
    let hear = |scene: &mut Scene, sign: char| {
        let begun = if sign == '<' { scene.now - seconds(1) } else { scene.now };
        scene.ejection.hear(
            &scene.breaker,
            Heard { begun, has_passed: sign != '!', is_well: !matches!(sign, '!' | ',') },
            healthy_after,
        )
    };
    // What stands before `|` is heard before it is out.
    for (_, sign) in heard.by_ref().take_while(|(_, sign)| *sign != '|') {
        assert_eq!(hear(&mut scene, sign), None);
    }
    for _ in 0..5 {
        let _ = scene.breaker.failed(&scene.rule.breaker, scene.breaker.round(), fault, || scene.now);
    }
    assert!(matches!(scene.review(), Some(EjectionChange::Ejected { .. })));
    let found = heard.find(|(_, sign)| match hear(&mut scene, *sign) {
        Some(change) => {
            assert_eq!(change, EjectionChange::Tried);
            true
        }
        None => false,
    })?;
    assert!(!scene.ejection.is_out() && scene.ejection.is_doubted() && scene.breaker.is_half_open());
    assert_eq!(hear(&mut scene, '.'), None, "it is tried already");
    scene.succeed(3);
    assert_eq!(scene.review(), Some(EjectionChange::Returned));
    Some(found.0)
}

/// With checks, a server that was restarted is back as soon as they find it, also if it was away for so short a time that none
/// of them has failed. One that fails its requests and passes its checks is out for all of its time.
#[test]
fn checks_bring_one_back_as_far_as_they_can_tell() {
    let (gone, bad) = (Fault::Unreachable, Fault::Status(503));
    for (fault, before, checks, healthy_after, expected) in [
        // It was away, and no check has seen it.
        (gone, 0, "|.", 1, Some(1)),
        (Fault::Reset, 0, "|.", 1, Some(1)),
        (gone, 0, "|...", 3, Some(3)),
        // What was begun before says nothing of what came then.
        (gone, 0, "|<<<.", 1, Some(4)),
        (gone, 0, "|<..", 2, Some(3)),
        // That word is taken once.
        (gone, 1, "|......", 1, None),
        (Fault::Reset, 2, "|......", 1, None),
        // What is not about connections, checks must have seen.
        (bad, 0, "|......", 1, None),
        (Fault::Timeout, 0, "|......", 1, None),
        (Fault::Garbage, 0, "|......", 1, None),
        (bad, 0, "|...!.", 1, Some(5)),
        (bad, 3, "|!.", 1, Some(2)),
        (bad, 3, "|!.!..", 2, Some(5)),
        (gone, 5, "|.!.", 1, Some(3)),
        (bad, 0, "|!<<.", 1, Some(4)),
        // They failed already when it went out.
        (bad, 0, "..!|.", 1, Some(4)),
        (bad, 0, "..!.|....", 1, None),
        (bad, 0, "!|..", 2, Some(3)),
        // Requests that began before fail between the first that passes and the one that says that it is well.
        (Fault::Timeout, 0, "!,|.", 1, Some(3)),
        (Fault::Timeout, 0, "!,,|..", 2, Some(5)),
        (Fault::Timeout, 0, "!,.|....", 1, None),
        (gone, 0, "|!!!!", 1, None),
        (gone, 0, "|", 1, None),
    ] {
        assert_eq!(
            tried_after(fault, before, checks, healthy_after),
            expected,
            "{fault} {before} {checks} {healthy_after}"
        );
    }
}

/// Who is not out hears nothing but remembers whether its checks fail.
#[test]
fn checks_say_nothing_of_one_that_is_in_or_tried() {
    let mut scene = Scene::new();
    let heard = Heard { begun: seconds(200), has_passed: true, is_well: true };
    assert_eq!(scene.ejection.hear(&scene.breaker, heard, 1), None);
    scene.ejected();
    scene.now = seconds(110);
    assert_eq!(scene.review(), Some(EjectionChange::Tried));
    assert_eq!(scene.ejection.hear(&scene.breaker, heard, 1), None);
}

#[test]
fn one_that_is_pardoned_has_nothing_behind_it() {
    let mut scene = Scene::new();
    scene.ejected();
    scene.ejection.pardon(&scene.breaker, scene.now);
    assert_eq!((scene.review(), scene.breaker.state()), (None, BreakerState::Closed));
    assert_eq!(scene.ejected(), (10, 1));
}

/// Envoy's documentation argues for both: a share that is rounded down to nobody would switch ejection off unseen, and a
/// server without another one is better than none.
#[test]
fn a_part_of_a_pool_may_be_out_at_least_one_and_never_the_only_one() {
    let check = |per_mille, servers, expected: usize| {
        let rule = EjectionRule { at_most_per_mille: per_mille, ..rule() };
        let allowed = (0..=servers).take_while(|out| rule.has_room(*out, servers)).count();
        assert_eq!(allowed, expected, "{per_mille} of {servers}");
    };
    check(500, 0, 0);
    check(500, 1, 0);
    check(500, 2, 1);
    check(500, 3, 1);
    check(500, 5, 2);
    check(500, 10, 5);
    check(10, 5, 1);
    check(10, 2, 1);
    check(1000, 1, 0);
    check(1000, 5, 5);
}

/// A machine that slept finds all times over; one that is asked with an older time than before changes nothing.
#[test]
fn leaps_of_the_clock_do_no_harm() {
    let mut scene = Scene::new();
    scene.ejected();
    scene.now = Duration::ZERO;
    assert_eq!(scene.review(), None);
    scene.now = Duration::MAX;
    assert_eq!(scene.review(), Some(EjectionChange::Tried));
    assert_eq!(scene.fail(1), 1);
    assert!(matches!(scene.review(), Some(EjectionChange::Ejected { .. })));
    let mut scene = Scene::new();
    scene.now = Duration::ZERO;
    assert_eq!(scene.ejected(), (10, 1));
}
