//! The listening sockets of the process.
//!
//! They belong to the process and not to its workers: as many per address as there are workers at the start, fixed for the
//! life of the process, so that a later change of the workers closes none. The kernel spreads connections over the sockets
//! of an address (`SO_REUSEPORT`).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, Socket, Type};
use weir_config::model::ListenAddress;
use weir_upstream::io::backlog::BACKLOG;
use weir_upstream::io::neighbours::has_neighbour;

use crate::inbound::listener::ListeningSocket;

/// Why an address can't be listened on.
#[derive(Debug)]
pub struct ListenError {
    /// The address, as the user wrote it.
    pub address: String,
    /// The system's word.
    pub source: io::Error,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source.kind() {
            io::ErrorKind::AddrInUse => write!(
                f,
                "`{}` is in use already\n\nhint: stop the program that has it, or listen on another address",
                self.address
            ),
            io::ErrorKind::PermissionDenied => write!(
                f,
                "`{}` may not be listened on: {}\n\nhint: ports below 1024 need the capability CAP_NET_BIND_SERVICE",
                self.address, self.source
            ),
            _ => write!(f, "`{}` can't be listened on: {}", self.address, self.source),
        }
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// The sockets of one address.
#[derive(Debug)]
pub struct Listener {
    sockets: Vec<ListeningSocket>,
    address: BoundAddress,
    /// The address as it is in the configuration.
    written: String,
    /// Another process has the sockets too, and the file of a Unix socket is that one's.
    is_left: bool,
}

/// An address that is listened on; a port 0 has become the one that the system chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoundAddress {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for BoundAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl BoundAddress {
    /// The port, where it has one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(address) => Some(address.port()),
            Self::Unix(_) => None,
        }
    }
}

impl Listener {
    /// Opens `count` sockets for this address.
    ///
    /// # Errors
    /// The address can't be had; also when another program, or another Weir, has it (`semantics.md` §4.7).
    pub fn bind(address: &ListenAddress, count: usize) -> Result<Self, ListenError> {
        Self::bind_beside(address, count, false)
    }

    /// The same; with `is_ours` a listener of this process may have the port under another address, and go.
    ///
    /// # Errors
    /// See [`bind`](Self::bind).
    pub fn bind_beside(address: &ListenAddress, count: usize, is_ours: bool) -> Result<Self, ListenError> {
        let bound = match address {
            ListenAddress::Tcp(address) => bind_tcp(*address, count, is_ours),
            ListenAddress::Unix(path) => bind_unix(path, count),
        };
        let (sockets, bound) = bound.map_err(|source| ListenError { address: written(address), source })?;
        Ok(Self { sockets, address: bound, written: written(address), is_left: false })
    }

    /// One of sockets that listen already, which another process may have for ever.
    pub(super) fn inherited(
        written: String,
        address: BoundAddress,
        sockets: Vec<ListeningSocket>,
        is_left: bool,
    ) -> Self {
        Self { sockets, address, written, is_left }
    }

    /// Whether another process has the sockets too, and the file of a Unix socket is that one's.
    pub(super) fn is_left(&self) -> bool {
        self.is_left
    }

    /// The address as it is in the configuration.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Its sockets once more, for another process.
    ///
    /// # Errors
    /// The system has no file descriptor left.
    pub(super) fn duplicates(&self) -> io::Result<Vec<OwnedFd>> {
        let duplicate = |socket: &ListeningSocket| {
            Ok(match socket.try_clone()? {
                ListeningSocket::Tcp(socket) => socket.into(),
                ListeningSocket::Unix(socket) => socket.into(),
            })
        };
        self.sockets.iter().map(duplicate).collect()
    }

    /// Another process has the sockets now: the file of a Unix socket stays where it is.
    pub(super) fn leave(&mut self) {
        self.is_left = true;
    }

    /// The address.
    pub fn address(&self) -> &BoundAddress {
        &self.address
    }

    /// The numbers of the sockets of the worker with this index among `workers`. A worker may have several, and where there are
    /// more workers than sockets, some share one.
    pub fn numbers_for(&self, index: usize, workers: usize) -> impl Iterator<Item = usize> {
        let count = self.sockets.len();
        (0..count).filter(move |number| number % workers == index || index % count == *number)
    }

    /// The socket with this number once more, for a worker.
    ///
    /// # Errors
    /// The system has no file descriptor left.
    pub fn socket(&self, number: usize) -> io::Result<ListeningSocket> {
        self.sockets[number].try_clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let BoundAddress::Unix(path) = &self.address
            && !self.is_left
        {
            // Somebody may have removed it already.
            let _ = std::fs::remove_file(path);
        }
    }
}

pub(super) fn written(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(address) => address.to_string(),
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// Sockets, and where they listen.
type Bound = (Vec<ListeningSocket>, BoundAddress);

fn bind_tcp(address: SocketAddr, count: usize, is_ours: bool) -> io::Result<Bound> {
    if is_ours {
        // A probe would find the one that is ours.
        if has_neighbour(address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
    } else if address.port() != 0 {
        // A probe without SO_REUSEPORT fails where any other socket listens; the group below would quietly join it. The system gives
        // a port of its own choice to nobody else, and between a probe and the group somebody else could be given it.
        tcp_socket(address, false)?.listen(1)?;
    }
    let first = tcp_socket(address, true)?;
    let bound = first.local_addr()?.as_socket().unwrap_or(address);
    let mut sockets = vec![listening(first)?];
    for _ in 1..count {
        sockets.push(listening(tcp_socket(bound, true)?)?);
    }
    Ok((sockets, BoundAddress::Tcp(bound)))
}

fn listening(socket: Socket) -> io::Result<ListeningSocket> {
    socket.listen(BACKLOG)?;
    Ok(ListeningSocket::Tcp(socket.into()))
}

fn tcp_socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        // `[::]` takes IPv4 too, which is what `:8080` promises.
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// A Unix socket can't be shared as a port can; its one socket is cloned, and all workers accept from it.
fn bind_unix(path: &Path, count: usize) -> io::Result<Bound> {
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        // One that nobody listens on was left behind by a process that died.
        if UnixStream::connect(path).is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        std::fs::remove_file(path)?;
    }
    let socket = UnixListener::bind(path)?;
    socket.set_nonblocking(true)?;
    let mut sockets = vec![ListeningSocket::Unix(socket)];
    for _ in 1..count {
        let clone = sockets[0].try_clone()?;
        sockets.push(clone);
    }
    Ok((sockets, BoundAddress::Unix(path.to_owned())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn semantics_4_7_a_port_in_use_is_an_error_also_by_our_own_group() {
        let first = Listener::bind(&ListenAddress::Tcp("127.0.0.1:0".parse().unwrap()), 2).unwrap();
        let BoundAddress::Tcp(address) = *first.address() else { panic!("TCP was asked for") };
        let second = Listener::bind(&ListenAddress::Tcp(address), 2).unwrap_err();
        assert_eq!(second.source.kind(), io::ErrorKind::AddrInUse);
        let text = second.to_string();
        assert!(text.contains(&address.to_string()) && text.contains("hint:"), "{text}");
        drop(first);
        Listener::bind(&ListenAddress::Tcp(address), 2).unwrap();
    }

    #[test]
    fn every_socket_is_served_whatever_the_number_of_workers() {
        let listener = Listener::bind(&ListenAddress::Tcp("127.0.0.1:0".parse().unwrap()), 3).unwrap();
        for workers in 1..5 {
            let numbers: Vec<Vec<_>> =
                (0..workers).map(|index| listener.numbers_for(index, workers).collect()).collect();
            assert!(numbers.iter().all(|numbers| !numbers.is_empty()), "{numbers:?}");
            let served: usize = numbers.iter().map(Vec::len).sum();
            assert_eq!(served, workers.max(3), "{numbers:?}");
            assert!((0..3).all(|number| numbers.iter().flatten().any(|served| *served == number)));
        }
    }

    #[test]
    fn a_unix_socket_left_behind_is_replaced_and_a_live_one_is_not() {
        let path = std::env::temp_dir().join(format!("weir-sockets-test-{}", std::process::id()));
        drop(UnixListener::bind(&path).unwrap());
        let address = ListenAddress::Unix(path.clone());
        let live = Listener::bind(&address, 2).unwrap();
        assert_eq!(Listener::bind(&address, 2).unwrap_err().source.kind(), io::ErrorKind::AddrInUse);
        drop(live);
        assert!(!path.exists());
        std::fs::write(&path, "no socket").unwrap();
        Listener::bind(&address, 1).unwrap_err();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "no socket",
            "a file of somebody else is not removed"
        );
        std::fs::remove_file(&path).unwrap();
    }
}
