//! Where a server is.

use std::net::IpAddr;
use std::path::PathBuf;

use weir_http::target::Scheme;

/// Where a server is and what is put before each path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerAddress {
    /// As the user wrote it; its name in logs, metrics and `X-Backend-Server`.
    pub written: Box<str>,
    /// Whether TLS is spoken there.
    pub scheme: Scheme,
    /// How to get there.
    pub transport: Transport,
    /// Base path without a trailing slash; empty for none.
    pub base: Box<str>,
}

/// How to get to a server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Transport {
    /// An address.
    Ip(IpAddr, u16),
    /// A name that is resolved when a connection is opened.
    Name(Box<str>, u16),
    /// A Unix socket.
    Unix(PathBuf),
}
