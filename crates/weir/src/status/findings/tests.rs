//! Each finding from the answers that bring it, and none from those that don't.

#![allow(clippy::unwrap_used)]

use super::*;

const NOW: Duration = Duration::from_secs(1_800_000_000);

/// A Weir with which nothing is wrong.
fn well() -> Answers {
    Answers {
        status: json!({
            "version": "0.1.0", "uptime_seconds": 60, "ready": true, "stalled_seconds": 0.2, "panics_total": 0,
            "log_lines_dropped": 0, "configuration": { "problem": null },
            "certificates": [{ "names": ["a.test"], "expires_seconds": NOW.as_secs() + 15 * 86_400 }],
            "upstreams": [{ "name": "web", "panic": false, "servers": [
                { "address": "a:1", "state": "HEALTHY", "share_permille": 500, "ejection": { "is_ejected": false } },
                { "address": "b:1", "state": "DISABLED", "share_permille": 0, "ejection": { "is_ejected": false } },
                { "address": "c:1", "state": "NOT_INITIATED", "share_permille": 500 }
            ]}]
        }),
        queues: json!({ "queues": [{
            "name": "web", "backlog_writes": 1, "backlog_writes_max": 10, "backlog_bytes": 1, "backlog_bytes_max": 10,
            "dead_writes": 0, "dead_letters_full": false, "full": "reject", "servers": [{ "oldest_age_seconds": null }]
        }]}),
        failures: json!({ "failures": [{ "at_seconds": NOW.as_secs() - 61, "text": "long ago" }] }),
    }
}

fn found(answers: &Answers) -> Vec<(Weight, String)> {
    let report = Report::read(&answers.status, &answers.queues).unwrap();
    all(answers, &report, NOW).into_iter().map(|one| (one.weight, one.text)).collect()
}

/// What is found once this is done to a Weir that is well.
#[track_caller]
fn check(change: impl FnOnce(&mut Answers), weight: Weight, expected: &[&str]) {
    let mut answers = well();
    change(&mut answers);
    let found = found(&answers);
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((_, text), expected) in found.iter().zip(expected) {
        assert!(text.contains(expected), "{found:?}");
    }
    assert_eq!(found[0].0, weight, "{found:?}");
}

#[test]
fn nothing_is_wrong_with_one_that_is_well_or_says_nothing() {
    assert_eq!(found(&well()), []);
    let nothing = Answers { status: json!({ "upstreams": [] }), queues: Value::Null, failures: Value::Null };
    assert_eq!(found(&nothing), []);
}

#[test]
fn the_process_is_looked_at() {
    check(|it| it.status["ready"] = json!(false), Weight::Bad, &["not ready"]);
    check(|it| it.status["stalled_seconds"] = json!(12.4), Weight::Bad, &["for 12 s"]);
    check(|it| it.status["panics_total"] = json!(1), Weight::Bad, &["1 request met a fault"]);
    check(|it| it.status["log_lines_dropped"] = json!(2), Weight::Warning, &["2 lines"]);
    check(
        |it| it.status["limits_hit"]["descriptors"] = json!(2),
        Weight::Warning,
        &["run out since the start, 2 times"],
    );
    let problem = json!("error: unknown key `x`\n --> weir.yaml:1:1\n");
    check(
        |it| it.status["configuration"]["problem"] = problem,
        Weight::Warning,
        &["stays: unknown key `x` (weir.yaml:1:1)"],
    );
}

#[test]
fn servers_are_looked_at() {
    let of = |answers: &mut Answers, server: usize, state: &str| {
        answers.status["upstreams"][0]["servers"][server]["state"] = json!(state);
    };
    let refused =
        json!([{ "from": "HEALTHY", "to": "UNREACHABLE", "at_seconds": 1, "reason": "3 checks refused" }]);
    let unreachable = |it: &mut Answers| {
        of(it, 0, "UNREACHABLE");
        it.status["upstreams"][0]["servers"][0]["changes"] = refused;
    };
    check(unreachable, Weight::Warning, &["web: a:1 is unreachable: 3 checks refused"]);
    let ejected =
        |it: &mut Answers| it.status["upstreams"][0]["servers"][0]["ejection"]["is_ejected"] = json!(true);
    check(ejected, Weight::Warning, &["web: a:1 is ejected"]);
    let both = |it: &mut Answers| {
        of(it, 0, "UNREACHABLE");
        of(it, 2, "UNREACHABLE");
    };
    check(both, Weight::Bad, &["no server is usable", "a:1", "c:1"]);
    check(|it| it.status["upstreams"][0]["servers"] = json!([]), Weight::Bad, &["web has no server"]);
    check(|it| it.status["upstreams"][0]["panic"] = json!(true), Weight::Warning, &["health is ignored"]);
    let inventory = json!({ "file": "x", "problem": "line 3" });
    check(
        |it| it.status["upstreams"][0]["inventory"] = inventory,
        Weight::Warning,
        &["can't be used: line 3"],
    );
    let down: Vec<Value> =
        (0..8).map(|port| json!({ "address": format!("a:{port}"), "state": "UNREACHABLE" })).collect();
    let mut many = well();
    many.status["upstreams"][0]["servers"] = json!(down);
    let many = found(&many);
    assert_eq!(many.len(), 1 + SERVERS_NAMED_MAX + 1);
    assert_eq!(many.last().unwrap().1, "web: and 3 more of its servers");
}

#[test]
fn queues_are_looked_at() {
    let set = |answers: &mut Answers, key: &str, value: Value| answers.queues["queues"][0][key] = value;
    let waits = |it: &mut Answers| set(it, "servers", json!([{ "oldest_age_seconds": 61 }]));
    check(waits, Weight::Warning, &["web: 1 write not yet at every server, the oldest since 1m 1s"]);
    check(|it| set(it, "backlog_writes", json!(10)), Weight::Bad, &["full (`backlog`)"]);
    check(|it| set(it, "backlog_bytes", json!(11)), Weight::Bad, &["full (`backlog_bytes`)"]);
    let dead = |it: &mut Answers, count: u64| set(it, "servers", json!([{ "server": "a:1", "dead": count }]));
    check(|it| dead(it, 1), Weight::Warning, &["web: 1 dead letter, which a:1 will not get"]);
    check(|it| set(it, "dead_letters_full", json!(true)), Weight::Bad, &["refused with 503"]);
    let drops = |it: &mut Answers| {
        set(it, "dead_letters_full", json!(true));
        set(it, "full", json!("drop_oldest"));
        dead(it, 7);
    };
    check(drops, Weight::Warning, &["7 dead letters"]);
}

#[test]
fn failures_and_certificates_are_looked_at_with_their_times() {
    let failure = |ago: u64, text: &str| json!({ "at_seconds": NOW.as_secs() - ago, "text": text });
    let failures = json!([
        failure(1, "one"),
        failure(2, "two"),
        failure(60, "two"),
        failure(61, "one"),
        failure(70, "one")
    ]);
    check(
        |it| it.failures["failures"] = failures,
        Weight::Warning,
        &["3 requests failed in the last minute, mostly: two"],
    );
    let one = json!([failure(1, "one")]);
    check(|it| it.failures["failures"] = one, Weight::Warning, &["1 request failed in the last minute: one"]);
    let expires =
        |answers: &mut Answers, at: u64| answers.status["certificates"][0]["expires_seconds"] = json!(at);
    check(|it| expires(it, NOW.as_secs()), Weight::Bad, &["a.test has expired"]);
    check(|it| expires(it, NOW.as_secs() + 90_000), Weight::Warning, &["a.test expires in 1d 1h"]);
}

#[test]
fn what_is_bad_stands_first_and_nothing_harms_a_terminal() {
    let mut answers = well();
    answers.status["log_lines_dropped"] = json!(1);
    answers.status["panics_total"] = json!(1);
    answers.failures["failures"] = json!([{ "at_seconds": NOW.as_secs(), "text": "\u{1b}[2J" }]);
    let found = found(&answers);
    assert_eq!(found[0].0, Weight::Bad);
    assert!(found.iter().all(|(_, text)| !text.contains('\u{1b}')), "{found:?}");
}

#[test]
fn the_next_command_asks_the_same_listener() {
    let check = |next: Next, admin: &str, expected: &str| assert_eq!(next.command(admin), expected);
    check(Next::Ask("weir queue list"), DEFAULT_ADDRESS, "weir queue list");
    check(Next::Ask("weir queue list"), "10.0.0.1:1", "weir queue list --admin 10.0.0.1:1");
    check(Next::Ask("weir queue list"), "unix:/run/a", "weir queue list --admin unix:/run/a");
    check(Next::Path("/readyz"), DEFAULT_ADDRESS, "curl 127.0.0.1:9180/readyz");
    check(Next::Path("/readyz"), "unix:/run/a", "curl --unix-socket /run/a localhost/readyz");
    check(Next::Run("df -h"), "unix:/run/a", "df -h");
}
