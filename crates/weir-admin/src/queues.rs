//! Queues of writes as JSON: the shapes of the admin API and of `weir queue`.
//!
//! | asked with | path under `/api/v1` | answered with |
//! |---|---|---|
//! | GET | `/queues` | `{"queues": […]}`, each a [`queue`] |
//! | GET | `/queues/NAME` | a [`queue`] |
//! | GET | `/queues/NAME/writes?server=S&dead=true&from=N&max=M` | [`writes`] |
//! | GET | `/queues/NAME/writes/N` | [`write()`] |
//! | POST | `/queues/NAME/retry?server=S&write=N&dead=true` | [`done`] |
//! | DELETE | `/queues/NAME/writes/N?server=S&dead=true` | [`done`] |
//! | DELETE | `/queues/NAME/writes?server=S&dead=true`, or `?all=true` | [`done`] |
//!
//! Without parameters, *retry* is about all. Errors are problem documents (RFC 9457) whose `detail` says what to do.
//!
//! A head may hold what nobody but the server should see. Of its fields the values are shown only where they are known to be harmless;
//! which field of the others is a secret is for its owner to know. Bodies are not shown.

use std::time::Duration;

use serde_json::{Value, json};
use weir_core::ports::queue::{Done, QueueServerStatus, QueueStatus, QueuedTarget, QueuedWrite};
use weir_core::queue::{Full, LaneCounts, Sequence, State};

/// Fields whose values are shown, in lower case.
const SHOWN: [&str; 8] = [
    "host",
    "content-type",
    "content-length",
    "content-encoding",
    "idempotency-key",
    "user-agent",
    "x-request-id",
    "date",
];

/// One queue with its servers.
pub fn queue(status: &QueueStatus) -> Value {
    let limits = &status.limits;
    json!({
        "name": &*status.name,
        "durable": status.durable,
        "backlog_writes": status.backlog_writes,
        "backlog_writes_max": limits.backlog_writes_max,
        "backlog_bytes": status.backlog_bytes,
        "backlog_bytes_max": limits.backlog_bytes_max,
        "dead_writes": status.dead_writes(),
        "dead_writes_refused_by_all": status.dead_refused.writes,
        "dead_bytes": status.dead_bytes(),
        "dead_bytes_refused_by_all": status.dead_refused.bytes,
        "dead_bytes_max": limits.dead_bytes_max,
        "dead_writes_max": limits.dead_writes_max,
        "dead_letters_full": status.dead_letters_full,
        "keep_seconds": limits.keep.as_secs(),
        "full": match limits.full {
            Full::Reject => "reject",
            Full::DropOldest => "drop_oldest",
        },
        "order": if limits.strict_order { "strict" } else { "per_server" },
        "accepted_total": status.accepted_total,
        "full_total": status.full_total,
        "abandoned_total": status.abandoned_total,
        "commits_total": status.commits_total,
        "write_errors_total": status.write_errors_total,
        "servers": status.servers.iter().map(server).collect::<Vec<_>>(),
    })
}

fn server(server: &QueueServerStatus) -> Value {
    json!({
        "server": &*server.name,
        "orphaned": !server.configured,
        "gate": if server.gate_closed { "closed" } else { "open" },
        "backlog": server.backlog,
        "oldest_age_seconds": server.oldest_age.map(|age| age.as_secs()),
        "in_flight": server.in_flight,
        "live": server.live,
        "dead": server.dead,
        "failures": server.failures,
        "next_in_seconds": server.next_in.as_secs_f64(),
        "last_failure": server.last_failure.map(|outcome| outcome.to_string()),
        "counts": counts(&server.counts),
    })
}

fn counts(counts: &LaneCounts) -> Value {
    json!({
        "delivered_total": counts.delivered_total,
        "failures_total": counts.failures_total,
        "refused_total": counts.refused_total,
        "expired_total": counts.expired_total,
        "dropped_total": counts.dropped_total,
        "unreadable_total": counts.unreadable_total,
        "forgotten_total": counts.forgotten_total,
        "discarded_total": counts.discarded_total,
    })
}

/// A page of a list. With as many as were asked for there may be more: `next` is where they begin.
pub fn writes(page: &[QueuedWrite], max: usize) -> Value {
    let next = page.last().filter(|_| page.len() >= max).map(|last| last.sequence.0 + 1);
    json!({ "writes": page.iter().map(listed).collect::<Vec<_>>(), "next": next })
}

fn listed(write: &QueuedWrite) -> Value {
    let (method, target) = start_line(&write.head);
    json!({
        "write": write.sequence.0,
        "accepted_seconds": write.accepted.as_secs(),
        "bytes": write.bytes,
        "method": method,
        "target": target,
        "servers": write.targets.iter().map(target_json).collect::<Vec<_>>(),
    })
}

/// One write, with its fields.
pub fn write(write: &QueuedWrite) -> Value {
    let mut value = listed(write);
    value["fields"] = fields(&write.head).collect();
    value
}

fn target_json(target: &QueuedTarget) -> Value {
    let seconds = |moment: Duration| Value::from(moment.as_secs());
    let (since, reason, status) = match target.state {
        State::Live => (Value::Null, Value::Null, Value::Null),
        State::Waiting { since } | State::Flying { since } => (seconds(since), Value::Null, Value::Null),
        State::Dead { burial, since } => {
            (seconds(since), burial.name().into(), burial.status().map_or(Value::Null, Value::from))
        }
    };
    json!({
        "server": &*target.server,
        "orphaned": !target.configured,
        "state": target.state.name(),
        "since_seconds": since,
        "reason": reason,
        "status": status,
    })
}

/// What was done.
pub fn done(done: &Done) -> Value {
    let refusals = done.refusals.iter().map(|(Sequence(write), server, refusal)| {
        json!({ "write": write, "server": &**server, "why": refusal.to_string() })
    });
    json!({ "done": done.entries, "refusals": refusals.collect::<Vec<_>>() })
}

/// Method and target of a head as it is stored: lines that end in CR LF.
fn start_line(head: &[u8]) -> (String, String) {
    let line = lines(head).next().unwrap_or_default();
    let mut words = line.split(' ').map(str::to_owned);
    (words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

fn fields(head: &[u8]) -> impl Iterator<Item = Value> {
    let lines: Vec<String> = lines(head).skip(1).take_while(|line| !line.is_empty()).collect();
    lines.into_iter().map(|line| {
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let shown = SHOWN.contains(&name.to_ascii_lowercase().as_str());
        json!({ "name": name, "value": shown.then(|| value.trim()) })
    })
}

fn lines(head: &[u8]) -> impl Iterator<Item = String> {
    head.split(|byte| *byte == b'\n')
        .map(|line| String::from_utf8_lossy(line).trim_end_matches('\r').to_owned())
}

#[cfg(test)]
mod tests {
    use weir_core::queue::{Burial, Refusal};

    use super::*;

    fn queued() -> QueuedWrite {
        let target =
            |server: &str, configured, state| QueuedTarget { server: server.into(), configured, state };
        let since = Duration::from_secs(20);
        QueuedWrite {
            sequence: Sequence(7),
            accepted: Duration::from_secs(10),
            bytes: 99,
            head: b"POST /a?b=c HTTP/1.1\r\nHost: example.test\r\nAuthorization: Bearer secret\r\nX-Api-Key: secret\r\n\r\n"
                .as_slice()
                .into(),
            targets: vec![
                target("a:1", true, State::Waiting { since }),
                target("b:1", false, State::Dead { burial: Burial::Refused { status: 422 }, since }),
            ],
        }
    }

    #[test]
    fn a_write_is_shown_without_its_secrets() {
        let shown = write(&queued());
        assert_eq!(shown["method"], "POST");
        assert_eq!(shown["target"], "/a?b=c");
        assert_eq!(shown["fields"][0], json!({"name": "Host", "value": "example.test"}));
        assert_eq!(shown["fields"][1], json!({"name": "Authorization", "value": null}));
        assert_eq!(shown["fields"].as_array().map(Vec::len), Some(3));
        assert!(!shown.to_string().contains("secret"), "{shown}");
        let servers = json!([
            {"server": "a:1", "orphaned": false, "state": "waiting", "since_seconds": 20, "reason": null, "status": null},
            {"server": "b:1", "orphaned": true, "state": "dead", "since_seconds": 20, "reason": "refused", "status": 422},
        ]);
        assert_eq!(shown["servers"], servers);
    }

    #[test]
    fn a_full_page_says_where_the_next_one_begins() {
        assert_eq!(writes(&[queued()], 1)["next"], 8);
        assert_eq!(writes(&[queued()], 2)["next"], Value::Null);
        assert_eq!(writes(&[], 2), json!({"writes": [], "next": null}));
    }

    #[test]
    fn what_was_not_done_says_why() {
        let result = Done { entries: 2, refusals: vec![(Sequence(3), "a:1".into(), Refusal::InProgress)] };
        let why = "the write is on its way to the server right now";
        assert_eq!(
            done(&result),
            json!({"done": 2, "refusals": [{"write": 3, "server": "a:1", "why": why}]})
        );
    }

    /// A file may hold anything; nothing in it stops a list.
    #[test]
    fn a_head_that_is_none_is_shown_all_the_same() {
        for head in [&b""[..], b"\r\n", b"POST", b"\xff\xff \xff\r\nno colon\r\n"] {
            let shown = write(&QueuedWrite { head: head.into(), ..queued() });
            assert!(shown["fields"].is_array(), "{head:?}");
        }
    }
}
