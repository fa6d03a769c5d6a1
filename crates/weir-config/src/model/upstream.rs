//! Groups of servers.

use std::net::IpAddr;
use std::path::PathBuf;

use weir_core::balance::Strategy;
use weir_core::health::HealthCheck;
use weir_core::retry::RetryPolicy;

use super::Timeouts;

/// Index into [`Model::upstreams`](super::Model::upstreams).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UpstreamId(pub usize);

/// A group of servers that answer the same requests.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Its name.
    pub name: String,
    /// Its servers, in the order of the file; at least one.
    pub servers: Vec<Server>,
    /// How one is chosen.
    pub balance: Strategy,
    /// Active checks, if asked for.
    pub health: Option<HealthCheck>,
    /// What is tried again.
    pub retry: RetryPolicy,
    /// The process's timeouts with what the upstream overrides.
    pub timeouts: Timeouts,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it is.
    pub address: ServerAddress,
    /// Its share; at least 1.
    pub weight: u32,
}

/// Where a server is and what is put before each path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerAddress {
    /// As the user wrote it; its name in logs, metrics and `X-Backend-Server`.
    pub written: Box<str>,
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

/// What a server gets as Host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HostPolicy {
    /// What the client sent.
    #[default]
    Keep,
    /// The server's own `host:port`.
    Server,
    /// This name.
    Name(Box<str>),
}
