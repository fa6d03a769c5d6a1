//! The one stream type of the data plane.
//!
//! Nothing above names a `TcpStream`: what accepts and what connects make a [`Stream`], and whether it is TCP, a Unix
//! socket or, later, TLS is known only here. Reading and writing take `&self`, so that both directions of an exchange
//! may move at the same time in one task; a stream belongs to one thread, so the cell inside is never contended.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::buffer::ReadBuffer;

/// A two-way stream of bytes.
#[derive(Debug)]
pub struct Stream {
    kind: RefCell<Kind>,
    /// Whether the end of the other side's bytes, or something unread before it, was seen while watching for a reset.
    watched: Cell<bool>,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// A pipe in memory. It can't be asked whether it is readable without reading, so it keeps what it read to answer.
    Test {
        pipe: DuplexStream,
        ahead: Vec<u8>,
        ended: bool,
    },
}

impl Stream {
    /// A connected TCP stream. Small writes go out at once (`TCP_NODELAY`).
    pub fn tcp(stream: TcpStream) -> Self {
        // A socket that is already dead says so at the first read; there is nothing to do about it here.
        let _ = stream.set_nodelay(true);
        Self::of(Kind::Tcp(stream))
    }

    /// A connected Unix stream.
    pub fn unix(stream: UnixStream) -> Self {
        Self::of(Kind::Unix(stream))
    }

    /// A pipe in memory, for tests with paused clocks.
    pub fn test(pipe: DuplexStream) -> Self {
        Self::of(Kind::Test { pipe, ahead: Vec::new(), ended: false })
    }

    fn of(kind: Kind) -> Self {
        Self { kind: RefCell::new(kind), watched: Cell::new(false) }
    }

    /// Waits until a read would give something: bytes, the end, or an error. Needs no buffer.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *self.kind.borrow_mut() {
            Kind::Tcp(stream) => stream.poll_read_ready(cx).map(|_| ()),
            Kind::Unix(stream) => stream.poll_read_ready(cx).map(|_| ()),
            Kind::Test { pipe, ahead, ended } => poll_ahead(pipe, ahead, ended, cx),
        }
    }

    /// Reads into the buffer's room. `Ok(0)` is the end.
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut ReadBuffer) -> Poll<io::Result<usize>> {
        let mut kind = self.kind.borrow_mut();
        if let Kind::Test { ahead, .. } = &mut *kind
            && !ahead.is_empty()
        {
            buffer.append(ahead);
            let count = ahead.len();
            ahead.clear();
            return Poll::Ready(Ok(count));
        }
        let mut room = ReadBuf::new(buffer.room());
        ready!(match &mut *kind {
            Kind::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut room),
            Kind::Unix(stream) => Pin::new(stream).poll_read(cx, &mut room),
            Kind::Test { pipe, .. } => Pin::new(pipe).poll_read(cx, &mut room),
        })?;
        let count = room.filled().len();
        buffer.advance(count);
        Poll::Ready(Ok(count))
    }

    /// Writes the beginning of these slices, as much as goes at once.
    pub fn poll_write(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut kind = self.kind.borrow_mut();
        if let [only] = slices {
            return match &mut *kind {
                Kind::Tcp(stream) => Pin::new(stream).poll_write(cx, only),
                Kind::Unix(stream) => Pin::new(stream).poll_write(cx, only),
                Kind::Test { pipe, .. } => Pin::new(pipe).poll_write(cx, only),
            };
        }
        match &mut *kind {
            Kind::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Kind::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Kind::Test { pipe, .. } => Pin::new(pipe).poll_write_vectored(cx, slices),
        }
    }

    /// Says that nothing more will be written: a FIN behind what has been written.
    pub fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.kind.borrow_mut() {
            Kind::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Kind::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Kind::Test { pipe, .. } => Pin::new(pipe).poll_shutdown(cx),
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
            match self.poll_peek(cx) {
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

    fn poll_peek(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match &*self.kind.borrow() {
            Kind::Tcp(stream) => {
                ready!(stream.poll_read_ready(cx))?;
                Poll::Ready(stream.try_io(Interest::READABLE, || peek(&SockRef::from(stream))))
            }
            Kind::Unix(stream) => {
                ready!(stream.poll_read_ready(cx))?;
                Poll::Ready(stream.try_io(Interest::READABLE, || peek(&SockRef::from(stream))))
            }
            Kind::Test { .. } => Poll::Pending,
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
        would_block(match &*self.kind.borrow() {
            Kind::Tcp(stream) => stream.try_io(Interest::READABLE, || peek(&SockRef::from(stream))),
            Kind::Unix(stream) => stream.try_io(Interest::READABLE, || peek(&SockRef::from(stream))),
            Kind::Test { ahead, ended, .. } => return ahead.is_empty() && !ended,
        })
    }

    /// Like [`seems_quiet`](Self::seems_quiet), asked of the system at this moment.
    pub fn is_quiet(&self) -> bool {
        would_block(match &*self.kind.borrow() {
            Kind::Tcp(stream) => peek(&SockRef::from(stream)),
            Kind::Unix(stream) => peek(&SockRef::from(stream)),
            Kind::Test { ahead, ended, .. } => return ahead.is_empty() && !ended,
        })
    }

    /// Makes closing this stream a reset, so that the other side can't take what it got for the whole
    /// (`semantics.md` §1.7). Without effect on what is not TCP.
    pub fn reset_when_closed(&self) {
        if let Kind::Tcp(stream) = &*self.kind.borrow() {
            // If it fails the connection is gone already, and with it the danger.
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }

    /// The descriptor under a stream that carries its bytes unchanged, for `splice` and `peek`.
    pub fn plain_fd(&self) -> Option<RawFd> {
        match &*self.kind.borrow() {
            Kind::Tcp(stream) => Some(stream.as_raw_fd()),
            Kind::Unix(stream) => Some(stream.as_raw_fd()),
            Kind::Test { .. } => None,
        }
    }
}

fn peek(socket: &SockRef<'_>) -> io::Result<usize> {
    socket.peek(&mut [MaybeUninit::uninit()])
}

fn would_block(seen: io::Result<usize>) -> bool {
    matches!(seen, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

fn poll_ahead(
    pipe: &mut DuplexStream,
    ahead: &mut Vec<u8>,
    ended: &mut bool,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if !ahead.is_empty() || *ended {
        return Poll::Ready(());
    }
    let mut bytes = [0; 1024];
    let mut room = ReadBuf::new(&mut bytes);
    match ready!(Pin::new(pipe).poll_read(cx, &mut room)) {
        Ok(()) if !room.filled().is_empty() => ahead.extend_from_slice(room.filled()),
        Ok(()) | Err(_) => *ended = true,
    }
    Poll::Ready(())
}
