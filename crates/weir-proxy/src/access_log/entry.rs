//! What a line says of one request, whatever its form.

use std::net::IpAddr;
use std::num::{NonZeroU64, NonZeroU128};
use std::time::{Duration, SystemTime};

use weir_http::head::Head;

/// What a line says of one request. Bytes are as they came; they need not be UTF-8 nor harmless.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The client, after `trusted_proxies` were looked through.
    pub client: IpAddr,
    /// Where the connection came from.
    pub peer: IpAddr,
    /// Who the client proved to be.
    pub user: Option<&'a [u8]>,
    /// When the request's head was whole.
    pub received: SystemTime,
    /// The method; empty when the head could not be read.
    pub method: &'a [u8],
    /// The target as the client wrote it; empty when the head could not be read.
    pub target: &'a [u8],
    /// The protocol, such as `HTTP/1.1`.
    pub version: &'a str,
    /// `https` where the connection was encrypted, else `http`.
    pub scheme: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// Bytes of the answer's body that were sent.
    pub bytes_sent: u64,
    /// Bytes of the request's body that were received.
    pub bytes_received: u64,
    /// Referer.
    pub referer: Option<&'a [u8]>,
    /// User-Agent.
    pub user_agent: Option<&'a [u8]>,
    /// Host, as it was routed.
    pub host: Option<&'a [u8]>,
    /// The service's name; empty when none matched.
    pub service: &'a str,
    /// The route's name; empty when none matched.
    pub route: &'a str,
    /// The server that answered, as the configuration writes it.
    pub server: Option<&'a str>,
    /// The head of the request as servers get it, for fields of it that somebody wants to know.
    pub head: Option<&'a Head>,
    /// Requests sent to servers for this one.
    pub attempts: u32,
    /// What was tried, in this order, where that was more than one server that has answered. Written as JSON only.
    pub tries: &'a [Try<'a>],
    /// The dispatch mode; empty when the request went to no server.
    pub mode: &'a str,
    /// What became of its copies, in modes that ask several servers. Written as JSON only.
    pub copies: Option<Copies>,
    /// How long it waited for its turn.
    pub queued: Duration,
    /// How long connections for it were opened.
    pub connecting: Duration,
    /// From the first attempt to the head of the answer that was passed on.
    pub upstream_seconds: Option<Duration>,
    /// From the request's first byte to the answer's last.
    pub duration: Duration,
    /// X-Request-Id.
    pub request_id: &'a [u8],
    /// The trace that it belongs to.
    pub trace: Option<Traced>,
    /// Why Weir answered itself or broke off.
    pub reason: Option<&'a str>,
}

/// The part of a trace that a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traced {
    /// The trace.
    pub trace_id: NonZeroU128,
    /// Our part of it.
    pub span_id: NonZeroU64,
    /// The client's part of it; `None` where the trace begins here.
    pub parent_id: Option<NonZeroU64>,
}

/// What became of the copies of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copies {
    /// Those whose answers were not wanted.
    pub cancelled: u32,
    /// Whether a second one was sent because the first server was slow.
    pub hedged: bool,
    /// Those of a write that a server had taken when its answer was chosen.
    pub acknowledged: u32,
}

/// One server that was asked or passed over.
#[derive(Debug, Clone, Copy)]
pub struct Try<'a> {
    /// The server, as the configuration writes it.
    pub server: &'a str,
    /// What came of it: a word of visible ASCII without quotes.
    pub outcome: &'static str,
    /// The status of its answer, if it gave one.
    pub status: Option<u16>,
    /// How long that took.
    pub time: Duration,
}

impl Entry<'_> {
    /// An entry of a client of whose request nothing is known, as after a head that could not be read.
    pub fn of(client: IpAddr, received: SystemTime) -> Self {
        Self {
            client,
            peer: client,
            user: None,
            received,
            method: b"",
            target: b"",
            version: "",
            scheme: "http",
            status: 0,
            bytes_sent: 0,
            bytes_received: 0,
            referer: None,
            user_agent: None,
            host: None,
            service: "",
            route: "",
            server: None,
            head: None,
            attempts: 0,
            tries: &[],
            mode: "",
            copies: None,
            queued: Duration::ZERO,
            connecting: Duration::ZERO,
            upstream_seconds: None,
            duration: Duration::ZERO,
            request_id: b"",
            trace: None,
            reason: None,
        }
    }

    /// A field of the request's head; several of one name are told by their first.
    pub(super) fn header(&self, name: &str) -> Option<&[u8]> {
        self.head.and_then(|head| head.get(name))
    }
}
