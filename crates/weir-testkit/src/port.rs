//! A port for a server that dies and comes back.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, SockAddr, Socket, Type};

/// A port of 127.0.0.1 that stays ours while nobody listens on it: then connections to it are refused, and the system gives it to
/// nobody else. A listener may be bound to it as often as one likes, one after the other.
#[derive(Debug)]
pub struct ReservedPort {
    /// Bound, and never listening: whoever binds a listener with `SO_REUSEADDR` beside it may.
    _holder: Socket,
    address: SocketAddr,
}

impl ReservedPort {
    /// One of the system's choice.
    ///
    /// # Panics
    /// When there is none left.
    #[expect(clippy::new_without_default, reason = "there is nothing default about a port")]
    pub fn new() -> Self {
        let holder = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be had");
        holder.set_reuse_address(true).expect("a socket takes options");
        let anywhere = SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        holder.bind(&anywhere).expect("a port of the system's choice can be had");
        let address = holder.local_addr().expect("a bound socket has an address");
        let address = address.as_socket().expect("it is one of the network");
        Self { _holder: holder, address }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn it_refuses_listens_and_refuses_again() {
        let port = ReservedPort::new();
        for _ in 0..3 {
            let refused = TcpStream::connect(port.address()).map(drop).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            let listener = TcpListener::bind(port.address()).unwrap();
            let client = TcpStream::connect(port.address()).unwrap();
            // The one that closes first leaves something behind, which must not be in the way.
            drop(listener.accept().unwrap());
            drop((client, listener));
        }
    }
}
