//! How the control side talks to a worker.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::snapshot::Snapshot;
use crate::access_log::LogHandle;
use crate::inbound::door::DoorId;
use crate::inbound::listener::Entrance;

pub use super::inspection::{ConnectionId, Inspection, Query};

/// Messages a worker may be behind with; the control side waits then.
pub const INBOX_MESSAGES_MAX: usize = 64;

/// What a worker can be told.
#[derive(Debug)]
pub enum Message {
    /// Go on as another configuration says.
    Change(Change),
    /// Accept nothing more and end connections as their answers end (`semantics.md` §4.3); idle ones are kept for so long.
    Drain(Duration),
    /// Answer a question about this worker.
    Inspect(Query, oneshot::Sender<Inspection>),
    /// Close this client connection at once, and say whether it is there.
    Cut(ConnectionId, oneshot::Sender<bool>),
    /// Close everything at once and end.
    Stop,
}

/// What another configuration changes for a worker.
#[derive(Debug)]
pub struct Change {
    /// Exchanges that begin from now on use this.
    pub(super) snapshot: Arc<Snapshot>,
    /// Sockets that it accepts from as well.
    pub(super) open: Vec<Entrance>,
    /// Sockets that others accept from.
    pub(super) hand_over: Vec<(DoorId, usize)>,
    /// Listeners that go; idle connections that came through them are kept for so long.
    pub(super) close: Vec<DoorId>,
    /// See `close`.
    pub(super) idle: Duration,
    /// Where lines of the access log go from now on, if that has changed.
    pub(super) log: Option<Option<LogHandle>>,
    /// Told when all of it is done, and how long the worker did nothing else for it.
    pub(super) done: oneshot::Sender<Duration>,
}

/// The sending half.
pub type Inbox = mpsc::Sender<Message>;
