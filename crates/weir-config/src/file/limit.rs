//! `limits`, `timeouts` and `drain`.

use std::time::Duration;

use crate::model::{Drain, Limits, Timeouts};
use crate::source::At;

use super::describe::Presence::{Default as Unless, Optional};
use super::kind::{Mapped, OrWord, Placed};
use super::scalar::{DurationIn, Integer, SizeIn};
use super::table::{Field, Kept, Table};

/// Limits, and what a later check must point at.
#[derive(Debug, Default)]
pub(crate) struct LimitsFile {
    /// The limits.
    pub(crate) limits: Limits,
    /// `target`, when written: it must fit into the head.
    pub(crate) target: Option<At<u64>>,
}

/// Timeouts of an upstream that override those of the process.
#[derive(Debug, Clone, Default)]
pub(crate) struct UpstreamTimeouts {
    /// `connect`
    pub(crate) connect: Option<Duration>,
    /// `answer_head`
    pub(crate) answer_head: Option<Duration>,
    /// `answer_body`
    pub(crate) answer_body: Option<Duration>,
    /// `idle`
    pub(crate) idle: Option<Duration>,
    /// `reuse_unsafe`
    pub(crate) reuse_unsafe: Option<Duration>,
}

impl UpstreamTimeouts {
    /// The process's timeouts with what is overridden.
    pub(crate) fn over(&self, process: &Timeouts) -> Timeouts {
        Timeouts {
            connect: self.connect.unwrap_or(process.connect),
            answer_head: self.answer_head.unwrap_or(process.answer_head),
            answer_body: self.answer_body.unwrap_or(process.answer_body),
            upstream_idle: self.idle.unwrap_or(process.upstream_idle),
            reuse_unsafe: self.reuse_unsafe.unwrap_or(process.reuse_unsafe),
            ..*process
        }
    }
}

/// A timeout below a millisecond is off by a unit, and so is one of more than a day.
const TIMEOUT: DurationIn = DurationIn { min: Duration::from_millis(1), max: Duration::from_secs(24 * 3600) };

/// Upgraded connections may rest longer: 30 days.
const LONG_TIMEOUT: DurationIn = DurationIn { max: Duration::from_secs(30 * 24 * 3600), ..TIMEOUT };

/// Draining may also be told not to wait at all.
const WAIT: DurationIn = DurationIn { min: Duration::ZERO, ..TIMEOUT };

/// `limits`
pub(crate) static LIMITS: Table<LimitsFile> = Table {
    name: "limits",
    doc: "Bounds on what a client or a server may send and on what the process holds.",
    fields: &[
        Field {
            name: "head",
            presence: Unless("32KiB"),
            value: &Kept(
                Mapped(SizeIn { min: 1 << 10, max: 1 << 20 }, to_usize),
                |file: &mut LimitsFile, size| {
                    file.limits.head_bytes = size;
                },
            ),
            doc: "Bytes of the head of a request or an answer, from `1KiB` to `1MiB`. A request over it gets 431, an \
                  answer becomes 502. A bigger value costs that much memory per connection in use.",
        },
        Field {
            name: "fields",
            presence: Unless("100"),
            value: &Kept(
                Mapped(Integer { label: "the number of fields", min: 1, max: 256 }, to_usize),
                |file: &mut LimitsFile, number| file.limits.fields = number,
            ),
            doc: "Fields of a head, from 1 to 256. A request over it gets 431, an answer becomes 502.",
        },
        Field {
            name: "target",
            presence: Unless("16KiB"),
            value: &Kept(Placed(SizeIn { min: 1, max: 1 << 20 }), |file: &mut LimitsFile, size| {
                file.target = Some(size);
            }),
            doc: "Bytes of a request target (path and query), at most `head`. A longer one gets 414.",
        },
        Field {
            name: "body",
            presence: Unless("unlimited"),
            value: &Kept(
                OrWord("unlimited", SizeIn { min: 0, max: u64::MAX }),
                |file: &mut LimitsFile, size| file.limits.body_bytes = size,
            ),
            doc: "Bytes of a request body; a longer one gets 413. Bodies are streamed, so a bigger value costs no memory.",
        },
        Field {
            name: "connections",
            presence: Unless("unlimited"),
            value: &Kept(
                OrWord(
                    "unlimited",
                    Mapped(Integer { label: "the number of connections", min: 1, max: 10_000_000 }, to_usize),
                ),
                |file: &mut LimitsFile, number| file.limits.connections = number,
            ),
            doc: "Client connections of the process; over it new ones wait in the listen queue. `unlimited` leaves it to \
                  the file descriptors.",
        },
        Field {
            name: "handshakes",
            presence: Unless("4096"),
            value: &Kept(
                Mapped(Integer { label: "the number of handshakes", min: 1, max: 10_000_000 }, to_usize),
                |file: &mut LimitsFile, number| file.limits.handshakes = number,
            ),
            doc: "TLS handshakes in progress in the process, each from the client's first message on; those over it wait, at \
                  most for `tls_handshake`. One in progress holds about 20 KiB.",
        },
        Field {
            name: "client_entries",
            presence: Unless("262144"),
            value: &Kept(
                Mapped(Integer { label: "the number of entries", min: 1024, max: 100_000_000 }, to_usize),
                |file: &mut LimitsFile, number| file.limits.client_entries = number,
            ),
            doc: "Clients (or other keys) that a rule in `rate`, or `per_client`, tells apart at the same time, from 1024 to \
                  100,000,000; 9.2 bytes for each, in each rule. One request takes an entry for one interval of the rate, \
                  or as long as it is in progress. Over it, new clients share what is left with others and may be refused \
                  early.",
        },
        Field {
            name: "requests_per_connection",
            presence: Unless("unlimited"),
            value: &Kept(
                OrWord("unlimited", Integer { label: "the number of requests", min: 1, max: u64::MAX }),
                |file: &mut LimitsFile, number| file.limits.requests_per_connection = number,
            ),
            doc: "Requests on one client connection; the last answer says `Connection: close`.",
        },
    ],
    within: None,
    later: &["streams", "replay"],
    note: None,
};

/// Values are bounded far below 32 bits where this is used.
fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A field of the process's timeouts.
macro_rules! timeout {
    ($table:ty, $name:literal, $default:expr, $kind:expr, $field:ident, $doc:literal) => {
        Field {
            name: $name,
            presence: $default,
            value: &Kept($kind, |timeouts: &mut $table, duration| timeouts.$field = duration),
            doc: $doc,
        }
    };
}

/// `timeouts`
pub(crate) static TIMEOUTS: Table<Timeouts> = Table {
    name: "timeouts",
    doc: "How long things may take, each from `1ms` to `24h`.",
    fields: &[
        timeout!(
            Timeouts,
            "tls_handshake",
            Unless("10s"),
            TIMEOUT,
            tls_handshake,
            "From a connection of a listener with `tls` to the end of its handshake; then it is closed."
        ),
        timeout!(
            Timeouts,
            "request_head",
            Unless("15s"),
            TIMEOUT,
            request_head,
            "From the first byte of a request to the end of its head; then 408 and close."
        ),
        timeout!(
            Timeouts,
            "request_body",
            Unless("60s"),
            TIMEOUT,
            request_body,
            "Without a byte of the request's body; then 408 and close."
        ),
        timeout!(
            Timeouts,
            "idle",
            Unless("75s"),
            TIMEOUT,
            idle,
            "An idle client connection; then it is closed."
        ),
        timeout!(
            Timeouts,
            "client_write",
            Unless("60s"),
            TIMEOUT,
            client_write,
            "Without a byte of the answer taken by the client; then the connection is cut."
        ),
        timeout!(
            Timeouts,
            "connect",
            Unless("2s"),
            TIMEOUT,
            connect,
            "Connecting to servers, all that are passed over together; then 504."
        ),
        timeout!(
            Timeouts,
            "answer_head",
            Unless("60s"),
            TIMEOUT,
            answer_head,
            "From the request sent to the head of its answer; then 504."
        ),
        timeout!(
            Timeouts,
            "answer_body",
            Unless("60s"),
            TIMEOUT,
            answer_body,
            "Without a byte of the answer's body; then the answer is visibly broken."
        ),
        timeout!(
            Timeouts,
            "upstream_idle",
            Unless("4s"),
            TIMEOUT,
            upstream_idle,
            "An idle connection to a server; then it is closed. Longer than the server's own timeout means more requests \
             on connections that the server is just closing."
        ),
        timeout!(
            Timeouts,
            "reuse_unsafe",
            Unless("1s"),
            TIMEOUT,
            reuse_unsafe,
            "How long a connection may have been idle to carry a request that must not be repeated."
        ),
        timeout!(
            Timeouts,
            "upgraded_idle",
            Unless("1h"),
            LONG_TIMEOUT,
            upgraded_idle,
            "An upgraded connection (WebSocket) without a byte in either direction; then it is closed. Up to `720h`."
        ),
        timeout!(
            Timeouts,
            "request",
            Unless("off"),
            OrWord("off", TIMEOUT),
            request,
            "A whole request, from the end of its head to the end of its answer; then 504, or a visibly broken answer."
        ),
    ],
    within: None,
    later: &[],
    note: None,
};

/// `timeouts` of an upstream
pub(crate) static UPSTREAM_TIMEOUTS: Table<UpstreamTimeouts> = Table {
    name: "upstream timeouts",
    doc: "Timeouts of one upstream; what is not written here is as in `timeouts` at the top.",
    fields: &[
        timeout!(
            UpstreamTimeouts,
            "connect",
            Optional,
            Mapped(TIMEOUT, Some),
            connect,
            "Connecting to servers, all that are passed over together; then 504."
        ),
        timeout!(
            UpstreamTimeouts,
            "answer_head",
            Optional,
            Mapped(TIMEOUT, Some),
            answer_head,
            "From the request sent to the head of its answer; then 504."
        ),
        timeout!(
            UpstreamTimeouts,
            "answer_body",
            Optional,
            Mapped(TIMEOUT, Some),
            answer_body,
            "Without a byte of the answer's body; then the answer is visibly broken."
        ),
        timeout!(
            UpstreamTimeouts,
            "idle",
            Optional,
            Mapped(TIMEOUT, Some),
            idle,
            "An idle connection to a server (`upstream_idle` at the top); then it is closed."
        ),
        timeout!(
            UpstreamTimeouts,
            "reuse_unsafe",
            Optional,
            Mapped(TIMEOUT, Some),
            reuse_unsafe,
            "How long a connection may have been idle to carry a request that must not be repeated."
        ),
    ],
    within: None,
    later: &[],
    note: None,
};

/// `drain`
pub(crate) static DRAIN: Table<Drain> = Table {
    name: "drain",
    doc: "How a stop goes.",
    fields: &[
        timeout!(
            Drain,
            "idle",
            Unless("5s"),
            WAIT,
            idle,
            "How long an idle client connection is kept while draining; from `0s`."
        ),
        timeout!(
            Drain,
            "deadline",
            Unless("30s"),
            WAIT,
            deadline,
            "After this what still runs is cut; from `0s`."
        ),
    ],
    within: None,
    later: &[],
    note: None,
};
