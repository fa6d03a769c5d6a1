//! Upstreams: servers, how one is chosen, checks, retries, timeouts.

use std::time::Duration;

use weir_core::balance::Strategy;
use weir_core::health::{HealthCheck, Probe};
use weir_core::retry::RetryPolicy;

use crate::complaint::Complaint;
use crate::model::Server;
use crate::node::{Node, NodeKind};
use crate::problem::Problem;
use crate::source::{At, Span};

use super::decoder::Decoder;
use super::describe::Presence::{Default as Unless, Optional, Required};
use super::describe::Shape;
use super::kind::{Either, Kind, List, Mapped, Placed, Refined};
use super::limit::{UPSTREAM_TIMEOUTS, UpstreamTimeouts};
use super::retry::{RETRY, retry};
use super::scalar::{Boolean, DurationIn, Integer, Parsed, Words};
use super::server::SERVER_KIND;
use super::table::{Field, Kept, Mapping, Table};
use super::upstream_tls::{UPSTREAM_TLS, UpstreamTlsFile};

/// An upstream as it was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct UpstreamFile {
    /// Its servers; those that could not be read are left out.
    pub(crate) servers: Vec<At<Server>>,
    /// `balance`
    pub(crate) balance: Strategy,
    /// `health`
    pub(crate) health: Option<At<HealthCheck>>,
    /// `retry`
    pub(crate) retry: Option<At<RetryPolicy>>,
    /// `timeouts`
    pub(crate) timeouts: UpstreamTimeouts,
    /// `tls`
    pub(crate) tls: Option<At<UpstreamTlsFile>>,
}

const SERVERS: List<super::server::ServerKind> = List {
    of: SERVER_KIND,
    label: "a list of servers",
    hint: Some("write one server as a list too: `[127.0.0.1:9001]`"),
    max: None,
};

/// The balancing strategies.
pub(crate) const STRATEGY: Words<Strategy> = Words {
    label: "balancing strategy",
    words: &[
        ("round_robin", Strategy::RoundRobin),
        ("random", Strategy::Random),
        ("least_requests", Strategy::LeastRequests),
        ("p2c", Strategy::P2c),
    ],
    later: &[],
};

/// An upstream
pub(crate) static UPSTREAM: Table<UpstreamFile> = Table {
    name: "upstream",
    doc: "A group of servers that answer the same requests. A list of servers alone is short for `{servers: LIST}`.",
    fields: &[
        Field {
            name: "servers",
            presence: Required,
            value: &Kept(SERVERS, |upstream: &mut UpstreamFile, servers| upstream.servers = servers),
            doc: "Its servers.",
        },
        Field {
            name: "balance",
            presence: Unless("round_robin"),
            value: &Kept(STRATEGY, |upstream: &mut UpstreamFile, strategy| upstream.balance = strategy),
            doc: "How one is chosen: `round_robin` (exact rotation over the whole process), `random`, `least_requests` (the \
                  fewest in flight per weight) or `p2c` (the better of two drawn at random).",
        },
        Field {
            name: "health",
            presence: Optional,
            value: &Kept(Placed(Refined(Mapping(&HEALTH), health)), |upstream: &mut UpstreamFile, health| {
                upstream.health = Some(health);
            }),
            doc: "Active checks of each server. Read and kept; this version does not perform them yet.",
        },
        Field {
            name: "retry",
            presence: Optional,
            value: &Kept(Placed(Mapped(Mapping(&RETRY), retry)), |upstream: &mut UpstreamFile, retry| {
                upstream.retry = Some(retry);
            }),
            doc: "What is tried again.",
        },
        Field {
            name: "timeouts",
            presence: Optional,
            value: &Kept(Mapping(&UPSTREAM_TIMEOUTS), |upstream: &mut UpstreamFile, timeouts| {
                upstream.timeouts = timeouts;
            }),
            doc: "Timeouts that differ from those at the top.",
        },
        Field {
            name: "tls",
            presence: Optional,
            value: &Kept(Placed(Mapping(&UPSTREAM_TLS)), |upstream: &mut UpstreamFile, tls| {
                upstream.tls = Some(tls);
            }),
            doc: "How servers with `https://` are reached: whom to believe, by which name, with which certificate of ours.",
        },
    ],
    within: None,
    later: &["slow_start"],
    note: None,
};

type Inline = Either<Mapped<List<super::server::ServerKind>, UpstreamFile>, Mapping<UpstreamFile>>;

/// An upstream in place: a list of servers or a mapping.
pub(crate) const INLINE: Inline = Either(
    Mapped(SERVERS, |servers| UpstreamFile { servers, ..UpstreamFile::default() }),
    Mapping(&UPSTREAM),
);

/// What a route's `upstream` says.
#[derive(Debug, Clone)]
pub(crate) enum UpstreamRef {
    /// The name of an upstream.
    Name(String),
    /// An upstream of this route alone.
    Inline(Box<UpstreamFile>),
}

/// `upstream` of a route.
pub(crate) struct UpstreamRefKind;

impl Kind for UpstreamRefKind {
    type Value = UpstreamRef;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<UpstreamRef> {
        match &node.kind {
            NodeKind::Scalar(_) => {
                let scalar = decoder.scalar("the name of an upstream, or a list of servers", node)?;
                Some(UpstreamRef::Name(scalar.text.clone()))
            }
            NodeKind::List(_) | NodeKind::Mapping(_) => {
                INLINE.decode(node, decoder).map(|file| UpstreamRef::Inline(Box::new(file)))
            }
        }
    }

    fn shape(&self) -> Shape {
        let name = Shape::Text { label: "name of an upstream", pattern: NAME_PATTERN };
        Shape::Either(vec![name, INLINE.shape()])
    }
}

/// What the name of an upstream looks like.
pub(crate) const NAME_PATTERN: &str = "^[A-Za-z0-9._-]{1,128}$";

/// The name of an upstream: it stands in metrics, paths of the admin interface and logs.
pub(crate) fn upstream_name(text: &str) -> Result<String, Complaint> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if (1..=128).contains(&text.len()) && text.bytes().all(good) {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(format!("`{}` cannot be the name of an upstream", crate::node::shortened(text)))
        .hint("a name has 1 to 128 letters, digits, `.`, `_` and `-`"))
}

/// `health` as it was written.
#[derive(Debug, Default)]
pub(crate) struct HealthFile {
    path: Option<At<Box<str>>>,
    tcp: Option<At<bool>>,
    interval: Option<Duration>,
    timeout: Option<Duration>,
    unhealthy_after: Option<u64>,
    healthy_after: Option<u64>,
}

/// A check that was started every few milliseconds would be an attack.
const CHECK_TIME: DurationIn =
    DurationIn { min: Duration::from_millis(10), max: Duration::from_secs(24 * 3600) };

/// Time between two checks of one server.
pub(crate) const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How long a check may take.
pub(crate) const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// Failures in a row after which a server is taken out.
pub(crate) const UNHEALTHY_AFTER: u32 = 3;
/// Successes in a row after which it comes back.
pub(crate) const HEALTHY_AFTER: u32 = 1;

const CHECK_PATH: Parsed<Box<str>> = Parsed { label: "path", pattern: "^/", parse: check_path };

/// A path with or without a query, sent as it is written.
fn check_path(text: &str) -> Result<Box<str>, Complaint> {
    if text.starts_with('/') && !text.contains('#') && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.into());
    }
    Err(Complaint::new(format!("`{}` is not a path to ask for", crate::node::shortened(text)))
        .hint("begin it with `/`, and escape spaces and letters outside ASCII"))
}

/// `health`
pub(crate) static HEALTH: Table<HealthFile> = Table {
    name: "health",
    doc: "Active checks. Either `path` or `tcp: true`. Read and kept; this version does not perform them yet.",
    fields: &[
        Field {
            name: "path",
            presence: Optional,
            value: &Kept(Placed(CHECK_PATH), |health: &mut HealthFile, path| health.path = Some(path)),
            doc: "`GET` of this path; 2xx and 3xx are a success.",
        },
        Field {
            name: "tcp",
            presence: Optional,
            value: &Kept(Placed(Boolean), |health: &mut HealthFile, tcp| health.tcp = Some(tcp)),
            doc: "`true`: connect and close.",
        },
        Field {
            name: "interval",
            presence: Unless("1s"),
            value: &Kept(CHECK_TIME, |health: &mut HealthFile, time| health.interval = Some(time)),
            doc: "Time between two checks of one server, from `10ms`.",
        },
        Field {
            name: "timeout",
            presence: Unless("1s"),
            value: &Kept(CHECK_TIME, |health: &mut HealthFile, time| health.timeout = Some(time)),
            doc: "How long one check may take, from `10ms`.",
        },
        Field {
            name: "unhealthy_after",
            presence: Unless("3"),
            value: &Kept(
                Integer { label: "`unhealthy_after`", min: 1, max: 1000 },
                |health: &mut HealthFile, number| health.unhealthy_after = Some(number),
            ),
            doc: "Failures in a row after which a server is UNREACHABLE.",
        },
        Field {
            name: "healthy_after",
            presence: Unless("1"),
            value: &Kept(
                Integer { label: "`healthy_after`", min: 1, max: 1000 },
                |health: &mut HealthFile, number| health.healthy_after = Some(number),
            ),
            doc: "Successes in a row after which a server is HEALTHY.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

fn health(file: HealthFile, span: Span, decoder: &mut Decoder<'_>) -> Option<HealthCheck> {
    let probe = match (file.path, file.tcp) {
        (Some(path), None) => Probe::Http { path: path.value },
        (None, Some(At { value: true, .. })) => Probe::Tcp,
        (None, Some(At { value: false, span })) => {
            decoder.push(
                Problem::error(span, "`tcp: false` checks nothing")
                    .hint("write `tcp: true` or `path: /healthz`, or take `health` away"),
            );
            return None;
        }
        (Some(path), Some(tcp)) => {
            decoder.push(
                Problem::error(tcp.span, "a check is either `path` or `tcp`")
                    .beside(path.span, "`path` is written here"),
            );
            return None;
        }
        (None, None) => {
            decoder.push(
                Problem::error(span, "`health` does not say what to check")
                    .hint("write `path: /healthz` or `tcp: true`"),
            );
            return None;
        }
    };
    let count =
        |written: Option<u64>, default| written.and_then(|n| u32::try_from(n).ok()).unwrap_or(default);
    Some(HealthCheck {
        probe,
        interval: file.interval.unwrap_or(CHECK_INTERVAL),
        timeout: file.timeout.unwrap_or(CHECK_TIMEOUT),
        unhealthy_after: count(file.unhealthy_after, UNHEALTHY_AFTER),
        healthy_after: count(file.healthy_after, HEALTHY_AFTER),
    })
}
