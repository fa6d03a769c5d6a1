//! How the control side talks to a worker.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::snapshot::Snapshot;

/// Messages a worker may be behind with; the control side waits then.
pub const INBOX_MESSAGES_MAX: usize = 64;

/// Identifies a client connection of a worker, also after its end: no other one ever gets the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionId(pub usize);

/// What a worker can be told.
#[derive(Debug)]
pub enum Message {
    /// Exchanges that begin from now on use this.
    Publish(Arc<Snapshot>),
    /// Accept nothing more and end connections as their answers end (`semantics.md` §4.3).
    Drain,
    /// Answer a question about this worker.
    Inspect(Query, oneshot::Sender<Inspection>),
    /// Close this client connection at once.
    Cut(ConnectionId),
    /// Close everything at once and end.
    Stop,
}

/// What can be asked of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Query {
    /// Its client connections.
    Connections,
    /// How many idle connections to servers it holds.
    IdleUpstream,
}

/// What a worker answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inspection {
    /// Its client connections: identity and peer.
    Connections(Vec<(ConnectionId, String)>),
    /// Idle connections to servers.
    IdleUpstream(usize),
}

/// The sending half.
pub type Inbox = mpsc::Sender<Message>;
