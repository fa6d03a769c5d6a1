//! Where a server is.

use std::net::IpAddr;
use std::path::PathBuf;

/// Where a server is and what is put before each path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerAddress {
    /// As the user wrote it; its name in logs, metrics and `X-Backend-Server`.
    pub written: Box<str>,
    /// What is spoken there.
    pub scheme: Scheme,
    /// How to get there.
    pub transport: Transport,
    /// Base path without a trailing slash; empty for none.
    pub base: Box<str>,
}

/// What is spoken on a connection to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Scheme {
    /// HTTP as it is.
    #[default]
    Http,
    /// HTTP inside TLS.
    Https,
}

impl Scheme {
    /// The port where none is written (RFC 9110 §4.2).
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
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
