//! What a deliverer is told to do.

use std::time::Duration;

use super::gate::ServerId;
use super::write::Sequence;

/// What to deliver next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Send this write to this server, and then say what came of it: [`Ledger::finish`](super::Ledger::finish),
    /// [`Ledger::interrupt`](super::Ledger::interrupt) or [`Ledger::unreadable`](super::Ledger::unreadable). It is in flight until then.
    Deliver {
        /// The server.
        server: ServerId,
        /// The write.
        sequence: Sequence,
        /// Deliveries in a row that failed before this one.
        failures: u32,
    },
    /// Nothing before this moment, unless something happens.
    Wait(Duration),
    /// Nothing, unless something happens.
    Nothing,
}
