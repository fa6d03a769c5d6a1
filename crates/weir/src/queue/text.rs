//! Queues for people: tables.

use serde_json::Value;

use crate::output::Paint;
use crate::table::{list, plain, table, word};

/// Writes of a page that are shown in one line each; a longer target is cut.
const TARGET_CHARACTERS_MAX: usize = 60;

/// Every server of every queue.
pub(crate) fn queues(value: &Value, color: bool) -> String {
    let queues = list(&value["queues"]);
    if queues.is_empty() {
        return "no queue: no route duplicates with `catch_up`\n".to_owned();
    }
    let mut text = String::new();
    for queue in queues {
        let durable = if queue["durable"] == true { "durable" } else { "in memory" };
        let name = Paint::Strong.on(color, word(&queue["name"]));
        text.push_str(&format!(
            "{name}  {durable}, {} of {} writes, {} of {} bytes wait or are in progress\n",
            queue["backlog_writes"],
            queue["backlog_writes_max"],
            queue["backlog_bytes"],
            queue["backlog_bytes_max"]
        ));
        let mut rows =
            vec![["SERVER", "WAITING", "OLDEST", "DEAD", "NEXT", "LAST FAILURE"].map(str::to_owned)];
        for server in list(&queue["servers"]) {
            let orphaned = if server["orphaned"] == true { " (orphaned)" } else { "" };
            let waits = server["backlog"].as_u64().unwrap_or(0) > 0;
            rows.push([
                format!("{}{orphaned}", word(&server["server"])),
                server["backlog"].to_string(),
                seconds(&server["oldest_age_seconds"]),
                server["dead"].to_string(),
                match (server["in_flight"] == true, waits) {
                    (true, _) => "on its way".to_owned(),
                    (false, true) => format!("in {:.1} s", server["next_in_seconds"].as_f64().unwrap_or(0.0)),
                    (false, false) => "-".to_owned(),
                },
                word(&server["last_failure"]),
            ]);
        }
        text.push_str(&table(&rows));
    }
    text
}

/// A page of writes.
pub(crate) fn writes(value: &Value, color: bool) -> String {
    let writes = list(&value["writes"]);
    if writes.is_empty() {
        return "nothing waits, and nothing is dead\n".to_owned();
    }
    let mut rows = vec![["WRITE", "BYTES", "REQUEST", "SERVERS"].map(str::to_owned)];
    for write in writes {
        rows.push([
            write["write"].to_string(),
            write["bytes"].to_string(),
            request(write),
            list(&write["servers"]).iter().map(server).collect::<Vec<_>>().join(", "),
        ]);
    }
    let more = value["next"].as_u64().map(|next| format!("more with `--from {next}`\n")).unwrap_or_default();
    format!("{}{}", table(&rows), Paint::Faint.on(color && !more.is_empty(), more))
}

/// One write with its fields.
pub(crate) fn write(value: &Value, color: bool) -> String {
    let title = Paint::Strong.on(color, format!("write {}", value["write"]));
    let mut text = format!("{title}  {}, {} bytes\n", request(value), value["bytes"]);
    for server_of in list(&value["servers"]) {
        text.push_str(&format!("  {}\n", server(server_of)));
    }
    for field in list(&value["fields"]) {
        let shown = match field["value"].as_str() {
            Some(known) => plain(known),
            None => Paint::Faint.on(color, "(not shown)"),
        };
        text.push_str(&format!("  {}: {shown}\n", word(&field["name"])));
    }
    text
}

/// What was tried again.
pub(crate) fn retried(value: &Value, _: bool) -> String {
    done(value, "wait, and are tried now")
}

/// What was thrown away.
pub(crate) fn dropped(value: &Value, _: bool) -> String {
    done(value, "dropped")
}

fn done(value: &Value, what: &str) -> String {
    let mut text = format!("{} {what}\n", value["done"]);
    for refusal in list(&value["refusals"]) {
        let why = word(&refusal["why"]);
        text.push_str(&format!("write {} for {}: {why}\n", refusal["write"], word(&refusal["server"])));
    }
    text
}

fn server(value: &Value) -> String {
    let reason = value["reason"].as_str().map(|reason| reason.replace('_', " "));
    let reason = match (reason, value["status"].as_u64()) {
        (Some(reason), Some(status)) => format!(" ({reason}, {status})"),
        (Some(reason), None) => format!(" ({reason})"),
        (None, _) => String::new(),
    };
    let orphaned = if value["orphaned"] == true { " (orphaned)" } else { "" };
    format!("{}{orphaned} {}{reason}", word(&value["server"]), word(&value["state"]))
}

fn request(value: &Value) -> String {
    let target = word(&value["target"]);
    let cut: String = target.chars().take(TARGET_CHARACTERS_MAX).collect();
    let dots = if cut.len() < target.len() { "…" } else { "" };
    format!("{} {cut}{dots}", word(&value["method"]))
}

fn seconds(value: &Value) -> String {
    match value.as_u64() {
        None => "-".to_owned(),
        Some(seconds @ 0..120) => format!("{seconds} s"),
        Some(seconds @ 120..7200) => format!("{} m", seconds / 60),
        Some(seconds) => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_has_a_line_for_each_server() {
        let server = json!({"server": "b:2", "orphaned": true, "backlog": 3, "oldest_age_seconds": 130, "in_flight": false,
            "dead": 1, "next_in_seconds": 1.25, "last_failure": "503"});
        let queue = json!({"name": "orders", "durable": true, "backlog_writes": 3, "backlog_writes_max": 10,
            "backlog_bytes": 30, "backlog_bytes_max": 100, "servers": [server]});
        let text = queues(&json!({"queues": [queue]}), false);
        assert!(
            text.starts_with("orders  durable, 3 of 10 writes, 30 of 100 bytes wait or are in progress\n"),
            "{text}"
        );
        let row: Vec<&str> =
            text.lines().last().unwrap_or_default().split("  ").filter(|cell| !cell.is_empty()).collect();
        assert_eq!(row.len(), 6, "{text}");
        assert!(text.contains("b:2 (orphaned)") && text.contains("2 m") && text.contains("503"), "{text}");
        assert!(queues(&json!({"queues": []}), false).starts_with("no queue"));
    }

    #[test]
    fn what_a_client_wrote_does_not_reach_the_terminal_as_it_is() {
        let text = write(
            &json!({"write": 1, "method": "POST", "target": "/\u{1b}[2J", "bytes": 1, "servers": [],
                "fields": [{"name": "Host", "value": "a\u{7}"}, {"name": "X-Key", "value": null}]}),
            false,
        );
        assert!(
            !text.contains('\u{1b}') && !text.contains('\u{7}') && text.contains("X-Key: (not shown)"),
            "{text}"
        );
    }

    #[test]
    fn a_page_says_what_is_left() {
        let server =
            json!({"server": "a:1", "orphaned": false, "state": "dead", "reason": "refused", "status": 422});
        let one = json!({"write": 7, "bytes": 9, "method": "PUT", "target": "/x", "servers": [server]});
        let text = writes(&json!({"writes": [one], "next": 8}), false);
        assert!(
            text.contains("a:1 dead (refused, 422)") && text.ends_with("more with `--from 8`\n"),
            "{text}"
        );
    }
}
