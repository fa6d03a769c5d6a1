//! What both kinds of a queue promise, over the port.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod crash;
mod file;
mod rig;
mod speed;
mod succession;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use weir_core::ports::queue::{AcceptError, QueueEvent, Selection, WriteQueue};
use weir_core::queue::{Burial, Failure, Full, Outcome, QueueLimits, Sequence, State};

use super::Queue;
use rig::{Directory, MemoryBody, Server, block_on, body, drain, new_write};

const OK: Outcome = Outcome::Answered { status: 200, retry_after: None };
const RESET: Outcome = Outcome::Failed(Failure::Reset);

/// Both kinds, with servers `a:1` and `b:1`.
fn each(limits: QueueLimits, test: impl AsyncFn(&Queue)) {
    let directory = Directory::new();
    for queue in [Queue::in_memory("q", limits), Queue::open(directory.path(), "q", limits).unwrap()] {
        queue.configure(&["a:1", "b:1"]);
        block_on(test(&queue));
    }
}

#[test]
fn a_write_that_all_have_got_leaves_nothing() {
    each(QueueLimits::default(), async |queue| {
        let mut write = queue.accept(new_write("w", &[0, 1]), Some(body(10))).await.unwrap();
        let live = write.live().to_vec();
        assert_eq!(live.len(), 2);
        for server in live {
            write.settle(server, OK);
            write.settle(server, RESET);
        }
        drop(write);
        let status = queue.status();
        assert_eq!((status.backlog_writes, status.backlog_bytes, status.accepted_total), (0, 0, 1));
        assert!(
            status.servers.iter().all(|server| server.counts.delivered_total == 1 && !server.gate_closed)
        );
    });
}

/// `semantics.md` §3.2: in order, and bodies of all sizes as they were.
#[test]
fn what_failed_is_delivered_in_order_with_its_body() {
    let sizes = [0, 1, 255 << 10, (256 << 10) + 1, 3 << 20];
    each(QueueLimits::default(), async |queue| {
        for (index, size) in sizes.into_iter().enumerate() {
            let mut write =
                queue.accept(new_write(&index.to_string(), &[0, 1]), Some(body(size))).await.unwrap();
            for server in write.live().to_vec() {
                write.settle(server, if server.0 == 0 { RESET } else { OK });
            }
        }
        assert!(queue.configure(&["a:1", "b:1"])[0].is_closed());
        let server = Rc::new(Server::new(|_| OK));
        drain(queue, &server).await;
        let got = server.got.borrow();
        assert_eq!(got.len(), sizes.len());
        for ((name, head, length), (index, size)) in got.iter().zip(sizes.into_iter().enumerate()) {
            assert_eq!((&**name, *length), ("a:1", size as u64));
            assert_eq!(*head, new_write(&index.to_string(), &[]).head);
        }
        assert!(!queue.configure(&["a:1", "b:1"])[0].is_closed());
    });
}

#[test]
fn pieces_of_any_size_make_the_same_body() {
    let directory = Directory::new();
    let queue = Queue::open(directory.path(), "q", QueueLimits::default()).unwrap();
    queue.configure(&["a:1"]);
    block_on(async {
        for piece in [1000, 4096, 100_000, 256 << 10] {
            let body = MemoryBody { piece, ..MemoryBody::new(700_000) };
            drop(queue.accept(new_write("w", &[0]), Some(Arc::new(body))).await.unwrap());
        }
        for wrong in [10, -10] {
            let body = MemoryBody { wrong, ..MemoryBody::new(700_000) };
            let refused = queue.accept(new_write("w", &[0]), Some(Arc::new(body))).await;
            assert!(matches!(refused, Err(AcceptError::Body(_))), "{wrong}");
        }
        assert_eq!(queue.status().backlog_writes, 4, "a body that lied about its length leaves nothing");
        let server = Rc::new(Server::new(|_| OK));
        drain(&queue, &server).await;
        assert_eq!(server.got.borrow().len(), 4);
    });
}

#[test]
fn who_waits_is_told_what_became_of_it() {
    each(QueueLimits::default(), async |queue| {
        let mut write = queue.accept(new_write("w", &[0, 1]), Some(body(5))).await.unwrap();
        let live = write.live().to_vec();
        write.settle(live[0], RESET);
        let mut next = queue.accept(new_write("x", &[0, 1]), Some(body(5))).await.unwrap();
        assert_eq!(next.live(), [live[1]]);
        next.settle(live[1], OK);
        write.settle(live[1], RESET);
        let server = Rc::new(Server::new(|name| match name {
            "a:1" => Outcome::Answered { status: 201, retry_after: None },
            _ => Outcome::Answered { status: 422, retry_after: None },
        }));
        drain(queue, &server).await;
        let mut watch = write.watch();
        for _ in 0..2 {
            match watch.next().await {
                QueueEvent::Delivered { server, status, answer } => {
                    assert_eq!((server, status), (live[0], 201));
                    assert_eq!(answer.unwrap().body, "answer of a:1");
                }
                QueueEvent::Buried { server, burial, answer } => {
                    assert_eq!((server, burial), (live[1], Burial::Refused { status: 422 }));
                    assert_eq!(answer.unwrap().body, "answer of b:1");
                }
            }
        }
        let QueueEvent::Delivered { .. } = next.watch().next().await else { panic!("delivered") };
    });
}

#[test]
fn a_driver_that_goes_away_leaves_its_copies_to_the_backlog() {
    each(QueueLimits::default(), async |queue| {
        let mut write = queue.accept(new_write("w", &[0, 1]), Some(body(5))).await.unwrap();
        let live = write.live().to_vec();
        write.settle(live[0], OK);
        drop(write);
        let server = Rc::new(Server::new(|_| OK));
        drain(queue, &server).await;
        assert_eq!(server.names(), ["b:1"]);
    });
}

#[test]
fn a_delivery_that_is_dropped_comes_again() {
    each(QueueLimits::default(), async |queue| {
        drop(queue.accept(new_write("w", &[0]), Some(body(5))).await.unwrap());
        let hanging = Rc::new(Server::new(|_| OK).hanging_for("a:1"));
        {
            let mut run = queue.run(hanging.clone());
            tokio::select! {
                () = &mut run => unreachable!("it runs for ever"),
                () = hanging.reached() => {}
            }
            assert!(queue.status().servers[0].in_flight);
        }
        let status = queue.status();
        assert!(
            !status.servers[0].in_flight && status.servers[0].gate_closed && status.servers[0].failures == 0
        );
        let server = Rc::new(Server::new(|_| OK));
        drain(queue, &server).await;
        assert_eq!(server.names(), ["a:1"]);
    });
}

#[test]
fn a_server_that_hangs_holds_up_nobody_else() {
    each(QueueLimits::default(), async |queue| {
        for _ in 0..3 {
            drop(queue.accept(new_write("w", &[0, 1]), Some(body(5))).await.unwrap());
        }
        let server = Rc::new(Server::new(|_| OK).hanging_for("a:1"));
        let all_of_b = async {
            while queue.status().servers[1].backlog > 0 {
                server.reached().await;
            }
        };
        tokio::select! {
            () = queue.run(server.clone()) => unreachable!("it runs for ever"),
            () = all_of_b => {}
        }
        assert_eq!(server.names(), ["b:1"; 3]);
    });
}

#[test]
fn a_full_backlog_accepts_nothing_and_says_so() {
    let limits = QueueLimits { backlog_bytes_max: 1000, ..QueueLimits::default() };
    each(limits, async |queue| {
        let write = queue.accept(new_write("w", &[0]), Some(body(600))).await.unwrap();
        let refused = queue.accept(new_write("x", &[0]), Some(body(600))).await;
        assert!(matches!(refused, Err(AcceptError::Full)));
        assert_eq!(queue.status().full_total, 1);
        let mut write = write;
        let live = write.live().to_vec();
        write.settle(live[0], OK);
        queue.accept(new_write("x", &[0]), Some(body(600))).await.unwrap();
    });
}

#[test]
fn the_oldest_goes_to_the_dead_letters_where_that_is_wanted() {
    let limits = QueueLimits { backlog_bytes_max: 1000, full: Full::DropOldest, ..QueueLimits::default() };
    each(limits, async |queue| {
        let mut first = queue.accept(new_write("w", &[0]), Some(body(600))).await.unwrap();
        let live = first.live().to_vec();
        first.settle(live[0], RESET);
        let second = queue.accept(new_write("x", &[0]), Some(body(600))).await.unwrap();
        assert_eq!(second.live(), live, "nothing waits any more");
        let mut watch = first.watch();
        let event = watch.next().await;
        assert!(matches!(event, QueueEvent::Buried { burial: Burial::Dropped, .. }));
        let listed = queue.list(Selection::default(), Sequence(0), 10).await.unwrap();
        assert_eq!(listed.len(), 2);
        assert!(matches!(listed[0].targets[0].state, State::Dead { burial: Burial::Dropped, .. }));
        assert_eq!(listed[0].head, new_write("w", &[]).head);
    });
}

/// `semantics.md` §3.3: a server has it, so it may have been acknowledged, and the other one must not lose it. It was forgotten
/// in the moment in which it became a dead letter, silently.
#[test]
fn a_dead_letter_larger_than_all_may_be_is_kept_and_no_write_is_taken_beside_it() {
    let limits = QueueLimits { dead_bytes_max: 1000, ..QueueLimits::default() };
    each(limits, async |queue| {
        let mut write = queue.accept(new_write("w", &[0, 1]), Some(body(300_000))).await.unwrap();
        let live = write.live().to_vec();
        write.settle(live[0], OK);
        write.settle(live[1], Outcome::Answered { status: 422, retry_after: None });
        drop(write);
        let status = queue.status();
        assert!(status.dead_letters_full && status.dead_kept.bytes > 300_000 && status.dead_kept.writes == 1);
        assert_eq!(status.servers[1].counts.forgotten_total, 0);
        let refused = queue.accept(new_write("x", &[0, 1]), Some(body(5))).await;
        assert!(matches!(refused, Err(AcceptError::Full)));
        assert_eq!(queue.status().full_total, 1);
        assert_eq!(queue.discard(Selection::default()).await.unwrap().entries, 1);
        queue.accept(new_write("y", &[0]), Some(body(5))).await.unwrap();
    });
}

#[test]
fn people_list_retry_and_throw_away() {
    each(QueueLimits::default(), async |queue| {
        let refusing = Rc::new(Server::new(|_| Outcome::Answered { status: 400, retry_after: None }));
        for name in ["0", "1", "2"] {
            drop(queue.accept(new_write(name, &[0, 1]), Some(body(5))).await.unwrap());
        }
        drain(queue, &refusing).await;
        let dead = |server: &str| Selection {
            server: Some(server.to_owned()),
            dead_only: true,
            ..Selection::default()
        };
        let listed = queue.list(dead("a:1"), Sequence(0), 2).await.unwrap();
        assert_eq!(listed.len(), 2);
        let rest = queue.list(dead("a:1"), Sequence(listed[1].sequence.0 + 1), 2).await.unwrap();
        assert_eq!(rest.len(), 1);
        assert!(queue.list(dead("nobody"), Sequence(0), 2).await.unwrap().is_empty());
        let one = Selection { sequence: Some(listed[0].sequence), ..dead("a:1") };
        assert_eq!(queue.discard(one.clone()).await.unwrap().entries, 1);
        assert_eq!(queue.discard(one).await.unwrap().entries, 0, "it is gone");
        assert_eq!(queue.retry(dead("a:1")).await.unwrap().entries, 2);
        let server = Rc::new(Server::new(|_| OK));
        drain(queue, &server).await;
        assert_eq!(server.names(), ["a:1", "a:1"]);
        assert_eq!(queue.discard(Selection::default()).await.unwrap().entries, 3);
        let status = queue.status();
        assert_eq!((status.backlog_writes, status.dead_writes(), status.dead_bytes()), (0, 0, 0));
        assert!(queue.list(Selection::default(), Sequence(0), 10).await.unwrap().is_empty());
    });
}

#[test]
fn in_memory_a_write_may_be_accepted_before_its_body() {
    let queue = Queue::in_memory("q", QueueLimits::default());
    queue.configure(&["a:1", "b:1"]);
    block_on(async {
        let mut write = queue.accept(new_write("w", &[0, 1]), None).await.unwrap();
        let live = write.live().to_vec();
        write.settle(live[0], RESET);
        let server = Rc::new(Server::new(|_| OK));
        let supplied = async {
            // Nothing is delivered before the body is there.
            tokio::task::yield_now().await;
            assert!(server.got.borrow().is_empty());
            write.supply(body(7));
            write.settle(live[1], OK);
            while queue.status().backlog_writes > 0 {
                server.reached().await;
            }
        };
        tokio::select! {
            () = queue.run(server.clone()) => unreachable!("it runs for ever"),
            () = supplied => {}
        }
        assert_eq!(server.got.borrow()[0].2, 7);

        let part = queue.accept(new_write("x", &[0, 1]), None).await.unwrap();
        drop(part);
        let status = queue.status();
        assert_eq!((status.backlog_writes, status.abandoned_total), (0, 1));
    });
}

/// The waits between deliveries, on a clock that only moves when everybody waits.
#[test]
fn repeats_come_by_themselves_and_keep_ends_them() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let limits = QueueLimits { keep: Duration::from_secs(100), ..QueueLimits::default() };
        let queue = Queue::in_memory("q", limits);
        queue.configure(&["a:1"]);
        drop(queue.accept(new_write("w", &[0]), Some(body(5))).await.unwrap());
        let server = Rc::new(Server::new(|_| RESET));
        let started = queue.books_now();
        let expired = async {
            while queue.status().servers[0].dead == 0 {
                server.reached().await;
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = queue.run(server.clone()) => unreachable!("it runs for ever"),
            () = expired => {}
            () = queue.books_wait(started + Duration::from_secs(101)) => {}
        }
        assert_eq!(queue.status().servers[0].counts.expired_total, 1);
        let times = server.got.borrow().len();
        assert!((10..10_000).contains(&times), "{times} repeats in 100 s, at most 10 s apart");
    });
}
