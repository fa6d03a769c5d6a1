//! Disks that are full, slow or not there.

use std::process::Command;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::scene::{Directory, content, counts, limits, local, read, settle, sized, step, try_fill};
use crate::body::ReadError;
use crate::body::replay::{ReplayBody, ReplayError, ReplayPool, State};
use crate::io::deadline::now;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

fn spool_failed(outcome: Result<Vec<u8>, ReadError>) -> bool {
    matches!(outcome, Err(ReadError::Replay(ReplayError::Spool(_))))
}

#[test]
fn without_a_directory_there_is_no_disk() {
    local(async {
        let pool = ReplayPool::new(MIB, None);
        let sent = content(100_001);
        let (replay, mut client) = sized(sent.len(), limits(100_000, Some(1 << 30), false), &pool);
        let (whole, _) = tokio::join!(replay.whole(), client.write_all(&sent));
        assert!(matches!(whole, Err(ReadError::Replay(ReplayError::TooLarge))));
        assert_eq!(counts(&pool), [1, 0, 0, 0, 0]);
    });
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_for_all_or_a_loss() {
    let directory = Directory::new();
    std::fs::create_dir(directory.path()).unwrap();
    std::fs::write(directory.path().join("file"), b"").unwrap();
    for lossy in [false, true] {
        local(async {
            let pool = ReplayPool::new(MIB, Some(directory.path().join("file/spool")));
            let sent = content(300_000);
            let (replay, mut client) = sized(sent.len(), limits(100_000, Some(1 << 30), lossy), &pool);
            let (mut first, mut second) = (replay.reader(), replay.reader());
            let sending = async {
                let _ = client.write_all(&sent).await;
                std::future::pending::<()>().await;
            };
            let one = tokio::select! { one = read(&mut first) => one, () = sending => unreachable!() };
            let two = read(&mut second).await;
            if lossy {
                assert!(one.unwrap() == sent);
                assert!(matches!(two, Err(ReadError::Replay(ReplayError::Forgotten))));
                assert_eq!(replay.state(), State::Lost);
            } else {
                assert!(spool_failed(one) && spool_failed(two));
                assert_eq!(replay.state(), State::Failed);
            }
            drop((replay, first, second));
            settle(&pool);
            assert_eq!((pool.used_bytes(), counts(&pool)), (0, [0, 0, 0, 1, 0]));
        });
    }
}

/// A disk that is full in the middle of a body: in a process of its own, whose files may not grow beyond 256 KiB.
#[test]
fn a_disk_that_gets_full_is_an_error_for_all_or_a_loss() {
    if std::env::var_os("WEIR_TEST_SMALL_FILES").is_none() {
        let name = "body::replay::tests::trouble::a_disk_that_gets_full_is_an_error_for_all_or_a_loss";
        let limited = format!("trap '' XFSZ; ulimit -f 512; exec \"$0\" --exact {name} --nocapture");
        let child = Command::new("sh")
            .args(["-c", &limited])
            .arg(std::env::current_exe().unwrap())
            .env("WEIR_TEST_SMALL_FILES", "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let directory = Directory::new();
    for lossy in [false, true] {
        local(async {
            let pool = ReplayPool::new(4 * MIB, Some(directory.path()));
            let sent = content(2 * MIB);
            let (replay, mut client) = sized(sent.len(), limits(64 * KIB, Some(1 << 30), lossy), &pool);
            let (mut quick, mut slow) = (replay.reader(), replay.reader());
            let mut got = Vec::new();
            let reading = async {
                loop {
                    match step(&mut quick, &mut got, usize::MAX).await {
                        Ok(true) => {}
                        Ok(false) => return Ok(()),
                        Err(error) => return Err(error),
                    }
                }
            };
            let outcome = tokio::select! {
                outcome = reading => outcome,
                () = async { let _ = client.write_all(&sent).await; std::future::pending().await } => unreachable!(),
            };
            let slow = read(&mut slow).await;
            if lossy {
                assert!(outcome.is_ok() && got == sent);
                assert!(matches!(slow, Err(ReadError::Replay(ReplayError::Forgotten))));
            } else {
                assert!(spool_failed(outcome.map(|()| Vec::new())) && got.len() < sent.len());
                assert!(spool_failed(slow));
            }
            assert_eq!(counts(&pool), [0, 0, 0, 1, 0]);
        });
    }
}

/// The source is read no faster than the disk takes it, and those behind are not held up by that.
#[test]
fn a_disk_that_stands_still_holds_up_the_source_and_nothing_else() {
    let directory = Directory::new();
    local(async {
        let pool = ReplayPool::new(4 * MIB, Some(directory.path()));
        let sent = content(MIB);
        let (replay, mut client) = sized(sent.len(), limits(128 * KIB, Some(1 << 30), false), &pool);
        let (mut quick, mut slow) = (replay.reader(), replay.reader());
        let held = pool.files.as_ref().unwrap().hold();
        let sending = tokio::task::spawn_local({
            let sent = sent.clone();
            async move {
                client.write_all(&sent).await.unwrap();
                client
            }
        });
        let (mut got, mut of_slow) = (Vec::new(), Vec::new());
        let begun = async {
            while got.len() < 128 * KIB {
                assert!(step(&mut quick, &mut got, usize::MAX).await.unwrap());
            }
        };
        begun.await;
        for _ in 0..100 {
            assert!(try_fill(&mut quick).is_none());
            tokio::task::yield_now().await;
        }
        assert!(!sending.is_finished() && pool.used_bytes() <= 128 * KIB);
        while of_slow.len() < 128 * KIB {
            assert!(step(&mut slow, &mut of_slow, usize::MAX).await.unwrap());
        }
        drop(held);
        let (one, two) = tokio::join!(read(&mut quick), read(&mut slow));
        assert!(one.unwrap() == sent[128 * KIB..] && two.unwrap() == sent[128 * KIB..]);
        sending.await.unwrap();
    });
}

#[test]
fn a_full_queue_is_no_disk() {
    let directory = Directory::new();
    for lossy in [false, true] {
        local(async {
            let pool = ReplayPool::new(4 * MIB, Some(directory.path()));
            let sent = content(300_000);
            // One that is in the file already.
            let (filed, mut client) = sized(sent.len(), limits(0, Some(1 << 30), false), &pool);
            let (whole, _) = tokio::join!(filed.whole(), client.write_all(&sent));
            whole.unwrap();
            let held = pool.files.as_ref().unwrap().hold();
            let filling: Vec<_> = std::iter::from_fn(|| {
                let mut reader = filed.reader();
                try_fill(&mut reader).is_none().then_some(reader)
            })
            .take(5000)
            .collect();
            // Each of them waits with memory of its own, so it is that which ends it, or the queue.
            assert!(filling.len() > 20);
            drop(filling);
            let mut jobs = 0;
            while pool.files.as_ref().unwrap().write(None, 0, Vec::new()).is_ok() {
                jobs += 1;
            }
            assert!(jobs > 900, "{jobs}");
            let before = counts(&pool);
            let (replay, mut client) = sized(sent.len(), limits(0, Some(1 << 30), lossy), &pool);
            let mut reader = replay.reader();
            let sending = async {
                let _ = client.write_all(&sent).await;
                std::future::pending::<()>().await;
            };
            let outcome =
                tokio::select! { outcome = read(&mut reader) => outcome, () = sending => unreachable!() };
            if lossy {
                assert!(outcome.unwrap() == sent);
            } else {
                assert!(matches!(outcome, Err(ReadError::Replay(ReplayError::Busy))));
            }
            assert_eq!(counts(&pool)[2], before[2] + 1);
            drop(held);
            settle(&pool);
            assert!(read(&mut filed.reader()).await.unwrap() == sent, "and then all is well again");
        });
    }
}

/// Whoever is dropped takes nothing along: at every step of every reader, with the disk at work.
#[test]
fn anything_may_be_dropped_at_any_time() {
    let directory = Directory::new();
    let pool = ReplayPool::new(4 * MIB, Some(directory.path()));
    let sent = content(400_000);
    for lossy in [false, true] {
        for polls in 0..120 {
            local(async {
                let disk = (polls % 3 != 0).then_some(1 << 30);
                let memory = if disk.is_some() || lossy { 70_000 } else { 500_000 };
                let (replay, mut client) = sized(sent.len(), limits(memory, disk, lossy), &pool);
                let (mut doomed, mut stays) = (replay.reader(), replay.reader());
                let sending = tokio::task::spawn_local({
                    let sent = sent.clone();
                    async move { client.write_all(&sent).await }
                });
                let mut got = Vec::new();
                for _ in 0..polls {
                    if let Some(filled) = try_fill(&mut doomed) {
                        filled.unwrap();
                        got.extend_from_slice(doomed.chunk());
                        let count = doomed.chunk().len();
                        doomed.consume(count);
                    }
                    tokio::task::yield_now().await;
                }
                assert!(got == sent[..got.len()]);
                match polls % 4 {
                    0 => drop((replay, doomed)),
                    1 => {
                        let _ = replay.poll_whole(&mut Context::from_waker(Waker::noop()));
                        drop((doomed, replay));
                    }
                    2 => drop(doomed),
                    _ => {
                        drop((replay, doomed, stays));
                        sending.abort();
                        return;
                    }
                }
                match read(&mut stays).await {
                    Ok(got) => assert!(got == sent),
                    Err(ReadError::Replay(ReplayError::Forgotten)) => assert!(lossy),
                    Err(error) => panic!("{error}"),
                }
                sending.abort();
            });
            settle(&pool);
            assert_eq!(pool.used_bytes(), 0, "after {polls}");
        }
    }
}

#[test]
fn a_reader_that_finds_no_memory_for_the_file_says_so() {
    let directory = Directory::new();
    local(async {
        let pool = ReplayPool::new(100_000, Some(directory.path()));
        let sent = content(300_000);
        let (replay, mut client) = sized(sent.len(), limits(0, Some(1 << 30), false), &pool);
        let (whole, _) = tokio::join!(replay.whole(), client.write_all(&sent));
        whole.unwrap();
        let later = replay.content().unwrap();
        drop(replay);
        let mut readers = Vec::new();
        let refused = loop {
            let mut reader = ReplayBody::of(later.clone());
            let (mut got, before) = (Vec::new(), pool.used_bytes());
            match step(&mut reader, &mut got, 1).await {
                Ok(_) => assert!(pool.used_bytes() > before && pool.used_bytes() <= 100_000),
                Err(error) => break error,
            }
            readers.push(reader);
        };
        assert!(matches!(refused, ReadError::Replay(ReplayError::NoMemory)), "{refused}");
        assert_eq!(counts(&pool), [0, 0, 0, 0, 1]);
        readers.truncate(1);
        assert!(read(&mut ReplayBody::of(later)).await.unwrap() == sent);
    });
}

fn is_late(error: &ReadError) -> bool {
    matches!(error, ReadError::Replay(ReplayError::Spool(error)) if error.kind() == std::io::ErrorKind::TimedOut)
}

/// Nothing ended the wait for a disk that stood still: neither the server nor the client was late, and the client waited for ever.
#[test]
fn a_disk_that_stands_still_for_too_long_while_it_is_written_is_no_disk() {
    let directory = Directory::new();
    for lossy in [false, true] {
        local(async {
            let pool = ReplayPool::with_patience(4 * MIB, directory.path(), Duration::from_secs(30));
            let sent = content(MIB);
            let (replay, mut client) = sized(sent.len(), limits(128 * KIB, Some(1 << 30), lossy), &pool);
            let (mut quick, mut slow) = (replay.reader(), replay.reader());
            let held = pool.files.as_ref().unwrap().hold();
            let begun = now();
            let sending = async {
                let _ = client.write_all(&sent).await;
                std::future::pending::<()>().await;
            };
            let one = tokio::select! { one = read(&mut quick) => one, () = sending => unreachable!() };
            assert_eq!((now() - begun).as_secs(), 30);
            if lossy {
                assert!(one.unwrap() == sent);
                assert!(read(&mut slow).await.is_err());
            } else {
                assert!(is_late(&one.unwrap_err()) && is_late(&read(&mut slow).await.unwrap_err()));
                assert_eq!(replay.state(), State::Failed);
            }
            assert_eq!(counts(&pool), [0, 0, 0, 1, 0]);
            // What the disk still has to do is left undone, and holds no memory longer than that.
            drop((replay, quick, slow, held));
            settle(&pool);
            assert_eq!(pool.used_bytes(), 0);
        });
    }
}

#[test]
fn a_disk_that_stands_still_for_too_long_while_it_is_read_is_an_error() {
    let directory = Directory::new();
    local(async {
        // As long as the disk works nobody is impatient: the clock jumps to whatever is waited for.
        let pool = ReplayPool::new(4 * MIB, Some(directory.path()));
        let sent = content(300_000);
        let (replay, mut client) = sized(sent.len(), limits(0, Some(1 << 30), false), &pool);
        let (whole, _) = tokio::join!(replay.whole(), client.write_all(&sent));
        whole.unwrap();
        let content = replay.content().unwrap();
        let impatient = content.with_patience(Duration::from_secs(30));
        let held = impatient.file.as_ref().unwrap().hold();
        let begun = now();
        assert!(is_late(&read(&mut ReplayBody::of(Arc::new(impatient))).await.unwrap_err()));
        assert_eq!((now() - begun).as_secs(), 30);
        assert_eq!(counts(&pool), [0, 0, 0, 1, 0]);
        drop(held);
        assert!(read(&mut ReplayBody::of(content)).await.unwrap() == sent);
    });
}
