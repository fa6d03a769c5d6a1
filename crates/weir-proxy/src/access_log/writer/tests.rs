//! A log whose output hangs, fails, tears lines and comes back; no worker may notice any of it.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use weir_config::model::{AccessLogFormat, LogTarget};

use super::super::entry::Entry;
use super::super::form::Form;
use super::{AccessLogWriter, BUFFER_BYTES, LogHandle, QUEUE_BUFFERS};

const LONG: Duration = Duration::from_secs(20);

/// What was written, seen from outside.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
        text.lines().map(str::to_owned).collect()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An output that says when a write begins and waits until it is let through.
struct Gate {
    sink: Sink,
    begun: SyncSender<()>,
    open: Receiver<()>,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.begun.try_send(());
        let _ = self.open.recv();
        self.sink.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An output that follows a script: at most so many bytes, or an error; then it takes everything.
struct Scripted {
    sink: Sink,
    script: VecDeque<Result<usize, ErrorKind>>,
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.script.pop_front().unwrap_or(Ok(usize::MAX))?.min(bytes.len());
        self.sink.write(&bytes[..count])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn log(handle: &mut LogHandle, target: &str) {
    let entry = Entry {
        method: b"GET",
        target: target.as_bytes(),
        version: "HTTP/1.1",
        status: 200,
        attempts: 1,
        mode: "balance",
        ..Entry::of(IpAddr::V4(Ipv4Addr::LOCALHOST), UNIX_EPOCH)
    };
    handle.log(&Form::Structured(AccessLogFormat::Common), &entry);
}

fn targets(lines: &[String]) -> Vec<&str> {
    lines.iter().map(|line| line.split(' ').nth(6).unwrap()).collect()
}

/// Lines through an output with a script, each in a buffer of its own; the lines that arrived and the count of the lost.
fn scripted(script: impl IntoIterator<Item = Result<usize, ErrorKind>>, count: usize) -> (Vec<String>, u64) {
    let sink = Sink::default();
    let output = Scripted { sink: sink.clone(), script: script.into_iter().collect() };
    let writer = AccessLogWriter::start_with(Box::new(output), None).unwrap();
    let counts = writer.counts();
    let mut handle = writer.handle();
    for number in 0..count {
        log(&mut handle, &number.to_string());
        handle.flush();
    }
    drop(handle);
    assert!(writer.finish(LONG));
    assert_eq!(counts.dropped(), 0);
    (sink.lines(), counts.unwritten())
}

#[test]
fn lines_of_every_worker_arrive_whole_and_in_order() {
    let sink = Sink::default();
    let writer = AccessLogWriter::start_with(Box::new(sink.clone()), None).unwrap();
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let mut handle = writer.handle();
            std::thread::spawn(move || {
                for number in 0..2000 {
                    log(&mut handle, &format!("{worker}/{number}"));
                    if number % 97 == 0 {
                        handle.flush();
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    let counts = writer.counts();
    assert!(writer.finish(LONG));
    let lines = sink.lines();
    assert_eq!(lines.len() as u64 + counts.dropped(), 8000);
    for worker in 0..4 {
        let prefix = format!("{worker}/");
        let numbers: Vec<u32> =
            targets(&lines).iter().filter_map(|target| target.strip_prefix(&prefix)?.parse().ok()).collect();
        assert!(numbers.is_sorted(), "{numbers:?}");
    }
}

#[test]
fn a_hanging_output_costs_lines_and_never_time() {
    let (begun_sender, begun) = sync_channel(1);
    let (open, gate) = sync_channel(0);
    let sink = Sink::default();
    let output = Gate { sink: sink.clone(), begun: begun_sender, open: gate };
    let writer = AccessLogWriter::start_with(Box::new(output), None).unwrap();
    let mut handle = writer.handle();
    let mut logged = 0_u64;
    let mut log_one = |handle: &mut LogHandle| {
        log(handle, &logged.to_string());
        logged += 1;
    };
    log_one(&mut handle);
    handle.flush();
    begun.recv().unwrap();
    // The thread hangs in its first write. Were one of these calls to wait for it, the test would never end.
    while writer.dropped() == 0 {
        log_one(&mut handle);
    }
    let first_dropped = writer.dropped();
    assert!(first_dropped > 1, "a whole buffer is dropped at once");
    for _ in 0..1000 {
        log_one(&mut handle);
        // A flush of a buffer that is not full drops nothing.
        handle.flush();
    }
    let dropped = writer.dropped();
    drop(handle);
    drop(open);
    assert!(writer.finish(LONG));
    let lines = sink.lines();
    assert_eq!(lines.len() as u64 + dropped, logged);
    let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
    assert!(bytes < (QUEUE_BUFFERS + 2) * (BUFFER_BYTES + 1024), "{bytes}");
    let numbers: Vec<u64> = targets(&lines).iter().map(|target| target.parse().unwrap()).collect();
    assert!(numbers.is_sorted());
}

#[test]
fn a_finish_does_not_wait_for_an_output_that_hangs() {
    let (begun_sender, begun) = sync_channel(1);
    let (_open, gate) = sync_channel(0);
    let output = Gate { sink: Sink::default(), begun: begun_sender, open: gate };
    let writer = AccessLogWriter::start_with(Box::new(output), None).unwrap();
    let mut handle = writer.handle();
    log(&mut handle, "/");
    drop(handle);
    assert!(!writer.finish(Duration::from_millis(1)));
    begun.recv().unwrap();
}

#[test]
fn a_finish_with_a_handle_left_gives_up() {
    let writer = AccessLogWriter::start_with(Box::new(Sink::default()), None).unwrap();
    let mut handle = writer.handle();
    assert!(!writer.finish(Duration::from_millis(1)));
    // The thread is still there for it.
    log(&mut handle, "/");
    handle.flush();
}

#[test]
fn outputs_that_take_little_at_a_time_get_everything() {
    let script = [Ok(1), Err(ErrorKind::Interrupted), Ok(7), Err(ErrorKind::WouldBlock), Ok(3)];
    let (lines, unwritten) = scripted(script, 3);
    assert_eq!((targets(&lines), unwritten), (vec!["0", "1", "2"], 0));
}

#[test]
fn a_failed_write_is_counted_and_the_next_one_tried() {
    let (lines, unwritten) = scripted([Err(ErrorKind::StorageFull), Err(ErrorKind::StorageFull)], 3);
    assert_eq!((targets(&lines), unwritten), (vec!["2"], 2));
    let (lines, unwritten) = scripted([Ok(0)], 2);
    assert_eq!((targets(&lines), unwritten), (vec!["1"], 1));
}

#[test]
fn a_torn_line_does_not_glue_itself_to_the_next() {
    let (lines, unwritten) = scripted([Ok(9), Err(ErrorKind::StorageFull)], 2);
    assert_eq!((lines.len(), lines[0].as_str(), unwritten), (2, "127.0.0.1", 1));
    assert_eq!(targets(&lines[1..]), ["1"]);
    // Also when the line end itself cannot be written at first.
    let (lines, unwritten) = scripted([Ok(9), Err(ErrorKind::StorageFull), Err(ErrorKind::StorageFull)], 3);
    assert_eq!((lines.len(), lines[0].as_str(), unwritten), (2, "127.0.0.1", 2));
    assert_eq!(targets(&lines[1..]), ["2"]);
}

#[test]
fn a_log_of_nothing_writes_nothing() {
    let sink = Sink::default();
    let writer = AccessLogWriter::start_with(Box::new(sink.clone()), None).unwrap();
    let mut handle = writer.handle();
    handle.flush();
    handle.flush();
    drop(handle);
    drop(writer.handle());
    assert!(writer.finish(LONG));
    assert!(sink.lines().is_empty());
}

#[test]
fn a_line_that_is_longer_than_a_buffer_arrives_whole() {
    let sink = Sink::default();
    let writer = AccessLogWriter::start_with(Box::new(sink.clone()), None).unwrap();
    let mut handle = writer.handle();
    let long = "x".repeat(10 * BUFFER_BYTES);
    for target in [long.as_str(), "short", long.as_str()] {
        log(&mut handle, target);
    }
    drop(handle);
    assert!(writer.finish(LONG));
    assert_eq!(targets(&sink.lines()), [long.as_str(), "short", long.as_str()]);
}

/// A directory that is removed at the end of a test.
struct Directory(std::path::PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("weir-access-log-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_is_appended_to_and_reopened_when_it_was_moved_away() {
    let directory = Directory::new("reopen");
    let path = directory.0.join("access.log");
    std::fs::write(&path, "before\n").unwrap();
    let writer = AccessLogWriter::start(&LogTarget::File(path.clone())).unwrap();
    let moved = directory.0.join("access.log.1");
    std::fs::rename(&path, &moved).unwrap();
    let mut handle = writer.handle();
    writer.reopen();
    log(&mut handle, "/after");
    drop(handle);
    assert!(writer.finish(LONG));
    assert_eq!(std::fs::read_to_string(moved).unwrap(), "before\n");
    assert!(std::fs::read_to_string(path).unwrap().contains("\"GET /after HTTP/1.1\""));
}

#[test]
fn a_reopen_that_fails_keeps_the_old_file() {
    let directory = Directory::new("stays");
    let path = directory.0.join("access.log");
    let writer = AccessLogWriter::start(&LogTarget::File(path.clone())).unwrap();
    let moved = directory.0.join("access.log.1");
    std::fs::rename(&path, &moved).unwrap();
    std::fs::create_dir(&path).unwrap();
    let mut handle = writer.handle();
    writer.reopen();
    log(&mut handle, "/still");
    drop(handle);
    assert!(writer.finish(LONG));
    assert!(std::fs::read_to_string(moved).unwrap().contains("/still"));
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let directory = Directory::new("unopened");
    let error = AccessLogWriter::start(&LogTarget::File(directory.0.clone())).unwrap_err();
    let path = directory.0.display().to_string();
    assert!(error.to_string().starts_with(&format!("cannot open the access log `{path}`: ")), "{error}");
}
