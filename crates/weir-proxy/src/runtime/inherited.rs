//! Sockets that listen already when the process starts.
//!
//! A process that this one replaces has handed them over, or whoever started it has opened them. What a socket is and where it listens is
//! asked of the socket itself, never believed of whoever brought it.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;

use socket2::{Domain, Socket, Type};
use weir_config::model::ListenAddress;

use super::sockets::{BoundAddress, Listener, written};
use crate::inbound::listener::ListeningSocket;

/// Sockets by their addresses. Those that nobody takes are closed with this.
#[derive(Debug, Default)]
pub struct Inherited {
    groups: Vec<Group>,
}

/// The sockets of one address.
#[derive(Debug)]
struct Group {
    /// As the address was in the configuration of the process before.
    written: Option<String>,
    address: BoundAddress,
    sockets: Vec<ListeningSocket>,
}

/// Why something can't be a listening socket of ours.
#[derive(Debug)]
pub enum NoListener {
    /// It is none; what it is instead.
    Other(&'static str),
    /// One of them listens on another address than the others.
    Mixed,
    /// The system's word.
    System(io::Error),
}

impl fmt::Display for NoListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(what) => write!(f, "it is {what}, and no stream socket that listens"),
            Self::Mixed => f.write_str("they listen on several addresses"),
            Self::System(error) => write!(f, "it is no socket: {error}"),
        }
    }
}

impl std::error::Error for NoListener {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System(error) => Some(error),
            Self::Other(_) | Self::Mixed => None,
        }
    }
}

impl Inherited {
    /// Adds the sockets of one address. `written` is what a process before had in its configuration for them, where there was one: with
    /// port 0 the address alone would not be known again. Gives the address.
    ///
    /// # Errors
    /// One of them is no stream socket that listens, or they do not belong together; all are closed then.
    pub fn add(
        &mut self,
        written: Option<String>,
        sockets: Vec<OwnedFd>,
    ) -> Result<BoundAddress, NoListener> {
        let mut group: Option<Group> = None;
        for socket in sockets {
            let (socket, address) = listening(socket)?;
            match &mut group {
                None => group = Some(Group { written: written.clone(), address, sockets: vec![socket] }),
                Some(group) if group.address == address => group.sockets.push(socket),
                Some(_) => return Err(NoListener::Mixed),
            }
        }
        let group = group.ok_or(NoListener::Other("nothing"))?;
        let address = group.address.clone();
        self.groups.push(group);
        Ok(address)
    }

    /// The sockets for this address, if there are any. There is no probe for them (`semantics.md` §4.7).
    pub(super) fn take(&mut self, address: &ListenAddress) -> Option<Listener> {
        let name = written(address);
        let is_this = |group: &Group| match &group.written {
            Some(written) => *written == name,
            None => group.address == bound(address),
        };
        let place = self.groups.iter().position(is_this)?;
        let Group { address, sockets, .. } = self.groups.remove(place);
        Some(Listener::inherited(name, address, sockets))
    }

    /// A socket for this address, if there is one: for a listener that is no proxy's.
    pub fn take_tcp(&mut self, address: SocketAddr) -> Option<TcpListener> {
        self.take(&ListenAddress::Tcp(address))?.duplicates().ok()?.pop().map(TcpListener::from)
    }

    /// The same for a Unix socket, whose file stays where it is.
    pub fn take_unix(&mut self, path: &Path) -> Option<UnixListener> {
        let mut listener = self.take(&ListenAddress::Unix(path.to_owned()))?;
        let sockets = listener.duplicates();
        listener.leave();
        sockets.ok()?.pop().map(UnixListener::from)
    }

    /// The addresses that nobody has taken.
    pub fn left(&self) -> impl Iterator<Item = &BoundAddress> {
        self.groups.iter().map(|group| &group.address)
    }
}

fn bound(address: &ListenAddress) -> BoundAddress {
    match address {
        ListenAddress::Tcp(address) => BoundAddress::Tcp(*address),
        ListenAddress::Unix(path) => BoundAddress::Unix(path.clone()),
    }
}

fn listening(socket: OwnedFd) -> Result<(ListeningSocket, BoundAddress), NoListener> {
    let socket = Socket::from(socket);
    if socket.r#type().map_err(NoListener::System)? != Type::STREAM {
        return Err(NoListener::Other("a socket for datagrams"));
    }
    if !socket.is_listener().map_err(NoListener::System)? {
        return Err(NoListener::Other("a connection"));
    }
    socket.set_nonblocking(true).map_err(NoListener::System)?;
    let address = socket.local_addr().map_err(NoListener::System)?;
    match socket.domain().map_err(NoListener::System)? {
        Domain::IPV4 | Domain::IPV6 => {
            let address = address.as_socket().ok_or(NoListener::Other("a socket without an address"))?;
            Ok((ListeningSocket::Tcp(socket.into()), BoundAddress::Tcp(address)))
        }
        Domain::UNIX => {
            let path = address.as_pathname().ok_or(NoListener::Other("a Unix socket without a path"))?;
            let address = BoundAddress::Unix(path.to_owned());
            Ok((ListeningSocket::Unix(socket.into()), address))
        }
        _ => Err(NoListener::Other("a socket of another network")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::{TcpStream, UdpSocket};

    use super::*;

    fn any() -> ListenAddress {
        ListenAddress::Tcp("127.0.0.1:0".parse().unwrap())
    }

    #[test]
    fn sockets_are_known_again_by_what_was_written_and_else_by_where_they_listen() {
        let mut inherited = Inherited::default();
        let before = [Listener::bind(&any(), 2).unwrap(), Listener::bind(&any(), 1).unwrap()];
        for listener in &before {
            let name = Some(listener.written().to_owned());
            let added = inherited.add(name, listener.duplicates().unwrap()).unwrap();
            assert_eq!(added, *listener.address());
        }
        for listener in &before {
            let taken = inherited.take(&any()).unwrap();
            assert_eq!(taken.address(), listener.address(), "in the order in which they were written");
        }
        assert!(inherited.take(&any()).is_none());
        let BoundAddress::Tcp(address) = *before[0].address() else { panic!("TCP was asked for") };
        inherited.add(None, before[0].duplicates().unwrap()).unwrap();
        assert!(inherited.take(&any()).is_none());
        let taken = inherited.take(&ListenAddress::Tcp(address)).unwrap();
        assert_eq!(taken.numbers_for(0, 1).count(), 2);
        assert_eq!(inherited.left().count(), 0);
    }

    #[test]
    fn a_connection_waits_while_the_sockets_change_hands() {
        let mut inherited = Inherited::default();
        let mut before = Listener::bind(&any(), 1).unwrap();
        let BoundAddress::Tcp(address) = *before.address() else { panic!("TCP was asked for") };
        let client = TcpStream::connect(address).unwrap();
        inherited.add(Some("127.0.0.1:0".to_owned()), before.duplicates().unwrap()).unwrap();
        before.leave();
        drop(before);
        let taken = inherited.take(&any()).unwrap().socket(0).unwrap();
        let ListeningSocket::Tcp(socket) = &taken else { panic!("TCP was asked for") };
        socket.set_nonblocking(false).unwrap();
        assert_eq!(socket.accept().unwrap().1, client.local_addr().unwrap());
    }

    #[test]
    fn the_file_of_a_unix_socket_stays_with_whoever_has_the_socket() {
        let path = std::env::temp_dir().join(format!("weir-inherited-test-{}", std::process::id()));
        let address = ListenAddress::Unix(path.clone());
        let mut before = Listener::bind(&address, 2).unwrap();
        let mut inherited = Inherited::default();
        inherited.add(Some(before.written().to_owned()), before.duplicates().unwrap()).unwrap();
        before.leave();
        drop(before);
        assert!(path.exists());
        let after = inherited.take(&address).unwrap();
        std::os::unix::net::UnixStream::connect(&path).unwrap();
        drop(after);
        assert!(!path.exists());
    }

    #[test]
    fn nothing_but_listening_stream_sockets_is_taken() {
        let tcp = || TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = tcp();
        let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        let (paired, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let bad: Vec<Vec<OwnedFd>> = vec![
            vec![],
            vec![file.into()],
            vec![connection.into()],
            vec![paired.into()],
            vec![UdpSocket::bind("127.0.0.1:0").unwrap().into()],
            vec![tcp().into(), tcp().into()],
        ];
        let mut inherited = Inherited::default();
        for sockets in bad {
            let error = inherited.add(None, sockets).unwrap_err().to_string();
            assert!(!error.is_empty());
        }
        assert_eq!(inherited.left().count(), 0);
        let path = std::env::temp_dir().join(format!("weir-inherited-bad-{}", std::process::id()));
        let unix = UnixListener::bind(&path).unwrap();
        assert!(matches!(inherited.add(None, vec![unix.into(), tcp().into()]), Err(NoListener::Mixed)));
        std::fs::remove_file(path).unwrap();
    }
}
