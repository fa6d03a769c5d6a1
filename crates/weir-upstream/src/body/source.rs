//! A body that comes from an HTTP/1 connection, of a client or of a server.

use std::io;
use std::task::{Context, Poll, ready};

use weir_http::body::{BodyDecoder, BodyError};
use weir_http::chunked::{ChunkedError, Step};
use weir_http::connection;
use weir_http::framing::Framing;
use weir_http::head::Head;

use super::error::ReadError;
use crate::io::buffer::ReadBuffer;
use crate::io::conduit::Conduit;
use crate::io::timed::Timed;

/// Limits of a body.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Bytes of content; `None` is unlimited.
    pub bytes_max: Option<u64>,
    /// Bytes of a trailer section.
    pub trailer_bytes_max: usize,
    /// Fields of a trailer section.
    pub trailer_fields_max: usize,
}

/// A body that is read from a connection as it is asked for.
///
/// It owns the connection's read buffer while it lives and gives it back with whatever came behind the body.
#[derive(Debug)]
pub struct H1Body {
    from: Timed,
    buffer: ReadBuffer,
    decoder: BodyDecoder,
    /// Content at the beginning of the buffer that has been found and not consumed.
    available: usize,
    received_bytes: u64,
    limits: BodyLimits,
    trailers: Option<Box<Head>>,
    /// Whether trailers are read and forgotten.
    drops_trailers: bool,
    ended: bool,
    /// Whether it could not be read on. It has no end then, and nothing behind it may be taken for a message.
    failed: bool,
}

impl H1Body {
    /// A body with this framing, whose first bytes may be in the buffer already.
    pub fn new(from: Timed, buffer: ReadBuffer, framing: Framing, limits: BodyLimits) -> Self {
        let decoder = BodyDecoder::new(framing, limits.trailer_bytes_max);
        let ended = decoder.is_end();
        Self {
            from,
            buffer,
            decoder,
            available: 0,
            received_bytes: 0,
            limits,
            trailers: None,
            drops_trailers: false,
            ended,
            failed: false,
        }
    }

    /// See [`Body::poll_fill`](super::Body::poll_fill).
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        if self.failed {
            return Poll::Ready(Err(BodyError::Truncated.into()));
        }
        let filled = self.poll_more(cx);
        self.failed = matches!(filled, Poll::Ready(Err(_)));
        filled
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        while self.available == 0 && !self.ended {
            match self.decoder.step(self.buffer.unread())? {
                Step::Content { skip, length } => {
                    self.buffer.consume(skip);
                    self.available = length;
                    self.received_bytes += length as u64;
                    if self.limits.bytes_max.is_some_and(|max| self.received_bytes > max) {
                        return Poll::Ready(Err(ReadError::TooLarge));
                    }
                }
                Step::More { skip } => {
                    self.buffer.consume(skip);
                    let count = ready!(self.from.poll_read(cx, &mut self.buffer)).map_err(ReadError::Io)?;
                    if count == 0 {
                        self.decoder.connection_ended()?;
                    }
                }
                Step::End { skip, trailers } => {
                    self.buffer.consume(skip);
                    self.take_trailers(trailers)?;
                    self.ended = true;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// See [`Body::poll_broken`](super::Body::poll_broken).
    pub fn poll_broken(&mut self, cx: &mut Context<'_>) -> Poll<ReadError> {
        // What is here can be lent, whatever becomes of the connection.
        match self.poll_fill(cx) {
            Poll::Ready(Err(error)) => return Poll::Ready(error),
            Poll::Ready(Ok(())) if !self.is_here() => {}
            Poll::Ready(Ok(())) | Poll::Pending => return Poll::Pending,
        }
        match ready!(self.from.stream.poll_over(cx)) {
            Err(error) => Poll::Ready(ReadError::Io(error)),
            // More was to come, unless nobody but the end of the connection could say so.
            Ok(()) => match self.decoder.clone().connection_ended() {
                Err(error) => Poll::Ready(error.into()),
                Ok(()) => Poll::Pending,
            },
        }
    }

    /// Whether the rest, to its end, is in the buffer.
    fn is_here(&self) -> bool {
        let (mut decoder, mut rest) = (self.decoder.clone(), &self.buffer.unread()[self.available..]);
        decoder.consumed(self.available);
        loop {
            if self.ended || decoder.is_end() {
                return true;
            }
            match decoder.step(rest) {
                Ok(Step::Content { skip, length }) => {
                    decoder.consumed(length);
                    rest = &rest[skip + length..];
                }
                Ok(Step::End { .. }) => return true,
                // What is malformed is told when it is read.
                Ok(Step::More { .. }) | Err(_) => return false,
            }
        }
    }

    /// See [`Body::chunk`](super::Body::chunk).
    #[inline]
    pub fn chunk(&self) -> &[u8] {
        &self.buffer.unread()[..self.available]
    }

    /// See [`Body::consume`](super::Body::consume).
    #[inline]
    pub fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.available, "no more than was lent may be consumed");
        self.buffer.consume(count);
        self.decoder.consumed(count);
        self.available -= count;
        if self.available == 0 && !matches!(self.decoder, BodyDecoder::Chunked(_)) {
            self.ended = self.decoder.is_end();
        }
    }

    /// Content of an announced length that has not been read yet, where nothing that has been is waiting to be used, and no
    /// limit is in its way; 0 otherwise.
    #[inline]
    pub(crate) fn unread_bytes(&self) -> u64 {
        let left = match self.decoder {
            BodyDecoder::Sized { left } if self.buffer.is_empty() && !self.failed => left,
            _ => 0,
        };
        let fits = self.limits.bytes_max.is_none_or(|max| self.received_bytes.saturating_add(left) <= max);
        if fits { left } else { 0 }
    }

    /// Moves content that has come into an empty conduit, past the buffer. `Ok(0)`: the connection has ended before the body.
    pub(crate) fn poll_into(
        &mut self,
        cx: &mut Context<'_>,
        conduit: &mut Conduit,
    ) -> Poll<io::Result<usize>> {
        // It may be a large one by now, and nothing is read into it for a while.
        self.buffer = ReadBuffer::new();
        let bytes_max = usize::try_from(self.unread_bytes()).unwrap_or(usize::MAX);
        let moved = ready!(self.from.poll_into(cx, conduit, bytes_max));
        match &moved {
            Ok(count) => {
                self.received_bytes += *count as u64;
                self.decoder.consumed(*count);
                self.ended = self.decoder.is_end();
            }
            Err(error) => self.failed = !Conduit::is_refusal(error),
        }
        Poll::Ready(moved)
    }

    /// Whether everything has been read and used.
    pub fn is_end(&self) -> bool {
        self.ended && !self.failed
    }

    /// The trailers, if there were any.
    pub fn trailers(&self) -> Option<&Head> {
        self.trailers.as_deref()
    }

    /// See [`Body::drop_trailers`](super::Body::drop_trailers).
    pub fn drop_trailers(&mut self) {
        self.drops_trailers = true;
        self.trailers = None;
    }

    /// Bytes of content that have come so far.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// The stream it reads from.
    pub fn from(&self) -> &Timed {
        &self.from
    }

    /// Takes the buffer with what came behind the body. The body must not be read on then.
    pub fn take_buffer(&mut self) -> ReadBuffer {
        std::mem::take(&mut self.buffer)
    }

    fn take_trailers(&mut self, bytes: usize) -> Result<(), ReadError> {
        // A section of two bytes is the empty line alone.
        if bytes > 2 {
            let mut head = Head::default();
            head.parse_trailers(&self.buffer.unread()[..bytes], self.limits.trailer_fields_max)
                .map_err(|_| ReadError::Body(ChunkedError::Trailers.into()))?;
            head.remove_where(|name, _| connection::is_refused_in_trailers(name));
            self.trailers = (!self.drops_trailers).then(|| Box::new(head));
        }
        self.buffer.consume(bytes);
        Ok(())
    }
}
