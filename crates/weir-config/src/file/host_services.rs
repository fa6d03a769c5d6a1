//! The file of a proxy for "host services" (`proxy: …`), which runs unchanged.
//!
//! It is decoded with the same strictness and turned into what our own file would say: an upstream per service, of the
//! same name, and one route. `retryPolicy` belongs to a host there and to the upstream here; where the hosts of a service
//! differ, the first host's holds, with a warning. Times are seconds without a unit; `retries` does not count the first
//! attempt.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use weir_core::balance::Strategy;
use weir_core::health::{HealthCheck, Probe};
use weir_core::retry::{RetryOn, RetryPolicy};
use weir_core::route::HostPattern;
use weir_core::server::{ServerAddress, Transport};
use weir_http::target::Scheme;

use crate::complaint::Complaint;
use crate::model::{ListenAddress, Server};
use crate::node::{Node, shortened};
use crate::problem::{Problem, Problems};
use crate::source::{At, Span};

use super::decoder::Decoder;
use super::describe::Presence::{Default as Unless, Optional, Required};
use super::describe::Shape;
use super::kind::{Kind, List, Placed};
use super::listen::ListenFile;
use super::route::RouteFile;
use super::rule::HOST;
use super::scalar::{Integer, Parsed, Text, Words};
use super::service::ServiceFile;
use super::table::{Field, Kept, Mapping, Table};
use super::top::File;
use super::upstream::{UpstreamFile, UpstreamRef};

/// The root.
#[derive(Debug, Default)]
pub(crate) struct HostServices {
    proxy: Proxy,
}

#[derive(Debug, Default)]
pub(crate) struct Proxy {
    listen: Option<At<Listen>>,
    services: Vec<At<Service>>,
}

#[derive(Debug, Default)]
pub(crate) struct Listen {
    address: Option<IpAddr>,
    port: Option<u16>,
}

#[derive(Debug, Default)]
pub(crate) struct Service {
    name: Option<At<String>>,
    domain: Option<At<HostPattern>>,
    hosts: Vec<At<Host>>,
    strategy: Strategy,
    health: Vec<At<TcpCheck>>,
}

#[derive(Debug, Default)]
pub(crate) struct Host {
    address: Option<Transport>,
    written: String,
    port: Option<u16>,
    retry: Vec<At<Retry>>,
}

#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Retry {
    timeout: Option<Duration>,
    retries: Option<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct TcpCheck {
    interval: Option<Duration>,
    timeout: Option<Duration>,
}

/// A number of seconds, with or without a fraction.
struct Seconds;

impl Kind for Seconds {
    type Value = Duration;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<Duration> {
        let scalar = decoder.scalar("a number of seconds", node)?;
        let number = scalar.text.parse::<f64>().ok().filter(|_| scalar.may_be_typed());
        // A day, as for our own timeouts; below a millisecond it is off by a unit.
        match number.filter(|seconds| (0.001..=86_400.0).contains(seconds)) {
            Some(seconds) => Some(Duration::from_secs_f64(seconds)),
            None => {
                let message = format!("`{}` is not a number of seconds", shortened(&scalar.text));
                decoder.push(
                    Problem::error(node.span, message)
                        .hint("here a time is a number without a unit, from 0.001 to 86400: `2` or `1.5`"),
                );
                None
            }
        }
    }

    fn shape(&self) -> Shape {
        Shape::Seconds
    }
}

const LISTEN_HOST: Parsed<IpAddr> = Parsed { label: "address", pattern: "", parse: listen_host };

fn listen_host(text: &str) -> Result<IpAddr, Complaint> {
    if text == "localhost" {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    text.parse().map_err(|_| {
        Complaint::new(format!("`{}` is not an address to listen on", shortened(text)))
            .hint("write `127.0.0.1`, or `0.0.0.0` for all addresses")
    })
}

/// A server's host, with its port still missing.
const SERVER_HOST: Parsed<(Transport, String)> =
    Parsed { label: "address or name", pattern: "", parse: server_host };

fn server_host(text: &str) -> Result<(Transport, String), Complaint> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok((Transport::Ip(address, 0), text.to_owned()));
    }
    match HostPattern::parse(text) {
        Ok(HostPattern::Exact(name)) if !name.starts_with('[') => {
            Ok((Transport::Name(name, 0), text.to_owned()))
        }
        Ok(_) | Err(_) => Err(Complaint::new(format!("`{}` is not the host of a server", shortened(text)))
            .hint("write an address or a name; the port stands beside it as `port`")),
    }
}

const PORT: Integer = Integer { label: "a port", min: 1, max: 65535 };

/// Kept as a number of 16 bits; [`PORT`] lets nothing larger pass.
fn port(number: u64) -> Option<u16> {
    u16::try_from(number).ok()
}

/// The root
pub(crate) static FILE: Table<HostServices> = Table {
    name: "host services",
    doc: "The file of a simpler proxy, taken as it is: services by host, with instances. Everything else has its default.",
    fields: &[Field {
        name: "proxy",
        presence: Required,
        value: &Kept(Mapping(&PROXY), |file: &mut HostServices, proxy| file.proxy = proxy),
        doc: "The whole configuration.",
    }],
    within: None,
    later: &[],
    note: None,
};

static PROXY: Table<Proxy> = Table {
    name: "proxy",
    doc: "Where to listen and the services.",
    fields: &[
        Field {
            name: "listen",
            presence: Required,
            value: &Kept(Placed(Mapping(&LISTEN)), |proxy: &mut Proxy, listen| proxy.listen = Some(listen)),
            doc: "Where clients are accepted.",
        },
        Field {
            name: "services",
            presence: Required,
            value: &Kept(
                List::of(Placed(Mapping(&SERVICE)), "a list of services"),
                |proxy: &mut Proxy, services| proxy.services = services,
            ),
            doc: "The services.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

static LISTEN: Table<Listen> = Table {
    name: "proxy listen",
    doc: "Where clients are accepted.",
    fields: &[
        Field {
            name: "address",
            presence: Required,
            value: &Kept(LISTEN_HOST, |listen: &mut Listen, address| listen.address = Some(address)),
            doc: "An address without its port.",
        },
        Field {
            name: "port",
            presence: Required,
            value: &Kept(PORT, |listen: &mut Listen, number| listen.port = port(number)),
            doc: "The port.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

static SERVICE: Table<Service> = Table {
    name: "proxy service",
    doc: "A service: the host it answers for and its instances.",
    fields: &[
        Field {
            name: "name",
            presence: Optional,
            value: &Kept(Placed(Text), |service: &mut Service, name| service.name = Some(name)),
            doc: "Its name; its domain when not written.",
        },
        Field {
            name: "domain",
            presence: Required,
            value: &Kept(Placed(HOST), |service: &mut Service, domain| service.domain = Some(domain)),
            doc: "The host it answers for.",
        },
        Field {
            name: "hosts",
            presence: Required,
            value: &Kept(
                List::of(Placed(Mapping(&HOST_TABLE)), "a list of hosts"),
                |service: &mut Service, hosts| {
                    service.hosts = hosts;
                },
            ),
            doc: "Its instances.",
        },
        Field {
            name: "lbPolicy",
            presence: Unless("ROUND_ROBIN"),
            value: &Kept(
                Words {
                    label: "policy",
                    words: &[("ROUND_ROBIN", Strategy::RoundRobin), ("RANDOM", Strategy::Random)],
                    later: &[],
                },
                |service: &mut Service, strategy| service.strategy = strategy,
            ),
            doc: "How an instance is chosen.",
        },
        Field {
            name: "tcpHealthcheck",
            presence: Optional,
            value: &Kept(
                List { max: Some(1), ..List::of(Placed(Mapping(&TCP_CHECK)), "a list of one mapping") },
                |service: &mut Service, health| service.health = health,
            ),
            doc: "Checks by connecting, as `health: {tcp: true}`.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

static HOST_TABLE: Table<Host> = Table {
    name: "proxy host",
    doc: "An instance of a service.",
    fields: &[
        Field {
            name: "address",
            presence: Required,
            value: &Kept(SERVER_HOST, |host: &mut Host, (address, written)| {
                host.address = Some(address);
                host.written = written;
            }),
            doc: "An address or a name without its port.",
        },
        Field {
            name: "port",
            presence: Required,
            value: &Kept(PORT, |host: &mut Host, number| host.port = port(number)),
            doc: "The port.",
        },
        Field {
            name: "retryPolicy",
            presence: Optional,
            value: &Kept(
                List { max: Some(1), ..List::of(Placed(Mapping(&RETRY)), "a list of one mapping") },
                |host: &mut Host, retry| host.retry = retry,
            ),
            doc: "What is tried again. Of hosts that differ, the first one's holds for the service.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

static RETRY: Table<Retry> = Table {
    name: "retryPolicy",
    doc: "What is tried again.",
    fields: &[
        Field {
            name: "timeout",
            presence: Optional,
            value: &Kept(Seconds, |retry: &mut Retry, time| retry.timeout = Some(time)),
            doc: "Seconds for each try.",
        },
        Field {
            name: "retries",
            presence: Optional,
            value: &Kept(Integer { label: "`retries`", min: 0, max: 9 }, |retry: &mut Retry, number| {
                retry.retries = Some(number);
            }),
            doc: "Tries after the first, from 0 to 9.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

static TCP_CHECK: Table<TcpCheck> = Table {
    name: "tcpHealthcheck",
    doc: "Checks by connecting.",
    fields: &[
        Field {
            name: "interval",
            presence: Required,
            value: &Kept(Seconds, |check: &mut TcpCheck, time| check.interval = Some(time)),
            doc: "Seconds between two checks of one host.",
        },
        Field {
            name: "timeout",
            presence: Unless("1"),
            value: &Kept(Seconds, |check: &mut TcpCheck, time| check.timeout = Some(time)),
            doc: "Seconds for one check.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

/// What our own file would say.
pub(crate) fn converted(file: HostServices, span: Span, problems: &mut Problems) -> File {
    let proxy = file.proxy;
    let listen = proxy.listen.and_then(|listen| {
        let address = SocketAddr::new(listen.value.address?, listen.value.port?);
        let address = At { value: ListenAddress::Tcp(address), span: listen.span };
        Some(ListenFile { address: Some(address), ..ListenFile::default() })
    });
    let mut target = File { span, listen: listen.into_iter().collect(), ..File::default() };
    for At { value: service, span } in proxy.services {
        let Some(domain) = service.domain else { continue };
        let name = service.name.unwrap_or_else(|| At { value: domain.value.to_string(), span: domain.span });
        let retry = retry_of(&service.hosts, problems);
        let health = service.health.into_iter().next().map(|check| tcp_check(&check.value));
        let servers = service.hosts.into_iter().filter_map(server).collect();
        let balance = Some(At { value: service.strategy.into(), span });
        let health = health.map(Into::into);
        let upstream = UpstreamFile { servers, balance, health, retry, ..UpstreamFile::default() };
        let own = RouteFile {
            keys: vec![("upstream", span)],
            upstream: Some(At { value: UpstreamRef::Name(name.value.clone()), span }),
            ..RouteFile::default()
        };
        let own_service = ServiceFile { hosts: vec![domain], name: Some(name.clone()), routes: None, own };
        target.services.push(At { value: own_service, span });
        target.upstreams.push((name, upstream));
    }
    target
}

/// The two numbers that the file has, and for the rest the usual ones.
fn tcp_check(written: &TcpCheck) -> HealthCheck {
    let interval = written.interval.unwrap_or(HealthCheck::INTERVAL);
    HealthCheck {
        interval,
        unhealthy_interval: HealthCheck::unhealthy_interval_for(interval),
        timeout: written.timeout.unwrap_or(HealthCheck::TIMEOUT),
        ..HealthCheck::new(Probe::Tcp)
    }
}

fn server(host: At<Host>) -> Option<At<Server>> {
    let port = host.value.port?;
    let written = &host.value.written;
    let (transport, written) = match host.value.address? {
        Transport::Ip(address, _) => {
            (Transport::Ip(address, port), SocketAddr::new(address, port).to_string())
        }
        Transport::Name(name, _) => (Transport::Name(name, port), format!("{written}:{port}")),
        Transport::Unix(_) => return None,
    };
    let address = ServerAddress { written: written.into(), scheme: Scheme::Http, transport, base: "".into() };
    Some(At { value: Server::at(address), span: host.span })
}

/// The policy of a service: its first host's. The others are compared, because a file that says two things deserves an
/// answer about which one holds.
fn retry_of(hosts: &[At<Host>], problems: &mut Problems) -> Option<At<RetryPolicy>> {
    let first = hosts.first()?.value.retry.first();
    // With an error among them they may only seem to differ.
    for host in hosts.iter().filter(|_| !problems.has_errors()) {
        let other = host.value.retry.first();
        if other.map(|retry| &retry.value) != first.map(|retry| &retry.value) {
            let place = other.map_or(host.span, |retry| retry.span);
            let problem = Problem::warning(
                place,
                "hosts of one service differ in `retryPolicy`; the first host's holds",
            )
            .hint("write the same `retryPolicy` at each host of the service");
            problems.push(match first {
                Some(first) => problem.beside(first.span, "this one holds"),
                None => problem,
            });
            break;
        }
    }
    let retry = first?;
    let attempts = retry.value.retries.and_then(|retries| u32::try_from(retries + 1).ok());
    let policy = RetryPolicy {
        attempts: attempts.unwrap_or(RetryPolicy::default().attempts),
        on: vec![RetryOn::ConnectFailure, RetryOn::Reset, RetryOn::Timeout],
        per_try_timeout: retry.value.timeout,
        ..RetryPolicy::default()
    };
    Some(At { value: policy, span: retry.span })
}
