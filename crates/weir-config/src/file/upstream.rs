//! Upstreams: servers, how one is chosen, checks, retries, timeouts.

use std::time::Duration;

use weir_core::health::{EjectionRule, HealthCheck};
use weir_core::retry::{RetryOn, RetryPolicy};

use crate::complaint::Complaint;
use crate::model::{Server, UpstreamLimits};
use crate::node::{Node, NodeKind};
use crate::source::At;

use super::balance::{BALANCE_KIND, BalanceFile};
use super::decoder::Decoder;
use super::describe::Presence::{Default as Unless, Optional, Required};
use super::describe::Shape;
use super::eject::EJECT_KIND;
use super::health::HEALTH_KIND;
use super::kind::{Either, Kind, List, Mapped, OneOrList, OrWord, Placed};
use super::limit::{UPSTREAM_TIMEOUTS, UpstreamTimeouts};
use super::scalar::{DurationIn, Integer, Words};
use super::server::SERVER_KIND;
use super::table::{Field, Kept, Mapping, Table};
use super::upstream_limits::UPSTREAM_LIMITS_KIND;
use super::upstream_tls::{UPSTREAM_TLS, UpstreamTlsFile};

/// An upstream as it was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct UpstreamFile {
    /// Its servers; those that could not be read are left out.
    pub(crate) servers: Vec<At<Server>>,
    /// `balance`
    pub(crate) balance: Option<At<BalanceFile>>,
    /// `health`
    pub(crate) health: Option<HealthCheck>,
    /// `eject`; `Some(None)` for `off`.
    pub(crate) eject: Option<Option<EjectionRule>>,
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
            presence: Required,
            value: &Kept(SERVERS, |upstream: &mut UpstreamFile, servers| upstream.servers = servers),
            doc: "Its servers.",
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

/// `retry` as it was written.
#[derive(Debug, Default)]
pub(crate) struct RetryFile {
    attempts: Option<u64>,
    on: Option<Vec<RetryOn>>,
    per_try: Option<Duration>,
}

const TRY_TIME: DurationIn =
    DurationIn { min: Duration::from_millis(10), max: Duration::from_secs(24 * 3600) };

/// A word, or a status as a number.
struct RetryOnKind;

const RETRY_WORDS: Words<RetryOn> = Words {
    label: "reason to retry",
    words: &[
        ("connect_failure", RetryOn::ConnectFailure),
        ("reset", RetryOn::Reset),
        ("timeout", RetryOn::Timeout),
    ],
    later: &[],
};

const RETRY_STATUS: Integer = Integer { label: "a status to retry on", min: 400, max: 599 };

impl Kind for RetryOnKind {
    type Value = RetryOn;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<RetryOn> {
        match &node.kind {
            NodeKind::Scalar(scalar) if scalar.text.starts_with(|sign: char| sign.is_ascii_digit()) => {
                let status = RETRY_STATUS.decode(node, decoder)?;
                u16::try_from(status).ok().map(RetryOn::Status)
            }
            NodeKind::Scalar(_) | NodeKind::List(_) | NodeKind::Mapping(_) => {
                RETRY_WORDS.decode(node, decoder)
            }
        }
    }

    fn shape(&self) -> Shape {
        Shape::Either(vec![RETRY_WORDS.shape(), RETRY_STATUS.shape()])
    }
}

/// `retry`
pub(crate) static RETRY: Table<RetryFile> = Table {
    name: "retry",
    doc: "What is tried again, where repeating is safe: methods that are idempotent and requests with an Idempotency-Key, \
          as long as the body is still there whole. Passing over servers that can't be connected to is always done.",
    fields: &[
        Field {
            name: "attempts",
            presence: Unless("2"),
            value: &Kept(
                Integer { label: "`attempts`", min: 1, max: 10 },
                |retry: &mut RetryFile, number| retry.attempts = Some(number),
            ),
            doc: "Attempts in total, the first included, from 1 to 10; counts requests of which a byte may have been sent.",
        },
        Field {
            name: "on",
            presence: Unless("[connect_failure, reset]"),
            value: &Kept(OneOrList(RetryOnKind, "reasons to retry"), |retry: &mut RetryFile, on| {
                retry.on = Some(on);
            }),
            doc: "`connect_failure`, `reset` (the connection broke before the answer's head was whole), `timeout`, and \
                  statuses.",
        },
        Field {
            name: "per_try",
            presence: Optional,
            value: &Kept(TRY_TIME, |retry: &mut RetryFile, time| retry.per_try = Some(time)),
            doc: "Time for each try until the answer's head, from `10ms`; `answer_head` when not written.",
        },
    ],
    within: None,
    later: &["budget", "backoff"],
    note: None,
};

fn retry(file: RetryFile) -> RetryPolicy {
    let default = RetryPolicy::default();
    RetryPolicy {
        attempts: file.attempts.and_then(|number| u32::try_from(number).ok()).unwrap_or(default.attempts),
        on: file.on.unwrap_or(default.on),
        per_try_timeout: file.per_try,
    }
}
