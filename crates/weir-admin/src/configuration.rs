//! The configuration in force: since when, and how the last reload went.

use serde_json::{Value, json};
use weir_core::ports::configuration::ConfigurationStatus;

/// What is known of it.
pub(crate) fn configuration(status: &ConfigurationStatus) -> Value {
    json!({
        "loaded_seconds": status.loaded.as_secs_f64(),
        "reloads_done": status.reloads_done,
        "reloads_refused": status.reloads_refused,
        "problem": status.problem,
        "held": status.held,
    })
}
