//! What came of sending a write to a server, and what that means for the queue (`semantics.md` §3.1).

use std::fmt;
use std::time::Duration;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The server gave a final answer.
    Answered {
        /// Its status.
        status: u16,
        /// The time of its Retry-After, if it has one.
        retry_after: Option<Duration>,
    },
    /// There was none.
    Failed(Failure),
}

/// Why there was no answer. The server may have got the write all the same, except when it was not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It could not be connected to, or is known to be away.
    Unreachable,
    /// The connection broke.
    Reset,
    /// No answer came in time.
    Timeout,
    /// What came is no HTTP.
    Garbage,
    /// It failed here, for want of something of ours: a file descriptor, memory, a body that can be read. That says nothing of
    /// the server, and is not counted as a failure of it.
    Here,
}

/// What an outcome means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The server has it: 2xx and 3xx.
    Delivered,
    /// The server does not want it, and would not want it another time: 4xx but those that are repeated.
    Refused,
    /// It is sent again later: 408, 421, 425, 429, 5xx, and when no answer came.
    Again,
}

impl Verdict {
    /// What a final answer of this status means. A status that no server may send is like no answer.
    pub fn of(status: u16) -> Self {
        match status {
            200..=399 => Self::Delivered,
            408 | 421 | 425 | 429 => Self::Again,
            400..=499 => Self::Refused,
            _ => Self::Again,
        }
    }
}

impl Outcome {
    /// What it means.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Answered { status, .. } => Verdict::of(status),
            Self::Failed(_) => Verdict::Again,
        }
    }

    /// Whether it says anything of the server.
    pub fn is_of_server(self) -> bool {
        self != Self::Failed(Failure::Here)
    }

    /// The status, if there was an answer.
    pub fn status(self) -> Option<u16> {
        match self {
            Self::Answered { status, .. } => Some(status),
            Self::Failed(_) => None,
        }
    }

    /// The time of a Retry-After.
    pub fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Answered { retry_after, .. } => retry_after,
            Self::Failed(_) => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered { status, .. } => write!(f, "answered {status}"),
            Self::Failed(failure) => f.write_str(failure.name()),
        }
    }
}

impl Failure {
    /// Its name for pages and lists.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Garbage => "garbage",
            Self::Here => "failed_here",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, expected: Verdict) {
        let outcome = Outcome::Answered { status, retry_after: None };
        assert_eq!(outcome.verdict(), expected, "{status}");
    }

    /// `semantics.md` §3.1: every status is of one kind.
    #[test]
    fn a_status_delivers_refuses_or_is_repeated() {
        for status in 200..400 {
            check(status, Verdict::Delivered);
        }
        for status in 400..500 {
            let again = [408, 421, 425, 429].contains(&status);
            check(status, if again { Verdict::Again } else { Verdict::Refused });
        }
        for status in (0..200).chain(500..1000) {
            check(status, Verdict::Again);
        }
    }

    #[test]
    fn no_answer_is_repeated() {
        use Failure as F;
        for failure in [F::Unreachable, F::Reset, F::Timeout, F::Garbage, F::Here] {
            assert_eq!(Outcome::Failed(failure).verdict(), Verdict::Again);
            assert_eq!(Outcome::Failed(failure).is_of_server(), failure != F::Here);
            assert_eq!(Outcome::Failed(failure).status(), None);
        }
    }
}
