//! Clients that say much and read nothing.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection};
use socket2::SockRef;

/// A client that has said something, and whose connection never waits.
pub(super) struct Client {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Client {
    pub(super) fn plain(address: SocketAddr, saying: impl AsRef<[u8]>) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(saying.as_ref()).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self { stream, tls: None }
    }

    /// The same over TLS.
    pub(super) fn tls(address: SocketAddr, config: &Arc<ClientConfig>, saying: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        let mut connection = ClientConnection::new(Arc::clone(config), "a.test".try_into().unwrap()).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut stream).unwrap();
        }
        for piece in saying.as_bytes().chunks(16 << 10) {
            connection.writer().write_all(piece).unwrap();
            while connection.wants_write() {
                connection.write_tls(&mut stream).unwrap();
            }
        }
        stream.set_nonblocking(true).unwrap();
        Self { stream, tls: Some(Box::new(connection)) }
    }

    /// Its first message alone: it never goes on with the handshake.
    pub(super) fn greeting(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let mut connection = ClientConnection::new(Arc::clone(config), "a.test".try_into().unwrap()).unwrap();
        let mut greeting = Vec::new();
        connection.write_tls(&mut greeting).unwrap();
        Self::plain(address, greeting)
    }

    /// Sends more, as much as the system takes; whether it took any.
    fn send_more(&mut self) -> bool {
        let mut took = false;
        loop {
            let sent = match &mut self.tls {
                None => self.stream.write(&[b'x'; 0x10000]),
                Some(connection) => {
                    // What finds no room in it is as good later.
                    let _ = connection.writer().write(&[b'x'; 0x10000]);
                    connection.write_tls(&mut self.stream)
                }
            };
            if !sent.is_ok_and(|count| count > 0) {
                return took;
            }
            took = true;
        }
    }
}

/// It goes with a reset: a client that has sent all and ends regularly waits for its answer.
impl Drop for Client {
    fn drop(&mut self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// Sends more, if there is to be more, until the program takes nothing for a while.
pub(super) fn stuff(clients: &mut [Client], more: bool) {
    let mut quiet = 0;
    while quiet < 10 {
        quiet += 1;
        for client in &mut *clients {
            if more && client.send_more() {
                quiet = 0;
            }
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
}
