//! Answers of the admin listener are read, also those of other versions and of who is no Weir.

use serde_json::json;

use super::*;

#[test]
fn what_is_not_said_is_unknown() {
    let report =
        Report::read(&json!({"upstreams": [{"name": "web", "servers": [{"address": "a:1"}]}]}), &Value::Null);
    let report = report.expect("a report");
    let server = &report.pools[0].servers[0];
    assert_eq!((server.median, server.last_healthy, server.check_failures), (None, None, None));
    assert_eq!((server.ejections, server.backlog, report.pools[0].retries), (None, None, None));
}

#[test]
fn who_has_no_upstreams_is_no_weir() {
    for other in [json!({}), json!([]), json!("x"), json!({"upstreams": 3}), Value::Null] {
        assert_eq!(Report::read(&other, &Value::Null), None, "{other}");
    }
}

#[test]
fn everything_that_is_said_is_read() {
    let server = json!({
        "address": "a:1", "state": "HEALTHY", "share_permille": 500, "weight": 2, "requests_in_flight": 3,
        "requests_total": 10, "failures_total": 4, "connect_failures_total": 5, "lease_seconds": 9.5,
        "checks": {"last_success_seconds": 100.5, "failures_in_a_row": 2},
        "ejection": {"breaker": "half_open", "is_ejected": true, "left_seconds": 3.0,
            "total": {"consecutive": 1, "share": 2, "trial": 3}},
        "latency": {"p50_seconds": 0.001, "p99_seconds": 0.5},
        "changes": [{"at_seconds": 7.0, "from": "HEALTHY", "to": "UNREACHABLE", "reason": "refused"}],
    });
    let pool = json!({"name": "web", "balance": "p2c", "panic": true, "requests_waiting": 8, "retries_unpaid": 1,
        "retries": {"reset": 2, "5xx": 3}, "servers": [server]});
    let queues = json!({"queues": [{"name": "other"}, {"name": "web", "servers": [
        {"server": "b:1", "backlog": 1}, {"server": "a:1", "backlog": 7, "dead": 2}]}]});
    let report = Report::read(&json!({"upstreams": [pool]}), &queues).expect("a report");
    let pool = &report.pools[0];
    assert_eq!((pool.retries, pool.waiting, pool.is_in_panic), (Some(5), Some(8), true));
    let server = &pool.servers[0];
    assert_eq!((server.ejections, server.failures_total), (Some(6), 9));
    assert_eq!(server.last_healthy, Some(Duration::from_millis(100_500)));
    assert_eq!(server.median, Some(Duration::from_millis(1)));
    assert_eq!(server.backlog, Some(Backlog { writes: 7, dead: 2 }));
    assert!(server.is_ejected && server.is_tried);
}

/// Numbers of another program, or of a clock that went wrong, must not stop the view.
#[test]
fn nonsense_is_no_time() {
    for nonsense in [json!(-1.0), json!(1e300), json!("soon"), json!([]), json!({})] {
        assert_eq!(seconds(&nonsense), None, "{nonsense}");
    }
}

fn counted(uptime: u64, requests: &[(&str, u64)]) -> Report {
    let servers: Vec<_> = requests
        .iter()
        .map(|(address, total)| json!({"address": address, "requests_total": total}))
        .collect();
    let status = json!({"uptime_seconds": uptime, "requests_total": 100 * uptime,
        "upstreams": [{"name": "web", "servers": servers}]});
    Report::read(&status, &Value::Null).expect("a report")
}

fn rates(report: &Report) -> Vec<Option<f64>> {
    report.pools[0].servers.iter().map(|server| server.requests_per_second).collect()
}

#[test]
fn a_rate_is_the_difference_of_two_answers() {
    let before = counted(10, &[("a", 100), ("b", 50)]);
    // One has left, one has come, and one has joined again with new counters.
    let mut after = counted(12, &[("b", 70), ("c", 5)]);
    after.measure(&before, Duration::from_secs(2));
    assert_eq!(rates(&after), [Some(10.0), None]);
    assert_eq!(after.requests_per_second, Some(100.0));
    assert_eq!(after.pools[0].requests_per_second(), Some(10.0));
    let mut anew = counted(12, &[("a", 3), ("b", 50)]);
    anew.measure(&before, Duration::from_secs(1));
    assert_eq!(rates(&anew), [None, Some(0.0)]);
}

#[test]
fn after_a_restart_nothing_is_known_yet() {
    let before = counted(10, &[("a", 1)]);
    let mut after = counted(1, &[("a", 100)]);
    after.measure(&before, Duration::from_secs(1));
    assert_eq!((rates(&after), after.requests_per_second), (vec![None], None));
    let mut at_once = counted(10, &[("a", 100)]);
    at_once.measure(&before, Duration::ZERO);
    assert_eq!(rates(&at_once), [None]);
}

#[test]
fn names_are_made_harmless() {
    assert_eq!(harmless("a\x1b[2Jb\r\n\u{202e}c\u{9b}d"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}\u{fffd}c\u{fffd}d");
    assert_eq!(harmless("größe:80"), "größe:80");
    let evil = json!({"upstreams": [{"name": "w\x1b[0m", "balance": "\x07", "servers": [
        {"address": "a\x1b]0;x\x07", "state": "\x1bc", "changes": [{"reason": "\x1b[31m"}]}]}]});
    let report = Report::read(&evil, &Value::Null).expect("a report");
    let mut server = report.pools[0].servers[0].clone();
    assert!(server.written.contains('\x1b'), "it is asked about under its own name");
    server.written.clear();
    assert!(!format!("{server:?}{}{}", report.pools[0].name, report.pools[0].balance).contains("\\u{1b}"));
}

#[test]
fn one_that_is_ejected_does_not_look_healthy() {
    let healthy = Server { state: "HEALTHY".to_owned(), is_ejected: true, ..Server::default() };
    assert_eq!(shown_state(&healthy), "EJECTED");
    let left = Some(Duration::from_secs(12));
    assert_eq!(shown_state(&Server { ejected_for: left, ..healthy.clone() }), "EJECTED 12s");
    assert_eq!(shown_state(&Server { state: "DRAINING".to_owned(), ..healthy }), "DRAINING");
}
