//! Limits of ours: nobody else is at fault for them, and who is being served goes on being served.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::{SyncSender, sync_channel};

use nix::sys::signal::Signal;

use super::super::process::{Running, answer as http_answer, ask as http_ask};
use super::super::scratch::Scratch;
use super::scripted::{Server, answer, ask, connect, message, packet, register, reply};

/// A proxy with an admin listener: where it listens, and where the other one is.
fn start(scratch: &Scratch, listener: &str, rest: &str) -> (Running, SocketAddr, SocketAddr) {
    let text = format!(
        "admin: '127.0.0.1:0'\nworkers: 1\nlisten: [{{address: '127.0.0.1:0', protocol: policy{listener}}}]\n{rest}"
    );
    let mut weir = Running::start(&["run", "-c", &scratch.file("weir.yaml", text)]);
    let (address, admin) = weir.addresses();
    (weir, address, admin)
}

/// A line of the metrics.
fn metrics_have(admin: SocketAddr, line: &str) -> bool {
    http_answer(http_ask(admin, "localhost", "/metrics")).lines().any(|other| other == line)
}

/// A server that answers whenever it is told to.
fn held() -> (SyncSender<()>, Server) {
    let (let_go, waiting) = sync_channel::<()>(16);
    let waiting = Mutex::new(waiting);
    let server = Server::start(move |_, stream| {
        // The test may have ended.
        let _ = waiting.lock().unwrap().recv();
        reply(stream, &answer(7, "1"));
    });
    (let_go, server)
}

/// With an idle server and nothing but connections, of which each has a descriptor.
#[test]
fn clients_leave_descriptors_for_servers() {
    let scratch = Scratch::new("policy-descriptors");
    let text = "admin: off\nworkers: 1\nlisten: [{address: '127.0.0.1:0', protocol: policy, timeouts: {idle: 1h}}]\n";
    let file = scratch.file("weir.yaml", text);
    let mut weir = Running::start_with_descriptors(&["run", "-c", &file], 128);
    let address = weir.address(" listening address=");
    weir.line("started");
    let _server = Server::numbered(7).registered(address, 7, 111);
    let mut first = connect(address);
    first.write_all(packet(111, "x").as_bytes()).unwrap();
    assert_eq!(message(&mut first).unwrap(), answer(7, "1"));
    let others: Vec<_> = (0..200).map(|_| connect(address)).collect();
    weir.line("nearly all file descriptors are taken");
    for _ in 0..3 {
        first.write_all(packet(111, "x").as_bytes()).unwrap();
        assert_eq!(message(&mut first).unwrap(), answer(7, "1"));
    }
    drop(others);
    assert_eq!(ask(address, &packet(111, "x")), answer(7, "1"), "those who waited are served");
}

/// Whoever waits for a place that does not come free has asked no server anything.
#[test]
fn a_server_without_a_place_is_not_blamed() {
    let scratch = Scratch::new("policy-place");
    let text = "admin: off\nworkers: 1\nlisten: [{address: '127.0.0.1:0', protocol: policy, timeouts: {answer: 1h}}]\n\
                upstreams: {'policy:111': {limits: {requests: 9, connections: 1, queue_timeout: 500ms}}}\n";
    let mut weir = Running::start(&["run", "-c", &scratch.file("weir.yaml", text)]);
    let address = weir.address(" listening address=");
    let (let_go, server) = held();
    let server = server.registered(address, 7, 111);
    let mut busy = connect(address);
    busy.write_all(packet(111, "x").as_bytes()).unwrap();
    weir_testkit::wait::until(|| !server.received.lock().unwrap().is_empty());
    for _ in 0..2 {
        let refused = ask(address, &packet(111, "x"));
        assert!(refused.contains("nothing of it has ended in time (`queue_timeout`)"), "{refused}");
    }
    let_go.send(()).unwrap();
    assert_eq!(message(&mut busy).unwrap(), answer(7, "1"));
    let_go.send(()).unwrap();
    assert_eq!(ask(address, &packet(111, "x")), answer(7, "1"));
    weir.signal(Signal::SIGTERM);
    let (_, lines) = weir.end();
    assert!(!lines.concat().contains("a server fails"), "{lines:?}");
}

/// Messages passed by the `limits` of their group, which only requests over HTTP had to keep.
#[test]
fn messages_keep_the_limits_of_their_group() {
    let scratch = Scratch::new("policy-requests");
    let limits = "upstreams: {'policy:111': {limits: {requests: 1, queue: 1, queue_timeout: 1h}}}\n";
    let (_weir, address, admin) = start(&scratch, ", timeouts: {answer: 1h}", limits);
    let (let_go, server) = held();
    let server = server.registered(address, 7, 111);
    let begin = || {
        let mut stream = connect(address);
        stream.write_all(packet(111, "x").as_bytes()).unwrap();
        stream
    };
    let mut first = begin();
    weir_testkit::wait::until(|| !server.received.lock().unwrap().is_empty());
    let second = begin();
    let waiting = "weir_upstream_requests_waiting{upstream=\"policy:111\"} 1";
    weir_testkit::wait::until(|| metrics_have(admin, waiting));
    // Who has gone waits for nothing, and its message is brought to nobody: it took the place of the next one.
    socket2::SockRef::from(&second).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(second);
    weir_testkit::wait::until(|| !metrics_have(admin, waiting));
    let mut second = begin();
    weir_testkit::wait::until(|| metrics_have(admin, waiting));
    let refused = ask(address, &packet(111, "x"));
    assert!(refused.contains("takes no more messages now: too much is in progress"), "{refused}");
    assert_eq!(server.received.lock().unwrap().len(), 1, "the server got one message");
    assert!(metrics_have(admin, "weir_refused_requests_total{reason=\"upstream_queue_full\"} 1"));
    for stream in [&mut first, &mut second] {
        let_go.send(()).unwrap();
        assert_eq!(message(stream).unwrap(), answer(7, "1"));
    }
    let_go.send(()).unwrap();
    assert_eq!(ask(address, &packet(111, "x")), answer(7, "1"));
}

/// One more connection than there may be waits until another one goes, and that it did is counted.
#[test]
fn there_may_be_only_so_many_connections() {
    let scratch = Scratch::new("policy-connections");
    let listener = ", limits: {connections: 1}, timeouts: {idle: 1h}";
    let (_weir, address, admin) = start(&scratch, listener, "");
    let mut first = connect(address);
    first.write_all(packet(111, "x").as_bytes()).unwrap();
    assert!(message(&mut first).unwrap().contains("no server"));
    let mut second = connect(address);
    second.write_all(packet(111, "x").as_bytes()).unwrap();
    let hit = "weir_limits_hit_total{limit=\"connections\"} 1";
    weir_testkit::wait::until(|| metrics_have(admin, hit));
    first.write_all(packet(111, "x").as_bytes()).unwrap();
    assert!(message(&mut first).unwrap().contains("no server"), "who is served goes on being served");
    drop(first);
    assert!(message(&mut second).unwrap().contains("no server"));
}

/// Servers that register and fall, or take other places, again and again: each time all of them are looked through, and it is logged.
#[test]
fn only_so_many_registrations_that_change_something_pass() {
    let scratch = Scratch::new("policy-registrations");
    let listener = ", limits: {registrations: 2/h}";
    let (_weir, address, admin) = start(&scratch, listener, "");
    let server = Server::numbered(7);
    let port = server.address.port();
    register(address, 7, 111, port);
    register(address, 7, 112, port);
    // Who says again that it is there is not counted; who may not register is not either.
    (0..3).for_each(|_| register(address, 7, 112, port));
    let other = format!(r#"{{"type": 1, "id": 7, "privPolyId": 113, "listenport": {port}}}"#);
    let elsewhere = other.replace('}', ", \"listenaddress\": \"10.0.0.1\"}");
    assert!(ask(address, &elsewhere).contains("registers for its own address"));
    let refused = ask(address, &other);
    assert!(refused.contains("too many servers register") && refused.contains("\"type\": -1"), "{refused}");
    assert!(metrics_have(admin, "weir_limits_hit_total{limit=\"registrations\"} 1"));
    assert_eq!(ask(address, &packet(112, "x")), answer(7, "1"));
}

/// A program of old registers once and hears no refusal: it waits for its turn.
#[test]
fn one_registration_too_many_waits_for_its_turn() {
    let scratch = Scratch::new("policy-turn");
    let listener = ", limits: {registrations: 1/s}, timeouts: {message: 1m}";
    let (_weir, address, _) = start(&scratch, listener, "");
    let server = Server::numbered(7);
    (111..114).for_each(|policy| register(address, 7, policy, server.address.port()));
    assert_eq!(ask(address, &packet(113, "x")), answer(7, "1"));
}

#[test]
fn what_is_refused_for_being_too_much_is_counted() {
    let scratch = Scratch::new("policy-counted");
    let listener = ", payload_max: 3, limits: {messages: 1/h, servers: 1}";
    let (_weir, address, admin) = start(&scratch, listener, "");
    let server = Server::numbered(7).registered(address, 7, 111);
    let second = format!(r#"{{"type": 1, "id": 8, "privPolyId": 111, "listenport": {}}}"#, address.port());
    assert!(ask(address, &second).contains("takes no more"));
    assert!(ask(address, &packet(111, "four")).contains("may have 3"));
    assert!(ask(address, &format!("{{\"a\": [{}0]}}", "0,".repeat(2000))).contains("holds too much"));
    assert_eq!(ask(address, &packet(111, "abc")), answer(7, "1"));
    assert!(ask(address, &packet(111, "abc")).contains("too many messages"));
    for line in [
        "weir_limits_hit_total{limit=\"registrations\"} 1",
        "weir_limits_hit_total{limit=\"payload\"} 2",
        "weir_refused_requests_total{reason=\"rate\"} 1",
        &format!("weir_upstream_requests_total{{upstream=\"policy:111\",server=\"{}\"}} 1", server.address),
    ] {
        assert!(
            metrics_have(admin, line),
            "{line}\n{}",
            http_answer(http_ask(admin, "localhost", "/metrics"))
        );
    }
}

/// Who sends and never reads would hold its answers in our memory for ever.
#[test]
fn who_does_not_take_its_answers_is_closed() {
    let scratch = Scratch::new("policy-deaf");
    let listener = ", timeouts: {idle: 1h, message: 500ms}";
    let (_weir, address, _) = start(&scratch, listener, "");
    // Larger than what the system holds for both sides, a piece at a time.
    let long = format!(r#"{{"type": 2, "srcid": 7, "destid": 1, "payload": "{}"}}"#, "x".repeat(60_000));
    let server = Server::start(move |_, stream| reply(stream, &long)).registered(address, 7, 111);
    let mut deaf = connect(address);
    deaf.set_write_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    let questions = packet(111, "x").repeat(100);
    // It takes questions as long as answers are taken; then it closes, and that reaches who writes.
    let failed = (0..100_000).find_map(|_| deaf.write_all(questions.as_bytes()).err());
    let kind = failed.expect("it is closed").kind();
    assert!(
        matches!(kind, std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe),
        "{kind}, after {} messages",
        server.received.lock().unwrap().len()
    );
    let mut rest = Vec::new();
    // What was sent before it was closed, or nothing after a reset.
    let _ = deaf.read_to_end(&mut rest);
}
