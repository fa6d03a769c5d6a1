//! Bodies that are passed on even where they can't be kept.

use tokio::io::AsyncWriteExt;

use super::scene::{
    Directory, PIPE_BYTES, chunked, content, counts, limits, local, read, send_chunk, sized, step, try_fill,
};
use crate::body::replay::{ReplayError, ReplayPool, Source, State};
use crate::body::{Body, ReadError};

const KIB: usize = 1024;

fn forgotten(outcome: Result<Vec<u8>, ReadError>) -> bool {
    matches!(outcome, Err(ReadError::Replay(ReplayError::Forgotten)))
}

#[test]
fn within_the_limit_nothing_is_lost() {
    local(async {
        for (limit, size) in [(0, 0), (1, 1), (5000, 4999), (100_000, 100_000)] {
            let pool = ReplayPool::new(1 << 20, None);
            let sent = content(size);
            let (replay, mut client) = sized(size, limits(limit, None, true), &pool);
            let mut reader = replay.reader();
            let (got, _) = tokio::join!(read(&mut reader), client.write_all(&sent));
            assert!(got.unwrap() == sent && read(&mut replay.reader()).await.unwrap() == sent);
            assert_eq!((replay.state(), counts(&pool)), (State::Whole { bytes: size as u64 }, [0; 5]));
        }
    });
}

/// A request that only might be repeated must go through whatever its size, and cost next to nothing beyond the limit.
#[test]
fn a_single_reader_goes_on_with_the_source_itself() {
    local(async {
        for (limit, size) in [(0, 1), (1, 2), (5000, 5001), (100_000, 3_000_000)] {
            let pool = ReplayPool::new(1 << 20, None);
            let sent = content(size);
            let (replay, mut client) = sized(size, limits(limit, None, true), &pool);
            let mut reader = replay.reader();
            let sending = async {
                client.write_all(&sent).await.unwrap();
                client.write_all(b"next").await.unwrap();
            };
            let reading = async {
                let mut got = Vec::new();
                while step(&mut reader, &mut got, usize::MAX).await.unwrap() {
                    assert!(pool.used_bytes() <= limit);
                }
                got
            };
            let (got, ()) = tokio::join!(reading, sending);
            assert!(got == sent, "{size} of {limit}");
            assert!(reader.is_end());
            assert_eq!((pool.used_bytes(), counts(&pool)), (0, [1, 0, 0, 0, 0]));
            assert_eq!(replay.state(), State::Lost);
            assert!(forgotten(read(&mut replay.reader()).await));
            assert!(replay.content().is_none() && replay.whole().await.is_err());
            drop(reader);
            let Some(Source::H1(mut source)) = replay.take_source() else { panic!("it was given back") };
            assert!(source.is_end());
            if source.take_buffer().is_empty() {
                // The rest is in the pipe still.
                assert!(size > PIPE_BYTES - 4);
            }
        }
    });
}

#[test]
fn trailers_come_by_the_source_itself_too() {
    local(async {
        let pool = ReplayPool::new(1 << 20, None);
        for drops in [false, true] {
            let (replay, mut client) = chunked(limits(10, None, true), &pool);
            let mut reader = replay.reader();
            if drops {
                reader.drop_trailers();
            }
            send_chunk(&mut client, b"more than may be kept").await;
            client.write_all(b"0\r\nChecksum: 17\r\n\r\n").await.unwrap();
            assert_eq!(read(&mut reader).await.unwrap(), b"more than may be kept");
            assert_eq!(reader.trailers().is_none(), drops);
        }
    });
}

#[test]
fn one_that_stalls_falls_out_and_holds_up_nobody() {
    local(async {
        let pool = ReplayPool::new(1 << 20, None);
        let sent = content(2_000_000);
        let (replay, mut client) = sized(sent.len(), limits(100_000, None, true), &pool);
        let (mut quick, mut stalled, mut second) = (replay.reader(), replay.reader(), replay.reader());
        let (mut of_stalled, mut of_second) = (Vec::new(), Vec::new());
        let reading = async {
            let mut got = Vec::new();
            step(&mut stalled, &mut of_stalled, 1).await.unwrap();
            while step(&mut quick, &mut got, 30_000).await.unwrap() {
                // Close behind: within what is kept.
                while of_second.len() + 60_000 < got.len() {
                    step(&mut second, &mut of_second, 30_000).await.unwrap();
                }
                assert!(pool.used_bytes() <= 100_000 + 3 * 64 * KIB, "{}", pool.used_bytes());
            }
            got
        };
        let (got, _) = tokio::join!(reading, client.write_all(&sent));
        assert!(got == sent);
        while step(&mut second, &mut of_second, 30_000).await.unwrap() {}
        assert!(of_second == sent, "one that keeps up gets everything");
        // What was lent to it stays with it, and then there is a gap, which is an error and no end.
        let lent = stalled.chunk().len();
        assert!(stalled.chunk() == &sent[1..=lent]);
        assert!(forgotten(read(&mut stalled).await) && !stalled.is_end());
        assert!(replay.content().is_none(), "all came, and not all is here");
        assert_eq!(replay.state(), State::Lost);
        assert_eq!(counts(&pool), [1, 0, 0, 0, 0]);
    });
}

#[test]
fn one_that_left_is_not_kept_for() {
    local(async {
        let pool = ReplayPool::new(1 << 20, None);
        let (replay, mut client) = sized(100_000, limits(20_000, None, true), &pool);
        let (mut stays, mut leaves) = (replay.reader(), replay.reader());
        client.write_all(&content(60_000)).await.unwrap();
        let (mut got, mut of_other) = (Vec::new(), Vec::new());
        while got.len() < 30_000 {
            step(&mut stays, &mut got, usize::MAX).await.unwrap();
            step(&mut leaves, &mut of_other, usize::MAX).await.unwrap();
        }
        assert!(got == of_other && pool.used_bytes() > 0, "both keep up, beyond the limit");
        drop(leaves);
        // As soon as the room that is left is used.
        let most = got.len() + 5000;
        while pool.used_bytes() > 0 {
            step(&mut stays, &mut got, usize::MAX).await.unwrap();
            assert!(got.len() < most);
        }
    });
}

#[test]
fn the_source_that_a_reader_had_is_for_nobody_else() {
    local(async {
        let pool = ReplayPool::new(1 << 20, None);
        let sent = content(50_000);
        let (replay, mut client) = sized(sent.len(), limits(10, None, true), &pool);
        client.write_all(&sent[..40_000]).await.unwrap();
        let (mut has_it, mut late, mut got) = (replay.reader(), replay.reader(), Vec::new());
        while got.len() < 20_000 {
            step(&mut has_it, &mut got, 1000).await.unwrap();
        }
        assert!(got == sent[..got.len()]);
        let left = sent.len() - got.len();
        drop(has_it);
        assert!(matches!(try_fill(&mut late), Some(Err(ReadError::Replay(ReplayError::Forgotten)))));
        // What is left can still be passed over, for the connection's sake.
        client.write_all(&sent[40_000..]).await.unwrap();
        let mut rest = Body::from(replay.take_source().unwrap());
        let mut most = left;
        assert!(std::future::poll_fn(|cx| rest.poll_discard(cx, &mut most)).await && most == 0);
    });
}

#[test]
fn a_source_that_a_reader_has_is_not_given_away() {
    local(async {
        let pool = ReplayPool::new(1 << 20, None);
        let (replay, mut client) = sized(2, limits(0, None, true), &pool);
        client.write_all(b"ab").await.unwrap();
        let (mut reader, mut got) = (replay.reader(), Vec::new());
        step(&mut reader, &mut got, 1).await.unwrap();
        assert!(replay.take_source().is_none());
        assert_eq!(read(&mut reader).await.unwrap(), b"b");
    });
}

/// Reading ahead for nobody would take from readers what they have not seen.
#[test]
fn the_holder_never_has_anything_forgotten() {
    local(async {
        let pool = ReplayPool::new(1 << 20, None);
        let sent = content(50_000);
        let (replay, mut client) = sized(sent.len(), limits(10_000, None, true), &pool);
        let mut reader = replay.reader();
        client.write_all(&sent).await.unwrap();
        for _ in 0..3 {
            let whole = replay.whole().await;
            assert!(matches!(whole, Err(ReadError::Replay(ReplayError::TooLarge))));
        }
        assert_eq!((replay.state(), counts(&pool)), (State::Arriving, [0; 5]));
        assert!(read(&mut reader).await.unwrap() == sent);
        assert_eq!((replay.state(), counts(&pool)), (State::Lost, [1, 0, 0, 0, 0]));
    });
}

/// However little memory there is, requests go through.
#[test]
fn with_the_total_used_up_the_quickest_goes_on() {
    let directory = Directory::new();
    local(async {
        // With or without a disk, to which nothing gets without a little memory.
        for (total, disk) in [(0, None), (1, None), (1000, None), (20_000, None), (0, Some(1 << 30))] {
            let pool = ReplayPool::new(total, Some(directory.path()));
            let sent = content(300_000);
            let (replay, mut client) = sized(sent.len(), limits(256 * KIB, disk, true), &pool);
            let (mut quick, mut other) = (replay.reader(), replay.reader());
            assert!(try_fill(&mut other).is_none());
            let reading = async {
                let mut got = Vec::new();
                while step(&mut quick, &mut got, usize::MAX).await.unwrap() {
                    assert!(pool.used_bytes() <= total);
                }
                got
            };
            let (got, _) = tokio::join!(reading, client.write_all(&sent));
            assert!(got == sent);
            assert!(forgotten(read(&mut other).await));
            assert_eq!(counts(&pool), [0, 0, 0, 0, 1], "counted once");
            drop((replay, quick, other));
            assert_eq!(pool.used_bytes(), 0);
        }
    });
}

#[test]
fn beyond_the_disk_readers_go_on_too() {
    let directory = Directory::new();
    local(async {
        let pool = ReplayPool::new(1 << 20, Some(directory.path()));
        let sent = content(1_000_000);
        let (replay, mut client) = sized(sent.len(), limits(64 * KIB, Some(500_000), true), &pool);
        let (mut quick, mut slow, mut of_slow) = (replay.reader(), replay.reader(), Vec::new());
        let reading = async {
            let mut got = Vec::new();
            while got.len() < 450_000 {
                step(&mut quick, &mut got, 10_000).await.unwrap();
            }
            // By now from the file.
            while of_slow.len() < 300_000 {
                step(&mut slow, &mut of_slow, 10_000).await.unwrap();
            }
            assert_eq!(replay.state(), State::Arriving);
            while step(&mut quick, &mut got, 10_000).await.unwrap() {}
            got
        };
        let (got, _) = tokio::join!(reading, client.write_all(&sent));
        assert!(got == sent && of_slow == sent[..of_slow.len()]);
        assert_eq!((replay.state(), counts(&pool)), (State::Lost, [0, 1, 0, 0, 0]));
        assert!(forgotten(read(&mut slow).await));
    });
}
