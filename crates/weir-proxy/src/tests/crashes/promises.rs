//! What `semantics.md` promises, held against what servers and clients saw and what is on the disk. `check_books` holds at every
//! moment, so also at the one in which the process dies.

use std::time::Duration;

use weir_core::dispatch::Mode;

use super::disk::lock;
use super::scene::{ANSWER_HEAD, ANSWER_TIMEOUT};
use super::world::{Visit, Way, World};
use crate::tests::message::Incoming;

/// How long a copy of a loser may still be there (`semantics.md` §2.4), and a moment for whoever notices.
const LINGER: Duration = Duration::from_millis(25);

/// What the disk needs for a commit at most.
const COMMIT: Duration = Duration::from_millis(60);

/// Whether a server has said that it takes it.
fn has(world: &World, request: usize, server: usize) -> bool {
    said(world, request, server, |status| status < 400)
}

fn has_refused(world: &World, request: usize, server: usize) -> bool {
    said(world, request, server, |status| status == 409)
}

fn said(world: &World, request: usize, server: usize, means: impl Fn(u16) -> bool) -> bool {
    world.history.visits.borrow().iter().any(|visit| {
        let is_it = visit.request == request && visit.server == server;
        is_it && visit.status.is_some_and(|(status, _)| means(status))
    })
}

/// `semantics.md` §3.3, of every write that was committed, whatever its client was told.
pub(super) fn check_books(world: &World) {
    let disk = lock(&world.history.disk);
    for commit in &disk.commits {
        let servers = 0..world.scene.servers;
        // Such a dead letter may be forgotten: nobody was told that it is kept.
        let all_refused = servers.clone().all(|server| has_refused(world, commit.request, server));
        for server in servers {
            let is_kept = disk.keeps(commit.sequence, server) || has(world, commit.request, server);
            assert!(is_kept || all_refused, "{} is lost for {server}", commit.sequence);
        }
    }
}

/// A request has come to a server, whole.
pub(super) fn check_visit(world: &World, visit: &Visit, got: &Incoming) {
    let number = visit.request;
    let asked = &world.scene.requests[number];
    assert!(got.content == asked.content && got.method() == asked.method, "{number}: not what was asked");
    let visits = world.history.visits.borrow();
    let earlier: Vec<_> =
        visits.iter().filter(|one| one.request == number && one.server == visit.server).collect();
    // A kept connection that was closed without a byte may have been dead before (`semantics.md` §2.2).
    let was_dead = |one: &&&Visit| one.reused && one.status.is_none();
    if visit.server == world.scene.mirror() {
        assert_eq!(got.field("X-Weir-Mirror"), Some("1"), "{number}");
        assert!(world.history.requests.borrow()[number].sent.is_some(), "{number}: a copy of a part");
        assert_eq!(earlier.iter().filter(|one| !was_dead(one)).count(), 0, "{number}: mirrored twice");
        return;
    }
    assert_eq!(got.field("X-Weir-Mirror"), None, "{number}");
    if world.scene.mode != Mode::Duplicate {
        return;
    }
    let key = &visit.key;
    assert!(
        key.is_some()
            && visits
                .iter()
                .all(|one| one.request != number || one.server == world.scene.mirror() || one.key == *key)
    );
    let disk = lock(&world.history.disk);
    let commit = disk.commit_of(number).unwrap_or_else(|| panic!("{number} is sent and was not committed"));
    assert!(disk.owes(commit.sequence, visit.server), "{number}: {} does not need it", visit.server);
    // `semantics.md` §3.1: at least once, but not again when it has said so and somebody has heard.
    let has_taken = world.store.has_taken(commit.sequence, visit.server);
    assert!(!has_taken, "{number}: {} has said that it has it", visit.server);
    match visit.way {
        Way::Live => {
            assert!(commit.live.contains(&visit.server) && commit.life == visit.life, "{number} is not live");
            let lives = earlier.iter().filter(|one| one.way == Way::Live && !was_dead(one)).count();
            assert_eq!(lives, 0, "{number}: live twice at {}", visit.server);
        }
        Way::Delivery => {
            let oldest = world.store.oldest(visit.server);
            assert_eq!(oldest, Some(commit.sequence), "{number}: the order of {}", visit.server);
        }
    }
}

/// The head of an answer has come to its client.
pub(super) fn check_answer(world: &World, number: usize) {
    check_books(world);
    let requests = world.history.requests.borrow();
    let request = &requests[number];
    let answer = request.answer.as_ref().unwrap();
    if let Some(visit) = answer.visit {
        let visit = &world.history.visits.borrow()[visit];
        assert_eq!(
            (visit.request, visit.status.unwrap().0),
            (number, answer.status),
            "somebody else's answer"
        );
        assert_ne!(visit.server, world.scene.mirror(), "{number}: a mirror has answered");
    }
    let sent = request.sent.unwrap();
    let servers = world.scene.servers;
    match world.scene.mode {
        Mode::Duplicate => {
            let took = answer.came - sent;
            assert!(took <= ANSWER_TIMEOUT + COMMIT, "{number}: an answer after {took:?}");
            if answer.status < 400 {
                let disk = lock(&world.history.disk);
                assert!(disk.commit_of(number).is_some(), "{number} is acknowledged and was not committed");
                let have = (0..servers).filter(|server| has(world, number, *server)).count();
                let needed = world.scene.needed();
                assert!(have >= needed, "{number}: {have} servers have it instead of {needed}");
            }
            if answer.status == 409 && world.scene.needed() == 1 {
                let refused = (0..servers).filter(|server| has_refused(world, number, *server)).count();
                assert_eq!(refused, servers, "{number}: somebody may still take it");
            }
        }
        Mode::Race if answer.status >= 500 => {
            for visit in world.history.visits.borrow().iter().filter(|visit| visit.request == number) {
                let comes = visit.plan.is_some_and(|(status, at)| {
                    status < 500 && at > answer.came && at < visit.began + ANSWER_HEAD
                });
                let counts = visit.server != world.scene.mirror();
                assert!(!comes || !counts, "{number}: a usable answer was still to come: {visit:?}");
            }
        }
        _ => {}
    }
}

/// Nobody is there any more and everything has been delivered.
pub(super) fn check_end(world: &World) {
    check_books(world);
    let disk = lock(&world.history.disk);
    let requests = world.history.requests.borrow();
    for commit in &disk.commits {
        for server in 0..world.scene.servers {
            assert!(!disk.owes(commit.sequence, server), "{server} waits for {}", commit.sequence);
        }
        assert!(requests[commit.request].sent.is_some(), "{} was never whole", commit.request);
    }
    for (number, request) in requests.iter().enumerate() {
        let is_excused = request.left || request.life != Some(world.life);
        assert!(request.answer.is_some() || is_excused, "no answer to {number}: {request:?}");
        check_cancelled(world, number);
    }
}

/// `semantics.md` §2.4: who lost has no more to do.
fn check_cancelled(world: &World, number: usize) {
    if !matches!(world.scene.mode, Mode::Race | Mode::Hedge) {
        return;
    }
    let requests = world.history.requests.borrow();
    let Some(whole) = requests[number].answer.as_ref().and_then(|answer| answer.whole) else { return };
    for visit in world.history.visits.borrow().iter().filter(|visit| visit.request == number) {
        let late = visit.status.is_some_and(|(_, at)| at > whole + LINGER);
        assert!(!late || visit.server == world.scene.mirror(), "{number}: not cancelled: {visit:?}");
    }
}
