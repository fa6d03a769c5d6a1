//! Who is at the other end of a client's connection.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A network address.
    Network(SocketAddr),
    /// A process of this machine, over a Unix socket.
    Local,
}

impl Peer {
    /// The address for access rules and X-Forwarded-For. A process of this machine counts as loopback.
    pub(crate) fn ip(&self) -> IpAddr {
        match self {
            Self::Network(address) => address.ip().to_canonical(),
            Self::Local => IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.fmt(f),
            Self::Local => f.write_str("unix"),
        }
    }
}
