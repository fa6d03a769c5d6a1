//! What a client is told that gets no answer of a server.

use weir_core::dispatch::Why;
use weir_core::retry::Cause;
use weir_upstream::io::deadline::Wait;

use crate::stages::failure::Failure;

/// What it is told when the mode gives up: what the `last` server did that failed, where that is the reason.
pub(super) fn failure(why: Why, last: Option<Failure>) -> Failure {
    match why {
        Why::NoServer => Failure::NoServer,
        Why::Unreachable { timed_out } => last.unwrap_or(Failure::Unreachable { timed_out }),
        Why::Failed(Cause::Timeout) => last.unwrap_or(Failure::ServerTimeout),
        Why::Failed(Cause::Reset | Cause::Garbage) => last.unwrap_or(Failure::ServerReset),
        Why::Discarded { status } => Failure::Discarded(status),
        Why::NothingUsable { status } => Failure::NothingUsable(status),
        Why::NoMajority { status } => Failure::NoMajority(status),
        Why::NotAcknowledged => Failure::NotAcknowledged,
        Why::ReplayLost => Failure::BodyTooLarge,
    }
}

/// What it means that the client did not do in time what was waited for.
pub(super) fn client_failure(wait: Wait) -> Failure {
    match wait {
        Wait::ClientBody => Failure::BodyTimeout,
        Wait::Request => Failure::RequestTimeout,
        _ => Failure::ClientGone,
    }
}
