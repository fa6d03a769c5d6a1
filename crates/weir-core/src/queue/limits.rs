//! How much a queue keeps, and for how long.

use std::time::Duration;

/// What a full backlog means, and what too many dead letters do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Full {
    /// A new write is refused, so that nothing is lost that was acknowledged.
    #[default]
    Reject,
    /// The oldest write that waits becomes a dead letter, and the oldest dead letter is forgotten, counted.
    DropOldest,
}

/// The bounds of one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// How long a write waits for its server before it becomes a dead letter.
    pub keep: Duration,
    /// Bytes (heads and bodies) of all writes that some server has yet to get, those in progress included.
    pub backlog_bytes_max: u64,
    /// Writes that some server has yet to get. Each costs about 200 bytes of memory, also in a durable queue.
    pub backlog_writes_max: usize,
    /// What a full backlog means.
    pub full: Full,
    /// Bytes of dead letters. Beyond, those that all servers have refused are forgotten, the oldest first and counted; what
    /// becomes of the others is said by `full`. The newest is kept however large it is.
    pub dead_bytes_max: u64,
    /// Dead letters. Beyond, the same.
    pub dead_writes_max: usize,
    /// `order: strict`: each server gets one write at a time, also when it has no backlog (`semantics.md` §3.2).
    pub strict_order: bool,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            keep: Duration::from_secs(24 * 3600),
            backlog_bytes_max: 1 << 30,
            backlog_writes_max: 1_000_000,
            full: Full::Reject,
            dead_bytes_max: 256 << 20,
            dead_writes_max: 100_000,
            strict_order: false,
        }
    }
}
