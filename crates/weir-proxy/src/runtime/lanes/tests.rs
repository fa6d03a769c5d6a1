//! Lanes that fill up, that others do not notice, and that give back what they took.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::Notify;

use super::*;

/// Copies that run at the same time.
const RUNNING_MAX: usize = 64;

const LIMITS: LaneLimits = LaneLimits { waiting: 3, bytes: 100 };

fn on_a_worker(test: impl Future<Output = ()> + 'static) {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    runtime.expect("a runtime can be made").block_on(test);
}

fn load(work: impl Future<Output = ()> + 'static, body_bytes: u64) -> Load {
    ending(CopyEnd::Neither, work, body_bytes)
}

fn ending(end: CopyEnd, work: impl Future<Output = ()> + 'static, body_bytes: u64) -> Load {
    let work = async move {
        work.await;
        end
    };
    Load { work: Box::new(|| Box::pin(work)), body_bytes, head_bytes: 1000 }
}

fn held(gate: &Rc<Notify>, done: &Rc<Cell<usize>>, body_bytes: u64) -> Load {
    let (gate, done) = (Rc::clone(gate), Rc::clone(done));
    let work = async move {
        gate.notified().await;
        done.set(done.get() + 1);
    };
    load(work, body_bytes)
}

#[test]
fn a_lane_takes_so_many_and_no_more_and_other_lanes_do_not_notice() {
    on_a_worker(async {
        let (lanes, tracker, width) = (Lanes::default(), Tracker::default(), Arc::default());
        let (gate, done) = (Rc::<Notify>::default(), Rc::<Cell<usize>>::default());
        for _ in 0..RUNNING_MAX + LIMITS.waiting {
            assert_eq!(lanes.add(1, held(&gate, &done, 0), LIMITS, &width, &tracker), Ok(()));
        }
        assert_eq!(lanes.add(1, held(&gate, &done, 0), LIMITS, &width, &tracker), Err(LaneFull));
        assert_eq!(lanes.add(2, load(std::future::ready(()), 0), LIMITS, &width, &tracker), Ok(()));
        assert_eq!(lanes.waiting(), LIMITS.waiting);
        while !tracker.is_empty() {
            gate.notify_one();
            tokio::task::yield_now().await;
        }
        assert_eq!(done.get(), RUNNING_MAX + LIMITS.waiting, "those that waited had their turn");
        assert!(lanes.0.lanes.borrow().is_empty(), "an empty lane is forgotten");
    });
}

#[test]
fn bodies_have_a_bound_of_their_own_and_one_is_always_taken() {
    on_a_worker(async {
        let (lanes, tracker, width) = (Lanes::default(), Tracker::default(), Arc::default());
        let (gate, done) = (Rc::<Notify>::default(), Rc::<Cell<usize>>::default());
        assert_eq!(lanes.add(1, held(&gate, &done, 60), LIMITS, &width, &tracker), Ok(()));
        assert_eq!(lanes.add(1, held(&gate, &done, 41), LIMITS, &width, &tracker), Err(LaneFull));
        assert_eq!(lanes.add(1, held(&gate, &done, 40), LIMITS, &width, &tracker), Ok(()));
        assert_eq!(lanes.add(2, held(&gate, &done, 1000), LIMITS, &width, &tracker), Ok(()));
        while !tracker.is_empty() {
            gate.notify_one();
            tokio::task::yield_now().await;
        }
        assert_eq!(
            lanes.add(1, held(&gate, &done, 100), LIMITS, &width, &tracker),
            Ok(()),
            "room was given back"
        );
    });
}

#[test]
fn work_that_panics_gives_its_room_back() {
    on_a_worker(async {
        let (lanes, tracker, width) = (Lanes::default(), Tracker::default(), Arc::default());
        let work = load(async { panic!("a bug") }, 90);
        assert_eq!(lanes.add(1, work, LIMITS, &width, &tracker), Ok(()));
        tracker.emptied().await;
        assert!(lanes.0.lanes.borrow().is_empty() && lanes.0.heads_bytes.get() == 0);
    });
}

/// Copies without a body cost nothing of what a lane may hold, so a queue of 100,000 long heads took gigabytes.
#[test]
fn heads_have_a_bound_over_all_lanes() {
    on_a_worker(async {
        let (lanes, tracker, width) = (Lanes::default(), Tracker::default(), Arc::default());
        let (gate, done) = (Rc::<Notify>::default(), Rc::<Cell<usize>>::default());
        let large = || Load { head_bytes: HEADS_BYTES_MAX / 2 - 500, ..held(&gate, &done, 0) };
        assert_eq!(lanes.add(1, large(), LIMITS, &width, &tracker), Ok(()));
        assert_eq!(lanes.add(2, large(), LIMITS, &width, &tracker), Ok(()));
        assert_eq!(lanes.add(3, held(&gate, &done, 0), LIMITS, &width, &tracker), Ok(()));
        assert_eq!(lanes.add(4, held(&gate, &done, 0), LIMITS, &width, &tracker), Err(LaneFull));
        while !tracker.is_empty() {
            gate.notify_one();
            tokio::task::yield_now().await;
        }
        assert_eq!((lanes.0.heads_bytes.get(), lanes.0.lanes.borrow().len()), (0, 0));
        assert_eq!(lanes.add(4, large(), LIMITS, &width, &tracker), Ok(()), "room was given back");
    });
}

/// A mirror that has hung for its `timeout` leaves a queue of copies whose time is over. Whoever took the first of them took all
/// of them in one go, and requests waited for that.
#[test]
fn others_have_their_turn_between_copies_that_wait_for_nothing() {
    on_a_worker(async {
        let (lanes, tracker, width) = (Lanes::default(), Tracker::default(), Arc::default());
        let (gate, done) = (Rc::<Notify>::default(), Rc::<Cell<usize>>::default());
        for _ in 0..RUNNING_MAX {
            assert_eq!(lanes.add(1, held(&gate, &done, 0), LIMITS, &width, &tracker), Ok(()));
        }
        let many = LaneLimits { waiting: 1000, ..LIMITS };
        for _ in 0..many.waiting {
            let done = Rc::clone(&done);
            let work = async move { done.set(done.get() + 1) };
            assert_eq!(lanes.add(1, load(work, 0), many, &width, &tracker), Ok(()));
        }
        let mut most = 0;
        while !tracker.is_empty() {
            let before = done.get();
            gate.notify_one();
            tokio::task::yield_now().await;
            most = most.max(done.get() - before);
        }
        assert_eq!(done.get(), RUNNING_MAX + many.waiting);
        assert!(most <= RUNNING_MAX, "{most} at once");
    });
}

/// Behind a mirror that hung, 64 connections were given up and 64 others opened all at once, whenever the time of the copies
/// was over, and a hundredth of all requests waited for that.
#[test]
fn a_lane_whose_work_runs_out_of_time_becomes_narrow_and_wide_again_when_it_is_answered() {
    on_a_worker(async {
        let (lanes, tracker, width) = (Lanes::default(), Tracker::default(), Arc::default());
        let gate = Rc::<Notify>::default();
        let wait = |end: CopyEnd| {
            let gate = Rc::clone(&gate);
            ending(end, async move { gate.notified().await }, 0)
        };
        let many = LaneLimits { waiting: 640, ..LIMITS };
        for _ in 0..RUNNING_MAX + 10 {
            assert_eq!(lanes.add(1, wait(CopyEnd::TimedOut), many, &width, &tracker), Ok(()));
        }
        settle().await;
        gate.notify_waiters();
        settle().await;
        assert_eq!((tracker.len(), lanes.waiting()), (1, 9), "one runs, and the others wait for it");
        assert!(
            !lanes.has_room(1, 576) && lanes.has_room(1, 640),
            "a 64th of the queue is left, and one place of it"
        );
        assert_eq!(lanes.add(1, wait(CopyEnd::Answered), many, &width, &tracker), Ok(()));
        assert_eq!(lanes.add(1, wait(CopyEnd::Answered), many, &width, &tracker), Err(LaneFull));
        for left in (0..10).rev() {
            gate.notify_waiters();
            settle().await;
            assert_eq!((tracker.len(), lanes.waiting()), (1, left), "none of them made it narrower than one");
        }
        for _ in 0..3 {
            assert_eq!(lanes.add(1, wait(CopyEnd::Answered), many, &width, &tracker), Ok(()));
        }
        gate.notify_waiters();
        settle().await;
        assert_eq!(
            (tracker.len(), lanes.waiting()),
            (1, 2),
            "it is wider now, and the next copy makes use of that"
        );
        assert_eq!(lanes.add(1, wait(CopyEnd::Answered), many, &width, &tracker), Ok(()));
        settle().await;
        assert_eq!((tracker.len(), lanes.waiting()), (2, 2));
    });
}

/// What waits behind one that hung has waited for too long and is not begun, so that nothing is left in the lane. It was
/// forgotten with its width then, and the next copies were 64 at a time again.
#[test]
fn a_narrow_lane_that_was_empty_for_a_while_is_still_narrow() {
    on_a_worker(async {
        let (lanes, tracker, width) = (Lanes::default(), Tracker::default(), Arc::default());
        for _ in 0..RUNNING_MAX {
            let hung = ending(CopyEnd::TimedOut, std::future::ready(()), 0);
            assert_eq!(lanes.add(1, hung, LIMITS, &width, &tracker), Ok(()));
        }
        tracker.emptied().await;
        assert!(lanes.0.lanes.borrow().is_empty());
        let (gate, done) = (Rc::<Notify>::default(), Rc::<Cell<usize>>::default());
        let many = LaneLimits { waiting: 640, ..LIMITS };
        for _ in 0..5 {
            assert_eq!(lanes.add(1, held(&gate, &done, 0), many, &width, &tracker), Ok(()));
        }
        settle().await;
        assert_eq!((tracker.len(), lanes.waiting()), (1, 4));
        // Another mirror knows nothing of that.
        let other = Arc::default();
        for _ in 0..5 {
            assert_eq!(lanes.add(2, held(&gate, &done, 0), many, &other, &tracker), Ok(()));
        }
        assert_eq!((tracker.len(), lanes.waiting()), (6, 4));
    });
}

/// Lets everything run that can.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}
