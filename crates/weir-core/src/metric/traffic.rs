//! Metrics of routes, of the limits that hold for everybody, of the workers' own pace and of the configuration in force.

use super::{Kind, Metric};

const PER_ROUTE: &[&str] = &["service", "route"];

/// Requests of a route.
pub const ROUTE_REQUESTS: Metric = Metric {
    name: "weir_route_requests_total",
    kind: Kind::Counter,
    help: "Requests of a route that are over, by dispatch mode (none: no server was asked), class of the method (safe, idempotent, other) and class of the status (none: there was no answer). Routes beyond the first 500 that had requests are counted together.",
    labels: &["service", "route", "mode", "method", "status"],
};

/// Durations of requests of a route.
pub const ROUTE_DURATION: Metric = Metric {
    name: "weir_route_request_duration_seconds",
    kind: Kind::Histogram,
    help: "Time from the end of a request's head to the end of its answer, by route.",
    labels: PER_ROUTE,
};

/// Durations of connects for a route.
pub const ROUTE_CONNECT_DURATION: Metric = Metric {
    name: "weir_route_connect_duration_seconds",
    kind: Kind::Histogram,
    help: "Time to open a connection to a server for a request, TLS included, by route; requests on kept connections have none.",
    labels: PER_ROUTE,
};

/// Durations until the heads of answers to requests of a route.
pub const ROUTE_HEAD_DURATION: Metric = Metric {
    name: "weir_route_head_duration_seconds",
    kind: Kind::Histogram,
    help: "Time from the attempt that was answered to the head of the server's answer, by route; in modes that ask several servers from the beginning of the request.",
    labels: PER_ROUTE,
};

/// Limits that were reached.
pub const LIMITS_HIT: Metric = Metric {
    name: "weir_limits_hit_total",
    kind: Kind::Counter,
    help: "Times that a limit was reached: what did not fit was refused (head, target, body, replay, backlog, answer_head, payload) or had to wait (connections, handshakes, descriptors); registrations for policy groups were or did.",
    labels: &["limit"],
};

/// Connections to servers that are idle.
pub const POOL_IDLE: Metric = Metric {
    name: "weir_pool_connections_idle",
    kind: Kind::Gauge,
    help: "Connections to servers that are kept for a next request, as of the last second.",
    labels: &[],
};

/// How late workers are.
pub const WORKER_LAG: Metric = Metric {
    name: "weir_worker_loop_lag_seconds",
    kind: Kind::Histogram,
    help: "By how much a worker came late to what it does at regular times, at least once in a second; about a millisecond is the clock itself.",
    labels: &[],
};

/// For how long a worker has been silent.
pub const WORKER_STALLED: Metric = Metric {
    name: "weir_worker_stalled_seconds",
    kind: Kind::Gauge,
    help: "For how long the worker that is latest now is overdue with what it does at regular times; 0 when none is.",
    labels: &[],
};

/// When the configuration was taken.
pub const CONFIGURATION_LOADED: Metric = Metric {
    name: "weir_configuration_loaded_timestamp_seconds",
    kind: Kind::Gauge,
    help: "When the configuration in force was taken, in seconds since 1970.",
    labels: &[],
};

/// Its age.
pub const CONFIGURATION_AGE: Metric = Metric {
    name: "weir_configuration_age_seconds",
    kind: Kind::Gauge,
    help: "For how long the configuration has been in force.",
    labels: &[],
};

/// Those in memory.
pub const CONFIGURATIONS_HELD: Metric = Metric {
    name: "weir_configurations_held",
    kind: Kind::Gauge,
    help: "Configurations in memory: the one in force, and those under which requests go on that began before a reload.",
    labels: &[],
};

/// Reloads.
pub const RELOADS: Metric = Metric {
    name: "weir_reloads_total",
    kind: Kind::Counter,
    help: "Reloads of the configuration, by outcome: done or refused.",
    labels: &["outcome"],
};

/// How the last one went.
pub const RELOAD_SUCCEEDED: Metric = Metric {
    name: "weir_reload_succeeded",
    kind: Kind::Gauge,
    help: "1 when the last reload was done or there was none, 0 when it was refused and the configuration before it is still in force.",
    labels: &[],
};
