//! Finding the addresses of a name, and how long they may be believed.
//!
//! For servers that are found by name: each address is a server, and the name is asked for again when the answer is too old.
//! A connection to a server that is merely written with a name resolves it by the system instead
//! ([`connect`](crate::connect)). The library is named here and nowhere else.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use crate::io::deadline::now;

/// The most addresses of one name that are used.
pub const ADDRESSES_MAX: usize = 256;

/// An answer is not asked for again before this, however short it says it is good for.
pub const TTL_MIN: Duration = Duration::from_secs(1);

/// An answer is asked for again after this at the latest, however long it says it is good for: somebody who moves a service
/// does not wait for a day.
pub const TTL_MAX: Duration = Duration::from_secs(300);

/// Somebody who knows addresses.
#[derive(Clone)]
pub struct Names {
    /// Who knows addresses of IPv4.
    four: TokioResolver,
    /// Who knows those of IPv6.
    six: TokioResolver,
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

/// The addresses of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// At least one, none twice, in order; at most [`ADDRESSES_MAX`].
    pub addresses: Vec<IpAddr>,
    /// How long they may be believed.
    pub ttl: Duration,
}

/// Why a name has no address. It may have one later.
#[derive(Debug)]
pub struct NotFound(Box<str>);

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotFound {}

impl NotFound {
    /// For this reason.
    pub fn because(reason: &str) -> Self {
        Self(reason.into())
    }
}

impl Names {
    /// Asks whom the system asks, or these.
    ///
    /// # Errors
    /// The system's configuration can't be read.
    pub fn new(asked: &[SocketAddr]) -> Result<Self, NotFound> {
        let four = resolver(asked, LookupIpStrategy::Ipv4Only)?;
        Ok(Self { four, six: resolver(asked, LookupIpStrategy::Ipv6Only)? })
    }

    /// The addresses of a name: those of IPv4, and those of IPv6 where there are no others, because a name that has both is
    /// mostly one server with two. Where nobody answers about IPv4, IPv6 is not asked for: else one lost answer would replace
    /// all servers. Cancel safe.
    ///
    /// # Errors
    /// Nobody knows one, or nobody answers.
    pub async fn addresses(&self, name: &str) -> Result<Found, NotFound> {
        let found = match self.four.lookup_ip(name).await {
            Err(error) if error.is_no_records_found() => self.six.lookup_ip(name).await,
            found => found,
        };
        let found = found.map_err(|error| match error.is_no_records_found() {
            true => NotFound::because("the name has no address"),
            false => not_found(&error),
        })?;
        let ttl = found.valid_until().saturating_duration_since(now().into_std());
        let mut addresses: Vec<IpAddr> = found.iter().collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(ADDRESSES_MAX);
        match addresses.is_empty() {
            true => Err(NotFound::because("the name has no address")),
            false => Ok(Found { addresses, ttl: ttl.clamp(TTL_MIN, TTL_MAX) }),
        }
    }
}

fn not_found(error: &dyn fmt::Display) -> NotFound {
    NotFound::because(&error.to_string())
}

/// Somebody who asks whom the system asks, or these. Nothing is remembered: whoever asks again wants to know it anew.
fn resolver(asked: &[SocketAddr], strategy: LookupIpStrategy) -> Result<TokioResolver, NotFound> {
    let mut builder = match asked {
        [] => TokioResolver::builder_tokio().map_err(|error| not_found(&error))?,
        asked => {
            let servers = asked.iter().map(name_server).collect();
            let config = ResolverConfig::from_name_servers(servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options = builder.options_mut();
    options.cache_size = 0;
    options.ip_strategy = strategy;
    builder.build().map_err(|error| not_found(&error))
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let at = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = vec![at(ConnectionConfig::udp()), at(ConnectionConfig::tcp())];
    NameServerConfig::new(address.ip(), true, connections)
}
