//! Connections of clients that are open, page by page: there may be very many, and they come and go meanwhile.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// One connection, at the moment when somebody looked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionStatus {
    /// What it is called; no other one of this process ever has the same.
    pub id: String,
    /// Who is at the other end: an address with its port, or `unix`. Where a header of the PROXY protocol says so, who that names.
    pub client: String,
    /// The listener through which it came.
    pub listener: String,
    /// What is spoken there: `http`, or `policy` for messages of policy groups.
    pub protocol: &'static str,
    /// How long ago it was accepted.
    pub age: Duration,
    /// What it is doing: `opening`, `idle`, `reading`, `exchange`, `upgraded` or `closing`.
    pub state: &'static str,
    /// Whether it is asked to leave: it ends with its next answer.
    pub draining: bool,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Requests whose heads have come; messages that have come whole.
    pub requests_total: u64,
    /// Bytes that have come from the client, within TLS.
    pub bytes_received: u64,
    /// Bytes that the client was sent, within TLS.
    pub bytes_sent: u64,
    /// What is done for its request, or its message, where there is one.
    pub exchange: Option<ExchangeStatus>,
}

/// Where a request is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExchangeStatus {
    /// The name of its service; messages have none.
    pub service: Option<String>,
    /// The name of its route; messages have none.
    pub route: Option<String>,
    /// The upstream that it goes to, if it does; for a message the group of its policy.
    pub upstream: Option<String>,
    /// The server that was asked last; of several that are asked at once the one whose answer counts, once that is known.
    pub server: Option<String>,
}

/// Where a page begins: behind all connections that were shown before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cursor {
    /// The worker, or another thread that serves connections; no two have the same number.
    pub worker: u64,
    /// The place in its table.
    pub place: usize,
}

/// Some of many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionPage {
    /// Those that were found.
    pub connections: Vec<ConnectionStatus>,
    /// How many are open.
    pub total: u64,
    /// Where the next page begins, if there may be more.
    pub next: Option<Cursor>,
    /// Workers that have not answered in time; what they have is not among these.
    pub silent_workers: usize,
}

/// The page, when it comes.
pub type ConnectionAnswer<'a> = Pin<Box<dyn Future<Output = ConnectionPage> + Send + 'a>>;

/// What has come of the wish that a connection be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutOutcome {
    /// It is closed.
    Cut,
    /// There is none of this name, or none any more.
    Unknown,
    /// Whoever serves it has not answered in time; it is closed as soon as it is heard of.
    Silent,
}

/// The outcome, when it comes.
pub type CutAnswer<'a> = Pin<Box<dyn Future<Output = CutOutcome> + Send + 'a>>;

/// Somebody who knows connections.
pub trait ConnectionSource: Send + Sync {
    /// Connections from this one on, at most so many; with none, only how many are open. One that is open from the first page to the last is shown once.
    fn connections(&self, from: Cursor, max: usize) -> ConnectionAnswer<'_>;

    /// Closes the connection of this name at once, with whatever it is doing.
    fn cut(&self, name: &str) -> CutAnswer<'_>;
}

/// The usual way to hand one around.
pub type SharedConnectionSource = Arc<dyn ConnectionSource>;
