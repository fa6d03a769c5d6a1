//! What is counted of routes, of limits and of what fails, through a whole proxy.

use std::fmt::Write as _;

use weir_core::limit_hit::LimitHit;
use weir_core::ports::traffic::{OTHERS, ROUTES_MAX, RequestCount, RouteTraffic};
use weir_testkit::client::{ask, connect, fetch};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, sized};
use weir_testkit::wait::until_seen;

/// A server whose answer is in the path.
fn server() -> Server {
    Server::start(|mut connection| {
        while let Some(request) = connection.request() {
            match request.target().split('?').next().unwrap() {
                "/api/failing" => connection.send("HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n"),
                "/api/broken" => {
                    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
                    return;
                }
                _ => connection.send(sized("ok")),
            };
        }
    })
}

fn config(server: &Server, more: &str) -> String {
    let dead = Server::refusing();
    format!(
        "limits: {{body: 10B}}
services:
  - host: '*'
    name: shop
    routes:
      - {{path: /api, name: api, upstream: {{servers: ['{server}'], retry: {{attempts: 1}}}}}}
      - {{path: /dead, name: dead, upstream: ['{dead}']}}
      - {{path: /moved, name: moved, redirect: 'https://other.test/'}}
      - {{path: /never, name: never, respond: {{status: 204}}}}
{more}"
    )
}

/// A route of this name, as soon as it has had so many requests: they are counted when their answers have been sent.
fn route(proxy: &Running, name: &str, requests: u64) -> RouteTraffic {
    let all = until_seen(
        || proxy.status().routes,
        |routes| routes.iter().any(|route| route.route == name && route.requests_total() >= requests),
    );
    all.into_iter().find(|route| route.route == name).unwrap()
}

fn of(route: &RouteTraffic) -> Vec<(&'static str, &'static str, &'static str, u64)> {
    let told = |one: &RequestCount| (one.mode, one.method, one.status, one.count);
    route.requests.iter().map(told).collect()
}

#[test]
fn requests_of_routes_are_told_apart() {
    let server = server();
    let proxy = proxy::start(&config(&server, ""));
    for target in ["/api", "/api/a", "/api/failing"] {
        fetch(&proxy, target);
    }
    ask(&proxy, "PUT /api HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    ask(&proxy, "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\nConnection: close\r\n\r\n");
    fetch(&proxy, "/moved");
    fetch(&proxy, "/nowhere");
    let api = route(&proxy, "api", 4);
    assert_eq!(
        of(&api),
        [("balance", "safe", "2xx", 2), ("balance", "safe", "5xx", 1), ("balance", "idempotent", "2xx", 1),]
    );
    assert_eq!(api.service, "shop");
    let count = |histogram: &weir_core::ports::Histogram| histogram.counts.iter().sum::<u64>();
    assert_eq!(count(&api.total), 4);
    assert_eq!(api.head.as_ref().map(count), Some(4));
    assert!(api.connect.as_ref().map(count).is_some_and(|connects| connects >= 1));
    let moved = route(&proxy, "moved", 1);
    assert_eq!(of(&moved), [("none", "safe", "3xx", 1)]);
    assert!(moved.head.is_none() && moved.connect.is_none(), "no server was asked");
    let status = proxy.status();
    assert!(status.routes.iter().all(|route| route.route != "never"), "nobody has asked for it");
    // It was refused before it was known which route it belongs to.
    assert_eq!(status.limits_hit[LimitHit::Body as usize], 1);
}

#[test]
fn what_has_failed_is_told_with_its_reason() {
    let server = server();
    let proxy = proxy::start(&config(&server, ""));
    fetch(&proxy, "/api/failing?token=secret");
    fetch(&proxy, "/dead");
    let mut client = connect(&proxy);
    client.send("GET /api/broken HTTP/1.1\r\nHost: a\r\nX-Request-Id: my-id\r\n\r\n");
    let _ = client.try_answer();
    // Not a failure of ours or of a server.
    fetch(&proxy, "/nowhere");
    let failures = until_seen(|| proxy.failures(), |failures| failures.len() == 3);
    let told: Vec<_> = failures.iter().map(|one| (&*one.path, one.reason, &*one.route)).collect();
    assert_eq!(
        told,
        [
            ("/api/broken", "http_response_incomplete", "api"),
            ("/dead", "connection_refused", "dead"),
            ("/api/failing", "server_answered", "api"),
        ]
    );
    assert_eq!((&*failures[0].request_id, &*failures[0].server), ("my-id", &*server.to_string()));
    // The client may have had the head of the one that broke off, or not.
    assert_eq!((failures[1].status, failures[2].status), (502, 500));
    assert_eq!(failures[1].text, "no server could be connected to");
    assert!(!format!("{failures:?}").contains("secret"));
}

/// A reload once began every counter anew; with the counters of a route it would look as if nobody had asked for it.
#[test]
fn a_reload_keeps_what_was_counted() {
    let server = server();
    let proxy = proxy::start(&config(&server, ""));
    fetch(&proxy, "/api");
    route(&proxy, "api", 1);
    proxy.publish(&config(&server, "      - {path: /new, name: new, respond: {status: 200}}"));
    fetch(&proxy, "/api");
    fetch(&proxy, "/new");
    route(&proxy, "new", 1);
    assert_eq!(of(&route(&proxy, "api", 2)), [("balance", "safe", "2xx", 2)]);
}

#[test]
fn very_many_routes_are_counted_together() {
    let mut routes = String::new();
    let count = ROUTES_MAX + 100;
    for number in 0..count {
        writeln!(routes, "      - {{path: /{number}, respond: {{status: 204}}}}").unwrap();
    }
    let proxy = proxy::start(&format!("services:\n  - host: '*'\n    routes:\n{routes}"));
    let mut client = connect(&proxy);
    for number in 0..count {
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(client.answer().start.contains(" 204 "));
    }
    let others = route(&proxy, OTHERS, 100);
    assert_eq!(others.requests_total(), 100);
    assert_eq!(proxy.status().routes.len(), ROUTES_MAX + 1);
}
