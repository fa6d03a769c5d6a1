//! Durable writes in a second, beside what SQLite alone does with the same rows and the same group commit.
//!
//! `cargo test --release -p weir-store speed -- --ignored --nocapture` prints the figures.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use weir_core::ports::queue::WriteQueue;
use weir_core::queue::{Outcome, QueueLimits};

use super::super::Queue;
use super::rig::{Directory, block_on, body, new_write};

const TIME: Duration = Duration::from_secs(3);
const BODY_BYTES: usize = 1024;
const OK: Outcome = Outcome::Answered { status: 200, retry_after: None };

/// Writes in a second with so many that wait at a time, and how many a commit had on average. Each write is accepted for two servers;
/// with `settled`, both get it at once, so that its rows are deleted again.
fn ours(in_flight: usize, settled: bool) -> (f64, f64) {
    let directory = Directory::new();
    let limits = QueueLimits { backlog_bytes_max: u64::MAX, ..QueueLimits::default() };
    let queue = Queue::open(directory.path(), "q", limits).unwrap();
    queue.configure(&["a:1", "b:1"]);
    let count = AtomicU64::new(0);
    let commits = queue.status().commits_total;
    let started = Instant::now();
    // Two threads, as two workers would.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                block_on(async {
                    let one = async || {
                        while started.elapsed() < TIME {
                            let accepted = queue.accept(new_write("w", &[0, 1]), Some(body(BODY_BYTES)));
                            let mut write = accepted.await.unwrap();
                            count.fetch_add(1, Relaxed);
                            for server in write.live().to_vec() {
                                if settled {
                                    write.settle(server, OK);
                                }
                            }
                            if !settled {
                                // Nobody delivers: it stays.
                                std::mem::forget(write);
                            }
                        }
                    };
                    let local = tokio::task::LocalSet::new();
                    local
                        .run_until(async {
                            let mut tasks: Vec<_> = (0..in_flight / 2).map(|_| Box::pin(one())).collect();
                            std::future::poll_fn(|context| {
                                tasks.retain_mut(|task| task.as_mut().poll(context).is_pending());
                                if tasks.is_empty() {
                                    std::task::Poll::Ready(())
                                } else {
                                    std::task::Poll::Pending
                                }
                            })
                            .await;
                        })
                        .await;
                });
            });
        }
    });
    let writes = count.into_inner() as f64;
    (writes / started.elapsed().as_secs_f64(), writes / (queue.status().commits_total - commits) as f64)
}

/// One connection in one thread that does nothing else, with so many writes per commit.
fn sqlite_alone(per_commit: usize, settled: bool) -> f64 {
    let directory = Directory::new();
    drop(Queue::open(directory.path(), "q", QueueLimits::default()).unwrap());
    let connection = Connection::open(directory.path().join("q.sqlite")).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;",
        )
        .unwrap();
    let (head, body) = (new_write("w", &[]).head, vec![7_u8; BODY_BYTES]);
    let (mut sequence, started) = (0_i64, Instant::now());
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        connection.prepare_cached(sql).unwrap().execute(values).unwrap();
    };
    while started.elapsed() < TIME {
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        for _ in 0..per_commit {
            sequence += 1;
            let chunk = sequence << 20;
            run("INSERT INTO chunk (id, bytes) VALUES (?1, ?2)", params![chunk, body]);
            run(
                "INSERT INTO write (sequence, accepted, body, body_bytes, head, trailers) VALUES (?1, ?2, ?1, 1024, ?3, x'')",
                params![sequence, 1_700_000_000_000_i64, &head[..]],
            );
            for server in 0..2 {
                run(
                    "INSERT INTO target (sequence, server, since) VALUES (?1, ?2, ?3)",
                    params![sequence, server, 1_700_000_000_000_i64],
                );
            }
            let old = sequence - per_commit as i64;
            if settled && old > 0 {
                for server in 0..2 {
                    run("DELETE FROM target WHERE sequence = ?1 AND server = ?2", params![old, server]);
                }
                run("DELETE FROM write WHERE sequence = ?1", params![old]);
                run("DELETE FROM chunk WHERE id = ?1", params![old << 20]);
            }
        }
        connection.execute_batch("COMMIT").unwrap();
    }
    sequence as f64 / started.elapsed().as_secs_f64()
}

#[test]
#[ignore = "measures: run it alone, in release"]
fn durable_writes_in_a_second() {
    println!("in flight  settled  writes/s  per commit  sqlite alone  share");
    for settled in [false, true] {
        for in_flight in [2, 16, 64, 256] {
            let (ours, per_commit) = ours(in_flight, settled);
            let alone = sqlite_alone((per_commit.round() as usize).max(1), settled);
            let share = ours / alone;
            println!("{in_flight:9}  {settled:7}  {ours:8.0}  {per_commit:10.1}  {alone:12.0}  {share:5.2}");
        }
    }
}

/// What a write to three servers costs in memory, from its acceptance to the last settlement, on one thread.
#[test]
#[ignore = "measures: run it alone, in release"]
fn a_write_in_memory() {
    let queue = Queue::in_memory("q", QueueLimits::default());
    queue.configure(&["a:1", "b:1", "c:1"]);
    let (write, content) = (new_write("w", &[0, 1, 2]), body(100));
    block_on(async {
        let (writes, started) = (1_000_000, Instant::now());
        for _ in 0..writes {
            let mut accepted = queue.accept(write.clone(), None).await.unwrap();
            accepted.supply(content.clone());
            for server in 0..3 {
                accepted.settle(weir_core::queue::ServerId(server), OK);
            }
        }
        println!("{:?} for a write in memory to three servers", started.elapsed() / writes);
    });
}
