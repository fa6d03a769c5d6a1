//! Clients that send exact bytes.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use weir_proxy::runtime::sockets::BoundAddress;

use crate::message::Message;
use crate::proxy::Running;
use crate::socket::Socket;

/// Connects to the proxy's first address.
///
/// # Panics
/// When it does not accept.
pub fn connect(proxy: &Running) -> Socket {
    match proxy.bound() {
        BoundAddress::Tcp(address) => {
            TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}")).into()
        }
        BoundAddress::Unix(path) => {
            UnixStream::connect(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
        }
    }
}

/// Connects with TLS and asks for this name or address.
///
/// # Errors
/// There is no connection, or the handshake fails: then an error of rustls is inside.
///
/// # Panics
/// When the name is none.
pub fn connect_tls(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> io::Result<Socket> {
    let name = ServerName::try_from(name.to_owned()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    Socket::from(TcpStream::connect(address)?).with_tls(connection)
}

/// Sends one request on a connection of its own and reads the answer.
///
/// # Panics
/// When there is no whole answer.
pub fn ask(proxy: &Running, request: impl AsRef<[u8]>) -> Message {
    connect(proxy).send(request).answer()
}

/// A GET of this target with the Host `a.test`.
///
/// # Panics
/// When there is no whole answer.
pub fn fetch(proxy: &Running, target: &str) -> Message {
    ask(proxy, get(target))
}

/// The bytes of a GET of this target with the Host `a.test`.
pub fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n")
}
