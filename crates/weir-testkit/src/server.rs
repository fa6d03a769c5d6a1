//! Servers that do exactly what a test says.
//!
//! A server is a function that is called for each connection, in a thread of its own. What it reads with
//! [`Connection::request`] is recorded. A panic in it fails the test when the server is dropped.

mod connection;
mod state;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::ServerConnection;

pub use self::connection::Connection;
use self::state::State;
use crate::message::Message;
use crate::socket::Socket;

/// A scripted server.
pub struct Server {
    address: Address,
    state: Arc<State>,
}

#[derive(Debug, Clone)]
enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Server {
    /// A server on 127.0.0.1 that calls this for each connection.
    ///
    /// # Panics
    /// When there is no port left.
    pub fn start(serve: impl Fn(Connection) + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("a port of the system's choice can be had"), serve)
    }

    /// The same where somebody listens already.
    ///
    /// # Panics
    /// When that is nowhere.
    pub fn on(listener: TcpListener, serve: impl Fn(Connection) + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().expect("a bound socket has an address");
        let accept = move || listener.accept().map(|(stream, _)| Socket::from(stream));
        Self::run(Address::Tcp(address), accept, serve)
    }

    /// Like [`start`](Self::start), with TLS. Connections whose handshake fails are counted as ended and otherwise left
    /// alone; what went wrong is in [`refusals`](Self::refusals).
    ///
    /// # Panics
    /// When there is no port left.
    pub fn tls(config: rustls::ServerConfig, serve: impl Fn(Connection) + Send + Sync + 'static) -> Self {
        let config = Arc::new(config);
        Self::start(move |connection| {
            let Connection { socket, state, number } = connection;
            let tls = ServerConnection::new(Arc::clone(&config)).expect("rustls takes its own configuration");
            match socket.with_tls(tls) {
                Ok(socket) => serve(Connection { socket, state, number }),
                Err(error) => state.change(|seen| seen.refusals.push(error.to_string())),
            }
        })
    }

    /// A server with TLS that answers each request with 200 and this text.
    pub fn tls_saying(config: rustls::ServerConfig, text: &str) -> Self {
        let answer = sized(text);
        Self::tls(config, move |mut connection| {
            while connection.request().is_some() {
                if connection.try_send(&answer).is_err() {
                    return;
                }
            }
        })
    }

    /// Like [`start`](Self::start), on a Unix socket.
    ///
    /// # Panics
    /// When the path can't be bound.
    pub fn unix(serve: impl Fn(Connection) + Send + Sync + 'static) -> Self {
        let path = unix_path();
        let listener = UnixListener::bind(&path).expect("a path of our own can be bound");
        let accept = move || listener.accept().map(|(stream, _)| Socket::from(stream));
        Self::run(Address::Unix(path), accept, serve)
    }

    fn run(
        address: Address,
        accept: impl Fn() -> io::Result<Socket> + Send + 'static,
        serve: impl Fn(Connection) + Send + Sync + 'static,
    ) -> Self {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            let serve = Arc::new(serve);
            while let Ok(socket) = accept() {
                let mut number = 0;
                shared.change(|seen| {
                    number = seen.connections;
                    seen.connections += 1;
                });
                if shared.seen().closing {
                    return;
                }
                let (state, serve) = (Arc::clone(&shared), Arc::clone(&serve));
                thread::spawn(move || {
                    let connection = Connection { socket, state: Arc::clone(&state), number };
                    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| serve(connection)));
                    state.change(|seen| {
                        seen.ended += 1;
                        seen.failures.extend(outcome.err().map(|payload| text(&*payload)));
                    });
                });
            }
        });
        Self { address, state }
    }

    /// A server that answers each request with these bytes and keeps the connection.
    pub fn answering(answer: impl AsRef<[u8]>) -> Self {
        Self::start(repeating(answer))
    }

    /// A server that answers each request with 200 and this text, where somebody listens already.
    pub fn saying_on(listener: TcpListener, text: &str) -> Self {
        Self::on(listener, repeating(sized(text)))
    }

    /// A server that answers each request with 200 and this text.
    pub fn saying(text: &str) -> Self {
        Self::answering(sized(text))
    }

    /// A server that answers with this status as long as it is down, as it is at first, and 200 afterwards. What it did not take is
    /// sent to it again and again, so that a proxy that is stopped may be in the middle of a request or of its answer.
    pub fn down(status: u16) -> (Self, Arc<AtomicBool>) {
        let down = Arc::new(AtomicBool::new(true));
        let is_down = Arc::clone(&down);
        let server = Self::start(move |mut connection| {
            while connection.whole_request().is_some() {
                let answer = match is_down.load(Ordering::SeqCst) {
                    true => format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n"),
                    false => sized("late"),
                };
                if connection.try_send(answer).is_err() {
                    return;
                }
            }
        });
        (server, down)
    }

    /// A server that reads requests and never answers.
    pub fn silent() -> Self {
        Self::start(|mut connection| {
            connection.request();
            connection.until_end();
        })
    }

    /// A server that reads a request and answers with this only when it is told to, once for each.
    pub fn held(answer: impl AsRef<[u8]>) -> (Self, SyncSender<()>) {
        let answer = answer.as_ref().to_vec();
        Self::when_told(move |_| answer.clone())
    }

    /// A server that reads a request and answers with its target only when it is told to, once for each. Dropping what tells
    /// it ends its connections.
    pub fn held_echo() -> (Self, SyncSender<()>) {
        Self::when_told(|request| sized(request.target()).into())
    }

    fn when_told(answer: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static) -> (Self, SyncSender<()>) {
        let (release, released) = sync_channel::<()>(100);
        let released = Mutex::new(released);
        let server = Self::start(move |mut connection| {
            while let Some(request) = connection.request() {
                let told = released.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv();
                if told.is_err() || connection.try_send(answer(&request)).is_err() {
                    return;
                }
            }
        });
        (server, release)
    }

    /// A server that answers the first request of each connection with these bytes and ends the connection.
    pub fn closing(answer: impl AsRef<[u8]>) -> Self {
        let answer = answer.as_ref().to_vec();
        Self::start(move |mut connection| {
            if connection.request().is_some() {
                // Whether the proxy reads all of it is for the test to see.
                let _ = connection.try_send(&answer);
            }
        })
    }

    /// An address that refuses connections: nobody listens there.
    ///
    /// # Panics
    /// When there is no port left.
    pub fn refusing() -> SocketAddr {
        // Bound and never listened on: the port can't be given to anybody else while the socket lives, so it is leaked.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.expect("a socket can be had");
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        socket.bind(&any.into()).expect("a port of the system's choice can be had");
        let address = socket.local_addr().ok().and_then(|address| address.as_socket());
        std::mem::forget(socket);
        address.expect("a bound socket has an address")
    }

    /// An address where connecting takes forever: its queue is full and nobody accepts.
    ///
    /// # Panics
    /// When there is no port left.
    pub fn unresponsive() -> SocketAddr {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.expect("a socket can be had");
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        socket.bind(&any.into()).expect("a port of the system's choice can be had");
        socket.listen(0).expect("a bound socket can listen");
        let address = socket.local_addr().ok().and_then(|address| address.as_socket());
        let address = address.expect("a bound socket has an address");
        for _ in 0..4 {
            let filler = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
            let filler = filler.expect("a socket can be had");
            filler.set_nonblocking(true).expect("a new socket takes options");
            // In progress or done: either way it stands in the queue or waits before it.
            let _ = filler.connect(&address.into());
            std::mem::forget(filler);
        }
        std::mem::forget(socket);
        address
    }

    /// What was recorded.
    pub fn requests(&self) -> Vec<Message> {
        self.state.seen().requests.clone()
    }

    /// The only request that was recorded.
    ///
    /// # Panics
    /// When there are none or several.
    pub fn only_request(&self) -> Message {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:#?}");
        requests.remove(0)
    }

    /// The request that was recorded last.
    ///
    /// # Panics
    /// When there is none.
    pub fn last_request(&self) -> Message {
        self.requests().pop().expect("the server got a request")
    }

    /// Why handshakes of TLS failed.
    pub fn refusals(&self) -> Vec<String> {
        self.state.seen().refusals.clone()
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.state.seen().connections
    }

    /// Waits until so many connections have ended, as far as the server's function is concerned.
    ///
    /// # Panics
    /// When they do not in time.
    pub fn wait_ended(&self, count: usize) {
        self.state.wait("connections that ended", count, |seen| seen.ended);
    }

    /// Waits until so many requests have been recorded.
    ///
    /// # Panics
    /// When they do not come in time.
    pub fn wait_requests(&self, count: usize) {
        self.state.wait("requests", count, |seen| seen.requests.len());
    }
}

impl fmt::Display for Server {
    /// As a configuration names it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.change(|seen| seen.closing = true);
        // Wakes the thread that accepts, so that it ends.
        match &self.address {
            Address::Tcp(address) => drop(std::net::TcpStream::connect(address)),
            Address::Unix(path) => {
                drop(std::os::unix::net::UnixStream::connect(path));
                // Somebody may have removed it already.
                let _ = std::fs::remove_file(path);
            }
        }
        let failures = std::mem::take(&mut self.state.seen().failures);
        if !thread::panicking() {
            assert!(failures.is_empty(), "the server failed: {}", failures.join("; "));
        }
    }
}

/// Answers each request of a connection with these bytes.
fn repeating(answer: impl AsRef<[u8]>) -> impl Fn(Connection) + Send + Sync + 'static {
    let answer = answer.as_ref().to_vec();
    move |mut connection| {
        while connection.request().is_some() {
            if connection.try_send(&answer).is_err() {
                return;
            }
        }
    }
}

/// Listens at these addresses, at the same port of all of them, as the servers of one name do.
///
/// # Panics
/// When one of the addresses is none of this machine.
pub fn neighbours<const N: usize>(addresses: [IpAddr; N]) -> [TcpListener; N] {
    loop {
        let mut port = 0;
        let bound = addresses.map(|address| {
            let listener = TcpListener::bind((address, port))?;
            port = listener.local_addr()?.port();
            Ok::<_, io::Error>(listener)
        });
        match bound.iter().find_map(|one| one.as_ref().err()) {
            None => return bound.map(|one| one.expect("none of them failed")),
            // Somebody has this port at another address; the next one is another port.
            Some(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Some(error) => panic!("{addresses:?}: {error}"),
        }
    }
}

/// A 200 with this text.
pub fn sized(text: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

/// A path for a Unix socket that nobody else uses.
pub fn unix_path() -> PathBuf {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("weir-test-{}-{number}", std::process::id()))
}

fn text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::TcpStream;

    use super::*;

    /// Sends half of a request and resets the connection.
    fn cut(server: &Server) {
        let mut client = Socket::from(TcpStream::connect(server.to_string()).unwrap());
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nhalf");
        client.reset();
        server.wait_ended(1);
    }

    #[test]
    fn a_server_that_is_down_is_left_in_the_middle_of_a_request() {
        let (server, _down) = Server::down(503);
        cut(&server);
        assert!(server.requests().is_empty(), "it was not whole");
    }

    #[test]
    #[should_panic(expected = "the server failed")]
    fn any_other_demands_whole_requests() {
        cut(&Server::saying("ok"));
    }
}
