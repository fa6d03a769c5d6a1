//! How many connections an upstream and each of its servers get, over all workers, whatever they are used for.

use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use weir_core::refusal::Refusal;
use weir_testkit::client::{connect, fetch, get};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Connection, Server, sized};
use weir_testkit::socket::{PATIENCE, Socket};
use weir_testkit::wait::until;

/// Servers that count their connections together, and fail the test when there are more than `most`.
///
/// A connection ends when its server has seen the end, and the proxy may have opened the next one before that: so whoever finds
/// too many waits for one to end, and serves nothing meanwhile. One that is really too many waits for ever.
fn counting(most: usize, servers: usize) -> Vec<Server> {
    let counted = Arc::new((Mutex::new(0), Condvar::new()));
    let one = |_| {
        let counted = Arc::clone(&counted);
        Server::start(move |mut connection| {
            let (open, changed) = &*counted;
            let mut now = open.lock().unwrap();
            *now += 1;
            let (now, waited) = changed.wait_timeout_while(now, PATIENCE / 2, |now| *now > most).unwrap();
            assert!(!waited.timed_out(), "{} connections instead of {most}", *now);
            drop(now);
            serve(&mut connection);
            *open.lock().unwrap() -= 1;
            changed.notify_all();
        })
    };
    (0..servers).map(one).collect()
}

fn serve(connection: &mut Connection) {
    while let Some(request) = connection.request() {
        thread::yield_now();
        if connection.try_send(sized(request.target())).is_err() {
            return;
        }
    }
}

/// A proxy that keeps connections for so long that nobody gets a place because one has grown old.
fn over(servers: &[Server], limits: &str, more: &str) -> Running {
    let servers: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    proxy::start(&format!(
        "workers: 2
timeouts: {{upstream_idle: 1h, connect: 60s}}
services:
  - {{host: \"*\", upstream: web{more}}}
upstreams: {{web: {{servers: [{}], retry: {{attempts: 1}}, limits: {{queue: 1000, queue_timeout: 60s, {limits}}}}}}}
",
        servers.join(", ")
    ))
}

/// So many clients in threads of their own, each with so many requests and a new connection for every third; each answer must be
/// the right one.
fn push(proxy: &Running, clients: usize, requests: usize) {
    let address = proxy.address();
    thread::scope(|scope| {
        for client in 0..clients {
            scope.spawn(move || {
                let mut socket = Socket::from(TcpStream::connect(address).unwrap());
                for number in 0..requests {
                    if number % 3 == 2 {
                        socket = Socket::from(TcpStream::connect(address).unwrap());
                    }
                    let target = format!("/{client}/{number}");
                    assert_eq!(socket.send(get(&target)).answer().expect(200).text(), target);
                }
            });
        }
    });
}

/// Two clients that are served by different workers.
fn on_two_workers(proxy: &Running) -> [Socket; 2] {
    let client = || {
        let stream = TcpStream::connect(proxy.address()).unwrap();
        let address = stream.local_addr().unwrap();
        let mut client = Socket::from(stream);
        // It is registered when it was accepted, and that is known when it was answered.
        client.send(get("/")).answer().expect(200);
        (proxy.worker_of(address), client)
    };
    let (first_worker, first) = client();
    for _ in 0..200 {
        let (worker, second) = client();
        if worker != first_worker {
            return [first, second];
        }
    }
    panic!("all of 200 clients are served by one worker");
}

fn open(proxy: &Running) -> u64 {
    proxy.status().upstreams[0].servers.iter().map(|server| server.connections_open).sum()
}

#[test]
fn a_server_never_has_more_than_it_may_and_nothing_is_lost() {
    let servers = counting(3, 1);
    let proxy = over(&servers, "per_server: {connections: 3}", "");
    push(&proxy, 16, 20);
    assert!((1..=3).contains(&open(&proxy)));
    assert_eq!(servers[0].requests().len(), 320);
}

#[test]
fn all_servers_together_never_have_more_than_they_may() {
    let servers = counting(3, 4);
    let proxy = over(&servers, "connections: 3", "");
    push(&proxy, 16, 20);
    assert!((1..=3).contains(&open(&proxy)));
}

#[test]
fn both_limits_at_once_wait_for_nobody_in_a_circle() {
    let servers = counting(3, 3);
    let proxy = over(&servers, "connections: 3, per_server: {connections: 2}", "");
    push(&proxy, 16, 20);
    assert!((1..=3).contains(&open(&proxy)));
}

/// What one worker keeps idle is in the way of the other one, which gets it at once although nobody may wait.
#[test]
fn an_idle_connection_of_another_worker_is_given_up() {
    let servers = counting(1, 1);
    let proxy = over(&servers, "per_server: {connections: 1}", "");
    let mut clients = on_two_workers(&proxy);
    for round in 0..10 {
        for client in &mut clients {
            let target = format!("/{round}");
            assert_eq!(client.send(get(&target)).answer().expect(200).text(), target);
            assert_eq!(open(&proxy), 1);
        }
    }
}

/// The same where the idle connection goes to another server.
#[test]
fn an_idle_connection_to_another_server_is_given_up() {
    let servers = counting(1, 3);
    let proxy = over(&servers, "connections: 1", "");
    let mut clients = on_two_workers(&proxy);
    for _ in 0..6 {
        for client in &mut clients {
            client.send(get("/")).answer().expect(200);
            assert_eq!(open(&proxy), 1);
        }
    }
    let asked = servers.iter().filter(|server| server.requests().len() >= 4).count();
    assert_eq!(asked, 3, "all have their turns");
}

#[test]
fn what_is_upgraded_counts_until_it_ends() {
    let server = Server::start(|mut connection| {
        let request = connection.expect_request();
        if request.has("upgrade") {
            connection.send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            );
            connection.until_end();
        } else {
            connection.send(sized("ok"));
            serve(&mut connection);
        }
    });
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", upstream: web}}]
upstreams: {{web: {{servers: [\"{server}\"], limits: {{queue: 0, connections: 1}}}}}}
"
    ));
    let mut client = connect(&proxy);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    client.answer_head().expect(101);
    let answer = fetch(&proxy, "/").expect(503);
    assert!(answer.field("proxy-status").unwrap().contains("error=connection_limit_reached"), "{answer}");
    assert_eq!(proxy.status().refused_by_reason[Refusal::UpstreamQueueFull as usize], 1);
    drop(client);
    server.wait_ended(1);
    // The proxy may not know yet.
    until(|| fetch(&proxy, "/").status() == 200);
    assert_eq!(open(&proxy), 1);
}

#[test]
fn copies_count_too() {
    // Not `race`, which closes connections of losers: one that its server has not looked at yet would be counted for ever.
    for mode in ["majority", "{mode: duplicate, acknowledge: all}"] {
        let servers = counting(4, 2);
        let more = format!(", dispatch: {mode}");
        // With more requests than that, copies that have their answers and copies that wait for a place can wait for each other.
        let proxy = over(&servers, "requests: 2, connections: 4", &more);
        push(&proxy, 8, 10);
        assert!((1..=4).contains(&open(&proxy)), "{mode}");
    }
}

#[test]
fn copies_for_a_mirror_count_too_and_are_nobodys_fault() {
    let (main, mirror) = (Server::saying("main"), counting(2, 1));
    let proxy = proxy::start(&format!(
        "workers: 2
timeouts: {{upstream_idle: 1h}}
services: [{{host: \"*\", upstream: web, mirror: [{{upstream: other}}]}}]
upstreams:
  web: {{servers: [\"{main}\"]}}
  other: {{servers: [\"{}\"], limits: {{per_server: {{connections: 2}}}}}}
",
        mirror[0]
    ));
    let address = proxy.address();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(move || {
                let mut client = Socket::from(TcpStream::connect(address).unwrap());
                for _ in 0..20 {
                    client.send(get("/")).answer().expect(200);
                }
            });
        }
    });
    mirror[0].wait_requests(1);
    let status = proxy.status();
    let other = status.upstreams.iter().find(|upstream| upstream.name == "other").unwrap();
    assert_eq!((other.servers[0].connect_failures_total, other.servers[0].ejection.breaker), (0, 0));
    assert!(other.servers[0].connections_open <= 2);
}
