//! Metrics of requests that were repeated, or would have been.

use super::{Kind, Metric};

/// Repeats.
pub const RETRIES: Metric = Metric {
    name: "weir_retries_total",
    kind: Kind::Counter,
    help: "Repeats of requests, by why: the connection broke, the answer came too late, or its status.",
    labels: &["upstream", "reason"],
};

/// Repeats that were not made.
pub const RETRY_BUDGET_EXHAUSTED: Metric = Metric {
    name: "weir_retry_budget_exhausted_total",
    kind: Kind::Counter,
    help: "Repeats that were wanted and safe, and not made because the budget could not pay them.",
    labels: &["upstream"],
};
