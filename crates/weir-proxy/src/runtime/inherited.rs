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
    /// Somebody else has them too, and the file of a Unix socket is theirs.
    is_foreign: bool,
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
    /// port 0 the address alone would not be known again. Without it somebody else has opened them, has them too, and may bring more of the
    /// same address, one by one. Gives the address.
    ///
    /// # Errors
    /// One of them is no stream socket that listens, or they do not belong together; all are closed then.
    pub fn add(
        &mut self,
        written: Option<String>,
        sockets: Vec<OwnedFd>,
    ) -> Result<BoundAddress, NoListener> {
        let mut group: Option<Group> = None;
        let is_foreign = written.is_none();
        for socket in sockets {
            let (socket, address) = listening(socket)?;
            let written = written.clone();
            match &mut group {
                None => group = Some(Group { written, address, sockets: vec![socket], is_foreign }),
                Some(group) if group.address == address => group.sockets.push(socket),
                Some(_) => return Err(NoListener::Mixed),
            }
        }
        let group = group.ok_or(NoListener::Other("nothing"))?;
        let address = group.address.clone();
        let is_same = |known: &&mut Group| {
            known.written.is_none() && group.written.is_none() && known.address == group.address
        };
        // Whoever takes the address takes all of them: connections wait in each.
        match self.groups.iter_mut().find(is_same) {
            Some(known) => known.sockets.extend(group.sockets),
            None => self.groups.push(group),
        }
        Ok(address)
    }

    /// The sockets that were added last are somebody else's too, from whom the process before had them: the file of a Unix socket stays
    /// where it is.
    pub fn leave_file(&mut self) {
        if let Some(group) = self.groups.last_mut() {
            group.is_foreign = true;
        }
    }

    /// Takes out those that are known by their address alone, where it is this one.
    pub fn split(&mut self, address: &ListenAddress) -> Self {
        let address = bound(address);
        let is_this = |group: &mut Group| group.written.is_none() && group.address == address;
        Self { groups: self.groups.extract_if(.., is_this).collect() }
    }

    /// The sockets for this address, if there are any. There is no probe for them (`semantics.md` §4.7).
    pub(super) fn take(&mut self, address: &ListenAddress) -> Option<Listener> {
        let name = written(address);
        let is_this = |group: &Group| match &group.written {
            Some(written) => *written == name,
            None => group.address == bound(address),
        };
        let place = self.groups.iter().position(is_this)?;
        let Group { address, sockets, is_foreign, .. } = self.groups.remove(place);
        Some(Listener::inherited(name, address, sockets, is_foreign))
    }

    /// A socket for this address, if there is one: for a listener that is no proxy's.
    pub fn take_tcp(&mut self, address: SocketAddr) -> Option<TcpListener> {
        self.take_all_tcp(address).pop()
    }

    /// All sockets for this address: connections wait in each.
    pub fn take_all_tcp(&mut self, address: SocketAddr) -> Vec<TcpListener> {
        let taken = self.take(&ListenAddress::Tcp(address));
        let sockets = taken.and_then(|listener| listener.duplicates().ok()).unwrap_or_default();
        sockets.into_iter().map(TcpListener::from).collect()
    }

    /// The same for a Unix socket, whose file stays where it is; and whether the file is somebody else's for ever.
    pub fn take_unix(&mut self, path: &Path) -> Option<(UnixListener, bool)> {
        let mut listener = self.take(&ListenAddress::Unix(path.to_owned()))?;
        let (sockets, is_foreign) = (listener.duplicates(), listener.is_left());
        listener.leave();
        Some((sockets.ok()?.pop()?.into(), is_foreign))
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
mod tests;
