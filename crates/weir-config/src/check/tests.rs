//! What several values mean together.
#![allow(clippy::unwrap_used)]

mod balance;
mod dispatch;
mod log;
mod policy;

use std::path::Path;

use crate::load;

/// Parts of all problems, warnings included, as `line:column severity message | hint`, in order.
fn check(text: &str, expected: &[&str]) {
    let outcome = load::parse("t", text.as_bytes(), &|_| None, Path::new("/base"));
    let report = outcome.map_or_else(|report| report, |loaded| loaded.warnings);
    let shown: Vec<String> = report
        .problems()
        .iter()
        .map(|problem| {
            let place = report.source().position(problem.span.unwrap_or_default().start);
            let hint = problem.hint.as_deref().unwrap_or_default();
            let severity = problem.severity.name();
            format!("{}:{} {severity} {} | {hint}", place.line, place.column, problem.message)
        })
        .collect();
    assert_eq!(shown.len(), expected.len(), "{text}\n{shown:#?}");
    for (problem, part) in shown.iter().zip(expected) {
        let fits = part.split(" … ").all(|part| problem.contains(part));
        assert!(fits, "{text}\n{problem:?} has not {part:?}");
    }
}

/// A part of the model's debug text.
fn check_model(text: &str, part: &str) {
    let loaded = load::parse("t", text.as_bytes(), &|_| None, Path::new("/base")).unwrap();
    let shown = format!("{:?}", loaded.model);
    assert!(shown.contains(part), "{text}: no {part:?} in {shown}");
}

#[test]
fn hosts_and_names_belong_to_one_service() {
    check(
        "services:\n- {host: a, respond: {}}\n- {host: [b, A.], respond: {}}",
        &["3:14 error the host `a` already"],
    );
    check("services:\n- {host: [a, a], respond: {}}", &["2:14 error the host `a` already"]);
    check(
        "services:\n- {host: '*', respond: {}}\n- {host: '*', respond: {}}",
        &["3:10 error the host `*` already"],
    );
    check("services:\n- {host: '*.a', respond: {}}\n- {host: a, respond: {}}", &[]);
    check(
        "services:\n- {host: a, name: x, respond: {}}\n- {host: b, name: x, respond: {}}",
        &["3:19 error two services are named `x`"],
    );
    check("services: [{host: a, name: \" \", respond: {}}]", &["a name has visible characters"]);
}

#[test]
fn no_two_routes_ask_the_same() {
    let check = |first: &str, second: &str, expected: &[&str]| {
        let routes = format!(
            "services:\n- host: a\n  routes:\n  - {{respond: {{}}, {first}}}\n  - {{respond: {{}}, {second}}}"
        );
        check(&routes, expected);
    };
    let same = ["5: … error another route of this service asks exactly the same"];
    check("path: /x", "path: /x/", &same);
    check("path: /", "methods: GET, path: /", &[]);
    check("path: exact:/x", "path: /x", &[]);
    check("path: exact:/x", "path: exact:/x/", &[]);
    check("methods: [GET, PUT]", "methods: [PUT, GET]", &same);
    check("headers: {A: 1, B: 2}", "headers: {b: 2, a: 1}", &same);
    check("headers: {A: 1}", "headers: {A: true}", &[]);
    check("query: {a: 1}", "query: {a: 2}", &[]);
    check("path: /a, name: n", "path: /b, name: n", &["two routes of this service are named `n`"]);
    // A route that was misread is not compared: it would be called the same as one it was not meant to be.
    check("path: /", "pth: /b", &["unknown key `pth`"]);
}

#[test]
fn methods_that_never_come_are_told() {
    let check = |first: &str, second: &str, expected: &[&str]| {
        let routes = format!(
            "services:\n- host: a\n  routes:\n  - {{respond: {{}}, {first}}}\n  - {{respond: {{}}, {second}}}"
        );
        check(&routes, expected);
    };
    let head = ["5:19 warning `HEAD` never comes here | a route for GET takes HEAD too"];
    check("methods: GET", "methods: HEAD", &head);
    check("methods: [PUT, GET]", "methods: [HEAD, POST]", &head);
    check("methods: HEAD", "methods: GET", &[]);
    check("methods: GET, path: /x/", "methods: HEAD, path: /x", &["warning `HEAD` never"]);
    check("methods: GET, path: /x", "methods: HEAD, path: /", &[]);
    check("methods: GET, headers: {A: 1}", "methods: HEAD, headers: {a: 1}", &["warning `HEAD` never"]);
    check("methods: GET, headers: {A: 1}", "methods: HEAD", &[]);
    check("methods: GET", "methods: HEAD, query: {a: 1}", &[]);
    // A route for any method asks for less, and so it takes what is left.
    check("path: /", "methods: HEAD", &[]);
    check(
        "methods: [GET, PUT]",
        "methods: [PUT, GET, POST]",
        &["warning `GET` or `PUT` never comes here | of two routes"],
    );
    check("methods: GET", "methods: [GET, HEAD]", &["warning `GET` or `HEAD` never comes here"]);
}

#[test]
fn stars_in_paths_are_told() {
    let check = |path: &str, expected: &[&str]| {
        check(&format!("services: [{{host: a, respond: {{}}, path: \"{path}\"}}]"), expected);
    };
    check("/api/*", &["1:41 warning a `*` in a path stands for itself | `/api/` takes everything below it"]);
    check("/api/**", &["`/api/` takes everything"]);
    check("/api/*/", &["`/api/` takes everything"]);
    check("exact:/api/*", &["`/api/` takes everything"]);
    check("/*", &["`/` takes everything"]);
    check("/user/*/orders", &["for any segment write an expression"]);
    check("/user/*/orders/*", &["for any segment write an expression"]);
    check("/a*", &[]);
    check("regex:/api/.*", &[]);
    check("/api/", &[]);
}

#[test]
fn a_route_does_one_thing() {
    check("services: [{host: a}]", &["1:12 error this route does not say what to do"]);
    check("services: [{host: a, routes: [{path: /}]}]", &["this route does not say what to do"]);
    check("services: [{host: a, redirect: /x, respond: {}}]", &["not `redirect` and `respond`"]);
    check(
        "services: [{host: a, respond: {}, strip: /x}]",
        &["`strip` has no effect on a route with `respond`"],
    );
    check(
        "services: [{host: a, redirect: /x, dispatch: balance, request_headers: {remove: X}}]",
        &["`dispatch` has no effect", "`request_headers` has no effect"],
    );
    check("services: [{host: a, redirect: /x, answer_headers: {set: {X: y}}}]", &[]);
    check(
        "services: [{host: a, upstream: [\"b:1\"], routes: [{respond: {}}]}]",
        &["1:22 error `upstream` stands beside `routes`"],
    );
    check("services: [{host: a, routes: []}]", &["expected a list of routes, found an empty one"]);
}

#[test]
fn upstreams_are_found_and_used() {
    let file = |reference: &str| {
        format!("services: [{{host: a, upstream: {reference}}}]\nupstreams: {{web: [\"b:1\"]}}")
    };
    check(&file("web"), &[]);
    check(&file("wbe"), &["1:32 error there is no upstream `wbe` | did you mean `web`?"]);
    check(&file("orders"), &["there is no upstream `orders` | the upstreams are `web`"]);
    check(
        &file("\"b:1\""),
        &["there is no upstream `b:1` | for a server in place write a list: `[\"b:1\"]`"],
    );
    check(&file("[\"c:1\"]"), &["2:13 warning no route uses the upstream `web`"]);
    check("services: [{host: a, upstream: web}]", &["declare it under `upstreams`"]);
    check(
        "services: [{host: a, upstream: web}]\nupstreams: {web: [\"b\"]}",
        &["2:19 error `b` is not a server"],
    );
    check(
        "services: [{host: a, upstream: [\"b:1\", \"http://b:1/\", \"http://b:1/x\"]}]",
        &["1:40 error the server `http://b:1/` stands twice here | to send it more"],
    );
}

/// The second mistake is only there because of the first: told together they would mislead.
#[test]
fn one_mistake_is_told_once() {
    check("services: [{host: a, upstrem: b}]", &["unknown key `upstrem`"]);
    check("services: [{host: a, respond: {status: 1000}}]", &["is 200 to 599"]);
    check("services: [{host: a, redirect: x}]", &["is not a location"]);
    check(
        "services: [{host: a, upstream: u}]\nupstreams: {u: {server: [\"b:1\"]}}",
        &["did you mean `servers`?"],
    );
    check("servces: [{host: a, respond: {}}]", &["did you mean `services`?"]);
    check(
        "services: &s\n- {host: a, respond: {}, x: 1}\nstate: *s",
        &["2:26 error unknown key `x`", "3:8 error expected a text, found a list"],
    );
}

#[test]
fn a_prefix_that_is_never_there_is_not_stripped() {
    let check = |path: &str, strip: &str, expected: &[&str]| {
        check(
            &format!("services: [{{host: a, upstream: [\"b:1\"], path: {path}, strip: {strip}}}]"),
            expected,
        );
    };
    check("/api/", "/api", &[]);
    check("/api/v1", "/api", &[]);
    check("/", "/api", &[]);
    check("/api", "/api/v1", &[]);
    check("exact:/api/x", "/api", &[]);
    check("/apix", "/api", &["warning no path of this route begins with `/api`"]);
    check("exact:/api", "/api/x", &["warning no path"]);
}

#[test]
fn semantics_1_4_what_connections_may_switch_to() {
    let route = |keys: &str| format!("services: [{{host: a, upstream: [\"b:1\"]{keys}}}]");
    check_model(&route(""), "upgrade: [\"websocket\"]");
    check_model(&route(", upgrade: []"), "upgrade: []");
    check_model(&route(", upgrade: tcp"), "upgrade: [\"tcp\"]");
    check_model(&route(", upgrade: [websocket, My/2]"), "upgrade: [\"websocket\", \"My/2\"]");
    check(
        &route(", upgrade: [websocket, H2C, a b]"),
        &["error `H2C` is never passed on … | take it away", "error `a b` is not the name of a protocol"],
    );
    check(&route(", upgrade: {a: b}"), &["error expected a protocol"]);
    check("services: [{host: a, redirect: /x, upgrade: []}]", &["`upgrade` has no effect"]);
}

#[test]
fn names_are_made_of_what_a_route_asks() {
    check_model("services: [{host: a, respond: {}}]", "Service { name: \"a\"");
    check_model("services: [{host: ['*', a], respond: {}}]", "Service { name: \"*\"");
    check_model("services: [{host: a, respond: {}, path: /orders/}]", "Route { name: \"/orders/\"");
    check_model(
        "services: [{host: a, respond: {}, path: exact:/x, methods: [GET, PUT], headers: {A: 1, B: true}, query: {q: 1}}]",
        "Route { name: \"GET,PUT exact:/x a=1 b ?q=1\"",
    );
    check_model("services: [{host: a, upstream: [\"b:1\"]}]", "Upstream { name: \"a /\"");
}

#[test]
fn paths_begin_at_the_configuration() {
    check_model("listen: unix:run/x\nservices: [{host: a, respond: {}}]", "Unix(\"/base/run/x\")");
    check_model(
        "services: [{host: a, upstream: [\"unix:app\"]}]",
        "written: \"unix:app\", scheme: Http, transport: Unix(\"/base/app\")",
    );
    check_model("access_log: {file: a.log}\nservices: [{host: a, respond: {}}]", "File(\"/base/a.log\")");
}

#[test]
fn who_may_ask_is_said_by_the_route_or_else_by_its_service() {
    let text = |service: &str, route: &str| {
        format!(
            "services:\n- {{host: a, {service} routes: [{{name: r, path: /x, {route} respond: {{}}}}, {{respond: {{}}}}]}}"
        )
    };
    let shown = |text: &str| {
        let loaded = load::parse("t", text.as_bytes(), &|_| None, Path::new("")).unwrap();
        let routes = loaded.model.services.into_iter().flat_map(|service| service.routes);
        routes.map(|route| route.admit.addresses.is_some()).collect::<Vec<_>>()
    };
    assert_eq!(shown(&text("", "")), [false, false]);
    assert_eq!(shown(&text("admit: {deny: 192.0.2.1},", "")), [true, true]);
    assert_eq!(shown(&text("", "admit: {deny: 192.0.2.1},")), [true, false]);
    assert_eq!(shown(&text("admit: {deny: 192.0.2.1},", "admit: off,")), [false, true]);
    assert_eq!(shown(&text("admit: {deny: 192.0.2.1},", "admit: {allow: 192.0.2.1},")), [true, true]);
    assert_eq!(shown("services: [{host: a, respond: {}, admit: {allow: [10.0.0.0/8, '::1']}}]"), [true]);
    // A route's own rules replace those of the service; nothing of both is put together.
    check_model(
        &text("admit: {deny: 192.0.2.1},", "admit: {allow: 192.0.2.1},"),
        "allow: Some(NetworkSet { v4: [(3221225985, 3221225985)], v6: [] }), deny: NetworkSet { v4: [], v6: [] }",
    );
    // The other keys of a route still have no meaning beside `routes`.
    check(&text("backend_server: true, admit: off,", ""), &["`backend_server` stands beside `routes`"]);
}

#[test]
fn an_allow_list_of_which_deny_leaves_nothing_is_odd() {
    let check = |admit: &str, expected: &[&str]| {
        check(&format!("services: [{{host: a, respond: {{}}, admit: {{{admit}}}}}]"), expected);
    };
    check("allow: 10.0.0.0/8, deny: 10.1.0.0/16", &[]);
    check(
        "allow: 10.1.0.0/16, deny: 10.0.0.0/8",
        &["1:50 warning nobody may ask … take what may ask out of it"],
    );
    check("allow: [10.1.0.0/16, 10.2.0.0/16], deny: [10.0.0.0/9, 10.128.0.0/9]", &["warning nobody may ask"]);
    check("allow: 10.1.0.0/8", &["error `10.1.0.0/8` has bits behind its prefix"]);
    check("allow: []", &["expected addresses or networks, found an empty list"]);
    check("alow: 10.0.0.0/8", &["unknown key `alow` | did you mean `allow`?"]);
    check("allow: example.com", &["is not an address or a network"]);
}

#[test]
fn rates_that_can_not_be_meant_are_told() {
    let check = |keys: &str, expected: &[&str]| {
        check(&format!("services: [{{host: a, respond: {{}}, {keys}}}]"), expected);
    };
    check("admit: {rate: [1/s, 2/s]}", &[]);
    check(
        "admit: {rate: [1/s, {rate: 1/s, burst: 1}]}",
        &["1:55 error this rate stands twice … counted twice"],
    );
    check("admit: {rate: [1/s, {rate: 1/s, by: route}]}", &[]);
    let many: Vec<String> = (1..=9).map(|count| format!("{count}/s")).collect();
    check(&format!("admit: {{rate: [{}]}}", many.join(", ")), &["error a route has at most 8 rates"]);
    check(
        "admit: {rate: {rate: 1/s, by: key}}",
        &["warning nobody has a key here: all requests of the route are counted together … `authenticate`"],
    );
    let key = "authenticate: {api_key: {keys: {shop: \"${K:-shop-key-0123456789}\"}}}";
    check(&format!("admit: {{rate: {{rate: 1/s, by: key}}}}, {key}"), &[]);
}

/// A rate at a service with a thousand routes is a thousand rates, which takes more than people expect of one line.
#[test]
fn rates_that_may_take_much_memory_are_told() {
    let with = |routes: usize, entries: u32, rate: &str| {
        let routes: Vec<_> =
            (0..routes).map(|number| format!("{{path: /{number}/, respond: {{}}}}")).collect();
        format!(
            "limits: {{client_entries: {entries}}}\nservices:\n- host: a\n  admit: {{rate: {rate}}}\n  routes: [{}]\n",
            routes.join(", ")
        )
    };
    let warnings = |text: &str| {
        let loaded = load::parse("t", text.as_bytes(), &|_| None, std::path::Path::new("/")).unwrap();
        loaded.warnings.render(false)
    };
    let told = warnings(&with(500, 262_144, "1/s"));
    assert!(told.contains("the 500 rates by client may take 1142 MiB"), "{told}");
    assert!(told.contains("t:4:") && told.contains("make `limits.client_entries` smaller"), "{told}");
    for quiet in
        [with(400, 262_144, "1/s"), with(500, 65_536, "1/s"), with(500, 262_144, "{rate: 1/s, by: route}")]
    {
        assert_eq!(warnings(&quiet), "");
    }
    assert!(warnings(&with(1, 100_000_000, "[1/s, {rate: 1/s, by: {header: a}}]")).contains("the 2 rates"));
}

/// Half a second became `max-age=0`, which makes browsers forget what they were to remember.
#[test]
fn how_long_browsers_remember_is_whole_seconds() {
    let text = |max_age: &str| {
        format!(
            "listen: [{{address: ':1', tls: {{self_signed: true}}}}]\nservices: [{{host: a, respond: {{}}, https_only: {{max_age: {max_age}}}}}]"
        )
    };
    for bad in ["500ms", "1.5s", "999ms"] {
        check(&text(bad), &["2:57 error browsers are told whole seconds … `0s` to make them forget it"]);
    }
    for (good, seconds) in [("0s", 0), ("0ms", 0), ("1s", 1), ("1000ms", 1), ("1.5m", 90)] {
        let max_age = std::time::Duration::from_secs(seconds);
        check_model(&text(good), &format!("max_age: {max_age:?}"));
    }
    check(&text("17521h"), &["is not from `0ms` to `17520h`"]);
}

#[test]
fn how_much_may_be_in_progress_at_once() {
    let route = |concurrency: &str| {
        format!("services: [{{host: a, respond: {{}}, admit: {{concurrency: {{{concurrency}}}}}}}]")
    };
    check_model(
        &route("total: 5"),
        "Some(Concurrency { per_client: None, total: Some(5), queue: 100, wait: 1s })",
    );
    check_model(&route("per_client: 5"), "per_client: Some(5), total: None, queue: 100, wait: 1s");
    check_model(
        &route("per_client: 5, total: 7, queue: 1, wait: 5ms"),
        "total: Some(7), queue: 1, wait: 5ms",
    );
    let check = |concurrency: &str, expected: &[&str]| check(&route(concurrency), expected);
    check("queue: 5", &["1:56 error `concurrency` needs `per_client` or `total`"]);
    check("", &["`concurrency` needs `per_client` or `total`"]);
    check("totl: 5", &["unknown key `totl` … did you mean `total`?"]);
    check("total: 0", &["`total` is 1 to 1000000, found 0"]);
    check("per_client: 5, total: 4", &["warning `per_client` has no effect: it is more than `total`"]);
    check("per_client: 4, total: 4", &[]);
    check("total: 4, queue: 0", &[]);
    check("total: 4, queue: 0, wait: 1s", &["warning `wait` has no effect: with `queue: 0` nobody waits"]);
    check("total: 4, wait: 2h", &["`2h` is not from `1ms` to `1h`"]);
}

#[test]
fn settings_reach_where_they_hold() {
    check_model("backend_server: true\nservices: [{host: a, respond: {}}]", "backend_server: true");
    check_model(
        "backend_server: true\nservices: [{host: a, respond: {}, backend_server: false}]",
        "backend_server: false",
    );
    let text = "timeouts: {connect: 7s, idle: 8s}\nservices: [{host: a, upstream: {servers: [\"b:1\"], timeouts: {connect: 3s}}}]";
    check_model(text, "idle: 8s, client_write: 60s, connect: 3s");
    check_model(text, "idle: 8s, client_write: 60s, connect: 7s");
}

const HOST_SERVICES: &str = include_str!("../../../../examples/host-services.yaml");

#[test]
fn the_other_shape_becomes_the_same_model() {
    check_model(
        HOST_SERVICES,
        "attempts: 4, on: [ConnectFailure, Reset, Timeout], per_try_timeout: Some(2s)",
    );
    check_model(
        HOST_SERVICES,
        "probe: Tcp, interval: 15s, unhealthy_interval: 1s, jitter: 0.1, timeout: 1s, healthy_after: 1, unhealthy_after: 3",
    );
    check_model(HOST_SERVICES, "strategy: RoundRobin");
    check_model(&HOST_SERVICES.replace("ROUND_ROBIN", "RANDOM"), "strategy: Random");
    check_model(
        HOST_SERVICES,
        "Service { name: \"my-service\", hosts: [Exact(\"my-service.my-company.com\")]",
    );
    check_model(HOST_SERVICES, "written: \"127.0.0.1:9091\"");
    check_model(
        &HOST_SERVICES.replace("127.0.0.1, port: 9090", "client1, port: 9090"),
        "Name(\"client1\", 9090)",
    );
    check_model(&HOST_SERVICES.replace("\"127.0.0.1\", port: 8080", "localhost, port: 81"), "127.0.0.1:81");
}

/// The file with one part replaced; `expected` as in [`check`].
fn check_replaced(from: &str, to: &str, expected: &[&str]) {
    assert!(HOST_SERVICES.contains(from), "{from}");
    check(&HOST_SERVICES.replacen(from, to, 1), expected);
}

#[test]
fn the_other_shape_is_as_strict() {
    check_replaced("ROUND_ROBIN", "RANDOM", &[]);
    check_replaced("lbPolicy", "lbpolicy", &["did you mean `lbPolicy`?"]);
    check_replaced("ROUND_ROBIN", "LEAST", &["`LEAST` is no policy … `ROUND_ROBIN` or `RANDOM`"]);
    check_replaced("timeout: 2,", "timeout: 2s,", &["a time is a number without a unit"]);
    check_replaced("timeout: 2,", "timeout: .nan,", &["is not a number of seconds"]);
    check_replaced("interval: 15", "interval: 0", &["is not a number of seconds"]);
    check_replaced("{interval: 15, timeout: 1.0}", "{timeout: 1.0}", &["needs `interval`"]);
    check_replaced(
        "[{timeout: 2, retries: 3}]",
        "[{timeout: 2, retries: 1}]",
        &["12: … warning hosts of one service differ in `retryPolicy`"],
    );
    check_replaced(
        ", retryPolicy: [{timeout: 2, retries: 3}]}",
        "}",
        &["warning hosts of one service differ in `retryPolicy`"],
    );
    check_replaced("[{timeout: 2, retries: 3}]", "[{timeout: 2}, {timeout: 3}]", &["with at most 1"]);
    check_replaced("[{timeout: 2, retries: 3}]", "{timeout: 2}", &["found a mapping"]);
    check_replaced("port: 9090", "port: 70000", &["a port is 1 to 65535, found 70000"]);
    check_replaced("port: 9091", "port: 9090", &["the server `127.0.0.1:9090` stands twice"]);
    check_replaced("127.0.0.1, port: 9090", "\"http://x\", port: 9090", &["is not the host of a server"]);
    check_replaced("domain: my-service.my-company.com", "x: 1", &["needs `domain`", "unknown key `x`"]);
    check_replaced("proxy:", "admin: off\nproxy:", &["unknown key `admin`"]);
    check("proxy: 5", &["expected a mapping (`proxy`), found `5`"]);
    check("proxy: {}", &["`proxy` needs `listen`", "`proxy` needs `services`"]);
}
