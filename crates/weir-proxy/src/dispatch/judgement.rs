//! What a request without a client says about its server: a copy for a mirror, a write from a backlog.

use weir_core::health::{Fault, Round};
use weir_upstream::body::ReadError;
use weir_upstream::h1::head::AnswerError;
use weir_upstream::member::Server;
use weir_upstream::send::{Answer, SendError};

/// Notes how a server has dealt with such a request that began in this round.
pub(super) fn note(server: &Server, round: Round, outcome: &Result<Answer, SendError>) {
    match outcome {
        Ok(answer) => server.judge(round, &answer.head),
        Err(error) => {
            if let Some(fault) = fault(error) {
                server.blame(round, fault);
            }
        }
    }
}

/// What an error holds against the server; nothing where it is ours.
fn fault(error: &SendError) -> Option<Fault> {
    match error {
        SendError::Connect(error) if error.is_exhaustion() => None,
        SendError::Full => None,
        SendError::Connect(_) | SendError::ConnectTimeout => Some(Fault::Unreachable),
        SendError::Timeout => Some(Fault::Timeout),
        SendError::Head(AnswerError::Closed | AnswerError::Truncated | AnswerError::Io(_)) => {
            Some(Fault::Reset)
        }
        SendError::Head(AnswerError::Head(_))
        | SendError::Framing(_)
        | SendError::Connection(_)
        | SendError::InterimFlood
        | SendError::Switched => Some(Fault::Garbage),
        // That an answer is larger than somebody wants to read is no fault of it.
        SendError::Body(ReadError::TooLarge) | SendError::Request(_) => None,
        SendError::Body(_) => Some(Fault::Reset),
    }
}
