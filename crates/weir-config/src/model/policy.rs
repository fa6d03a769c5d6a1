//! Listeners for policy groups.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use weir_auth::secret::Secret;
use weir_core::address::NetworkSet;
use weir_core::limit::Rate;

/// One address on which messages of policy groups are accepted.
#[derive(Debug, Clone, Hash)]
pub struct PolicyListen {
    /// The address. Servers are known by theirs, so there is no other kind of socket.
    pub address: SocketAddr,
    /// Characters that a payload may have.
    pub payload_characters_max: usize,
    /// Who may register.
    pub register: Register,
    /// How much there may be.
    pub limits: PolicyLimits,
    /// How long things may take.
    pub timeouts: PolicyTimeouts,
}

/// Who may register as a server.
#[derive(Debug, Clone)]
pub struct Register {
    /// Peers that may.
    pub allow: NetworkSet,
    /// Addresses other than its own under which a peer may register; `None` for none.
    pub elsewhere: Option<NetworkSet>,
    /// What must be shown, where something must.
    pub token: Option<Arc<Secret>>,
}

/// How much there may be at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PolicyLimits {
    /// Connections of clients and of servers that register; more wait to be accepted.
    pub connections: usize,
    /// Policies that have servers.
    pub policies: usize,
    /// Servers of one policy.
    pub servers: usize,
    /// Messages over all connections; `None` for any number.
    pub messages: Option<Rate>,
    /// Registrations over all connections that change something; `None` for any number.
    pub registrations: Option<Rate>,
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PolicyTimeouts {
    /// Until a message begins.
    pub idle: Duration,
    /// From the first byte of a message to its last, and for a peer to take an answer.
    pub message: Duration,
    /// Until one server has answered; then the next one is asked.
    pub answer: Duration,
    /// How long a server that can't be reached is remembered.
    pub forget: Duration,
}

impl Hash for Register {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { allow, elsewhere, token } = self;
        (allow, elsewhere, token.as_ref().map(|token| token.expose())).hash(state);
    }
}

impl PolicyListen {
    /// Characters that a payload may have, unless it is written.
    pub const PAYLOAD_CHARACTERS_MAX: usize = 1024;

    /// Listening here, with everything as usual.
    pub fn at(address: SocketAddr) -> Self {
        Self {
            address,
            payload_characters_max: Self::PAYLOAD_CHARACTERS_MAX,
            register: Register::default(),
            limits: PolicyLimits::default(),
            timeouts: PolicyTimeouts::default(),
        }
    }
}

impl Default for Register {
    /// This machine, for itself.
    fn default() -> Self {
        let whole = |address: &str| address.parse::<IpNet>().ok();
        let loopback: Vec<_> = ["127.0.0.0/8", "::1/128"].into_iter().filter_map(whole).collect();
        Self { allow: NetworkSet::new(&loopback), elsewhere: None, token: None }
    }
}

impl Register {
    /// Whether a peer may register a server at this address, which may be its own.
    pub fn admits(&self, peer: IpAddr, address: IpAddr) -> bool {
        peer.to_canonical() == address.to_canonical()
            || self.elsewhere.as_ref().is_some_and(|others| others.contains(address))
    }
}

impl Default for PolicyLimits {
    fn default() -> Self {
        let registrations = Some(Rate { count: 1000, per: Duration::from_secs(1) });
        Self { connections: 8192, policies: 256, servers: 1024, messages: None, registrations }
    }
}

impl Default for PolicyTimeouts {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(5),
            message: Duration::from_secs(10),
            answer: Duration::from_secs(5),
            forget: Duration::from_secs(60),
        }
    }
}
