//! The root of the file.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use crate::complaint::Complaint;
use crate::model::{AccessLog, Drain, OperationalLog, Replay, Timeouts};
use crate::node::shortened;
use crate::source::{At, Span};

use super::access_log::AccessLogKind;
use super::admin::{ADMIN_KIND, AdminFile};
use super::describe::Presence::{Default as Unless, Optional};
use super::kind::{List, OneOrList, Placed};
use super::limit::{DRAIN, LIMITS, LimitsFile, TIMEOUTS};
use super::listen::{LISTEN_ENTRY, ListenFile};
use super::log::{LogKind, REQUEST_ID, RequestIdFile, TRACE_KIND, TraceFile};
use super::named::Named;
use super::network::NETWORK;
use super::replay::REPLAY;
use super::scalar::{Boolean, Integer, Parsed, Text};
use super::service::{SERVICE, ServiceFile};
use super::table::{Field, Kept, Mapping, Table};
use super::upstream::{INLINE, NAME_PATTERN, UpstreamFile, upstream_name};

/// More threads than this are a mistake on any machine.
const WORKERS_MAX: u64 = 1024;

/// A name server.
const RESOLVER: Parsed<SocketAddr> = Parsed {
    label: "name server",
    pattern: r"^([0-9.]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}$",
    parse: name_server,
};

fn name_server(text: &str) -> Result<SocketAddr, Complaint> {
    text.parse().map_err(|_| {
        Complaint::new(format!("`{}` is not the address of a name server", shortened(text)))
            .hint("write an address and a port: `10.0.0.53:53`")
    })
}

/// A whole file as it was written.
#[derive(Debug, Default)]
pub(crate) struct File {
    /// From its first to its last key.
    pub(crate) span: Span,
    /// `listen`
    pub(crate) listen: Vec<ListenFile>,
    /// `workers`
    pub(crate) workers: Option<usize>,
    /// `admin`
    pub(crate) admin: Option<At<Option<AdminFile>>>,
    /// `state`
    pub(crate) state: Option<PathBuf>,
    /// `access_log`
    pub(crate) access_log: Option<At<AccessLog>>,
    /// `log`
    pub(crate) log: OperationalLog,
    /// `request_id`
    pub(crate) request_id: RequestIdFile,
    /// `trace`
    pub(crate) trace: TraceFile,
    /// `server_timing`
    pub(crate) server_timing: bool,
    /// `trusted_proxies`
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// `resolver`
    pub(crate) resolver: Vec<SocketAddr>,
    /// `forwarded`
    pub(crate) forwarded: bool,
    /// `backend_server`
    pub(crate) backend_server: bool,
    /// `limits`
    pub(crate) limits: LimitsFile,
    /// `timeouts`
    pub(crate) timeouts: Timeouts,
    /// `replay`
    pub(crate) replay: Replay,
    /// `drain`
    pub(crate) drain: Drain,
    /// `watch`
    pub(crate) watch: bool,
    /// `services`
    pub(crate) services: Vec<At<ServiceFile>>,
    /// `upstreams`; the places are those of the names
    pub(crate) upstreams: Vec<(At<String>, UpstreamFile)>,
}

/// The root
pub(crate) static FILE: Table<File> = Table {
    name: "configuration",
    doc: "The root of the file.",
    fields: &[
        Field {
            name: "listen",
            presence: Unless("127.0.0.1:8080"),
            value: &Kept(OneOrList(LISTEN_ENTRY, "addresses to listen on"), |file: &mut File, listen| {
                file.listen = listen;
            }),
            doc: "Where clients are accepted: one address or a list. `127.0.0.1:8080`, `[::1]:8080`, `:8080` (all \
                  addresses, IPv6 and IPv4) or `unix:PATH`; a mapping with `address` for HTTPS and policy groups.",
        },
        Field {
            name: "services",
            presence: Optional,
            value: &Kept(
                List {
                    of: Placed(Mapping(&SERVICE)),
                    label: "a list of services",
                    hint: Some("begin each service with `- `"),
                    max: None,
                },
                |file: &mut File, services| file.services = services,
            ),
            doc: "What is done with requests, by host. Needed unless all listeners have `protocol: policy`.",
        },
        Field {
            name: "upstreams",
            presence: Optional,
            value: &Kept(
                Named { key: "name of an upstream", pattern: NAME_PATTERN, name: upstream_name, of: INLINE },
                |file: &mut File, upstreams| file.upstreams = upstreams,
            ),
            doc: "Groups of servers, by name.",
        },
        Field {
            name: "workers",
            presence: Optional,
            value: &Kept(
                Integer { label: "the number of workers", min: 1, max: WORKERS_MAX },
                |file: &mut File, workers| file.workers = usize::try_from(workers).ok(),
            ),
            doc: "Worker threads, from 1 to 1024; one per core when not written.",
        },
        Field {
            name: "admin",
            presence: Unless("127.0.0.1:9180"),
            value: &Kept(Placed(ADMIN_KIND), |file: &mut File, admin| file.admin = Some(admin)),
            doc: "Where metrics, health and the API are served. An address or a mapping. When the default is taken \
                  it is a warning, when a written address is taken an error.",
        },
        Field {
            name: "state",
            presence: Optional,
            value: &Kept(Text, |file: &mut File, state| file.state = Some(state.into())),
            doc: "The directory for state that outlives a run; relative to the configuration's directory. \
                  `$STATE_DIRECTORY` when not written, else `.weir` beside the configuration.",
        },
        Field {
            name: "access_log",
            presence: Unless("common"),
            value: &Kept(Placed(AccessLogKind), |file: &mut File, log| file.access_log = Some(log)),
            doc: "One line per request to standard error: `off`, `common`, `combined`, `json` or a template; or a mapping to write to a \
                  file, or to log a share of them.",
        },
        Field {
            name: "log",
            presence: Unless("info"),
            value: &Kept(LogKind, |file: &mut File, log| file.log = log),
            doc: "What the program tells of itself on standard error: a level, or a mapping with levels of modules. `--log` and \
                  `WEIR_LOG` count before it, and the admin listener changes it.",
        },
        Field {
            name: "request_id",
            presence: Optional,
            value: &Kept(Mapping(&REQUEST_ID), |file: &mut File, ids| file.request_id = ids),
            doc: "What becomes of `X-Request-Id`.",
        },
        Field {
            name: "trace",
            presence: Unless("continue"),
            value: &Kept(TRACE_KIND, |file: &mut File, trace| file.trace = trace),
            doc: "What becomes of `traceparent` and `tracestate` (W3C Trace Context): `continue`, `begin` or `off`; or a mapping.",
        },
        Field {
            name: "server_timing",
            presence: Unless("false"),
            value: &Kept(Boolean, |file: &mut File, on| file.server_timing = on),
            doc: "Whether answers carry `Server-Timing`: how long they took, and where; a route may say otherwise.",
        },
        Field {
            name: "trusted_proxies",
            presence: Optional,
            value: &Kept(OneOrList(NETWORK, "addresses or networks"), |file: &mut File, networks| {
                file.trusted_proxies = networks;
            }),
            doc: "Peers whose `X-Forwarded-*` fields are believed: addresses and networks (`10.0.0.0/8`).",
        },
        Field {
            name: "resolver",
            presence: Optional,
            value: &Kept(OneOrList(RESOLVER, "addresses of name servers"), |file: &mut File, servers| {
                file.resolver = servers;
            }),
            doc: "Who is asked for the names of servers with `resolve: true`, as `10.0.0.53:53`. Without it whom the system asks.",
        },
        Field {
            name: "forwarded",
            presence: Unless("false"),
            value: &Kept(Boolean, |file: &mut File, on| file.forwarded = on),
            doc: "Whether `Forwarded` (RFC 7239) is sent to servers beside `X-Forwarded-*`.",
        },
        Field {
            name: "backend_server",
            presence: Unless("false"),
            value: &Kept(Boolean, |file: &mut File, on| file.backend_server = on),
            doc: "Whether answers carry `X-Backend-Server`, the server that answered; a route may say otherwise.",
        },
        Field {
            name: "limits",
            presence: Optional,
            value: &Kept(Mapping(&LIMITS), |file: &mut File, limits| file.limits = limits),
            doc: "Limits.",
        },
        Field {
            name: "timeouts",
            presence: Optional,
            value: &Kept(Mapping(&TIMEOUTS), |file: &mut File, timeouts| file.timeouts = timeouts),
            doc: "Timeouts.",
        },
        Field {
            name: "replay",
            presence: Optional,
            value: &Kept(Mapping(&REPLAY), |file: &mut File, replay| {
                file.replay = Replay { written: true, ..replay };
            }),
            doc: "How much of a request's body is kept so that more than one server can have it.",
        },
        Field {
            name: "drain",
            presence: Optional,
            value: &Kept(Mapping(&DRAIN), |file: &mut File, drain| file.drain = drain),
            doc: "How a stop goes.",
        },
        Field {
            name: "watch",
            presence: Unless("false"),
            value: &Kept(Boolean, |file: &mut File, on| file.watch = on),
            doc: "Whether this file is read again when it has changed, as with `weir reload`. It is looked at once a second, and used \
                  when two looks have seen the same. Files of certificates and inventories are followed anyway; for other files that \
                  it names, reload it.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};
