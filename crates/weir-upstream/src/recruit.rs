//! Making servers for an upstream, at the start and while it runs.

use std::fmt;
use std::sync::Arc;

use weir_core::server::{ServerAddress, Transport};
use weir_http::target::Scheme;
use weir_tls::target::{ClientTls, Name, Target};

use crate::member::Server;
use crate::message_counts::MessageCounts;

/// What all servers of an upstream have in common.
#[derive(Debug, Clone, Default)]
pub struct Recruit {
    /// How those with `https://` are reached; `None` where nobody has said it.
    pub tls: Option<ClientTls>,
    /// Where their messages are counted.
    pub messages: Option<Arc<MessageCounts>>,
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
        Server::new(address).with_target(target).counted_in(self.messages.clone())
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
