//! Connecting to an address, without waiting where there is nothing to wait for.
//!
//! Towards the same host the system makes a connection within the call that asks for one. The runtime would find that out with its
//! next look at all its sockets; asking the system at once costs less than the task's way there and back.

use std::io;
use std::net::SocketAddr;

use nix::errno::Errno;
use socket2::{Domain, Socket, Type};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// What becomes of the third segment of the handshake (RFC 9293 §3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastWord {
    /// It is sent, so that the server hears of the connection.
    AtOnce,
    /// It goes along with the first bytes, which follow at once: a segment less, and a server that is woken once.
    WithTheFirstBytes,
}

/// Connects to this address. Cancel safe: dropping the future closes what was begun.
///
/// # Errors
/// The system's.
pub(super) async fn connect(address: SocketAddr, last_word: LastWord) -> io::Result<TcpStream> {
    made(begin(address, last_word)?).await
}

/// Asks for a connection to this address, without waiting for it.
///
/// # Errors
/// The system's, as far as it says so at once.
pub(super) fn begin(address: SocketAddr, last_word: LastWord) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking().cloexec(), None)?;
    if last_word == LastWord::WithTheFirstBytes {
        // Where that can't be asked for it is sent, and nothing else is different.
        let _ = socket.set_tcp_quickack(false);
    }
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) => Err(error),
        Ok(()) | Err(_) => Ok(socket),
    }
}

/// Whether the connection that was asked for is there by now. Nobody is told when it is: see [`made`].
///
/// # Errors
/// There will be none; the system's reason.
pub(super) fn is_made(socket: &Socket) -> io::Result<bool> {
    // Whoever has a peer is connected; who has failed has none.
    if socket.peer_addr().is_ok() {
        return Ok(true);
    }
    match socket.take_error()? {
        Some(error) => Err(error),
        None => Ok(false),
    }
}

/// Waits for the connection that was asked for. Cancel safe: dropping the future closes it.
///
/// # Errors
/// The system's.
pub(super) async fn made(socket: Socket) -> io::Result<TcpStream> {
    let stream = TcpStream::from_std(socket.into())?;
    while stream.peer_addr().is_err() {
        stream.writable().await?;
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        // The runtime may be woken for nothing, and forgets only in this way that it was.
        let _ = stream.try_io(Interest::WRITABLE, || match stream.peer_addr() {
            Ok(_) => Ok(()),
            Err(_) => Err(io::ErrorKind::WouldBlock.into()),
        });
    }
    Ok(stream)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    /// What comes of it without a wait.
    async fn at_once<T>(work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    /// Nearly always: under load some kernels let a thread of theirs do the rest.
    #[tokio::test]
    async fn a_listener_of_this_host_is_connected_to_without_a_wait() {
        for last_word in [LastWord::AtOnce, LastWord::WithTheFirstBytes] {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let mut made = 0;
            for _ in 0..50 {
                made += u32::from(matches!(at_once(connect(address, last_word)).await, Some(Ok(_))));
            }
            assert!(made > 0, "{last_word:?}");
            connect(address, last_word).await.unwrap();
        }
    }

    #[tokio::test]
    async fn who_refuses_and_who_can_not_be_reached_is_an_error() {
        // The port is kept by a socket that does not listen.
        let kept = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        kept.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let nobody = kept.local_addr().unwrap().as_socket().unwrap();
        let refused = connect(nobody, LastWord::AtOnce).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        // A broadcast address is nobody's.
        assert!(connect(([255, 255, 255, 255], 9).into(), LastWord::AtOnce).await.is_err());
    }

    /// A queue that is full lets the beginning of a connection fall: there is something to wait for, and it can be given up.
    #[tokio::test]
    async fn who_does_not_answer_is_waited_for() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let mut made = vec![connect(address, LastWord::AtOnce).await.unwrap()];
        while let Some(connected) = at_once(connect(address, LastWord::AtOnce)).await {
            made.push(connected.unwrap());
        }
        assert!((1..=4).contains(&made.len()), "{} connections fit into a queue for one", made.len());
    }
}
