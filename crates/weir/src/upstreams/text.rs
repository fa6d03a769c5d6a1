//! Upstreams for people: a table of servers with their states, and what was changed while the proxy ran.

use serde_json::Value;

use crate::output::Paint;
use crate::table::{list, table, word};

/// Every server of every upstream, with what it is and what it does.
pub(crate) fn servers(value: &Value, color: bool) -> String {
    let upstreams = list(&value["upstreams"]);
    if upstreams.is_empty() {
        return "no upstream: no route sends requests to servers\n".to_owned();
    }
    let mut text = String::new();
    for upstream in upstreams {
        let name = Paint::Strong.on(color, word(&upstream["name"]));
        let panic = if upstream["panic"] == true { ", too few are left: health is ignored" } else { "" };
        text.push_str(&format!("{name}  {}{panic}\n", word(&upstream["balance"])));
        let mut rows = vec![
            ["SERVER", "STATE", "WEIGHT", "SHARE", "IN FLIGHT", "REQUESTS", "FAILED", "WHY"]
                .map(str::to_owned),
        ];
        rows.extend(list(&upstream["servers"]).iter().map(row));
        match rows.len() {
            1 => text.push_str("  no servers: its requests get 503\n"),
            _ => text.push_str(&table(&rows)),
        }
    }
    text
}

fn row(server: &Value) -> [String; 8] {
    let number = |key: &str| server[key].as_u64().unwrap_or(0);
    let leased = match server["lease_seconds"].as_f64() {
        Some(seconds) => format!(" (lease {seconds:.0} s)"),
        None => String::new(),
    };
    [
        format!("{}{leased}", word(&server["address"])),
        word(&server["state"]),
        number("weight").to_string(),
        format!("{:.1} %", number("share_permille") as f64 / 10.0),
        number("requests_in_flight").to_string(),
        number("requests_total").to_string(),
        (number("failures_total") + number("connect_failures_total")).to_string(),
        list(&server["changes"]).last().map_or_else(String::new, |change| word(&change["reason"])),
    ]
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
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_has_a_line_for_each_server_and_says_why() {
        let change = json!({"reason": "connection refused"});
        let server = json!({"address": "b:2", "state": "UNREACHABLE", "weight": 2, "share_permille": 0,
            "requests_in_flight": 1, "requests_total": 7, "failures_total": 2, "connect_failures_total": 3,
            "lease_seconds": 9.4, "changes": [change]});
        let web = json!({"name": "web", "balance": "p2c", "panic": true, "servers": [server]});
        let text = servers(&json!({"upstreams": [web]}), false);
        assert!(text.starts_with("web  p2c, too few are left: health is ignored\n"), "{text}");
        for part in ["b:2 (lease 9 s)", "UNREACHABLE", "0.0 %", "connection refused"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(text.lines().count(), 3, "{text}");
        let empty = json!({"name": "web", "balance": "p2c", "servers": []});
        assert!(servers(&json!({"upstreams": [empty]}), false).contains("503"));
        assert!(servers(&json!({"upstreams": []}), false).starts_with("no upstream"));
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
