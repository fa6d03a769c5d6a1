//! Where the listener accepts: an address, or a Unix socket.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// See the module.
#[derive(Debug)]
pub enum Socket {
    /// An address.
    Tcp(TcpListener),
    /// A Unix socket; its file's permissions say who may open it.
    Unix(UnixListener),
}

impl From<TcpListener> for Socket {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl Socket {
    /// The next connection, and where it comes from, unless that is a Unix socket. Cancel safe.
    pub(crate) async fn accept(&self) -> io::Result<(Connected, Option<IpAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // An answer must not wait for an acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
                Ok((Connected::Tcp(stream), Some(peer.ip().to_canonical())))
            }
            Self::Unix(listener) => Ok((Connected::Unix(listener.accept().await?.0), None)),
        }
    }

    /// Whether pages of the web may reach it: no browser opens a Unix socket.
    pub(crate) fn is_of_the_web(&self) -> bool {
        matches!(self, Self::Tcp(_))
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) enum Connected {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsyncRead for Connected {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Connected {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
