//! Why a body can't be read again, or by all who want it, and whose fault that is.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::impossible::Impossible;

/// Why a reader of a replay does not get the body to its end, where the body itself is not to blame.
///
/// Every reader of a replay may get it, so it can be cloned.
#[derive(Debug, Clone)]
pub enum ReplayError {
    /// The body is larger than what is kept of a request, in memory and on disk.
    TooLarge,
    /// The memory that all replays share is used up.
    NoMemory,
    /// Too much waits already to be written to, or read from, spool files.
    Busy,
    /// The spool file can't be made, written or read.
    Spool(Arc<io::Error>),
    /// What this reader would need next has been forgotten, because others were faster and not all of it may be kept.
    Forgotten,
    /// The exchange took its body away before it was whole.
    Abandoned,
}

/// Whose fault it is that a replay is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The client's: what it sends is too large.
    Client,
    /// Ours: memory, disk or time are short; later it may work.
    Us,
}

impl ReplayError {
    /// What is counted when a file can't be read for it.
    pub(super) fn reason(&self) -> Option<Impossible> {
        match self {
            Self::NoMemory => Some(Impossible::Total),
            Self::Busy => Some(Impossible::QueueFull),
            Self::Spool(_) => Some(Impossible::Io),
            Self::TooLarge | Self::Forgotten | Self::Abandoned => None,
        }
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::TooLarge => Fault::Client,
            Self::NoMemory | Self::Busy | Self::Spool(_) | Self::Forgotten | Self::Abandoned => Fault::Us,
        }
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("the body is larger than what may be kept of it"),
            Self::NoMemory => f.write_str("the memory for kept bodies is used up"),
            Self::Busy => f.write_str("too many spool files wait to be written or read"),
            Self::Spool(error) => write!(f, "the spool file failed: {error}"),
            Self::Forgotten => f.write_str("this part of the body was not kept"),
            Self::Abandoned => f.write_str("the exchange ended before its body"),
        }
    }
}

impl std::error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Spool(error) => Some(error),
            Self::TooLarge | Self::NoMemory | Self::Busy | Self::Forgotten | Self::Abandoned => None,
        }
    }
}
