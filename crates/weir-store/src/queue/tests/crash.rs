//! Processes that are killed in the middle of everything, at random moments. What they acknowledged must be there afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;

use weir_core::ports::queue::{Deliver, Delivered, Delivery, LocalFuture, Selection, WriteQueue};
use weir_core::queue::{Failure, Outcome, QueueLimits, Sequence, ServerId};

use super::super::Queue;
use super::rig::{Directory, Server, block_on, block_on_for, body, drain, new_write, read};

/// Where the child finds its directory.
const DIRECTORY: &str = "WEIR_QUEUE_CRASH_DIRECTORY";
const SERVERS: [&str; 2] = ["a:1", "b:1"];
const OK: Outcome = Outcome::Answered { status: 200, retry_after: None };

/// One line in one write, so that a kill leaves it whole or not at all.
fn say(line: &str) {
    io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// The process that is killed: three workers that accept and send live copies, and one who delivers. It says what it acknowledged
/// after it was accepted, and what a server got before the queue knows.
#[test]
#[ignore = "started by the other tests here"]
fn child() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let queue = Queue::open_shared(Path::new(&directory), "q", QueueLimits::default()).unwrap();
    queue.configure(&SERVERS);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| block_on_for_ever(accept_for_ever(&queue)));
        }
        block_on_for_ever(queue.run(Rc::new(Flaky)));
    });
}

fn block_on_for_ever(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future);
}

async fn accept_for_ever(queue: &Queue) {
    loop {
        let size = match fastrand::u32(0..20) {
            0 => 0,
            1 => fastrand::usize(0..900_000),
            _ => fastrand::usize(0..3000),
        };
        let mut write = queue.accept(new_write("w", &[0, 1]), Some(body(size))).await.unwrap();
        let sequence = write.sequence();
        say(&format!("accepted {sequence}"));
        for server in write.live().to_vec() {
            match fastrand::u32(0..40) {
                0 => write.settle(server, Outcome::Failed(Failure::Reset)),
                1 => {}
                _ => {
                    say(&format!("reached {sequence} {}", server.0));
                    write.settle(server, OK);
                }
            }
        }
    }
}

/// A server that sometimes does not answer, and never gets a wrong byte.
struct Flaky;

impl Deliver for Flaky {
    fn deliver(&self, delivery: Delivery) -> LocalFuture<'_, io::Result<Delivered>> {
        Box::pin(async move {
            read(&*delivery.body).await?;
            if fastrand::u32(0..10) == 0 {
                return Ok(Delivered { outcome: Outcome::Failed(Failure::Timeout), answer: None });
            }
            say(&format!("reached {} {}", delivery.sequence, delivery.server_id.0));
            Ok(Delivered { outcome: OK, answer: None })
        })
    }
}

fn start(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "queue::tests::crash::child", "--include-ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What all children together have said.
#[derive(Default)]
struct Said {
    accepted: BTreeSet<Sequence>,
    reached: BTreeSet<(Sequence, ServerId)>,
}

impl Said {
    /// Runs a child and kills it after so many lines.
    fn run(&mut self, directory: &Path, lines: usize) {
        self.kill_after(start(directory), lines);
    }

    /// Kills a child after so many lines.
    fn kill_after(&mut self, mut child: Child, lines: usize) {
        let mut count = 0;
        let mut lines_of = BufReader::new(child.stderr.take().unwrap()).lines();
        while let Some(line) = lines_of.next() {
            let line = line.unwrap();
            if line.is_empty() {
                // Its other threads may go on for ever.
                child.kill().unwrap();
                let rest: Vec<_> = lines_of.map_while(Result::ok).collect();
                panic!("the child panicked: {}", rest.join("\n"));
            }
            self.note(&line);
            count += 1;
            if count == lines {
                child.kill().unwrap();
            }
        }
        let status = child.wait().unwrap();
        assert!(!status.success() && count >= lines, "it ended by itself: {status}");
    }

    fn note(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["accepted", sequence] => {
                let new = self.accepted.insert(Sequence(sequence.parse().unwrap()));
                assert!(new, "{sequence} was given twice");
            }
            ["reached", sequence, server] => {
                let server = ServerId(server.parse().unwrap());
                self.reached.insert((Sequence(sequence.parse().unwrap()), server));
            }
            _ => panic!("the child said: {line}"),
        }
    }

    /// `semantics.md` §3.3: what was acknowledged reached each server, or is in the queue or among its dead letters.
    fn check(&self, queue: &Queue) -> usize {
        let listed = block_on(queue.list(Selection::default(), Sequence(0), usize::MAX)).unwrap();
        let kept: BTreeMap<Sequence, Vec<Arc<str>>> = listed
            .into_iter()
            .map(|write| (write.sequence, write.targets.into_iter().map(|target| target.server).collect()))
            .collect();
        for sequence in &self.accepted {
            for (index, name) in SERVERS.iter().enumerate() {
                let server = ServerId(u32::try_from(index).unwrap());
                let waits = kept.get(sequence).is_some_and(|names| names.iter().any(|kept| **kept == **name));
                assert!(
                    waits || self.reached.contains(&(*sequence, server)),
                    "write {sequence} is lost for {name}"
                );
            }
        }
        kept.len()
    }
}

fn kill_and_count(times: usize) {
    let directory = Directory::new();
    let mut said = Said::default();
    for _ in 0..times {
        said.run(directory.path(), fastrand::usize(1..1500));
        let queue = Queue::open(directory.path(), "q", QueueLimits::default()).unwrap();
        said.check(&queue);
    }
    // In the end everything arrives, byte by byte.
    let queue = Queue::open(directory.path(), "q", QueueLimits::default()).unwrap();
    queue.configure(&SERVERS);
    let server = Rc::new(Server::new(|_| OK));
    block_on_for(600, drain(&queue, &server));
    assert!(said.accepted.len() >= times, "{} writes in {times} lives", said.accepted.len());
    assert_eq!(queue.status().backlog_writes, 0);
}

/// While one lives the next one begins, which puts its writes into the same file until the first is killed, and takes over then; it
/// may be killed before that as well.
fn kill_one_after_the_other(times: usize) {
    let directory = Directory::new();
    // The file is there before somebody looks who does not make it.
    drop(Queue::open(directory.path(), "q", QueueLimits::default()).unwrap());
    let mut said = Said::default();
    let mut before = start(directory.path());
    for _ in 0..times {
        let next = start(directory.path());
        let (first, second) = if fastrand::u32(0..4) == 0 { (next, before) } else { (before, next) };
        said.kill_after(first, fastrand::usize(1..1000));
        before = second;
    }
    said.kill_after(before, fastrand::usize(1..1000));
    let queue = Queue::open(directory.path(), "q", QueueLimits::default()).unwrap();
    said.check(&queue);
    queue.configure(&SERVERS);
    let server = Rc::new(Server::new(|_| OK));
    block_on_for(600, drain(&queue, &server));
    assert!(said.accepted.len() >= times, "{} writes in {times} lives", said.accepted.len());
    assert_eq!(queue.status().backlog_writes, 0);
}

#[test]
fn whoever_takes_over_from_one_that_was_killed_has_all_that_was_acknowledged() {
    kill_one_after_the_other(4);
}

#[test]
#[ignore = "takes minutes: `cargo xtask test --full`"]
fn fifty_who_take_over_have_all_that_was_acknowledged() {
    kill_one_after_the_other(50);
}

#[test]
fn kill_in_the_middle_loses_nothing_that_was_acknowledged() {
    kill_and_count(5);
}

#[test]
#[ignore = "takes minutes: `cargo xtask test --full`"]
fn fifty_kills_in_the_middle_lose_nothing_that_was_acknowledged() {
    kill_and_count(50);
}
