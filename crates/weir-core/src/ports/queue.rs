//! The queue of a mode `duplicate`, as the data plane and the admin API see it.
//!
//! Implemented twice, in memory and in a file; both follow the rules of [`queue`](crate::queue). Used by the driver of live
//! copies (on every worker), by whoever delivers (on one thread) and by people. Futures are boxed and need not be `Send`: each is
//! polled on the thread that asked for it. None of them blocks that thread.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::queue::{
    Burial, Gate, LaneCounts, Outcome, QueueLimits, Refusal, Sequence, ServerId, State, WantedTarget,
};

/// A future for the thread that asked.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Bytes of an answer's body that are kept for a client who waits for a delivery; the rest is cut off, and said to be.
pub const ANSWER_BODY_BYTES_MAX: usize = 64 << 10;

/// A write that shall be accepted.
#[derive(Debug, Clone)]
pub struct NewWrite {
    /// The head of the request as HTTP/1.1 with its empty line, in the form in which every server shall get it: without fields
    /// of one connection, with an Idempotency-Key.
    pub head: Bytes,
    /// Who shall get it.
    pub targets: SmallVec<[WantedTarget; 4]>,
}

/// A body that is whole and can be read any number of times.
pub trait WriteBody: Send + Sync {
    /// Its length in bytes.
    fn bytes(&self) -> u64;

    /// Its trailers as field lines, without the empty line behind them. Usually empty.
    fn trailers(&self) -> Bytes {
        Bytes::new()
    }

    /// A reader from the first byte.
    fn open(&self) -> Box<dyn Pieces>;
}

/// A body, piece by piece. Belongs to the thread that opened it.
pub trait Pieces {
    /// The next piece, at most [`PIECE_BYTES_MAX`] and never empty; `None` at the end. Dropping the future loses nothing that
    /// the next call would not give.
    fn next(&mut self) -> LocalFuture<'_, io::Result<Option<Bytes>>>;
}

/// The largest piece of a body, and the size of a row in a file.
pub const PIECE_BYTES_MAX: usize = 256 << 10;

/// Why a write was not accepted. The client gets 503: nothing was acknowledged.
#[derive(Debug)]
pub enum AcceptError {
    /// The backlog is full.
    Full,
    /// The file can't be written: a full or broken disk.
    Disk(Arc<str>),
    /// The body could not be read.
    Body(io::Error),
    /// The queue is being closed.
    Closed,
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the backlog is full"),
            Self::Disk(error) => write!(f, "the queue can't be written: {error}"),
            Self::Body(error) => write!(f, "the body of the request can't be read: {error}"),
            Self::Closed => f.write_str("the queue is being closed"),
        }
    }
}

impl std::error::Error for AcceptError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Body(error) => Some(error),
            Self::Full | Self::Disk(_) | Self::Closed => None,
        }
    }
}

/// The answer of a server to a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Its head as HTTP/1.1 with the empty line.
    pub head: Bytes,
    /// Its body, at most [`ANSWER_BODY_BYTES_MAX`].
    pub body: Bytes,
    /// The body was longer.
    pub cut: bool,
}

/// What became of a write that waited for a server.
#[derive(Debug, Clone)]
pub enum QueueEvent {
    /// The server has it.
    Delivered {
        /// The server.
        server: ServerId,
        /// The status of its answer.
        status: u16,
        /// The answer.
        answer: Option<KeptAnswer>,
    },
    /// It is a dead letter now; refused by the server if there is a status.
    Buried {
        /// The server.
        server: ServerId,
        /// Why.
        burial: Burial,
        /// The answer of a server that refused it.
        answer: Option<KeptAnswer>,
    },
}

/// Waits for what becomes of one write.
pub trait Watch {
    /// The next event. Pending for ever once every server has reported: whoever waits has a deadline. Cancel safe.
    fn next(&mut self) -> LocalFuture<'_, QueueEvent>;
}

/// A write that was accepted, in the hands of the driver of its live copies.
///
/// Dropping it hands everything that is not settled over to the backlogs. A write whose body was not supplied is forgotten
/// then, so the driver does not acknowledge a write before its body is whole.
pub trait AcceptedWrite: Send {
    /// Its number.
    fn sequence(&self) -> Sequence;

    /// The servers that get a live copy from the driver, now. The others get it from their backlogs.
    fn live(&self) -> &[ServerId];

    /// The body has come whole. Not needed if it was given at the acceptance.
    fn supply(&mut self, body: Arc<dyn WriteBody>);

    /// What came of a live copy, once per server in [`live`](Self::live). A second time is without effect.
    fn settle(&mut self, server: ServerId, outcome: Outcome);

    /// Tells what becomes of it at servers that get it from their backlogs. No event since the acceptance is lost. There is one
    /// watch per write; a second one gets nothing.
    fn watch(&mut self) -> Box<dyn Watch>;
}

/// One delivery from a backlog.
pub struct Delivery {
    /// The server's name as it is written in the configuration.
    pub server: Arc<str>,
    /// Its number in the queue.
    pub server_id: ServerId,
    /// The write.
    pub sequence: Sequence,
    /// Deliveries in a row to this server that failed before.
    pub failures: u32,
    /// The head, as it was accepted.
    pub head: Bytes,
    /// The body.
    pub body: Arc<dyn WriteBody>,
    /// Whether a client may be waiting for the answer. If not, nobody needs its body.
    pub watched: bool,
}

/// What came of a delivery.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// What came of it.
    pub outcome: Outcome,
    /// The answer, if there was one and the delivery was watched.
    pub answer: Option<KeptAnswer>,
}

/// Sends what a queue delivers.
pub trait Deliver {
    /// Sends one write to one server, once, within its own deadlines. Dropping the future gives it up; it is sent again then.
    /// A body that can't be read is [`io::ErrorKind::InvalidData`], and the error goes out as it is.
    fn deliver(&self, delivery: Delivery) -> LocalFuture<'_, io::Result<Delivered>>;
}

/// Which entries people mean. An empty selection is all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only of this server, by its written name.
    pub server: Option<String>,
    /// Only this write.
    pub sequence: Option<Sequence>,
    /// Only dead letters.
    pub dead_only: bool,
}

/// What was done to a selection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// Entries (a write and a server) that it was done to.
    pub entries: u64,
    /// What was not done: up to [`REFUSALS_MAX`], with the reason.
    pub refusals: Vec<(Sequence, Arc<str>, Refusal)>,
}

/// Refusals that are told.
pub const REFUSALS_MAX: usize = 100;

/// A write in a list.
#[derive(Debug, Clone)]
pub struct QueuedWrite {
    /// Its number.
    pub sequence: Sequence,
    /// When it was accepted, since 1970.
    pub accepted: Duration,
    /// Bytes of head, body and trailers.
    pub bytes: u64,
    /// Its head. It may hold secrets of the client: show its first line, and fields only without those.
    pub head: Bytes,
    /// The servers that it is not settled with.
    pub targets: Vec<QueuedTarget>,
}

/// A server of a write in a list.
#[derive(Debug, Clone)]
pub struct QueuedTarget {
    /// The server's written name.
    pub server: Arc<str>,
    /// False for an orphan: the configuration does not have it any more.
    pub configured: bool,
    /// Where the write stands with it.
    pub state: State,
}

/// The state of a queue.
#[derive(Debug, Clone)]
pub struct QueueStatus {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it outlives the process.
    pub durable: bool,
    /// Its bounds.
    pub limits: QueueLimits,
    /// Bytes of writes that some server has yet to get, as [`backlog_writes`](Self::backlog_writes) counts them.
    pub backlog_bytes: u64,
    /// Writes that some server has yet to get: each once, however many servers that are, and also while live copies of it are in
    /// progress. That is what the bound is held against. What waits for one server is its
    /// [`backlog`](QueueServerStatus::backlog); those of all servers may be more together, or less.
    pub backlog_writes: usize,
    /// Dead letters that some server may have taken, so that a client may have been told that they are kept.
    pub dead_kept: DeadLetterCount,
    /// Dead letters that all servers have refused: those are forgotten first.
    pub dead_refused: DeadLetterCount,
    /// Whether those of them that must be kept are as many as there may be: with `full: reject` no write is taken then.
    pub dead_letters_full: bool,
    /// Writes that were accepted since the start.
    pub accepted_total: u64,
    /// Writes that were not accepted because the backlog was full, or the dead letters were.
    pub full_total: u64,
    /// Commits of the file: with the writes accepted, how many share one sync of the disk.
    pub commits_total: u64,
    /// Times that the file could not be written.
    pub write_errors_total: u64,
    /// Writes whose client went away before their body was whole.
    pub abandoned_total: u64,
    /// Its servers; orphans only while something is kept for them.
    pub servers: Vec<QueueServerStatus>,
}

/// Writes that are dead letters and nothing else, each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeadLetterCount {
    /// How many.
    pub writes: usize,
    /// Bytes of their heads, bodies and trailers.
    pub bytes: u64,
}

impl QueueStatus {
    /// Bytes of all dead letters.
    pub fn dead_bytes(&self) -> u64 {
        self.dead_kept.bytes + self.dead_refused.bytes
    }

    /// All dead letters.
    pub fn dead_writes(&self) -> usize {
        self.dead_kept.writes + self.dead_refused.writes
    }
}

/// The state of one server of a queue.
#[derive(Debug, Clone)]
pub struct QueueServerStatus {
    /// Its written name.
    pub name: Arc<str>,
    /// False for an orphan.
    pub configured: bool,
    /// Whether it gets no live copies.
    pub gate_closed: bool,
    /// Writes that wait for it, the one in flight included; live copies in progress are not.
    pub backlog: usize,
    /// How long ago the oldest of them was accepted.
    pub oldest_age: Option<Duration>,
    /// Whether one is being delivered.
    pub in_flight: bool,
    /// Live copies in progress.
    pub live: usize,
    /// Dead letters.
    pub dead: usize,
    /// Deliveries in a row that have to be repeated.
    pub failures: u32,
    /// Time until the next delivery; zero if it is due, or if nothing waits.
    pub next_in: Duration,
    /// What came of the last copy that was not delivered.
    pub last_failure: Option<Outcome>,
    /// What has happened since the start.
    pub counts: LaneCounts,
}

/// One queue.
pub trait WriteQueue: Send + Sync {
    /// Whether an accepted write outlives the process. Then its body must be whole when it is accepted.
    fn is_durable(&self) -> bool;

    /// From now on these are its servers, by their written names. Gives their gates, in this order. Others that something is kept
    /// for are orphans. Called when a configuration is put in use, before the first acceptance.
    fn configure(&self, servers: &[&str]) -> Vec<Arc<Gate>>;

    /// Accepts a write; resolves when it is as durable as the queue is. `body` is `None` for one that is still arriving, which only a
    /// queue in memory takes: it is given later, through [`AcceptedWrite::supply`].
    ///
    /// Dropping the future accepts the write or not, but never half: if it was accepted, it is delivered from the backlogs.
    fn accept(
        &self,
        write: NewWrite,
        body: Option<Arc<dyn WriteBody>>,
    ) -> LocalFuture<'_, Result<Box<dyn AcceptedWrite>, AcceptError>>;

    /// Delivers from the backlogs for as long as it is polled, to all servers beside each other. Dropping it gives up what is in
    /// flight. One at a time per queue: a second one waits for ever.
    fn run(&self, deliver: Rc<dyn Deliver>) -> LocalFuture<'_, ()>;

    /// Its state. Cheap enough for a scrape a second.
    fn status(&self) -> QueueStatus;

    /// Writes that match, from this number on, in order, at most `max`; [`State::Live`] copies included.
    fn list(
        &self,
        selection: Selection,
        from: Sequence,
        max: usize,
    ) -> LocalFuture<'_, io::Result<Vec<QueuedWrite>>>;

    /// The body of a write, if the queue has it.
    fn body(&self, sequence: Sequence) -> LocalFuture<'_, io::Result<Option<Arc<dyn WriteBody>>>>;

    /// Dead letters wait again; servers that something waits for are tried at once. Resolves when it is durable.
    fn retry(&self, selection: Selection) -> LocalFuture<'_, io::Result<Done>>;

    /// Throws away what waits and what is dead; what is on its way stays. Resolves when it is durable.
    fn discard(&self, selection: Selection) -> LocalFuture<'_, io::Result<Done>>;

    /// Other bounds, from now on. What is there stays.
    fn set_limits(&self, limits: QueueLimits);

    /// Whether it delivers what it accepts. Not one of which another process has the file: what is accepted here waits until that
    /// process lets go of it.
    fn delivers(&self) -> bool {
        true
    }

    /// Another process may put writes into the same file from now on; with `false` it does no more, and what it has left there is
    /// taken in. Nothing where there is no file.
    fn share(&self, _shared: bool) {}

    /// Waits until nothing waits for a server. Cancel safe.
    fn emptied(&self) -> LocalFuture<'_, ()> {
        Box::pin(async {})
    }

    /// Writes what is still to be written and gives the file free. Nothing is accepted afterwards. Blocks the thread until that is
    /// done; call it when nobody delivers any more. A second time is without effect.
    fn close(&self);
}

/// Somebody who has queues: whom people ask about them.
pub trait QueueSource: Send + Sync {
    /// All queues, by their names.
    fn queues(&self) -> Vec<Arc<dyn WriteQueue>>;

    /// The queue of this name.
    fn queue(&self, name: &str) -> Option<Arc<dyn WriteQueue>>;
}

/// The usual way to hand one around.
pub type SharedQueueSource = Arc<dyn QueueSource>;
