//! Opening a connection to a server: the network's, and TLS on it where the server speaks that.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::task::Poll;

use rustls::ClientConnection;
use socket2::Socket;
use tokio::net::{TcpStream, UnixStream};
use weir_core::server::Transport;
use weir_http::target::Scheme;
use weir_tls::handshake::HandshakeError;
use weir_tls::target::Target;

use crate::io::exhaustion::is_exhaustion;
use crate::io::stream::Stream;
use crate::io::tls::Input;
use crate::member::Server;

mod tcp;

use tcp::LastWord;

/// Why there is no connection.
#[derive(Debug)]
pub enum ConnectError {
    /// The server can't be reached or refuses; the system's word, of the last address that was tried.
    Network(io::Error),
    /// It was reached, and the two do not come together. Not a byte of any request was sent.
    Handshake(HandshakeError),
}

impl ConnectError {
    /// Whether it was for want of descriptors or memory of ours: that says nothing of the server.
    pub fn is_exhaustion(&self) -> bool {
        match self {
            Self::Network(error) => is_exhaustion(error),
            Self::Handshake(_) => false,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(error) => error.fmt(f),
            Self::Handshake(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Network(error) => Some(error),
            Self::Handshake(error) => Some(error),
        }
    }
}

/// Opens a connection over which a request can be sent. Names are resolved by the system each time, and their addresses
/// tried in its order.
///
/// Takes as long as network and server take. Cancel safe: dropping the future closes what was begun.
///
/// # Errors
/// See [`ConnectError`].
pub async fn connect(server: &Server) -> Result<Stream, ConnectError> {
    connect_with(server, LastWord::AtOnce).await
}

/// The same for one message that is sent at once: the server of a new connection hears of it with the message, where the system can do
/// that. [`Stream::acknowledge_at_once`] is called when it is sent.
///
/// # Errors
/// See [`ConnectError`].
pub async fn connect_for_message(server: &Server) -> Result<Stream, ConnectError> {
    connect_with(server, LastWord::WithTheFirstBytes).await
}

async fn connect_with(server: &Server, last_word: LastWord) -> Result<Stream, ConnectError> {
    let target = match (server.address.scheme, &server.target) {
        (Scheme::Http, _) => None,
        (Scheme::Https, Some(target)) => Some(target),
        (Scheme::Https, None) => {
            // What was meant for TLS never goes without it.
            let error =
                io::Error::new(io::ErrorKind::InvalidInput, "it is not said how to speak TLS with it");
            return Err(ConnectError::Network(error));
        }
    };
    let to = &server.address.transport;
    let stream = open(to, last_word).await.map_err(ConnectError::Network)?;
    let Some(target) = target else { return Ok(stream) };
    let stream = secure(stream, target, target.connection()).await?;
    if stream.tls(|connection| target.is_overdue(connection)) != Some(true) {
        return Ok(stream);
    }
    // Once only, whatever other workers have been given meanwhile: in full nothing is left to be overdue.
    target.forget_sessions();
    stream.say_goodbye();
    // There is never more than one of the two.
    drop(stream);
    let stream = open(to, last_word).await.map_err(ConnectError::Network)?;
    secure(stream, target, target.connection_in_full()).await
}

/// What has come of reaching for a server within the call that did so.
#[derive(Debug)]
pub enum Reached {
    /// Somebody listens there, or the system's reason why not.
    AtOnce(io::Result<()>),
    /// That shows later: [`Reaching::end`] waits for it.
    Later(Reaching),
}

/// A server that is being reached for. Dropping this closes what was begun.
#[derive(Debug)]
pub struct Reaching(Way);

#[derive(Debug)]
enum Way {
    /// The other side has not answered yet.
    Open(Socket),
    /// Nothing has been begun, because the name must be resolved first.
    Name(Box<str>, u16),
    /// Nothing has been begun, because the runtime is to do it.
    Unix(PathBuf),
}

impl Reaching {
    /// Waits until it shows whether somebody listens there. Cancel safe.
    ///
    /// # Errors
    /// The system's, of the last address that was tried.
    pub async fn end(self) -> io::Result<()> {
        match self.0 {
            Way::Open(socket) => tcp::made(socket).await.map(drop),
            Way::Name(name, port) => TcpStream::connect((&*name, port)).await.map(drop),
            Way::Unix(path) => UnixStream::connect(path).await.map(drop),
        }
    }
}

/// Connects and closes, without a byte and without TLS: whether somebody listens there.
///
/// Within this host the system answers before the call returns, so nothing is registered anywhere and nobody is woken for it: a check is four
/// calls of the system (open, connect, look, close).
///
/// The connection is closed with a FIN, as a client does that has changed its mind, and not with a reset, which many servers
/// write into their logs. The price is that the system remembers each of them for a minute (TIME_WAIT, RFC 9293 §3.6.1): a
/// few hundred bytes, and a port towards this one server. A server that speaks first without being asked gets a reset all
/// the same, because what it said is not read.
pub fn reach(to: &Transport) -> Reached {
    let address = match to {
        Transport::Ip(ip, port) => (*ip, *port).into(),
        Transport::Name(name, port) => return Reached::Later(Reaching(Way::Name(name.clone(), *port))),
        Transport::Unix(path) => return Reached::Later(Reaching(Way::Unix(path.clone()))),
    };
    let looked = tcp::begin(address, LastWord::AtOnce)
        .and_then(|socket| tcp::is_made(&socket).map(|is_made| (socket, is_made)));
    match looked {
        Ok((socket, false)) => Reached::Later(Reaching(Way::Open(socket))),
        Ok((_, true)) => Reached::AtOnce(Ok(())),
        Err(error) => Reached::AtOnce(Err(error)),
    }
}

async fn open(to: &Transport, last_word: LastWord) -> io::Result<Stream> {
    match to {
        Transport::Ip(ip, port) => tcp::connect((*ip, *port).into(), last_word).await.map(Stream::tcp),
        Transport::Name(name, port) => TcpStream::connect((&**name, *port)).await.map(Stream::tcp),
        Transport::Unix(path) => UnixStream::connect(path).await.map(Stream::unix),
    }
}

/// Puts TLS on a connection.
async fn secure(
    stream: Stream,
    target: &Target,
    connection: Result<ClientConnection, rustls::Error>,
) -> Result<Stream, ConnectError> {
    let failed = |error| ConnectError::Handshake(target.explain(&error));
    let stream = stream.with_tls(connection.map_err(|error| failed(io::Error::other(error)))?);
    match shake_hands(&stream).await {
        Ok(()) => Ok(stream),
        Err(error) => {
            // The server is told why, if that goes at once; it is not waited for.
            poll_fn(|cx| Poll::Ready(stream.poll_shutdown(cx).is_ready())).await;
            Err(failed(error))
        }
    }
}

async fn shake_hands(stream: &Stream) -> io::Result<()> {
    loop {
        match poll_fn(|cx| stream.poll_handshake(cx)).await? {
            Input::Arrived => stream.advance_handshake()?,
            Input::Complete => return Ok(()),
        }
    }
}
