//! Writing a message: its head, then its body in the coding that was announced.
//!
//! Small pieces are gathered and written together with what comes behind them; large ones go out straight from where
//! they lie, in one system call with whatever was gathered. So a small answer is one write, head and body.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use weir_http::chunked::{ChunkSize, LAST_CHUNK};
use weir_http::head::Head;

use crate::io::buffer::WriteBuffer;
use crate::io::conduit::Conduit;
use crate::io::timed::Timed;

/// Pieces up to this size are copied: cheaper than another slice for the system call.
const COPIED_BYTES_MAX: usize = 4 * 1024;

/// Gathered bytes beyond which they are written.
const GATHERED_BYTES_MAX: usize = 16 * 1024;

/// Somewhere a body goes.
pub trait BodySink {
    /// Takes a piece of the body; it may be kept back until a later call. Waits while the other side takes nothing.
    fn data(&mut self, chunk: &[u8]) -> impl Future<Output = io::Result<()>>;

    /// Hands what was kept back to the system, all of it.
    fn flush(&mut self) -> impl Future<Output = io::Result<()>>;

    /// Ends the body and writes what was kept back.
    fn end(&mut self, trailers: Option<&Head>) -> impl Future<Output = io::Result<()>>;

    /// Whether something is kept back that only a later call would write.
    fn keeps_back(&self) -> bool;

    /// What it hands content to, where nothing else is done with it on its way: content may go straight there.
    fn direct(&mut self) -> Option<&mut dyn Direct> {
        None
    }
}

/// A sink into which content may go without being looked at.
pub trait Direct {
    /// Whether content goes into the stream as it is, and nothing is between.
    fn takes_as_it_is(&self) -> bool;

    /// Moves content that a conduit holds into the stream, as much as goes at once.
    fn poll_out_of(&mut self, cx: &mut Context<'_>, conduit: &mut Conduit) -> Poll<io::Result<()>>;
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// As it is: its length was announced, or the end of the connection ends it.
    Plain,
    /// In chunks.
    Chunked,
}

/// The writing side of an HTTP/1 connection for one message.
#[derive(Debug)]
pub struct H1Sink<'t> {
    to: &'t Timed,
    gathered: WriteBuffer,
    coding: Coding,
    written_bytes: u64,
    content_bytes: u64,
}

impl<'t> H1Sink<'t> {
    /// A sink that writes to this stream.
    #[inline]
    pub fn new(to: &'t Timed) -> Self {
        Self { to, gathered: WriteBuffer::new(), coding: Coding::Plain, written_bytes: 0, content_bytes: 0 }
    }

    /// Where a head is put; it goes out with the next write.
    pub fn head(&mut self, coding: Coding) -> &mut Vec<u8> {
        self.coding = coding;
        &mut self.gathered
    }

    /// Takes a piece of a body that is written as it is, if it is so small that it is gathered. Otherwise says no, and
    /// [`data`](BodySink::data) takes it.
    #[inline]
    pub fn gather(&mut self, chunk: &[u8]) -> bool {
        let gathers = self.coding == Coding::Plain && self.has_room(chunk.len());
        if gathers {
            self.content_bytes += chunk.len() as u64;
            self.gathered.extend_from_slice(chunk);
        }
        gathers
    }

    /// Whether a piece of so many bytes is gathered.
    fn has_room(&self, bytes: usize) -> bool {
        bytes <= COPIED_BYTES_MAX && self.gathered.len() + bytes <= GATHERED_BYTES_MAX
    }

    /// Forgets what is gathered, if nothing has been handed to the system since `written_bytes` was this. Says whether.
    pub fn forget_since(&mut self, written_bytes: u64) -> bool {
        if self.written_bytes != written_bytes {
            return false;
        }
        self.gathered.clear();
        self.content_bytes = 0;
        true
    }

    /// Bytes that have been handed to the system, framing included.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// Whether something is gathered and not yet handed to the stream as a whole.
    pub fn is_gathering(&self) -> bool {
        !self.gathered.is_empty()
    }

    /// Bytes of content that have been taken.
    pub fn content_bytes(&self) -> u64 {
        self.content_bytes
    }

    /// The stream it writes to.
    pub fn to(&self) -> &Timed {
        self.to
    }

    /// Writes what is gathered, and this behind it.
    async fn write(&mut self, tail: [&[u8]; 3]) -> io::Result<()> {
        let slices = [self.gathered.as_slice(), tail[0], tail[1], tail[2]];
        let mut storage = slices.map(IoSlice::new);
        let mut first = 0;
        // Empty slices at the beginning would only make the system call more expensive.
        while first < 4 && storage[first].is_empty() {
            first += 1;
        }
        let end = 4 - storage[first..].iter().rev().take_while(|slice| slice.is_empty()).count();
        let mut left = &mut storage[first..end.max(first)];
        let (to, written_bytes) = (self.to, &mut self.written_bytes);
        while !left.is_empty() {
            let count = poll_fn(|cx| poll_write(to, cx, left)).await?;
            *written_bytes += count as u64;
            IoSlice::advance_slices(&mut left, count);
        }
        self.gathered.give_back();
        Ok(())
    }

    /// Writes what is gathered, of which some bytes have been passed on; mostly that is a whole message, and one system
    /// call.
    fn poll_flush(&mut self, cx: &mut Context<'_>, passed_bytes: &mut usize) -> Poll<io::Result<()>> {
        while *passed_bytes < self.gathered.len() {
            let left = IoSlice::new(&self.gathered[*passed_bytes..]);
            let count = ready!(poll_write(self.to, cx, &[left]))?;
            self.written_bytes += count as u64;
            *passed_bytes += count;
        }
        self.gathered.give_back();
        *passed_bytes = 0;
        self.to.poll_flush(cx)
    }
}

/// Writes at least one byte.
fn poll_write(to: &Timed, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
    match ready!(to.poll_write(cx, slices))? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        count => Poll::Ready(Ok(count)),
    }
}

impl BodySink for H1Sink<'_> {
    async fn data(&mut self, chunk: &[u8]) -> io::Result<()> {
        if self.gather(chunk) {
            return Ok(());
        }
        self.content_bytes += chunk.len() as u64;
        match (self.coding, self.has_room(chunk.len())) {
            (Coding::Plain, _) => self.write([chunk, b"", b""]).await?,
            (Coding::Chunked, true) => {
                self.gathered.extend_from_slice(ChunkSize::of(chunk.len()).as_bytes());
                self.gathered.extend_from_slice(chunk);
                self.gathered.extend_from_slice(b"\r\n");
            }
            (Coding::Chunked, false) => {
                let size = ChunkSize::of(chunk.len());
                self.write([size.as_bytes(), chunk, b"\r\n"]).await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        let mut passed_bytes = 0;
        poll_fn(|cx| self.poll_flush(cx, &mut passed_bytes)).await
    }

    async fn end(&mut self, trailers: Option<&Head>) -> io::Result<()> {
        match (self.coding, trailers) {
            (Coding::Plain, _) => {}
            (Coding::Chunked, None) => self.gathered.extend_from_slice(LAST_CHUNK),
            (Coding::Chunked, Some(trailers)) => {
                self.gathered.extend_from_slice(ChunkSize::of(0).as_bytes());
                trailers.write(&mut self.gathered);
            }
        }
        self.flush().await
    }

    fn keeps_back(&self) -> bool {
        self.is_gathering() || self.to.stream.has_unsent()
    }

    fn direct(&mut self) -> Option<&mut dyn Direct> {
        Some(self)
    }
}

impl Direct for H1Sink<'_> {
    fn takes_as_it_is(&self) -> bool {
        self.coding == Coding::Plain && self.to.stream.is_plain_socket()
    }

    fn poll_out_of(&mut self, cx: &mut Context<'_>, conduit: &mut Conduit) -> Poll<io::Result<()>> {
        debug_assert!(!self.is_gathering(), "what came before goes first");
        let count = ready!(self.to.poll_out_of(cx, conduit))? as u64;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.written_bytes += count;
        self.content_bytes += count;
        Poll::Ready(Ok(()))
    }
}
