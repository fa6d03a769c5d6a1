//! Requests that failed lately, as JSON.

use serde_json::{Value, json};
use weir_core::ports::failures::RecentFailure;

/// One of them.
pub(crate) fn failure(failure: &RecentFailure) -> Value {
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    json!({
        "at_seconds": failure.at.as_secs_f64(),
        "service": known(&failure.service),
        "route": known(&failure.route),
        "server": known(&failure.server),
        "method": failure.method,
        "path": failure.path,
        "status": (failure.status > 0).then_some(failure.status),
        "reason": failure.reason,
        "text": failure.text,
        "attempts": failure.attempts,
        "duration_seconds": failure.duration.as_secs_f64(),
        "request_id": known(&failure.request_id),
    })
}
