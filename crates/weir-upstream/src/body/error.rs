//! Why a body can't be read to its end.

use std::fmt;
use std::io;

use weir_http::body::BodyError;

/// Why a body can't be read to its end.
#[derive(Debug)]
pub enum ReadError {
    /// The connection failed.
    Io(io::Error),
    /// The bytes are no body, or end too early.
    Body(BodyError),
    /// The body is larger than the limit.
    TooLarge,
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
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Body(error) => Some(error),
            Self::TooLarge => None,
        }
    }
}
