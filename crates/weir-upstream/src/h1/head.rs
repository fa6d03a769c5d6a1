//! Reading the head of an answer.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::ops::DerefMut;

use weir_http::head::{Head, HeadError};
use weir_http::scan::HeadScanner;

use crate::io::buffer::ReadBuffer;
use crate::io::timed::Timed;

/// Limits of a head.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// Bytes with the final empty line.
    pub bytes_max: usize,
    /// Fields.
    pub fields_max: usize,
}

/// Why there is no head.
#[derive(Debug)]
pub enum AnswerError {
    /// The connection ended, or was reset, before the first byte.
    Closed,
    /// The connection ended in the middle.
    Truncated,
    /// The connection failed otherwise, or in the middle.
    Io(io::Error),
    /// The bytes are no head of an answer.
    Head(HeadError),
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection ended before it"),
            Self::Truncated => f.write_str("the connection ended in the middle of its head"),
            Self::Io(error) => write!(f, "the connection failed: {error}"),
            Self::Head(error) => write!(f, "its head is malformed: {error}"),
        }
    }
}

impl std::error::Error for AnswerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Head(error) => Some(error),
            Self::Closed | Self::Truncated => None,
        }
    }
}

/// Reads one head, interim or final, into `head`, which is not touched before something of it has come. What came behind it stays
/// in the buffer.
///
/// # Errors
/// See [`AnswerError`]; the connection must not be used further.
pub async fn read_answer(
    from: &Timed,
    buffer: &mut ReadBuffer,
    head: &mut impl DerefMut<Target = Head>,
    limits: HeadLimits,
) -> Result<(), AnswerError> {
    let mut scanner = HeadScanner::default();
    loop {
        if !buffer.is_empty() {
            let HeadLimits { bytes_max, fields_max } = limits;
            let parsed = head.read_answer(&mut scanner, buffer.unread(), bytes_max, fields_max);
            if let Some(length) = parsed.map_err(AnswerError::Head)? {
                buffer.consume(length);
                return Ok(());
            }
        }
        let begun = !buffer.is_empty();
        match poll_fn(|cx| from.poll_read(cx, buffer)).await {
            Ok(0) if begun => return Err(AnswerError::Truncated),
            Ok(0) => return Err(AnswerError::Closed),
            Ok(_) => {}
            // With TLS the end alone, without a goodbye before it, is an error; here it makes no difference.
            Err(error)
                if !begun
                    && matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof
                    ) =>
            {
                return Err(AnswerError::Closed);
            }
            Err(error) => return Err(AnswerError::Io(error)),
        }
    }
}
