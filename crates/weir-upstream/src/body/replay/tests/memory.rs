//! Bodies that are kept in memory alone.

use std::task::{Context, Poll, Waker};

use tokio::io::AsyncWriteExt;
use weir_http::framing::Framing;

use super::scene::{
    chunked, content, counts, limits, local, read, send_chunk, sized, source_up_to, step, try_fill,
};
use crate::body::replay::{Impossible, Replay, ReplayBody, ReplayError, ReplayPool, Source, State};
use crate::body::{Body, ReadError};

const KIB: usize = 1024;

/// Around pieces, gathered pieces, what a pipe holds, and nothing.
const SIZES: [usize; 15] = [
    0,
    1,
    4 * KIB - 1,
    4 * KIB,
    4 * KIB + 1,
    16 * KIB - 1,
    16 * KIB,
    16 * KIB + 1,
    64 * KIB - 1,
    64 * KIB,
    64 * KIB + 1,
    200_000,
    256 * KIB - 1,
    256 * KIB,
    256 * KIB + 1,
];

#[test]
fn each_of_several_readers_gets_every_byte() {
    local(async {
        for size in SIZES {
            let pool = ReplayPool::new(1 << 20, None);
            let sent = content(size);
            let (replay, mut client) = sized(size, limits(512 * KIB, None, false), &pool);
            let (mut first, mut second) = (replay.reader(), replay.reader());
            let (one, two, _) = tokio::join!(read(&mut first), read(&mut second), client.write_all(&sent));
            assert!(one.unwrap() == sent && two.unwrap() == sent, "{size}");
            assert_eq!(replay.state(), State::Whole { bytes: size as u64 });
            assert!(read(&mut replay.reader()).await.unwrap() == sent);
            assert_eq!(pool.used_bytes(), size, "nothing but the content is held");
            let later = replay.content().unwrap();
            drop((replay, first, second));
            assert_eq!(pool.used_bytes(), size);
            assert!(read(&mut ReplayBody::of(later)).await.unwrap() == sent);
            assert_eq!(pool.used_bytes(), 0);
        }
    });
}

#[test]
fn the_limit_is_met_to_the_byte() {
    local(async {
        for limit in [0, 1, 100, 4 * KIB, 100_000, 256 * KIB] {
            for size in [limit.saturating_sub(1), limit, limit + 1] {
                let pool = ReplayPool::new(1 << 20, None);
                let sent = content(size);
                let (replay, mut client) = sized(size, limits(limit, None, false), &pool);
                let (mut first, mut second) = (replay.reader(), replay.reader());
                let (one, two, whole, _) = tokio::join!(
                    read(&mut first),
                    read(&mut second),
                    replay.whole(),
                    client.write_all(&sent)
                );
                if size <= limit {
                    assert!(
                        whole.is_ok() && one.unwrap() == sent && two.unwrap() == sent,
                        "{size} of {limit}"
                    );
                    assert_eq!(counts(&pool), [0; 5]);
                    continue;
                }
                for error in [one.unwrap_err(), two.unwrap_err(), whole.unwrap_err()] {
                    assert!(matches!(error, ReadError::Replay(ReplayError::TooLarge)), "{error}");
                }
                assert_eq!(replay.state(), State::Failed);
                assert!(replay.content().is_none());
                assert_eq!(counts(&pool), [1, 0, 0, 0, 0]);
                drop((first, second));
                assert_eq!(pool.used_bytes(), 0, "what nobody may read is not held");
            }
        }
    });
}

/// A client that sends byte after byte must not make us hold many times what it sends.
#[test]
fn tiny_chunks_are_gathered() {
    local(async {
        let pool = ReplayPool::new(1 << 20, None);
        let sent = content(40_000);
        let (replay, mut client) = chunked(limits(256 * KIB, None, false), &pool);
        let (mut quick, mut got) = (replay.reader(), Vec::new());
        for byte in &sent {
            send_chunk(&mut client, &[*byte]).await;
            step(&mut quick, &mut got, usize::MAX).await.unwrap();
            assert!(pool.used_bytes() <= 2 * got.len());
        }
        client.write_all(b"0\r\n\r\n").await.unwrap();
        assert!(!step(&mut quick, &mut got, usize::MAX).await.unwrap());
        assert!(got == sent);
        let pieces = replay.content().unwrap().pieces.len();
        assert!(pieces <= 40_000 / (4 * KIB) + 1, "{pieces} pieces");
        assert!(read(&mut replay.reader()).await.unwrap() == sent);
    });
}

#[test]
fn what_is_in_memory_already_is_whole_and_costs_nothing() {
    let pool = ReplayPool::new(0, None);
    for size in [0, 1, 100_000] {
        let sent = content(size);
        let body = if size == 0 { Body::Empty } else { Body::Memory(sent.clone()) };
        let replay = body.into_replay(limits(10, None, false), &pool);
        assert_eq!(replay.state(), State::Whole { bytes: size as u64 });
        let mut reader = replay.reader();
        assert_eq!(reader.is_end(), size == 0);
        assert!(try_fill(&mut reader).unwrap().is_ok());
        assert_eq!(reader.chunk(), sent);
        reader.consume(size);
        assert!(reader.is_end() && pool.used_bytes() == 0);
        assert!(matches!(Body::from(replay.take_source().unwrap()), Body::Empty));
    }
}

#[test]
fn trailers_reach_every_reader_at_its_end() {
    local(async {
        let pool = ReplayPool::new(1 << 20, None);
        let (replay, mut client) = chunked(limits(256 * KIB, None, false), &pool);
        let (mut first, mut without, mut slow) = (replay.reader(), replay.reader(), replay.reader());
        without.drop_trailers();
        send_chunk(&mut client, b"content").await;
        client.write_all(b"0\r\nChecksum: 17\r\n\r\n").await.unwrap();
        for reader in [&mut first, &mut without, &mut slow] {
            assert!(reader.trailers().is_none());
            assert_eq!(read(reader).await.unwrap(), b"content");
        }
        let later = replay.content().unwrap();
        let again = Body::from(replay.reader()).into_replay(limits(0, None, false), &pool);
        drop(replay);
        let (mut again, mut later) = (again.reader(), ReplayBody::of(later));
        read(&mut again).await.unwrap();
        read(&mut later).await.unwrap();
        for reader in [&first, &slow, &again, &later] {
            assert_eq!(reader.trailers().unwrap().get(b"checksum".as_slice()), Some(b"17".as_slice()));
        }
        assert!(without.trailers().is_none());
    });
}

/// A body that broke must never look like one that ended.
#[test]
fn a_broken_source_is_an_error_for_every_reader() {
    type Expected = fn(&ReadError) -> bool;
    let cases: [(&[u8], Expected); 4] = [
        (b"5\r\nconte", |error| matches!(error, ReadError::Body(_))),
        (b"5\r\nconte\r\nnonsense\r\n", |error| matches!(error, ReadError::Body(_))),
        (b"0\r\nno trailer\r\n\r\n", |error| matches!(error, ReadError::Body(_))),
        (b"fffffffffff\r\nx", |error| matches!(error, ReadError::Body(_))),
    ];
    for (sent, expected) in cases {
        for lossy in [false, true] {
            local(async {
                let pool = ReplayPool::new(1 << 20, None);
                let (replay, mut client) = chunked(limits(256 * KIB, None, lossy), &pool);
                let (mut first, mut second, mut third) = (replay.reader(), replay.reader(), replay.reader());
                client.write_all(sent).await.unwrap();
                drop(client);
                let (one, two) = tokio::join!(read(&mut first), read(&mut second));
                let three = read(&mut third).await;
                let late = read(&mut replay.reader()).await;
                for outcome in [one, two, three, late] {
                    let error = outcome.unwrap_err();
                    assert!(expected(&error), "{}: {error}", String::from_utf8_lossy(sent));
                }
                assert_eq!(replay.state(), State::Failed);
                assert!(replay.whole().await.is_err() && replay.content().is_none());
                assert!(!first.is_end());
                drop((first, second, third));
                assert_eq!((pool.used_bytes(), counts(&pool)), (0, [0; 5]), "the client's fault, not ours");
                assert!(!Body::from(replay.take_source().unwrap()).is_end(), "its connection is of no use");
            });
        }
    }
}

#[test]
fn a_body_over_its_own_limit_is_too_large_for_every_reader() {
    local(async {
        let pool = ReplayPool::new(1 << 20, None);
        let (source, mut client, _) = source_up_to(Framing::Chunked, 1000);
        let replay = Replay::new(source, limits(256 * KIB, None, true), &pool);
        let (mut first, mut second, mut got) = (replay.reader(), replay.reader(), Vec::new());
        send_chunk(&mut client, &content(1000)).await;
        assert!(step(&mut first, &mut got, usize::MAX).await.unwrap());
        send_chunk(&mut client, b"x").await;
        for reader in [&mut first, &mut second, &mut replay.reader()] {
            assert!(matches!(read(reader).await, Err(ReadError::TooLarge)));
        }
    });
}

#[test]
fn the_source_comes_back_with_what_came_behind_it() {
    local(async {
        let pool = ReplayPool::new(1 << 20, None);
        let (replay, mut client) = sized(4, limits(256 * KIB, None, false), &pool);
        client.write_all(b"bodyGET / HTTP/1.1\r\n").await.unwrap();
        let mut reader = replay.reader();
        assert_eq!(read(&mut reader).await.unwrap(), b"body");
        let Some(Source::H1(mut source)) = replay.take_source() else { panic!("it was a connection") };
        assert!(source.is_end());
        assert_eq!(source.take_buffer().unread(), b"GET / HTTP/1.1\r\n");
        assert!(reader.is_end(), "and takes nothing from readers");
    });
}

#[test]
fn a_source_that_is_taken_too_early_is_an_error_for_its_readers() {
    local(async {
        let pool = ReplayPool::new(1 << 20, None);
        let (replay, mut client) = sized(10, limits(256 * KIB, None, false), &pool);
        client.write_all(b"half").await.unwrap();
        let (mut reader, mut waits) = (replay.reader(), replay.reader());
        let another = Body::from(replay.reader()).into_replay(limits(0, None, true), &pool);
        let waiting = tokio::task::spawn_local(async move { read(&mut waits).await });
        let mut got = Vec::new();
        step(&mut reader, &mut got, 2).await.unwrap();
        tokio::task::yield_now().await;
        assert!(!Body::from(replay.take_source().unwrap()).is_end());
        let abandoned = |error| matches!(error, ReadError::Replay(ReplayError::Abandoned));
        assert!(abandoned(waiting.await.unwrap().unwrap_err()), "and is woken");
        assert!(abandoned(another.whole().await.unwrap_err()) && another.take_source().is_none());
        // What was lent to it stays.
        assert_eq!(reader.chunk(), b"lf");
        assert!(abandoned(read(&mut reader).await.unwrap_err()));
    });
}

/// A repeat may be decided on as soon as the last byte is here.
#[test]
fn a_body_with_a_length_is_whole_with_its_last_byte() {
    local(async {
        let pool = ReplayPool::new(1 << 20, None);
        let (replay, mut client) = sized(8, limits(256 * KIB, None, false), &pool);
        let (mut reader, mut got) = (replay.reader(), Vec::new());
        for part in [b"four", b"more"] {
            assert_eq!(replay.state(), State::Arriving);
            client.write_all(part).await.unwrap();
            step(&mut reader, &mut got, usize::MAX).await.unwrap();
        }
        assert_eq!((replay.state(), reader.is_end()), (State::Whole { bytes: 8 }, true));
    });
}

#[test]
fn the_handle_is_not_needed_for_reading_on() {
    local(async {
        let pool = ReplayPool::new(1 << 20, None);
        let sent = content(100_000);
        let (replay, mut client) = sized(sent.len(), limits(256 * KIB, None, false), &pool);
        let (mut first, mut second) = (replay.reader(), replay.reader());
        assert!(replay.poll_whole(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(replay);
        let (one, _) = tokio::join!(read(&mut first), client.write_all(&sent));
        assert!(one.unwrap() == sent);
        assert!(read(&mut second).await.unwrap() == sent);
    });
}

#[test]
fn over_the_total_nothing_more_is_held() {
    local(async {
        let pool = ReplayPool::new(100_000, None);
        let mut held = Vec::new();
        for _ in 0..20 {
            let sent = content(20_000);
            let (replay, mut client) = sized(sent.len(), limits(256 * KIB, None, false), &pool);
            client.write_all(&sent).await.unwrap();
            let whole = replay.whole().await;
            assert!(pool.used_bytes() <= 100_000);
            match whole {
                Ok(()) => held.push(replay),
                Err(error) => {
                    assert!(matches!(error, ReadError::Replay(ReplayError::NoMemory)), "{error}");
                }
            }
        }
        assert!((3..=4).contains(&held.len()), "{}", held.len());
        assert_eq!(pool.impossible(Impossible::Total), 20 - held.len() as u64);
        // A small one is still kept.
        let (replay, mut client) = sized(5, limits(256 * KIB, None, false), &pool);
        client.write_all(b"small").await.unwrap();
        assert!(replay.whole().await.is_ok());
        held.clear();
        assert_eq!(pool.used_bytes(), 5);
    });
}

#[test]
fn content_belongs_to_no_thread() {
    fn check<T: Send + Sync>(_: &T) {}
    local(async {
        let pool = ReplayPool::new(1 << 20, None);
        check(&pool);
        let sent = content(100_000);
        let (replay, mut client) = sized(sent.len(), limits(256 * KIB, None, false), &pool);
        let (whole, _) = tokio::join!(replay.whole(), client.write_all(&sent));
        whole.unwrap();
        let later = replay.content().unwrap();
        check(&later);
        assert_eq!(later.bytes(), 100_000);
        let elsewhere = std::thread::spawn(move || {
            let mut reader = ReplayBody::of(later);
            let mut got = Vec::new();
            while !reader.is_end() {
                let filled = reader.poll_fill(&mut Context::from_waker(Waker::noop()));
                assert!(matches!(filled, Poll::Ready(Ok(()))), "memory is there at once");
                got.extend_from_slice(reader.chunk());
                let count = reader.chunk().len();
                reader.consume(count);
            }
            got
        });
        assert!(elsewhere.join().unwrap() == sent);
    });
}
