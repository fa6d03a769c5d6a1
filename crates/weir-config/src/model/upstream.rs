//! Groups of servers.

use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use weir_auth::signer::Signer;
use weir_core::balance::{Rule, Strategy};
use weir_core::health::{EjectionRule, HealthCheck};
use weir_core::policy_group;
use weir_core::retry::RetryPolicy;
use weir_core::server::ServerAddress;
use weir_tls::target::{ClientTls, Target};

use super::Timeouts;
use crate::source::Span;

/// Index into [`Model::upstreams`](super::Model::upstreams).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UpstreamId(pub usize);

/// A group of servers that answer the same requests.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Its name.
    pub name: String,
    /// Where it is written, if that is in place of a name.
    pub in_place: Option<Span>,
    /// Its servers, in the order of the file; at least one, unless they register themselves. Those of its inventory come last.
    pub servers: Vec<Server>,
    /// Where more servers stand, if they do.
    pub inventory: Option<Inventory>,
    /// How one is chosen.
    pub balance: Balance,
    /// Active checks, if asked for.
    pub health: Option<HealthCheck>,
    /// When a server is taken out because requests to it fail; `None` for never.
    pub eject: Option<EjectionRule>,
    /// When less than this percentage of the weight is left, health and ejection are ignored; 0 for never.
    pub panic_percent: u32,
    /// How much its servers get at once; `None` for any.
    pub limits: Option<UpstreamLimits>,
    /// How long a server that joins or comes back takes until it has its full share; `None` for no time.
    pub slow_start: Option<Duration>,
    /// What is tried again.
    pub retry: RetryPolicy,
    /// The process's timeouts with what the upstream overrides.
    pub timeouts: Timeouts,
    /// How its servers with `https://` are reached; `None` when there is none.
    pub tls: Option<ClientTls>,
}

impl Upstream {
    /// The policy whose servers these are, if they register themselves.
    pub fn policy(&self) -> Option<i64> {
        policy_group::number(&self.name).filter(|_| self.in_place.is_none())
    }

    /// Whether its servers register themselves.
    pub fn is_policy_group(&self) -> bool {
        self.policy().is_some()
    }
}

impl Hash for Upstream {
    /// By all that it is, except where it is written, and what its inventory held: that is followed while it runs. Of the timeouts
    /// count those that are about servers.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { name, in_place: _, servers, inventory, balance, health, eject, panic_percent, .. } = self;
        let Self { limits, slow_start, retry, timeouts, tls, .. } = self;
        (name, balance, health, eject, panic_percent, limits, slow_start, retry, tls).hash(state);
        let Timeouts { connect, answer_head, answer_body, upstream_idle, reuse_unsafe, .. } = timeouts;
        (connect, answer_head, answer_body, upstream_idle, reuse_unsafe).hash(state);
        servers.iter().filter(|server| !server.from_inventory).for_each(|server| server.hash(state));
        inventory.as_ref().map(|inventory| (&inventory.file, &inventory.base_dir)).hash(state);
    }
}

/// How much the servers of an upstream get at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UpstreamLimits {
    /// Requests of clients that are with the upstream.
    pub requests: Option<u32>,
    /// Connections to all of its servers.
    pub connections: Option<u32>,
    /// Requests that wait at the same time.
    pub queue: u32,
    /// How long one waits at most.
    pub queue_timeout: Duration,
    /// Requests in flight to each server.
    pub server_requests: Option<u32>,
    /// Connections to each server.
    pub server_connections: Option<u32>,
}

impl UpstreamLimits {
    /// Whether nothing is limited.
    pub fn are_none(&self) -> bool {
        [self.requests, self.connections, self.server_requests, self.server_connections]
            .iter()
            .all(Option::is_none)
    }

    /// Requests of clients that may be with the upstream; each needs a connection.
    pub fn at_once(&self) -> Option<u32> {
        [self.requests, self.connections].into_iter().flatten().min()
    }
}

/// How one server of an upstream is chosen.
#[derive(Debug, Clone, Default, Hash)]
pub struct Balance {
    /// The algorithm.
    pub rule: Rule,
    /// How clients stay with their servers, where they do; the algorithm is then for those who have none.
    pub sticky: Option<Sticky>,
}

impl Balance {
    /// Its name in the configuration.
    pub fn name(&self) -> &'static str {
        if self.sticky.is_some() { "sticky" } else { self.rule.strategy.name() }
    }
}

impl From<Strategy> for Balance {
    fn from(strategy: Strategy) -> Self {
        Self { rule: strategy.into(), sticky: None }
    }
}

/// Clients that stay with their servers.
#[derive(Debug, Clone, Hash)]
pub struct Sticky {
    /// The name of the cookie.
    pub cookie: Box<str>,
    /// What signs it.
    pub signer: Arc<Signer>,
    /// How long it is good; `None` for as long as the browser runs.
    pub max_age: Option<Duration>,
}

/// One server.
#[derive(Debug, Clone, Hash)]
pub struct Server {
    /// Where it is.
    pub address: ServerAddress,
    /// Its share; 0 for one that gets nothing, but not for all of an upstream.
    pub weight: u32,
    /// Whether `acknowledge: primary` waits for it; at most one of an upstream.
    pub primary: bool,
    /// What it is told in TLS handshakes, exactly when it has `https://`.
    pub target: Option<Arc<Target>>,
    /// Whether each address of its name is a server of its own; then it has a name.
    pub resolve: bool,
    /// Whether the inventory names it, and not the configuration itself.
    pub from_inventory: bool,
}

impl Server {
    /// The server at this address, with everything as usual.
    pub fn at(address: ServerAddress) -> Self {
        Self { address, weight: 1, primary: false, target: None, resolve: false, from_inventory: false }
    }
}

/// A file with servers of an upstream, one on each line, which is looked at while the proxy runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Inventory {
    /// Where it is.
    pub file: PathBuf,
    /// Where relative paths of sockets in it begin.
    pub base_dir: PathBuf,
    /// What it held when it was read: its servers stand in the upstream.
    pub content: Arc<[u8]>,
}

/// What a server gets as Host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub enum HostPolicy {
    /// What the client sent.
    #[default]
    Keep,
    /// The server's own `host:port`.
    Server,
    /// This name.
    Name(Box<str>),
}
