//! Metrics of the writes that wait for servers of mode `duplicate`, of dead letters, and of how much of either there may be.

use super::{Kind, Metric, PER_SERVER};

/// Writes that a fault of ours has refused.
pub const DUPLICATE_UNPLACED: Metric = Metric {
    name: "weir_duplicate_unplaced_total",
    kind: Kind::Counter,
    help: "Writes that were refused with 503 because their queue did not know one of the servers; each one is a fault of Weir \
           worth reporting.",
    labels: &["upstream"],
};

/// Writes that wait.
pub const QUEUE_BACKLOG_WRITES: Metric = Metric {
    name: "weir_queue_backlog_writes",
    kind: Kind::Gauge,
    help: "Writes that wait for the server, the one on its way included.",
    labels: PER_SERVER,
};

/// How far a server is behind.
pub const QUEUE_OLDEST_AGE: Metric = Metric {
    name: "weir_queue_oldest_age_seconds",
    kind: Kind::Gauge,
    help: "Seconds since the oldest write that waits for the server was accepted; 0 when none waits.",
    labels: PER_SERVER,
};

/// Dead letters.
pub const QUEUE_DEAD_WRITES: Metric = Metric {
    name: "weir_queue_dead_writes",
    kind: Kind::Gauge,
    help: "Dead letters: writes that the server has refused, or did not take in time, and that are kept.",
    labels: PER_SERVER,
};

/// What `backlog` bounds.
pub const QUEUE_HELD_WRITES: Metric = Metric {
    name: "weir_queue_held_writes",
    kind: Kind::Gauge,
    help: "Writes that some server has yet to get, each once, those in progress included; bounded by `backlog`.",
    labels: &["upstream"],
};

/// What `backlog_bytes` bounds.
pub const QUEUE_HELD_BYTES: Metric = Metric {
    name: "weir_queue_held_bytes",
    kind: Kind::Gauge,
    help: "Bytes of the writes that some server has yet to get, those in progress included; bounded by `backlog_bytes`.",
    labels: &["upstream"],
};

/// What `dead_letters` bounds.
pub const QUEUE_DEAD_LETTERS: Metric = Metric {
    name: "weir_queue_dead_letters",
    kind: Kind::Gauge,
    help: "Writes that are dead letters and nothing else, each once: those that all servers have refused, which are forgotten \
           first, and the others, which are kept; bounded by `dead_letters`.",
    labels: &["upstream", "kind"],
};

/// What `dead_letters_bytes` bounds.
pub const QUEUE_DEAD_LETTERS_BYTES: Metric = Metric {
    name: "weir_queue_dead_letters_bytes",
    kind: Kind::Gauge,
    help: "Bytes of the writes that are dead letters and nothing else; bounded by `dead_letters_bytes`.",
    labels: &["upstream", "kind"],
};

/// The bounds themselves.
pub const QUEUE_BOUND: Metric = Metric {
    name: "weir_queue_bound",
    kind: Kind::Gauge,
    help: "The bounds of the queue as they are configured: writes or bytes.",
    labels: &["upstream", "of"],
};

/// Writes that were accepted.
pub const QUEUE_ACCEPTED: Metric = Metric {
    name: "weir_queue_accepted_total",
    kind: Kind::Counter,
    help: "Writes that were accepted.",
    labels: &["upstream"],
};

/// What became of writes.
pub const QUEUE_SETTLED: Metric = Metric {
    name: "weir_queue_settled_total",
    kind: Kind::Counter,
    help: "Writes that the server needs no more (delivered, discarded by hand) or that became its dead letters \
           (refused, expired, dropped, unreadable).",
    labels: &["upstream", "server", "outcome"],
};

/// Dead letters that are no more.
pub const QUEUE_FORGOTTEN: Metric = Metric {
    name: "weir_queue_forgotten_total",
    kind: Kind::Counter,
    help: "Dead letters that were forgotten because there were too many; with `full: reject` only those that all servers \
           had refused.",
    labels: PER_SERVER,
};

/// Writes without room.
pub const QUEUE_FULL: Metric = Metric {
    name: "weir_queue_full_total",
    kind: Kind::Counter,
    help: "Writes that were refused with 503 because the backlog or the dead letters were full.",
    labels: &["upstream"],
};

/// A disk that is full or broken.
pub const QUEUE_WRITE_ERRORS: Metric = Metric {
    name: "weir_queue_write_errors_total",
    kind: Kind::Counter,
    help: "Times that the file of the queue could not be written.",
    labels: &["upstream"],
};

/// Writes that never became any.
pub const QUEUE_ABANDONED: Metric = Metric {
    name: "weir_queue_abandoned_total",
    kind: Kind::Counter,
    help: "Writes whose client went away before the body was whole.",
    labels: &["upstream"],
};
