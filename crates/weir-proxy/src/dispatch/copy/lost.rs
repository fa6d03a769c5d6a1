//! Why a copy has no answer: what the mode, the client and the log are told of it.

use weir_core::dispatch::Happened;
use weir_core::retry::Cause;

use crate::stages::failure::Failure;
use crate::tries::TryOutcome;

/// Why there is no answer.
#[derive(Debug)]
pub(in crate::dispatch) enum Lost {
    /// The server can't be connected to; not a byte was sent.
    NotSent {
        /// It did not answer in time.
        timed_out: bool,
        /// How it failed, for the client.
        failure: Failure,
    },
    /// It failed before the head of its answer.
    Failed {
        /// How, for the mode.
        cause: Cause,
        /// How, for the client.
        failure: Failure,
    },
    /// The body of the request can't be had; no copy can be sent to its end.
    Request(Failure),
}

impl Lost {
    /// The server has all that it may have at once.
    pub(super) fn full() -> Self {
        Self::NotSent { timed_out: false, failure: Failure::TooMuchAtOnce }
    }

    /// What a mode is told of it, and how it failed, for the client.
    ///
    /// # Errors
    /// It was not the server: no copy can be sent to its end.
    pub(in crate::dispatch) fn told_of(self, copy: u32) -> Result<(Happened, Failure), Failure> {
        match self {
            Self::NotSent { timed_out, failure } => Ok((Happened::NotSent { copy, timed_out }, failure)),
            // Some of it may have left: on the safe side of `semantics.md` §2.2.
            Self::Failed { cause, failure } => Ok((Happened::Failed { copy, cause, bytes_sent: 1 }, failure)),
            Self::Request(failure) => Err(failure),
        }
    }

    /// What the log says of it; nothing where the server is not to blame.
    pub(in crate::dispatch) fn outcome(&self) -> Option<TryOutcome> {
        match self {
            // It was not asked.
            Self::NotSent { failure: Failure::TooMuchAtOnce, .. } => None,
            Self::NotSent { failure: Failure::ServerTls(_), .. } => Some(TryOutcome::Tls),
            Self::NotSent { timed_out: true, .. } => Some(TryOutcome::ConnectTimeout),
            Self::NotSent { timed_out: false, .. } => Some(TryOutcome::Refused),
            Self::Failed { cause, .. } => Some(TryOutcome::of(*cause)),
            Self::Request(_) => None,
        }
    }
}
