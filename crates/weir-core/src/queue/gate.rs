//! Whether a server takes live copies now, told to all workers.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// A server of a queue. The number is its own as long as anybody holds its gate or anything is kept for it, also when the
/// configuration changes; then it may be given to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub u32);

impl ServerId {
    /// Its place in a table of all servers of its queue.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The gate of one server: closed while the server has a backlog, or gets something from it (`semantics.md` §3.2).
///
/// Only the ledger moves it. What a worker reads may be old by the time it acts; binding is what the acceptance of a write says.
pub struct Gate {
    id: ServerId,
    closed: AtomicBool,
}

impl Gate {
    pub(super) fn new(id: ServerId) -> Self {
        Self { id, closed: AtomicBool::new(false) }
    }

    /// Whose gate it is.
    pub fn server(&self) -> ServerId {
        self.id
    }

    /// Whether the server gets no live copies now. One load of an atomic.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn set_closed(&self, closed: bool) {
        self.closed.store(closed, Ordering::Release);
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("server", &self.id.0).field("closed", &self.is_closed()).finish()
    }
}
