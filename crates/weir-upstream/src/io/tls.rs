//! TLS on a stream: rustls, which knows no socket, and what carries its bytes.
//!
//! rustls is driven directly, not through an adapter of the runtime: reading and writing must work with `&self` from one
//! task, a handshake is rationed, and an idle connection is asked whether it is quiet without a task that waits on it.
//! What a write has taken is sent by that call or by any later one, of whatever kind; a caller that will not call soon
//! flushes.

use std::fmt;
use std::io::{self, IoSlice, Read, Write as _};
use std::pin::pin;
use std::task::{Context, Poll, ready};

use rustls::{Connection, IoState, ProtocolVersion};
use smallvec::SmallVec;

use super::transport::{Ask, Transport};

/// Bytes of records that may wait to be sent. A write is refused while any do, so a connection holds at most this and what
/// one write adds.
const UNSENT_BYTES_MAX: usize = 64 * 1024;

/// Slices of records that are given to the system in one call.
const SLICES_MAX: usize = 16;

/// Bytes that rustls is given in one piece. It copies each piece into a record, five bytes behind the beginning of the
/// record's memory. From 2112 bytes on the C library copies with one instruction of the processor, `rep movsb`, and that is
/// fifteen times slower on AMD's Zen 4 when source and target are a few bytes off the same place in a page. Large bodies lie
/// at the beginning of a page, so they always were: their copies cost more than their encryption.
const PIECE_BYTES: usize = 2048;

/// Pieces that are given to rustls at once; all that it takes, and the odd ends of what a message is gathered from.
const PIECES_MAX: usize = UNSENT_BYTES_MAX / PIECE_BYTES + 4;

/// Reads in a row that may give nothing to whoever uses the stream. Empty records, changes of keys and tickets concern TLS
/// alone, and what rustls counts of one begins anew with another; each has to be decrypted all the same, and in a read of
/// 4 KiB there are up to two hundred. The longest record takes five reads, the tickets of a handshake one or two.
const FRUITLESS_READS_MAX: usize = 16;

/// What the network had for a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Something of the other side's, to be computed with.
    Arrived,
    /// Nothing is needed: the handshake is complete.
    Complete,
}

/// Bytes on the network. A record is read as a whole and several are sent together, so a stream may wait for long while
/// they move all the time.
#[derive(Debug, Default)]
struct Moved {
    came: bool,
    went: bool,
}

/// A TLS connection and what carries it.
pub(super) struct Session {
    transport: Transport,
    connection: Connection,
    /// Bytes that are decrypted and not read.
    unread_bytes: usize,
    /// Whether nothing more will come: the other side has said so or ended, or what it sent is refused.
    ended: bool,
    /// Whether bytes of records have come and gone since somebody asked.
    moved: Moved,
    /// Whether ours has been said.
    said_goodbye: bool,
    /// Whether what waits to be sent are tickets for later connections alone (RFC 8446 §4.6.1). Nobody waits for them, so
    /// they go together with the first answer, or when there is nothing to read.
    only_tickets: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("transport", &self.transport).finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(transport: Transport, mut connection: Connection) -> Self {
        connection.set_buffer_limit(Some(UNSENT_BYTES_MAX));
        Self {
            transport,
            connection,
            unread_bytes: 0,
            ended: false,
            moved: Moved::default(),
            said_goodbye: false,
            only_tickets: false,
        }
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// See [`Stream::poll_handshake`](super::stream::Stream::poll_handshake).
    pub(super) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Input>> {
        if !self.connection.is_handshaking() && self.hears_last() {
            self.only_tickets = true;
            return Poll::Ready(Ok(Input::Complete));
        }
        let sent = self.poll_send(cx);
        if !self.connection.is_handshaking() {
            return match self.connection {
                Connection::Client(_) => sent.map(|sent| sent.map(|()| Input::Complete)),
                // The client waits for these last words, so it may speak first, or be gone again; they go with a later call.
                Connection::Server(_) => Poll::Ready(Ok(Input::Complete)),
            };
        }
        let _ = sent?;
        match ready!(self.poll_receive(cx))? {
            0 => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            _ => Poll::Ready(Ok(Input::Arrived)),
        }
    }

    /// Whether a handshake ends with the other side's words. What is left to be said then are tickets.
    fn hears_last(&self) -> bool {
        matches!(self.connection, Connection::Server(_))
            && self.connection.protocol_version() == Some(ProtocolVersion::TLSv1_3)
    }

    /// Computes with what was received.
    pub(super) fn advance(&mut self) -> io::Result<()> {
        let state: IoState = self.connection.process_new_packets().map_err(|error| {
            self.ended = true;
            io::Error::new(io::ErrorKind::InvalidData, error)
        })?;
        self.unread_bytes = state.plaintext_bytes_to_read();
        self.ended |= state.peer_has_closed();
        Ok(())
    }

    /// Waits until a read would give something.
    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_unsent() || self.unread_bytes == 0 {
            // Whether it can be sent shows at the next read or write.
            let _ = self.poll_send(cx);
        }
        for _ in 0..FRUITLESS_READS_MAX {
            if self.unread_bytes > 0 || self.ended {
                return Poll::Ready(());
            }
            match ready!(self.poll_receive(cx)) {
                Ok(0) => self.ended = true,
                Ok(_) if self.advance().is_ok() => {}
                // The next read tells it.
                Ok(_) | Err(_) => self.ended = true,
            }
        }
        others_first(cx)
    }

    /// Reads into this room. `Ok(0)` is an end that the other side has announced.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.has_unsent() || self.unread_bytes == 0 {
            // What can't be sent is told by writes: an answer may be here that says why nobody reads any more (RFC 9112 §9.5).
            let _ = self.poll_send(cx);
        }
        for _ in 0..FRUITLESS_READS_MAX {
            match self.connection.reader().read(room) {
                Ok(count) => {
                    self.unread_bytes = self.unread_bytes.saturating_sub(count);
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            if self.ended {
                // rustls keeps its errors and tells them again; nobody may wait for bytes behind one.
                self.advance()?;
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            if ready!(self.poll_receive(cx))? == 0 {
                self.ended = true;
            }
            // An error does not undo what came before it in the same read; it is told when that has been read.
            let _ = self.advance();
        }
        others_first(cx)
    }

    /// Encrypts and sends the beginning of these slices.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.has_unsent() {
            ready!(self.poll_send(cx))?;
        }
        let mut writer = self.connection.writer();
        let count = match slices {
            [only] if only.len() <= PIECE_BYTES => writer.write(only)?,
            _ => {
                let pieces = slices.iter().flat_map(|slice| slice.chunks(PIECE_BYTES)).map(IoSlice::new);
                let pieces: SmallVec<[IoSlice<'_>; PIECES_MAX]> = pieces.take(PIECES_MAX).collect();
                writer.write_vectored(&pieces)?
            }
        };
        self.only_tickets = false;
        // What does not go now goes with a later call.
        let _ = self.poll_send(cx)?;
        Poll::Ready(Ok(count))
    }

    /// Sends what writes have taken.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_send(cx)
    }

    /// Whether something is left to be sent that somebody may wait for.
    pub(super) fn has_unsent(&self) -> bool {
        self.connection.wants_write() && !self.only_tickets
    }

    /// Whether bytes have come since this was last asked.
    pub(super) fn take_received(&mut self) -> bool {
        std::mem::take(&mut self.moved.came)
    }

    /// Whether bytes have been sent since this was last asked.
    pub(super) fn take_sent(&mut self) -> bool {
        std::mem::take(&mut self.moved.went)
    }

    /// Reads and forgets what comes from the network, until its end or an error.
    pub(super) fn poll_forget(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.transport.poll_forget(cx)
    }

    /// Says goodbye, sends everything, and a FIN behind it.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.said_goodbye {
            self.said_goodbye = true;
            self.connection.send_close_notify();
        }
        ready!(self.poll_send(cx))?;
        self.transport.poll_shutdown(cx)
    }

    /// Whether nothing has come that concerns whoever uses the stream. What concerns TLS alone, such as tickets
    /// (RFC 8446 §4.6.1), is taken in; who sends more of it than is ever needed is not quiet.
    pub(super) fn is_quiet(&mut self, ask: Ask) -> bool {
        for _ in 0..FRUITLESS_READS_MAX {
            if self.unread_bytes > 0 || self.ended {
                return false;
            }
            if self.transport.is_quiet(ask) {
                return true;
            }
            match self.connection.read_tls(&mut Here { transport: &mut self.transport, ask }) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Ok(count) if count > 0 && self.advance().is_ok() => {}
                Ok(_) | Err(_) => self.ended = true,
            }
        }
        false
    }

    /// Reads records from the transport. `Ok(0)` is its end.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut incoming = Incoming { transport: &mut self.transport, cx };
        let outcome = pending(self.connection.read_tls(&mut incoming));
        self.moved.came |= outcome.is_ready();
        outcome
    }

    /// Sends what rustls has to send; ready when nothing is left.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.connection.wants_write() {
            let mut outgoing = Outgoing { transport: &mut self.transport, cx };
            if ready!(pending(self.connection.write_tls(&mut outgoing)))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.moved.went = true;
        }
        self.only_tickets = false;
        Poll::Ready(Ok(()))
    }
}

/// Gives the other tasks a turn before this one goes on.
fn others_first<T>(cx: &mut Context<'_>) -> Poll<T> {
    // The first poll of this future asks to be woken behind everything else, and waits.
    let _ = pin!(tokio::task::yield_now()).poll(cx);
    Poll::Pending
}

/// rustls reads and writes without waiting; its word for waiting is an error.
fn pending(result: io::Result<usize>) -> Poll<io::Result<usize>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}

struct Incoming<'i, 'c> {
    transport: &'i mut Transport,
    cx: &'i mut Context<'c>,
}

impl Read for Incoming<'_, '_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.transport.poll_read(self.cx, bytes) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// What is here at this moment; nobody is woken for more.
struct Here<'i> {
    transport: &'i mut Transport,
    ask: Ask,
}

impl Read for Here<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.transport.take(self.ask, bytes)
    }
}

struct Outgoing<'i, 'c> {
    transport: &'i mut Transport,
    cx: &'i mut Context<'c>,
}

impl io::Write for Outgoing<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.transport.poll_write(self.cx, &slices[..slices.len().min(SLICES_MAX)]) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
