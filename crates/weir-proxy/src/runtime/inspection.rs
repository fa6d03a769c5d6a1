//! What can be asked of a worker, and what it answers.

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
}

/// What a worker answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inspection {
    /// Its client connections: identity and peer.
    Connections(Vec<(ConnectionId, String)>),
    /// Idle connections to servers.
    IdleUpstream(usize),
}
