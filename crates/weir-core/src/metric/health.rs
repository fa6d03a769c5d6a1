//! The metrics of servers' health.

use super::kind::{Kind, Metric};

/// The state of a server.
pub const SERVER_STATE: Metric = Metric {
    name: "weir_server_state",
    kind: Kind::Gauge,
    help: "1 for the state that a server is in, 0 for each of the others.",
    labels: &["upstream", "server", "state"],
};

/// When a check of a server passed last.
pub const SERVER_LAST_SUCCESS: Metric = Metric {
    name: "weir_server_last_success_timestamp_seconds",
    kind: Kind::Gauge,
    help: "When a check of a server passed last, in seconds since 1970; 0 for never.",
    labels: &["upstream", "server"],
};

/// Checks of a server.
pub const HEALTH_CHECKS: Metric = Metric {
    name: "weir_health_checks_total",
    kind: Kind::Counter,
    help: "Checks of a server by what came of them: passed, not connected to, too late, or a wrong answer.",
    labels: &["upstream", "server", "outcome"],
};

/// Changes of a server's state.
pub const HEALTH_CHANGES: Metric = Metric {
    name: "weir_health_changes_total",
    kind: Kind::Counter,
    help: "Changes of a server's state, by checks and by people.",
    labels: &["upstream", "server"],
};

/// Whether health is ignored.
pub const UPSTREAM_PANIC: Metric = Metric {
    name: "weir_upstream_panic",
    kind: Kind::Gauge,
    help: "1 while so few servers of an upstream are left that their health is ignored, else 0.",
    labels: &["upstream"],
};
