//! Walking through a body of any framing.

use std::fmt;

use crate::chunked::{ChunkedDecoder, ChunkedError, Step};
use crate::framing::Framing;

/// Where a body went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// The connection ended before the body did.
    Truncated,
    /// The chunked coding is broken.
    Chunked(ChunkedError),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the connection ended before the body did"),
            Self::Chunked(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BodyError {}

impl From<ChunkedError> for BodyError {
    fn from(error: ChunkedError) -> Self {
        Self::Chunked(error)
    }
}

/// Tells content from framing in a body's bytes.
#[derive(Debug, Clone)]
pub enum BodyDecoder {
    /// So many bytes are left.
    Sized {
        /// Bytes of content that are still to come.
        left: u64,
    },
    /// Chunked coding.
    Chunked(ChunkedDecoder),
    /// All bytes up to the end of the connection.
    UntilClose {
        /// Whether the connection has ended.
        ended: bool,
    },
}

impl BodyDecoder {
    /// A decoder at the beginning of a body with this framing.
    pub fn new(framing: Framing, trailer_bytes_max: usize) -> Self {
        match framing {
            Framing::None => Self::Sized { left: 0 },
            Framing::Sized(left) => Self::Sized { left },
            Framing::Chunked => Self::Chunked(ChunkedDecoder::new(trailer_bytes_max)),
            Framing::UntilClose => Self::UntilClose { ended: false },
        }
    }

    /// What `input`, the bytes that have not been passed over yet, begins with; see [`ChunkedDecoder::step`].
    ///
    /// # Errors
    /// Broken chunked coding.
    #[inline]
    pub fn step(&mut self, input: &[u8]) -> Result<Step, BodyError> {
        let content = |length: usize| {
            if length == 0 { Step::More { skip: 0 } } else { Step::Content { skip: 0, length } }
        };
        Ok(match self {
            Self::Sized { left: 0 } | Self::UntilClose { ended: true } => Step::End { skip: 0, trailers: 0 },
            Self::Sized { left } => content((*left).min(input.len() as u64) as usize),
            Self::UntilClose { ended: false } => content(input.len()),
            Self::Chunked(decoder) => decoder.step(input)?,
        })
    }

    /// Says that so many bytes of reported content have been passed over.
    #[inline]
    pub fn consumed(&mut self, bytes: usize) {
        match self {
            Self::Sized { left } => *left = left.saturating_sub(bytes as u64),
            Self::Chunked(decoder) => decoder.consumed(bytes),
            Self::UntilClose { .. } => {}
        }
    }

    /// Says that no more bytes will come and all that came have been passed over.
    ///
    /// # Errors
    /// [`BodyError::Truncated`] when the body needed more.
    pub fn connection_ended(&mut self) -> Result<(), BodyError> {
        match self {
            Self::Sized { left: 0 } => Ok(()),
            Self::Chunked(decoder) if decoder.is_end() => Ok(()),
            Self::UntilClose { ended } => {
                *ended = true;
                Ok(())
            }
            Self::Sized { .. } | Self::Chunked(_) => Err(BodyError::Truncated),
        }
    }

    /// Whether the whole body has been seen.
    pub fn is_end(&self) -> bool {
        match self {
            Self::Sized { left } => *left == 0,
            Self::Chunked(decoder) => decoder.is_end(),
            Self::UntilClose { ended } => *ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sized_bodies_end_after_their_bytes() {
        let mut decoder = BodyDecoder::new(Framing::Sized(3), 0);
        assert_eq!(decoder.step(b""), Ok(Step::More { skip: 0 }));
        assert_eq!(decoder.step(b"abcdef"), Ok(Step::Content { skip: 0, length: 3 }));
        decoder.consumed(2);
        assert_eq!(decoder.connection_ended(), Err(BodyError::Truncated));
        assert_eq!(decoder.step(b"cdef"), Ok(Step::Content { skip: 0, length: 1 }));
        decoder.consumed(1);
        assert_eq!(decoder.step(b"def"), Ok(Step::End { skip: 0, trailers: 0 }));
        assert_eq!(decoder.connection_ended(), Ok(()));
    }

    #[test]
    fn close_delimited_bodies_end_with_the_connection() {
        let mut decoder = BodyDecoder::new(Framing::UntilClose, 0);
        assert_eq!(decoder.step(b"ab"), Ok(Step::Content { skip: 0, length: 2 }));
        decoder.consumed(2);
        assert!(!decoder.is_end());
        assert_eq!(decoder.connection_ended(), Ok(()));
        assert_eq!(decoder.step(b""), Ok(Step::End { skip: 0, trailers: 0 }));
    }

    #[test]
    fn a_chunked_body_cut_anywhere_is_truncated() {
        let whole = b"3\r\nabc\r\n0\r\nA: b\r\n\r\n";
        for end in 0..whole.len() {
            let mut decoder = BodyDecoder::new(Framing::Chunked, 64);
            let mut input = &whole[..end];
            while let Ok(Step::Content { skip, length }) = decoder.step(input) {
                decoder.consumed(length);
                input = &input[skip + length..];
            }
            assert_eq!(decoder.connection_ended(), Err(BodyError::Truncated), "cut at {end}");
        }
    }
}
