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
        (0..times).filter(|_| self.breaker.failed(&self.rule.breaker, Fault::Reset, || self.now)).count()
    }

    fn succeed(&self, times: usize) {
        for _ in 0..times {
            let _ = self.breaker.succeeded(&self.rule.breaker, || self.now);
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

/// With checks, a server that was restarted is back as soon as they find it.
#[test]
fn one_that_is_found_well_is_tried_at_once() {
    let mut scene = Scene::new();
    assert_eq!(scene.ejection.hear_well(&scene.breaker), None);
    scene.ejected();
    assert_eq!(scene.ejection.hear_well(&scene.breaker), Some(EjectionChange::Tried));
    assert_eq!(scene.ejection.hear_well(&scene.breaker), None);
    scene.succeed(3);
    assert_eq!(scene.review(), Some(EjectionChange::Returned));
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
