//! What is wrong with bytes that should be a message.

use std::fmt;

use super::limits::WireLimits;

/// Why bytes are no message. Where the next one begins is not known then, so the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireProblem {
    /// Neither an object nor a pickle begins so.
    NoMessage,
    /// It is longer than messages may be.
    TooLong,
    /// It holds more values than messages may.
    TooMany,
    /// What it holds lies too deep in each other.
    TooDeep,
    /// It is no JSON; what is wrong.
    Json(&'static str),
    /// It is no pickle; what is wrong.
    Pickle(&'static str),
    /// A pickle that wants to do something where it is loaded; the name of the instruction.
    Instruction(&'static str),
}

impl WireProblem {
    /// Whether it might be a message, and is beyond a limit.
    pub(crate) fn is_limit(self) -> bool {
        matches!(self, Self::TooLong | Self::TooMany | Self::TooDeep)
    }
}

impl fmt::Display for WireProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMessage => f.write_str("a message is a JSON object or a pickled dictionary"),
            Self::TooLong => f.write_str("the message is too long"),
            Self::TooMany => {
                write!(f, "the message holds too much: at most {} values", WireLimits::ITEMS_MAX)
            }
            Self::TooDeep => f.write_str("what the message holds lies too deep in each other"),
            Self::Json(what) => write!(f, "the message is no JSON: {what}"),
            Self::Pickle(what) => write!(f, "the message is no pickle of plain data: {what}"),
            Self::Instruction(name) => {
                write!(f, "the pickle is not loaded: `{name}` is more than plain data")
            }
        }
    }
}

impl std::error::Error for WireProblem {}
