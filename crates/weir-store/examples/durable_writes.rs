//! Durable writes as fast as they go: through the queue, or with SQLite alone. `cargo xtask bench durable` runs it as both.
//!
//! Without arguments it says which SQLite this is. A program of its own and no part of the yardsticks, because those know no crate of the proxy. SQLite alone is one thread
//! that does nothing else: the same tables, the same rows, as many writes in a transaction as it is told, each transaction
//! durable like one of the queue. That is what the disk and SQLite allow; what the queue lacks to it is the queue's own.
//!
//! It is told on its input, one line for each run: `WRITES kept|settled SECONDS`, where WRITES are those that wait at a time, or
//! those in a transaction. It says `ready`, waits for another line, runs, says what came of it as JSON, and waits for a third one
//! before it ends a thread, so that the CPU time of all of them can be read, and takes its file away. Then it says `clean`.
//! Each write has two servers and 1 KiB. *Settled*: both get it at once, so that its rows are deleted again.

#![allow(clippy::print_stdout, reason = "a program that is read by another")]

use std::error::Error;
use std::fs;
use std::io::{self, Lines, StdinLock};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rusqlite::{Connection, ToSql, params};
use tokio::task::LocalSet;
use weir_core::ports::queue::{LocalFuture, NewWrite, Pieces, WriteBody, WriteQueue};
use weir_core::queue::{Outcome, QueueLimits, ServerId, WantedTarget};
use weir_store::Queue;

const HEAD: &[u8] = b"POST /orders HTTP/1.1\r\nHost: example.test\r\n\r\n";
const BODY: &[u8] = &[7; BODY_BYTES as usize];
const BODY_BYTES: i64 = 1024;
const SERVERS: [&str; 2] = ["a:1", "b:1"];
const DONE: Outcome = Outcome::Answered { status: 200, retry_after: None };
const ACCEPTED_MS: i64 = 1_700_000_000_000;

type Failure = Box<dyn Error>;
type Input = Lines<StdinLock<'static>>;

/// One line of the input.
#[derive(Clone, Copy)]
struct Order {
    writes: usize,
    settled: bool,
    time: Duration,
}

/// What was seen, until now.
#[derive(Default)]
struct Seen {
    writes: u64,
    /// How long each write waited, or each transaction took.
    times: Vec<Duration>,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [who, directory] = arguments.as_slice() else {
        println!("SQLite {}", rusqlite::version());
        return Ok(());
    };
    let directory = Path::new(directory);
    let mut lines = io::stdin().lines();
    while let Some(line) = lines.next() {
        let line = line?;
        let order = parse(&line).ok_or_else(|| format!("no order: `{line}`"))?;
        if directory.exists() {
            fs::remove_dir_all(directory)?;
        }
        let limits = QueueLimits { backlog_bytes_max: u64::MAX, ..QueueLimits::default() };
        let queue = Arc::new(Queue::open(directory, "q", limits)?);
        queue.configure(&SERVERS);
        match who.as_str() {
            "store" => {
                through_the_queue(&queue, order, &mut lines)?;
                queue.close();
            }
            "sqlite" => {
                // It has made the tables.
                drop(queue);
                alone(&directory.join("q.sqlite"), order, &mut lines)?;
            }
            _ => return Err(format!("neither store nor sqlite: `{who}`").into()),
        }
        fs::remove_dir_all(directory)?;
        println!("clean");
    }
    Ok(())
}

fn parse(line: &str) -> Option<Order> {
    let [writes, what, seconds] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
    let settled = match what {
        "settled" => true,
        "kept" => false,
        _ => return None,
    };
    let writes = writes.parse().ok().filter(|writes| *writes > 0)?;
    Some(Order { writes, settled, time: Duration::from_secs(seconds.parse().ok()?) })
}

/// Two threads that bring writes, as two workers would.
fn through_the_queue(queue: &Arc<Queue>, order: Order, lines: &mut Input) -> Result<(), Failure> {
    begin(lines)?;
    let (commits, started) = (queue.status().commits_total, now());
    std::thread::scope(|scope| {
        let (tell, told) = sync_channel(1);
        let (end, ended) = sync_channel::<()>(0);
        scope.spawn(move || {
            let _told = tell.send(bring(queue, order, order.writes / 2, started));
            let _ended = ended.recv();
        });
        let mut seen = bring(queue, order, order.writes.div_ceil(2), started);
        seen.add(told.recv()?);
        seen.report(started, queue.status().commits_total - commits);
        lines.next().transpose()?;
        drop(end);
        Ok(())
    })
}

/// So many at a time, until the time is over.
fn bring(queue: &Arc<Queue>, order: Order, at_a_time: usize, started: Instant) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it opens nothing");
    LocalSet::new().block_on(&runtime, async {
        let one = |_| tokio::task::spawn_local(bring_one_by_one(Arc::clone(queue), order, started));
        let all: Vec<_> = (0..at_a_time).map(one).collect();
        let mut seen = Seen::default();
        for one in all {
            seen.add(one.await.expect("it says what went wrong"));
        }
        seen
    })
}

async fn bring_one_by_one(queue: Arc<Queue>, order: Order, started: Instant) -> Seen {
    let targets = (0..2).map(|server| WantedTarget { server: ServerId(server), live: true });
    let write = NewWrite { head: Bytes::from_static(HEAD), targets: targets.collect() };
    let body: Arc<dyn WriteBody> = Arc::new(Body);
    let mut seen = Seen::default();
    while started.elapsed() < order.time {
        let begun = now();
        let accepted = queue.accept(write.clone(), Some(Arc::clone(&body))).await;
        let mut accepted = accepted.expect("there is room on the disk");
        seen.writes += 1;
        seen.times.push(begun.elapsed());
        if order.settled {
            accepted.live().to_vec().into_iter().for_each(|server| accepted.settle(server, DONE));
        } else {
            // Nobody delivers: it stays.
            std::mem::forget(accepted);
        }
    }
    seen
}

/// One connection in one thread, with so many writes in a transaction.
fn alone(file: &Path, order: Order, lines: &mut Input) -> Result<(), Failure> {
    let connection = Connection::open(file)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;",
    )?;
    begin(lines)?;
    let (mut seen, mut sequence, started) = (Seen::default(), 0, now());
    while started.elapsed() < order.time {
        let begun = now();
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for _ in 0..order.writes {
            sequence += 1;
            insert(&connection, sequence)?;
            let earlier = sequence - i64::try_from(order.writes)?;
            if order.settled && earlier > 0 {
                delete(&connection, earlier)?;
            }
        }
        connection.execute_batch("COMMIT")?;
        seen.writes += order.writes as u64;
        seen.times.push(begun.elapsed());
    }
    let commits = seen.times.len() as u64;
    seen.report(started, commits);
    lines.next().transpose()?;
    Ok(())
}

/// What a write puts into the file: its body, itself, and who shall get it.
fn insert(connection: &Connection, sequence: i64) -> rusqlite::Result<()> {
    run(connection, "INSERT INTO chunk (id, bytes) VALUES (?1, ?2)", params![sequence << 20, BODY])?;
    run(
        connection,
        "INSERT INTO write (sequence, accepted, body, body_bytes, head, trailers) VALUES (?1, ?2, ?1, ?3, ?4, x'')",
        params![sequence, ACCEPTED_MS, BODY_BYTES, HEAD],
    )?;
    (0..2).try_for_each(|server| {
        run(
            connection,
            "INSERT INTO target (sequence, server, since) VALUES (?1, ?2, ?3)",
            params![sequence, server, ACCEPTED_MS],
        )
    })
}

/// What goes from the file when both servers have a write.
fn delete(connection: &Connection, sequence: i64) -> rusqlite::Result<()> {
    (0..2).try_for_each(|server| {
        let values = params![sequence, server];
        run(connection, "DELETE FROM target WHERE sequence = ?1 AND server = ?2", values)
    })?;
    run(connection, "DELETE FROM write WHERE sequence = ?1", params![sequence])?;
    run(connection, "DELETE FROM chunk WHERE id = ?1", params![sequence << 20])
}

fn run(connection: &Connection, sql: &str, values: &[&dyn ToSql]) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute(values).map(|_| ())
}

/// Says that all is prepared, and waits for the word to begin.
fn begin(lines: &mut Input) -> io::Result<()> {
    println!("ready");
    lines.next().transpose().map(|_| ())
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.writes += other.writes;
        self.times.extend(other.times);
    }

    fn report(mut self, started: Instant, commits: u64) {
        let seconds = started.elapsed().as_secs_f64();
        self.times.sort_unstable();
        let last = self.times.len().saturating_sub(1);
        let within = |percent: usize| {
            self.times.get(last * percent / 100).map_or(0.0, |time| time.as_secs_f64() * 1e6)
        };
        println!(
            r#"{{"done": {}, "seconds": {seconds}, "commits": {commits}, "p50_us": {}, "p99_us": {}}}"#,
            self.writes,
            within(50),
            within(99),
        );
    }
}

#[expect(clippy::disallowed_methods, reason = "a load generator is a clock; nothing of the proxy runs here")]
fn now() -> Instant {
    Instant::now()
}

/// The body of every write.
struct Body;

struct OnePiece(bool);

impl WriteBody for Body {
    fn bytes(&self) -> u64 {
        BODY.len() as u64
    }

    fn open(&self) -> Box<dyn Pieces> {
        Box::new(OnePiece(true))
    }
}

impl Pieces for OnePiece {
    fn next(&mut self) -> LocalFuture<'_, io::Result<Option<Bytes>>> {
        let piece = std::mem::take(&mut self.0).then(|| Bytes::from_static(BODY));
        Box::pin(async { Ok(piece) })
    }
}
