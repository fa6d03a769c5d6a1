//! The thread that writes, and the handles by which workers reach it without ever waiting.
//!
//! Each worker owns a [`LogHandle`] with a buffer. Whole buffers go to the thread through a bounded queue, by an attempt
//! that never blocks, and come back empty by a queue of their own, so that a busy log allocates nothing. When the queue is
//! full the buffer's lines are dropped and counted. A lock is taken only when a handle is dropped while the queue is full.

#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use weir_config::model::LogTarget;

use super::entry::Entry;
use super::form::Form;

/// Bytes at which a worker hands its buffer over without being asked to flush.
const BUFFER_BYTES: usize = 32 * 1024;
/// Buffers that wait for the thread, over all workers; about 2 MiB. When they are full, lines are dropped.
const QUEUE_BUFFERS: usize = 64;
/// Empty buffers on their way back to one worker; further ones are freed.
const SPARE_BUFFERS: usize = 4;
/// A buffer that a very long line made larger than this is freed and not given back.
const SPARE_BYTES_MAX: usize = 4 * BUFFER_BYTES;
/// Waits of [`BUSY_PAUSE`] for an output that does not block and takes nothing now; then the lines are given up.
const BUSY_PAUSES: u32 = 100;
/// One such wait.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// Counts of lines that were not written; reads are cheap and possible from any thread.
#[derive(Debug, Clone, Default)]
pub struct LogCounts(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    dropped: AtomicU64,
    unwritten: AtomicU64,
}

impl LogCounts {
    /// Lines dropped by workers because the thread was behind.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Lines that the thread could not write wholly, because the disk was full, say.
    pub fn unwritten(&self) -> u64 {
        self.0.unwritten.load(Ordering::Relaxed)
    }
}

/// The thread that writes. It ends when this and every handle is gone, after writing what they had.
#[derive(Debug)]
pub struct AccessLogWriter {
    queue: SyncSender<Message>,
    meeting: Arc<Meeting>,
    counts: LogCounts,
    thread: JoinHandle<()>,
    /// Nothing is ever sent: the thread's end closes it.
    ended: Receiver<()>,
}

/// What the thread and the others meet at outside the queue.
#[derive(Debug, Default)]
struct Meeting {
    /// Whether the file is to be opened anew before the next write.
    reopen: AtomicBool,
    /// The last lines of handles that went while the queue was full; written after the queue has ended.
    last: Mutex<Vec<Lines>>,
}

#[derive(Debug)]
enum Message {
    /// Lines, and the way back for their buffer.
    Lines(Lines, SyncSender<Vec<u8>>),
    /// Nothing: look at the meeting point.
    Wake,
}

/// Whole lines.
#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    count: u64,
}

impl AccessLogWriter {
    /// Opens the target and starts the thread.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, or the system has no thread left.
    pub fn start(target: &LogTarget) -> io::Result<Self> {
        Self::start_counting(target, LogCounts::default())
    }

    /// The same, which goes on with these counts.
    ///
    /// # Errors
    ///
    /// See [`start`](Self::start).
    pub fn start_counting(target: &LogTarget, counts: LogCounts) -> io::Result<Self> {
        match target {
            LogTarget::Stdout => {
                let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
                Self::start_at(Box::new(stdout), None, counts)
            }
            LogTarget::Stderr => {
                // A descriptor of its own: the lock of the standard library's stderr would stop a worker that has a
                // warning to print while this thread waits for a slow reader.
                let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
                Self::start_at(Box::new(stderr), None, counts)
            }
            LogTarget::File(path) => Self::start_at(Box::new(open(path)?), Some(path), counts),
        }
    }

    #[cfg(test)]
    fn start_with(output: Box<dyn Write + Send>, path: Option<&Path>) -> io::Result<Self> {
        Self::start_at(output, path, LogCounts::default())
    }

    fn start_at(output: Box<dyn Write + Send>, path: Option<&Path>, counts: LogCounts) -> io::Result<Self> {
        let (queue, messages) = sync_channel(QUEUE_BUFFERS);
        let (ending, ended) = sync_channel(0);
        let meeting = Arc::<Meeting>::default();
        let output = Output {
            output,
            path: path.map(Path::to_owned),
            counts: counts.clone(),
            torn: false,
            failing: false,
        };
        let met = Arc::clone(&meeting);
        let thread = thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            output.run(&messages, &met);
            drop(ending);
        })?;
        Ok(Self { queue, meeting, counts, thread, ended })
    }

    /// A handle for one worker.
    pub fn handle(&self) -> LogHandle {
        let (returning, spare) = sync_channel(SPARE_BUFFERS);
        LogHandle {
            queue: self.queue.clone(),
            returning,
            spare,
            lines: Lines::default(),
            meeting: Arc::clone(&self.meeting),
            counts: self.counts.clone(),
        }
    }

    /// The counts, for whoever reports them; they outlive the writer.
    pub fn counts(&self) -> LogCounts {
        self.counts.clone()
    }

    /// Lines dropped by workers because the thread was behind.
    pub fn dropped(&self) -> u64 {
        self.counts.dropped()
    }

    /// Opens the file anew before the next line is written, so that it can be moved away. Does nothing to stderr. When it
    /// cannot be opened, the old one stays in use and a warning is logged.
    pub fn reopen(&self) {
        self.meeting.reopen.store(true, Ordering::Release);
        // When the queue is full, the thread is awake and will see the word by itself.
        let _ = self.queue.try_send(Message::Wake);
    }

    /// Waits until everything is written, for at most that long. All handles must be gone before. False when the time was
    /// not enough, because the output hangs, say; the thread is left to itself then and ends with the process.
    pub fn finish(self, at_most: Duration) -> bool {
        drop(self.queue);
        let ended = matches!(self.ended.recv_timeout(at_most), Err(RecvTimeoutError::Disconnected));
        ended && self.thread.join().is_ok()
    }
}

/// A worker's end of the log. It can be sent to the worker and belongs to it alone.
#[derive(Debug)]
pub struct LogHandle {
    queue: SyncSender<Message>,
    returning: SyncSender<Vec<u8>>,
    spare: Receiver<Vec<u8>>,
    lines: Lines,
    meeting: Arc<Meeting>,
    counts: LogCounts,
}

impl LogHandle {
    /// Adds the line of a request. Never blocks; every 32 KiB the lines are handed over.
    pub fn log(&mut self, form: &Form, entry: &Entry<'_>) {
        form.write(entry, &mut self.lines.bytes);
        self.lines.count += 1;
        if self.lines.bytes.len() >= BUFFER_BYTES && !self.hand_over() {
            self.counts.0.dropped.fetch_add(self.lines.count, Ordering::Relaxed);
            self.lines.bytes.clear();
            self.lines.count = 0;
        }
    }

    /// Hands over the lines that are there, so that a log that is read live is not late; for a tick of the worker. Never
    /// blocks. When the thread is behind, the lines stay here: they are dropped only when the buffer is full too.
    pub fn flush(&mut self) {
        if self.lines.count > 0 {
            self.hand_over();
        }
    }

    /// False when the queue is full, or the thread gone; the lines are still here then.
    fn hand_over(&mut self) -> bool {
        let lines = std::mem::take(&mut self.lines);
        match self.queue.try_send(Message::Lines(lines, self.returning.clone())) {
            Ok(()) => {
                self.lines.bytes = self.spare.try_recv().unwrap_or_default();
                true
            }
            Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) => {
                if let Message::Lines(lines, _) = message {
                    self.lines = lines;
                }
                false
            }
        }
    }
}

impl Drop for LogHandle {
    /// Hands over the last lines. When the thread is behind, they are left where it finds them after the queue, so that they
    /// are neither lost nor waited for.
    fn drop(&mut self) {
        if self.lines.count > 0 && !self.hand_over() {
            let lines = std::mem::take(&mut self.lines);
            self.meeting.last.lock().unwrap_or_else(PoisonError::into_inner).push(lines);
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Lines name people's addresses: not for everybody on the machine.
    OpenOptions::new().append(true).create(true).mode(0o640).open(path).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot open the access log `{}`: {error}", path.display()))
    })
}

/// The thread's side.
struct Output {
    output: Box<dyn Write + Send>,
    /// The file's path, when it is one.
    path: Option<PathBuf>,
    counts: LogCounts,
    /// Whether the last write broke off inside a line, so that the next one has to end it first.
    torn: bool,
    /// Whether the last write failed; only a change is worth a word in the operational log.
    failing: bool,
}

impl Output {
    fn run(mut self, messages: &Receiver<Message>, meeting: &Meeting) {
        while let Ok(message) = messages.recv() {
            if meeting.reopen.swap(false, Ordering::AcqRel) {
                self.reopen();
            }
            if let Message::Lines(lines, returning) = message {
                self.write(&lines);
                let mut buffer = lines.bytes;
                if buffer.capacity() <= SPARE_BYTES_MAX {
                    buffer.clear();
                    // The worker is gone or has enough of them: this one is freed.
                    let _ = returning.try_send(buffer);
                }
            }
        }
        let last = std::mem::take(&mut *meeting.last.lock().unwrap_or_else(PoisonError::into_inner));
        for lines in &last {
            self.write(lines);
        }
    }

    fn reopen(&mut self) {
        let Some(path) = &self.path else { return };
        match open(path) {
            Ok(file) => {
                self.output = Box::new(file);
                self.torn = false;
            }
            Err(error) => tracing::warn!(%error, "the access log stays with its old file"),
        }
    }

    /// Writes lines; what cannot be written is counted, and the next ones are tried again.
    fn write(&mut self, lines: &Lines) {
        let begin = if self.torn { self.write_bytes(b"\n") } else { Ok(()) };
        let written = begin.map_err(|(_, error)| (0, error)).and_then(|()| self.write_bytes(&lines.bytes));
        match written {
            Ok(()) => {
                if self.failing {
                    tracing::info!("the access log can be written again");
                }
                (self.torn, self.failing) = (false, false);
            }
            Err((written, error)) => {
                let (whole, rest) = lines.bytes.split_at(written);
                let lost = rest.iter().filter(|byte| **byte == b'\n').count() as u64;
                self.counts.0.unwritten.fetch_add(lost, Ordering::Relaxed);
                if let Some(last) = whole.last() {
                    self.torn = *last != b'\n';
                }
                if !self.failing {
                    tracing::warn!(%error, "the access log cannot be written");
                }
                self.failing = true;
            }
        }
    }

    /// As `write_all`, but says how much was written before an error and bears outputs that do not block.
    fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut written = 0;
        let mut pauses = 0;
        while written < bytes.len() {
            match self.output.write(&bytes[written..]) {
                Ok(0) => return Err((written, ErrorKind::WriteZero.into())),
                Ok(count) => {
                    written += count;
                    pauses = 0;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock && pauses < BUSY_PAUSES => {
                    pauses += 1;
                    thread::park_timeout(BUSY_PAUSE);
                }
                Err(error) => return Err((written, error)),
            }
        }
        Ok(())
    }
}
