//! Upstreams: servers, how one is chosen, checks, retries, timeouts.

use std::time::Duration;

use weir_core::health::EjectionRule;
use weir_core::policy_group;
use weir_core::retry::RetryPolicy;

use crate::complaint::Complaint;
use crate::model::{Server, UpstreamLimits};
use crate::node::{Node, NodeKind};
use crate::source::{At, Span};

use super::balance::{BALANCE_KIND, BalanceFile};
use super::decoder::Decoder;
use super::describe::Presence::{Default as Unless, Optional};
use super::describe::Shape;
use super::eject::EJECT_KIND;
use super::health::{HEALTH_KIND, HealthWritten, PANIC};
use super::kind::{Either, Kind, List, Mapped, OrWord, Placed};
use super::limit::{UPSTREAM_TIMEOUTS, UpstreamTimeouts};
use super::retry::{RETRY, retry};
use super::scalar::{DurationIn, Text};
use super::server::SERVER_KIND;
use super::table::{Field, Kept, Mapping, Table, misspelt};
use super::upstream_limits::UPSTREAM_LIMITS_KIND;
use super::upstream_tls::{UPSTREAM_TLS, UpstreamTlsFile};

/// An upstream as it was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct UpstreamFile {
    /// Its servers; those that could not be read are left out.
    pub(crate) servers: Vec<At<Server>>,
    /// `inventory`
    pub(crate) inventory: Option<At<String>>,
    /// `balance`
    pub(crate) balance: Option<At<BalanceFile>>,
    /// `health`
    pub(crate) health: Option<HealthWritten>,
    /// `eject`; `Some(None)` for `off`.
    pub(crate) eject: Option<Option<EjectionRule>>,
    /// `panic`, in percent.
    pub(crate) panic: Option<At<u32>>,
    /// `limits`
    pub(crate) limits: Option<UpstreamLimits>,
    /// `slow_start`
    pub(crate) slow_start: Option<Duration>,
    /// `retry`
    pub(crate) retry: Option<At<RetryPolicy>>,
    /// `timeouts`
    pub(crate) timeouts: UpstreamTimeouts,
    /// `tls`
    pub(crate) tls: Option<At<UpstreamTlsFile>>,
    /// Its place, where it says nothing of servers.
    pub(crate) without_servers: Option<Span>,
}

const SERVERS: List<super::server::ServerKind> = List {
    of: SERVER_KIND,
    label: "a list of servers",
    hint: Some("write one server as a list too: `[127.0.0.1:9001]`"),
    max: None,
};

/// An upstream
pub(crate) static UPSTREAM: Table<UpstreamFile> = Table {
    name: "upstream",
    doc: "A group of servers that answer the same requests. A list of servers alone is short for `{servers: LIST}`.",
    fields: &[
        Field {
            name: "servers",
            presence: Optional,
            value: &Kept(SERVERS, |upstream: &mut UpstreamFile, servers| upstream.servers = servers),
            doc: "Its servers. Without them there is an `inventory`, or its name is `policy:NUMBER` and they register themselves.",
        },
        Field {
            name: "inventory",
            presence: Optional,
            value: &Kept(Placed(Text), |upstream: &mut UpstreamFile, file| upstream.inventory = Some(file)),
            doc: "A file with servers, or more of them: one `host:port` on each line, comments behind `#`. It is looked at every \
                  second. When it has changed, servers that are new in it join, and those that are gone drain for a minute at most. \
                  A file that can't be used changes nothing. A relative path begins at the directory of the configuration.",
        },
        Field {
            name: "balance",
            presence: Unless("round_robin"),
            value: &Kept(Placed(BALANCE_KIND), |upstream: &mut UpstreamFile, balance| {
                upstream.balance = Some(balance);
            }),
            doc: "How one is chosen: `round_robin` (exact rotation over the whole process), `random`, `least_requests` (the \
                  fewest in flight per weight), `p2c` (the better of two drawn at random), `peak_ewma` (of two the one that will \
                  answer sooner), `hash` (the same server for the same key), `load` (by what servers say of their load) or \
                  `sticky` (a client stays with its server). A mapping with `mode` says more.",
        },
        Field {
            name: "health",
            presence: Optional,
            value: &Kept(HEALTH_KIND, |upstream: &mut UpstreamFile, health| {
                upstream.health = Some(health);
            }),
            doc: "Active checks of each server.",
        },
        Field {
            name: "eject",
            presence: Optional,
            value: &Kept(EJECT_KIND, |upstream: &mut UpstreamFile, eject| upstream.eject = Some(eject)),
            doc: "When a server is taken out because requests to it fail. Without it: five failures in a row.",
        },
        Field {
            name: "panic",
            presence: Unless("10%"),
            value: &Kept(PANIC, |upstream: &mut UpstreamFile, share| upstream.panic = Some(share)),
            doc: "When less than this share of the servers is left, by weight, health and ejection are ignored and all get requests \
                  that nobody has taken out; `0%` for never.",
        },
        Field {
            name: "slow_start",
            presence: Unless("off"),
            value: &Kept(OrWord("off", SLOW_START), |upstream: &mut UpstreamFile, time| {
                upstream.slow_start = time;
            }),
            doc: "How long a server that joins or comes back takes until it has its full share, from `100ms` to `1h`; it begins \
                  with a tenth.",
        },
        Field {
            name: "limits",
            presence: Optional,
            value: &Kept(UPSTREAM_LIMITS_KIND, |upstream: &mut UpstreamFile, limits| {
                upstream.limits = Some(limits);
            }),
            doc: "How much the servers get at once, and who waits.",
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
    later: &[],
    note: None,
};

/// Shorter ones would be over before a connection is open.
const SLOW_START: DurationIn = DurationIn { min: Duration::from_millis(100), max: Duration::from_secs(3600) };

/// An upstream as a mapping: it has servers from somewhere.
pub(crate) struct UpstreamKind;

impl Kind for UpstreamKind {
    type Value = UpstreamFile;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<UpstreamFile> {
        let mut file = Mapping(&UPSTREAM).decode(node, decoder)?;
        let NodeKind::Mapping(entries) = &node.kind else { return None };
        let is_there = |name| node.value_of(name).is_some() || misspelt(entries, name);
        if !is_there("servers") && !is_there("inventory") {
            // Whether it needs some depends on its name.
            file.without_servers = Some(node.span);
        }
        Some(file)
    }

    fn shape(&self) -> Shape {
        Mapping(&UPSTREAM).shape()
    }

    fn looks_like(&self, node: &Node) -> bool {
        Mapping(&UPSTREAM).looks_like(node)
    }
}

type Inline = Either<Mapped<List<super::server::ServerKind>, UpstreamFile>, UpstreamKind>;

/// An upstream in place: a list of servers or a mapping.
pub(crate) const INLINE: Inline =
    Either(Mapped(SERVERS, |servers| UpstreamFile { servers, ..UpstreamFile::default() }), UpstreamKind);

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

/// What the name of an upstream looks like. Those with a colon are the servers of a policy.
pub(crate) const NAME_PATTERN: &str = "^([A-Za-z0-9._-]{1,128}|policy:-?[0-9]{1,19})$";

/// The name of an upstream: it stands in metrics, paths of the admin interface and logs.
pub(crate) fn upstream_name(text: &str) -> Result<String, Complaint> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if (1..=128).contains(&text.len()) && text.bytes().all(good) || policy_group::number(text).is_some() {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(format!("`{}` cannot be the name of an upstream", crate::node::shortened(text)))
        .hint("a name has 1 to 128 letters, digits, `.`, `_` and `-`, or is `policy:NUMBER`"))
}
