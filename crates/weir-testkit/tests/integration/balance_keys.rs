//! `hash`: requests with the same key go to the same server.

use std::collections::HashSet;

use weir_testkit::client::{connect, get};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;
use weir_testkit::socket::Socket;
use weir_testkit::wait::until;

fn servers() -> Vec<Server> {
    ["a", "b", "c", "d"].map(Server::saying).into()
}

fn over(servers: &[Server], on: &str) -> Running {
    let written: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    proxy::start(&format!(
        "trusted_proxies: [127.0.0.1]
services: [{{host: \"*\", upstream: web}}]
upstreams: {{web: {{servers: [{}], balance: {{mode: hash, on: {on}}}}}}}
",
        written.join(", ")
    ))
}

fn said(client: &mut Socket, target: &str, fields: &str) -> String {
    client.send(format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n")).answer().expect(200).text()
}

/// Each of many keys has one server, and all servers have some.
fn check(on: &str, request: impl Fn(usize) -> (String, String)) {
    let servers = servers();
    let proxy = over(&servers, on);
    let (mut one, mut other) = (connect(&proxy), connect(&proxy));
    let mut used = HashSet::new();
    for number in 0..40 {
        let (target, fields) = request(number);
        let first = said(&mut one, &target, &fields);
        for client in [&mut one, &mut other] {
            assert_eq!(said(client, &target, &fields), first, "{on}: {target} {fields}");
        }
        used.insert(first);
    }
    assert_eq!(used.len(), servers.len(), "{on}: {used:?}");
}

#[test]
fn each_kind_of_key_has_its_server() {
    check("path", |number| (format!("/item/{number}?x={}", number % 3), String::new()));
    check("{header: X-User}", |number| (format!("/{}", number % 3), format!("x-user: user-{number}\r\n")));
    check("{cookie: session}", |number| ("/".into(), format!("Cookie: a=b; session=s{number}; c=d\r\n")));
    check("address", |number| ("/".into(), format!("X-Forwarded-For: 203.0.113.{number}\r\n")));
    check("address", |number| ("/".into(), format!("X-Forwarded-For: 2001:db8:0:{number}::1\r\n")));
}

#[test]
fn what_is_not_the_key_does_not_matter() {
    let servers = servers();
    let same = |on: &str, requests: &[(&str, &str)]| {
        let proxy = over(&servers, on);
        let mut client = connect(&proxy);
        let said: HashSet<_> =
            requests.iter().map(|(target, fields)| said(&mut client, target, fields)).collect();
        assert_eq!(said.len(), 1, "{on}: {said:?}");
    };
    let queries =
        ["/a?0", "/a?1", "/a?2", "/a?3", "/a?4", "/a", "/b/../a", "/%61"].map(|target| (target, ""));
    same("path", &queries);
    // A client with IPv6 changes its address within its network.
    same(
        "address",
        &[
            ("/0", "X-Forwarded-For: 2001:db8::1\r\n"),
            ("/1", "X-Forwarded-For: 2001:db8::2\r\n"),
            ("/2", "X-Forwarded-For: 2001:db8::ffff:1:2:3\r\n"),
            ("/3", "X-Forwarded-For: 2001:db8:0:0:9::\r\n"),
        ],
    );
}

#[test]
fn a_request_without_the_key_goes_anywhere() {
    for on in ["{header: X-User}", "{cookie: session}"] {
        let servers = servers();
        let proxy = over(&servers, on);
        let mut client = connect(&proxy);
        let used: HashSet<_> = (0..100).map(|_| said(&mut client, "/", "Cookie: other=1\r\n")).collect();
        assert_eq!(used.len(), 4, "{on}: {used:?}");
    }
}

/// The bound: a key that everybody asks for at once does not bring its server down.
#[test]
fn a_popular_key_is_shared_when_its_server_has_enough() {
    let (release, released) = std::sync::mpsc::sync_channel::<()>(16);
    let released = std::sync::Arc::new(std::sync::Mutex::new(released));
    let servers: Vec<Server> = (0..4)
        .map(|_| {
            let released = std::sync::Arc::clone(&released);
            Server::start(move |mut connection| {
                while connection.request().is_some() {
                    released.lock().unwrap().recv().unwrap();
                    connection.send(weir_testkit::server::sized("held"));
                }
            })
        })
        .collect();
    let proxy = over(&servers, "path");
    let mut clients: Vec<Socket> = (0..8).map(|_| connect(&proxy)).collect();
    let got = || servers.iter().map(|server| server.requests().len()).sum::<usize>();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(get("/popular"));
        // One after the other, so that each sees those before it.
        until(|| got() > number);
    }
    // ⌈1.25 × 8 / 4⌉
    let most = servers.iter().map(|server| server.requests().len()).max().unwrap();
    assert!(most <= 3, "{most}");
    (0..8).for_each(|_| release.send(()).unwrap());
    clients.iter_mut().for_each(|client| {
        client.answer().expect(200);
    });
}

/// Names of servers decide who owns what, so the test is of one that refuses from the beginning: all its keys go to others,
/// each to the same one every time.
#[test]
fn keys_of_a_server_that_refuses_have_one_other_each() {
    let servers = servers();
    let written: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", upstream: web}}]
upstreams: {{web: {{servers: [\"{}\", {}], balance: {{mode: hash, on: path}}}}}}
",
        Server::refusing(),
        written.join(", ")
    ));
    let mut client = connect(&proxy);
    for number in 0..60 {
        let target = format!("/{number}");
        let first = said(&mut client, &target, "");
        assert_eq!(said(&mut client, &target, ""), first, "{target}");
    }
    assert!(proxy.status().upstreams[0].servers[0].connect_failures_total > 0, "some keys were its own");
}
