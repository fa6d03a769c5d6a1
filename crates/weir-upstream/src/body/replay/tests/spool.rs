//! Bodies that are larger than what is kept in memory, and go to a file.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;

use super::scene::{
    Directory, chunked, content, counts, limits, local, read, send_chunk, settle, sized, step, try_fill,
};
use crate::body::replay::{ReplayBody, ReplayError, ReplayPool, State};
use crate::body::{Body, ReadError};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

#[test]
fn around_every_limit_all_readers_get_every_byte() {
    let directory = Directory::new();
    local(async {
        let pool = ReplayPool::new(8 * MIB, Some(directory.path()));
        for memory in [0, 1, 10_000, 64 * KIB, 100_000] {
            for size in
                [0, 1, memory.saturating_sub(1), memory, memory + 1, memory + 64 * KIB, 499_999, 500_000]
            {
                let sent = content(size);
                let (replay, mut client) = sized(size, limits(memory, Some(500_000), false), &pool);
                let (mut first, mut second) = (replay.reader(), replay.reader());
                let (one, two, _) =
                    tokio::join!(read(&mut first), read(&mut second), client.write_all(&sent));
                assert!(one.unwrap() == sent && two.unwrap() == sent, "{size} with {memory}");
                assert_eq!(replay.state(), State::Whole { bytes: size as u64 });
                assert!(read(&mut replay.reader()).await.unwrap() == sent);
                let later = replay.content().unwrap();
                drop((replay, first, second));
                assert!(read(&mut ReplayBody::of(Arc::clone(&later))).await.unwrap() == sent);
                let again = Body::from(ReplayBody::of(later)).into_replay(limits(0, None, true), &pool);
                assert!(read(&mut again.reader()).await.unwrap() == sent);
            }
        }
        settle(&pool);
        assert_eq!((pool.used_bytes(), counts(&pool)), (0, [0; 5]));
    });
}

#[test]
fn the_limit_of_the_disk_is_met_to_the_byte() {
    let directory = Directory::new();
    local(async {
        let pool = ReplayPool::new(8 * MIB, Some(directory.path()));
        for ahead in [false, true] {
            let sent = content(500_001);
            let (replay, mut client) = sized(sent.len(), limits(100_000, Some(500_000), false), &pool);
            let (mut reader, mut got) = (replay.reader(), Vec::new());
            let sending = async {
                let _ = client.write_all(&sent).await;
            };
            let reading = async {
                let error = loop {
                    match if ahead {
                        Err(replay.whole().await.unwrap_err())
                    } else {
                        step(&mut reader, &mut got, KIB).await
                    } {
                        Ok(more) => assert!(more, "that is no end"),
                        Err(error) => break error,
                    }
                };
                assert!(matches!(error, ReadError::Replay(ReplayError::TooLarge)), "{error}");
            };
            tokio::join!(reading, sending);
            assert!(got == sent[..got.len()]);
            assert!(read(&mut replay.reader()).await.is_err());
            assert_eq!(replay.state(), State::Failed);
        }
        settle(&pool);
        assert_eq!((pool.used_bytes(), counts(&pool)), (0, [0, 2, 0, 0, 0]));
    });
}

#[test]
fn a_large_body_takes_little_memory_and_a_stalled_reader_gets_all_of_it_later() {
    let directory = Directory::new();
    local(async {
        let pool = ReplayPool::new(8 * MIB, Some(directory.path()));
        let sent = content(16 * MIB);
        let (replay, mut client) = sized(sent.len(), limits(256 * KIB, Some(1 << 30), false), &pool);
        let (mut quick, mut stalled) = (replay.reader(), replay.reader());
        assert!(try_fill(&mut stalled).is_none());
        let mut most = 0;
        let reading = async {
            let mut got = Vec::new();
            while step(&mut quick, &mut got, usize::MAX).await.unwrap() {
                most = most.max(pool.used_bytes());
            }
            got
        };
        let (got, _) = tokio::join!(reading, client.write_all(&sent));
        assert!(got == sent);
        // What is kept, what is lent, and what a write has that is forgotten here already.
        assert!(most <= (256 + 64) * KIB, "{most}");
        let later = replay.content().unwrap();
        assert_eq!(later.bytes(), 16 * MIB as u64);
        drop(replay);
        assert!(read(&mut stalled).await.unwrap() == sent);
        // The same, on a thread that knows nothing of ours.
        let elsewhere =
            std::thread::spawn(move || local(async move { read(&mut ReplayBody::of(later)).await }));
        assert!(elsewhere.join().unwrap().unwrap() == sent);
        drop((quick, stalled));
        settle(&pool);
        assert_eq!(pool.used_bytes(), 0);
    });
}

#[test]
fn files_are_ours_alone_and_have_no_name() {
    let directory = Directory::new();
    local(async {
        let pool = ReplayPool::new(8 * MIB, Some(directory.path().join("deep/spool")));
        assert!(!directory.path().exists(), "not before it is needed");
        let sent = content(MIB);
        let (replay, mut client) = sized(sent.len(), limits(0, Some(1 << 30), false), &pool);
        let (whole, _) = tokio::join!(replay.whole(), client.write_all(&sent));
        whole.unwrap();
        for path in [directory.path(), directory.path().join("deep"), directory.path().join("deep/spool")] {
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
        }
        assert_eq!(std::fs::read_dir(directory.path().join("deep/spool")).unwrap().count(), 0);
        let file = replay.content().unwrap().file.clone().unwrap();
        assert_eq!(file.permissions() & 0o777, 0o600);
    });
}

#[test]
fn trailers_reach_those_who_read_the_file() {
    let directory = Directory::new();
    local(async {
        let pool = ReplayPool::new(8 * MIB, Some(directory.path()));
        let (replay, mut client) = chunked(limits(0, Some(1 << 30), false), &pool);
        let sent = content(300_000);
        let sending = async {
            for chunk in sent.chunks(50_000) {
                send_chunk(&mut client, chunk).await;
            }
            client.write_all(b"0\r\nChecksum: 17\r\n\r\n").await.unwrap();
        };
        let (whole, ()) = tokio::join!(replay.whole(), sending);
        whole.unwrap();
        for mut reader in [replay.reader(), ReplayBody::of(replay.content().unwrap())] {
            assert!(read(&mut reader).await.unwrap() == sent);
            assert_eq!(reader.trailers().unwrap().get("checksum"), Some(b"17".as_slice()));
        }
    });
}

/// The total is for all of them together: each finds the little it needs on its way to the disk.
#[test]
fn many_at_once_stay_within_the_total() {
    let directory = Directory::new();
    let total = 256 * KIB;
    local(async {
        let pool = ReplayPool::new(total, Some(directory.path()));
        let tasks: Vec<_> = (0..4)
            .map(|number| {
                let pool = pool.clone();
                tokio::task::spawn_local(async move {
                    let sent = content(MIB + number);
                    let (replay, mut client) =
                        sized(sent.len(), limits(256 * KIB, Some(1 << 30), false), &pool);
                    let (mut quick, mut got) = (replay.reader(), Vec::new());
                    let reading = async {
                        while step(&mut quick, &mut got, usize::MAX).await.unwrap() {
                            assert!(pool.used_bytes() <= total);
                        }
                    };
                    tokio::join!(reading, async { client.write_all(&sent).await.unwrap() });
                    assert!(got == sent);
                    let later = replay.content().unwrap();
                    drop((replay, quick));
                    assert!(read(&mut ReplayBody::of(later)).await.unwrap() == sent);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        settle(&pool);
        assert_eq!((pool.used_bytes(), counts(&pool)), (0, [0; 5]));
    });
}

/// With next to no memory in the process, what is there goes round.
#[test]
fn a_little_memory_is_enough_and_none_is_an_error() {
    let directory = Directory::new();
    local(async {
        let sent = content(100_000);
        for (total, enough) in [(3000, true), (0, false)] {
            let pool = ReplayPool::new(total, Some(directory.path()));
            let (replay, mut client) = chunked(limits(256 * KIB, Some(1 << 30), false), &pool);
            let sending = async {
                for chunk in sent.chunks(700) {
                    send_chunk(&mut client, chunk).await;
                }
                client.write_all(b"0\r\n\r\n").await.unwrap();
                std::future::pending::<()>().await;
            };
            let whole = tokio::select! { whole = replay.whole() => whole, () = sending => unreachable!() };
            assert!(pool.used_bytes() <= total);
            if enough {
                whole.unwrap();
                assert_eq!(counts(&pool), [0; 5]);
            } else {
                assert!(matches!(whole, Err(ReadError::Replay(ReplayError::NoMemory))));
                assert_eq!(counts(&pool), [0, 0, 0, 0, 1]);
            }
        }
    });
}

/// 200 MiB through a file; the content is a pattern that is checked as it comes, so that the test itself needs no memory.
#[test]
fn two_hundred_mebibytes() {
    const BLOCK: usize = 61 * KIB;
    let directory = Directory::new();
    local(async {
        let pool = ReplayPool::new(2 * MIB, Some(directory.path()));
        let block = content(BLOCK);
        let size = 200 * MIB;
        let (replay, mut client) = sized(size, limits(256 * KIB, Some(1 << 30), false), &pool);
        let check = async |mut reader: ReplayBody| {
            let mut position = 0;
            while !reader.is_end() {
                std::future::poll_fn(|cx| reader.poll_fill(cx)).await.unwrap();
                let within = position % BLOCK;
                let count = reader.chunk().len().min(BLOCK - within);
                assert!(reader.chunk()[..count] == block[within..within + count], "at {position}");
                reader.consume(count);
                position += count;
                assert!(pool.used_bytes() <= MIB);
            }
            assert_eq!(position, size);
        };
        let sending = async {
            let mut left = size;
            while left > 0 {
                let count = left.min(BLOCK);
                client.write_all(&block[..count]).await.unwrap();
                left -= count;
            }
        };
        tokio::join!(check(replay.reader()), sending);
        check(replay.reader()).await;
    });
}
