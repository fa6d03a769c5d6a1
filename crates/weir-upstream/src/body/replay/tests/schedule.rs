//! Readers that begin, read, stall and leave in any order, by chance: what they get is what was sent.

use tokio::io::AsyncWriteExt;
use tokio::task::yield_now;

use super::scene::{Directory, chunked, content, limits, local, send_chunk, settle, try_fill};
use crate::body::ReadError;
use crate::body::replay::{Replay, ReplayBody, ReplayError, ReplayPool, State};

const SEEDS: u64 = 300;

struct Reading {
    reader: ReplayBody,
    position: usize,
}

/// One run: everything that happens is decided by the seed.
struct Run {
    random: fastrand::Rng,
    sent: bytes::Bytes,
    replay: Option<Replay>,
    readers: Vec<Reading>,
    lossy: bool,
    finished: usize,
}

impl Run {
    fn step(&mut self) {
        match self.random.u32(..100) {
            0..6 if self.readers.len() < 6 => {
                let lost = self.replay.as_ref().is_none_or(|replay| replay.state() == State::Lost);
                if let (false, Some(replay)) = (lost, &self.replay) {
                    self.readers.push(Reading { reader: replay.reader(), position: 0 });
                }
            }
            6 if self.readers.len() > 1 => {
                let index = self.random.usize(..self.readers.len());
                self.readers.swap_remove(index);
            }
            7 if self.random.u32(..30) == 0 => self.replay = None,
            8 => self.readers.iter().for_each(|reading| reading.reader.pause()),
            _ if !self.readers.is_empty() => self.read(),
            _ => {}
        }
    }

    /// Some reader reads some bytes; the first one most of the time, so that the others fall behind.
    fn read(&mut self) {
        let index = if self.random.bool() { 0 } else { self.random.usize(..self.readers.len()) };
        let Reading { reader, position } = &mut self.readers[index];
        match try_fill(reader) {
            None => {}
            Some(Ok(())) => {
                let available = reader.chunk().len();
                if available == 0 {
                    assert!(reader.is_end() && *position == self.sent.len(), "an end at {position}");
                    assert_eq!(reader.trailers().unwrap().get("checksum"), Some(b"17".as_slice()));
                    self.finished += 1;
                    self.readers.swap_remove(index);
                    return;
                }
                let count = if self.random.bool() { available } else { self.random.usize(1..=available) };
                assert!(reader.chunk()[..count] == self.sent[*position..*position + count], "at {position}");
                reader.consume(count);
                *position += count;
            }
            Some(Err(ReadError::Replay(ReplayError::Forgotten))) => {
                assert!(self.lossy, "only where that is allowed");
                self.readers.swap_remove(index);
            }
            Some(Err(error)) => panic!("{error}"),
        }
    }
}

fn run(seed: u64, pool: &ReplayPool) {
    let mut random = fastrand::Rng::with_seed(seed);
    let size = [10, 5_000, 80_000, 300_000, 1_000_000][random.usize(..5)] + random.usize(..100);
    let sent = content(size);
    let lossy = random.bool();
    let disk = random.bool();
    // Where neither a disk nor a loss is possible, all of it has to fit.
    let memory = if disk || lossy { [0, 1000, 70_000, 200_000][random.usize(..4)] } else { size };
    let largest = [3, 5000, 70_000][random.usize(..3)].max(size / 1000);
    local(async {
        let (replay, mut client) = chunked(limits(memory, disk.then_some(1 << 30), lossy), pool);
        let sending = tokio::task::spawn_local({
            let (sent, mut random) = (sent.clone(), random.fork());
            async move {
                let mut left = &sent[..];
                while !left.is_empty() {
                    let (chunk, rest) = left.split_at(random.usize(1..=largest.min(left.len())));
                    send_chunk(&mut client, chunk).await;
                    left = rest;
                    if random.u32(..4) == 0 {
                        yield_now().await;
                    }
                }
                client.write_all(b"0\r\nChecksum: 17\r\n\r\n").await.unwrap();
            }
        });
        let readers = vec![Reading { reader: replay.reader(), position: 0 }];
        let mut run = Run { random, sent, replay: Some(replay), readers, lossy, finished: 0 };
        while !run.readers.is_empty() {
            run.step();
            yield_now().await;
        }
        assert!(run.finished > 0, "whoever is not dropped gets to the end, or falls behind one who does");
        sending.abort();
    });
    settle(pool);
    assert_eq!(pool.used_bytes(), 0);
}

#[test]
fn by_chance() {
    let directory = Directory::new();
    let pool = ReplayPool::new(16 << 20, Some(directory.path()));
    for seed in 0..SEEDS {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(seed, &pool)));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}
