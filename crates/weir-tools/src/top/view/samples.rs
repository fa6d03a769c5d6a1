//! Views for tests, made of what an admin listener says.

use serde_json::{Value, json};

use super::*;

/// The moment of the samples, since 1970.
pub(crate) const NOW: Duration = Duration::from_secs(1_800_000_000);

pub(crate) fn server(address: &str, state: &str, requests: u64) -> Value {
    let ago = |seconds: f64| NOW.as_secs_f64() - seconds;
    let serves = state == "HEALTHY";
    let reason = match state {
        "HEALTHY" => "1 check has passed",
        "DRAINING" => "an operator drains it",
        _ => "Connection refused (os error 111)",
    };
    json!({
        "address": address, "weight": 1, "state": state, "share_permille": if serves { 500 } else { 0 },
        "requests_in_flight": if serves { 12 } else { 0 }, "requests_total": requests,
        "failures_total": if serves { 0 } else { 140 }, "connect_failures_total": if serves { 3 } else { 1 },
        "checks": {"last_success_seconds": ago(if serves { 0.5 } else { 75.0 }),
            "failures_in_a_row": if serves { 0 } else { 71 }},
        "ejection": {"breaker": "closed", "is_ejected": false, "left_seconds": null, "total": {"consecutive": 2}},
        "latency": {"p50_seconds": 0.0012, "p99_seconds": 0.0481},
        "changes": [
            {"at_seconds": ago(11_520.0), "from": "NOT_INITIATED", "to": "HEALTHY", "reason": "1 check has passed"},
            {"at_seconds": ago(72.0), "from": "HEALTHY", "to": state, "reason": reason},
        ],
    })
}

/// Two upstreams: one with a dead server, one that is duplicated to.
pub(crate) fn status(requests: u64) -> Value {
    let mut leased = server("10.0.0.7:80", "HEALTHY", requests);
    leased["lease_seconds"] = json!(8.5);
    leased["latency"] = Value::Null;
    let mut ejected = server("10.0.0.8:80", "HEALTHY", requests / 2);
    ejected["ejection"] = json!({"is_ejected": true, "left_seconds": 20.0, "total": {"consecutive": 4}});
    ejected["share_permille"] = json!(0);
    json!({
        "version": "0.1.0", "uptime_seconds": 11_520 + requests / 100, "ready": true, "connections_open": 64,
        "requests_in_flight": 24, "requests_total": 3 * requests, "answers_by_class": {"5xx": requests / 100},
        "upstreams": [
            {"name": "web", "balance": "peak_ewma", "panic": false, "retries": {"reset": 7, "connect": 5},
                "retries_unpaid": 0, "requests_waiting": null, "servers": [
                    server("127.0.0.1:9001", "HEALTHY", requests),
                    server("127.0.0.1:9002", "UNREACHABLE", 5),
                    server("127.0.0.1:9003", "HEALTHY", requests / 3),
            ]},
            {"name": "orders", "balance": "least_requests", "panic": true, "servers": [
                leased, ejected, server("orders-3.internal.example.com:8080", "DRAINING", 0),
            ]},
            {"name": "empty", "balance": "round_robin", "servers": []},
        ],
    })
}

pub(crate) fn queues() -> Value {
    json!({"queues": [{"name": "orders", "backlog_writes": 1240, "servers": [
        {"server": "10.0.0.7:80", "backlog": 0, "dead": 0}, {"server": "10.0.0.8:80", "backlog": 1234, "dead": 3},
    ]}]})
}

/// A view that has heard two answers, a second apart.
pub(crate) fn view() -> View {
    let mut view = View::new("127.0.0.1:9180", true, NOW);
    for requests in [1000, 1500] {
        let report = Report::read(&status(requests), &queues()).expect("a report");
        view.hear(Heard::Report(report, Duration::from_secs(1)), NOW);
    }
    view
}
