//! Making servers for an upstream, at the start and while it runs.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use weir_core::health::State;
use weir_core::server::{ServerAddress, Transport};
use weir_http::target::Scheme;
use weir_tls::target::{ClientTls, Name, Target};

use crate::breakers::Breakers;
use crate::connections::{ConnectionRoom, Connections};
use crate::member::Server;
use crate::message_counts::MessageCounts;
use crate::roster::{Member, Origin};

/// What all servers of an upstream have in common.
#[derive(Debug, Clone, Default)]
pub struct Recruit {
    /// How those with `https://` are reached; `None` where nobody has said it.
    pub tls: Option<ClientTls>,
    /// Where their messages are counted.
    pub messages: Option<Arc<MessageCounts>>,
    /// How they are watched; `None` where failures are not held against them.
    pub breakers: Option<Arc<Breakers>>,
    /// Requests that each may have in flight; `None` for any number.
    pub requests_max: Option<u32>,
    /// Connections that there may be to each; `None` for any number.
    pub connections_max: Option<u32>,
    /// Places for connections to all of them together, where those are limited.
    pub connections: Option<Arc<ConnectionRoom>>,
}

/// Why a server can't be one of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// It wants TLS, and nobody has said whom to believe.
    NoTls,
    /// No certificate can be for its name.
    NoName,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoTls => "the upstream does not say how servers with `https://` are reached",
            Self::NoName => "no certificate can be for this name",
        })
    }
}

impl std::error::Error for Unfit {}

/// Servers that are found by a name: one for each of its addresses.
#[derive(Debug, Clone)]
pub struct NamedServers {
    /// As it was written, with the name.
    address: ServerAddress,
    /// The name alone.
    name: Box<str>,
    /// What each is told in TLS handshakes: certificates are for the name.
    target: Option<Arc<Target>>,
    weight: u32,
}

impl NamedServers {
    /// Those of an address that has a name; `None` for any other.
    pub fn new(address: ServerAddress, target: Option<Arc<Target>>, weight: u32) -> Option<Self> {
        let Transport::Name(name, _) = &address.transport else { return None };
        Some(Self { name: name.clone(), address, target, weight })
    }

    /// The name that is asked for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole address, as it was written.
    pub fn written(&self) -> &str {
        &self.address.written
    }

    /// What each of them weighs.
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// The server at one of the addresses. It is called by that address; `Host` and certificates are those of the name.
    pub fn member(&self, ip: IpAddr, recruit: &Recruit) -> Member {
        let server = Arc::new(self.server(ip, recruit));
        let found_as = Some(self.address.written.clone());
        Member { found_as, ..Member::new(server, self.weight, Origin::Name, State::Healthy) }
    }

    /// The same without being a member.
    pub fn server(&self, ip: IpAddr, recruit: &Recruit) -> Server {
        let host = Server::new(self.address.clone()).host;
        let port = match &self.address.transport {
            Transport::Ip(_, port) | Transport::Name(_, port) => *port,
            Transport::Unix(_) => 0,
        };
        let address = ServerAddress {
            written: written(self.address.scheme, SocketAddr::new(ip, port), &self.address.base).into(),
            transport: Transport::Ip(ip, port),
            ..self.address.clone()
        };
        let mut server = recruit.with_target(address, self.target.clone());
        server.host = host;
        server
    }
}

/// How the server at an address is written, in the shortest way.
fn written(scheme: Scheme, address: SocketAddr, base: &str) -> String {
    match scheme {
        Scheme::Http if base.is_empty() => address.to_string(),
        Scheme::Http => format!("http://{address}{base}"),
        Scheme::Https => format!("https://{address}{base}"),
    }
}

impl Recruit {
    /// The server at this address.
    ///
    /// # Errors
    /// See [`Unfit`].
    pub fn server(&self, address: ServerAddress) -> Result<Server, Unfit> {
        let target = match address.scheme {
            Scheme::Http => None,
            Scheme::Https => Some(Arc::new(self.target(&address.transport)?)),
        };
        Ok(self.with_target(address, target))
    }

    /// The same with what it is told in TLS handshakes, where that was found out before.
    pub fn with_target(&self, address: ServerAddress, target: Option<Arc<Target>>) -> Server {
        let new = Server::new(address).with_target(target).counted_in(self.messages.clone());
        let connections =
            Connections::new(self.connections_max.map(ConnectionRoom::new), self.connections.clone());
        new.with_breaker(self.breakers.clone()).limited(self.requests_max).with_connections(connections)
    }

    fn target(&self, transport: &Transport) -> Result<Target, Unfit> {
        let tls = self.tls.as_ref().ok_or(Unfit::NoTls)?;
        let name = match transport {
            Transport::Ip(address, _) => Some((*address).into()),
            Transport::Name(name, _) => Name::parse(name),
            Transport::Unix(_) => None,
        };
        Ok(tls.target(name.ok_or(Unfit::NoName)?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A name in upper case, or one that stands in its scheme too, was not found in what was written: all its addresses were
    /// called the same, and were one server.
    #[test]
    fn a_server_that_was_found_is_called_by_its_address() {
        let check = |text: &str, name: &str, scheme, base: &str, expected: &str| {
            let transport = Transport::Name(name.into(), 80);
            let address = ServerAddress { written: text.into(), scheme, transport, base: base.into() };
            let servers = NamedServers::new(address, None, 1).unwrap();
            let member = servers.member("10.0.0.1".parse().unwrap(), &Recruit::default());
            assert_eq!(member.server.name(), expected);
            assert_eq!(member.found_as.as_deref(), Some(text));
        };
        check("App.Example:80", "app.example", Scheme::Http, "", "10.0.0.1:80");
        check("http://http:80", "http", Scheme::Http, "", "10.0.0.1:80");
        check("http://a.test/base", "a.test", Scheme::Http, "/base", "http://10.0.0.1:80/base");
        check("https://a.test:80", "a.test", Scheme::Https, "", "https://10.0.0.1:80");
        let address = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 8080);
        assert_eq!(written(Scheme::Http, address("::1"), ""), "[::1]:8080");
    }
}
