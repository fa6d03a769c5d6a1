//! Upstreams for people: a table of servers with their states, and what was changed while the proxy ran.

use std::time::Duration;

use serde_json::Value;
use weir_tools::top::amount;
use weir_tools::top::report::{Report, Server, is_shown_as_ejected, shown_state};

use crate::output::Paint;
use crate::table::{list, table, word};

/// Every server of every upstream, with what it is and what it does, at this moment since 1970. The same words and columns as in
/// `weir top`.
pub(crate) fn servers(report: &Report, now: Duration, color: bool) -> String {
    if report.pools.is_empty() {
        return "no upstream: no route sends requests to servers\n".to_owned();
    }
    let mut text = String::new();
    for pool in &report.pools {
        let name = Paint::Strong.on(color, &pool.name);
        text.push_str(&format!("{name}  {}", pool.balance));
        for (count, word) in
            [(pool.retries, "retries"), (pool.retries_unpaid, "not paid"), (pool.waiting, "waiting")]
        {
            if let Some(count) = count.filter(|count| *count > 0) {
                text.push_str(&format!(", {count} {word}"));
            }
        }
        text.push_str(if pool.is_in_panic { ", too few are left: health is ignored\n" } else { "\n" });
        match (&pool.inventory, &pool.inventory_problem) {
            (_, Some(problem)) => {
                let problem = Paint::Bad.on(color, format!("the inventory can't be used: {problem}"));
                text.push_str(&format!("  {problem}\n"));
            }
            (Some(file), None) => text.push_str(&format!("  inventory {file}\n")),
            (None, None) => {}
        }
        let mut rows = vec![HEAD.map(str::to_owned)];
        rows.extend(pool.servers.iter().map(|server| row(server, now)));
        match rows.len() {
            1 => text.push_str("  no servers: its requests get 503\n"),
            _ => text.push_str(&table(&rows)),
        }
    }
    text
}

const HEAD: [&str; 13] = [
    "SERVER",
    "STATE",
    "FAILED",
    "LAST HEALTHY",
    "IN FLIGHT",
    "REQUESTS",
    "P50",
    "P99",
    "EJECTED",
    "QUEUE",
    "WEIGHT",
    "SHARE",
    "WHY",
];

fn row(server: &Server, now: Duration) -> [String; 13] {
    let leased = match server.lease {
        Some(lease) => format!(" (lease {} s)", lease.as_secs()),
        None => String::new(),
    };
    let known = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    [
        format!("{}{leased}", server.address),
        shown_state(server),
        server.failures_total.to_string(),
        known(server.last_healthy.map(|at| format!("{} ago", amount::span(now.saturating_sub(at))))),
        server.in_flight.to_string(),
        server.requests_total.to_string(),
        known(server.median.map(amount::latency)),
        known(server.slowest.map(amount::latency)),
        known(server.ejections.map(|count| count.to_string())),
        known(server.backlog.map(|backlog| backlog.writes.to_string())),
        server.weight.to_string(),
        format!("{:.1} %", server.share_permille as f64 / 10.0),
        why(server),
    ]
}

/// Why it is in the state that is shown.
fn why(server: &Server) -> String {
    match server.changes.last() {
        _ if is_shown_as_ejected(server) => "requests to it failed".to_owned(),
        Some(change) => change.reason.clone(),
        None => String::new(),
    }
}

/// What is different from the configuration.
pub(crate) fn differences(value: &Value, color: bool) -> String {
    let mut text = String::new();
    for upstream in list(&value["upstreams"]) {
        let differences = list(&upstream["differences"]);
        if differences.is_empty() {
            continue;
        }
        let name = Paint::Strong.on(color, word(&upstream["name"]));
        text.push_str(&format!("{name}\n"));
        for difference in differences {
            text.push_str(&format!("  {}\n", self::difference(difference)));
        }
    }
    match text.is_empty() {
        true => "nothing was changed: the servers are those of the configuration\n".to_owned(),
        false => text,
    }
}

fn difference(value: &Value) -> String {
    let (server, weight) = (word(&value["server"]), &value["weight"]);
    match value["kind"].as_str() {
        Some("added") if value["is_leased"] == true => {
            format!("+ {server}  weight {weight}, registered itself")
        }
        Some("added") => format!("+ {server}  weight {weight}"),
        Some("left") => format!("- {server}  weight {weight}"),
        Some("weight") => format!("~ {server}  weight {weight}, {} in the file", value["written_weight"]),
        _ => format!("~ {server}  {}", word(&value["kind"])),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn shown(value: &Value) -> String {
        let report = Report::read(value, &Value::Null).unwrap();
        servers(&report, Duration::from_secs(100), false)
    }

    #[test]
    fn a_table_has_a_line_for_each_server_and_says_why() {
        let change = &json!({"reason": "connection refused"});
        let server = json!({"address": "b:2", "state": "UNREACHABLE", "weight": 2, "share_permille": 0,
            "requests_in_flight": 1, "requests_total": 7, "failures_total": 2, "connect_failures_total": 3,
            "lease_seconds": 9.4, "changes": [change], "checks": {"last_success_seconds": 40.0}});
        let web = json!({"name": "web", "balance": "p2c", "panic": true, "servers": [server]});
        let text = shown(&json!({"upstreams": [web]}));
        assert!(text.starts_with("web  p2c, too few are left: health is ignored\n"), "{text}");
        for part in ["b:2 (lease 9 s)", "UNREACHABLE", "  5  ", "1m ago", "0.0 %", "connection refused"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(text.lines().count(), 3, "{text}");
        let ejected = json!({"address": "c:3", "state": "HEALTHY", "changes": [change],
            "ejection": {"is_ejected": true, "left_seconds": 7.2}});
        let inventory = json!({"file": "hosts.conf", "problem": "hosts.conf:2:1: `x` is not a server"});
        let web = json!({"name": "web", "balance": "p2c", "servers": [ejected], "inventory": inventory});
        let text = shown(&json!({"upstreams": [web]}));
        for part in ["EJECTED 7s", "requests to it failed", "can't be used: hosts.conf:2:1: `x`"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("connection refused"), "that was before: {text}");
        let empty = json!({"name": "web", "balance": "p2c", "servers": []});
        assert!(shown(&json!({"upstreams": [empty]})).contains("503"));
        assert!(shown(&json!({"upstreams": []})).starts_with("no upstream"));
    }

    #[test]
    fn every_difference_has_its_line() {
        let all = json!([
            {"server": "a", "kind": "added", "weight": 1, "is_leased": false},
            {"server": "b", "kind": "added", "weight": 1, "is_leased": true},
            {"server": "c", "kind": "left", "weight": 1},
            {"server": "d", "kind": "weight", "weight": 3, "written_weight": 1},
            {"server": "e", "kind": "disabled"},
        ]);
        let text = differences(&json!({"upstreams": [{"name": "web", "differences": all}]}), false);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let expected = [
            "web",
            "+ a  weight 1",
            "+ b  weight 1, registered itself",
            "- c  weight 1",
            "~ d  weight 3, 1 in the file",
            "~ e  disabled",
        ];
        assert_eq!(lines, expected);
        assert!(
            differences(&json!({"upstreams": [{"name": "web", "differences": []}]}), false)
                .contains("nothing")
        );
    }
}
