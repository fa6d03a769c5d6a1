//! The one stream type of the data plane.
//!
//! Nothing above names a `TcpStream`: what accepts and what connects make a [`Stream`], and whether it is TCP or a Unix
//! socket, and whether it speaks TLS, is known only here. Reading and writing take `&self`, so that both directions of an
//! exchange may move at the same time in one task; a stream belongs to one thread, so the cell inside is never contended.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::DuplexStream;
use tokio::net::{TcpStream, UnixStream};

use super::buffer::ReadBuffer;
use super::conduit::Conduit;
use super::pipe::{Pipe, Resetter};
use super::tls::{Input, Session};
use super::transport::{Ask, Transport};
use crate::connections::Place;

/// A two-way stream of bytes.
#[derive(Debug)]
pub struct Stream {
    kind: RefCell<Kind>,
    /// Whether the end of the other side's bytes, or something unread before it, was seen while watching for a reset.
    watched: Cell<bool>,
    moved: Cell<Moved>,
    /// Its place among the connections to its server. Behind the socket, so that it is given back when that is closed.
    place: Option<Place>,
}

/// Bytes that were moved; within TLS, where there is TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// From the other side.
    pub read: u64,
    /// To the other side, as far as they have been taken.
    pub written: u64,
}

#[derive(Debug)]
enum Kind {
    Plain(Transport),
    Tls(Box<Session>),
}

impl Kind {
    fn transport(&self) -> &Transport {
        match self {
            Self::Plain(transport) => transport,
            Self::Tls(session) => session.transport(),
        }
    }
}

impl Stream {
    /// A connected TCP stream. Small writes go out at once (`TCP_NODELAY`).
    pub fn tcp(stream: TcpStream) -> Self {
        // A socket that is already dead says so at the first read; there is nothing to do about it here.
        let _ = stream.set_nodelay(true);
        Self::of(Kind::Plain(Transport::Tcp(stream)))
    }

    /// A connected Unix stream.
    pub fn unix(stream: UnixStream) -> Self {
        Self::of(Kind::Plain(Transport::Unix(stream)))
    }

    /// A pipe in memory, for tests with paused clocks.
    pub fn test(pipe: DuplexStream) -> Self {
        Self::test_that_resets(pipe).0
    }

    /// The same, which may be reset.
    pub fn test_that_resets(pipe: DuplexStream) -> (Self, Resetter) {
        let (pipe, resetter) = Pipe::new(pipe);
        (Self::of(Kind::Plain(Transport::Test(pipe))), resetter)
    }

    /// This stream with TLS on it, as either side; [`poll_handshake`](Self::poll_handshake) comes next. A stream that
    /// speaks TLS already is returned as it is: TLS within TLS is not spoken.
    #[must_use]
    pub fn with_tls(self, connection: impl Into<rustls::Connection>) -> Self {
        let of = |kind| Self { place: self.place, ..Self::of(kind) };
        match self.kind.into_inner() {
            Kind::Plain(transport) => of(Kind::Tls(Box::new(Session::new(transport, connection.into())))),
            kind @ Kind::Tls(_) => of(kind),
        }
    }

    /// The same connection under the smallest number that is free. Only of a plain socket on which nobody waits yet; others stay as
    /// they are.
    ///
    /// # Errors
    /// The system's; the connection is closed then.
    pub fn renumbered(self) -> io::Result<Self> {
        let kind = match self.kind.into_inner() {
            Kind::Plain(transport) => Kind::Plain(transport.renumbered()?),
            kind @ Kind::Tls(_) => kind,
        };
        Ok(Self { place: self.place, ..Self::of(kind) })
    }

    /// The same, which has this place until it is closed.
    #[must_use]
    pub fn with_place(self, place: Place) -> Self {
        Self { place: Some(place), ..self }
    }

    fn of(kind: Kind) -> Self {
        Self { kind: RefCell::new(kind), watched: Cell::new(false), moved: Cell::default(), place: None }
    }

    /// Moves a handshake on as far as the network lets it: sends what is to be sent, and reads. With
    /// [`Input::Arrived`], [`advance_handshake`](Self::advance_handshake) must be called; the two are apart because the
    /// second one costs computing time, which whoever calls may want to ration. Cancel safe.
    ///
    /// # Errors
    /// The network's, or the other side ended the connection.
    pub fn poll_handshake(&self, cx: &mut Context<'_>) -> Poll<io::Result<Input>> {
        match &mut *self.kind.borrow_mut() {
            Kind::Plain(_) => Poll::Ready(Ok(Input::Complete)),
            Kind::Tls(session) => session.poll_handshake(cx),
        }
    }

    /// Computes the next step of a handshake.
    ///
    /// # Errors
    /// The other side's messages are refused; the error's inner one is a [`rustls::Error`]. An alert is left to be sent by
    /// [`poll_shutdown`](Self::poll_shutdown).
    pub fn advance_handshake(&self) -> io::Result<()> {
        match &mut *self.kind.borrow_mut() {
            Kind::Plain(_) => Ok(()),
            Kind::Tls(session) => session.advance(),
        }
    }

    /// What is known of a TLS connection; `None` of a plain one.
    pub fn tls<T>(&self, ask: impl FnOnce(&rustls::Connection) -> T) -> Option<T> {
        match &*self.kind.borrow() {
            Kind::Plain(_) => None,
            Kind::Tls(session) => Some(ask(session.connection())),
        }
    }

    /// Waits until a read would give something: bytes, the end, or an error. Needs no buffer.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *self.kind.borrow_mut() {
            Kind::Plain(transport) => transport.poll_readable(cx),
            Kind::Tls(session) => session.poll_readable(cx),
        }
    }

    /// Reads into the buffer's room. `Ok(0)` is the end.
    ///
    /// # Errors
    /// The system's. On a stream with TLS also when the other side breaks its rules, or ends the connection without
    /// saying so (RFC 8446 §6.1): then it may have been cut by somebody else.
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut ReadBuffer) -> Poll<io::Result<usize>> {
        let count = match &mut *self.kind.borrow_mut() {
            Kind::Plain(transport) => ready!(transport.poll_read(cx, buffer))?,
            Kind::Tls(session) => ready!(session.poll_read(cx, buffer.room()))?,
        };
        buffer.advance(count);
        self.note_read(count);
        Poll::Ready(Ok(count))
    }

    /// Bytes that were moved so far.
    pub fn moved(&self) -> Moved {
        self.moved.get()
    }

    #[inline]
    fn note_read(&self, count: usize) {
        let Moved { read, written } = self.moved.get();
        self.moved.set(Moved { read: read.wrapping_add(count as u64), written });
    }

    #[inline]
    fn note_written(&self, count: usize) {
        let Moved { read, written } = self.moved.get();
        self.moved.set(Moved { read, written: written.wrapping_add(count as u64) });
    }

    /// Reads no more than fits into `room`, for what must not be read past its end. `Ok(0)` is the end.
    ///
    /// # Errors
    /// See [`poll_read`](Self::poll_read).
    #[inline]
    pub fn poll_read_into(&self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let count = match &mut *self.kind.borrow_mut() {
            Kind::Plain(transport) => ready!(transport.poll_read(cx, room))?,
            Kind::Tls(session) => ready!(session.poll_read(cx, room))?,
        };
        self.note_read(count);
        Poll::Ready(Ok(count))
    }

    /// Writes the beginning of these slices, as much as goes at once.
    ///
    /// On a stream with TLS, what was taken may still wait to be sent; every later call of any kind sends it on, and
    /// [`poll_flush`](Self::poll_flush) does nothing else.
    #[inline]
    pub fn poll_write(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let count = match &mut *self.kind.borrow_mut() {
            Kind::Plain(transport) => ready!(transport.poll_write(cx, slices))?,
            Kind::Tls(session) => ready!(session.poll_write(cx, slices))?,
        };
        self.note_written(count);
        Poll::Ready(Ok(count))
    }

    /// Whether its bytes are those of a socket, unchanged: then [`poll_into`](Self::poll_into) and
    /// [`poll_out_of`](Self::poll_out_of) move them.
    pub fn is_plain_socket(&self) -> bool {
        matches!(&*self.kind.borrow(), Kind::Plain(transport) if transport.is_socket())
    }

    /// Moves what has come into an empty conduit, at most so many bytes. `Ok(0)` is the end.
    ///
    /// # Errors
    /// The system's; [`Conduit::is_refusal`] tells whether it does no such thing. Not for streams that are no plain sockets.
    pub fn poll_into(
        &self,
        cx: &mut Context<'_>,
        conduit: &mut Conduit,
        bytes_max: usize,
    ) -> Poll<io::Result<usize>> {
        let count = match &*self.kind.borrow() {
            Kind::Plain(transport) => ready!(transport.poll_into(cx, conduit, bytes_max))?,
            Kind::Tls(_) => return Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        };
        self.note_read(count);
        Poll::Ready(Ok(count))
    }

    /// Moves what a conduit holds to the other side, as much as goes at once.
    ///
    /// # Errors
    /// The system's. Not for streams that are no plain sockets.
    pub fn poll_out_of(&self, cx: &mut Context<'_>, conduit: &mut Conduit) -> Poll<io::Result<usize>> {
        let count = match &*self.kind.borrow() {
            Kind::Plain(transport) => ready!(transport.poll_out_of(cx, conduit))?,
            Kind::Tls(_) => return Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        };
        self.note_written(count);
        Poll::Ready(Ok(count))
    }

    /// Hands everything that was written to the system. Writes on a plain stream have done so themselves.
    #[inline]
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.kind.borrow_mut() {
            Kind::Plain(_) => Poll::Ready(Ok(())),
            Kind::Tls(session) => session.poll_flush(cx),
        }
    }

    /// Whether something that was written has not been handed to the system.
    pub fn has_unsent(&self) -> bool {
        match &*self.kind.borrow() {
            Kind::Plain(_) => false,
            Kind::Tls(session) => session.has_unsent(),
        }
    }

    /// Whether bytes have come, since this was last asked, that did not make a read ready: the beginning of a TLS record.
    pub fn take_received(&self) -> bool {
        match &mut *self.kind.borrow_mut() {
            Kind::Plain(_) => false,
            Kind::Tls(session) => session.take_received(),
        }
    }

    /// Whether bytes have been sent, since this was last asked, that did not make a write or a flush ready.
    pub fn take_sent(&self) -> bool {
        match &mut *self.kind.borrow_mut() {
            Kind::Plain(_) => false,
            Kind::Tls(session) => session.take_sent(),
        }
    }

    /// Reads and forgets what comes, below TLS and all, until the end or an error. For a connection that is over, which is
    /// only still open so that the other side gets what it was told last.
    pub fn poll_forget(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *self.kind.borrow_mut() {
            Kind::Plain(transport) => transport.poll_forget(cx),
            Kind::Tls(session) => session.poll_forget(cx),
        }
    }

    /// Says that nothing more will be written: a FIN behind what has been written.
    pub fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.kind.borrow_mut() {
            Kind::Plain(transport) => transport.poll_shutdown(cx),
            Kind::Tls(session) => session.poll_shutdown(cx),
        }
    }

    /// Says goodbye as TLS wants it before a connection is closed (RFC 8446 §6.1), if it goes at once: nobody waits for it.
    /// Nothing on a plain stream, where closing says it.
    pub fn say_goodbye(&self) {
        if let Kind::Tls(session) = &mut *self.kind.borrow_mut() {
            // Whether the other side hears it makes no difference to us any more.
            let _ = session.poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// Waits until the other side resets the connection.
    ///
    /// A FIN is no reset (`semantics.md` §1.7), nor are bytes that nobody has asked for yet. Once either was seen this
    /// waits forever; a reset shows at the next write then.
    pub fn poll_reset(&self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.watched.get() {
            return Poll::Pending;
        }
        loop {
            match self.kind.borrow().transport().poll_peek(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(_)) => {
                    self.watched.set(true);
                    return Poll::Pending;
                }
                // The readiness was stale and is cleared now; ask once more to be woken.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                Poll::Ready(Err(error)) => return Poll::Ready(error),
            }
        }
    }

    /// Waits until the other side has ended the connection and nothing that it sent is left to be read: an error for a reset.
    /// Bytes that nobody has asked for yet come before that, and end the wait for good: ask again at another time.
    ///
    /// Under TLS this is never told: what the network has given may still be in the session.
    pub fn poll_over(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Kind::Plain(transport) = &*self.kind.borrow() else { return Poll::Pending };
        loop {
            match transport.poll_peek(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => return Poll::Pending,
                // The readiness was stale and is cleared now; ask once more to be woken.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Begins a new watch for resets; see [`poll_reset`](Self::poll_reset).
    pub fn watch_again(&self) {
        self.watched.set(false);
    }

    /// Whether nothing has come that nobody asked for, neither bytes nor the end, as far as the runtime has heard.
    ///
    /// Free when it has heard nothing, otherwise one system call. What came after the runtime last looked is missed.
    pub fn seems_quiet(&self) -> bool {
        self.has_nothing(Ask::Runtime)
    }

    /// Like [`seems_quiet`](Self::seems_quiet), asked of the system at this moment.
    pub fn is_quiet(&self) -> bool {
        self.has_nothing(Ask::System)
    }

    fn has_nothing(&self, ask: Ask) -> bool {
        match &mut *self.kind.borrow_mut() {
            Kind::Plain(transport) => transport.is_quiet(ask),
            Kind::Tls(session) => session.is_quiet(ask),
        }
    }

    /// Lets the system say at once that it has what the other side sends, as it does on a new connection that was not
    /// [made for a message](crate::connect::connect_for_message): an answer that is written in two pieces may wait for that between
    /// them (RFC 896). Without effect on what is not TCP.
    pub fn acknowledge_at_once(&self) {
        self.kind.borrow().transport().acknowledge_at_once();
    }

    /// Makes closing this stream a reset, so that the other side can't take what it got for the whole
    /// (`semantics.md` §1.7). Without effect on what is not TCP.
    pub fn reset_when_closed(&self) {
        self.kind.borrow().transport().reset_when_closed();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn a_connection_with_another_number_is_the_same_one() {
        let (mut theirs, ours) = UnixStream::pair().unwrap();
        theirs.write_all(b"before").await.unwrap();
        let ours = Stream::unix(ours).renumbered().unwrap();
        let mut buffer = ReadBuffer::new();
        assert_eq!(poll_fn(|cx| ours.poll_read(cx, &mut buffer)).await.unwrap(), 6);
        theirs.write_all(b" and after").await.unwrap();
        assert_eq!(poll_fn(|cx| ours.poll_read(cx, &mut buffer)).await.unwrap(), 10);
        assert_eq!(buffer.unread(), b"before and after");
        drop(theirs);
        assert_eq!(poll_fn(|cx| ours.poll_read(cx, &mut buffer)).await.unwrap(), 0);
    }
}
