//! A small server that answers anything and says which port it was: something to put behind a proxy.
//!
//! One [`Mock`] is one listening port; a process may serve as many as it likes on one thread. What it answers is in
//! `answer`, how it misbehaves on demand (late, failing) in [`MockOptions`],
//! and how that changes while it runs in `control`. It speaks HTTP/1.0 and 1.1 and no TLS, and it
//! does not misbehave on the level of bytes: for that, tests script their own servers.

mod answer;
mod control;
mod echo;
mod options;
mod payload;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use answer::Answerer;
pub use echo::ECHO_BODY_BYTES_MAX;
pub use options::{AnswerStatus, Delay, MockOptions, OptionError, Share, parse_duration};
pub use payload::pattern_byte;

/// Connections of one port at the same time; further ones wait in the listen queue.
const CONNECTIONS_MAX: usize = 4096;
/// Connections that may wait to be accepted. With fewer, a burst of them finds no room, and whoever does not must wait a second
/// until its system tries again.
const BACKLOG: u32 = 1024;
/// How long a client may take for a head, idle time between two requests included; then the connection is closed.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// How long requests in progress may take once the mock was told to stop; then they are cut.
const STOP_DEADLINE: Duration = Duration::from_secs(1);
/// How long accepting pauses after it failed (no file descriptor left, say), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// One listening port of the mock server.
#[derive(Debug)]
pub struct Mock {
    listener: TcpListener,
    address: SocketAddr,
    options: MockOptions,
}

impl Mock {
    /// Listens on an address; port 0 lets the system choose one.
    ///
    /// From here on connections wait in the listen queue; they are answered when [`Mock::serve`] runs.
    ///
    /// # Errors
    ///
    /// What the system says when it does not give the address; the message names it.
    pub async fn bind(address: SocketAddr, options: MockOptions) -> io::Result<Self> {
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on `{address}`: {error}"));
        let listener = listen(address).map_err(named)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, options })
    }

    /// The address, with the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `shutdown` is ready; then finishes those in progress, for at most a second.
    ///
    /// Dropping the future stops at once: the port is closed and every connection cut.
    #[expect(
        clippy::disallowed_methods,
        reason = "accepting pauses after an error; there is no event to wait for"
    )]
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let answerer = Arc::new(Answerer::new(self.address.port(), self.options));
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(serve_connection(stream, Arc::clone(&answerer), graceful.watcher()));
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
            }
        }
        drop(self.listener);
        // A connection that is not done by then is cut when the set is dropped.
        let _ = tokio::time::timeout(STOP_DEADLINE, graceful.shutdown()).await;
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Or a mock that was killed could not be started again on its port for a minute.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves one connection to its end. What goes wrong on it is the peer's business: a mock has nobody to tell.
async fn serve_connection(
    stream: TcpStream,
    answerer: Arc<Answerer>,
    watcher: hyper_util::server::graceful::Watcher,
) {
    // A small answer must not wait for an acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let answerer = Arc::clone(&answerer);
        async move { answerer.answer(request).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let _ = watcher.watch(connection).await;
}
