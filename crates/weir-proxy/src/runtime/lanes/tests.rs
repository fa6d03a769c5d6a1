//! Lanes that fill up, that others do not notice, and that give back what they took.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::Notify;

use super::*;

const LIMITS: LaneLimits = LaneLimits { waiting: 3, bytes: 100 };

fn on_a_worker(test: impl Future<Output = ()> + 'static) {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    runtime.expect("a runtime can be made").block_on(test);
}

fn held(gate: &Rc<Notify>, done: &Rc<Cell<usize>>) -> Work {
    let (gate, done) = (Rc::clone(gate), Rc::clone(done));
    Box::pin(async move {
        gate.notified().await;
        done.set(done.get() + 1);
    })
}

#[test]
fn a_lane_takes_so_many_and_no_more_and_other_lanes_do_not_notice() {
    on_a_worker(async {
        let (lanes, tracker) = (Lanes::default(), Tracker::default());
        let (gate, done) = (Rc::<Notify>::default(), Rc::<Cell<usize>>::default());
        for _ in 0..RUNNING_MAX + LIMITS.waiting {
            assert_eq!(lanes.add(1, (held(&gate, &done), 0), LIMITS, &tracker), Ok(()));
        }
        assert_eq!(lanes.add(1, (held(&gate, &done), 0), LIMITS, &tracker), Err(LaneFull));
        assert_eq!(lanes.add(2, (Box::pin(std::future::ready(())), 0), LIMITS, &tracker), Ok(()));
        assert_eq!(lanes.waiting(), LIMITS.waiting);
        while !tracker.is_empty() {
            gate.notify_one();
            tokio::task::yield_now().await;
        }
        assert_eq!(done.get(), RUNNING_MAX + LIMITS.waiting, "those that waited had their turn");
        assert!(lanes.0.borrow().is_empty(), "an empty lane is forgotten");
    });
}

#[test]
fn bodies_have_a_bound_of_their_own_and_one_is_always_taken() {
    on_a_worker(async {
        let (lanes, tracker) = (Lanes::default(), Tracker::default());
        let (gate, done) = (Rc::<Notify>::default(), Rc::<Cell<usize>>::default());
        assert_eq!(lanes.add(1, (held(&gate, &done), 60), LIMITS, &tracker), Ok(()));
        assert_eq!(lanes.add(1, (held(&gate, &done), 41), LIMITS, &tracker), Err(LaneFull));
        assert_eq!(lanes.add(1, (held(&gate, &done), 40), LIMITS, &tracker), Ok(()));
        assert_eq!(lanes.add(2, (held(&gate, &done), 1000), LIMITS, &tracker), Ok(()));
        while !tracker.is_empty() {
            gate.notify_one();
            tokio::task::yield_now().await;
        }
        assert_eq!(lanes.add(1, (held(&gate, &done), 100), LIMITS, &tracker), Ok(()), "room was given back");
    });
}

#[test]
fn work_that_panics_gives_its_room_back() {
    on_a_worker(async {
        let (lanes, tracker) = (Lanes::default(), Tracker::default());
        let work: Work = Box::pin(async { panic!("a bug") });
        assert_eq!(lanes.add(1, (work, 90), LIMITS, &tracker), Ok(()));
        tracker.emptied().await;
        assert!(lanes.0.borrow().is_empty());
    });
}
