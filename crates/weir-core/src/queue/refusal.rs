//! Why something that people asked of a queue was not done.

use std::fmt;

/// The reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The server does not wait for this write, and it is not its dead letter.
    Unknown,
    /// It is on its way to the server right now.
    InProgress,
    /// It is no dead letter: it waits already.
    NotDead,
    /// The backlog has no room for it.
    NoRoom,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "the queue does not have this write for this server",
            Self::InProgress => "the write is on its way to the server right now",
            Self::NotDead => "the write is no dead letter: it waits for its turn",
            Self::NoRoom => "the backlog is full",
        })
    }
}

impl std::error::Error for Refusal {}
