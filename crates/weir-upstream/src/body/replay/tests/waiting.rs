//! Who is woken when something comes, and whose time runs while nothing does.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use tokio::io::AsyncWriteExt;
use tokio::task::{spawn_local, yield_now};
use weir_http::framing::Framing;

use super::scene::{Directory, PATIENCE, content, limits, local, read, sized, source, step, try_fill};
use crate::body::replay::{Replay, ReplayLimits, ReplayPool};
use crate::io::deadline::{Wait, now};

fn memory() -> (ReplayLimits, ReplayPool) {
    (limits(256 * 1024, None, false), ReplayPool::new(1 << 20, None))
}

/// Counts how often it is woken, and does nothing about it: a task that looks elsewhere.
#[derive(Default)]
struct Bell(AtomicU32);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bell {
    fn rung(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn readers_in_several_tasks_are_all_woken() {
    local(async {
        let (limits, pool) = memory();
        let sent = content(100_000);
        let (replay, mut client) = sized(sent.len(), limits, &pool);
        let tasks: Vec<_> = (0..5)
            .map(|_| {
                let mut reader = replay.reader();
                spawn_local(async move { read(&mut reader).await })
            })
            .collect();
        for part in sent.chunks(7000) {
            yield_now().await;
            client.write_all(part).await.unwrap();
        }
        for task in tasks {
            assert!(task.await.unwrap().unwrap() == sent);
        }
    });
}

/// A source wakes whoever asked it last. When that one was dropped meanwhile, or has better to do than to read, the others
/// must hear of it all the same.
#[test]
fn one_that_asked_last_and_left_strands_nobody() {
    for leaves in [true, false] {
        local(async {
            let (limits, pool) = memory();
            let (replay, mut client) = sized(4, limits, &pool);
            let (mut stays, mut asks_last) = (replay.reader(), replay.reader());
            let (first, last) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
            let (first_waker, last_waker) = (Waker::from(Arc::clone(&first)), Waker::from(Arc::clone(&last)));
            assert!(stays.poll_fill(&mut Context::from_waker(&first_waker)).is_pending());
            assert!(asks_last.poll_fill(&mut Context::from_waker(&last_waker)).is_pending());
            let kept = (!leaves).then_some(asks_last);
            client.write_all(b"four").await.unwrap();
            assert_eq!(first.rung(), 1, "dropped: {leaves}");
            let filled = stays.poll_fill(&mut Context::from_waker(&first_waker));
            assert!(matches!(filled, Poll::Ready(Ok(()))));
            assert_eq!(stays.chunk(), b"four");
            drop(kept);
        });
    }
}

/// What one reader has fetched is there for the others at once, not when the source next has something.
#[test]
fn what_one_has_fetched_wakes_the_others() {
    local(async {
        let (limits, pool) = memory();
        let (replay, mut client) = sized(8, limits, &pool);
        let (mut waits, mut fetches) = (replay.reader(), replay.reader());
        client.write_all(b"four").await.unwrap();
        assert!(try_fill(&mut fetches).unwrap().is_ok());
        fetches.consume(4);
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        assert!(waits.poll_fill(&mut Context::from_waker(&waker)).is_ready());
        waits.consume(4);
        assert!(waits.poll_fill(&mut Context::from_waker(&waker)).is_pending());
        assert!(waits.poll_fill(&mut Context::from_waker(&waker)).is_pending());
        client.write_all(b"more").await.unwrap();
        let before = bell.rung();
        assert_eq!(before, 1, "by the source, once");
        // It has not come back, and somebody else fetches: there is nobody to tell, and nobody is told twice.
        assert!(try_fill(&mut fetches).unwrap().is_ok());
        assert_eq!(bell.rung(), before);
        assert!(waits.poll_fill(&mut Context::from_waker(&waker)).is_ready());
    });
}

#[test]
fn a_stalled_reader_holds_up_nobody() {
    local(async {
        let (limits, pool) = memory();
        let sent = content(200_000);
        let (replay, mut client) = sized(sent.len(), limits, &pool);
        let (mut stalled, mut quick) = (replay.reader(), replay.reader());
        assert!(try_fill(&mut stalled).is_none());
        let (got, _) = tokio::join!(read(&mut quick), client.write_all(&sent));
        assert!(got.unwrap() == sent);
        assert!(read(&mut stalled).await.unwrap() == sent);
    });
}

#[test]
fn the_sources_time_runs_while_anybody_waits_for_it_and_only_then() {
    local(async {
        let (limits, pool) = memory();
        let (source, mut client, deadlines) = source(Framing::Sized(100));
        let replay = Replay::new(source, limits, &pool);
        let (mut one, mut other, mut third) = (replay.reader(), replay.reader(), replay.reader());
        let passes = async |longest: u32| {
            let begun = now();
            let long = crate::io::deadline::pause(PATIENCE * longest);
            let passed = deadlines.guard(pin!(long)).await.err();
            (passed, now() - begun)
        };
        assert_eq!(passes(5).await.0, None, "nobody has asked");
        assert!(try_fill(&mut one).is_none() && try_fill(&mut other).is_none());
        one.pause();
        one.pause();
        assert_eq!(passes(5).await, (Some(Wait::ClientBody), PATIENCE), "the other waits still");
        assert!(try_fill(&mut one).is_none() && try_fill(&mut other).is_none());
        drop(other);
        one.pause();
        assert_eq!(passes(5).await.0, None, "the last one has left, or looks elsewhere");
        assert!(replay.poll_whole(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(try_fill(&mut one).is_none());
        one.pause();
        assert_eq!(passes(5).await, (Some(Wait::ClientBody), PATIENCE), "the holder waits");
        assert!(replay.poll_whole(&mut Context::from_waker(Waker::noop())).is_pending());
        replay.pause();
        assert_eq!(passes(5).await.0, None);
        assert!(try_fill(&mut one).is_none());
        client.write_all(b"some").await.unwrap();
        assert!(try_fill(&mut third).unwrap().is_ok());
        assert!(try_fill(&mut one).unwrap().is_ok());
        assert_eq!(passes(5).await.0, None, "those who waited have what they waited for");
        drop((replay, one, third));
        assert_eq!(Rc::strong_count(&deadlines), 1);
    });
}

/// One that waits for the disk has nothing to ask of the client.
#[test]
fn a_reader_that_waits_for_its_file_does_not_wait_for_the_source() {
    let directory = Directory::new();
    local(async {
        let pool = ReplayPool::new(1 << 20, Some(directory.path()));
        let (source, mut client, deadlines) = source(Framing::Sized(200_000));
        let replay = Replay::new(source, limits(0, Some(1 << 30), false), &pool);
        let (mut quick, mut slow, mut got) = (replay.reader(), replay.reader(), Vec::new());
        let sent = content(190_000);
        let reading = async {
            while got.len() < sent.len() {
                step(&mut quick, &mut got, usize::MAX).await.unwrap();
            }
        };
        tokio::join!(reading, async { client.write_all(&sent).await.unwrap() });
        let _held = pool.files.as_ref().unwrap().hold();
        assert!(try_fill(&mut slow).is_none(), "it reads the file");
        assert!(try_fill(&mut quick).is_none(), "it waits for the client");
        quick.pause();
        let long = pin!(crate::io::deadline::pause(PATIENCE * 5));
        assert_eq!(deadlines.guard(long).await, Ok(()));
    });
}
