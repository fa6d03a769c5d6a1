//! What the last minutes were like, so that the live view has something to show from its first moment on.
//!
//! A look each five seconds, whether somebody listens or not: counters as they stood, of which the view makes rates. Five minutes
//! of looks are a few kilobytes.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use weir_core::ports::traffic::RouteTraffic;
use weir_core::ports::{DURATION_BOUNDS_SECONDS, Status};

use crate::metrics::bucket_counts;

/// From look to look.
pub(crate) const PERIOD: Duration = Duration::from_secs(5);

/// Looks that are kept: five minutes, which is what the view draws.
const LOOKS_MAX: usize = 60;

/// Classes of statuses that are drawn, as places among the classes of answers: 2xx to 5xx.
const CLASSES: std::ops::Range<usize> = 1..5;

/// The looks, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<VecDeque<Value>>);

impl History {
    /// Keeps a look.
    pub(crate) fn take(&self, status: &Status, now: Duration) {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.len() == LOOKS_MAX {
            looks.pop_front();
        }
        looks.push_back(json!({
            "at_seconds": now.as_secs_f64(),
            "requests": status.requests_total,
            "failed": status.routes.iter().map(failed).sum::<u64>(),
            "classes": status.answers_by_class[CLASSES],
            "durations": bucket_counts(&status.request_duration),
        }));
    }

    /// All of them.
    pub(crate) fn document(&self) -> Value {
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bounds = DURATION_BOUNDS_SECONDS.iter().map(|bound| Value::from(*bound)).chain([Value::Null]);
        json!({ "bounds_seconds": bounds.collect::<Vec<_>>(), "moments": looks.iter().collect::<Vec<_>>() })
    }
}

/// Requests of a route that failed: of servers or of ours, or because the connection broke.
fn failed(route: &RouteTraffic) -> u64 {
    route.requests.iter().filter(|one| matches!(one.status, "5xx" | "none")).map(|one| one.count).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use weir_core::ports::traffic::RequestCount;

    use super::*;

    #[test]
    fn the_last_looks_are_kept_with_what_rates_are_made_of() {
        let history = History::default();
        let count = |status, count| RequestCount { mode: "balance", method: "safe", status, count };
        let requests = vec![count("2xx", 5), count("5xx", 2), count("none", 1)];
        let routes = vec![RouteTraffic { requests, ..RouteTraffic::default() }];
        for second in 0..70 {
            let status = Status { requests_total: second, routes: routes.clone(), ..Status::default() };
            history.take(&status, Duration::from_secs(second));
        }
        let document = history.document();
        let moments = document["moments"].as_array().unwrap();
        assert_eq!(moments.len(), LOOKS_MAX);
        assert_eq!((&moments[0]["requests"], &moments[59]["requests"]), (&json!(10), &json!(69)));
        assert_eq!(moments[0]["failed"], 3);
        assert_eq!(moments[0]["classes"].as_array().unwrap().len(), 4);
        let bounds = document["bounds_seconds"].as_array().unwrap();
        assert_eq!(bounds.len(), moments[0]["durations"].as_array().unwrap().len());
    }
}
