//! The one table of metrics: names, types, help texts and labels.
//!
//! The metrics page, the documentation and the dashboards read this table, so that a metric has the same name and
//! meaning everywhere. Names are `weir_<what>_<unit>[_total]`, durations are in seconds, sizes in bytes. Labels come
//! from closed sets: classes of statuses, reasons, and listeners, files, upstreams, servers and keys as the configuration
//! names them; never a path, a host or anything else that a client can invent. Routes are told apart up to a bound. The values come from
//! [`Status`](crate::ports::Status); this module holds none, and does not know how a page is written.

mod all;
mod health;
mod kind;
mod queue;
mod retry;
mod traffic;
mod upstream;

pub use all::ALL;
pub use upstream::{
    EJECTIONS, INVENTORY_CHANGES, INVENTORY_UNUSABLE, UPSTREAM_BREAKER, UPSTREAM_EJECTED,
    UPSTREAM_REQUESTS_WAITING, UPSTREAM_WON,
};

pub use health::{HEALTH_CHANGES, HEALTH_CHECKS, SERVER_LAST_SUCCESS, SERVER_STATE, UPSTREAM_PANIC};
pub use kind::{Kind, Metric};
pub use queue::{
    DUPLICATE_UNPLACED, QUEUE_ABANDONED, QUEUE_ACCEPTED, QUEUE_BACKLOG_WRITES, QUEUE_BOUND,
    QUEUE_DEAD_LETTERS, QUEUE_DEAD_LETTERS_BYTES, QUEUE_DEAD_WRITES, QUEUE_FORGOTTEN, QUEUE_FULL,
    QUEUE_HELD_BYTES, QUEUE_HELD_WRITES, QUEUE_OLDEST_AGE, QUEUE_SETTLED, QUEUE_WRITE_ERRORS,
};
pub use retry::{RETRIES, RETRY_BUDGET_EXHAUSTED};
pub use traffic::{
    CONFIGURATION_AGE, CONFIGURATION_LOADED, CONFIGURATIONS_HELD, LIMITS_HIT, POOL_IDLE, RELOAD_SUCCEEDED,
    RELOADS, ROUTE_CONNECT_DURATION, ROUTE_DURATION, ROUTE_HEAD_DURATION, ROUTE_REQUESTS, WORKER_LAG,
    WORKER_STALLED,
};

/// The values of the label `class`, in the order of [`Status::answers_by_class`](crate::ports::Status::answers_by_class).
pub const ANSWER_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

const PER_SERVER: &[&str] = &["upstream", "server"];

/// Requests received.
pub const REQUESTS: Metric = Metric {
    name: "weir_requests_total",
    kind: Kind::Counter,
    help: "Requests received from clients.",
    labels: &[],
};

/// Requests answered.
pub const ANSWERS: Metric = Metric {
    name: "weir_answers_total",
    kind: Kind::Counter,
    help: "Requests answered, by class of the status; 1xx are upgraded connections.",
    labels: &["class"],
};

/// Requests that were refused.
pub const REFUSED_REQUESTS: Metric = Metric {
    name: "weir_refused_requests_total",
    kind: Kind::Counter,
    help: "Requests refused by rules about who may ask, how often and how much at once.",
    labels: &["reason"],
};

/// Requests that wait for their turn.
pub const REQUESTS_WAITING: Metric = Metric {
    name: "weir_requests_waiting",
    kind: Kind::Gauge,
    help: "Requests that wait for their turn now, because as many as may be are in progress.",
    labels: &[],
};

/// Entries of rates that were taken over.
pub const RATE_TAKEOVERS: Metric = Metric {
    name: "weir_rate_takeovers_total",
    kind: Kind::Counter,
    help: "Keys of rates that took over the entry of another key; they may be refused early, and `limits.client_entries` may be too small.",
    labels: &[],
};

/// Requests by the mode that took them.
pub const DISPATCHED_REQUESTS: Metric = Metric {
    name: "weir_dispatched_requests_total",
    kind: Kind::Counter,
    help: "Requests handed to servers, by dispatch mode.",
    labels: &["mode"],
};

/// Copies of requests by what became of them.
pub const COPIES: Metric = Metric {
    name: "weir_copies_total",
    kind: Kind::Counter,
    help: "Copies of requests in modes that ask several servers, by what became of them: answered the client, cancelled, failed or kept.",
    labels: &["mode", "outcome"],
};

/// Second requests.
pub const HEDGES: Metric = Metric {
    name: "weir_hedges_total",
    kind: Kind::Counter,
    help: "Second requests that were sent because the first server was slow.",
    labels: &[],
};

/// Second requests that won.
pub const HEDGES_WON: Metric = Metric {
    name: "weir_hedges_won_total",
    kind: Kind::Counter,
    help: "Second requests whose answer the client got.",
    labels: &[],
};

/// The measured time of routes that hedge.
pub const HEDGE_PERCENTILE: Metric = Metric {
    name: "weir_hedge_percentile_seconds",
    kind: Kind::Gauge,
    help: "Time within which 95 % of the answers begin, as a route that hedges believes; absent while nothing is known.",
    labels: &["service", "route"],
};

/// Copies for mirrors.
pub const MIRRORED_REQUESTS: Metric = Metric {
    name: "weir_mirrored_requests_total",
    kind: Kind::Counter,
    help: "Copies of requests for upstreams whose answers go to no client, by what became of them.",
    labels: &["upstream", "outcome"],
};

/// Answers that were compared.
pub const COMPARED_REQUESTS: Metric = Metric {
    name: "weir_compared_requests_total",
    kind: Kind::Counter,
    help: "Requests whose answer was to be compared with that of another upstream, by what came of it.",
    labels: &["service", "route", "outcome"],
};

/// What differs between them.
pub const DIFFERENCES: Metric = Metric {
    name: "weir_differences_total",
    kind: Kind::Counter,
    help: "Requests whose compared answers differ, by what differs.",
    labels: &["service", "route", "kind"],
};

/// Bodies that could not be kept.
pub const REPLAY_IMPOSSIBLE: Metric = Metric {
    name: "weir_replay_impossible_total",
    kind: Kind::Counter,
    help: "Bodies of requests or answers that could not be kept for more than one reader, by reason.",
    labels: &["reason"],
};

/// Memory of kept bodies.
pub const REPLAY_BYTES: Metric = Metric {
    name: "weir_replay_memory_bytes",
    kind: Kind::Gauge,
    help: "Bytes of memory that are reserved for bodies which more than one reader needs.",
    labels: &[],
};

/// Copies that were taken.
pub const DUPLICATE_ACKNOWLEDGEMENTS: Metric = Metric {
    name: "weir_duplicate_acknowledgements_total",
    kind: Kind::Counter,
    help: "Live copies of duplicated writes that a server has taken.",
    labels: &["upstream"],
};

/// Servers that differ.
pub const DUPLICATE_DISAGREEMENTS: Metric = Metric {
    name: "weir_duplicate_disagreements_total",
    kind: Kind::Counter,
    help: "Duplicated writes to whose live copies servers gave answers that differ, by what differs: the class of the status, or the body within a class.",
    labels: &["upstream", "kind"],
};

/// Durations of whole requests.
pub const REQUEST_DURATION: Metric = Metric {
    name: "weir_request_duration_seconds",
    kind: Kind::Histogram,
    help: "Time from the end of a request's head to the end of its answer.",
    labels: &[],
};

/// Requests in progress.
pub const REQUESTS_IN_FLIGHT: Metric = Metric {
    name: "weir_requests_in_flight",
    kind: Kind::Gauge,
    help: "Requests of clients in progress now.",
    labels: &[],
};

/// Connections accepted.
pub const CONNECTIONS: Metric = Metric {
    name: "weir_connections_total",
    kind: Kind::Counter,
    help: "Connections accepted from clients.",
    labels: &[],
};

/// TLS handshakes.
pub const TLS_HANDSHAKES: Metric = Metric {
    name: "weir_tls_handshakes_total",
    kind: Kind::Counter,
    help: "TLS handshakes with clients, by how they ended.",
    labels: &["outcome"],
};

/// Headers of the PROXY protocol.
pub const PROXY_HEADERS: Metric = Metric {
    name: "weir_proxy_headers_total",
    kind: Kind::Counter,
    help: "Connections that had to begin with a header of the PROXY protocol, by what came.",
    labels: &["outcome"],
};

/// Connections open.
pub const CONNECTIONS_OPEN: Metric = Metric {
    name: "weir_connections_open",
    kind: Kind::Gauge,
    help: "Connections of clients open now.",
    labels: &[],
};

/// Bytes of bodies from clients.
pub const RECEIVED_BYTES: Metric = Metric {
    name: "weir_received_bytes_total",
    kind: Kind::Counter,
    help: "Bytes of bodies received from clients; heads and chunk framing are not counted.",
    labels: &[],
};

/// Bytes of bodies to clients.
pub const SENT_BYTES: Metric = Metric {
    name: "weir_sent_bytes_total",
    kind: Kind::Counter,
    help: "Bytes of bodies sent to clients; heads and chunk framing are not counted.",
    labels: &[],
};

/// Exchanges that panicked.
pub const PANICS: Metric = Metric {
    name: "weir_panics_total",
    kind: Kind::Counter,
    help: "Exchanges ended by a panic; each one is a fault of Weir worth reporting.",
    labels: &[],
};

/// Access log lines dropped.
pub const ACCESS_LOG_LINES_DROPPED: Metric = Metric {
    name: "weir_access_log_lines_dropped_total",
    kind: Kind::Counter,
    help: "Access log lines dropped because the writer was behind.",
    labels: &[],
};

/// Clients that did not prove who they are.
pub const AUTHENTICATION_REFUSALS: Metric = Metric {
    name: "weir_authentication_refusals_total",
    kind: Kind::Counter,
    help: "Requests refused because their clients did not prove who they are, by reason.",
    labels: &["reason"],
};

/// Clients that did.
pub const AUTHENTICATED_REQUESTS: Metric = Metric {
    name: "weir_authenticated_requests_total",
    kind: Kind::Counter,
    help: "Requests of clients that proved who they are, by the kind of proof and the name that the configuration gives it.",
    labels: &["proof", "name"],
};

/// When certificates expire.
pub const CERTIFICATE_EXPIRES: Metric = Metric {
    name: "weir_certificate_expires_timestamp_seconds",
    kind: Kind::Gauge,
    help: "When a certificate that a listener serves expires, in seconds since 1970.",
    labels: &["listener", "file"],
};

/// Requests sent to a server.
pub const UPSTREAM_REQUESTS: Metric = Metric {
    name: "weir_upstream_requests_total",
    kind: Kind::Counter,
    help: "Requests sent to a server, repeats included.",
    labels: PER_SERVER,
};

/// Requests in flight to a server.
pub const UPSTREAM_REQUESTS_IN_FLIGHT: Metric = Metric {
    name: "weir_upstream_requests_in_flight",
    kind: Kind::Gauge,
    help: "Requests in flight to a server now.",
    labels: PER_SERVER,
};

/// Connections to a server that are open.
pub const UPSTREAM_CONNECTIONS_OPEN: Metric = Metric {
    name: "weir_upstream_connections_open",
    kind: Kind::Gauge,
    help: "Connections to a server now, idle ones included, without those of health checks.",
    labels: PER_SERVER,
};

/// Connections opened to a server.
pub const UPSTREAM_CONNECTIONS: Metric = Metric {
    name: "weir_upstream_connections_total",
    kind: Kind::Counter,
    help: "Connections opened to a server.",
    labels: PER_SERVER,
};

/// Connects that failed.
pub const UPSTREAM_CONNECT_FAILURES: Metric = Metric {
    name: "weir_upstream_connect_failures_total",
    kind: Kind::Counter,
    help: "Connects to a server that failed; the next server was tried.",
    labels: PER_SERVER,
};

/// Exchanges with a server that failed.
pub const UPSTREAM_FAILURES: Metric = Metric {
    name: "weir_upstream_failures_total",
    kind: Kind::Counter,
    help: "Exchanges with a server that failed after a byte of the request was sent.",
    labels: PER_SERVER,
};

/// The program's version.
pub const BUILD_INFO: Metric = Metric {
    name: "weir_build_info",
    kind: Kind::Gauge,
    help: "Always 1; the label says which version runs.",
    labels: &["version"],
};

/// Time since start.
pub const UPTIME: Metric = Metric {
    name: "weir_uptime_seconds",
    kind: Kind::Gauge,
    help: "Seconds since the process started.",
    labels: &[],
};

/// Readiness.
pub const READY: Metric = Metric {
    name: "weir_ready",
    kind: Kind::Gauge,
    help: "1 while new requests are welcome, 0 from the first moment of draining.",
    labels: &[],
};

/// Requests, as `weir duplicate`'s original counts them.
pub const HTTP_REQUESTS: Metric = Metric {
    name: "http_requests_total",
    kind: Kind::Counter,
    help: "Requests by method: those that clients sent (source client), and those sent to servers, repeats included (source proxy).",
    labels: &["method", "source"],
};

/// Answers, as `weir duplicate`'s original counts them.
pub const HTTP_RESPONSES: Metric = Metric {
    name: "http_responses_total",
    kind: Kind::Counter,
    help: "Answers by status: those that servers gave to Weir as their client (source client), and those that Weir gave (source proxy).",
    labels: &["code", "source"],
};

/// The names of `weir duplicate`'s original, which are served by that command alone.
pub const OF_DUPLICATE: &[Metric] = &[HTTP_REQUESTS, HTTP_RESPONSES];

#[cfg(test)]
mod tests;
