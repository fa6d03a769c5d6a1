//! Accepting connections from a socket that belongs to the process.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use weir_core::limit_hit::LimitHit;
use weir_upstream::io::backlog::take_waiting;
use weir_upstream::io::deadline::pause;
use weir_upstream::io::exhaustion::is_exhaustion;
use weir_upstream::io::stream::Stream;
use weir_upstream::permit::Permit;

use super::connection::{self, Accepted};
use super::door::{Door, Post, Relief};
use super::peer::Peer;
use crate::runtime::worker::Worker;

/// How long accepting pauses when the system has no file descriptor or memory left.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// How long accepting pauses after an error that is not about the connection that came.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// A socket that listens, as the process holds it.
#[derive(Debug)]
pub enum ListeningSocket {
    /// TCP.
    Tcp(std::net::TcpListener),
    /// A Unix socket.
    Unix(std::os::unix::net::UnixListener),
}

impl ListeningSocket {
    /// The same socket once more, for a worker.
    ///
    /// # Errors
    /// The system's, when it has no file descriptor left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(socket) => Self::Tcp(socket.try_clone()?),
            Self::Unix(socket) => Self::Unix(socket.try_clone()?),
        })
    }
}

/// A socket of a worker, and what is spoken on it.
#[derive(Debug)]
pub(crate) struct Entrance {
    /// The socket.
    pub socket: ListeningSocket,
    /// Its number among those of its listener.
    pub number: usize,
    /// The listener.
    pub door: Arc<Door>,
}

enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Acceptor {
    fn new(socket: ListeningSocket) -> io::Result<Self> {
        Ok(match socket {
            ListeningSocket::Tcp(socket) => Self::Tcp(TcpListener::from_std(socket)?),
            ListeningSocket::Unix(socket) => Self::Unix(UnixListener::from_std(socket)?),
        })
    }

    /// The next connection, who is at its other end, and the number of its descriptor.
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, Peer, RawFd)>> {
        match self {
            Self::Tcp(listener) => listener.poll_accept(cx).map(|accepted| {
                let (stream, address) = accepted?;
                let descriptor = stream.as_raw_fd();
                Ok((Stream::tcp(stream), Peer::Network(address), descriptor))
            }),
            Self::Unix(listener) => listener.poll_accept(cx).map(|accepted| {
                let (stream, _) = accepted?;
                let descriptor = stream.as_raw_fd();
                Ok((Stream::unix(stream), Peer::Local, descriptor))
            }),
        }
    }
}

impl Acceptor {
    /// The socket without the runtime.
    fn into_socket(self) -> io::Result<ListeningSocket> {
        Ok(match self {
            Self::Tcp(listener) => ListeningSocket::Tcp(listener.into_std()?),
            Self::Unix(listener) => ListeningSocket::Unix(listener.into_std()?),
        })
    }
}

impl ListeningSocket {
    /// A connection that waits in the queue at this moment; `WouldBlock` when none does. The system is asked, because the
    /// runtime may not have heard of it yet.
    fn accept_waiting(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, address) = socket.accept()?;
                stream.set_nonblocking(true)?;
                Ok((Stream::tcp(TcpStream::from_std(stream)?), Peer::Network(address)))
            }
            Self::Unix(socket) => {
                let (stream, _) = socket.accept()?;
                stream.set_nonblocking(true)?;
                Ok((Stream::unix(UnixStream::from_std(stream)?), Peer::Local))
            }
        }
    }
}

/// Accepts connections and serves each in a task of its own, until it is relieved. What waits in the queue of the socket then
/// is still accepted, unless somebody else does. Says whether it was told to end.
pub(crate) async fn accept(worker: Rc<Worker>, entrance: Entrance, post: Rc<Post>) -> bool {
    let Entrance { socket, door, .. } = entrance;
    let acceptor = match Acceptor::new(socket) {
        Ok(acceptor) => acceptor,
        Err(error) => {
            tracing::error!(%error, "a listening socket can't be used");
            return false;
        }
    };
    let relief = loop {
        // Biased, so that connections which wait are taken before the end of accepting is noticed.
        let accepted = tokio::select! {
            biased;
            accepted = poll_fn(|cx| acceptor.poll_accept(cx)), if post.relief() != Some(Relief::HandedOver) => accepted,
            relief = post.relieved() => break relief,
        };
        let accepted = match accepted {
            Ok((stream, peer, descriptor)) => {
                let permit = permit(&worker, &post).await;
                let stream = with_room(&worker, &post, stream, descriptor).await;
                stream.map(|stream| Accepted::new(stream, peer, &door.terms.load(), &post.threshold, permit))
            }
            Err(error) => Err(error),
        };
        serve_or_pause(&worker, accepted).await;
    };
    if relief == Relief::HandedOver {
        return true;
    }
    // What waits in the queue is accepted beyond any limit rather than reset.
    let Ok(socket) = acceptor.into_socket() else { return true };
    take_waiting(
        || socket.accept_waiting(),
        |(stream, peer)| {
            let accepted = Accepted::new(stream, peer, &door.terms.load(), &post.threshold, None);
            tokio::task::spawn_local(connection::serve(Rc::clone(&worker), accepted));
        },
    )
    .await;
    true
}

/// Waits until the connection that was just accepted may be served; not at all once this post is relieved, also where another
/// worker accepts from now on: what was taken from the queue can't be given back, and a worker that goes waits for its posts.
///
/// Not before accepting: a worker that held a permit while nobody came would keep it from another worker where somebody
/// waits. So each socket may hold one connection beyond the limit, accepted and not served.
async fn permit(worker: &Worker, post: &Post) -> Option<Permit> {
    if worker.permits.connections_are_out() {
        worker.counters.hit(LimitHit::Connections);
    }
    tokio::select! {
        biased;
        permit = worker.permits.connection() => Some(permit),
        _ = post.relieved() => None,
    }
}

/// Waits while clients have as many descriptors as they may: the others are for connections to servers, so that those who are
/// being served go on being served (`semantics.md` §4.2). Not at all once the worker drains.
///
/// Who has waited gets another number: on its own one it would be served with what is kept, and the number that has become free
/// would let the next one in without waiting.
async fn with_room(worker: &Worker, post: &Post, stream: Stream, descriptor: RawFd) -> io::Result<Stream> {
    let descriptors = worker.permits.descriptors;
    if !descriptors.keep(descriptor) {
        worker.room_was_made();
        return Ok(stream);
    }
    tracing::warn!("nearly all file descriptors are taken: accepting pauses");
    worker.counters.hit(LimitHit::Descriptors);
    while post.relief().is_none() {
        worker.make_room();
        pause(EXHAUSTED_PAUSE).await;
        if descriptors.have_room() {
            worker.room_was_made();
            return stream.renumbered();
        }
    }
    Ok(stream)
}

async fn serve_or_pause(worker: &Rc<Worker>, accepted: io::Result<Accepted>) {
    match accepted {
        Ok(accepted) => {
            tokio::task::spawn_local(connection::serve(Rc::clone(worker), accepted));
        }
        Err(error) => failed(worker, &error).await,
    }
}

/// An error of `accept` concerns one connection, unless the system has run out of something: then room is made and
/// accepting pauses, because the connection that waits would fail again at once.
async fn failed(worker: &Worker, error: &io::Error) {
    if is_exhaustion(error) {
        tracing::warn!(%error, "accepting pauses");
        worker.make_room();
        pause(EXHAUSTED_PAUSE).await;
    } else if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) {
        // Whatever else it is may last; a loop over it would take the worker from its connections.
        pause(ERROR_PAUSE).await;
    }
}
