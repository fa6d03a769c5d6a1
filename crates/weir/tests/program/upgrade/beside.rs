//! Two processes beside each other: what the one that ends still does.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use nix::sys::signal::Signal;
use weir_testkit::server::Server;
use weir_testkit::wait::until;

use super::super::process::{answer, ask, send};
use super::super::scratch::Scratch;
use super::Family;

const PATIENCE: Duration = Duration::from_secs(60);

/// A connection of a client that keeps it.
fn keep(address: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    BufReader::new(stream)
}

fn head(stream: &mut impl BufRead) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(stream.read_line(&mut head).unwrap(), 0, "{head}");
    }
    head
}

fn get(stream: &mut BufReader<TcpStream>, body: &str) -> String {
    stream.get_mut().write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
    let head = head(stream);
    let mut got = vec![0; body.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(String::from_utf8(got).unwrap(), body, "{head}");
    head.to_ascii_lowercase()
}

/// A tunnel to a server that the test plays: both ends of it, in the old process.
fn tunnel(address: SocketAddr, server: &TcpListener) -> (BufReader<TcpStream>, BufReader<TcpStream>) {
    let mut client = keep(address);
    let upgrade = "GET /ws HTTP/1.1\r\nHost: ws.example\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    client.get_mut().write_all(upgrade.as_bytes()).unwrap();
    let mut server = BufReader::new(server.accept().unwrap().0);
    head(&mut server);
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    server.get_mut().write_all(switch.as_bytes()).unwrap();
    assert!(head(&mut client).starts_with("HTTP/1.1 101 "));
    (client, server)
}

fn says(from: &mut BufReader<TcpStream>, to: &mut BufReader<TcpStream>, word: &str) {
    from.get_mut().write_all(word.as_bytes()).unwrap();
    let mut got = vec![0; word.len()];
    to.read_exact(&mut got).unwrap();
    assert_eq!(String::from_utf8(got).unwrap(), word);
}

/// `semantics.md` §4.3, and the queue does not wait for what brings no request.
#[test]
fn kept_connections_and_tunnels_go_on_and_the_queue_is_let_go_before_them() {
    let scratch = Scratch::new("upgrade-tunnel");
    let sockets = TcpListener::bind("127.0.0.1:0").unwrap();
    let web = Server::saying("whole");
    let unix = scratch.path("clients");
    let config = scratch.file(
        "weir.yaml",
        format!(
            "listen: ['127.0.0.1:0', 'unix:{unix}']\nadmin: '127.0.0.1:0'\nworkers: 2\nstate: '{}'\ndrain: {{idle: 60s, deadline: 5m}}\nservices:\n  - {{host: \
             ws.example, upstream: ['{}']}}\n  - {{host: '*', upstream: web, dispatch: {{POST: {{mode: duplicate, catch_up: \
             durable}}}}}}\nupstreams: {{web: {{servers: ['{web}']}}}}\n",
            scratch.path("state"),
            sockets.local_addr().unwrap()
        ),
    );
    let mut family = Family::start(&["run", "-c", &config]);
    let (mut client, mut server) = tunnel(family.address, &sockets);
    let mut kept = keep(family.address);
    assert!(!get(&mut kept, "whole").contains("connection: close"));
    family.replace();
    assert!(answer(ask(family.address, "a.example", "/")).ends_with("whole"));
    UnixStream::connect(&unix).unwrap();
    // Until the kept connection has ended somebody may bring a write there.
    let refused = family.upgrade(&[]).2;
    assert!(refused.contains("still delivers from the queue `web`"), "{refused}");
    says(&mut client, &mut server, "before");
    assert!(get(&mut kept, "whole").contains("connection: close"), "its next answer is its last");
    assert_eq!(kept.read(&mut [0]).unwrap(), 0);
    family.running.line("the queue is taken over");
    says(&mut server, &mut client, "and after");
    // Another one follows while the first is still there.
    family.replace();
    family.running.line("stopped connections_cut=0");
    says(&mut client, &mut server, "and still");
    drop(client);
    let mut rest = Vec::new();
    server.read_to_end(&mut rest).unwrap();
    drop(server);
    family.running.line("stopped connections_cut=0");
    UnixStream::connect(&unix).unwrap();
    family.end();
    UnixStream::connect(&unix).unwrap_err();
}

#[test]
fn what_the_deadline_cuts_is_counted() {
    let scratch = Scratch::new("upgrade-cut");
    let sockets = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = scratch.file(
        "weir.yaml",
        format!(
            "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\ndrain: {{idle: 1s, deadline: 1s}}\nservices: [{{host: '*', upstream: ['{}']}}]\n",
            sockets.local_addr().unwrap()
        ),
    );
    let mut family = Family::start(&["run", "-c", &config]);
    let (mut client, _server) = tunnel(family.address, &sockets);
    family.replace();
    family.running.line("stopped connections_cut=1");
    let mut rest = Vec::new();
    // Cut or reset.
    let _ = client.read_to_end(&mut rest);
    assert!(rest.is_empty());
    family.end();
}

/// A second signal while the old one drains stops it at once, and not the new one.
#[test]
fn the_old_one_can_be_stopped_at_once() {
    let scratch = Scratch::new("upgrade-impatient");
    let sockets = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = scratch.file(
        "weir.yaml",
        format!(
            "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\nservices: [{{host: '*', upstream: ['{}']}}]\n",
            sockets.local_addr().unwrap()
        ),
    );
    let mut family = Family::start(&["run", "-c", &config]);
    let _tunnel = tunnel(family.address, &sockets);
    family.replace();
    family.running.signal(Signal::SIGUSR2);
    family.running.line("this process ends already");
    family.running.signal(Signal::SIGTERM);
    family.running.line("stopped connections_cut=1");
    TcpStream::connect(family.address).unwrap();
    family.end();
}

fn memory(scratch: &Scratch, server: &Server, deadline: &str) -> String {
    scratch.file(
        "weir.yaml",
        format!(
            "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\ndrain: {{idle: 1s, deadline: {deadline}}}\nservices: [{{host: '*', upstream: web, \
             dispatch: {{mode: duplicate, catch_up: memory, answer_timeout: 100ms}}}}]\nupstreams: {{web: {{servers: ['{server}']}}}}\n"
        ),
    )
}

/// What waits in memory is nobody else's: the process that has it delivers it before it ends.
#[test]
fn writes_in_memory_are_delivered_before_the_end() {
    let scratch = Scratch::new("upgrade-memory");
    let (server, down) = Server::down(503);
    let mut family = Family::start(&["run", "-c", &memory(&scratch, &server, "5m")]);
    assert!(answer(send(family.address, "POST", "/kept", "body")).starts_with("HTTP/1.1 503 "));
    family.replace();
    let before = server.requests().len();
    down.store(false, SeqCst);
    family.running.line("stopped connections_cut=0");
    let after = &server.requests()[before..];
    assert!(after.iter().any(|request| request.target() == "/kept" && request.body == b"body"));
    family.end();
}

#[test]
fn writes_in_memory_that_are_lost_are_counted() {
    let scratch = Scratch::new("upgrade-lost");
    let (server, _down) = Server::down(503);
    let mut family = Family::start(&["run", "-c", &memory(&scratch, &server, "1s")]);
    for _ in 0..2 {
        assert!(answer(send(family.address, "POST", "/lost", "body")).starts_with("HTTP/1.1 503 "));
    }
    family.replace();
    family.running.line("stopped connections_cut=0 writes_lost=2");
    family.end();
}

/// The file is read anew: addresses come and go, and so do workers.
#[test]
fn the_process_that_follows_has_the_configuration_of_now() {
    let scratch = Scratch::new("upgrade-other");
    let web = Server::saying("whole");
    let (stays, goes) = (scratch.path("stays"), scratch.path("goes"));
    let text = |listen: &str, workers: usize| {
        format!(
            "listen: [{listen}]\nadmin: '127.0.0.1:0'\nworkers: {workers}\nservices: [{{host: '*', upstream: ['{web}']}}]\n"
        )
    };
    let config = scratch.file("weir.yaml", text(&format!("'127.0.0.1:0', 'unix:{stays}', 'unix:{goes}'"), 1));
    let mut family = Family::start(&["run", "-c", &config]);
    let comes = scratch.path("comes");
    fs::write(&config, text(&format!("'unix:{comes}', '127.0.0.1:0', 'unix:{stays}'"), 3)).unwrap();
    family.signal(Signal::SIGUSR2);
    family.started();
    family.running.line("no longer listening");
    family.running.line("another process is in charge");
    family.running.line("stopped connections_cut=0");
    for path in [&comes, &stays] {
        UnixStream::connect(path).unwrap();
    }
    UnixStream::connect(&goes).unwrap_err();
    for _ in 0..6 {
        assert!(answer(ask(family.address, "a.example", "/")).ends_with("whole"));
    }
    // And back to fewer workers than sockets.
    fs::write(&config, text("'127.0.0.1:0'", 1)).unwrap();
    family.replace();
    family.running.line("stopped connections_cut=0");
    until(|| answer(ask(family.address, "a.example", "/")).ends_with("whole"));
    family.end();
}

/// Nobody listened then until the old one had drained, and no supervisor heard of it: the new one is a child of the old one.
#[test]
fn a_new_one_that_dies_takes_the_old_one_with_it() {
    let scratch = Scratch::new("upgrade-orphan");
    let sockets = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = scratch.file(
        "weir.yaml",
        format!(
            "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\ndrain: {{deadline: 5m}}\nservices: [{{host: '*', upstream: ['{}']}}]\n",
            sockets.local_addr().unwrap()
        ),
    );
    let mut family = Family::start(&["run", "-c", &config]);
    let _tunnel = tunnel(family.address, &sockets);
    family.replace();
    family.signal(Signal::SIGKILL);
    family.running.line("the new process was ended by signal 9; this one ends as well");
    family.running.line("stopped connections_cut=1");
    family.all_end();
}
