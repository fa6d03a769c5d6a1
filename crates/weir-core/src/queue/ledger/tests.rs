//! The rules one by one; `simulation.rs` mixes them.

#![allow(clippy::unwrap_used)]

mod company;

use std::time::Duration;

use super::super::{
    Burial, Effect, Effects, Failure, Full, Ledger, Next, NoRoom, Outcome, QueueLimits, Refusal, Restored,
    Sequence, ServerId, State, Verdict, WantedTarget,
};

const OK: Outcome = Outcome::Answered { status: 200, retry_after: None };
const RESET: Outcome = Outcome::Failed(Failure::Reset);
const A: ServerId = ServerId(0);
const B: ServerId = ServerId(1);

fn seconds(count: u64) -> Duration {
    Duration::from_secs(1_000_000 + count)
}

fn status(status: u16) -> Outcome {
    Outcome::Answered { status, retry_after: None }
}

/// A ledger with two servers, and a list of all its effects.
struct Bench {
    ledger: Ledger,
    effects: Effects,
    now: Duration,
}

impl Bench {
    fn new(limits: QueueLimits) -> Self {
        let mut ledger = Ledger::new(limits, Sequence(1));
        ledger.configure(&["a:1", "b:1"], seconds(0));
        Self { ledger, effects: Effects::new(), now: seconds(0) }
    }

    /// A write of 100 bytes for A and B; says who gets a live copy.
    fn accept(&mut self) -> (Sequence, Vec<ServerId>) {
        self.try_accept().unwrap()
    }

    fn try_accept(&mut self) -> Result<(Sequence, Vec<ServerId>), NoRoom> {
        let room = self.ledger.reserve(100, self.now, &mut self.effects)?;
        let sequence = self.ledger.number();
        let targets = [A, B].map(|server| WantedTarget { server, live: true });
        Ok((sequence, self.ledger.accept(room, sequence, &targets, true, self.now).to_vec()))
    }

    fn settle(&mut self, sequence: Sequence, server: ServerId, outcome: Outcome) -> Verdict {
        self.ledger.settle(sequence, server, outcome, u64::MAX, self.now, &mut self.effects)
    }

    fn finish(&mut self, sequence: Sequence, server: ServerId, outcome: Outcome) -> Verdict {
        self.ledger.finish(sequence, server, outcome, u64::MAX, self.now, &mut self.effects)
    }

    fn next(&mut self) -> Next {
        self.ledger.next(self.now, &mut self.effects)
    }

    fn closed(&self, server: ServerId) -> bool {
        self.ledger.lanes()[server.index()].gate().is_closed()
    }

    /// Everything waits for both.
    fn wait_all(&mut self, count: usize) -> Vec<Sequence> {
        (0..count)
            .map(|_| {
                let (sequence, live) = self.accept();
                for server in live {
                    self.settle(sequence, server, RESET);
                }
                sequence
            })
            .collect()
    }
}

fn deliver(server: ServerId, sequence: Sequence, failures: u32) -> Next {
    Next::Deliver { server, sequence, failures }
}

/// `semantics.md` §3.2: no live copy until the backlog is empty and none is in flight.
#[test]
fn a_gate_closes_with_the_first_failure_and_opens_when_nothing_is_left() {
    let mut bench = Bench::new(QueueLimits::default());
    let (first, live) = bench.accept();
    assert_eq!(live, [A, B]);
    assert_eq!(bench.settle(first, A, OK), Verdict::Delivered);
    assert_eq!(bench.settle(first, B, RESET), Verdict::Again);
    assert!(bench.closed(B) && !bench.closed(A));
    let (second, live) = bench.accept();
    assert_eq!(live, [A], "B gets it from its backlog");
    bench.now += seconds(1) - seconds(0);
    assert_eq!(bench.next(), deliver(B, first, 1));
    assert_eq!(bench.next(), Next::Wait(seconds(0) + QueueLimits::default().keep), "one at a time");
    bench.finish(first, B, OK);
    assert!(bench.closed(B), "the second one waits");
    assert_eq!(bench.next(), deliver(B, second, 0));
    assert!(bench.closed(B), "the second one is in flight");
    bench.finish(second, B, OK);
    assert!(!bench.closed(B));
    assert_eq!(bench.accept().1, [A, B]);
    assert_eq!(
        bench.effects.last(),
        Some(&Effect::Settled { sequence: second, server: B }),
        "A has not said"
    );
}

/// A copy that failed for want of something of ours counted as a failure of its server, which then was left alone for longer
/// and longer. The order holds all the same.
#[test]
fn what_fails_here_is_not_counted_against_the_server() {
    let here = Outcome::Failed(Failure::Here);
    let mut bench = Bench::new(QueueLimits::default());
    let (first, _) = bench.accept();
    bench.settle(first, B, here);
    assert!(bench.closed(B), "nothing overtakes what waits");
    for _ in 0..20 {
        bench.now += Duration::from_millis(250);
        assert_eq!(bench.next(), deliver(B, first, 0), "tried again soon, each time");
        bench.finish(first, B, here);
    }
    let lane = &bench.ledger.lanes()[B.index()];
    assert_eq!((lane.failures(), lane.counts().failures_total), (0, 0));
    assert_eq!(lane.last_failure(), Some(here));
}

/// What is known of a server that is down is not forgotten because something failed here.
#[test]
fn what_fails_here_does_not_make_a_server_that_is_down_well() {
    let here = Outcome::Failed(Failure::Here);
    let mut bench = Bench::new(QueueLimits::default());
    let (first, _) = bench.accept();
    let (second, _) = bench.accept();
    bench.settle(first, B, Outcome::Answered { status: 503, retry_after: Some(Duration::from_secs(60)) });
    bench.settle(second, B, here);
    bench.now += Duration::from_secs(59);
    assert!(matches!(bench.next(), Next::Wait(_)), "the server has said when");
    bench.now += Duration::from_secs(1);
    assert_eq!(bench.next(), deliver(B, first, 1));
    bench.finish(first, B, here);
    assert_eq!(bench.ledger.lanes()[B.index()].failures(), 1);
}

/// A live copy that fails after later ones were sent takes its place by its number.
#[test]
fn a_late_failure_goes_before_what_came_after_it() {
    let mut bench = Bench::new(QueueLimits::default());
    let (first, _) = bench.accept();
    let (second, _) = bench.accept();
    bench.settle(second, A, status(503));
    bench.settle(first, A, RESET);
    bench.now += Duration::from_millis(250);
    assert_eq!(bench.next(), deliver(A, first, 1), "two failures of live copies count as one");
}

#[test]
fn repeats_wait_longer_and_longer_and_a_refusal_lets_the_next_one_go() {
    let mut bench = Bench::new(QueueLimits::default());
    let writes = bench.wait_all(2);
    let mut waits = Vec::new();
    for _ in 0..8 {
        loop {
            match bench.next() {
                Next::Deliver { server: A, sequence, .. } => {
                    assert_eq!(sequence, writes[0]);
                    break;
                }
                Next::Deliver { server, sequence, .. } => {
                    bench.finish(sequence, server, OK);
                }
                Next::Wait(until) => bench.now = until,
                Next::Nothing => panic!("it waits"),
            }
        }
        waits.push(bench.now);
        bench.finish(writes[0], A, status(500));
    }
    let gaps: Vec<u128> = waits.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert_eq!(gaps, [499, 999, 1999, 3999, 7999, 9999, 9999], "just under the whole span");
    bench.ledger.wake(A, bench.now);
    assert_eq!(bench.next(), deliver(A, writes[0], 9));
    assert_eq!(bench.finish(writes[0], A, status(422)), Verdict::Refused);
    assert_eq!(bench.next(), deliver(A, writes[1], 0), "at once, and not as a failure");
    let dead = bench.ledger.write(writes[0]).and_then(|write| write.state(A));
    let burial = Burial::Refused { status: 422 };
    assert_eq!(dead, Some(State::Dead { burial, since: bench.now }));
}

#[test]
fn what_the_server_says_about_when_holds() {
    let mut bench = Bench::new(QueueLimits::default());
    let (first, _) = bench.accept();
    let (second, _) = bench.accept();
    bench.settle(first, B, OK);
    let later = Outcome::Answered { status: 503, retry_after: Some(Duration::from_secs(30)) };
    bench.settle(first, A, later);
    bench.settle(second, A, OK);
    assert_eq!(bench.next(), Next::Wait(seconds(30)), "a live copy that got through does not overrule it");
    bench.now = seconds(30);
    assert_eq!(bench.next(), deliver(A, first, 1));
}

#[test]
fn a_live_copy_that_gets_through_shows_that_the_server_is_back() {
    let mut bench = Bench::new(QueueLimits::default());
    let (first, _) = bench.accept();
    let (second, _) = bench.accept();
    bench.settle(first, A, RESET);
    assert!(matches!(bench.next(), Next::Wait(_)));
    bench.settle(second, A, OK);
    assert_eq!(bench.next(), deliver(A, first, 1));
}

/// `semantics.md` §3.3: `keep`, then a dead letter, also for a server that is configured no more.
#[test]
fn what_nobody_got_in_time_becomes_a_dead_letter() {
    let keep = Duration::from_secs(60);
    let mut bench = Bench::new(QueueLimits { keep, ..QueueLimits::default() });
    let first = bench.wait_all(1)[0];
    bench.now = seconds(30);
    bench.ledger.configure(&["a:1"], bench.now);
    let second = bench.wait_all(1)[0];
    bench.now = seconds(60);
    assert_eq!(bench.next(), deliver(A, second, 1), "the first expired at this moment");
    bench.next();
    for server in [A, B] {
        let state = bench.ledger.write(first).and_then(|write| write.state(server));
        assert_eq!(state, Some(State::Dead { burial: Burial::Expired, since: bench.now }));
    }
    assert_eq!(bench.ledger.lanes()[1].counts().expired_total, 1);
    assert_eq!((bench.ledger.backlog_bytes(), bench.ledger.dead_letters()), (100, ((1, 100), (0, 0))));
    // Revived, it has all of `keep` again and its old place.
    bench.ledger.revive(first, A, bench.now, &mut bench.effects).unwrap();
    bench.finish(second, A, RESET);
    bench.now = seconds(119);
    assert_eq!(bench.next(), deliver(A, first, 2));
    assert_eq!(bench.ledger.revive(first, A, bench.now, &mut bench.effects), Err(Refusal::NotDead));
    let busy = bench.ledger.discard(first, A, &mut bench.effects);
    assert_eq!(busy, Err(Refusal::InProgress));
}

#[test]
fn a_full_backlog_refuses_or_drops_the_oldest() {
    let limits = QueueLimits { backlog_bytes_max: 250, ..QueueLimits::default() };
    let mut bench = Bench::new(limits);
    let writes = bench.wait_all(2);
    assert_eq!(bench.try_accept(), Err(NoRoom));
    assert_eq!(bench.ledger.backlog_writes(), 2, "nothing was dropped");

    let mut bench = Bench::new(QueueLimits { full: Full::DropOldest, ..limits });
    let old = bench.wait_all(2);
    assert_eq!(old, writes);
    let (_, live) = bench.try_accept().unwrap();
    assert!(live.is_empty());
    assert!(matches!(bench.ledger.write(old[0]).unwrap().state(A), Some(State::Dead { .. })));
    assert_eq!(bench.ledger.lanes()[0].counts().dropped_total, 1);
    let too_large = bench.ledger.reserve(251, bench.now, &mut bench.effects);
    assert_eq!(too_large, Err(NoRoom));
    assert_eq!(bench.ledger.backlog_writes(), 2, "for what can never fit nothing is dropped");
}

/// What a driver sends is not in the backlog: it can't be dropped.
#[test]
fn live_copies_are_not_dropped() {
    let limits = QueueLimits { backlog_writes_max: 2, full: Full::DropOldest, ..QueueLimits::default() };
    let mut bench = Bench::new(limits);
    let (first, _) = bench.accept();
    bench.accept();
    assert_eq!(bench.try_accept(), Err(NoRoom));
    bench.settle(first, A, RESET);
    assert_eq!(bench.try_accept(), Err(NoRoom), "B still gets its live copy of the first");
    assert!(matches!(bench.ledger.write(first).unwrap().state(A), Some(State::Dead { .. })));
}

/// A dead letter that all have refused, or all but B.
fn bury(bench: &mut Bench, taken: bool) -> Sequence {
    let (sequence, _) = bench.accept();
    bench.settle(sequence, A, status(400));
    bench.settle(sequence, B, if taken { OK } else { status(422) });
    sequence
}

/// What some server has taken may have been acknowledged (`semantics.md` §3.3). The oldest of them was forgotten silently.
#[test]
fn with_reject_no_write_is_taken_while_dead_letters_are_full() {
    for bound in [
        QueueLimits { dead_writes_max: 2, ..QueueLimits::default() },
        QueueLimits { dead_bytes_max: 101, ..QueueLimits::default() },
    ] {
        let mut bench = Bench::new(bound);
        let first = bury(&mut bench, true);
        let (second, _) = bench.accept();
        let (third, _) = bench.accept();
        for sequence in [second, third] {
            bench.settle(sequence, A, status(400));
            bench.settle(sequence, B, OK);
        }
        let lanes = bench.ledger.lanes();
        assert_eq!(
            (lanes[0].dead(), lanes[0].counts().forgotten_total),
            (3, 0),
            "those in progress are kept"
        );
        assert_eq!(bench.try_accept(), Err(NoRoom));
        for sequence in [first, second, third] {
            bench.ledger.discard(sequence, A, &mut bench.effects).unwrap();
        }
        assert!(bench.try_accept().is_ok(), "people have made room");
        assert_eq!(bench.ledger.forgotten_total(), 0);
    }
}

/// Else a client who sends nonsense for long enough stops the writes of all others.
#[test]
fn what_all_servers_have_refused_is_forgotten_first_and_takes_no_room() {
    for full in [Full::Reject, Full::DropOldest] {
        let mut bench = Bench::new(QueueLimits { dead_writes_max: 2, full, ..QueueLimits::default() });
        let kept = bury(&mut bench, true);
        let refused: Vec<Sequence> = (0..5).map(|_| bury(&mut bench, false)).collect();
        assert!(bench.ledger.write(kept).is_some() && bench.ledger.write(refused[4]).is_some());
        assert_eq!(bench.ledger.lanes()[0].dead(), 2);
        assert_eq!(bench.ledger.lanes()[1].counts().forgotten_total, 4);
        assert_eq!(bench.ledger.forgotten_total(), 0, "nobody was told that they are kept");
        assert!(bench.effects.contains(&Effect::Gone { sequence: refused[0] }));

        // Tried again, it is one as all others as soon as somebody takes it.
        let (late, _) = bench.accept();
        bench.ledger.revive(refused[4], A, bench.now, &mut bench.effects).unwrap();
        assert_eq!(bench.next(), deliver(A, refused[4], 0));
        bench.finish(refused[4], A, OK);
        bench.settle(late, A, status(400));
        bench.settle(late, B, status(400));
        assert!(bench.ledger.write(refused[4]).is_some());
        assert_eq!(bench.try_accept().is_err(), full == Full::Reject, "two must be kept");
    }
}

/// What one server takes and another refuses may have been acknowledged, so such writes do fill the bound; and what all that can be
/// asked refuse waits for the one that can't be.
#[test]
fn what_not_all_servers_have_refused_takes_room() {
    let limits = QueueLimits { dead_writes_max: 3, backlog_writes_max: 2, ..QueueLimits::default() };
    let mut bench = Bench::new(limits);
    for kept in 1..=3 {
        bury(&mut bench, false);
        bury(&mut bench, true);
        assert_eq!(bench.ledger.dead_letters().0.0, kept);
    }
    assert_eq!(bench.try_accept(), Err(NoRoom), "one server has taken each of three");

    let mut bench = Bench::new(limits);
    for _ in 0..2 {
        let (sequence, live) = bench.accept();
        bench.settle(sequence, A, status(400));
        if live.contains(&B) {
            bench.settle(sequence, B, RESET);
        }
    }
    assert_eq!((bench.ledger.backlog_writes(), bench.ledger.dead_letters().0.0), (2, 0));
    assert_eq!(bench.try_accept(), Err(NoRoom), "they wait for B");
}

#[test]
fn with_drop_oldest_the_oldest_dead_letter_goes_and_never_the_newest() {
    let limits = QueueLimits { dead_writes_max: 2, full: Full::DropOldest, ..QueueLimits::default() };
    let mut bench = Bench::new(limits);
    let writes = [0; 3].map(|_| bury(&mut bench, true));
    assert!(bench.ledger.write(writes[0]).is_none() && bench.ledger.write(writes[1]).is_some());
    assert_eq!((bench.ledger.lanes()[0].counts().forgotten_total, bench.ledger.forgotten_total()), (1, 1));
    assert_eq!(bench.effects.last(), Some(&Effect::Gone { sequence: writes[0] }));
    // Each of them is larger than all that there may be.
    for taken in [true, false] {
        let limits = QueueLimits { dead_bytes_max: 50, full: Full::DropOldest, ..QueueLimits::default() };
        let mut bench = Bench::new(limits);
        let large = bury(&mut bench, taken);
        assert!(bench.ledger.write(large).is_some(), "one that is too large is kept until the next");
        let next = bury(&mut bench, taken);
        assert!(bench.ledger.write(large).is_none() && bench.ledger.write(next).is_some());
    }
}

#[test]
fn orphans_keep_what_waits_and_get_it_when_they_come_back() {
    let mut bench = Bench::new(QueueLimits::default());
    let first = bench.wait_all(1)[0];
    bench.ledger.configure(&["b:1", "c:1"], bench.now);
    bench.now = seconds(5);
    assert_eq!(bench.next(), deliver(B, first, 1));
    assert!(matches!(bench.next(), Next::Wait(_)));
    assert_eq!(bench.ledger.lanes()[0].backlog(), 1);
    let gates = bench.ledger.configure(&["a:1"], bench.now);
    assert_eq!(gates[0].server(), A, "the number stays");
    assert_eq!(bench.next(), deliver(A, first, 1));
}

#[test]
fn a_write_in_memory_waits_for_its_body_and_goes_with_its_driver() {
    let mut bench = Bench::new(QueueLimits::default());
    let accept_part = |bench: &mut Bench| {
        let room = bench.ledger.reserve(10, bench.now, &mut bench.effects).unwrap();
        let sequence = bench.ledger.number();
        let targets = [A, B].map(|server| WantedTarget { server, live: server == A });
        assert_eq!(bench.ledger.accept(room, sequence, &targets, false, bench.now).to_vec(), [A]);
        sequence
    };
    let part = accept_part(&mut bench);
    assert!(matches!(bench.next(), Next::Wait(_)), "nobody can send it to B yet");
    bench.settle(part, A, status(400));
    bench.ledger.release(part, bench.now, &mut bench.effects);
    assert!(bench.ledger.write(part).is_none() && !bench.closed(B));
    assert_eq!((bench.ledger.abandoned_total(), bench.ledger.lanes()[0].dead()), (1, 0));

    let whole = accept_part(&mut bench);
    bench.ledger.supply(whole, 90, &mut bench.effects);
    assert_eq!(bench.ledger.backlog_bytes(), 100);
    bench.ledger.supply(whole, 90, &mut bench.effects);
    assert_eq!(bench.ledger.backlog_bytes(), 100, "once");
    bench.ledger.release(whole, bench.now, &mut bench.effects);
    assert_eq!(bench.next(), deliver(A, whole, 0), "the driver went away: at once");
    assert_eq!(bench.next(), deliver(B, whole, 0));
    assert_eq!(bench.ledger.abandoned_total(), 1);
}

/// `order: strict` of `semantics.md` §3.2.
#[test]
fn strict_order_sends_one_at_a_time_also_live() {
    let mut bench = Bench::new(QueueLimits { strict_order: true, ..QueueLimits::default() });
    let (first, live) = bench.accept();
    assert_eq!(live, [A, B]);
    let (second, live) = bench.accept();
    assert!(live.is_empty());
    assert!(matches!(bench.next(), Next::Wait(_)), "the first is on its way");
    bench.settle(first, A, OK);
    assert_eq!(bench.next(), deliver(A, second, 0));
    bench.settle(first, B, RESET);
    bench.now = seconds(1);
    assert_eq!(bench.next(), deliver(B, first, 1));
}

/// Whoever ever joined was known for ever, and each step of a delivery walked past all of them.
#[test]
fn servers_that_come_and_go_leave_nothing_behind() {
    let mut bench = Bench::new(QueueLimits::default());
    let kept = bench.ledger.configure(&["a:1", "b:1"], bench.now);
    for number in 0..100_000 {
        let name = format!("x{number}:1");
        let gates = bench.ledger.configure(&["a:1", "b:1", &name], bench.now);
        assert_eq!((gates[0].server(), gates[1].server()), (A, B));
        assert_eq!(bench.ledger.lanes()[gates[2].server().index()].name(), name);
    }
    assert_eq!(bench.ledger.lanes().len(), 3);
    assert!(kept.iter().all(|gate| !gate.is_closed()));
}

/// A write would reach a server that it was never meant for.
#[test]
fn a_number_is_not_given_to_another_server_while_anything_is_kept_or_anybody_knows_it() {
    let number_of =
        |bench: &mut Bench, name: &str| bench.ledger.configure(&["a:1", name], bench.now)[1].server();
    // Somebody knows it: a request that began when it was there.
    let mut bench = Bench::new(QueueLimits::default());
    let known = bench.ledger.configure(&["a:1", "b:1"], bench.now);
    assert_ne!(number_of(&mut bench, "c:1"), B);
    drop(known);
    assert_eq!(number_of(&mut bench, "d:1"), B);
    // A live copy, a backlog, a dead letter.
    for (outcome, is_free) in
        [(None, false), (Some(RESET), false), (Some(status(422)), false), (Some(OK), true)]
    {
        let mut bench = Bench::new(QueueLimits::default());
        let (sequence, _) = bench.accept();
        bench.settle(sequence, A, OK);
        if let Some(outcome) = outcome {
            bench.settle(sequence, B, outcome);
        }
        assert_eq!(number_of(&mut bench, "c:1") == B, is_free, "{outcome:?}");
        assert_eq!(number_of(&mut bench, "b:1"), B, "it comes back to what is kept for it");
    }
    // One that is delivered just now.
    let mut bench = Bench::new(QueueLimits::default());
    bench.wait_all(1);
    bench.now += Duration::from_secs(60);
    while matches!(bench.next(), Next::Deliver { .. }) {}
    assert_ne!(number_of(&mut bench, "c:1"), B);
    // The same name twice is one server, also a new one.
    let twice = bench.ledger.configure(&["n:1", "n:1"], bench.now);
    assert_eq!(twice[0].server(), twice[1].server());
}

/// What is known of a server is about the one that had the number before.
#[test]
fn whoever_gets_a_number_begins_with_nothing() {
    let mut bench = Bench::new(QueueLimits::default());
    for sequence in bench.wait_all(3) {
        bench.ledger.discard(sequence, B, &mut bench.effects).unwrap();
    }
    assert!(bench.ledger.lanes()[B.index()].counts().failures_total > 0);
    let gates = bench.ledger.configure(&["a:1", "c:1"], bench.now);
    let lane = &bench.ledger.lanes()[gates[1].server().index()];
    assert_eq!((gates[1].server(), lane.name(), lane.failures(), lane.due()), (B, "c:1", 0, bench.now));
    assert_eq!((lane.counts(), lane.last_failure(), lane.is_configured()), (Default::default(), None, true));
}
