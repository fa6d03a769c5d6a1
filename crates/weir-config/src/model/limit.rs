//! Limits and timeouts with their defaults.

use std::time::Duration;

/// Bounds on what a client or a server may send and on what the process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Bytes of a request's or an answer's head; over it 431 (fields) or 502. 1 KiB to 1 MiB.
    pub head_bytes: usize,
    /// Fields of a head; over it 431 or 502. 1 to 256.
    pub fields: usize,
    /// Bytes of a request target; over it 414. At most `head_bytes`.
    pub target_bytes: usize,
    /// Bytes of a request body; over it 413. `None` is unlimited.
    pub body_bytes: Option<u64>,
    /// Client connections of the process; over it new ones wait in the listen queue. `None` leaves it to the file descriptors.
    pub connections: Option<usize>,
    /// TLS handshakes in progress in the process, each from the client's first message on; those over it wait.
    pub handshakes: usize,
    /// Clients or other keys that a rate or a limit per client tells apart at the same time, 9.2 bytes each; over it some are
    /// refused early. 1024 to 100,000,000.
    pub client_entries: usize,
    /// Requests on one client connection; the last answer says `Connection: close`. `None` is unlimited.
    pub requests_per_connection: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 32 * 1024,
            fields: 100,
            target_bytes: 16 * 1024,
            body_bytes: None,
            connections: None,
            handshakes: 4096,
            client_entries: 262_144,
            requests_per_connection: None,
        }
    }
}

/// How long things may take. What happens at each is written beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timeouts {
    /// From the connection to the end of its TLS handshake; then it is closed.
    pub tls_handshake: Duration,
    /// From the first byte of a request to the end of its head; then 408 and close.
    pub request_head: Duration,
    /// Without a byte of the request's body; then 408 and close.
    pub request_body: Duration,
    /// An idle client connection; then it is closed.
    pub idle: Duration,
    /// Without a byte of the answer taken by the client; then the connection is cut.
    pub client_write: Duration,
    /// Connecting to servers, all that are passed over together; then 504.
    pub connect: Duration,
    /// From the request sent to the head of its answer; then 504.
    pub answer_head: Duration,
    /// Without a byte of the answer's body; then the answer is visibly broken.
    pub answer_body: Duration,
    /// An idle connection to a server; then it is closed.
    pub upstream_idle: Duration,
    /// How long a connection may have been idle to carry a request that must not be repeated.
    pub reuse_unsafe: Duration,
    /// An upgraded connection without a byte in either direction; then it is closed.
    pub upgraded_idle: Duration,
    /// A whole request, from the end of its head to the end of its answer; then 504, or a visibly broken answer. `None` is off.
    pub request: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            tls_handshake: Duration::from_secs(10),
            request_head: Duration::from_secs(15),
            request_body: Duration::from_secs(60),
            idle: Duration::from_secs(75),
            client_write: Duration::from_secs(60),
            connect: Duration::from_secs(2),
            answer_head: Duration::from_secs(60),
            answer_body: Duration::from_secs(60),
            upstream_idle: Duration::from_secs(4),
            reuse_unsafe: Duration::from_secs(1),
            upgraded_idle: Duration::from_secs(3600),
            request: None,
        }
    }
}

/// How a stop goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Drain {
    /// How long an idle client connection is kept while draining.
    pub idle: Duration,
    /// After this what still runs is cut.
    pub deadline: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { idle: Duration::from_secs(5), deadline: Duration::from_secs(30) }
    }
}

/// How much of a request's body is kept so that more than one server can have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Replay {
    /// In memory, of each request.
    pub memory_bytes: usize,
    /// In a file, of each request; `None` for no file.
    pub disk_bytes: Option<u64>,
    /// In memory, of all requests together.
    pub total_bytes: usize,
    /// Whether somebody has written it: then files are used also for what could do without (`semantics.md` §2.5).
    pub written: bool,
}

impl Default for Replay {
    fn default() -> Self {
        Self { memory_bytes: 256 * 1024, disk_bytes: Some(1 << 30), total_bytes: 64 << 20, written: false }
    }
}
