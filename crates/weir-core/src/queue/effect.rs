//! What the owner of a ledger has to do to what it stores.

use std::time::Duration;

use super::burial::Burial;
use super::gate::ServerId;
use super::write::Sequence;

/// One change. Changes may be written late and in groups, but in their order: a crash before only means that something is
/// delivered once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The server needs this write no more: it has it, or people took it away, or its dead letter was forgotten.
    Settled {
        /// The write.
        sequence: Sequence,
        /// The server.
        server: ServerId,
    },
    /// No server needs this write any more; its head and body can go. Follows the last [`Effect::Settled`] of it.
    Gone {
        /// The write.
        sequence: Sequence,
    },
    /// It became a dead letter of this server.
    Buried {
        /// The write.
        sequence: Sequence,
        /// The server.
        server: ServerId,
        /// Why.
        burial: Burial,
        /// When.
        at: Duration,
    },
    /// The dead letter waits again.
    Revived {
        /// The write.
        sequence: Sequence,
        /// The server.
        server: ServerId,
        /// Since when it waits now; `keep` counts from there.
        since: Duration,
    },
}

/// Effects, in their order. Callers reuse one.
pub type Effects = Vec<Effect>;
