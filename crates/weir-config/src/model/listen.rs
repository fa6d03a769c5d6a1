//! Where clients and operators arrive.

use std::net::SocketAddr;
use std::path::PathBuf;

use weir_auth::api_key::KeyDigest;
use weir_core::address::NetworkSet;
use weir_tls::source::ServerSource;

/// One address on which clients are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Listen {
    /// The address.
    pub address: ListenAddress,
    /// What is served with TLS; `None` is plain HTTP.
    pub tls: Option<ListenTls>,
    /// Peers whose connections begin with a header of the PROXY protocol; `None` for nobody.
    pub proxy_protocol: Option<NetworkSet>,
}

/// HTTPS on a listener.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListenTls {
    /// What it is made of. The files were fine when the configuration was checked; they may have changed since.
    pub source: ServerSource,
    /// The field in which the subject of a client's certificate is passed on. Clients can't set it, on any listener.
    pub subject_header: Option<Box<str>>,
}

/// A socket address of ours. Port 0 lets the system choose.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// `127.0.0.1:8080`, `:8080` (all addresses, IPv6 and IPv4), `[::1]:8080`
    Tcp(SocketAddr),
    /// `unix:PATH`
    Unix(PathBuf),
}

impl ListenAddress {
    /// The port, where it has one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(address) => Some(address.port()),
            Self::Unix(_) => None,
        }
    }
}

/// The admin listener.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Admin {
    /// None.
    Off,
    /// The default address; when it is taken, a warning.
    Default(SocketAddr),
    /// A written address; when it is taken, an error.
    At(Box<AdminListen>),
}

/// Where the admin listener is, and who may ask it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AdminListen {
    /// The address.
    pub address: ListenAddress,
    /// What clients must know; always there where the address is not one of this machine alone.
    pub token: Option<KeyDigest>,
    /// Names under which it may be asked, beside addresses and `localhost`.
    pub hosts: Vec<Box<str>>,
    /// Permissions of a Unix socket.
    pub mode: u32,
}

impl AdminListen {
    /// At this address, for everybody who reaches it.
    pub fn open(address: ListenAddress) -> Self {
        Self { address, token: None, hosts: Vec::new(), mode: 0o600 }
    }
}
