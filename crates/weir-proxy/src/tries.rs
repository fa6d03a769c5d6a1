//! What was tried for one request before it had its answer, for the access log.
//!
//! Most requests are answered by the first server, and have nothing here.

use std::sync::Arc;
use std::time::Duration;

use weir_core::retry::Cause;
use weir_upstream::member::Server;

/// One server that was asked, or passed over.
#[derive(Debug)]
pub(crate) struct Tried {
    /// The server.
    pub server: Arc<Server>,
    /// What came of it.
    pub outcome: TryOutcome,
    /// From the moment when it was picked.
    pub time: Duration,
}

/// What came of asking a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TryOutcome {
    /// It could not be connected to.
    Refused,
    /// It did not answer to the connect in time.
    ConnectTimeout,
    /// TLS could not be spoken with it.
    Tls,
    /// The connection was dead before a byte of the request left.
    NotSent,
    /// The connection broke before the answer's head was whole.
    Reset,
    /// The answer's head did not come in time.
    Timeout,
    /// What came was no answer.
    Garbage,
    /// It was let go for another one's answer.
    Cancelled,
    /// An answer with this status: the client's, if it is the last one.
    Answered(u16),
}

impl TryOutcome {
    /// Whether there was no connection to be had.
    pub(crate) fn is_away(self) -> bool {
        match self {
            Self::Refused | Self::ConnectTimeout | Self::Tls => true,
            Self::NotSent | Self::Reset | Self::Timeout | Self::Garbage => false,
            Self::Cancelled | Self::Answered(_) => false,
        }
    }

    /// How an attempt ended of which a byte was sent.
    pub(crate) fn of(cause: Cause) -> Self {
        match cause {
            Cause::Reset => Self::Reset,
            Cause::Timeout => Self::Timeout,
            Cause::Garbage => Self::Garbage,
        }
    }

    /// The name in log lines.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::ConnectTimeout => "connect_timeout",
            Self::Tls => "tls",
            Self::NotSent => "not_sent",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Garbage => "garbage",
            Self::Cancelled => "cancelled",
            Self::Answered(_) => "answered",
        }
    }

    /// The status of an answer.
    pub(crate) fn status(self) -> Option<u16> {
        match self {
            Self::Answered(status) => Some(status),
            Self::Refused
            | Self::ConnectTimeout
            | Self::Tls
            | Self::NotSent
            | Self::Reset
            | Self::Timeout
            | Self::Garbage
            | Self::Cancelled => None,
        }
    }
}
