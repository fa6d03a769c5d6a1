//! What waits for the thread that writes the file.
//!
//! Acceptances and pieces of bodies hold permits, counted in bytes, so that what waits is bounded: a worker that brings more waits
//! without blocking. Changes that are only tidying up (a server has a write) are few bytes each, at most one or two for
//! each write that was accepted, and wait for company.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use weir_core::queue::{Effect, Restored, Sequence, ServerId};

/// Bytes of heads and bodies that may wait to be written. More waits outside.
const WAITING_KIB_MAX: usize = 16 << 10;

/// How long changes wait for others before they are written by themselves. If the process dies before, servers get a write a
/// second time.
const CHANGES_WAIT: Duration = Duration::from_millis(100);

/// Changes that wait no longer for others.
const CHANGES_MAX: usize = 4096;

/// How long a failed write of changes waits for another try.
const FAILURE_WAIT: Duration = Duration::from_secs(1);

/// The number of a body in the file; 0 for an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BodyNumber(pub(crate) u64);

/// A write as it goes into the file.
#[derive(Debug)]
pub(crate) struct StoredWrite {
    pub(crate) accepted: Duration,
    pub(crate) head: Bytes,
    pub(crate) trailers: Bytes,
    pub(crate) body: BodyNumber,
    pub(crate) body_bytes: u64,
    /// The last piece of the body and its number, unless the body is empty. It comes with the write, so that a small write is
    /// one transaction whatever happens.
    pub(crate) last_piece: Option<(u32, Bytes)>,
    pub(crate) targets: SmallVec<[ServerId; 4]>,
}

/// Called on the writing thread when it is durable or has failed, in the order of the numbers.
pub(crate) type Acceptance = Box<dyn FnOnce(Result<Sequence, Arc<str>>) + Send>;

/// Called on the writing thread when it is durable or has failed.
pub(crate) type Done = Box<dyn FnOnce(Result<(), Arc<str>>) + Send>;

/// Called on the writing thread with what others have put into the file, between two transactions: all that this process has put
/// there is in its books.
pub(crate) type Arrival = Box<dyn FnOnce(Result<Arrived, Arc<str>>) + Send>;

/// What others have put into the file.
pub(crate) struct Arrived {
    /// Names of servers, by their numbers.
    pub(crate) servers: Vec<Arc<str>>,
    /// Their writes, in the order of the numbers.
    pub(crate) writes: Vec<Restored>,
}

/// One thing to write.
pub(super) enum Command {
    /// A piece of a body whose write follows. Held until it is written: the permit.
    Piece { body: BodyNumber, number: u32, bytes: Bytes, _permit: OwnedSemaphorePermit },
    /// A write; all pieces of its body but the last have been sent.
    Accept { write: StoredWrite, done: Acceptance, _permit: OwnedSemaphorePermit },
    /// The pieces of a body whose write will not follow.
    Discard { body: BodyNumber },
    /// Tells when all changes before it are durable.
    Flush { done: Done },
    /// Reads what others have put into the file; nobody else does any more.
    TakeIn { done: Arrival },
}

/// What the writing thread takes at once.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) commands: VecDeque<Command>,
    pub(super) changes: Vec<Effect>,
    /// The names of all servers, by their numbers.
    pub(super) servers: Arc<Vec<Arc<str>>>,
}

#[derive(Default)]
struct Waiting {
    batch: Batch,
    closed: bool,
    failed: bool,
}

/// Numbers for bodies. Two processes that put some into one file count away from each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyNumbers {
    pub(super) next: i64,
    pub(super) step: i64,
}

/// The inbox.
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    room: Arc<Semaphore>,
    bodies: Mutex<BodyNumbers>,
    /// Whether another process puts writes into the file too.
    shared: AtomicBool,
    commits: AtomicU64,
}

impl Inbox {
    pub(super) fn new(bodies: BodyNumbers, servers: Vec<Arc<str>>) -> Self {
        let batch = Batch { servers: Arc::new(servers), ..Batch::default() };
        Self {
            waiting: Mutex::new(Waiting { batch, ..Waiting::default() }),
            wake: Condvar::new(),
            room: Arc::new(Semaphore::new(WAITING_KIB_MAX)),
            bodies: Mutex::new(bodies),
            shared: AtomicBool::new(false),
            commits: AtomicU64::new(0),
        }
    }

    /// A number for a body.
    pub(crate) fn number_body(&self) -> BodyNumber {
        let mut bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        let number = bodies.next;
        bodies.next += bodies.step;
        BodyNumber(number.cast_unsigned())
    }

    /// Nobody else numbers bodies in this file any more: those of a process that counted down are numbered upwards, from here.
    pub(super) fn number_bodies_upwards(&self, next: i64) {
        let mut bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        if bodies.step < 0 {
            *bodies = BodyNumbers { next, step: 1 };
        }
    }

    /// Whether another process puts writes into the file too, from now on.
    pub(crate) fn share(&self, shared: bool) {
        self.shared.store(shared, Relaxed);
    }

    /// Whether another process does.
    pub(super) fn is_shared(&self) -> bool {
        self.shared.load(Relaxed)
    }

    /// Reads what others have put into the file. `false` when the queue is closed; `done` is not called then.
    pub(crate) fn take_in(&self, done: Arrival) -> bool {
        self.push(Command::TakeIn { done })
    }

    /// Brings a piece of a body. Pieces are numbered from 0, without gaps. `false` when the queue is closed.
    pub(crate) async fn piece(&self, body: BodyNumber, number: u32, bytes: Bytes) -> bool {
        let Some(_permit) = self.permit(bytes.len()).await else { return false };
        self.push(Command::Piece { body, number, bytes, _permit })
    }

    /// Brings a write. `false` when the queue is closed; `done` is not called then.
    pub(crate) async fn accept(&self, write: StoredWrite, done: Acceptance) -> bool {
        let last = write.last_piece.as_ref().map_or(0, |(_, piece)| piece.len());
        let bytes = write.head.len() + write.trailers.len() + last;
        let Some(_permit) = self.permit(bytes).await else { return false };
        self.push(Command::Accept { write, done, _permit })
    }

    /// The write of this body will not come.
    pub(crate) fn discard(&self, body: BodyNumber) {
        self.push(Command::Discard { body });
    }

    /// Calls `done` when all changes until now are durable. `false` when the queue is closed.
    pub(crate) fn flush(&self, done: Done) -> bool {
        self.push(Command::Flush { done })
    }

    /// Takes changes over, in their order. The caller holds the lock of the books, so that the order is theirs.
    pub(crate) fn change(&self, effects: &mut Vec<Effect>) {
        let mut waiting = self.lock();
        let first = waiting.batch.changes.is_empty();
        waiting.batch.changes.append(effects);
        let many = waiting.batch.changes.len() >= CHANGES_MAX;
        drop(waiting);
        if first || many {
            self.wake.notify_one();
        }
    }

    /// The servers by their numbers. The caller holds the lock of the books: where a number is another server's now, all that was
    /// to be done for the one before is in the changes already, and is written with this or before it.
    pub(crate) fn name_servers(&self, servers: Arc<Vec<Arc<str>>>) {
        self.lock().batch.servers = servers;
    }

    /// Nothing is taken any more; what waits is written, and then the thread ends.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.room.close();
        self.wake.notify_one();
    }

    /// One more transaction is durable.
    pub(super) fn count_commit(&self) {
        self.commits.fetch_add(1, Relaxed);
    }

    /// Transactions since the start: with the writes accepted, how many share a sync of the disk.
    pub(crate) fn commits_total(&self) -> u64 {
        self.commits.load(Relaxed)
    }

    /// Nobody will write any more: what waits is thrown away, and whoever waits for it is told by that.
    pub(super) fn abandon(&self) {
        self.close();
        let mut waiting = self.lock();
        let thrown_away = mem::take(&mut waiting.batch.commands);
        waiting.batch.changes.clear();
        drop(waiting);
        // Outside of the lock: what waits for an answer may come back here.
        drop(thrown_away);
    }

    /// All that waits, once there is something; `None` when it is closed and empty. Blocks the thread.
    pub(super) fn take(&self) -> Option<Batch> {
        let mut waiting = self.lock();
        loop {
            let full = waiting.batch.changes.len() >= CHANGES_MAX && !waiting.failed;
            if !waiting.batch.commands.is_empty() || full || waiting.closed {
                break;
            }
            if waiting.batch.changes.is_empty() {
                waiting = self.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let wait = if waiting.failed { FAILURE_WAIT } else { CHANGES_WAIT };
            let (again, timeout) =
                self.wake.wait_timeout(waiting, wait).unwrap_or_else(PoisonError::into_inner);
            waiting = again;
            if timeout.timed_out() {
                break;
            }
        }
        waiting.failed = false;
        let batch = &mut waiting.batch;
        let ends = batch.commands.is_empty() && batch.changes.is_empty();
        (!ends).then(|| Batch {
            commands: mem::take(&mut batch.commands),
            changes: mem::take(&mut batch.changes),
            servers: Arc::clone(&batch.servers),
        })
    }

    /// These changes could not be written; they come before all others. Not when the queue is closed: the file has them as they
    /// were, and servers get something twice.
    pub(super) fn put_back(&self, mut changes: Vec<Effect>) {
        let mut waiting = self.lock();
        if !waiting.closed {
            changes.append(&mut waiting.batch.changes);
            waiting.batch.changes = changes;
            waiting.failed = true;
        }
    }

    async fn permit(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        // The largest head fits; a piece is 256 KiB.
        let count = (bytes / 1024 + 1).min(WAITING_KIB_MAX);
        Arc::clone(&self.room).acquire_many_owned(u32::try_from(count).ok()?).await.ok()
    }

    fn push(&self, command: Command) -> bool {
        let mut waiting = self.lock();
        if waiting.closed {
            return false;
        }
        waiting.batch.commands.push_back(command);
        let first = waiting.batch.commands.len() == 1;
        drop(waiting);
        if first {
            self.wake.notify_one();
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
