//! What carries the bytes of a stream: a socket, or a pipe in memory.

use std::io::{self, IoSlice, Read};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncWrite, Interest};
use tokio::net::{TcpStream, UnixStream};

use super::conduit::Conduit;
use super::pipe::Pipe;
use super::socket::{self, Room};

/// A socket, or a pipe in memory.
#[derive(Debug)]
pub(super) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// For tests.
    Test(Pipe),
}

/// Of whom it is asked whether something has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// The runtime: free when it has heard nothing, but what came after it last looked is missed.
    Runtime,
    /// The system, by a call.
    System,
}

impl Transport {
    /// The same under the smallest number that is free, if it is a socket.
    pub(super) fn renumbered(self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(TcpStream::from_std(stream.into_std()?.try_clone()?)?),
            Self::Unix(stream) => Self::Unix(UnixStream::from_std(stream.into_std()?.try_clone()?)?),
            Self::Test(pipe) => Self::Test(pipe),
        })
    }

    /// Waits until a read would give something: bytes, the end, or an error.
    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tcp(stream) => socket::poll_readable(stream, cx),
            Self::Unix(stream) => socket::poll_readable(stream, cx),
            Self::Test(pipe) => pipe.poll_readable(cx),
        }
    }

    /// Reads into this room, which is not empty. `Ok(0)` is the end.
    #[inline]
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        room: &mut (impl Room + ?Sized),
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => socket::poll_read(stream, cx, room),
            Self::Unix(stream) => socket::poll_read(stream, cx, room),
            Self::Test(pipe) => {
                ready!(pipe.poll_readable(cx));
                pipe.poll_read(cx, room.room())
            }
        }
    }

    /// Reads and forgets what comes, until the end or an error.
    pub(super) fn poll_forget(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; 4096];
        loop {
            match ready!(self.poll_read(cx, &mut bytes[..])) {
                Ok(count) if count > 0 => {}
                Ok(_) | Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// Writes the beginning of these slices, as much as goes at once.
    #[inline]
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => socket::poll_write(stream, cx, slices),
            Self::Unix(stream) => socket::poll_write(stream, cx, slices),
            Self::Test(pipe) => {
                pipe.check()?;
                Pin::new(&mut pipe.end).poll_write_vectored(cx, slices)
            }
        }
    }

    /// Whether it is a socket, between which bytes can be moved by the system.
    pub(super) fn is_socket(&self) -> bool {
        matches!(self, Self::Tcp(_) | Self::Unix(_))
    }

    /// Moves what has come into an empty conduit, at most so many bytes. `Ok(0)` is the end.
    pub(super) fn poll_into(
        &self,
        cx: &mut Context<'_>,
        conduit: &mut Conduit,
        bytes_max: usize,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => socket::poll_into(stream, cx, conduit, bytes_max),
            Self::Unix(stream) => socket::poll_into(stream, cx, conduit, bytes_max),
            Self::Test(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }

    /// Moves what a conduit holds to the other side, as much as goes at once.
    pub(super) fn poll_out_of(&self, cx: &mut Context<'_>, conduit: &mut Conduit) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => socket::poll_out_of(stream, cx, conduit),
            Self::Unix(stream) => socket::poll_out_of(stream, cx, conduit),
            Self::Test(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }

    /// A FIN behind what has been written.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Test(pipe) => Pin::new(&mut pipe.end).poll_shutdown(cx),
        }
    }

    /// Looks at what has come, without taking it; waits until something has. Of a pipe in memory, only
    /// resets are seen.
    pub(super) fn poll_peek(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => {
                ready!(stream.poll_read_ready(cx))?;
                Poll::Ready(stream.try_io(Interest::READABLE, || peek(&SockRef::from(stream))))
            }
            Self::Unix(stream) => {
                ready!(stream.poll_read_ready(cx))?;
                Poll::Ready(stream.try_io(Interest::READABLE, || peek(&SockRef::from(stream))))
            }
            Self::Test(pipe) => pipe.poll_reset(cx).map(Err),
        }
    }

    /// Whether nothing has come, neither bytes nor the end nor an error.
    pub(super) fn is_quiet(&mut self, ask: Ask) -> bool {
        let seen = match (self, ask) {
            (Self::Tcp(stream), Ask::Runtime) => {
                stream.try_io(Interest::READABLE, || peek(&SockRef::from(&*stream)))
            }
            (Self::Unix(stream), Ask::Runtime) => {
                stream.try_io(Interest::READABLE, || peek(&SockRef::from(&*stream)))
            }
            (Self::Tcp(stream), Ask::System) => peek(&SockRef::from(&*stream)),
            (Self::Unix(stream), Ask::System) => peek(&SockRef::from(&*stream)),
            (Self::Test(pipe), _) => return pipe.is_quiet(),
        };
        matches!(seen, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Takes what has come, without waiting; `WouldBlock` when nothing has.
    pub(super) fn take(&mut self, ask: Ask, bytes: &mut [u8]) -> io::Result<usize> {
        match (self, ask) {
            (Self::Tcp(stream), Ask::Runtime) => stream.try_read(bytes),
            (Self::Unix(stream), Ask::Runtime) => stream.try_read(bytes),
            (Self::Tcp(stream), Ask::System) => (&*SockRef::from(&*stream)).read(bytes),
            (Self::Unix(stream), Ask::System) => (&*SockRef::from(&*stream)).read(bytes),
            (Self::Test(pipe), _) => {
                pipe.check()?;
                if pipe.ahead.is_empty() && !pipe.ended {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(pipe.take_ahead(bytes))
            }
        }
    }

    /// Lets the system say at once that it has what the other side sends. Without effect on what is not TCP.
    pub(super) fn acknowledge_at_once(&self) {
        if let Self::Tcp(stream) = self {
            // Otherwise it says so a little later.
            let _ = SockRef::from(stream).set_tcp_quickack(true);
        }
    }

    /// Makes closing a reset. Without effect on what is not TCP.
    pub(super) fn reset_when_closed(&self) {
        if let Self::Tcp(stream) = self {
            // If it fails the connection is gone already, and with it the danger.
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }
}

fn peek(socket: &SockRef<'_>) -> io::Result<usize> {
    socket.peek(&mut [MaybeUninit::uninit()])
}
