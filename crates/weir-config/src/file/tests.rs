//! Single keys: what is taken, what is refused, where and with which hint.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use crate::load;
use crate::model::{Drain, Limits, Model, Timeouts};

fn outcome(text: &str) -> Result<Model, Vec<String>> {
    load::parse("t", text.as_bytes(), &|_| None, Path::new("")).map(|loaded| loaded.model).map_err(|report| {
        let shown = report.problems().iter().map(|problem| {
            let place = problem.span.map(|span| report.source().position(span.start));
            let column = place.map_or(0, |place| place.column);
            format!("{column} {} | {}", problem.message, problem.hint.as_deref().unwrap_or_default())
        });
        shown.collect()
    })
}

/// `Ok`: a part of the model's debug text. `Err`: parts of the problems in order; columns count in the whole text.
fn check(text: &str, expected: Result<&str, &[&str]>) {
    match (outcome(text), expected) {
        (Ok(model), Ok(part)) => {
            let shown = format!("{model:?}");
            let fits = part.split(" … ").all(|part| shown.contains(part));
            assert!(fits, "{text}: no {part:?} in {shown}");
        }
        (Err(problems), Err(parts)) => {
            assert_eq!(problems.len(), parts.len(), "{text}: {problems:#?}");
            for (problem, part) in problems.iter().zip(parts) {
                let fits = part.split(" … ").all(|part| problem.contains(part));
                assert!(fits, "{text}: {problem:?} has not {part:?}");
            }
        }
        (got, _) => panic!("{text}: {got:#?}"),
    }
}

fn check_top(line: &str, expected: Result<&str, &[&str]>) {
    check(&format!("{line}\nservices: [{{host: a, respond: {{}}}}]"), expected);
}

/// Keys of a route; columns begin at 33.
fn check_route(keys: &str, expected: Result<&str, &[&str]>) {
    check(&format!("services: [{{host: a, routes: [{{{keys}}}]}}]"), expected);
}

fn check_forward(keys: &str, expected: Result<&str, &[&str]>) {
    check_route(&format!("upstream: [\"b:1\"], {keys}"), expected);
}

/// What the reference calls a default is what the model has without the key.
#[test]
fn written_defaults_are_the_defaults() {
    let limits = "limits: {head: 32KiB, fields: 100, target: 16KiB, body: unlimited, connections: unlimited, \
                  requests_per_connection: unlimited, client_entries: 262144}";
    let timeouts = "timeouts: {request_head: 15s, request_body: 60s, idle: 75s, client_write: 60s, connect: 2s, \
                    answer_head: 60s, answer_body: 60s, upstream_idle: 4s, reuse_unsafe: 1s, upgraded_idle: 1h, \
                    request: off}";
    let drain = "drain: {idle: 5s, deadline: 30s}";
    let model =
        outcome(&format!("{limits}\n{timeouts}\n{drain}\nservices: [{{host: a, respond: {{}}}}]")).unwrap();
    assert_eq!(model.limits, Limits::default());
    assert_eq!(model.timeouts, Timeouts::default());
    assert_eq!(model.drain, Drain::default());

    // The same for every table at once: a default in a table decodes to what its absence gives.
    let bare = format!("{:?}", outcome("services: [{host: a, respond: {}}]").unwrap());
    for line in [
        "listen: 127.0.0.1:8080",
        "access_log: common",
        "access_log: {format: common}",
        "access_log: {sample: 100%}",
        "request_id: {from: anyone, answer: true}",
        "trace: continue",
        "trace: {rule: continue, from: anyone, sampled: 100%}",
        "server_timing: false",
        "forwarded: false",
        "backend_server: false",
    ] {
        let model = outcome(&format!("{line}\nservices: [{{host: a, respond: {{}}}}]")).unwrap();
        assert_eq!(format!("{model:?}"), bare, "{line}");
    }
    // Where it stands is another place each time.
    let shown = |text: &str| {
        let mut model = outcome(text).unwrap();
        model.upstreams.iter_mut().for_each(|upstream| upstream.in_place = None);
        format!("{model:?}")
    };
    let bare = shown("services: [{host: a, upstream: {servers: [\"b:1\"]}}]");
    for (route, upstream, server) in [
        ("path: /", "balance: round_robin", "weight: 1"),
        ("path: /", "balance: {mode: round_robin}", "weight: 1"),
        ("dispatch: balance", "retry: {attempts: 2, on: [connect_failure, reset]}", "weight: 1"),
        (
            "methods: GET",
            "health: {tcp: true, interval: 1s, jitter: 10%, unhealthy_interval: 250ms, timeout: 1s, unhealthy_after: 3, \
             healthy_after: 1, panic: 10%}",
            "weight: 1",
        ),
    ] {
        let text = format!(
            "services: [{{host: a, {route}, upstream: {{servers: [{{address: \"b:1\", {server}}}], {upstream}}}}}]"
        );
        let made = shown(&text);
        if upstream.starts_with("health") {
            let text =
                "services: [{host: a, methods: GET, upstream: {servers: [\"b:1\"], health: {tcp: true}}}]";
            assert_eq!(made, shown(text));
        } else {
            assert_eq!(made, bare, "{text}");
        }
    }
}

#[test]
fn keys_are_strict() {
    check_top("workerz: 1", Err(&["1 unknown key `workerz` … did you mean `workers`?"]));
    check_top("Workers: 1", Err(&["did you mean `workers`?"]));
    check_top("weight: 1", Err(&["`weight` is a key of `server`, not of `configuration`"]));
    check_top("colour: 1", Err(&["the keys of `configuration` are `listen`"]));
    check_top("tls: {certificate: x}", Err(&["1 unknown key `tls` | `tls` is a key of `listener`"]));
    // They were words for later once, and are keys of routes now.
    check_top("mirror: b", Err(&["`mirror` is a key of `service` or `route`, not of `configuration`"]));
    check_top("compare: b", Err(&["`compare` is a key of `service` or `route`, not of `configuration`"]));
    check_top("listen: {address: :80, protocol: h2}", Err(&["34 … `h2`"]));
    check_top("listen: {adress: :80}", Err(&["did you mean `address`?"]));
    check_top("listen: {}", Err(&["`listener` needs `address`"]));
    check("services: [{hots: a, respond: {}}]", Err(&["did you mean `host`?"]));
    check("services: [{respond: {}}]", Err(&["`service` needs `host`"]));
}

#[test]
fn quantities_have_units_and_bounds() {
    check_top("timeouts: {connect: 250ms}", Ok("connect: 250ms"));
    check_top("timeouts: {connect: 2}", Err(&["21 `2` is not a duration … write `2s`"]));
    check_top("timeouts: {connect: 0s}", Err(&["`0s` is not from `1ms` to `24h`"]));
    check_top("timeouts: {connect: 25h}", Err(&["`25h` is not from `1ms` to `24h`"]));
    check_top("timeouts: {upgraded_idle: 25h}", Ok("upgraded_idle: 90000s"));
    check_top("timeouts: {request: off}", Ok("request: None"));
    check_top("timeouts: {request: 5s}", Ok("request: Some(5s)"));
    check_top("timeouts: {idle: off}", Err(&["`off` is not a duration"]));
    check_top("drain: {idle: 0s, deadline: 0s}", Ok("Drain { idle: 0ns, deadline: 0ns }"));
    check_top("limits: {head: 64KiB}", Ok("head_bytes: 65536"));
    check_top("limits: {head: 64}", Err(&["write `64B`"]));
    check_top("limits: {head: 512B}", Err(&["is not from `1KiB` to `1MiB`"]));
    check_top("limits: {head: 2MiB}", Err(&["is not from `1KiB` to `1MiB`"]));
    check_top("limits: {head: 4KiB}", Ok("target_bytes: 4096"));
    check_top("limits: {head: 4KiB, target: 8KiB}", Err(&["30 `target` is larger than `head`"]));
    check_top("limits: {body: 10MiB}", Ok("body_bytes: Some(10485760)"));
    check_top("limits: {body: 0B}", Ok("body_bytes: Some(0)"));
    check_top("limits: {client_entries: 1024}", Ok("client_entries: 1024"));
    check_top(
        "limits: {client_entries: 1000}",
        Err(&["the number of entries is 1024 to 100000000, found 1000"]),
    );
    check_top("limits: {fields: 0}", Err(&["the number of fields is 1 to 256, found 0"]));
    check_top("limits: {connections: 99999999999999999999}", Err(&["is 1 to 10000000, found"]));
    check_top("workers: 2000", Err(&["the number of workers is 1 to 1024"]));
    check_top("workers: -1", Err(&["expected a whole number, found `-1`"]));
    check_top("workers: 0x10", Err(&["expected a whole number"]));
    check_top("workers: [4]", Err(&["expected a whole number, found a list"]));
    check_top("workers:", Err(&["expected a whole number, found nothing … take the key away"]));
}

#[test]
fn routes_ask() {
    check_route("respond: {}, path: /orders/", Ok("path: Prefix(\"/orders/\")"));
    check_route("respond: {}, path: exact:/x", Ok("path: Exact(\"/x\")"));
    check_route("respond: {}, path: orders", Err(&["51 `orders` is not a path … begin it with `/`"]));
    check_route("respond: {}, path: \"regex:(\"", Err(&["is not a path: unclosed group"]));
    check_route("respond: {}, methods: [GET, POST]", Ok("methods: [\"GET\", \"POST\"]"));
    check_route("respond: {}, methods: post", Err(&["upper case: `POST`"]));
    check_route("respond: {}, methods: []", Err(&["found an empty list"]));
    check_route("respond: {}, headers: {X-A: 5}", Ok("FieldRule { name: \"x-a\", value: Some(\"5\") }"));
    check_route("respond: {}, headers: {X-A: true}", Ok("FieldRule { name: \"x-a\", value: None }"));
    check_route("respond: {}, headers: {X-A: \"*\"}", Ok("FieldRule { name: \"x-a\", value: None }"));
    check_route(
        "respond: {}, headers: {X-A: \"true\"}",
        Ok("FieldRule { name: \"x-a\", value: Some(\"true\") }"),
    );
    check_route("respond: {}, headers: {X-A: false}", Err(&["cannot ask that something is absent"]));
    check_route("respond: {}, headers: {X-A: 1, x-a: 2}", Err(&["`x-a` stands twice"]));
    check_route("respond: {}, headers: {Host: x}", Err(&["does not ask for the field `Host`"]));
    check_route("respond: {}, query: {debug: true}", Ok("QueryRule { name: \"debug\", value: None }"));
    check_route("respond: {}, query: {q: a b}", Err(&["a space is `%20`"]));
    check("services: [{host: \"*.Example.com.\", respond: {}}]", Ok("Wildcard(\"example.com\")"));
    check("services: [{host: \"a:80\", respond: {}}]", Err(&["a host has no port here"]));
    check("services: [{host: [], respond: {}}]", Err(&["found an empty list"]));
}

#[test]
fn routes_edit() {
    check_forward("strip: /api/", Ok("path: Strip(\"/api\")"));
    check_forward("strip: /", Err(&["takes nothing away"]));
    check_forward(
        "path: /api/, rewrite: {prefix: /v2/}",
        Ok("ReplacePrefix { from: \"/api\", to: \"/v2\" }"),
    );
    check_forward("rewrite: {prefix: /v2}", Ok("ReplacePrefix { from: \"\", to: \"/v2\" }"));
    check_forward("path: exact:/x, rewrite: {prefix: /v2}", Err(&["needs a `path` that is a prefix"]));
    check_forward("strip: /a, rewrite: {prefix: /v2}", Err(&["either `strip` or `rewrite`"]));
    check_forward("rewrite: {regex: '/(\\d+)', to: /$1}", Ok("to: \"/$1\""));
    check_forward("rewrite: {regex: '/(?<id>\\d+)', to: /$id/$0}", Ok("to: \"/$id/$0\""));
    check_forward("rewrite: {regex: '/(\\d+)', to: /$2}", Err(&["no group `2` … `$0` to `$1`"]));
    check_forward("rewrite: {regex: '/(\\d+)', to: /$1a}", Err(&["no group `1a` … write `$${1}a`"]));
    check_forward("rewrite: {regex: '/(\\d+)', to: \"/$${1}a\"}", Ok("to: \"/${1}a\""));
    check_forward("rewrite: {regex: '(', to: /}", Err(&["is no regular expression: unclosed group"]));
    check_forward("rewrite: {regex: 'a'}", Err(&["either `prefix`, or `regex` with `to`"]));
    check_forward("rewrite: {}", Err(&["either `prefix`, or `regex` with `to`"]));
    check_forward("rewrite: {prefix: /a, regex: b, to: c}", Err(&["either `prefix`, or `regex` with `to`"]));
    check_forward("request_headers: {set: {X-A: b}, remove: X-B}", Ok("set: [(\"X-A\", \"b\")]"));
    check_forward("answer_headers: {add: {Link: [a, b]}}", Ok("add: [(\"Link\", \"a\"), (\"Link\", \"b\")]"));
    check_forward("request_headers: {set: {Content-Length: 5}}", Err(&["belongs to the connection"]));
    check_forward("request_headers: {remove: [transfer-encoding]}", Err(&["belongs to the connection"]));
    check_forward("request_headers: {set: {Host: x}}", Err(&["`host: NAME`"]));
    check_forward("request_headers: {set: {X-A: \"a\\r\\nX-B: c\"}}", Err(&["has no line end"]));
    check_forward("request_headers: {set: {X-A: 1, x-A: 2}}", Err(&["stands twice"]));
    check_forward("host: keep", Ok("host: Keep"));
    check_forward("host: server", Ok("host: Server"));
    check_forward("host: Other.example:8080", Ok("host: Name(\"Other.example:8080\")"));
    check_forward("host: \"a b\"", Err(&["cannot be sent as Host"]));
    check_forward("host: \"*.example\"", Err(&["cannot be sent as Host"]));
}

#[test]
fn routes_answer() {
    check_route("redirect: /x", Ok("Redirect { status: 302, location: \"/x\" }"));
    check_route("redirect: {status: 308, to: \"https://$host$path$query\"}", Ok("status: 308"));
    check_route("redirect: {status: 304, to: /x}", Err(&["304 is no redirect"]));
    check_route("redirect: {to: x}", Err(&["neither a path nor a URL"]));
    check_route("redirect: $hots/x", Err(&["did you mean `$host`?"]));
    check_route("redirect: \"/x\\r\\nSet-Cookie: a\"", Err(&["is not a location"]));
    check_route("redirect: {}", Err(&["`redirect` needs `to`"]));
    check_route("respond: {status: 404, body: no}", Ok("status: 404, body: \"no\""));
    check_route("respond: {}", Ok("status: 200, body: \"\", content_type: \"text/plain; charset=utf-8\""));
    check_route("respond: {status: 204, body: x}", Err(&["status 204 has no body"]));
    check_route("respond: {status: 99}", Err(&["is 200 to 599"]));
    check_route("respond: {content_type: \"a\\nb\"}", Err(&["has no line end"]));
}

#[test]
fn dispatch_is_a_mode_or_a_mode_for_each_method() {
    for taken in ["balance", "{mode: balance}", "{\"*\": balance}"] {
        check_forward(&format!("dispatch: {taken}"), Ok("by_method: [], others: Balance"));
    }
    check_forward("dispatch: {GET: {mode: balance}}", Ok("by_method: [(\"GET\", Balance)], others: Balance"));
    check_forward("dispatch: {PUT: race, \"*\": majority}", Ok("others: Majority"));
    check_forward("dispatch: balence", Err(&["did you mean `balance`?"]));
    check_forward(
        "dispatch: {mode: balance, budgt: 5%}",
        Err(&["unknown key `budgt` … did you mean `budget`?"]),
    );
    check_forward("dispatch: {post: balance}", Err(&["upper case: `POST`"]));
    check_forward("dispatch: {\"p95 \": balance}", Err(&["is not a method … maps methods to modes"]));
    check_forward("dispatch: {}", Err(&["found an empty mapping"]));
    check_forward("dispatch: [balance]", Err(&["found a list"]));
}

#[test]
fn modes_have_keys_and_defaults() {
    check_forward(
        "dispatch: race",
        Ok("Race(RaceRule { usable: StatusSet(2xx, 3xx, 4xx), width: None, stagger: 0ns"),
    );
    check_forward(
        "dispatch: {mode: race, usable: [404, 5xx, 300-302]}",
        Ok("usable: StatusSet(300-302, 404, 5xx)"),
    );
    check_forward("dispatch: {mode: race, otherwise: 500}", Ok("otherwise: Status(500)"));
    check_forward("dispatch: {mode: race, width: 1, stagger: 20ms}", Ok("width: Some(1), stagger: 20ms"));
    check_forward("dispatch: hedge", Ok("after: Percentile, at_most: 1s, budget_share: 0.05"));
    check_forward(
        "dispatch: {mode: hedge, after: 50ms, budget: 100%}",
        Ok("after: Fixed(50ms), at_most: 1s, budget_share: 1.0"),
    );
    check_forward("dispatch: majority", Ok("Majority(MajorityRule { otherwise: Status(502) })"));
    check_forward(
        "dispatch: {mode: majority, otherwise: best}",
        Ok("Majority(MajorityRule { otherwise: Best("),
    );
    check_forward(
        "dispatch: duplicate",
        Ok(
            "acknowledge: First, answer_timeout: 10s, strict_order: false, catch_up: Memory, keep: 86400s, backlog_max: 100000, backlog_bytes_max: 1073741824, dead_letters_max: 100000, dead_letters_bytes_max: 268435456, full: Reject",
        ),
    );
    check_forward("dispatch: {mode: duplicate, acknowledge: 1}", Ok("acknowledge: Number(1)"));
    check_forward(
        "dispatch: {mode: duplicate, order: strict, full: drop_oldest, catch_up: \"off\"}",
        Ok("strict_order: true, catch_up: Off"),
    );
    check_forward("dispatch: {mode: duplicate, backlog_bytes: 2MiB}", Ok("backlog_bytes_max: 2097152"));
    check_forward("dispatch: {mode: duplicate, backlog_bytes: 2KiB}", Err(&["`2KiB`"]));
    let dead = "dispatch: {mode: duplicate, dead_letters: 7, dead_letters_bytes: 2MiB}";
    check_forward(dead, Ok("dead_letters_max: 7, dead_letters_bytes_max: 2097152"));
    check_forward("dispatch: {mode: duplicate, dead_letters: 0}", Err(&["`dead_letters`"]));
    check_forward("dispatch: {mode: race, dead_letters_bytes: 2MiB}", Err(&["`dead_letters_bytes`"]));
    check_forward(
        "dispatch: {mode: race, usable: 6xx}",
        Err(&["`6xx` is no class … `2xx`, `404` or `500-503`"]),
    );
    check_forward("dispatch: {mode: race, usable: 503-500}", Err(&["is no class"]));
    check_forward("dispatch: {mode: race, usable: []}", Err(&["found an empty list"]));
    check_forward("dispatch: {mode: race, otherwise: 200}", Err(&["is no answer when none is usable"]));
    check_forward("dispatch: {mode: race, width: 0}", Err(&["`width` is 1 to 1000"]));
    check_forward("dispatch: {mode: hedge, after: p99}", Err(&["write `p95`"]));
    check_forward("dispatch: {mode: hedge, after: 2h}", Err(&["is not from `1ms` to `1h`"]));
    check_forward("dispatch: {mode: hedge, budget: 200%}", Err(&["a share is at most"]));
    check_forward(
        "dispatch: {mode: duplicate, acknowledge: most}",
        Err(&["`most` is no acknowledgement rule"]),
    );
    check_forward("dispatch: {mode: duplicate, acknowledge: 0}", Err(&["`0` is no acknowledgement rule"]));
}

#[test]
fn how_much_of_a_body_is_kept() {
    check_top(
        "replay: {memory: 64KiB}",
        Ok("replay: Replay { memory_bytes: 65536, disk_bytes: Some(1073741824)"),
    );
    check_top("replay: {disk: \"off\"}", Ok("disk_bytes: None"));
    check_top("replay: {memory: 1KiB}", Err(&["`1KiB` is not from `16KiB`"]));
    check_top("replay: {disc: 1GiB}", Err(&["did you mean `disk`?"]));
}

#[test]
fn what_a_hash_is_made_of() {
    let check = |keys: &str, expected: Result<&str, &[&str]>| {
        check(
            &format!(
                "services: [{{host: a, upstream: {{servers: [\"b:1\"], balance: {{mode: hash, {keys}}}}}}}]"
            ),
            expected,
        );
    };
    check("", Ok("strategy: Hash, key: Address, bound_percent: 125"));
    check("on: path, bound: 200%", Ok("key: Path, bound_percent: 200"));
    check("on: {header: X-User}", Ok("key: Header(\"X-User\")"));
    check("on: {cookie: session}", Ok("key: Cookie(\"session\")"));
    check("on: adress", Err(&["did you mean `address`?"]));
    check("on: {}", Err(&["does not say what requests have in common … {cookie: NAME}"]));
    check("on: {header: A, cookie: b}", Err(&["either a header or a cookie"]));
    check("on: {header: \"X User\"}", Err(&["not the name of a field"]));
    check("on: {cookie: \"a=b\"}", Err(&["not the name of a cookie"]));
    check("bound: 99%", Err(&["less than a server's share … no room"]));
    check("bound: 1001%", Err(&["more than `1000%`"]));
    check("bound: 1.25", Err(&["not a bound … `125%`"]));
    check("bound: 1e3%", Err(&["not a bound"]));
    check("bound: \"%\"", Err(&["more than"]));
}

#[test]
fn upstreams_choose_and_retry() {
    let check = |keys: &str, expected: Result<&str, &[&str]>| {
        check(&format!("services: [{{host: a, upstream: {{servers: [\"b:1\"], {keys}}}}}]"), expected);
    };
    check("balance: least_requests", Ok("strategy: LeastRequests"));
    check("balance: least_conn", Err(&["`least_conn` is no balancing strategy"]));
    check("balance: roundrobin", Err(&["did you mean `round_robin`?"]));
    check("balance: []", Err(&["a balancing strategy"]));
    check("balance: {}", Err(&["`balance` needs `mode`"]));
    check("balance: {mode: peak_ewma, decay: 2s}", Ok("strategy: PeakEwma … decay: 2s"));
    check(
        "balance: {mode: load, forget: 1m, reports_pass: true}",
        Ok("strategy: Load … forget: 60s, reports_pass: true"),
    );
    check("balance: {mode: load, forget: 1ms}", Err(&["`1ms` is not from `100ms`"]));
    check("balance: {mode: hashed}", Err(&["did you mean `hash`?"]));
    check(
        "retry: {attempts: 3, on: [reset, 503], per_try: 1s}",
        Ok("attempts: 3, on: [Reset, Status(503)], per_try_timeout: Some(1s)"),
    );
    check("retry: {on: 502}", Ok("on: [Status(502)]"));
    check("retry: {on: [200]}", Err(&["400 to 599"]));
    check("retry: {on: [resets]}", Err(&["did you mean `reset`?"]));
    check("retry: {attempts: 0}", Err(&["1 to 10, found 0"]));
    check("timeouts: {idle: 9s, connect: 1s}", Ok("upstream_idle: 9s"));
    check("timeouts: {upstream_idle: 9s}", Err(&["unknown key `upstream_idle`"]));
}

#[test]
fn retry_budgets_and_waits() {
    let check = |keys: &str, expected: Result<&str, &[&str]>| {
        let upstream = format!("{{servers: [\"b:1\"], retry: {{{keys}}}}}");
        check(&format!("services: [{{host: a, upstream: {upstream}}}]"), expected);
    };
    check("attempts: 3", Ok("budget: Some(BudgetRule { share_millionths: 200000, least: 10 })"));
    check("budget: off", Ok("budget: None"));
    check("budget: {share: 50%}", Ok("share_millionths: 500000, least: 10"));
    check("budget: {share: 0.5%, least: 3}", Ok("share_millionths: 5000, least: 3"));
    check("budget: {least: 0}", Ok("share_millionths: 200000, least: 0"));
    check("budget: {share: 0%}", Ok("share_millionths: 0, least: 10"));
    check(
        "budget: {share: 0%, least: 0}",
        Err(&["a budget of nothing pays no repeat | write `attempts: 1`"]),
    );
    check("budget: {share: 101%}", Err(&["a share is at most"]));
    check("budget: {least: 10/s}", Err(&["expected a whole number"]));
    check("budget: {least: 100001}", Err(&["0 to 100000"]));
    check("budget: {least: -1}", Err(&["expected a whole number"]));
    check("budget: {shares: 5%}", Err(&["did you mean `share`?"]));
    check("budget: 20%", Err(&["expected a mapping"]));
    check("budget: false", Err(&["write `off`"]));
    check("attempts: 3", Ok("backoff: Backoff { first: 25ms, at_most: 250ms, retry_after: 5s }"));
    check("backoff: off", Ok("backoff: Backoff { first: 0ns, at_most: 0ns, retry_after: 5s }"));
    check("backoff: {first: 1s}", Ok("first: 1s, at_most: 1s"));
    check("backoff: {at_most: 10ms}", Ok("first: 10ms, at_most: 10ms"));
    check(
        "backoff: {first: 5ms, at_most: 1s, retry_after: 0s}",
        Ok("first: 5ms, at_most: 1s, retry_after: 0ns"),
    );
    check("backoff: {first: 2s, at_most: 1s}", Err(&["the first wait is longer than the longest: `2s`"]));
    check("backoff: {first: 0ms}", Err(&["is not from `1ms` to `1m`"]));
    check("backoff: {at_most: 2m}", Err(&["is not from"]));
    check("backoff: {retry_after: 2h}", Err(&["is not from"]));
    check("backoff: {frist: 1ms}", Err(&["did you mean `first`?"]));
    check("backoff: 25ms", Err(&["expected a mapping"]));
}

#[test]
fn listening_and_logging() {
    check_top("listen: [:80, \"unix:/x\"]", Ok("Unix(\"/x\")"));
    check_top("listen: [:80, {address: :80}]", Err(&["this address stands twice"]));
    check_top("listen: [:0, :0]", Ok("[::]:0"));
    check_top("listen: 8080", Err(&["write `127.0.0.1:8080`"]));
    check_top("listen: [8080, 8081]", Err(&["`127.0.0.1:8080`", "`127.0.0.1:8081`"]));
    check_top("admin: off", Ok("admin: Off"));
    check_top("admin: 127.0.0.1:1", Ok("admin: At(AdminListen { address: Tcp(127.0.0.1:1)"));
    check_top("admin: false", Err(&["write `off`"]));
    check_top("admin: unix:/x", Ok("Unix(\"/x\")"));
    check_top("admin: []", Err(&["found a list"]));
    check_top("listen: 127.0.0.1:80\nadmin: 127.0.0.1:80", Err(&["cannot share an address"]));
    check_top("listen: unix:/x\nadmin: {address: unix:/x}", Err(&["cannot share an address"]));
    check_top("access_log: off", Ok("access_log: Off"));
    check_top("access_log: json", Ok("format: Known(Json), target: Stderr"));
    check_top("access_log: {file: a.log}", Ok("format: Known(Common), target: File(\"a.log\")"));
    check_top("access_log: jsn", Err(&["did you mean `json`?"]));
    check_top("access_log: []", Err(&["found a list"]));
    check_top("trusted_proxies: [10.0.0.0/8, \"::1\"]", Ok("[10.0.0.0/8, ::1/128]"));
    check_top("trusted_proxies: 10.0.0.1/8", Err(&["bits behind its prefix"]));
    check_top("forwarded: on", Err(&["write `true`"]));
}

#[test]
fn rates() {
    let check = |rate: &str, expected: Result<&str, &[&str]>| {
        check_route(&format!("respond: {{}}, admit: {{rate: {rate}}}"), expected);
    };
    check("100/s", Ok("rates: [RateRule { by: Address, rate: Rate { count: 100, per: 1s }, burst: 100 }]"));
    check("{rate: 10/m}", Ok("[RateRule { by: Address, rate: Rate { count: 10, per: 60s }, burst: 10 }]"));
    check("{rate: 10/m, burst: 3, by: route}", Ok("by: Route, rate: Rate { count: 10, per: 60s }, burst: 3"));
    check("{rate: 10/m, by: {header: X-Tenant}}", Ok("by: Header(\"X-Tenant\")"));
    check("[1/s, {rate: 5/m, by: address}]", Ok("burst: 1 }, RateRule { by: Address"));
    check("100", Err(&["59 `100` is not a rate … write `100/s`"]));
    check("{burst: 5}", Err(&["`rate` needs `rate`"]));
    check("{rate: 1/s, burst: 0}", Err(&["`burst` is 1 to 1000000, found 0"]));
    check("{rate: 1/s, by: adress}", Err(&["`adress` is no key of a rate … did you mean `address`?"]));
    check("{rate: 1/s, by: {}}", Err(&["`rate by header` needs `header`"]));
    check("{rate: 1/s, by: {header: 'X Y'}}", Err(&["is not the name of a field"]));
    check("{rat: 1/s}", Err(&["unknown key `rat` … did you mean `rate`?"]));
    check("[]", Err(&["expected rates, found an empty list"]));
}

#[test]
fn proxies_in_front_are_named_by_their_addresses() {
    let check = |value: &str, expected: Result<&str, &[&str]>| {
        check_top(&format!("listen: {{address: ':80', proxy_protocol: {value}}}"), expected);
    };
    check("10.0.0.0/8", Ok("proxy_protocol: Some(NetworkSet { v4: [(167772160, 184549375)], v6: [] })"));
    check(
        "[10.0.0.1, '::1']",
        Ok("proxy_protocol: Some(NetworkSet { v4: [(167772161, 167772161)], v6: [(1, 1)] })"),
    );
    check("true", Err(&["`true` is not an address or a network"]));
    check("[]", Err(&["expected addresses or networks, found an empty list"]));
    check("10.0.0.1/8", Err(&["has bits behind its prefix"]));
    check_top("listen: ':80'", Ok("proxy_protocol: None"));
}
