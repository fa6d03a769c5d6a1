//! How much may be in progress at once, through sockets and over several workers.

#![allow(
    clippy::disallowed_methods,
    reason = "what waits in another thread is looked for, by the clock of the wall"
)]

use std::collections::HashMap;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use weir_core::refusal::Refusal;
use weir_testkit::client::{connect, get};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, sized, unix_path};
use weir_testkit::socket::{PATIENCE, Socket};

/// The configuration of a proxy whose one route has this limit.
fn config(server: &Server, limit: &str, top: &str) -> String {
    format!(
        "{top}
trusted_proxies: 127.0.0.1
services:
  - {{host: \"*\", admit: {{concurrency: {{{limit}}}}}, upstream: {{servers: [\"{server}\"], retry: {{attempts: 1}}}}}}
"
    )
}

fn limited(server: &Server, limit: &str, top: &str) -> Running {
    proxy::start(&config(server, limit, top))
}

/// A GET that comes from this address.
fn from(client: &str, target: &str) -> String {
    get(target).replace("\r\n\r\n", &format!("\r\nX-Forwarded-For: {client}\r\n\r\n"))
}

fn refused(proxy: &Running, refusal: Refusal) -> u64 {
    proxy.status().refused_by_reason[refusal as usize]
}

/// Waits until so many requests wait for their turn.
fn until_waiting(proxy: &Running, count: u64) {
    let begun = Instant::now();
    loop {
        let waiting = proxy.status().requests_waiting;
        if waiting == count {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{waiting} requests wait instead of {count}");
        thread::yield_now();
    }
}

/// Clients in threads of their own, each with so many requests of these bytes; says how the answers were.
fn push(proxy: &Running, clients: &[String], requests: usize) -> HashMap<u16, usize> {
    let address = proxy.address();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let clients: Vec<_> = clients
            .iter()
            .map(|request| {
                scope.spawn(move || {
                    let mut client = Socket::from(TcpStream::connect(address).unwrap());
                    (0..requests).map(|_| client.send(request).answer().status()).collect::<Vec<_>>()
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    statuses.into_iter().fold(HashMap::new(), |mut counts, status| {
        *counts.entry(status).or_default() += 1;
        counts
    })
}

#[test]
fn all_workers_together_let_in_exactly_so_many() {
    const TOTAL: usize = 5;
    let (begun, now) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let all_in = Barrier::new(TOTAL);
    let server = Server::start(move |mut connection| {
        while connection.request().is_some() {
            let at_once = now.fetch_add(1, SeqCst) + 1;
            assert!(at_once <= TOTAL, "{at_once} requests at once");
            // So many at once there are: the first ones wait for each other.
            if begun.fetch_add(1, SeqCst) < TOTAL {
                all_in.wait();
            }
            thread::yield_now();
            now.fetch_sub(1, SeqCst);
            connection.send(sized("ok"));
        }
    });
    let proxy = limited(&server, "total: 5, queue: 1000, wait: 60s", "workers: 4");
    let clients: Vec<_> = (0..24).map(|number| from(&format!("192.0.2.{number}"), "/")).collect();
    assert_eq!(push(&proxy, &clients, 20), HashMap::from([(200, 480)]));
    assert_eq!(server.requests().len(), 480);
    assert_eq!(proxy.status().requests_waiting, 0);
}

#[test]
fn one_client_has_its_share_over_all_workers_and_others_have_theirs() {
    let now: Arc<[AtomicUsize; 3]> = Arc::default();
    let at_server = Arc::clone(&now);
    let server = Server::start(move |mut connection| {
        while let Some(request) = connection.request() {
            let client: usize = request.field("x-forwarded-for").unwrap()[9..10].parse().unwrap();
            let at_once = at_server[client].fetch_add(1, SeqCst) + 1;
            assert!(at_once <= 2, "{at_once} requests of client {client}");
            thread::yield_now();
            at_server[client].fetch_sub(1, SeqCst);
            connection.send(sized("ok"));
        }
    });
    let proxy = limited(&server, "per_client: 2, queue: 1000, wait: 60s", "workers: 4");
    let client = |number: usize| from(&format!("2001:db8:{number}::{number}"), "/");
    // Three of each client: two have places and one waits.
    let clients: Vec<_> = (0..9).map(|number| client(number % 3)).collect();
    assert_eq!(push(&proxy, &clients, 40), HashMap::from([(200, 360)]));
    // Of one that pushes harder some may be refused, and of nobody else any.
    let mut clients = vec![client(0); 9];
    clients.push(client(1));
    let answers = push(&proxy, &clients, 30);
    assert_eq!(answers[&200] + answers.get(&503).unwrap_or(&0), 300);
    let came_in = server
        .requests()
        .iter()
        .filter(|got| got.field("x-forwarded-for").unwrap()[9..].starts_with('1'))
        .count();
    assert_eq!(came_in, 120 + 30);
    assert_eq!(proxy.status().requests_waiting, 0);
}

#[test]
fn those_over_the_queue_are_refused_and_those_in_it_come_in_in_their_order() {
    let (server, go) = Server::held_echo();
    let proxy = limited(&server, "total: 1, queue: 3, wait: 60s", "workers: 4");
    let mut first = connect(&proxy);
    first.send(get("/first"));
    server.wait_requests(1);
    let mut waiting: Vec<_> = (1..=3)
        .map(|number| {
            let mut client = connect(&proxy);
            client.send(get(&format!("/{number}")));
            until_waiting(&proxy, number);
            client
        })
        .collect();
    for count in 1..=2 {
        let answer = connect(&proxy).send(get("/over")).answer().expect(503);
        assert_eq!(answer.field("retry-after"), Some("1"));
        let why = answer.field("proxy-status").unwrap();
        assert_eq!(why, "weir; error=connection_limit_reached; details=\"too many requests at once\"");
        assert_eq!(refused(&proxy, Refusal::QueueFull), count);
    }
    go.send(()).unwrap();
    first.answer().expect(200);
    for (number, client) in (1..).zip(&mut waiting) {
        server.wait_requests(number + 1);
        assert_eq!(server.last_request().target(), format!("/{number}"));
        assert_eq!(proxy.status().requests_waiting, 3 - number as u64);
        go.send(()).unwrap();
        client.answer().expect(200);
    }
    assert_eq!(refused(&proxy, Refusal::QueueTimeout), 0);
}

#[test]
fn a_wait_has_its_end_and_then_there_is_a_place_less_to_wait_for() {
    let (server, go) = Server::held_echo();
    let proxy = limited(&server, "total: 1, queue: 1, wait: 20ms", "");
    let mut first = connect(&proxy);
    first.send(get("/"));
    server.wait_requests(1);
    let mut client = connect(&proxy);
    for count in 1..=3 {
        client.send(get("/")).answer().expect(503);
        assert_eq!(refused(&proxy, Refusal::QueueTimeout), count);
        assert_eq!(proxy.status().requests_waiting, 0);
    }
    go.send(()).unwrap();
    first.answer().expect(200);
    go.send(()).unwrap();
    client.send(get("/")).answer().expect(200);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_place_that_is_left_on_one_worker_wakes_a_client_of_another() {
    for limit in ["total: 1, wait: 60s", "per_client: 1, wait: 60s"] {
        let (server, go) = Server::held_echo();
        let proxy = limited(&server, limit, "workers: 2");
        // One client of each worker, however the system shares them out.
        let mut clients: HashMap<usize, Socket> = HashMap::new();
        for _ in 0..200 {
            let mut client = connect(&proxy);
            go.send(()).unwrap();
            client.send(get("/")).answer().expect(200);
            clients.insert(proxy.worker_of(client.local_address()), client);
            if clients.len() == 2 {
                break;
            }
        }
        let [mut inside, mut waits] =
            [0, 1].map(|worker| clients.remove(&worker).expect("both have a client"));
        let mut asked = server.requests().len() + 1;
        inside.send(get("/"));
        server.wait_requests(asked);
        for _ in 0..6 {
            waits.send(get("/"));
            until_waiting(&proxy, 1);
            go.send(()).unwrap();
            inside.answer().expect(200);
            asked += 1;
            server.wait_requests(asked);
            until_waiting(&proxy, 0);
            std::mem::swap(&mut inside, &mut waits);
        }
        go.send(()).unwrap();
        inside.answer().expect(200);
    }
}

#[test]
fn semantics_1_7_a_fin_is_no_farewell_of_who_waits_and_a_reset_is() {
    let (server, go) = Server::held_echo();
    let proxy = limited(&server, "total: 1, queue: 2, wait: 60s", "workers: 2");
    for _ in 0..2 {
        let before = server.requests().len();
        let mut first = connect(&proxy);
        first.send(get("/first"));
        server.wait_requests(before + 1);
        let mut patient = connect(&proxy);
        patient.send(get("/patient")).half_close();
        until_waiting(&proxy, 1);
        for _ in 0..5 {
            let mut gone = connect(&proxy);
            gone.send(get("/gone"));
            until_waiting(&proxy, 2);
            gone.reset();
            until_waiting(&proxy, 1);
        }
        go.send(()).unwrap();
        first.answer().expect(200);
        go.send(()).unwrap();
        assert_eq!(patient.answer().expect(200).text(), "/patient");
    }
    assert!(server.requests().iter().all(|request| request.target() != "/gone"));
    assert_eq!((refused(&proxy, Refusal::QueueFull), refused(&proxy, Refusal::QueueTimeout)), (0, 0));
}

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

/// Whoever waits longer than a client takes to be patient would be told so: with 503.
#[test]
fn a_place_comes_back_whatever_becomes_of_its_request() {
    // One request for each connection, and of that the head.
    let server = Server::start(|mut connection| {
        let request = connection.request_head();
        match request.target() {
            "/fail" => {}
            "/reset" => connection.reset(),
            "/garbage" => {
                connection.send("HTP/1.1 200 OK\r\n\r\n");
            }
            "/cut" => {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
            }
            "/endless" => {
                connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x10000));
                while connection.try_send(&chunk).is_ok() {}
            }
            "/chat" => {
                connection.send(SWITCH);
                connection.until_end();
            }
            "/upload" => {
                connection.until_end();
            }
            _ => {
                connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
            }
        }
    });
    let key = "authenticate: {api_key: {keys: {shop: \"${K:-shop-key-0123456789}\"}}}";
    for limit in ["total: 1, wait: 9s", "per_client: 1, wait: 9s"] {
        let proxy = proxy::start(&format!(
            "workers: 2
services:
  - host: \"*\"
    {key}
    admit: {{concurrency: {{{limit}}}}}
    upstream: {{servers: [\"{server}\"], retry: {{attempts: 1}}}}
"
        ));
        let keyed =
            |request: String| request.replace("\r\n\r\n", "\r\nX-API-Key: shop-key-0123456789\r\n\r\n");
        let asks = |target: &str| keyed(get(target));
        let comes_in = |why: &str| {
            let status = connect(&proxy).send(asks("/")).answer().status();
            assert_eq!(status, 200, "{limit}: {why}");
        };
        for _ in 0..2 {
            for (target, status) in [("/", 200), ("/fail", 502), ("/reset", 502), ("/garbage", 502)] {
                connect(&proxy).send(asks(target)).answer().expect(status);
                comes_in(target);
            }
            // Broken, or taken back and 502, if it had not left yet.
            let _ = connect(&proxy).send(asks("/cut")).try_answer();
            comes_in("/cut");
            connect(&proxy).send(get("/")).answer().expect(401);
            comes_in("without a key");
            let mut client = connect(&proxy);
            client.send(asks("/endless")).answer_head().expect(200);
            client.read_exact(100_000);
            client.reset();
            comes_in("the client has reset in the middle of the answer");
            let mut client = connect(&proxy);
            let before = server.requests().len();
            client.send(keyed(
                "POST /upload HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\nhi".to_owned(),
            ));
            server.wait_requests(before + 1);
            client.reset();
            comes_in("the client has reset in the middle of its body");
            let mut client = connect(&proxy);
            let upgrade = "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
            client.send(asks("/chat").replace("\r\n\r\n", upgrade)).answer_head().expect(101);
            drop(client);
            comes_in("the upgraded connection has ended");
            let client = connect(&proxy);
            let peer = client.local_address().to_string();
            let mut cut = client;
            cut.send(asks("/chat").replace("\r\n\r\n", upgrade)).answer_head().expect(101);
            proxy.cut(|known| known == peer);
            comes_in("the connection was cut");
        }
        assert_eq!(proxy.status().requests_waiting, 0);
    }
}

#[test]
fn while_draining_who_waits_has_its_turn_and_then_it_is_over() {
    let (server, go) = Server::held_echo();
    let mut proxy = limited(&server, "total: 1, wait: 60s", "workers: 2");
    let mut first = connect(&proxy);
    first.send(get("/"));
    server.wait_requests(1);
    let mut second = connect(&proxy);
    second.send(get("/"));
    until_waiting(&proxy, 1);
    proxy.begin_drain();
    (0..2).for_each(|_| go.send(()).unwrap());
    for client in [&mut first, &mut second] {
        assert!(client.answer().expect(200).says_close());
    }
    assert_eq!(proxy.drained(), 0);
}

#[test]
fn a_limit_that_stays_as_it_was_goes_on_and_a_changed_one_begins_anew() {
    let (server, go) = Server::held_echo();
    let limit = "total: 1, queue: 0";
    let proxy = limited(&server, limit, "");
    let mut first = connect(&proxy);
    first.send(get("/"));
    server.wait_requests(1);
    let over = || connect(&proxy).send(get("/")).answer().expect(503);
    over();
    // Something else changes; what is in progress is still counted.
    proxy.publish(&config(&server, limit, "backend_server: true"));
    over();
    proxy.publish(&config(&server, "total: 2, queue: 0", ""));
    let mut others: Vec<_> = (2..=3)
        .map(|count| {
            let mut client = connect(&proxy);
            client.send(get("/"));
            server.wait_requests(count);
            client
        })
        .collect();
    over();
    (0..3).for_each(|_| go.send(()).unwrap());
    others.push(first);
    for client in &mut others {
        client.answer().expect(200);
    }
}

#[test]
fn the_log_says_why() {
    let (server, go) = Server::held_echo();
    let file = unix_path();
    let log = format!("access_log: {{format: json, file: \"{}\"}}", file.display());
    let mut proxy = limited(&server, "total: 1, queue: 0", &log);
    let mut first = connect(&proxy);
    first.send(get("/"));
    server.wait_requests(1);
    connect(&proxy).send(get("/over")).answer().expect(503);
    go.send(()).unwrap();
    first.answer().expect(200);
    drop(first);
    proxy.begin_drain();
    proxy.drained();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let line = text.lines().find(|line| line.contains("/over")).unwrap();
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        (&value["status"], &value["reason"]),
        (&503.into(), &"connection_limit_reached".into()),
        "{line}"
    );
}
