//! What can be asked of a worker, and what it answers.

use weir_core::ports::connections::ConnectionStatus;

/// Identifies a client connection of a worker, also after its end: no other one ever gets the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionId(pub usize);

/// What can be asked of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Query {
    /// Its client connections.
    Connections,
    /// How many idle connections to servers it holds.
    IdleUpstream,
    /// Its client connections in words, from a place of its table on.
    Page {
        /// The worker's own number.
        worker: u64,
        /// The place.
        from: usize,
        /// How many at most.
        max: usize,
    },
}

/// What a worker answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inspection {
    /// Its client connections: identity and peer.
    Connections(Vec<(ConnectionId, String)>),
    /// Idle connections to servers.
    IdleUpstream(usize),
    /// Client connections, and the place behind them, unless there is none any more.
    Page(Vec<ConnectionStatus>, Option<usize>),
}
