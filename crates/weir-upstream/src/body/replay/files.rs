//! The threads that write and read spool files.
//!
//! A disk may stand still for seconds, and a worker that waited for it would stand still for all its connections. So files
//! are touched here only, by two threads with a bounded queue: when it is full, whoever comes is told so at once.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::error::ReplayError;
use super::memory::Reservation;
use super::patience::Patient;

/// Threads: one may stand still with its disk while the other serves what lies in the system's cache.
const THREADS: usize = 2;

/// Jobs that wait at most. What they hold is reserved in the memory of all replays, so this bounds waiting, not memory.
const QUEUE_MAX: usize = 1024;

/// Tries to find a name that is not taken.
const NAME_TRIES: usize = 16;

/// The threads and their queue. They begin with the first job and end when this is dropped.
#[derive(Debug)]
pub(super) struct FileThreads {
    directory: PathBuf,
    /// How long somebody waits for a job at most.
    at_most: Option<Duration>,
    jobs: OnceLock<SyncSender<Job>>,
}

/// A file without a name, for one body. It is closed by the threads, because closing a large one takes its time too.
#[derive(Debug)]
pub(super) struct SpoolFile {
    /// `None` only while it is dropped.
    file: Option<File>,
    threads: Arc<FileThreads>,
}

/// What will have become of writing.
pub(super) type Written = Patient<Arc<SpoolFile>>;

/// What will have been read.
pub(super) type Read = Patient<Bytes>;

#[derive(Debug)]
enum Job {
    Write {
        /// `None` to make one.
        file: Option<Arc<SpoolFile>>,
        threads: Arc<FileThreads>,
        offset: u64,
        pieces: Vec<Bytes>,
        reply: oneshot::Sender<io::Result<Arc<SpoolFile>>>,
    },
    Read {
        file: Arc<SpoolFile>,
        offset: u64,
        length: usize,
        reservation: Reservation,
        reply: oneshot::Sender<io::Result<Bytes>>,
    },
    Close(File),
    /// Says that it has begun, and ends when the other side has gone.
    #[cfg(test)]
    Hold(SyncSender<()>, Arc<Mutex<Receiver<()>>>),
}

impl FileThreads {
    /// Threads that keep their files in this directory, which is made when it is needed. Somebody waits for a job for so long at
    /// most.
    pub(super) fn new(directory: PathBuf, at_most: Option<Duration>) -> Self {
        Self { directory, at_most, jobs: OnceLock::new() }
    }

    /// Writes pieces one behind the other from an offset on, into a new file if there is none yet. When nobody waits for
    /// the outcome any more, it may be left undone.
    ///
    /// # Errors
    /// Too many jobs wait, or there are no threads.
    pub(super) fn write(
        self: &Arc<Self>,
        file: Option<Arc<SpoolFile>>,
        offset: u64,
        pieces: Vec<Bytes>,
    ) -> Result<Written, ReplayError> {
        let (reply, outcome) = oneshot::channel();
        self.submit(Job::Write { file, threads: Arc::clone(self), offset, pieces, reply })?;
        Ok(Patient::new(outcome, self.at_most))
    }

    /// Waits until everything before has been done, and has the threads stand still until what it gives is dropped.
    #[cfg(test)]
    pub(super) fn hold(&self) -> SyncSender<()> {
        let (begun, begins) = sync_channel(THREADS);
        let (held, end) = sync_channel(0);
        let end = Arc::new(Mutex::new(end));
        for _ in 0..THREADS {
            while self.submit(Job::Hold(begun.clone(), Arc::clone(&end))).is_err() {
                std::thread::yield_now();
            }
        }
        for _ in 0..THREADS {
            let _ = begins.recv();
        }
        held
    }

    fn submit(&self, job: Job) -> Result<(), ReplayError> {
        self.jobs.get_or_init(start).try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => ReplayError::Busy,
            TrySendError::Disconnected(_) => {
                ReplayError::Spool(Arc::new(io::Error::other("its threads can't be started")))
            }
        })
    }
}

impl SpoolFile {
    /// Reads exactly so many bytes, which must have been written, into memory that was reserved for them.
    ///
    /// # Errors
    /// Too many jobs wait, or there are no threads.
    pub(super) fn read(
        self: &Arc<Self>,
        offset: u64,
        length: usize,
        reservation: Reservation,
    ) -> Result<Read, ReplayError> {
        let (reply, outcome) = oneshot::channel();
        self.threads.submit(Job::Read { file: Arc::clone(self), offset, length, reservation, reply })?;
        Ok(Patient::new(outcome, self.threads.at_most))
    }

    /// The same file, with threads of its own that somebody waits for with this patience.
    #[cfg(test)]
    pub(super) fn with_patience(&self, at_most: Duration) -> Arc<Self> {
        let threads = Arc::new(FileThreads::new(self.threads.directory.clone(), Some(at_most)));
        Arc::new(Self { file: Some(self.file().try_clone().expect("it is open")), threads })
    }

    /// See [`FileThreads::hold`].
    #[cfg(test)]
    pub(super) fn hold(&self) -> SyncSender<()> {
        self.threads.hold()
    }

    #[cfg(test)]
    pub(super) fn permissions(&self) -> u32 {
        std::os::unix::fs::MetadataExt::mode(&self.file().metadata().expect("it is open"))
    }

    fn file(&self) -> &File {
        self.file.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            // With a full queue the caller closes it: late is better than never.
            let _ = self.threads.submit(Job::Close(file));
        }
    }
}

fn start() -> SyncSender<Job> {
    let (sender, receiver) = sync_channel(QUEUE_MAX);
    let receiver = Arc::new(Mutex::new(receiver));
    for number in 0..THREADS {
        let receiver = Arc::clone(&receiver);
        let name = format!("weir-spool-{number}");
        if let Err(error) = std::thread::Builder::new().name(name).spawn(move || run(&receiver)) {
            tracing::error!(%error, "a thread for spool files can't be started");
        }
    }
    sender
}

fn run(jobs: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting for a job: the other one waits for the same.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job.perform(),
            Err(_) => return,
        }
    }
}

impl Job {
    fn perform(self) {
        match self {
            Self::Write { file, threads, offset, pieces, reply } => {
                if !reply.is_closed() {
                    let outcome = write(file, threads, offset, &pieces);
                    // Before the owner hears of it and fills the memory anew.
                    drop(pieces);
                    let _ = reply.send(outcome);
                }
            }
            Self::Read { file, offset, length, reservation, reply } => {
                if !reply.is_closed() {
                    let mut bytes = vec![0; length];
                    let read = file.file().read_exact_at(&mut bytes, offset);
                    let _ = reply.send(read.map(|()| reservation.hold(bytes)));
                }
            }
            Self::Close(file) => drop(file),
            #[cfg(test)]
            Self::Hold(begun, end) => {
                let _ = begun.send(());
                let _ = end.lock().unwrap_or_else(PoisonError::into_inner).recv();
            }
        }
    }
}

fn write(
    file: Option<Arc<SpoolFile>>,
    threads: Arc<FileThreads>,
    mut offset: u64,
    pieces: &[Bytes],
) -> io::Result<Arc<SpoolFile>> {
    let file = match file {
        Some(file) => file,
        None => Arc::new(SpoolFile { file: Some(create(&threads.directory)?), threads }),
    };
    for piece in pieces {
        file.file().write_all_at(piece, offset)?;
        offset += piece.len() as u64;
    }
    Ok(file)
}

/// A new file that only we can reach: nobody else may open it, and it has no name before its first byte.
fn create(directory: &Path) -> io::Result<File> {
    let mut tries = 0;
    loop {
        tries += 1;
        let path = directory.join(format!("{:016x}.spool", fastrand::u64(..)));
        let opened = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        match opened {
            Ok(file) => {
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) if tries == NAME_TRIES => return Err(error),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}
