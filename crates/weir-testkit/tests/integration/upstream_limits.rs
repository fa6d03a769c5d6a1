//! How much an upstream and each of its servers get at once, over all workers.

#![allow(
    clippy::disallowed_methods,
    reason = "what waits in another thread is looked for, by the clock of the wall"
)]

use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Instant;

use weir_core::health::Word;
use weir_core::ports::members::MemberChange;
use weir_core::refusal::Refusal;
use weir_testkit::client::{connect, fetch, get};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, sized};
use weir_testkit::socket::{PATIENCE, Socket};

/// A proxy over these servers with two routes to one upstream with this limit.
fn over(servers: &[&Server], limits: &str, top: &str) -> Running {
    let servers: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    proxy::start(&format!(
        "{top}
services:
  - {{host: \"*\", routes: [{{path: /other/, upstream: web}}, {{path: /, upstream: web}}]}}
upstreams: {{web: {{servers: [{}], retry: {{attempts: 1}}, limits: {{{limits}}}}}}}
",
        servers.join(", ")
    ))
}

fn refused(proxy: &Running, refusal: Refusal) -> u64 {
    proxy.status().refused_by_reason[refusal as usize]
}

/// Waits until so many requests wait for their turn.
fn until_waiting(proxy: &Running, count: u64) {
    let begun = Instant::now();
    loop {
        let waiting = proxy.status().upstreams[0].requests_waiting;
        if waiting == Some(count) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{waiting:?} requests wait instead of {count}");
        thread::yield_now();
    }
}

/// A server that fails the test when more requests are there at once.
fn counting(most: usize) -> Server {
    let now = AtomicUsize::new(0);
    Server::start(move |mut connection| {
        while connection.request().is_some() {
            let at_once = now.fetch_add(1, SeqCst) + 1;
            let answer = if at_once <= most { sized("ok") } else { sized("too many") };
            thread::yield_now();
            now.fetch_sub(1, SeqCst);
            connection.send(answer);
        }
    })
}

/// So many clients in threads of their own, each with so many requests; every answer's text.
fn push(proxy: &Running, clients: usize, requests: usize) -> Vec<String> {
    let address = proxy.address();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..clients)
            .map(|_| {
                scope.spawn(move || {
                    let mut client = Socket::from(TcpStream::connect(address).unwrap());
                    let text = |_| client.send(get("/")).answer().expect(200).text();
                    (0..requests).map(text).collect::<Vec<_>>()
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

#[test]
fn no_server_gets_more_at_once_than_it_may_and_nobody_is_refused() {
    let (a, b) = (counting(2), counting(2));
    let proxy = over(&[&a, &b], "queue: 1000, queue_timeout: 60s, per_server: {requests: 2}", "workers: 4");
    let texts = push(&proxy, 24, 20);
    assert!(texts.iter().all(|text| text == "ok"), "{texts:?}");
    assert_eq!(a.requests().len() + b.requests().len(), 480);
    assert_eq!(proxy.status().upstreams[0].requests_waiting, Some(0));
}

#[test]
fn the_upstream_gets_no_more_at_once_than_it_may() {
    let server = counting(3);
    let proxy = over(&[&server], "requests: 3, queue: 1000, queue_timeout: 60s", "workers: 4");
    let texts = push(&proxy, 16, 20);
    assert!(texts.iter().all(|text| text == "ok"), "{texts:?}");
}

#[test]
fn those_over_the_queue_are_refused_and_those_in_it_come_in_in_their_order_over_all_routes() {
    let (server, go) = Server::held_echo();
    let proxy = over(&[&server], "requests: 1, queue: 3, queue_timeout: 60s", "workers: 4");
    let mut first = connect(&proxy);
    first.send(get("/other/first"));
    server.wait_requests(1);
    let mut waiting: Vec<_> = (1..=3)
        .map(|number| {
            let mut client = connect(&proxy);
            client.send(get(&format!("/{number}")));
            until_waiting(&proxy, number);
            client
        })
        .collect();
    assert_eq!(proxy.status().requests_waiting, 3);
    let answer = fetch(&proxy, "/over").expect(503);
    assert_eq!(answer.field("retry-after"), Some("1"));
    let why = answer.field("proxy-status").unwrap();
    assert_eq!(why, "weir; error=connection_limit_reached; details=\"too many requests at once\"");
    assert_eq!(refused(&proxy, Refusal::UpstreamQueueFull), 1);
    go.send(()).unwrap();
    first.answer().expect(200);
    for (number, client) in (1..).zip(&mut waiting) {
        server.wait_requests(number + 1);
        assert_eq!(server.last_request().target(), format!("/{number}"));
        go.send(()).unwrap();
        client.answer().expect(200);
    }
    assert_eq!(refused(&proxy, Refusal::UpstreamQueueTimeout), 0);
}

#[test]
fn a_wait_has_its_end() {
    let (server, go) = Server::held_echo();
    let proxy = over(&[&server], "requests: 1, queue: 1, queue_timeout: 20ms", "");
    let mut first = connect(&proxy);
    first.send(get("/"));
    server.wait_requests(1);
    for count in 1..=3 {
        fetch(&proxy, "/").expect(503);
        assert_eq!(refused(&proxy, Refusal::UpstreamQueueTimeout), count);
    }
    until_waiting(&proxy, 0);
    go.send(()).unwrap();
    first.answer().expect(200);
    go.send(()).unwrap();
    fetch(&proxy, "/").expect(200);
}

#[test]
fn a_client_that_leaves_gives_its_place_back_in_the_queue_and_at_the_server() {
    let (server, go) = Server::held_echo();
    let proxy = over(&[&server], "requests: 1, queue: 1, queue_timeout: 60s", "workers: 2");
    let mut first = connect(&proxy);
    first.send(get("/first"));
    server.wait_requests(1);
    for _ in 0..3 {
        let mut waiting = connect(&proxy);
        waiting.send(get("/gone"));
        until_waiting(&proxy, 1);
        waiting.reset();
        until_waiting(&proxy, 0);
    }
    let mut last = connect(&proxy);
    last.send(get("/last"));
    until_waiting(&proxy, 1);
    first.reset();
    server.wait_requests(2);
    assert_eq!(server.last_request().target(), "/last");
    // The server is told for both.
    go.send(()).unwrap();
    go.send(()).unwrap();
    last.answer().expect(200);
    let targets: Vec<_> = server.requests().iter().map(|request| request.target().to_owned()).collect();
    assert_eq!(targets, ["/first", "/last"]);
}

/// Where a server is taken out, there is less room; those who wait get it when it is back.
#[test]
fn room_follows_the_servers_that_are_there() {
    let ((a, go_a), (b, go_b)) = (Server::held_echo(), Server::held_echo());
    let proxy = over(&[&a, &b], "queue: 10, queue_timeout: 60s, per_server: {requests: 1}", "workers: 2");
    let say = |word| {
        let change = MemberChange { weight: None, word: Some(word), lease: None };
        proxy.members().put("web", &b.to_string(), change).unwrap();
    };
    say(Word::Disable);
    let clients: Vec<_> = (0..3)
        .map(|number| {
            let mut client = connect(&proxy);
            client.send(get("/"));
            match number {
                0 => a.wait_requests(1),
                number => until_waiting(&proxy, number),
            }
            client
        })
        .collect();
    say(Word::InService);
    // The next request sees that there is more room, and those who wait get it first.
    let mut last = connect(&proxy);
    last.send(get("/"));
    b.wait_requests(1);
    until_waiting(&proxy, 2);
    // One after the other, so that each takes one of those who wait.
    go_a.send(()).unwrap();
    a.wait_requests(2);
    go_b.send(()).unwrap();
    b.wait_requests(2);
    go_a.send(()).unwrap();
    go_b.send(()).unwrap();
    for mut client in clients.into_iter().chain([last]) {
        client.answer().expect(200);
    }
    assert_eq!((a.requests().len(), b.requests().len()), (2, 2));
}

#[test]
fn a_request_to_several_servers_counts_once() {
    let (a, b) = (Server::saying("ok"), Server::saying("ok"));
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", upstream: web, dispatch: {{mode: majority}}}}]
upstreams: {{web: {{servers: [\"{a}\", \"{b}\"], limits: {{requests: 1, queue: 0}}}}}}
"
    ));
    for _ in 0..5 {
        fetch(&proxy, "/").expect(200);
    }
}

/// What is in progress when a new configuration comes is still in progress.
#[test]
fn a_new_configuration_with_the_same_limits_goes_on_with_what_is_there() {
    let (server, go) = Server::held_echo();
    let yaml = format!(
        "services: [{{host: \"*\", upstream: web}}]
upstreams: {{web: {{servers: [\"{server}\"], limits: {{requests: 1, queue: 0}}}}}}
"
    );
    let proxy = proxy::start(&yaml);
    let mut first = connect(&proxy);
    first.send(get("/"));
    server.wait_requests(1);
    proxy.publish(&yaml);
    fetch(&proxy, "/").expect(503);
    go.send(()).unwrap();
    first.answer().expect(200);
    go.send(()).unwrap();
    fetch(&proxy, "/").expect(200);
}
