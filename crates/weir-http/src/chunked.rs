//! The chunked coding (RFC 9112 §7.1), incremental and without IO, in both directions.
//!
//! The decoder never copies: it says how many bytes of framing to pass over and how many bytes of content lie behind
//! them. It is as strict as the rest of the codec: no white space around sizes, CRLF and nothing else as a line end,
//! bounded extensions. Extensions are dropped, as a recipient that does not know them may.

use std::fmt;

use crate::scan::HeadScanner;

/// The most bytes of extensions of one chunk; real ones have none.
const EXTENSION_BYTES_MAX: u32 = 256;

/// The most bytes of size lines and extensions for each byte of content, after an allowance: a body of one-byte chunks
/// needs five, a body that costs more is an attack on the reader's time.
const OVERHEAD_PER_BYTE_MAX: u64 = 16;

/// Overhead that any body may have, in bytes.
const OVERHEAD_ALLOWANCE_BYTES: u64 = 16 * 1024;

/// The line end that stands for a trailer section without trailers.
const EMPTY_LINE_BYTES: usize = 2;

/// What is wrong with a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkedError {
    /// A chunk's size is not hexadecimal digits, or does not fit 64 bits.
    Size,
    /// Bytes where a line end must stand, or a line end that is not CRLF.
    LineEnd,
    /// Extensions that are too long or hold control bytes.
    Extension,
    /// Far more framing than content.
    Overhead,
    /// A trailer section that is malformed or too long.
    Trailers,
}

impl fmt::Display for ChunkedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Size => "the size of a chunk is malformed",
            Self::LineEnd => "a chunk does not end where it must",
            Self::Extension => "the extension of a chunk is malformed or too long",
            Self::Overhead => "the body has far more chunk framing than content",
            Self::Trailers => "the trailer section is malformed or too long",
        })
    }
}

impl std::error::Error for ChunkedError {}

/// What the next bytes of a body are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Behind `skip` bytes of framing lie `length` bytes of content, at least one.
    Content {
        /// Bytes to pass over.
        skip: usize,
        /// Bytes of content.
        length: usize,
    },
    /// `skip` bytes of framing, then more is needed.
    More {
        /// Bytes to pass over.
        skip: usize,
    },
    /// The body ends behind `skip` bytes of framing and a trailer section.
    End {
        /// Bytes to pass over before the trailer section.
        skip: usize,
        /// Bytes of the trailer section with its final empty line; 0 where the framing has none.
        trailers: usize,
    },
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Reading a size of which `digits` have been seen.
    Size { value: u64, digits: u8 },
    /// Reading extensions.
    Extension { value: u64, bytes: u32 },
    /// The LF behind a size.
    SizeLineFeed { value: u64 },
    /// Inside a chunk.
    Content { left: u64 },
    /// The CR behind a chunk's content.
    ContentReturn,
    /// The LF behind that.
    ContentLineFeed,
    /// Inside the trailer section.
    Trailers { scanner: HeadScanner },
    /// At the end.
    End,
}

/// Walks through a chunked body.
#[derive(Debug, Clone)]
pub struct ChunkedDecoder {
    state: State,
    trailer_bytes_max: usize,
    /// Bytes of framing that the body may still have before its content pays for more. Each byte is counted as it is
    /// read: a body that is refused is refused at the same byte however it arrives.
    overhead_left: u64,
}

impl ChunkedDecoder {
    /// A decoder at the beginning of a body, whose trailer section may have this many bytes with its final empty line.
    /// The empty line alone, which is no trailer, is always allowed.
    pub fn new(trailer_bytes_max: usize) -> Self {
        Self {
            state: State::Size { value: 0, digits: 0 },
            trailer_bytes_max: trailer_bytes_max.max(EMPTY_LINE_BYTES),
            overhead_left: OVERHEAD_ALLOWANCE_BYTES,
        }
    }

    /// What `input`, the bytes that have not been passed over yet, begins with.
    ///
    /// Framing that is reported as `skip` must be passed over before the next call. Content is reported again, as far as
    /// it has not been [`consumed`](Self::consumed). A trailer section is reported only when it is whole.
    ///
    /// # Errors
    /// Anything that is not chunked coding. The connection must not be used further.
    pub fn step(&mut self, input: &[u8]) -> Result<Step, ChunkedError> {
        let mut position = 0;
        loop {
            match self.state {
                State::Content { left } => {
                    let available = input.len() - position;
                    let length = left.min(available as u64) as usize;
                    return Ok(if length == 0 {
                        Step::More { skip: position }
                    } else {
                        Step::Content { skip: position, length }
                    });
                }
                State::Trailers { mut scanner } => return self.trailers(input, position, &mut scanner),
                State::End => return Ok(Step::End { skip: position, trailers: 0 }),
                _ => {}
            }
            let Some(&byte) = input.get(position) else {
                return Ok(Step::More { skip: position });
            };
            self.framing_byte(byte)?;
            position += 1;
        }
    }

    /// Says that so many bytes of the content that `step` reported have been passed over.
    pub fn consumed(&mut self, bytes: usize) {
        if let State::Content { left } = &mut self.state {
            debug_assert!(bytes as u64 <= *left, "no more than was reported may be consumed");
            *left = left.saturating_sub(bytes as u64);
            let paid = (bytes as u64).saturating_mul(OVERHEAD_PER_BYTE_MAX);
            self.overhead_left = self.overhead_left.saturating_add(paid);
            if *left == 0 {
                self.state = State::ContentReturn;
            }
        }
    }

    /// Whether the last chunk and the trailer section have been seen.
    pub fn is_end(&self) -> bool {
        matches!(self.state, State::End)
    }

    fn framing_byte(&mut self, byte: u8) -> Result<(), ChunkedError> {
        self.overhead_left = self.overhead_left.checked_sub(1).ok_or(ChunkedError::Overhead)?;
        self.state = match (self.state, byte) {
            (State::Size { value, digits }, _) if byte.is_ascii_hexdigit() => {
                // Sixteen digits fill 64 bits; leading zeros beyond that are nobody's honest size.
                if digits == 16 {
                    return Err(ChunkedError::Size);
                }
                State::Size { value: value << 4 | u64::from(hex_value(byte)), digits: digits + 1 }
            }
            (State::Size { digits: 0, .. }, _) => return Err(ChunkedError::Size),
            (State::Size { value, .. }, b'\r') => State::SizeLineFeed { value },
            (State::Size { value, .. }, b';') => State::Extension { value, bytes: 1 },
            // RFC 9112 §7.1.1 has "bad white space" here for old senders; two readers may see two sizes, so it is refused.
            (State::Size { .. }, _) => return Err(ChunkedError::Size),
            (State::Extension { value, .. }, b'\r') => State::SizeLineFeed { value },
            (State::Extension { value, bytes }, _)
                if bytes < EXTENSION_BYTES_MAX && (byte == b'\t' || (byte >= 0x20 && byte != 0x7f)) =>
            {
                State::Extension { value, bytes: bytes + 1 }
            }
            (State::Extension { .. }, _) => return Err(ChunkedError::Extension),
            (State::SizeLineFeed { value: 0 }, b'\n') => State::Trailers { scanner: HeadScanner::default() },
            (State::SizeLineFeed { value }, b'\n') => State::Content { left: value },
            (State::ContentReturn, b'\r') => State::ContentLineFeed,
            (State::ContentLineFeed, b'\n') => State::Size { value: 0, digits: 0 },
            (State::SizeLineFeed { .. } | State::ContentReturn | State::ContentLineFeed, _) => {
                return Err(ChunkedError::LineEnd);
            }
            (state @ (State::Content { .. } | State::Trailers { .. } | State::End), _) => state,
        };
        Ok(())
    }

    fn trailers(
        &mut self,
        input: &[u8],
        skip: usize,
        scanner: &mut HeadScanner,
    ) -> Result<Step, ChunkedError> {
        let found =
            scanner.scan(&input[skip..], self.trailer_bytes_max).map_err(|_| ChunkedError::Trailers)?;
        Ok(match found {
            Some(trailers) => {
                self.state = State::End;
                Step::End { skip, trailers }
            }
            None => {
                self.state = State::Trailers { scanner: *scanner };
                Step::More { skip }
            }
        })
    }
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

/// The longest [`ChunkSize`].
const SIZE_LINE_BYTES_MAX: usize = 18;

/// The line that stands before a chunk's content.
#[derive(Debug, Clone, Copy)]
pub struct ChunkSize {
    bytes: [u8; SIZE_LINE_BYTES_MAX],
    start: u8,
}

impl ChunkSize {
    /// The line for a chunk of this many bytes; 0 begins the last chunk.
    pub fn of(content_bytes: usize) -> Self {
        let mut line = Self { bytes: *b"                \r\n", start: 16 };
        let mut left = content_bytes;
        loop {
            line.start -= 1;
            line.bytes[usize::from(line.start)] = b"0123456789abcdef"[left & 15];
            left >>= 4;
            if left == 0 {
                return line;
            }
        }
    }

    /// The line with its CRLF.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[usize::from(self.start)..]
    }
}

/// What stands behind the last chunk of a body without trailers, its CRLF included.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

#[cfg(test)]
mod tests;
