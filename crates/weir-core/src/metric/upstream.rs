//! Metrics of servers that are taken out because requests to them fail, of requests that wait for servers, of servers whose
//! answers win, and of files that name servers.

use super::{Kind, Metric, PER_SERVER};

/// Servers that were taken out.
pub const EJECTIONS: Metric = Metric {
    name: "weir_ejections_total",
    kind: Kind::Counter,
    help: "Times that a server was taken out because requests to it failed, by reason: failures in a row, a share of them, or a trial.",
    labels: &["upstream", "server", "reason"],
};

/// Servers that are out.
pub const UPSTREAM_EJECTED: Metric = Metric {
    name: "weir_upstream_ejected",
    kind: Kind::Gauge,
    help: "1 while a server is out because requests to it failed, else 0.",
    labels: PER_SERVER,
};

/// Breakers.
pub const UPSTREAM_BREAKER: Metric = Metric {
    name: "weir_upstream_breaker",
    kind: Kind::Gauge,
    help: "The breaker of a server: 0 closed, 1 half-open (some requests try the server), 2 open.",
    labels: PER_SERVER,
};

/// Requests that wait for an upstream.
pub const UPSTREAM_REQUESTS_WAITING: Metric = Metric {
    name: "weir_upstream_requests_waiting",
    kind: Kind::Gauge,
    help: "Requests that wait for their turn at an upstream now, where its requests are limited.",
    labels: &["upstream"],
};

/// Requests whose answer came from a server.
pub const UPSTREAM_WON: Metric = Metric {
    name: "weir_upstream_won_total",
    kind: Kind::Counter,
    help: "Requests whose answer came from a server, in modes that ask several.",
    labels: PER_SERVER,
};

/// Changes of inventories.
pub const INVENTORY_CHANGES: Metric = Metric {
    name: "weir_inventory_changes_total",
    kind: Kind::Counter,
    help: "Changes of the file that names servers of an upstream: taken, or refused because it can't be used.",
    labels: &["upstream", "outcome"],
};

/// Inventories that can't be used.
pub const INVENTORY_UNUSABLE: Metric = Metric {
    name: "weir_inventory_unusable",
    kind: Kind::Gauge,
    help: "1 while the file that names servers of an upstream can't be used, and its servers stay as they were; else 0.",
    labels: &["upstream"],
};
