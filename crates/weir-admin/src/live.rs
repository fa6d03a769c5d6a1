//! What the live view is told each second: what changes, and no more of it than fits on a screen.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use weir_core::metric::ANSWER_CLASSES;
use weir_core::ports::queue::QueueStatus;
use weir_core::ports::traffic::RouteTraffic;
use weir_core::ports::{EjectionStatus, Histogram, ServerStatus, Status, UpstreamStatus};
use weir_core::traffic::STATUS_CLASSES;

use crate::certificates::certificate;
use crate::configuration::configuration;
use crate::metrics::bucket_counts;
use crate::sources::Sources;

/// Servers in a document; those beyond are counted in `servers_left_out`.
const SERVERS_MAX: usize = 2000;

/// Failures in a document, the newest.
const FAILURES_MAX: usize = 20;

/// This moment in time since 1970.
#[expect(clippy::disallowed_methods, reason = "the view shows the time of day")]
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// The document of this moment.
pub(crate) fn document(sources: &Sources) -> Value {
    let status = sources.status.status();
    let mut document = of_status(&status, now());
    let failures = sources.status.failures();
    document["failures"] = failures.iter().take(FAILURES_MAX).map(crate::failures::failure).collect();
    document
}

/// What stands in it of a status.
pub(crate) fn of_status(status: &Status, now: Duration) -> Value {
    let answers = ANSWER_CLASSES.iter().zip(status.answers_by_class);
    let mut left = SERVERS_MAX;
    let upstreams: Vec<Value> = status.upstreams.iter().map(|one| upstream(one, &mut left)).collect();
    let servers: usize = status.upstreams.iter().map(|one| one.servers.len()).sum();
    json!({
        "at_seconds": now.as_secs_f64(),
        "version": status.version,
        "uptime_seconds": status.uptime_seconds,
        "ready": status.ready,
        "workers": status.workers,
        "listeners": status.listeners,
        "certificates": status.certificates.iter().map(certificate).collect::<Vec<_>>(),
        "panics_total": status.panics_total,
        "log_lines_dropped": status.log_lines_dropped,
        "stalled_seconds": status.stalled.as_secs_f64(),
        "configuration": configuration(&status.configuration),
        "connections_open": status.connections_open,
        "connections_total": status.connections_total,
        "requests_in_flight": status.requests_in_flight,
        "requests_waiting": status.requests_waiting,
        "requests_total": status.requests_total,
        "answers_by_class": Value::Object(answers.map(|(class, count)| ((*class).to_owned(), count.into())).collect()),
        "bytes_received": status.bytes_received,
        "bytes_sent": status.bytes_sent,
        "request_duration": durations(&status.request_duration),
        "routes": status.routes.iter().map(route).collect::<Vec<_>>(),
        "upstreams": upstreams,
        "servers_left_out": servers.saturating_sub(SERVERS_MAX),
        "queues": status.queues.iter().map(queue).collect::<Vec<_>>(),
    })
}

/// Counts per bucket without their bounds, which are those of `/api/v1/status`.
fn durations(histogram: &Histogram) -> Value {
    json!({ "sum_seconds": histogram.sum_seconds, "counts": bucket_counts(histogram) })
}

fn route(route: &RouteTraffic) -> Value {
    json!({
        "service": route.service,
        "route": route.route,
        "requests_by_class": requests_by_class(route),
        "duration": durations(&route.total),
    })
}

/// Requests by the class of their status.
pub(crate) fn requests_by_class(route: &RouteTraffic) -> Value {
    let classes = STATUS_CLASSES.map(|class| {
        let counts = route.requests.iter().filter(|one| one.status == class);
        (class.to_owned(), counts.map(|one| one.count).sum::<u64>().into())
    });
    Value::Object(classes.into_iter().collect())
}

fn upstream(upstream: &UpstreamStatus, left: &mut usize) -> Value {
    let servers = &upstream.servers[..upstream.servers.len().min(*left)];
    *left -= servers.len();
    json!({
        "name": upstream.name,
        "panic": upstream.panic,
        "requests_waiting": upstream.requests_waiting,
        "retries_total": upstream.retries.iter().sum::<u64>(),
        "servers": servers.iter().map(server).collect::<Vec<_>>(),
    })
}

fn server(server: &ServerStatus) -> Value {
    json!({
        "address": server.address,
        "state": server.state.name(),
        "since_seconds": server.since.as_secs_f64(),
        "reason": server.changes.last().map(|change| &change.reason),
        "breaker": EjectionStatus::BREAKERS[usize::from(server.ejection.breaker.min(2))],
        "is_ejected": server.ejection.is_out,
        "share_permille": server.share_permille,
        "requests_in_flight": server.requests_in_flight,
        "requests_total": server.requests_total,
        "won_total": server.won_total,
        "failures_total": server.failures_total + server.connect_failures_total,
        "connections_open": server.connections_open,
        "p50_seconds": server.latency.map(|latency| latency.median.as_secs_f64()),
        "p99_seconds": server.latency.map(|latency| latency.slowest.as_secs_f64()),
    })
}

fn queue(queue: &QueueStatus) -> Value {
    let oldest = queue.servers.iter().filter_map(|server| server.oldest_age).max();
    json!({
        "name": &*queue.name,
        "backlog_writes": queue.backlog_writes,
        "backlog_bytes": queue.backlog_bytes,
        "dead_writes": queue.dead_kept.writes + queue.dead_refused.writes,
        "oldest_age_seconds": oldest.map(|age| age.as_secs()),
    })
}
