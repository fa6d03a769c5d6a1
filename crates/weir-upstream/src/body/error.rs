//! Why a body can't be read to its end.

use std::fmt;
use std::io;

use weir_http::body::BodyError;

use super::replay::ReplayError;

/// Why a body can't be read to its end.
#[derive(Debug)]
pub enum ReadError {
    /// The connection failed.
    Io(io::Error),
    /// The bytes are no body, or end too early.
    Body(BodyError),
    /// The body is larger than the limit.
    TooLarge,
    /// What is kept of the body is not enough; the body itself is not to blame.
    Replay(ReplayError),
}

impl ReadError {
    /// The same error for another reader of the same body.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Io(error) => Self::Io(io_again(error)),
            Self::Body(error) => Self::Body(*error),
            Self::TooLarge => Self::TooLarge,
            Self::Replay(error) => Self::Replay(error.clone()),
        }
    }
}

/// The system's errors are numbers; others are named again.
fn io_again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ReplayError> for ReadError {
    fn from(error: ReplayError) -> Self {
        Self::Replay(error)
    }
}

impl From<BodyError> for ReadError {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the connection failed: {error}"),
            Self::Body(error) => error.fmt(f),
            Self::TooLarge => f.write_str("the body is larger than the limit"),
            Self::Replay(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Body(error) => Some(error),
            Self::Replay(error) => Some(error),
            Self::TooLarge => None,
        }
    }
}
