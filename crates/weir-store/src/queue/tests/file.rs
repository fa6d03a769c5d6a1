//! What only a file can get wrong: restarts, locks, damage, full disks, who may read it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use weir_core::ports::queue::{AcceptError, Selection, WriteQueue};
use weir_core::queue::{Burial, Failure, Outcome, QueueLimits, Sequence, State};

use super::super::Queue;
use super::rig::{Directory, MemoryBody, Server, block_on, body, drain, new_write};
use crate::OpenError;

fn open(directory: &Path) -> Queue {
    // A process that another test has just begun holds the lock of a file that is closed here, until it runs its program.
    let mut opened = Queue::open(directory, "q", QueueLimits::default());
    for _ in 0..100_000 {
        if !matches!(opened, Err(OpenError::InUse { .. })) {
            break;
        }
        std::thread::yield_now();
        opened = Queue::open(directory, "q", QueueLimits::default());
    }
    let queue = opened.unwrap();
    queue.configure(&["a:1", "b:1"]);
    queue
}

fn refusal(directory: &Path) -> OpenError {
    Queue::open(directory, "q", QueueLimits::default()).expect_err("it must not be opened")
}

/// `semantics.md` §3.3: after a crash every row is delivered, also unanswered ones. Forgetting a queue is as near to a crash as a
/// test without a process gets; `crash.rs` has the process.
#[test]
fn everything_is_there_after_a_restart() {
    let directory = Directory::new();
    let mut numbers = Vec::new();
    block_on(async {
        let queue = open(directory.path());
        let server = Rc::new(Server::new(|name| match name {
            "a:1" => Outcome::Answered { status: 400, retry_after: None },
            _ => Outcome::Answered { status: 200, retry_after: None },
        }));
        let first = queue.accept(new_write("dead", &[0, 1]), Some(body(300_000))).await.unwrap();
        numbers.push(first.sequence());
        drop(first);
        drain(&queue, &server).await;
        let mut second = queue.accept(new_write("done", &[0]), Some(body(5))).await.unwrap();
        numbers.push(second.sequence());
        let live = second.live().to_vec();
        second.settle(live[0], Outcome::Answered { status: 200, retry_after: None });
        let third = queue.accept(new_write("waits", &[0, 1]), Some(body(3 << 20))).await.unwrap();
        numbers.push(third.sequence());
        // Its driver is still at it when the process ends.
        std::mem::forget(third);
    });
    block_on(async {
        let queue = open(directory.path());
        let listed = queue.list(Selection::default(), Sequence(0), 10).await.unwrap();
        let found: Vec<_> = listed.iter().map(|write| write.sequence).collect();
        assert_eq!(found, [numbers[0], numbers[2]]);
        assert_eq!(listed[0].targets.len(), 1);
        let burial = Burial::Refused { status: 400 };
        assert!(matches!(listed[0].targets[0].state, State::Dead { burial: found, .. } if found == burial));
        assert!(listed[1].targets.iter().all(|target| matches!(target.state, State::Waiting { .. })));
        let dead = Selection { dead_only: true, ..Selection::default() };
        assert_eq!(queue.retry(dead).await.unwrap().entries, 1);
    });
    block_on(async {
        let queue = open(directory.path());
        let server = Rc::new(Server::new(|_| Outcome::Answered { status: 200, retry_after: None }));
        drain(&queue, &server).await;
        let mut got: Vec<_> =
            server.got.borrow().iter().map(|(name, _, length)| (name.to_string(), *length)).collect();
        got.sort();
        let expected = [("a:1", 300_000), ("a:1", 3 << 20), ("b:1", 3 << 20)];
        assert_eq!(got, expected.map(|(name, length)| (name.to_owned(), length)));
    });
    block_on(async {
        let queue = open(directory.path());
        assert_eq!(queue.status().backlog_writes, 0);
        let next = queue.accept(new_write("next", &[0]), Some(body(5))).await.unwrap();
        assert!(next.sequence() > numbers[2], "numbers grow, also when nothing is left of the others");
    });
}

/// `semantics.md` §3.3: what must be kept is kept over a restart, and what all have refused takes no room after it either.
#[test]
fn dead_letters_have_the_same_bounds_after_a_restart() {
    let directory = Directory::new();
    let limits = QueueLimits { dead_bytes_max: 1000, ..QueueLimits::default() };
    let open = || {
        let queue = Queue::open(directory.path(), "q", limits).unwrap();
        queue.configure(&["a:1", "b:1"]);
        queue
    };
    let refused = |status| Outcome::Answered { status, retry_after: None };
    block_on(async {
        let queue = open();
        let mut nonsense = queue.accept(new_write("nonsense", &[0, 1]), Some(body(2000))).await.unwrap();
        for server in nonsense.live().to_vec() {
            nonsense.settle(server, refused(400));
        }
    });
    let kept = block_on(async {
        let queue = open();
        assert!(!queue.status().dead_letters_full, "nobody was told that it is kept");
        let mut write = queue.accept(new_write("w", &[0, 1]), Some(body(300_000))).await.unwrap();
        let live = write.live().to_vec();
        write.settle(live[0], refused(200));
        write.settle(live[1], refused(422));
        assert!(queue.status().dead_letters_full);
        write.sequence()
    });
    block_on(async {
        let queue = open();
        assert!(queue.status().dead_letters_full);
        let listed = queue.list(Selection::default(), Sequence(0), 10).await.unwrap();
        let burials: Vec<_> =
            listed.iter().map(|write| (write.sequence, write.targets[0].state.name())).collect();
        assert_eq!(burials, [(kept, "dead")]);
        assert!(matches!(queue.accept(new_write("x", &[0]), Some(body(5))).await, Err(AcceptError::Full)));
        let server = Rc::new(Server::new(move |_| refused(200)));
        assert_eq!(queue.retry(Selection::default()).await.unwrap().entries, 1);
        drain(&queue, &server).await;
        assert_eq!(server.got.borrow()[0].2, 300_000);
        assert!(!queue.status().dead_letters_full);
    });
}

#[test]
fn a_server_that_is_gone_keeps_its_backlog_over_restarts() {
    let directory = Directory::new();
    block_on(async {
        drop(open(directory.path()).accept(new_write("w", &[0, 1]), Some(body(5))).await.unwrap());
        let queue = Queue::open(directory.path(), "q", QueueLimits::default()).unwrap();
        queue.configure(&["b:1", "c:1"]);
        let server = Rc::new(Server::new(|_| Outcome::Answered { status: 200, retry_after: None }));
        let until_b = async {
            while queue.status().servers.iter().any(|server| server.configured && server.backlog > 0) {
                server.reached().await;
            }
        };
        tokio::select! {
            () = queue.run(server.clone()) => unreachable!("it runs for ever"),
            () = until_b => {}
        }
        assert_eq!(server.names(), ["b:1"]);
        let orphan = queue.status().servers.into_iter().find(|server| !server.configured).unwrap();
        assert_eq!((&*orphan.name, orphan.backlog), ("a:1", 1));
        drop(queue);
        let queue = open(directory.path());
        drain(&queue, &server).await;
        assert_eq!(server.names(), ["b:1", "a:1"]);
    });
}

/// The client goes away and the server leaves while a write is being committed: it is the server's own, for when it comes back,
/// and not that of the next one.
#[test]
fn a_write_that_is_being_committed_keeps_the_number_of_its_server() {
    let directory = Directory::new();
    block_on(async {
        let queue = open(directory.path());
        let release = queue.hold_writer();
        let mut accepting = queue.accept(new_write("w", &[1]), Some(body(5)));
        let is_pending = std::future::poll_fn(|cx| Poll::Ready(accepting.as_mut().poll(cx).is_pending()));
        assert!(is_pending.await, "the writer is held");
        drop(accepting);
        queue.configure(&["a:1"]);
        queue.configure(&["a:1", "c:1"]);
        drop(release);
        // All that was begun is written by then.
        queue.close();
        let backlogs =
            queue.status().servers.into_iter().map(|server| (server.name.to_string(), server.backlog));
        let waiting: Vec<_> = backlogs.filter(|(_, backlog)| *backlog > 0).collect();
        assert_eq!(waiting, [("b:1".to_owned(), 1)]);
    });
    block_on(async {
        let queue = Queue::open(directory.path(), "q", QueueLimits::default()).unwrap();
        let waiting = queue.status().servers.into_iter().find(|server| server.backlog > 0).unwrap();
        assert_eq!(&*waiting.name, "b:1", "the file says the same");
    });
}

/// The file knew every server that there ever was. One that is waited for keeps its number and its writes meanwhile, also
/// over a restart.
#[test]
fn servers_that_come_and_go_leave_no_rows_and_take_nothing_from_those_who_are_waited_for() {
    let directory = Directory::new();
    block_on(async {
        let queue = open(directory.path());
        drop(queue.accept(new_write("kept", &[0]), Some(body(5))).await.unwrap());
        for number in 0..300 {
            let gates = queue.configure(&["b:1", &format!("x{number}:1")]);
            let mut write =
                queue.accept(new_write("w", &[gates[1].server().0]), Some(body(5))).await.unwrap();
            let live = write.live()[0];
            write.settle(live, Outcome::Answered { status: 200, retry_after: None });
        }
        drop(queue);
        let rows = rusqlite::Connection::open(directory.path().join("q.sqlite")).unwrap();
        let servers = rows.query_row("SELECT count(*) FROM server", [], |row| row.get::<_, i64>(0));
        assert_eq!(servers.unwrap(), 3);
        drop(rows);
        let queue = open(directory.path());
        let server = Rc::new(Server::new(|_| Outcome::Answered { status: 200, retry_after: None }));
        drain(&queue, &server).await;
        assert_eq!(server.names(), ["a:1"]);
    });
}

/// `semantics.md` §3.3: one deliverer per queue, and files for nobody else.
#[test]
fn a_file_is_for_one_process_and_one_user() {
    let directory = Directory::new();
    let inside = directory.path().join("state").join("queue");
    let queue = Queue::open(&inside, "a/../b c", QueueLimits::default()).unwrap();
    let second = Queue::open(&inside, "a/../b c", QueueLimits::default());
    assert!(matches!(second, Err(OpenError::InUse { .. })));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inside), 0o700);
    let files: Vec<PathBuf> = fs::read_dir(&inside).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.iter().any(|file| file.ends_with("a%2f%2e%2e%2fb%20c.sqlite-wal")), "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    drop(queue);
    Queue::open(&inside, "a/../b c", QueueLimits::default()).unwrap();
}

/// The file of a queue in which something waits, after it was closed.
fn filled() -> (Directory, PathBuf) {
    let directory = Directory::new();
    block_on(async {
        let queue = open(directory.path());
        for _ in 0..50 {
            drop(queue.accept(new_write("w", &[0, 1]), Some(body(20_000))).await.unwrap());
        }
    });
    let path = directory.path().join("q.sqlite");
    (directory, path)
}

/// A file that is damaged is refused with the way out, and stays as it is (`semantics.md` §3.3).
fn check_damage(damage: impl Fn(&mut Vec<u8>), expected: fn(&OpenError) -> bool) {
    let (directory, path) = filled();
    let mut bytes = fs::read(&path).unwrap();
    damage(&mut bytes);
    fs::write(&path, &bytes).unwrap();
    let error = refusal(directory.path());
    assert!(expected(&error), "{error:?}");
    assert!(error.to_string().contains("q.sqlite"), "{error}");
    assert!(error.hint().is_some());
    assert!(fs::read(&path).unwrap() == bytes, "it was changed");
    let again = refusal(directory.path());
    assert!(expected(&again), "the second time: {again:?}");
}

#[test]
fn a_damaged_file_is_refused_and_not_touched() {
    let damaged = |error: &OpenError| matches!(error, OpenError::Damaged { .. });
    check_damage(Vec::clear, damaged);
    check_damage(|bytes| bytes.truncate(100), damaged);
    check_damage(|bytes| bytes.truncate(bytes.len() / 2), damaged);
    check_damage(|bytes| bytes.truncate(bytes.len() - 1), damaged);
    check_damage(|bytes| bytes[..16].fill(0), damaged);
    check_damage(|bytes| bytes.fill(b'x'), damaged);
    for page in [1, 2, 3, 4, 5, 6, 20] {
        check_damage(|bytes| bytes[page * 4096..(page + 1) * 4096].fill(0xff), damaged);
    }
}

#[test]
fn another_program_s_file_is_refused() {
    check_damage(|bytes| bytes[68..72].fill(7), |error| matches!(error, OpenError::Foreign { .. }));
    check_damage(
        |bytes| bytes[60..64].copy_from_slice(&2_u32.to_be_bytes()),
        |error| matches!(error, OpenError::TooNew { version: 2, .. }),
    );
}

/// The hint says to move all of it away. Whoever moves only the main file would lose what is in the log.
#[test]
fn a_log_without_its_file_is_refused() {
    let directory = Directory::new();
    fs::write(directory.path().join("q.sqlite-wal"), b"something").unwrap();
    assert!(matches!(refusal(directory.path()), OpenError::Damaged { .. }));
    assert!(!directory.path().join("q.sqlite").exists());
}

/// The connection that reads could be the last one to be closed, and left the log of the file beside it: whoever saved or moved
/// the file alone lost what was in the log.
#[test]
fn a_queue_that_was_closed_is_one_file() {
    let directory = Directory::new();
    for _ in 0..30 {
        block_on(async {
            let queue = open(directory.path());
            queue.configure(&["a:1"]);
            drop(queue.accept(new_write("w", &[0]), Some(body(300_000))).await.unwrap());
            // The thread that reads has something to do until the end.
            queue.list(Selection::default(), Sequence(0), 100).await.unwrap();
        });
        assert!(!directory.path().join("q.sqlite-wal").exists());
    }
}

/// A process that died while it made the file for the first time leaves one beside its place, which nobody misses.
#[test]
fn a_file_that_was_never_ready_is_made_anew() {
    let directory = Directory::new();
    fs::write(directory.path().join("q.new"), b"half").unwrap();
    open(directory.path());
}

/// `semantics.md` §3.3: on a full disk nothing is acknowledged, and afterwards it goes on.
#[test]
fn a_full_disk_refuses_and_forgets_nothing() {
    let directory = Directory::new();
    let limits = QueueLimits::default();
    block_on(async {
        let queue = Queue::open_bounded(directory.path(), "q", limits, 400).unwrap();
        queue.configure(&["a:1"]);
        let kept = queue.accept(new_write("kept", &[0]), Some(body(600_000))).await.unwrap();
        for size in [1_200_000, 3 << 20] {
            let refused = queue.accept(new_write("large", &[0]), Some(body(size))).await;
            assert!(matches!(refused, Err(AcceptError::Disk(_))), "{size}");
        }
        let status = queue.status();
        assert_eq!((status.backlog_writes, status.write_errors_total), (1, 2));
        // Small ones still fit, so what was refused has left nothing behind.
        drop(queue.accept(new_write("small", &[0]), Some(body(300_000))).await.unwrap());
        drop(kept);
        let server = Rc::new(Server::new(|_| Outcome::Answered { status: 200, retry_after: None }));
        drain(&queue, &server).await;
        let lengths: Vec<u64> = server.got.borrow().iter().map(|(_, _, length)| *length).collect();
        assert_eq!(lengths, [600_000, 300_000]);
        // People's changes are flushed; with that all room is free again.
        queue.discard(Selection::default()).await.unwrap();
        drop(queue.accept(new_write("again", &[0]), Some(body(900_000))).await.unwrap());
    });
    block_on(async { assert_eq!(open(directory.path()).status().backlog_writes, 1) });
}

/// A body that breaks off while it is being stored leaves nothing, and neither does a client who goes away.
#[test]
fn what_was_not_accepted_leaves_nothing() {
    let directory = Directory::new();
    block_on(async {
        let queue = open(directory.path());
        let broken = MemoryBody { wrong: -1, ..MemoryBody::new(3 << 20) };
        let refused = queue.accept(new_write("w", &[0]), Some(Arc::new(broken))).await;
        assert!(matches!(refused, Err(AcceptError::Body(_))));
        for polls in 0..40 {
            let mut accept = queue.accept(new_write("w", &[0]), Some(body(3 << 20)));
            for _ in 0..polls {
                let once = std::future::poll_fn(|context| {
                    std::task::Poll::Ready(accept.as_mut().poll(context).is_ready())
                });
                if once.await {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        let server = Rc::new(Server::new(|_| Outcome::Failed(Failure::Reset)));
        queue.discard(Selection::default()).await.unwrap();
        drop(server);
    });
    let directory_path = directory.path().join("q.sqlite");
    block_on(async {
        let queue = open(directory.path());
        queue.discard(Selection::default()).await.unwrap();
        assert_eq!(queue.status().backlog_bytes, 0);
    });
    let connection = rusqlite::Connection::open(directory_path).unwrap();
    let count = |table: &str| -> i64 {
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!([count("write"), count("target"), count("chunk")], [0, 0, 0]);
}
