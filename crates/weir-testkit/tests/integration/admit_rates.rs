//! How often one may ask, through sockets: over all workers, and where clients prove who they are.

use std::net::TcpStream;
use std::thread;

use weir_core::refusal::Refusal;
use weir_testkit::client::{ask, fetch, get};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;
use weir_testkit::socket::Socket;

/// A proxy whose one route has these keys.
fn with_route(server: &Server, keys: &str, top: &str) -> Running {
    proxy::start(&format!("{top}\nservices: [{{host: \"*\", {keys}, upstream: [\"{server}\"]}}]"))
}

fn refused(proxy: &Running) -> u64 {
    proxy.status().refused_by_reason[Refusal::Rate as usize]
}

#[test]
fn all_workers_together_let_pass_what_one_would() {
    let server = Server::saying("ok");
    for rate in ["{rate: 1/d, burst: 50}", "{rate: 1/d, burst: 50, by: route}"] {
        let proxy = with_route(&server, &format!("admit: {{rate: {rate}}}"), "workers: 4");
        let address = proxy.address();
        let statuses: Vec<u16> = thread::scope(|scope| {
            let clients: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(move || {
                        let mut statuses = Vec::new();
                        for _ in 0..4 {
                            let mut client = Socket::from(TcpStream::connect(address).unwrap());
                            statuses.extend((0..5).map(|_| client.send(get("/")).answer().status()));
                        }
                        statuses
                    })
                })
                .collect();
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
        });
        let passed = statuses.iter().filter(|status| **status == 200).count();
        let refused_here = statuses.iter().filter(|status| **status == 429).count();
        assert_eq!((passed, refused_here), (50, 110), "{rate}");
        assert_eq!(refused(&proxy), 110);
        assert_eq!(proxy.status().rate_takeovers_total, 0);
    }
}

#[test]
fn a_refused_request_says_when_to_come_again_and_reaches_no_server() {
    let server = Server::saying("ok");
    let proxy = with_route(&server, "admit: {rate: 1/d}", "");
    fetch(&proxy, "/").expect(200);
    let answer = fetch(&proxy, "/").expect(429);
    assert_eq!(answer.field("retry-after"), Some("86400"));
    assert_eq!(answer.field("x-ratelimit-limit"), Some("1"));
    assert_eq!(answer.field("x-ratelimit-remaining"), Some("0"));
    assert_eq!(answer.field("x-ratelimit-reset"), Some("86400"));
    assert!(answer.field("proxy-status").unwrap().contains("error=http_request_denied"), "{answer}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn what_a_server_says_of_its_rate_is_replaced() {
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-RateLimit-Limit: 9\r\nX-RateLimit-Limit: 8\r\nX-RateLimit-Used: 3\r\n\r\n",
    );
    let answer = fetch(&with_route(&server, "admit: {rate: 5/d}", ""), "/").expect(200);
    assert_eq!(answer.field("x-ratelimit-limit"), Some("5"));
    assert_eq!(answer.field("x-ratelimit-used"), Some("3"));
    let answer = fetch(&with_route(&server, "admit: {deny: 192.0.2.1}", ""), "/").expect(200);
    assert_eq!(answer.all("x-ratelimit-limit"), ["9", "8"], "where there is no rate, nothing is said of one");
}

#[test]
fn rates_are_counted_for_each_route_and_none_for_what_was_denied() {
    let proxy = proxy::start(
        "trusted_proxies: 127.0.0.1
services:
  - host: \"*\"
    admit: {rate: 1/d, deny: 192.0.2.66}
    routes: [{path: /a, respond: {}}, {path: /b, respond: {}}, {path: /c, admit: off, respond: {}}]
",
    );
    let from = |target: &str, client: &str| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: {client}\r\n\r\n");
        ask(&proxy, request).status()
    };
    assert_eq!(["/a", "/b", "/a", "/b"].map(|target| from(target, "192.0.2.1")), [200, 200, 429, 429]);
    assert_eq!(["/c", "/c", "/c"].map(|target| from(target, "192.0.2.1")), [200; 3]);
    assert_eq!(["/a", "/a"].map(|target| from(target, "192.0.2.66")), [403; 2]);
}

const KEYS: &str = "authenticate: {api_key: {keys: {shop: \"${K:-shop-key-0123456789}\", \
                    office: \"${K:-office-key-0123456789}\"}}}";

fn with_key(proxy: &Running, key: &str) -> u16 {
    ask(proxy, format!("GET / HTTP/1.1\r\nHost: a.test\r\nX-API-Key: {key}-key-0123456789\r\n\r\n")).status()
}

#[test]
fn each_key_has_its_own_rate() {
    let server = Server::saying("ok");
    let proxy = with_route(&server, &format!("{KEYS}, admit: {{rate: {{rate: 2/d, by: key}}}}"), "");
    assert_eq!(["shop", "shop", "shop"].map(|key| with_key(&proxy, key)), [200, 200, 429]);
    assert_eq!(["office", "office", "office"].map(|key| with_key(&proxy, key)), [200, 200, 429]);
    assert_eq!(with_key(&proxy, "nobody"), 401, "what is not authenticated has no rate to use up");
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn guesses_are_charged_to_the_address_and_refused_before_they_are_looked_at() {
    let server = Server::saying("ok");
    let proxy = with_route(&server, &format!("{KEYS}, admit: {{rate: {{rate: 1/d, burst: 3}}}}"), "");
    assert_eq!(["a", "b", "c", "d", "e"].map(|key| with_key(&proxy, key)), [401, 401, 401, 429, 429]);
    assert_eq!(with_key(&proxy, "shop"), 429);
    assert_eq!(server.connections(), 0);
}

#[test]
fn what_is_refused_for_its_key_is_not_charged_to_its_address() {
    let server = Server::saying("ok");
    let rates = "[{rate: 1/d, burst: 4}, {rate: 1/d, burst: 2, by: key}]";
    let proxy = with_route(&server, &format!("{KEYS}, admit: {{rate: {rates}}}"), "");
    assert_eq!(["shop"; 6].map(|key| with_key(&proxy, key)), [200, 200, 429, 429, 429, 429]);
    // Two of four are left for the address.
    assert_eq!(["office", "office", "office"].map(|key| with_key(&proxy, key)), [200, 200, 429]);
}
