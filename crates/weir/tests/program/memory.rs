//! What a connection costs at the most, whatever its client and its server do: the bounds that `docs/hardening.md` states.

#![allow(clippy::print_stdout, reason = "the figures are the result")]

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use weir_testkit::wait::until_seen;

use super::footprint::{metric, resident_bytes};
use super::process::Running;
use super::scratch::Scratch;

/// Connections that do their worst at a time.
const CONNECTIONS: usize = 150;

/// What one may cost while its head is read: with the default of `limits.head` a buffer of 32 KiB, the smaller one that it had
/// before and the worker keeps for the next, and the exchange; and what those of a round before have left, as below.
const HEAD_BYTES_MAX: usize = 128 << 10;
/// What one may cost in the middle of a message: a buffer of 256 KiB for each direction, what is gathered to be written, and
/// the exchange. With 768 KiB this failed once in some twenty times: what those of one round have freed stays with their worker
/// for a while, and the next ones may come to the other one.
const BUSY_BYTES_MAX: usize = 1 << 20;
/// What one may cost beside that whose body is kept for a repeat: the default of `replay.memory`, and as much again while what has
/// been copied is not given back yet.
const KEPT_BODY_BYTES_MAX: usize = 512 << 10;
/// How often they do their worst. What one time leaves behind for each connection would be over the bound in the last.
const ROUNDS: usize = 4;

/// A server that reads nothing and answers without an end, as much as the system and the proxy take.
fn rude_server() -> SocketAddr {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    // All come at once. Who finds no room believes to be connected, and isn't for long.
    socket.listen(4096).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            std::thread::spawn(move || {
                let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
                while sent.is_ok() {
                    sent = stream.write_all(chunk.as_bytes());
                }
            });
        }
    });
    address
}

/// A client that has sent this.
fn client(address: SocketAddr, saying: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(saying.as_bytes()).unwrap();
    stream.set_nonblocking(true).unwrap();
    stream
}

/// Sends more, as much as the system takes, until the program takes nothing more for a while.
fn stuff(clients: &mut [TcpStream], more: bool) {
    let mut quiet = 0;
    while quiet < 10 {
        quiet += 1;
        for client in &mut *clients {
            while more && client.write(&[b'x'; 0x10000]).is_ok_and(|count| count > 0) {
                quiet = 0;
            }
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// What one may cost that is sent to three servers at once: no more than one whose body is kept for a repeat. All copies read the one
/// body that is kept, and only the answer that goes on has a large buffer.
const RACE_BYTES_MAX: usize = BUSY_BYTES_MAX + KEPT_BODY_BYTES_MAX;

fn start(servers: &[SocketAddr], dispatch: &str) -> (Running, SocketAddr, SocketAddr, Scratch) {
    let scratch = Scratch::new("memory");
    let servers: Vec<_> = servers.iter().map(|server| format!("'{server}'")).collect();
    let file = scratch.file(
        "weir.yaml",
        format!(
            "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\naccess_log: off\nworkers: 2\n\
             timeouts: {{request_head: 10m, request_body: 10m, client_write: 10m, answer_body: 10m}}\n\
             services: [{{host: '*', upstream: web, dispatch: {dispatch}}}]\n\
             upstreams: {{web: {{servers: [{}]}}}}\n",
            servers.join(", ")
        ),
    );
    let mut proxy = Running::start(&["run", "-c", &file]);
    let (address, admin) = proxy.addresses();
    (proxy, address, admin, scratch)
}

/// What one of many connections costs that begin with this, when they do their worst, again and again.
fn check(what: &str, saying: &str, bound: usize) {
    check_with(&[rude_server()], "balance", what, saying, bound);
}

/// The same with these servers, asked like this.
fn check_with(servers: &[SocketAddr], dispatch: &str, what: &str, saying: &str, bound: usize) {
    // A program of its own: what one has used before, it has at hand.
    let (proxy, address, admin, _scratch) = start(servers, dispatch);
    let before = resident_bytes(&proxy);
    let is_whole = saying.contains("\r\n\r\n");
    for _ in 0..ROUNDS {
        let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| client(address, saying)).collect();
        until_seen(|| metric(admin, "weir_connections_open"), |open| *open as usize == CONNECTIONS);
        if is_whole {
            until_seen(|| metric(admin, "weir_requests_in_flight"), |open| *open as usize == CONNECTIONS);
        }
        stuff(&mut clients, is_whole);
        let peak = resident_bytes(&proxy);
        let each = peak.saturating_sub(before) / CONNECTIONS;
        println!("{what}: {} KiB for each of {CONNECTIONS} connections", each / 1024);
        assert!(each <= bound, "{what}: {each} bytes instead of {bound}");
        drop(clients);
        until_seen(|| metric(admin, "weir_connections_open"), |open| *open == 0);
    }
}

fn sized(method: &str, bytes: usize) -> String {
    format!("{method} / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {bytes}\r\n\r\n")
}

#[test]
fn an_unfinished_head_costs_no_more_than_is_stated() {
    let head = format!("GET / HTTP/1.1\r\nHost: a.test\r\nX: {}", "x".repeat(32 * 1024 - 100));
    check("an unfinished head", &head, HEAD_BYTES_MAX);
}

#[test]
fn two_full_directions_cost_no_more_than_is_stated() {
    // One chunk, so that it goes through our memory: the system moves bodies of announced length.
    let fields = "HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let post = format!("POST / {fields}7fffffffffff\r\n");
    check("both directions full", &post, BUSY_BYTES_MAX);
}

#[test]
fn a_body_that_is_kept_costs_no_more_than_is_stated() {
    // As much as is kept, and others behind it that nobody can read yet.
    let put = sized("PUT", 256 << 10);
    check("both full, and a body that is kept", &put, BUSY_BYTES_MAX + KEPT_BODY_BYTES_MAX);
}

#[test]
fn a_race_costs_no_more_than_is_stated() {
    let servers: Vec<_> = (0..3).map(|_| rude_server()).collect();
    // More of a body than is kept in memory, and it never comes to its end.
    let put = sized("PUT", 1 << 20);
    check_with(&servers, "{mode: race}", "a race of three, both directions full", &put, RACE_BYTES_MAX);
}
