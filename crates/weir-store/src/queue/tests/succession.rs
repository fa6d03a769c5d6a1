//! Two queues over one file: the program before, and the one that replaces it.

use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;

use weir_core::ports::queue::{Selection, WriteQueue};
use weir_core::queue::{Outcome, QueueLimits, Sequence};

use super::super::Queue;
use super::rig::{Directory, Server, block_on, body, drain, new_write};

const OK: Outcome = Outcome::Answered { status: 200, retry_after: None };

fn open(directory: &Path, servers: &[&str]) -> Queue {
    let queue = Queue::open_shared(directory, "q", QueueLimits::default()).unwrap();
    queue.configure(servers);
    queue
}

/// The one before and the one that follows it.
fn both(directory: &Path) -> (Queue, Queue) {
    let old = open(directory, &["a:1", "b:1"]);
    assert!(old.delivers());
    old.share(true);
    let new = open(directory, &["a:1", "b:1"]);
    assert!(!new.delivers());
    (old, new)
}

/// Accepts a write and lets all of it wait.
async fn put(queue: &Queue, name: &str, servers: &[u32], bytes: usize) -> Sequence {
    queue.accept(new_write(name, servers), Some(body(bytes))).await.unwrap().sequence()
}

async fn taken_over(queue: &Queue) {
    while !queue.delivers() {
        tokio::task::yield_now().await;
    }
}

fn names(server: &Server, to: &str) -> Vec<String> {
    let got = server.got.borrow();
    let heads = got.iter().filter(|(name, _, _)| &**name == to).map(|(_, head, _)| head.clone());
    heads
        .map(|head| String::from_utf8(head.to_vec()).unwrap().split(' ').nth(1).unwrap().to_owned())
        .collect()
}

/// A server counts as having a backlog there: it may have one in the other process (`semantics.md` §3.2).
#[test]
fn nothing_is_sent_by_one_that_does_not_have_the_file_and_all_of_it_afterwards_in_order() {
    let directory = Directory::new();
    let (old, new) = both(directory.path());
    let server = Rc::new(Server::new(|_| OK));
    block_on(async {
        put(&old, "1", &[0, 1], 700_000).await;
        let gates = new.configure(&["a:1", "b:1"]);
        assert!(gates.iter().all(|gate| gate.is_closed()));
        let write = new.accept(new_write("2", &[0, 1]), Some(body(600_000))).await.unwrap();
        assert!(write.live().is_empty(), "{:?}", write.live());
        let mut watched = write;
        let mut watch = watched.watch();
        put(&old, "3", &[1], 5).await;
        put(&new, "4", &[0], 0).await;
        let done = tokio::select! {
            biased;
            () = new.run(server.clone()) => false,
            () = async { for _ in 0..1000 { tokio::task::yield_now().await; } } => true,
        };
        assert!(done && server.got.borrow().is_empty(), "{:?}", server.names());
        old.close();
        taken_over(&new).await;
        drain(&new, &server).await;
        watch.next().await;
    });
    // Numbers are in the order of the commits, whoever made them: what came after an acknowledgement comes after it.
    assert_eq!(names(&server, "a:1"), ["/1", "/2", "/4"]);
    assert_eq!(names(&server, "b:1"), ["/1", "/2", "/3"]);
    let gates = new.configure(&["a:1", "b:1"]);
    assert!(gates.iter().all(|gate| !gate.is_closed()), "live copies are sent again");
}

/// The program that follows did not start, and had accepted something.
#[test]
fn what_one_that_failed_has_accepted_is_delivered_by_the_one_that_goes_on() {
    let directory = Directory::new();
    let (old, new) = both(directory.path());
    let server = Rc::new(Server::new(|_| OK));
    block_on(async {
        put(&old, "1", &[0], 5).await;
        put(&new, "2", &[0, 1], 700_000).await;
        drop(new);
        old.share(false);
        put(&old, "3", &[0], 5).await;
        // What follows the acceptance of a write has followed what was taken in before it.
        drain(&old, &server).await;
    });
    assert_eq!(names(&server, "a:1"), ["/1", "/2", "/3"]);
    assert_eq!(names(&server, "b:1"), ["/2"]);
}

#[test]
fn both_write_at_the_same_time_and_nothing_is_refused_or_lost() {
    const WRITES: usize = 60;
    let directory = Directory::new();
    let (old, new) = both(directory.path());
    let write_all = |queue: &Queue, name: &str| {
        block_on(async {
            let mut numbers = Vec::new();
            for count in 0..WRITES {
                numbers.push(put(queue, &format!("{name}{count}"), &[0, 1], count * 9000).await);
            }
            numbers
        })
    };
    let numbers: BTreeSet<Sequence> = std::thread::scope(|scope| {
        let one = scope.spawn(|| write_all(&old, "old"));
        let other = scope.spawn(|| write_all(&new, "new"));
        one.join().unwrap().into_iter().chain(other.join().unwrap()).collect()
    });
    assert_eq!(numbers.len(), 2 * WRITES, "no number was given twice");
    old.close();
    let server = Rc::new(Server::new(|_| OK));
    block_on(async {
        taken_over(&new).await;
        assert_eq!(new.status().backlog_writes, 2 * WRITES);
        drain(&new, &server).await;
        assert!(new.list(Selection::default(), Sequence(0), 10).await.unwrap().is_empty());
    });
    for to in ["a:1", "b:1"] {
        let got = names(&server, to);
        assert_eq!(got.len(), 2 * WRITES);
        let new: Vec<_> = got.iter().filter(|name| name.starts_with("/new")).cloned().collect();
        let expected: Vec<_> = (0..WRITES).map(|count| format!("/new{count}")).collect();
        assert_eq!(new, expected);
    }
    drop(new);
    let again = Queue::open(directory.path(), "q", QueueLimits::default()).unwrap();
    assert_eq!(again.status().backlog_writes, 0);
}

/// A number of a server is a row in the file: what one process writes for it must never go to another server.
#[test]
fn servers_keep_their_numbers_while_two_know_them() {
    let directory = Directory::new();
    let (old, new) = both(directory.path());
    let server = Rc::new(Server::new(|_| OK));
    block_on(async {
        // `b:1` is forgotten there, and known here.
        drop(new.configure(&["a:1", "b:1", "c:1"]));
        put(&new, "1", &[1, 2], 5).await;
        drop(old.configure(&["a:1"]));
        drop(old.configure(&["a:1", "c:1"]));
        put(&old, "2", &[2], 5).await;
        drop(old.configure(&["a:1", "c:1", "d:1"]));
        put(&old, "3", &[3], 5).await;
        // The other one wants the same number for somebody else: nothing is accepted that could go to the wrong server.
        drop(new.configure(&["a:1", "b:1", "c:1", "e:1"]));
        new.accept(new_write("no", &[3]), Some(body(5))).await.map(|_| ()).unwrap_err();
        drop(new);
        old.share(false);
        put(&old, "4", &[0], 5).await;
        drop(old.configure(&["a:1", "b:1", "c:1", "d:1"]));
        drain(&old, &server).await;
    });
    assert_eq!(names(&server, "a:1"), ["/4"]);
    assert_eq!(names(&server, "b:1"), ["/1"]);
    assert_eq!(names(&server, "c:1"), ["/1", "/2"]);
    assert_eq!(names(&server, "d:1"), ["/3"]);
}

/// Three in a row, with bodies that were on their way all the time.
#[test]
fn bodies_of_three_processes_do_not_get_in_each_others_way() {
    let directory = Directory::new();
    let (one, two) = both(directory.path());
    let server = Rc::new(Server::new(|_| OK));
    block_on(async {
        put(&two, "a", &[0], 600_000).await;
        put(&one, "b", &[0], 600_000).await;
        one.close();
        taken_over(&two).await;
        two.share(true);
        let three = open(directory.path(), &["a:1", "b:1"]);
        for name in ["c", "d"] {
            put(&three, name, &[0], 600_000).await;
            put(&two, name, &[0], 600_000).await;
        }
        two.close();
        taken_over(&three).await;
        put(&three, "e", &[0], 600_000).await;
        drain(&three, &server).await;
    });
    assert_eq!(server.got.borrow().len(), 7);
    assert!(server.got.borrow().iter().all(|(_, _, length)| *length == 600_000));
}

/// One that had numbered bodies and not written them yet, or whose writes had all been delivered, left nothing to be seen; the next one began
/// with the same numbers, and the pieces of one body stood in the way of another's: its write was refused.
#[test]
fn no_two_that_follow_number_bodies_alike() {
    let directory = Directory::new();
    let _first = open(directory.path(), &["a:1"]);
    let numbers: Vec<i64> = (0..3)
        .map(|_| {
            let (opened, _) = crate::file::open_shared(directory.path(), "q").unwrap();
            opened.inbox.number_body().0.cast_signed()
        })
        .collect();
    assert!(numbers.windows(2).all(|pair| pair[0] - pair[1] > 1_000_000), "{numbers:?}");
}
