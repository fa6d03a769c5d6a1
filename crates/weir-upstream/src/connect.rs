//! Opening a connection to a server.

use std::io;

use tokio::net::{TcpStream, UnixStream};
use weir_core::server::Transport;

use crate::io::stream::Stream;

/// Opens a connection. Names are resolved by the system each time, and their addresses tried in its order.
///
/// Cancel safe: dropping the future closes what was begun.
///
/// # Errors
/// The system's, of the last address that was tried.
pub async fn connect(to: &Transport) -> io::Result<Stream> {
    match to {
        Transport::Ip(ip, port) => TcpStream::connect((*ip, *port)).await.map(Stream::tcp),
        Transport::Name(name, port) => TcpStream::connect((&**name, *port)).await.map(Stream::tcp),
        Transport::Unix(path) => UnixStream::connect(path).await.map(Stream::unix),
    }
}
